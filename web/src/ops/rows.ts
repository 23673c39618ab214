// The list of nodes as a table shows it: order, pages, shares of what they have.
import type { Node, Resources } from "../contract.js";
import type { NodeState, NodeStatus, Overview, TaskType } from "./api.js";

/** Column is what nodes can be ordered by. */
export type Column = "id" | "state" | "zone" | "tier" | "distanceMs" | "gpu" | "encoders" | "memory" | "sessions" | "volumes" | "seenAt";

export interface Order {
  by: Column;
  down: boolean;
}

/** turned is the order when a column's heading is chosen: the other way round where it was in force already. */
export function turned(order: Order, by: Column): Order {
  if (order.by === by) return { by, down: !order.down };
  return { by, down: ["gpu", "encoders", "memory", "sessions", "volumes"].includes(by) };
}

/** Those that want attention come first. */
const states: NodeState[] = ["lost", "draining", "cordoned", "starting", "ready"];
/** collator orders names as people do, with the numbers in them. */
export const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** ordered is a new list in an order; nodes that are alike are in that of their ids. */
export function ordered(nodes: readonly NodeStatus[], { by, down }: Order): NodeStatus[] {
  const sign = down ? -1 : 1;
  return [...nodes].sort((a, b) => sign * compared(a, b, by) || collator.compare(a.id, b.id));
}

function compared(a: NodeStatus, b: NodeStatus, by: Column): number {
  switch (by) {
    case "id":
      return collator.compare(a.id, b.id);
    case "zone":
      return collator.compare(a.zone ?? "", b.zone ?? "");
    case "tier":
      return collator.compare(a.tier, b.tier);
    case "state":
      return states.indexOf(a.state) - states.indexOf(b.state);
    case "seenAt":
      return Date.parse(a.seenAt ?? "") - Date.parse(b.seenAt ?? "") || 0;
    case "distanceMs":
      return a.distanceMs - b.distanceMs;
    case "sessions":
      return a.load.sessions - b.load.sessions;
    case "volumes":
      return a.volumes - b.volumes;
    case "gpu":
      return shareOf(a, "gpuMilli") - shareOf(b, "gpuMilli");
    case "encoders":
      return shareOf(a, "encoderSessions") - shareOf(b, "encoderSessions");
    case "memory":
      return shareOf(a, "memoryMB") - shareOf(b, "memoryMB");
  }
}

/** Kind is a resource. */
export type Kind = keyof Resources;

/** usedOf is how much of a resource reservations hold. */
export function usedOf({ capacity, free }: { capacity: Resources; free: Resources }, kind: Kind): number {
  return Math.max(0, (capacity[kind] ?? 0) - (free[kind] ?? 0));
}

/** shareOf is that as a share of what there is, 0 to 1; below 0 where there is none. */
export function shareOf(node: { capacity: Resources; free: Resources }, kind: Kind): number {
  const capacity = node.capacity[kind] ?? 0;
  return capacity <= 0 ? -1 : Math.min(1, usedOf(node, kind) / capacity);
}

/** amount is a resource with its unit. */
export function amount(value: number, kind: Kind): string {
  switch (kind) {
    case "gpuMemoryMB":
    case "memoryMB":
      return value >= 10_240 ? `${(value / 1024).toFixed(0)} GiB` : value >= 1024 ? `${(value / 1024).toFixed(1).replace(/\.0$/, "")} GiB` : `${value} MiB`;
    case "gpuMilli":
      return `${(value / 1000).toFixed(2).replace(/\.?0+$/, "")} GPU${value === 1000 ? "" : "s"}`;
    case "cpuMilli":
      return `${(value / 1000).toFixed(1).replace(/\.0$/, "")} ${value === 1000 ? "core" : "cores"}`;
    case "encoderSessions":
      return value.toLocaleString("en-GB");
  }
}

/** needsWords is what a task takes. */
export function needsWords(needs: Resources): string {
  const words: Record<Kind, (value: number) => string> = {
    gpuMilli: (value) => amount(value, "gpuMilli"),
    gpuMemoryMB: (value) => `${amount(value, "gpuMemoryMB")} of GPU memory`,
    encoderSessions: (value) => `${value} ${value === 1 ? "encoder" : "encoders"}`,
    cpuMilli: (value) => amount(value, "cpuMilli"),
    memoryMB: (value) => `${amount(value, "memoryMB")} of memory`,
  };
  return kinds.filter(([kind]) => (needs[kind] ?? 0) > 0).map(([kind]) => words[kind](needs[kind] ?? 0)).join(", ");
}

