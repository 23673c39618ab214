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

/** Beating is what a pulse needs of its connection. */
type Beating = Pick<Connection, "connected" | "alive" | "restart">;

/** Pulse watches one connection until it is stopped. */
export class Pulse {
  readonly #connection: Beating;
  readonly #control: Control;
  readonly #display: () => NonNullable<Request["display"]>;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopped = false;

  constructor(connection: Beating, control: Control, display: () => NonNullable<Request["display"]>) {
    this.#connection = connection;
    this.#control = control;
    this.#display = display;
  }

  /** start asks regularly from now on. */
  start(): void {
    this.#timer = setInterval(() => { this.#beat(withinMs); }, pulseMs);
  }

  /** doubt asks at once. */
  doubt(): void {
    this.#beat(doubtWithinMs);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #beat(within: number): void {
    if (!this.#connection.connected) return;
    this.#control.request({ type: "displayed", display: this.#display() }, within).then(
      () => { this.#connection.alive(); },
      (error: unknown) => {
        const silent = error instanceof ProblemError && error.code === "unavailable";
        if (silent && !this.#stopped) this.#connection.restart();
        else this.#connection.alive();
      },
    );
  }
}
