// The line to the edge of a session, and while the session moves the line to the next one.
import type { Event as EdgeEvent, Grant, Request } from "../contract.js";
import { Emitter } from "./emitter.js";
import { Handover, type Leaving } from "./handover.js";
import { InputSender, type Scheduler, type Sequence } from "./input.js";
import { Line, type Wire } from "./line.js";
import { ProblemError } from "./problem.js";
import type { Match, Shown } from "./stamps.js";
import type { Track } from "./track.js";
import type { Uploader } from "./uploader.js";

/** Arrival is the session at its new edge: what is known of it there, and the picture that is on the screen. */
export interface Arrival {
  handover: Handover;
  match: Match | undefined;
}

export interface LinesEvents {
  /** event is what the edge of the session says. */
  event: EdgeEvent;
  stream: MediaStream;
  open: undefined;
  interrupted: undefined;
  restored: undefined;
  /** lost is told when the line cannot be restored, with what signalling said. */
  lost: { problem: ProblemError | undefined; wasOpen: boolean };
  /** coming are pictures of the edge that the session is on its way to; undefined where it stays after all. */
  coming: MediaStream | undefined;
  /** hold has the picture on the screen stand still for a moment, or go on. */
  hold: boolean;
  arrived: Arrival;
}

/** Ways is what lines are made of. */
export interface Ways {
  /** connect makes the connection that a grant is for, which is opened later; with a secret it takes an earlier one over. */
  connect(grant: Grant, resume: string): Wire;
  scheduler: Scheduler;
  sequence: Sequence;
  leaving: Leaving;
  display(): NonNullable<Request["display"]>;
  /** sent is told which input has gone out, and when. */
  sent(seq: number, at: number): void;
  /** uploader sends the files of the session to another edge; undefined for a series. */
  uploader(progress: () => void): Uploader | undefined;
  /** where asks the broker for the place of the task, whose edge may be lost; there is none where it is over. */
  where(): Promise<Grant | undefined>;
}

/** A page comes back to one of the last few attempts, or to none. */
const secretsBound = 4;

/** Lines owns the lines of one session. */
export class Lines extends Emitter<LinesEvents> {
  readonly input: InputSender;
  readonly #ways: Ways;
  #line: Line | undefined;
  #handover: Handover | undefined;
  /** The line that the session has left, until the next edge has said that it goes on there. */
  #left: Line | undefined;
  /** The broker has placed the task where the session is on its way to, and need not be told of the arrival. */
  #placed = false;
  #wondering = false;
  /** The secrets of the attempts that this page was connected to last. */
  readonly #secrets = new Map<string, string>();
  /** Why the line is lost, while the session may still arrive elsewhere. */
  #gone: { problem: ProblemError | undefined } | undefined;

