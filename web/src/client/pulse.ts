// Whether the edge is still there: it is asked for a sign of life, and told about the display on the way.
import type { Request } from "../contract.js";
import type { Connection } from "./connection.js";
import type { Control } from "./control.js";
import { ProblemError } from "./problem.js";

/** The edge is asked this often, and is thought gone when no answer comes for so long. */
const pulseMs = 2_000;
const withinMs = 4_000;
/** Where there is a reason to doubt, it has to answer sooner. */
const doubtWithinMs = 1_500;
/** While the user works, whose edge is heard all the time, so much silence is a reason to ask it. */
const stillMs = 250;
/** For so long after the last input the user is at work. */
const workMs = 2_000;
/** An edge that says nothing at all for so long after it was asked is quiet: sooner, where its signalling is cut as well. */
const quietMs = 750;
const cutQuietMs = 300;

/** Beating is what a pulse needs of its connection. */
type Beating = Pick<Connection, "connected" | "alive" | "restart">;

/** Pulse watches one connection until it is stopped. */
export class Pulse {
  readonly #connection: Beating;
  readonly #control: Control;
  readonly #display: () => NonNullable<Request["display"]>;
  readonly #quiet: () => void;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #stopped = false;
  #heardAt = 0;
  #workedAt = Number.NEGATIVE_INFINITY;
  #toldAt = 0;
  #asking = 0;

  /** quiet is told where nothing is heard of the edge, which may be a bad network as well. */
  constructor(connection: Beating, control: Control, display: () => NonNullable<Request["display"]>, quiet: () => void) {
    this.#connection = connection;
    this.#control = control;
    this.#display = display;
    this.#quiet = quiet;
  }

  /** start asks regularly from now on. */
  start(): void {
    this.#heardAt = this.#toldAt = performance.now();
    this.#timers.push(setInterval(() => { this.#tick(performance.now()); }, stillMs));
  }

  /** heard notes that something came from the edge. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** works notes that the user does something, whose effect the edge has to show. */
  works(): void {
    this.#workedAt = performance.now();
  }

  /** doubt asks at once. */
  doubt(): void {
    this.#beat(doubtWithinMs, cutQuietMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }

  #tick(now: number): void {
    const silent = now - this.#workedAt < workMs && now - this.#heardAt >= stillMs;
    if (now - this.#toldAt >= pulseMs || (silent && this.#asking === 0)) this.#beat(withinMs, quietMs);
  }

  #beat(within: number, quiet: number): void {
    if (!this.#connection.connected || this.#stopped) return;
    const asked = performance.now();
    this.#toldAt = asked;
    this.#asking++;
    const timer = setTimeout(() => {
      this.#timers = this.#timers.filter((one) => one !== timer);
      if (this.#heardAt < asked) this.#quiet();
    }, quiet);
    this.#timers.push(timer);
    this.#control.request({ type: "displayed", display: this.#display() }, within).then(
      () => { this.#connection.alive(); },
      (error: unknown) => {
        const silent = error instanceof ProblemError && error.code === "unavailable";
        if (silent && !this.#stopped) this.#connection.restart();
        else this.#connection.alive();
      },
    ).finally(() => { this.#asking--; });
  }
}
