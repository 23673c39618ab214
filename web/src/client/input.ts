// What the hand moves, on its way to the edge: absolute values, one sequence number over all channels.
import type { Input, ViewPatch, ViewportPatch } from "../contract.js";

/** Scheduler is the time that the sender sees. Times are milliseconds of performance.now(). */
export interface Scheduler {
  now(): number;
  /** frame calls back before the next picture of the page is drawn. */
  frame(callback: () => void): void;
  /** timeout calls back after ms and returns what takes it back. */
  timeout(callback: () => void, ms: number): () => void;
}

/** Sequence is the one sequence of a page over all channels. */
export class Sequence {
  #last = 0;

  get last(): number {
    return this.#last;
  }

  next(): number {
    return ++this.#last;
  }
}

/** ViewportChange is the fields of a viewport that a hand changes, and its id. */
export type ViewportChange = ViewportPatch & { id: string };

export interface InputOptions {
  sequence: Sequence;
  scheduler: Scheduler;
  /** send gives one message to the input channel. It says false when the channel cannot take it now. */
  send(message: Input): boolean;
  /** sent is told of each new message, not of repetitions. */
  sent?(seq: number, at: number): void;
}

const repeatMs = 100;
/**
 * After this many repetitions the message has come, or nothing comes through: resume repeats it once more. A
 * change that moves nothing makes no picture, so there may never be a stamp.
 */
const maxRepeats = 30;

interface Pending {
  fields: Map<string, unknown>;
  seq: number;
  active: boolean;
  /** at is when the newest change was made. */
  at: number;
  dirty: boolean;
}

/**
 * InputSender sends the newest state at once, then at most once per picture of the page. As the channel may
 * lose messages, each one holds every field that no picture has shown yet, and the last one is repeated until
 * a stamp covers it, for three seconds at most.
 */
export class InputSender {
  readonly #options: InputOptions;
  readonly #pending = new Map<string, Pending>();
  #frameAsked = false;
  #stopRepeat: (() => void) | undefined;
  #repeats = 0;

  constructor(options: InputOptions) {
    this.#options = options;
  }

  /** uncovered says whether a change was made that no stamp has covered yet. */
  get uncovered(): boolean {
    return this.#pending.size > 0;
  }

  /** pendingPatch is every change that no stamp has covered yet. */
  pendingPatch(): ViewPatch {
    return { viewports: [...this.#pending].map(([id, { fields }]) => ({ id, ...Object.fromEntries(fields) })) };
  }

  /** change takes new values; active says that the hand is still on the picture. */
  change(change: ViewportChange, active: boolean): void {
    const { id, ...fields } = change;
    const pending = this.#pending.get(id) ?? { fields: new Map(), seq: 0, active, at: 0, dirty: true };
    for (const [name, value] of Object.entries(fields)) pending.fields.set(name, value);
    pending.active = active;
    pending.at = this.#options.scheduler.now();
    pending.dirty = true;
    this.#pending.set(id, pending);
    if (!this.#frameAsked) this.#flush();
  }

  /**
   * overrule forgets fields that a request on the control channel has just written, so that a repetition does
   * not write them again. Without fields, all of the viewport's are forgotten.
   */
  overrule(viewport: string, fields?: Iterable<string>): void {
    const pending = this.#pending.get(viewport);
    if (pending === undefined) return;
    for (const field of fields ?? [...pending.fields.keys()]) pending.fields.delete(field);
    if (pending.fields.size === 0) this.#pending.delete(viewport);
  }

  /** covered is told the sequence number of the newest stamp. */
  covered(seq: number): void {
    for (const [id, pending] of this.#pending) {
      if (!pending.dirty && pending.seq <= seq) this.#pending.delete(id);
    }
    if (this.#pending.size === 0) this.#endRepeat();
  }

  /** resume repeats what is not covered, after the channel was interrupted. */
  resume(): void {
    if (this.#pending.size === 0) return;
    this.#repeats = 0;
    this.#repeat();
    this.#armRepeat();
  }

  /** forget lets go of what is not covered: the edge that it was for is gone. */
  forget(): void {
    this.#pending.clear();
    this.#endRepeat();
  }

  #flush(): void {
    for (const [id, pending] of this.#pending) {
      if (!pending.dirty) continue;
      const before = pending.seq;
      pending.seq = this.#options.sequence.next();
      if (this.#send(id, pending)) {
        pending.dirty = false;
        this.#options.sent?.(pending.seq, pending.at);
      } else {
        // The number is spent; the value goes out with the next one.
        pending.seq = before;
      }
    }
    this.#repeats = 0;
    this.#armRepeat();
    this.#frameAsked = true;
    this.#options.scheduler.frame(() => {
      this.#frameAsked = false;
      if ([...this.#pending.values()].some((pending) => pending.dirty)) this.#flush();
    });
  }

  #send(id: string, pending: Pending): boolean {
    const message: Input = { seq: pending.seq, viewport: { id, ...Object.fromEntries(pending.fields) } };
    if (pending.active) message.active = true;
    return this.#options.send(message);
  }

  #armRepeat(): void {
    this.#endRepeat();
    if (this.#repeats >= maxRepeats) return;
    this.#stopRepeat = this.#options.scheduler.timeout(() => {
      this.#stopRepeat = undefined;
      if (this.#pending.size === 0) return;
      this.#repeats++;
      this.#repeat();
      this.#armRepeat();
    }, repeatMs);
  }

  #repeat(): void {
    for (const [id, pending] of this.#pending) {
      if (!pending.dirty) this.#send(id, pending);
    }
  }

  #endRepeat(): void {
    this.#stopRepeat?.();
    this.#stopRepeat = undefined;
  }
}

/** pageScheduler is the time of the page. */
export const pageScheduler: Scheduler = {
  now: () => performance.now(),
  frame: (callback) => {
    // A hidden page draws nothing; what was changed by a program still goes out.
    if (document.visibilityState === "hidden") setTimeout(callback, 16);
    else requestAnimationFrame(callback);
  },
  timeout: (callback, ms) => {
    const id = setTimeout(callback, ms);
    return () => {
      clearTimeout(id);
    };
  },
};
