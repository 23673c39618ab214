// Requests to a broker: who asks, how long an answer may take, and what a refusal says.
import { ProblemError, problemOf } from "./problem.js";

/** GetToken returns the bearer token of the user, for pages that have one. */
export type GetToken = () => string | Promise<string>;

const answerWithinMs = 20_000;

export interface AskOptions {
  body?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  keepalive?: boolean;
}

export interface SendOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: BodyInit | null;
  signal?: AbortSignal | undefined;
  keepalive?: boolean;
  /** withinMs is how long the answer may take; 20 s where it is not said, and without end where it is Infinity. */
  withinMs?: number;
}

/** BrokerHTTP asks one broker. */
export class BrokerHTTP {
  /** root is the broker's URL without a slash at its end. */
  readonly root: string;
  readonly #getToken: GetToken | undefined;

  /** endpoint is the broker's URL; empty is the page's own origin. */
  constructor(endpoint: string, getToken?: GetToken) {
    this.root = new URL(endpoint || "/", globalThis.location.href).href.replace(/\/$/, "");
    this.#getToken = getToken;
  }

  /** ask sends and gets JSON of the API. It rejects with a ProblemError where the answer is a refusal. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<unknown> {
    const headers: Record<string, string> = { Accept: "application/json, application/problem+json" };
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    if (options.idempotencyKey !== undefined) headers["Idempotency-Key"] = options.idempotencyKey;
    const response = await this.send(`/api/v1${path}`, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal,
      keepalive: options.keepalive ?? false,
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw problemOf(response.status, body);
    return body;
  }

  /** stream opens an answer that goes on until the signal ends it. It rejects with a ProblemError where it is a refusal. */
  async stream(path: string, signal: AbortSignal): Promise<Response> {
    const response = await this.send(`/api/v1${path}`, { headers: { Accept: "text/event-stream" }, signal, withinMs: Number.POSITIVE_INFINITY });
    if (!response.ok) throw problemOf(response.status, await response.json().catch(() => undefined));
    return response;
  }

  /** send sends anything and gives the answer as it is. It rejects with a ProblemError where none comes. */
  async send(path: string, options: SendOptions = {}): Promise<Response> {
    const token = (await this.#getToken?.()) ?? "";
    const { method = "GET", headers = {}, body = null, signal, keepalive = false, withinMs = answerWithinMs } = options;
    const init: RequestInit = {
      method,
      headers: token === "" ? headers : { ...headers, Authorization: `Bearer ${token}` },
      body,
      // A token speaks for the user; without one, the cookie of the broker's own origin does.
      credentials: token === "" ? "same-origin" : "omit",
      keepalive,
    };
    let response = await this.#fetch(path, init, withinMs, signal);
    if (response.status === 401 && token === "") {
      // A broker that was started anew gives its own pages a new cookie here.
      const session = await this.#fetch("/api/v1/session", { credentials: "same-origin" }, answerWithinMs, signal);
      if (session.ok) response = await this.#fetch(path, init, withinMs, signal);
    }
    return response;
  }

  async #fetch(path: string, init: RequestInit, withinMs: number, signal?: AbortSignal): Promise<Response> {
    const signals = Number.isFinite(withinMs) ? [AbortSignal.timeout(withinMs)] : [];
    if (signal !== undefined) signals.push(signal);
    try {
      return await fetch(`${this.root}${path}`, { ...init, signal: AbortSignal.any(signals) });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ProblemError("unavailable", "The broker does not answer", whyUnreachable(this.root, error, withinMs));
    }
  }
}

function whyUnreachable(root: string, error: unknown, withinMs: number): string {
  const timedOut = error instanceof DOMException && error.name === "TimeoutError";
  const what = timedOut ? `${root} was silent for ${withinMs / 1000} s.` : `${root} cannot be reached.`;
  return `${what} Check the network, and that the broker is running and allows this page's origin.`;
}
