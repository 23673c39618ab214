// The way to another edge while the session goes on at this one: make before break (B8).
import type { Event as EdgeEvent, Stamp, ViewState } from "../contract.js";
import { type Standing, patienceMs, verdictOf } from "./arrival.js";
import type { Line } from "./line.js";
import { isFinal } from "./loss.js";
import { asProblem, ProblemError } from "./problem.js";
import type { Match } from "./stamps.js";
import type { Still } from "./still.js";
import type { Uploader } from "./uploader.js";
import { sameSeries, wholePatch } from "./view.js";

/** Leaving is the session as its move sees it. */
export interface Leaving {
  /** view is what the page shows or has asked for. */
  readonly view: ViewState | undefined;
  /** number is the newest sequence number of the page. */
  readonly number: number;
  /** steady says that no change of the view is on its way to the edge that is left but by the hand. */
  readonly steady: boolean;
  /** computing says that something is computed at the edge that is left. */
  readonly computing: boolean;
  readonly hidden: boolean;
  readonly size: { width: number; height: number } | undefined;
  /** shown is the picture on the screen. */
  readonly shown: Stamp | undefined;
}

/** Outcome hears how a handover goes. */
export interface Outcome {
  /** arrived is told once the target can take the place; match is its picture that was presented, where somebody looks. */
  arrived(match: Match | undefined): void;
  failed(problem: ProblemError): void;
  /** hold has the picture on the screen stand still for a moment, or go on. */
  hold(on: boolean): void;
}

/** Clock is the time that a handover sees, milliseconds of performance.now(). */
export interface Clock {
  now(): number;
  timeout(callback: () => void, ms: number): () => void;
}

/** A target that gives no sign for so long is left. */
const silentMs = 10_000;
/** What is under way at the edge that is left is waited for, but not for ever. */
const overallMs = 120_000;
/** The picture on the screen stands still for so long at most, and then not again for a while. */
const holdMs = 120;
const betweenHoldsMs = 1_000;

/** Handover is over with the first outcome, or when it is stopped. */
export class Handover {
  readonly line: Line;
  /** uploader sends the files of the session to the target too; undefined for a series. */
  readonly uploader: Uploader | undefined;
  readonly #leaving: Leaving;
  readonly #outcome: Outcome;
  readonly #clock: Clock;
  readonly #began: number;
  #over = false;
  #open = false;
  #alone = false;
  /** What the target has told, merged. */
  #said: EdgeEvent = { type: "loaded" };
  #whole = false;
  /** Which telling of the view is the newest, and what the target has made of it. */
  #telling = 0;
  #told: { seq: number; revision: number } | undefined;
  #passing = false;
  #asked = "";
  #covered = 0;
  #match: Match | undefined;
  #still: Still | undefined;
  #since: number | undefined;
  #heldAt = Number.NEGATIVE_INFINITY;
  #timers = new Map<"silence" | "patience" | "hold", () => void>();

