import { describe, expect, it } from "vitest";
import { ProblemError } from "../src/client/problem.js";
import type { NodeFilters, NodePage, NodeStatus } from "../src/ops/api.js";
import { everyNode } from "../src/ops/api.js";
import { overrideOf } from "../src/ops/override-form.js";
import { amount, desiredWords, lasted, needsWords, ordered, paged, shareOf, since, statesOf, turned, typesOf } from "../src/ops/rows.js";
import { PoolWatch } from "../src/ops/watch.js";

const node = (id: string, fields: Partial<NodeStatus> = {}): NodeStatus => ({
  id, tier: "edge", state: "ready", version: "1", distanceMs: 1, renderer: "", codecs: [], types: ["rendering"],
  capacity: { gpuMilli: 1000, encoderSessions: 4 }, free: { gpuMilli: 1000, encoderSessions: 4 },
  load: { gpuMilli: 0, cpuMilli: 0, memoryMB: 0, sessions: 0 }, volumes: 0, ...fields,
});
const ids = (nodes: readonly NodeStatus[]): string => nodes.map(({ id }) => id).join(" ");

describe("the list of nodes", () => {
  const nodes = [
    node("edge-10", { state: "lost", distanceMs: 9, seenAt: "2026-01-01T00:00:00Z" }), node("edge-2", { free: { gpuMilli: 250 }, zone: "b" }),
    node("cloud", { tier: "cloud", capacity: {}, free: {}, volumes: 3 }), node("edge-1", { state: "draining", free: { gpuMilli: 500 }, zone: "a", seenAt: "2026-01-02T00:00:00Z" }),
  ];

  it.each([
    ["id", false, "cloud edge-1 edge-2 edge-10"], ["id", true, "edge-10 edge-2 edge-1 cloud"],
    ["state", false, "edge-10 edge-1 cloud edge-2"], ["gpu", true, "edge-2 edge-1 edge-10 cloud"],
    ["distanceMs", true, "edge-10 cloud edge-1 edge-2"], ["zone", true, "edge-2 edge-1 cloud edge-10"],
    ["tier", false, "cloud edge-1 edge-2 edge-10"], ["volumes", true, "cloud edge-1 edge-2 edge-10"],
    ["sessions", true, "cloud edge-1 edge-2 edge-10"],
  ] as const)("is ordered by %s, downwards %s", (by, down, expected) => {
    expect(ids(ordered(nodes, { by, down }))).toBe(expected);
  });

  it("is turned round by its headings, and amounts begin at the top", () => {
    expect(turned({ by: "id", down: false }, "id")).toEqual({ by: "id", down: true });
    expect(turned({ by: "id", down: false }, "gpu")).toEqual({ by: "gpu", down: true });
    expect(turned({ by: "gpu", down: true }, "zone")).toEqual({ by: "zone", down: false });
  });

  it("has pages", () => {
    const many = Array.from({ length: 101 }, (_, i) => i);
    expect(paged(many, 0, 50)).toMatchObject({ page: 0, pages: 3, from: 1, to: 50 });
    expect(paged(many, 9, 50)).toMatchObject({ page: 2, from: 101, to: 101, items: [100] });
    expect(paged([], 3, 50)).toMatchObject({ page: 0, pages: 1, from: 0, to: 0 });
  });

  it("says what is held, and nothing where there is nothing to hold", () => {
    expect(shareOf(node("a", { free: { gpuMilli: 250 } }), "gpuMilli")).toBe(0.75);
    expect(shareOf(node("a", { free: { gpuMilli: -100 } }), "gpuMilli")).toBe(1);
    expect(shareOf(node("a"), "memoryMB")).toBe(-1);
  });

  it("is told in words", () => {
    expect([amount(250, "gpuMilli"), amount(1000, "gpuMilli"), amount(1536, "memoryMB"), amount(65536, "gpuMemoryMB"), amount(512, "memoryMB"), amount(500, "cpuMilli"), amount(3, "encoderSessions")])
      .toEqual(["0.25 GPUs", "1 GPU", "1.5 GiB", "64 GiB", "512 MiB", "0.5 cores", "3"]);
    expect(needsWords({ gpuMilli: 250, gpuMemoryMB: 1024, encoderSessions: 1, cpuMilli: 0 })).toBe("0.25 GPUs, 1 GiB of GPU memory, 1 encoder");
    expect(typesOf({ types: ["training", "rendering"] })).toBe("Rendering, training");
    expect(typesOf({ types: ["training", "rendering", "data-computation", "image-processing", "image-reconstruction"] })).toBe("All types");
    expect([lasted(4_000), lasted(89_000), lasted(600_000), lasted(7_200_000), lasted(3 * 86_400_000)]).toEqual(["4 s", "89 s", "10 min", "2 h", "3 days"]);
    const now = Date.parse("2026-01-02T00:10:00Z");
    expect([since("2026-01-02T00:09:58Z", now), since("2026-01-02T00:00:00Z", now), since("0001-01-01T00:00:00Z", now), since(undefined, now)]).toEqual(["now", "10 min ago", "never", "never"]);
  });

  it("is compared with what the buffer policy asks for", () => {
    expect(desiredWords({ desired: 5, nodes: { ready: 3, lost: 9 } })).toBe("2 more than are ready");
    expect(desiredWords({ desired: 3, nodes: { ready: 3 } })).toBe("as many as are ready");
    expect(desiredWords({ desired: 0, nodes: {} })).toBe("as many as are ready");
    expect(desiredWords({ desired: 1, nodes: { ready: 3 } })).toBe("2 fewer than are ready");
    expect(statesOf({ nodes: { lost: 1, ready: 2, starting: 0 } })).toEqual([["ready", 2], ["lost", 1]]);
  });
});

