// Waiting for a place: the task's events at the broker, followed until they bring a grant.
import type { Grant, Pending, Problem } from "../contract.js";
import { backoffMs, wait } from "./backoff.js";
import { ProblemError } from "./problem.js";
import type { ServerEvent } from "./server-events.js";

/** Followed is told while a task waits. */
export interface Followed {
  /** pending says where it stands. */
  pending(pending: Pending): void;
  /** cut says that the broker is out of reach at the moment; the place in the queue is kept for a while. */
  cut(problem: ProblemError): void;
}

/** EventsOf opens the events of the task. */
export type EventsOf = (stop: AbortSignal) => AsyncGenerator<ServerEvent>;

/** What may be otherwise soon: a broker that is being started anew, or another one behind the same address. */
const passing = new Set<ProblemError["code"]>(["unavailable", "rate-limited", "internal"]);

/**
 * follow resolves with the grant, however often the stream is cut meanwhile. It rejects with the broker's problem where
 * the task gets no place, and with stop's reason.
 */
export async function follow(events: EventsOf, told: Followed, stop: AbortSignal, pause = wait): Promise<Grant> {
  for (let tries = 0; ; tries++) {
    try {
      for await (const { type, data } of events(stop)) {
        tries = 0;
        if (type === "pending") told.pending(JSON.parse(data) as Pending);
        if (type === "grant") return JSON.parse(data) as Grant;
        if (type === "problem") throw new Refused(ProblemError.from(JSON.parse(data) as Problem));
      }
    } catch (error) {
      stop.throwIfAborted();
      if (error instanceof Refused) throw error.problem;
      if (!(error instanceof ProblemError && passing.has(error.code))) throw error;
      told.cut(error);
    }
    await pause(backoffMs(tries, 500, 5_000), stop);
  }
}

/** Refused is a problem that the stream itself brought, and not one of reading it. */
class Refused extends Error {
  constructor(readonly problem: ProblemError) {
    super(problem.message);
  }
}
