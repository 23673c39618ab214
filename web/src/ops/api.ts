// The part of the broker's HTTP API for operators: the pool, its nodes, the queue.
import type { BrokerHTTP } from "../client/http.js";
import { type ServerEvent, serverEvents } from "../client/server-events.js";
import type { Attempt, Forecast, Moving, Node, NodeTime, Override, Queue, Resources, Schedule, Task, TaskRequest, Term, Usage } from "../contract.js";

export type NodeState = Node["state"];
export type TaskType = TaskRequest["type"];

/** Overview is the pool at a glance. */
export interface Overview {
  /** nodes counts those in each state. */
  nodes: Partial<Record<NodeState, number>>;
  edges: number;
  cloud: number;
  /** capacity is of the nodes that are ready, cordoned or draining; free is what those that are ready have left. */
  capacity: Resources;
  free: Resources;
  sessions: number;
  queue: number;
  desired: number;
  /** closed is how many of those that are ready are closed now. */
  closed?: number;
}

/** NodeStatus is a node with what only its heartbeats tell. */
export interface NodeStatus extends Node {
  load: { gpuMilli: number; cpuMilli: number; memoryMB: number; sessions: number };
  volumes: number;
  /** time is absent where the node stays, always open. */
  time?: TimeStatus;
}

/** TimeStatus is a node's time at a glance. */
export interface TimeStatus {
  open: boolean;
  /** totalS is T, freeS is t of the scarcest resource, seconds; absent where they have no end. */
  totalS?: number;
  freeS?: number;
  /** closesAt or opensAt is when it closes or opens next, where it does. */
  closesAt?: string;
  opensAt?: string;
}

/** NodePage is a part of the list of nodes, in the order of their ids. */
export interface NodePage {
  nodes: NodeStatus[];
  /** next is where the next page begins; absent where there is none. */
  next?: string;
}

/** NodeTask is what runs on a node, without whose it is and on what it works. */
export interface NodeTask {
  task: string;
  type: TaskType;
  operation?: string;
  state: Task["state"];
  attempt: Attempt;
  /** resources is what it holds now, requested what it asked for. */
  resources: Resources;
  requested: Resources;
  createdAt: string;
  shadow?: boolean;
  /** moves says that it is on its way here. */
  moves?: boolean;
}

/** NodeDetail is a node with what runs there and what an operator says of it. */
export interface NodeDetail extends NodeStatus {
  override?: Override;
  tasks: NodeTask[];
}

/** Waiting is a task in the queue, without on what it works. */
export interface Waiting {
  task: string;
  type: TaskType;
  operation?: string;
  creator?: string;
  zone?: string;
  needs: Resources;
  urgent?: boolean;
  since: string;
  reason?: string;
  queue?: Queue;
}

/** Ended is a task that has ended; who asked and on what it worked are hashes. */
export interface Ended {
  task: string;
  type: TaskType;
  operation?: string;
  node?: string;
  state: Task["state"];
  reason?: string;
  createdAt: string;
  startedAt?: string;
  endedAt: string;
  usage?: Usage;
}

/** Verdict is what speaks for and against a node. */
export interface Verdict {
  node: string;
  tier: Node["tier"];
  state: NodeState;
  zone?: string;
  fits: boolean;
  rejected?: string;
  distanceMs: number;
  basis: "configured" | "network" | "remembered" | "measured";
  terms: Term[];
  costMs: number;
}

/** Explained is why a request would be placed as it would, now. */
export interface Explained {
  site?: string;
  zone?: string;
  maxDistanceMs?: number;
  whenFull: "queue" | "refuse";
  within?: string[];
  needs: Resources;
  summary: string;
  verdicts: Verdict[];
}

/** Order makes one amount of a running task smaller or larger. */
export interface Order {
  task: string;
  node: string;
  kind: string;
  direction: "shrink" | "expand";
  from: number;
  to: number;
  state: "waiting" | "done" | "given-up" | "failed" | "void";
  /** why is why it waits, or was not carried out. */
  why?: string;
  createdAt: string;
  /** dueAt is when it is looked at again. */
  dueAt?: string;
  endedAt?: string;
}

/** Scaling are the orders that wait, the oldest first, and how the last ones ended, the newest first. */
export interface Scaling {
  orders: Order[];
  reports: Order[];
}

/** NodeSchedule is when a node is open, as an operator or the configuration of sites says; always, where none does. */
export interface NodeSchedule extends Schedule {
  from: "operator" | "configuration" | "none";
  /** goesAt is when the machine goes by its own word, which no schedule changes. */
  goesAt?: string;
}

/** Score is how good predictions of run times were lately, for tasks of one type. */
export interface Score {
  type: TaskType;
  /** tasks is how many have ended that were predicted, of the last ones; unknown how many of which nothing was known, of all. */
  tasks: number;
  unknown: number;
  /** errorLog is the median of |ln(predicted/real)|. */
  errorLog: number;
  /** within2 is the share within a factor of 2, covered90 that which took no longer than its 90 % quantile; 0 to 1. */
  within2: number;
  covered90: number;
}