/** kinds are the resources with their names, in the order in which they are told. */
export const kinds: [Kind, string][] = [
  ["gpuMilli", "GPU time"], ["gpuMemoryMB", "GPU memory"], ["encoderSessions", "Encoders"], ["cpuMilli", "Processor"], ["memoryMB", "Memory"],
];

/** kindName is what is scaled: a resource, or a part of the encoder's. */
export function kindName(kind: string): string {
  if (kind === "encoderThreads") return "Encoder threads";
  if (kind === "encoderKilopixels") return "Encoded pixels";
  return kinds.find(([one]) => one === kind)?.[1] ?? kind;
}

/** inUnits is an amount of it with its unit. */
export function inUnits(value: number, kind: string): string {
  if (kind === "encoderKilopixels") return `${(value / 1000).toFixed(1).replace(/\.0$/, "")} Mpixel/s`;
  const known = kinds.find(([one]) => one === kind);
  return known === undefined ? value.toLocaleString("en-GB") : amount(value, known[0]);
}

/** Page is a part of a list. */
export interface Page<Item> {
  items: Item[];
  page: number;
  pages: number;
  /** from and to are the numbers of the first and last item, from 1. */
  from: number;
  to: number;
}

/** paged is a page of a list; one beyond the end is the last. */
export function paged<Item>(items: readonly Item[], page: number, size: number): Page<Item> {
  const pages = Math.max(1, Math.ceil(items.length / size));
  const at = Math.min(Math.max(0, page), pages - 1);
  const shown = items.slice(at * size, (at + 1) * size);
  return { items: shown, page: at, pages, from: shown.length === 0 ? 0 : at * size + 1, to: at * size + shown.length };
}

/** stateWords is a state as it is called. */
export const stateWords: Record<NodeState, string> = {
  starting: "Starting", ready: "Ready", cordoned: "Cordoned", draining: "Draining", lost: "Lost",
};

const typeNames: Record<TaskType, string> = {
  rendering: "Rendering", "image-processing": "Image processing", "image-reconstruction": "Reconstruction",
  "data-computation": "Computation", training: "Training",
};

/** taskTypes are all types, the commonest first. */
export const taskTypes = Object.keys(typeNames) as TaskType[];

export function typeName(type: TaskType): string {
  return typeNames[type];
}

/** typesOf is what a node takes, in words. */
export function typesOf({ types }: Pick<Node, "types">): string {
  const has = taskTypes.filter((type) => types.includes(type));
  if (has.length === taskTypes.length) return "All types";
  return has.map((type, i) => (i === 0 ? typeName(type) : typeName(type).toLowerCase())).join(", ");
}

/** since is how long ago something was. */
export function since(then: string | undefined, now: number): string {
  const ms = now - Date.parse(then ?? "");
  if (!Number.isFinite(ms) || Date.parse(then ?? "") <= 0) return "never";
  if (ms < 5_000) return "now";
  return `${lasted(ms)} ago`;
}

/** lasted is how long something takes, to two figures or so. */
export function lasted(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** exactly is that with tenths of a second where it is short. */
export function exactly(ms: number): string {
  return ms >= 0 && ms < 9_950 ? `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s` : lasted(ms);
}

/** desiredWords says how the buffer policy finds the pool. */
export function desiredWords({ desired, nodes }: Pick<Overview, "desired" | "nodes">): string {
  const ready = nodes.ready ?? 0;
  if (desired > ready) return `${desired - ready} more than are ready`;
  if (desired < ready) return `${ready - desired} fewer than are ready`;
  return "as many as are ready";
}

/** statesOf are the states that there are nodes in, those that are well first. */
export function statesOf({ nodes }: Pick<Overview, "nodes">): [NodeState, number][] {
  return states.toReversed().map((state): [NodeState, number] => [state, nodes[state] ?? 0]).filter(([, count]) => count > 0);
}