  constructor(line: Line, uploader: Uploader | undefined, leaving: Leaving, outcome: Outcome, clock: Clock) {
    this.line = line;
    this.uploader = uploader;
    this.#leaving = leaving;
    this.#outcome = outcome;
    this.#clock = clock;
    this.#began = clock.now();
    line.track.taker = {
      covered: (seq) => { this.#covered = Math.max(this.#covered, seq); },
      matched: (match) => {
        this.#match = match;
        this.look();
      },
      unmatched: () => undefined,
      still: (still) => { this.#still = still; },
      refused: () => undefined,
    };
    line.connection.on("open", () => { this.#opened(); });
    line.connection.on("lost", (problem) => { this.#fail(problem ?? new ProblemError("unavailable", "No way to the other renderer was found")); });
  }

  /** begin connects to the target. */
  begin(): void {
    this.#sign();
    this.line.connection.open();
  }

  /** said is what the target has told of its session. */
  get said(): EdgeEvent {
    return this.#said;
  }

  /** told is the number up to which the target knows what was changed, from its view alone. */
  get told(): number {
    return this.#told?.seq ?? 0;
  }

  /** still is the target's lossless picture, where that came before its video could take the place. */
  get still(): Still | undefined {
    return this.#still;
  }

  /** usable says that the target was reached. */
  get usable(): boolean {
    return this.#open && !this.#over;
  }

  /** covered is up to which number the target shows what the hand has moved; it need not know what it will be told anyway. */
  get covered(): number {
    return this.#passing ? Math.max(this.#covered, this.told) : Number.POSITIVE_INFINITY;
  }

  /** input passes on what the hand moves, with its number. */
  input(message: string): boolean {
    return this.#passing && this.line.input(message);
  }

  /** alone says that nothing comes from the edge that was to be left, so that any picture of the target is better. */
  alone(alone: boolean): void {
    this.#alone = alone;
    if (alone && this.#told === undefined) this.sync();
    this.look();
  }

  /** event takes what the target says. */
  event(event: EdgeEvent): void {
    if (this.#over) return;
    this.#sign();
    const { session, patients, received, view, loading } = event;
    this.#said = {
      ...this.#said,
      ...(session && { session }), ...(patients && { patients }), ...(received && { received }), ...(view && { view }), ...(loading && { loading }),
    };
    switch (event.type) {
      case "ready":
        this.#deliver();
        break;
      case "loading":
        this.#whole = false;
        break;
      case "loaded":
        this.#whole = true;
        delete this.#said.loading;
        this.sync();
        break;
      case "notice":
        if (event.problem !== undefined && !this.#whole && isFinal(ProblemError.from(event.problem))) this.#fail(ProblemError.from(event.problem));
        break;
      case "ending":
        this.#fail(event.problem === undefined ? new ProblemError("cancelled", "The other renderer has ended the session") : ProblemError.from(event.problem));
        break;
      default: // nothing else is of importance before the page shows it
    }
  }

  /** sync tells the target the view as the page has it, which does not come by the hand alone. */
  sync(): void {
    this.#told = undefined;
    const { view, number: seq, steady } = this.#leaving;
    if (this.#over || !this.#whole || !(steady || this.#alone) || view === undefined) return;
    if (!sameSeries(view, this.#said.view)) {
      this.#openSame(view);
      return;
    }
    const telling = ++this.#telling;
    this.#passing = true;
    this.line.control.request({ type: "set-view", view: wholePatch(view), ...(seq === 0 ? {} : { seq }) }).then(
      () => {
        if (telling !== this.#telling || this.#over) return;
        this.#told = { seq, revision: this.#said.view?.revision ?? 0 };
        // A view that was the same before makes no new picture.
        if (this.#covered < seq) this.line.send({ type: "refresh" });
        this.look();
      },
      (error: unknown) => { if (telling === this.#telling) this.#fail(asProblem(error)); },
    );
  }

  /** look sees whether the target can take the place. */
  look(): void {
    if (this.#over) return;
    const now = this.#clock.now();
    if (this.#told !== undefined && this.#match !== undefined && this.#since === undefined) {
      this.#since = now;
      // Where nothing moves, no picture comes that would have it looked at again.
      this.#after("patience", patienceMs, () => { this.look(); });
    }
    const verdict = verdictOf(this.#standing(now));
    if (verdict === "go") this.#arrive();
    else if (verdict === "hold" && now - this.#heldAt >= betweenHoldsMs) this.#hold(now);
  }

  /** stop ends it without an outcome, and leaves the target. */
  stop(reason?: string): void {
    if (this.#over) return;
    this.#end();
    this.uploader?.interrupt();
    this.line.close(reason);
  }

  #standing(now: number): Standing {
    const { steady, computing, hidden, shown } = this.#leaving;
    return {
      inStep: this.#told !== undefined && (steady || this.#alone), busy: computing && !this.#alone, unseen: hidden, alone: this.#alone,
      revision: this.#told?.revision ?? 0, picture: this.#match?.stamp, shown, waitedMs: now - (this.#since ?? now),
    };
  }

  #opened(): void {
    if (this.#over) return;
    this.#open = true;
    this.#sign();
    const { size, hidden } = this.#leaving;
    if (size !== undefined) this.line.send({ type: "resize", ...size });
    if (hidden) this.line.send({ type: "visibility", hidden });
    this.line.pulse.start();
  }

  /** deliver sends the files to a target that does not have them. */
  #deliver(): void {
    if (this.uploader === undefined || (this.#said.patients ?? []).length > 0) return;
    this.uploader.deliver(this.line.grant.attempt.id, this.line.control, this.line.connection.bulk()).catch((error: unknown) => {
      this.#fail(asProblem(error));
    });
  }

  /** progress notes that files are on their way. */
  progress(): void {
    if (!this.#over) this.#sign();
  }

  /** openSame has the target show the series that the page shows, which is another than it began with. */
  #openSame(view: ViewState): void {
    const { series } = view.viewports[0];
    const key = JSON.stringify(series);
    if (this.#asked === key) return;
    this.#asked = key;
    this.line.control.request({ type: "open-series", series }).catch((error: unknown) => { this.#fail(asProblem(error)); });
  }

  #hold(now: number): void {
    this.#heldAt = now;
    this.#outcome.hold(true);
    this.#after("hold", holdMs, () => { this.#outcome.hold(false); });
  }

  #arrive(): void {
    this.#end();
    this.#outcome.arrived(this.#leaving.hidden ? undefined : this.#match);
  }

  #fail(problem: ProblemError): void {
    if (this.#over) return;
    this.stop("stayed");
    this.#outcome.failed(problem);
  }

  #end(): void {
    this.#over = true;
    if (this.#timers.has("hold")) this.#outcome.hold(false);
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** sign notes that the target is at work. */
  #sign(): void {
    this.#after("silence", silentMs, () => {
      const waits = this.#told !== undefined && (this.#leaving.computing || !this.#leaving.steady);
      if (waits && this.#clock.now() - this.#began < overallMs) this.#sign();
      else this.#fail(new ProblemError("unavailable", "The other renderer is not ready in time"));
    });
  }

  #after(name: "silence" | "patience" | "hold", ms: number, then: () => void): void {
    this.#timers.get(name)?.();
    this.#timers.set(name, this.#clock.timeout(() => {
      this.#timers.delete(name);
      then();
    }, ms));
  }
}