/** NodeFilters narrow the list at the broker; empty fields do not count. */
export interface NodeFilters {
  search: string;
  state: NodeState | "";
  tier: Node["tier"] | "";
  type: TaskType | "";
  zone: string;
}

export const everyNode: NodeFilters = { search: "", state: "", tier: "", type: "", zone: "" };

/** OpsAPI asks one broker as an operator. */
export class OpsAPI {
  readonly #http: BrokerHTTP;

  constructor(http: BrokerHTTP) {
    this.#http = http;
  }

  /** watch are the pool's events: overview, nodes, queue and problem. */
  watch(filters: NodeFilters, limit: number, stop: AbortSignal): AsyncGenerator<ServerEvent> {
    return serverEvents((signal) => this.#http.stream(`/pool/events?${queryOf(filters, limit)}`, signal), stop);
  }

  async nodes(filters: NodeFilters, limit: number, after = "", stop?: AbortSignal): Promise<NodePage> {
    return (await this.#http.ask("GET", `/nodes?${queryOf(filters, limit, after)}`, { signal: stop })) as NodePage;
  }

  async node(id: string, stop?: AbortSignal): Promise<NodeDetail> {
    return (await this.#http.ask("GET", path(id), { signal: stop })) as NodeDetail;
  }

  /** history are the tasks that ended last. */
  async history(limit: number, stop?: AbortSignal): Promise<Ended[]> {
    return ((await this.#http.ask("GET", `/history?limit=${limit}`, { signal: stop })) as { tasks: Ended[] }).tasks;
  }

  async cordon(id: string, on: boolean): Promise<void> {
    await this.#http.ask("POST", `${path(id)}/${on ? "cordon" : "uncordon"}`);
  }

  /** drain lets a node take nothing new; within minutes what runs there ends, or never where that is 0. */
  async drain(id: string, withinMinutes: number): Promise<void> {
    await this.#http.ask("POST", `${path(id)}/drain${withinMinutes > 0 ? `?within=${withinMinutes}m` : ""}`);
  }

  async forget(id: string): Promise<void> {
    await this.#http.ask("DELETE", path(id));
  }

  /** override says what a node offers in place of what it registered with; nothing takes that back. */
  async override(id: string, override: Override | undefined): Promise<void> {
    if (override === undefined) await this.#http.ask("DELETE", `${path(id)}/override`);
    else await this.#http.ask("PUT", `${path(id)}/override`, { body: override });
  }

  /** time is a node's time line for some hours from now on. */
  async time(id: string, hours: number, stop?: AbortSignal): Promise<NodeTime> {
    return (await this.#http.ask("GET", `${path(id)}/time?hours=${hours}`, { signal: stop })) as NodeTime;
  }

  /** schedule is when a node is open. */
  async schedule(id: string, stop?: AbortSignal): Promise<NodeSchedule> {
    return (await this.#http.ask("GET", `${path(id)}/schedule`, { signal: stop })) as NodeSchedule;
  }

  /** setSchedule says when a node is open; nothing takes that back, and the configuration counts again. */
  async setSchedule(id: string, schedule: Schedule | undefined): Promise<void> {
    if (schedule === undefined) await this.#http.ask("DELETE", `${path(id)}/schedule`);
    else await this.#http.ask("PUT", `${path(id)}/schedule`, { body: schedule });
  }

  /** move has a task go to a node, or to the best one where none is named. */
  async move(task: string, to: string): Promise<Moving> {
    return (await this.#http.ask("POST", `/tasks/${encodeURIComponent(task)}/move`, { body: to === "" ? {} : { to } })) as Moving;
  }

  /** moves are those under way and the last that ended. */
  async moves(stop?: AbortSignal): Promise<Moving[]> {
    return ((await this.#http.ask("GET", "/moves", { signal: stop })) as { moves: Moving[] }).moves;
  }

  /** scaling are the orders that wait, and how the last ones ended. */
  async scaling(stop?: AbortSignal): Promise<Scaling> {
    return (await this.#http.ask("GET", "/scaling", { signal: stop })) as Scaling;
  }

  /** predictions are how good predictions were lately, by type. */
  async predictions(stop?: AbortSignal): Promise<Score[]> {
    return ((await this.#http.ask("GET", "/predictions", { signal: stop })) as { scores: Score[] }).scores;
  }

  /** forecast is how long a task would run, from the tasks that have ended. */
  async forecast(request: TaskRequest, stop?: AbortSignal): Promise<Forecast> {
    return (await this.#http.ask("POST", "/forecast", { body: request, signal: stop })) as Forecast;
  }

  /** explain tries where a request would be placed; nothing is claimed. */
  async explain(request: TaskRequest, address: string, stop?: AbortSignal): Promise<Explained> {
    const body = { request, ...(address === "" ? {} : { address }) };
    return (await this.#http.ask("POST", "/explain", { body, signal: stop })) as Explained;
  }
}

function path(id: string): string {
  return `/nodes/${encodeURIComponent(id)}`;
}

function queryOf(filters: NodeFilters, limit: number, after = ""): string {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries({ ...filters, after })) if (value !== "") query.set(name, value);
  return query.toString();
}
