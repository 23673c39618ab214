// The broker's HTTP API, /api/v1.
import type { Grant, TaskRequest } from "../contract.js";
import { ProblemError, problemOf } from "./problem.js";

/** GetToken returns the bearer token of the user, for pages that have one. */
export type GetToken = () => string | Promise<string>;

/** Study is a study as the list shows it. Dates are YYYYMMDD, names as in the file. */
export interface Study {
  source: string;
  studyInstanceUID: string;
  patientName: string;
  patientID: string;
  patientBirthDate: string;
  patientSex: string;
  studyDate: string;
  studyTime: string;
  description: string;
  accessionNumber: string;
  modalities: string[];
  seriesCount: number;
  instanceCount: number;
}

/** Series is a series as the list of a study's series shows it. */
export interface Series {
  seriesInstanceUID: string;
  number: number;
  modality: string;
  description: string;
  bodyPart: string;
  instanceCount: number;
  rows: number;
  columns: number;
  volume: boolean;
  reason?: string;
}

/** StudyPage is a part of the studies found. */
export interface StudyPage {
  studies: Study[];
  total: number;
}

const answerWithinMs = 20_000;

/** BrokerAPI asks one broker. */
export class BrokerAPI {
  readonly #root: string;
  readonly #getToken: GetToken | undefined;

  /** endpoint is the broker's URL; empty is the page's own origin. */
  constructor(endpoint: string, getToken?: GetToken) {
    this.#root = new URL(endpoint || "/", globalThis.location.href).href.replace(/\/$/, "");
    this.#getToken = getToken;
  }

  /** webSocketURL makes a signalling URL absolute: one without a scheme is relative to the broker. */
  webSocketURL(url: string): string {
    const absolute = new URL(url, `${this.#root}/`);
    absolute.protocol = absolute.protocol.replace("http", "ws");
    return absolute.href;
  }

  async studies(search: string, signal?: AbortSignal): Promise<StudyPage> {
    const query = search === "" ? "" : `?search=${encodeURIComponent(search)}`;
    return (await this.#ask("GET", `/studies${query}`, { signal })) as StudyPage;
  }

  async series(studyInstanceUID: string, signal?: AbortSignal): Promise<Series[]> {
    const path = `/studies/${encodeURIComponent(studyInstanceUID)}/series`;
    return ((await this.#ask("GET", path, { signal })) as { series: Series[] }).series;
  }

  /** submit asks for a place for a task. The same key never makes a second task. */
  async submit(request: TaskRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Grant> {
    return (await this.#ask("POST", "/tasks", { body: request, idempotencyKey, signal })) as Grant;
  }

  /**
   * grant asks for a new grant of a task. lost says that this page cannot reach the edge any more, so that the
   * broker seeks another where it cannot either; there the task goes on with the parameters given.
   */
  async grant(task: string, renewal: { lost?: boolean; parameters?: unknown }, signal?: AbortSignal): Promise<Grant> {
    return (await this.#ask("POST", `/tasks/${encodeURIComponent(task)}/grant`, { body: renewal, signal })) as Grant;
  }

  /** finish ends a task. It is safe on one that has ended, and outlives the page that asks. */
  async finish(task: string): Promise<void> {
    await this.#ask("DELETE", `/tasks/${encodeURIComponent(task)}`, { keepalive: true });
  }

  async #ask(method: string, path: string, options: AskOptions): Promise<unknown> {
    const token = (await this.#getToken?.()) ?? "";
    const headers: Record<string, string> = { Accept: "application/json, application/problem+json" };
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    if (options.idempotencyKey !== undefined) headers["Idempotency-Key"] = options.idempotencyKey;
    if (token !== "") headers.Authorization = `Bearer ${token}`;
    const init: RequestInit = {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      // A token speaks for the user; without one, the cookie of the broker's own origin does.
      credentials: token === "" ? "same-origin" : "omit",
      keepalive: options.keepalive ?? false,
    };
    let response = await this.#fetch(path, init, options.signal);
    if (response.status === 401 && token === "") {
      // A broker that was started anew gives its own pages a new cookie here.
      const session = await this.#fetch("/session", { credentials: "same-origin" }, options.signal);
      if (session.ok) response = await this.#fetch(path, init, options.signal);
    }
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw problemOf(response.status, body);
    return body;
  }

  async #fetch(path: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
    const signals = [AbortSignal.timeout(answerWithinMs)];
    if (signal !== undefined) signals.push(signal);
    try {
      return await fetch(`${this.#root}/api/v1${path}`, { ...init, signal: AbortSignal.any(signals) });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ProblemError("unavailable", "The broker does not answer", whyUnreachable(this.#root, error));
    }
  }
}

interface AskOptions {
  body?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  keepalive?: boolean;
}

function whyUnreachable(root: string, error: unknown): string {
  const timedOut = error instanceof DOMException && error.name === "TimeoutError";
  const what = timedOut ? `${root} was silent for ${answerWithinMs / 1000} s.` : `${root} cannot be reached.`;
  return `${what} Check the network, and that the broker is running and allows this page's origin.`;
}