  constructor(ways: Ways) {
    super();
    this.#ways = ways;
    this.input = new InputSender({
      sequence: ways.sequence,
      scheduler: ways.scheduler,
      send: (message) => {
        const text = JSON.stringify(message);
        // Both are told the same, with the same number.
        const [here, there] = [this.#line?.input(text), this.#handover?.input(text)];
        return here === true || there === true;
      },
      sent: (seq, at) => { ways.sent(seq, at); },
    });
  }

  /** line is that of the session. */
  get line(): Line | undefined {
    return this.#line;
  }

  /** comes notes a frame of the edge that the session is on its way to. */
  comes(shown: Shown): void {
    this.#handover?.line.track.shown(shown);
  }

  /** comingTimestamp is the RTP timestamp of the newest frame from there. */
  comingTimestamp(): number | undefined {
    return this.#handover?.line.connection.newestTimestamp();
  }

  /** connect begins a line in place of the one before. */
  connect(grant: Grant): Track {
    this.close();
    const line = this.#make(grant, this.secret(grant.attempt.id));
    this.#line = line;
    line.connection.open();
    return line.track;
  }

  /** send is for what every edge of the session is to know, whose refusal the user need not hear of. */
  send(request: Omit<Request, "id">): void {
    this.#line?.send(request);
    if (this.#handover?.usable === true) this.#handover.line.send(request);
  }

  /** covered takes up to which number the edge shows what the hand has moved. */
  covered(seq: number): void {
    this.input.covered(Math.min(seq, this.#handover?.covered ?? seq));
  }

  /** changed says that the view, or what is known of it, may be another than the next edge was told. */
  changed(): void {
    this.#handover?.sync();
  }

  /** look sees whether a move can be ended, when something else than a picture has changed. */
  look(): void {
    this.#handover?.look();
  }

  close(reason?: string): void {
    this.#stop(reason);
    this.#gone = undefined;
    this.input.forget();
    this.#left?.close();
    this.#left = undefined;
    if (this.#line !== undefined) this.#remember(this.#line);
    this.#line?.close(reason);
    this.#line = undefined;
  }

  #remember({ grant, connection }: Line): void {
    this.#secrets.set(grant.attempt.id, connection.resume);
    for (const oldest of this.#secrets.keys()) {
      if (this.#secrets.size <= secretsBound) break;
      this.#secrets.delete(oldest);
    }
  }

  #make(grant: Grant, resume: string): Line {
    const line = new Line(grant, this.#ways.connect(grant, resume), {
      display: () => this.#ways.display(),
      event: (from, event) => { this.#event(from, event); },
      quiet: (from) => { this.#quiet(from); },
    });
    const { connection } = line;
    connection.on("stream", (stream) => {
      if (this.#line === line) this.emit("stream", stream);
      else if (this.#handover?.line === line) this.emit("coming", stream);
    });
    connection.on("open", () => {
      if (this.#line !== line) return;
      this.emit("open", undefined);
      line.pulse.start();
    });
    for (const name of ["interrupted", "restored"] as const) {
      connection.on(name, () => {
        if (this.#line === line) this.#handover?.alone(name === "interrupted");
        // It may have arrived at the next edge by that.
        if (this.#line === line) this.emit(name, undefined);
      });
    }
    connection.on("lost", (problem) => { this.#lost(line, problem); });
    return line;
  }

  #event(line: Line, event: EdgeEvent): void {
    if (this.#handover?.line === line) this.#handover.event(event);
    else if (this.#left === line && event.type === "stay" && this.#line !== undefined) this.#back(line, this.#line);
    if (this.#line !== line) return;
    if (event.type === "move") this.#move(event);
    else if (event.type === "stay") this.#stop("stays");
    else if (event.type === "ending" && (event.problem?.code === "moved" || this.#handover !== undefined)) {
      this.#lost(line, event.problem && ProblemError.from(event.problem));
    }
    else this.emit("event", event);
    if (event.view !== undefined) this.changed();
  }

  /** secret is what lets this page come back to an attempt that it was connected to; empty where it was not. */
  secret(attempt: string): string {
    return this.#secrets.get(attempt) ?? "";
  }

  #quiet(line: Line): void {
    if (this.#line !== line) return;
    if (this.#handover === undefined) void this.#wonder(line);
    else this.#handover.alone(true);
  }

  /**
   * wonder asks the broker early whether an edge is gone of which nothing is heard. Where it is, the task has another place by
   * then; an edge that is there keeps it, and the connection is all that is seen to.
   */
  async #wonder(line: Line): Promise<void> {
    if (this.#wondering) return;
    this.#wondering = true;
    try {
      const grant = await this.#ways.where();
      if (grant === undefined || this.#line !== line || this.#handover !== undefined || grant.attempt.id === line.grant.attempt.id) return;
      this.#begin(grant, true).alone(true);
    } catch {
      // The broker does not know either; the connection says in time what becomes of it.
    } finally {
      this.#wondering = false;
    }
  }

  #move({ grant }: EdgeEvent): void {
    const known = [this.#handover?.line, this.#line].map((line) => line?.grant.attempt.id);
    if (grant !== undefined && !known.includes(grant.attempt.id)) this.#begin(grant, false); // it may be told twice
  }

  /** begin goes to another edge while the session goes on here. */
  #begin(grant: Grant, placed: boolean): Handover {
    this.#stop("stays");
    this.#placed = placed;
    const line = this.#make(grant, this.secret(grant.attempt.id));
    const uploader = this.#ways.uploader(() => { this.#handover?.progress(); });
    const handover = new Handover(line, uploader, this.#ways.leaving, {
      arrived: (match) => { this.#arrived(match); },
      failed: (problem) => { this.#stayed(problem); },
      hold: (on) => { this.emit("hold", on); },
    }, this.#ways.scheduler);
    this.#handover = handover;
    handover.begin();
    return handover;
  }

  #arrived(match: Match | undefined): void {
    const [handover, left] = [this.#handover, this.#line];
    if (handover === undefined) return;
    this.#handover = undefined;
    this.#line = handover.line;
    this.#left = left;
    this.#gone = undefined;
    this.emit("arrived", { handover, match });
    if (this.#placed) {
      this.#left = undefined;
      left?.close();
      return;
    }
    handover.line.control.request({ type: "arrived" }).then(
      () => {
        left?.close();
        if (this.#left === left) this.#left = undefined;
      },
      () => { this.#back(left, handover.line); },
    );
  }

  /** back goes on with the line that was left, where that is still there, because the next edge did not take the session. */
  #back(left: Line | undefined, next: Line): void {
    const stands = left !== undefined && this.#left === left;
    if (stands) this.#left = undefined;
    if (this.#line !== next) { // the session has ended, or is somewhere else by now
      left?.close();
      return;
    }
    if (stands) {
      next.close();
      this.#line = left;
    }
    // The broker knows where the session is.
    this.emit("lost", { problem: undefined, wasOpen: true });
  }

  /** stayed tells the edge that was to be left that the session stays there. */
  #stayed({ code, title, detail }: ProblemError): void {
    if (this.#handover !== undefined) this.#remember(this.#handover.line);
    this.#handover = undefined;
    this.emit("coming", undefined);
    if (!this.#placed) this.#line?.send({ type: "stayed", problem: { code, title, detail } });
    if (this.#gone !== undefined && this.#line !== undefined) this.#lost(this.#line, this.#gone.problem);
  }

  #stop(reason?: string): void {
    if (this.#handover === undefined) return;
    this.#handover.stop(reason);
    this.#handover = undefined;
    this.emit("coming", undefined);
  }

  /** lost takes that a line cannot be restored. A session that is on its way to another edge goes there all the sooner. */
  #lost(line: Line, problem: ProblemError | undefined): void {
    if (this.#left === line) this.#left = undefined;
    if (this.#line !== line) return;
    if (this.#handover?.usable === true || (this.#handover !== undefined && this.#placed)) {
      this.#gone = { problem };
      this.#handover.alone(true);
      return;
    }
    this.#stop();
    this.#gone = undefined;
    this.emit("lost", { problem, wasOpen: line.connection.wasOpen });
  }
}
