// The pool as the operators' page follows it: live, and again after the broker was out of reach.
import { backoffMs, wait } from "../client/backoff.js";
import { asProblem, ProblemError } from "../client/problem.js";
import type { Problem } from "../contract.js";
import type { NodeFilters, NodePage, NodeStatus, OpsAPI, Overview, Waiting } from "./api.js";

/** So many nodes are told live; the rest of a large pool is read again now and then. */
export const liveNodes = 200;
const pageSize = 1000;
/** So many nodes can be ordered and paged through; beyond that the list has to be narrowed. */
export const mostNodes = 5_000;
const againMs = 15_000;

/** Contact is how it is with the broker: never reached yet, told live, or out of reach since a while. */
export type Contact = "connecting" | "live" | "lost" | "refused";

/** PoolWatch keeps the newest of everything and tells when something has changed, until it is stopped. */
export class PoolWatch {
  readonly #api: Pick<OpsAPI, "watch" | "nodes">;
  readonly #changed: () => void;
  readonly #pause: typeof wait;
  #stop = new AbortController();
  #nodes = new Map<string, NodeStatus>();

  contact: Contact = "connecting";
  /** problem is why the broker is not reached, or what it cannot say now. */
  problem: ProblemError | undefined;
  overview: Overview | undefined;
  queue: Waiting[] = [];
  /** known says that the list of nodes has come; more that it has more than are here. */
  known = false;
  more = false;

  constructor(api: Pick<OpsAPI, "watch" | "nodes">, changed: () => void, pause = wait) {
    this.#api = api;
    this.#changed = changed;
    this.#pause = pause;
  }

  /** nodes in the order of their ids. */
  get nodes(): NodeStatus[] {
    return [...this.#nodes.values()];
  }

  /** show follows the nodes that the filters leave, instead of those before. */
  show(filters: NodeFilters): void {
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.known = false;
    this.more = false;
    this.#nodes = new Map();
    this.#changed();
    void this.#follow(filters, stop.signal);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #follow(filters: NodeFilters, stop: AbortSignal): Promise<void> {
    const stopped = (): boolean => stop.aborted;
    for (let tries = 0; !stopped(); tries++) {
      const reading = new AbortController();
      const rest = AbortSignal.any([stop, reading.signal]);
      let reads = false;
      try {
        for await (const { type, data } of this.#api.watch(filters, liveNodes, stop)) {
          if (stopped()) return;
          tries = 0;
          const page = this.#take(type, JSON.parse(data));
          if (page?.next !== undefined && !reads) {
            reads = true;
            void this.#rest(filters, page.next, rest);
          }
        }
      } catch (error) {
        if (stopped()) return;
        this.problem = asProblem(error);
        this.contact = this.problem.code === "forbidden" || this.problem.code === "unauthorized" ? "refused" : "lost";
        this.#changed();
        if (this.contact === "refused") return;
      } finally {
        reading.abort();
      }
      await this.#pause(backoffMs(tries, 500, 5_000), stop).catch(() => undefined);
    }
  }

  /** take takes an event, and returns the page of nodes that it brought. */
  #take(type: string, data: unknown): NodePage | undefined {
    const page = type === "nodes" ? (data as NodePage) : undefined;
    if (type === "problem") this.problem = ProblemError.from(data as Problem);
    else if (this.problem !== undefined) this.problem = undefined;
    if (type === "overview") this.overview = data as Overview;
    if (type === "queue") this.queue = (data as { tasks: Waiting[] }).tasks;
    if (page !== undefined) this.#took(page, "", page.next);
    this.contact = "live";
    this.#changed();
    return page;
  }

  /** took puts the nodes between two ids in the place of those that were there. */
  #took({ nodes }: NodePage, after: string, until: string | undefined): void {
    const kept = [...this.#nodes].filter(([id]) => (id <= after && after !== "") || (until !== undefined && id > until));
    const all = [...kept, ...nodes.map((node): [string, NodeStatus] => [node.id, node])];
    this.#nodes = new Map(all.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    if (until === undefined) this.more = false;
    this.known = true;
  }

  /** rest reads the nodes behind those that are told live, again and again. */
  async #rest(filters: NodeFilters, first: string, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        let after: string | undefined = first;
        for (let read = liveNodes; after !== undefined && read < mostNodes;) {
          const page: NodePage = await this.#api.nodes(filters, pageSize, after, stop);
          this.#took(page, after, page.next);
          read += Math.max(1, page.nodes.length);
          after = page.next;
        }
        this.more = after !== undefined;
        this.#changed();
      } catch {
        // The stream says what is wrong; these are read again.
      }
      await this.#pause(againMs, stop).catch(() => undefined);
    }
  }
}