describe("what an operator says of a node", () => {
  const form = (fields: Record<string, string | string[]>): FormData => {
    const data = new FormData();
    for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) data.append(name, value);
    return data;
  };

  it("is what the form says, and nothing where it says nothing", () => {
    expect(overrideOf(form({ zone: " ", distanceMs: "", gpuMilli: "", "own gpuMilli": "1000" }))).toBeUndefined();
    expect(overrideOf(form({ types: ["rendering", "nonsense"], zone: " ward-4 ", distanceMs: "0" }))).toEqual({ types: ["rendering"], zone: "ward-4", distanceMs: 0 });
  });

  it("has all amounts where it has one", () => {
    expect(overrideOf(form({ gpuMilli: "500", "own gpuMilli": "1000", encoderSessions: "", "own encoderSessions": "4", memoryMB: "0", "own memoryMB": "9" })))
      .toEqual({ capacity: { gpuMilli: 500, gpuMemoryMB: 0, encoderSessions: 4, cpuMilli: 0, memoryMB: 0 } });
  });
});

describe("following the pool", () => {
  type Step = { type: string; data: unknown } | ProblemError;
  /** Stand plays one stream for each time that the pool is watched, and then holds the last one open. */
  class Stand {
    readonly watched: NodeFilters[] = [];
    readonly read: string[] = [];
    constructor(readonly streams: Step[][], readonly pages: Record<string, NodePage> = {}) {}

    async *watch(filters: NodeFilters, _: number, stop: AbortSignal): AsyncGenerator<{ type: string; data: string }> {
      this.watched.push(filters);
      const steps = this.streams.shift();
      for (const step of steps ?? []) {
        await Promise.resolve();
        if (step instanceof ProblemError) throw step;
        yield { type: step.type, data: JSON.stringify(step.data) };
      }
      if (this.streams.length === 0) await new Promise((_, reject) => { stop.addEventListener("abort", () => { reject(stop.reason as Error); }); });
    }

    nodes(_: NodeFilters, __: number, after = ""): Promise<NodePage> {
      this.read.push(after);
      return Promise.resolve(this.pages[after] ?? { nodes: [] });
    }
  }
  const once = { paused: 0 };
  const pause = (_: number, stop: AbortSignal): Promise<void> => {
    once.paused++;
    return stop.aborted ? Promise.reject(stop.reason as Error) : once.paused > 8 ? new Promise(() => undefined) : Promise.resolve();
  };
  const until = async (watch: { contact: string }, holds: () => boolean, changes: { waiting: (() => void)[] }): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => { changes.waiting.push(resolve); });
    expect(watch.contact).not.toBe("connecting");
  };
  const watching = (stand: Stand): [PoolWatch, { waiting: (() => void)[] }] => {
    once.paused = 0;
    const changes = { waiting: [] as (() => void)[] };
    return [new PoolWatch(stand, () => { for (const told of changes.waiting.splice(0)) told(); }, pause), changes];
  };
  const overview = { nodes: { ready: 1 }, edges: 1, cloud: 0, capacity: {}, free: {}, sessions: 0, queue: 0, desired: 1 };

  it("takes what it is told, and what is gone", async () => {
    const stand = new Stand([[
      { type: "overview", data: overview }, { type: "nodes", data: { nodes: [node("a"), node("b")] } },
      { type: "queue", data: { tasks: [{ task: "t", type: "rendering", needs: {}, since: "2026-01-01T00:00:00Z" }] } },
      { type: "nodes", data: { nodes: [node("b", { state: "draining" })] } },
    ]]);
    const [watch, changes] = watching(stand);
    watch.show(everyNode);
    await until(watch, () => watch.nodes.length === 1, changes);
    expect([watch.contact, watch.nodes[0]?.state, watch.queue.length, watch.overview?.edges]).toEqual(["live", "draining", 1, 1]);
    watch.stop();
  });

  it("says that the broker is out of reach, keeps what it knew, and is live again", async () => {
    const stand = new Stand([
      [{ type: "nodes", data: { nodes: [node("a")] } }, new ProblemError("unavailable", "away")], [new ProblemError("unavailable", "away")],
      [{ type: "overview", data: overview }],
    ]);
    const seen: string[] = [];
    const [watch, changes] = watching(stand);
    watch.show(everyNode);
    await until(watch, () => { seen.push(`${watch.contact} ${watch.nodes.length}`); return watch.overview !== undefined; }, changes);
    expect(seen).toContain("lost 1");
    expect(watch.contact).toBe("live");
    expect(watch.problem).toBeUndefined();
    watch.stop();
  });

  it("does not go on where it is refused", async () => {
    const stand = new Stand([[new ProblemError("forbidden", "This is for operators")], []]);
    const [watch, changes] = watching(stand);
    watch.show(everyNode);
    await until(watch, () => watch.contact === "refused", changes);
    expect(stand.watched).toHaveLength(1);
  });

  it("reads the nodes of a large pool that are not told live", async () => {
    const stand = new Stand(
      [[{ type: "nodes", data: { nodes: [node("a"), node("b")], next: "b" } }]],
      { b: { nodes: [node("c")], next: "c" }, c: { nodes: [node("d")] } },
    );
    const [watch, changes] = watching(stand);
    watch.show(everyNode);
    await until(watch, () => ids(watch.nodes) === "a b c d", changes);
    expect(watch.more).toBe(false);
    watch.stop();
  });

  it("follows others when the list is narrowed, and forgets those before", async () => {
    const stand = new Stand([[{ type: "nodes", data: { nodes: [node("a")] } }], [{ type: "nodes", data: { nodes: [node("z")] } }]]);
    const [watch, changes] = watching(stand);
    watch.show(everyNode);
    await until(watch, () => watch.known, changes);
    watch.show({ ...everyNode, search: "z" });
    expect(watch.nodes).toEqual([]);
    await until(watch, () => watch.nodes.length > 0, changes);
    expect(ids(watch.nodes)).toBe("z");
    watch.stop();
  });
});
