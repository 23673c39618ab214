// The part of the broker's HTTP API, /api/v1, that places tasks.
import type { Grant, NearEdges, Pending, Ping, TaskRequest } from "../contract.js";
import { BrokerHTTP, type GetToken } from "./http.js";
import { problemOf } from "./problem.js";
import { type ServerEvent, serverEvents } from "./server-events.js";

/** Answer is what a request for a place gets: a place, or one to wait for. */
export type Answer = Grant | Pending;

/** isGrant says whether a request has a place. */
export function isGrant(answer: Answer): answer is Grant {
  return "attempt" in answer;
}

/** An edge that is asked first is near, and has its answer at hand. */
const edgeWithinMs = 2_500;

/** BrokerAPI asks one broker for places of tasks. */
export class BrokerAPI {
  readonly #http: BrokerHTTP;

  /** endpoint is the broker's URL; empty is the page's own origin. */
  constructor(endpoint: string, getToken?: GetToken) {
    this.#http = new BrokerHTTP(endpoint, getToken);
  }

  /** webSocketURL makes a signalling URL absolute: one without a scheme is relative to the broker. */
  webSocketURL(url: string): string {
    const absolute = new URL(url, `${this.#http.root}/`);
    absolute.protocol = absolute.protocol.replace("http", "ws");
    return absolute.href;
  }

  /** root is the broker's URL without a slash at its end. */
  get root(): string {
    return this.#http.root;
  }

  /** submit asks for a place for a task. The same key never makes a second task. */
  async submit(request: TaskRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Answer> {
    return (await this.#http.ask("POST", "/tasks", { body: request, idempotencyKey, signal })) as Answer;
  }

  /**
   * submitToEdge asks an edge itself, with the token for near edges: the user's own goes to the broker alone. A busy
   * edge answers with a task to follow at the broker.
   */
  async submitToEdge(url: string, token: string, request: TaskRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Answer> {
    const within = AbortSignal.timeout(edgeWithinMs);
    const response = await fetch(`${url.replace(/\/$/, "")}/api/v1/tasks`, {
      method: "POST",
      headers: {
        Accept: "application/json, application/problem+json", Authorization: `Bearer ${token}`,
        "Content-Type": "application/json", "Idempotency-Key": idempotencyKey,
      },
      body: JSON.stringify(request),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: signal === undefined ? within : AbortSignal.any([signal, within]),
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw problemOf(response.status, body);
    return body as Answer;
  }

  /** events are those of a task that waits for its place. */
  events(task: string, signal?: AbortSignal): AsyncGenerator<ServerEvent> {
    return serverEvents((until) => this.#http.stream(`/tasks/${encodeURIComponent(task)}/events`, until), signal);
  }

  /** near are the edges near this page that take tasks of a type. */
  async near(type: string, signal?: AbortSignal): Promise<NearEdges> {
    return (await this.#http.ask("GET", `/edges?type=${encodeURIComponent(type)}`, { signal })) as NearEdges;
  }

  /** pinged tells the broker what was measured, for others at the same place. */
  async pinged(pings: Ping[]): Promise<void> {
    await this.#http.ask("POST", "/edges/pings", { body: { pings }, keepalive: true });
  }

  /**
   * grant asks for a new grant of a task. lost says that this page cannot reach the edge any more, so that the
   * broker seeks another where it cannot either; there the task goes on with the parameters given.
   */
  async grant(task: string, renewal: { lost?: boolean; parameters?: unknown }, signal?: AbortSignal): Promise<Grant> {
    return (await this.#http.ask("POST", `/tasks/${encodeURIComponent(task)}/grant`, { body: renewal, signal })) as Grant;
  }

  /** finish ends a task. It is safe on one that has ended, and outlives the page that asks. */
  async finish(task: string): Promise<void> {
    await this.#http.ask("DELETE", `/tasks/${encodeURIComponent(task)}`, { keepalive: true });
  }
}
