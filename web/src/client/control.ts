// Requests of the page on the control channel and their replies.
import type { Event as EdgeEvent, Request } from "../contract.js";
import { ProblemError } from "./problem.js";

const replyWithinMs = 10_000;

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

/** Control numbers requests and pairs replies with them. */
export class Control {
  readonly #send: (message: string) => boolean;
  readonly #waiting = new Map<number, Waiting>();
  #lastID = 0;

  /** send gives one message to the channel; it says false when the channel is not open. */
  constructor(send: (message: string) => boolean) {
    this.#send = send;
  }

  /** request resolves when the edge has carried it out, and rejects with the edge's problem where it has not. */
  request(request: Omit<Request, "id">, withinMs = replyWithinMs): Promise<void> {
    const id = ++this.#lastID;
    return new Promise((resolve, reject) => {
      if (!this.#send(JSON.stringify({ ...request, id }))) {
        reject(new ProblemError("unavailable", "The renderer cannot be reached", "The connection is interrupted; it is being restored."));
        return;
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new ProblemError("unavailable", "The renderer does not answer", `Nothing came for ${withinMs / 1000} s.`));
      }, withinMs);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  /** reply takes an event of the type "reply". */
  reply(event: EdgeEvent): void {
    const waiting = this.#waiting.get(event.id ?? 0);
    if (waiting === undefined) return;
    this.#waiting.delete(event.id ?? 0);
    clearTimeout(waiting.timer);
    if (event.problem === undefined) waiting.resolve();
    else waiting.reject(ProblemError.from(event.problem));
  }

  /** close fails what still waits. */
  close(): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new ProblemError("cancelled", "The session was closed"));
    }
    this.#waiting.clear();
  }
}
