// The part of the broker's HTTP API, /api/v1, that places tasks.
import type { Grant, TaskRequest } from "../contract.js";
import { BrokerHTTP, type GetToken } from "./http.js";

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

  /** submit asks for a place for a task. The same key never makes a second task. */
  async submit(request: TaskRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Grant> {
    return (await this.#http.ask("POST", "/tasks", { body: request, idempotencyKey, signal })) as Grant;
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
