// What an element reads from the broker again and again while it is on the page.
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { wait } from "../client/backoff.js";
import { asProblem, type ProblemError } from "../client/problem.js";

/** Reading keeps the newest answer; one that fails leaves the one before, and says why. */
export class Reading<T> implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #read: (stop: AbortSignal) => Promise<T>;
  readonly #everyMs: number;
  readonly #pause: typeof wait;
  #stop: AbortController | undefined;

  value: T | undefined;
  problem: ProblemError | undefined;

  constructor(host: ReactiveControllerHost, read: (stop: AbortSignal) => Promise<T>, everyMs: number, pause = wait) {
    this.#host = host;
    this.#read = read;
    this.#everyMs = everyMs;
    this.#pause = pause;
    host.addController(this);
  }

  hostConnected(): void {
    this.again();
  }

  hostDisconnected(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  /** again reads now; an answer that is still on its way does not count any more. */
  again(): void {
    this.#stop?.abort();
    this.#stop = new AbortController();
    void this.#follow(this.#stop.signal);
  }

  /** anew reads now, and forgets what was known. */
  anew(): void {
    this.value = undefined;
    this.problem = undefined;
    this.again();
    this.#host.requestUpdate();
  }

  async #follow(stop: AbortSignal): Promise<void> {
    const stopped = (): boolean => stop.aborted;
    while (!stopped()) {
      try {
        const value = await this.#read(stop);
        if (stopped()) return;
        this.value = value;
        this.problem = undefined;
      } catch (error) {
        if (stopped()) return;
        this.problem = asProblem(error);
        // Who may not look is not let in by asking again.
        if (["forbidden", "unauthorized"].includes(this.problem.code)) {
          this.#host.requestUpdate();
          return;
        }
      }
      this.#host.requestUpdate();
      await this.#pause(this.#everyMs, stop).catch(() => undefined);
    }
  }
}
