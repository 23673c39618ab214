// The place that the broker has given a task.
import type { Grant, TaskRequest } from "../contract.js";
import type { BrokerAPI } from "./api.js";
import { ProblemError } from "./problem.js";
import type { Credentials } from "./signal.js";

/** A token that holds for less than this is renewed before it is used. */
const leastMs = 5_000;

/** Place holds the newest grant of one task, or none. */
export class Place {
  readonly #api: BrokerAPI;
  #grant: Grant | undefined;

  constructor(api: BrokerAPI) {
    this.#api = api;
  }

  get grant(): Grant | undefined {
    return this.#grant;
  }

  /** ask asks for a place for a new task. It says nothing where it was stopped meanwhile; the task is ended then. */
  async ask(request: TaskRequest, stop: AbortSignal): Promise<Grant | undefined> {
    const grant = await this.#api.submit(request, crypto.randomUUID(), stop);
    if (stop.aborted) {
      this.#api.finish(grant.task).catch(() => undefined);
      return undefined;
    }
    this.#grant = grant;
    return grant;
  }

  /**
   * again asks for a new grant of the task, whose edge this page has lost. It says nothing where the task is over, and
   * rejects where that cannot be known now.
   */
  async again(parameters: unknown, stop: AbortSignal): Promise<Grant | undefined> {
    if (this.#grant === undefined) return undefined;
    try {
      this.#grant = await this.#api.grant(this.#grant.task, { lost: true, parameters }, stop);
    } catch (error) {
      if (error instanceof ProblemError && (error.code === "no-free-node" || error.code === "unavailable")) throw error;
      stop.throwIfAborted();
      return undefined;
    }
    return this.#grant;
  }

  /** credentials are those of the grant, or of a new one where its token is about to expire. */
  async credentials(stop: AbortSignal): Promise<Credentials> {
    let grant = this.#grant;
    if (grant === undefined) throw new ProblemError("unauthorized", "No session was granted");
    if (Date.parse(grant.tokenExpiresAt) < Date.now() + leastMs) {
      grant = await this.#api.grant(grant.task, {}, stop);
      this.#grant = grant;
    }
    return { url: this.#api.webSocketURL(grant.signalingURL), token: grant.token };
  }

  /** leave forgets the grant: the next one is of another task. */
  leave(): void {
    this.#grant = undefined;
  }

  /** finish ends the task at the broker. */
  finish(): void {
    if (this.#grant !== undefined) this.#api.finish(this.#grant.task).catch(() => undefined);
  }
}
