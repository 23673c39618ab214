// The place of a task: asked for at the nearest edge or at the broker, waited for in the queue, and renewed.
import type { Grant, Pending, TaskRequest } from "../contract.js";
import { type Answer, type BrokerAPI, isGrant } from "./api.js";
import { backoffMs, wait } from "./backoff.js";
import { follow, type Followed } from "./follow.js";
import type { Near } from "./near.js";
import { ProblemError } from "./problem.js";
import type { Credentials } from "./signal.js";

/** Way is whom a page asks first: the broker, or the nearest edge that it may ask. */
export type Way = "broker-first" | "edge-first";

/** Whom says whom to ask, and what is known of the edges near the page. */
export interface Whom {
  way: Way;
  near: Near;
}

/** A token that holds for less than this is renewed before it is used. */
const leastMs = 5_000;
/** What may be otherwise soon. */
const passing = new Set<ProblemError["code"]>(["no-free-node", "unavailable", "data-stays"]);
/** A broker that was silent for longer than this is not asked again. */
const patientMs = 5_000;
/** So many edges are asked before the broker is. */
const edgesAsked = 2;

/** Place holds the newest grant of one task, or none. */
export class Place {
  readonly #api: BrokerAPI;
  readonly #whom: Whom | undefined;
  readonly #told: Followed;
  #grant: Grant | undefined;
  #waiting = "";

  /** told hears how a task waits. */
  constructor(api: BrokerAPI, whom: Whom | undefined, told: Followed) {
    this.#api = api;
    this.#whom = whom;
    this.#told = told;
  }

  get grant(): Grant | undefined {
    return this.#grant;
  }

  /** ask asks for a place for a new task. It says nothing where it was stopped meanwhile; the task is ended then. */
  async ask(request: TaskRequest, stop: AbortSignal): Promise<Grant | undefined> {
    this.leave();
    const pings = this.#whom?.near.known() ?? [];
    const answer = await this.#submit(pings.length === 0 ? request : { ...request, pings }, crypto.randomUUID(), stop);
    if (stop.aborted) {
      this.#end(answer.task);
      return undefined;
    }
    this.#grant = isGrant(answer) ? answer : await this.#wait(answer, stop);
    return this.#grant;
  }

  /**
   * submit asks the nearest edges where that is the way, and else the broker, which has the last word: with the same key
   * both know the same task.
   */
  async #submit(request: TaskRequest, key: string, stop: AbortSignal): Promise<Answer> {
    if (this.#whom?.way === "edge-first") {
      const { edges, token } = await this.#whom.near.nearest(request.type, stop).catch(() => ({ edges: [], token: "" }));
      const pings = this.#whom.near.known();
      const asked = pings.length === 0 ? request : { ...request, pings };
      for (const { url = "" } of edges.slice(0, edgesAsked)) {
        stop.throwIfAborted();
        try {
          return await this.#api.submitToEdge(url, token, asked, key, stop);
        } catch {
          // It is gone or does not take this page; the next one may.
        }
      }
    }
    stop.throwIfAborted();
    const asked = performance.now();
    try {
      return await this.#api.submit(request, key, stop);
    } catch (error) {
      const passes = error instanceof ProblemError && error.code === "unavailable" && performance.now() - asked < patientMs;
      if (!passes || stop.aborted) throw error;
    }
    // A broker that went away in the middle may have a neighbour behind the same address, who knows the key.
    await wait(backoffMs(0), stop);
    return this.#api.submit(request, key, stop);
  }

  /** wait follows the task at this page's broker, also where a busy edge has sent it there. */
  async #wait(pending: Pending, stop: AbortSignal): Promise<Grant> {
    const { task } = pending;
    this.#waiting = task;
    this.#told.pending(pending);
    try {
      return await follow((signal) => this.#api.events(task, signal), this.#told, stop);
    } finally {
      // Who does not wait any more leaves the queue.
      if (this.#waiting === task && stop.aborted) this.#end(task);
      if (this.#waiting === task) this.#waiting = "";
    }
  }

  /** again goes on where the task has its place by now, as where says. */
  async again(parameters: unknown, stop: AbortSignal): Promise<Grant | undefined> {
    const grant = await this.where(parameters, stop);
    if (grant !== undefined) this.#grant = grant;
    return grant;
  }

  /**
   * where asks for a new grant of the task, of whose edge this page hears nothing. It says nothing where the task is over, and
   * rejects where that cannot be known now.
   */
  async where(parameters: unknown, stop: AbortSignal): Promise<Grant | undefined> {
    if (this.#grant === undefined) return undefined;
    try {
      return await this.#api.grant(this.#grant.task, { lost: true, parameters }, stop);
    } catch (error) {
      if (error instanceof ProblemError && passing.has(error.code)) throw error;
      stop.throwIfAborted();
      return undefined;
    }
  }

  /** take goes on with the grant of another place of the same task. */
  take(grant: Grant): void {
    this.#grant = grant;
  }

  /**
   * credentials are those of a grant; of the place that the task has, they are of a newer grant where there is one, or where
   * the token is about to expire.
   */
  async credentials(of: Grant, stop: AbortSignal): Promise<Credentials> {
    let grant = this.#grant;
    if (grant?.attempt.id !== of.attempt.id) return this.#credentialsOf(of);
    if (Date.parse(grant.tokenExpiresAt) < Date.now() + leastMs) {
      grant = await this.#api.grant(grant.task, {}, stop);
      if (grant.attempt.id !== of.attempt.id) throw new ProblemError("moved", "The session goes on at another renderer");
      this.#grant = grant;
    }
    return this.#credentialsOf(grant);
  }

  #credentialsOf(grant: Grant): Credentials {
    return { url: this.#api.webSocketURL(grant.signalingURL), token: grant.token };
  }

  /** leave forgets the grant: the next one is of another task. One that waits leaves the queue. */
  leave(): void {
    this.#grant = undefined;
    if (this.#waiting !== "") this.#end(this.#waiting);
    this.#waiting = "";
  }

  /** finish ends the task at the broker. */
  finish(): void {
    const task = this.#grant?.task ?? this.#waiting;
    if (task !== "") this.#end(task);
    this.#waiting = "";
  }

  #end(task: string): void {
    this.#api.finish(task).catch(() => undefined);
  }
}
