import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BrokerAPI } from "../src/client/api.js";
import { follow } from "../src/client/follow.js";
import { localCheck } from "../src/client/local.js";
import { type Instruments, Near, reachable } from "../src/client/near.js";
import { Place } from "../src/client/place.js";
import { ProblemError } from "../src/client/problem.js";
import type { Grant, NearEdges, Pending, Ping, TaskRequest } from "../src/contract.js";

const grant = (node: string, answer: Grant["answer"] = "edge-assigned"): Grant => ({
  answer, task: "t-1", attempt: { id: "a-1", node, fencing: 1 }, signalingURL: "/api/v1/signal/a-1", token: "token",
  tokenExpiresAt: "2100-01-01T00:00:00Z", iceServers: [], reasons: ["nearest"],
});
const pending = (position: number): Pending => ({
  task: "t-1", state: "placing", events: "/api/v1/tasks/t-1/events", queue: { position, length: 3 },
});
const near: NearEdges = {
  edges: [
    { node: "far", url: "https://far.example", types: ["rendering"], distanceMs: 1, basis: "configured" },
    { node: "close", url: "https://close.example/", types: ["rendering"], distanceMs: 9, basis: "configured" },
    { node: "relayed", types: ["rendering"], distanceMs: 2, basis: "configured" },
    { node: "plain", url: "http://plain.example", types: ["rendering"], distanceMs: 3, basis: "configured" },
    { node: "worker", url: "https://worker.example", types: ["training"], distanceMs: 0, basis: "configured" },
  ],
  token: "near-token", tokenExpiresAt: "2100-01-01T00:00:00Z",
};
const never = new AbortController().signal;

describe("A3 round trips to likely edges", () => {
  class Shelf {
    kept: string | null = null;
    getItem(): string | null { return this.kept; }
    setItem(_: string, value: string): void { this.kept = value; }
  }
  /** instruments whose pings take as long as is said, on a clock of their own. */
  function instruments(ms: Record<string, number[]>, store = new Shelf()): Instruments & { pinged: string[]; wall: number } {
    let clock = 0;
    const self = {
      pinged: [] as string[],
      wall: 1e12,
      store,
      now: () => clock,
      wallClock: () => self.wall,
      ping: (url: string) => {
        self.pinged.push(url);
        const took = ms[new URL(url).hostname]?.shift();
        if (took === undefined) return Promise.reject(new Error("no answer"));
        clock += took;
        return Promise.resolve();
      },
    };
    return self;
  }
  const api = (told: Ping[][] = [], edges = near): { root: string; near: () => Promise<NearEdges>; pinged: (pings: Ping[]) => Promise<void> } => ({
    root: "https://broker.example", near: () => Promise.resolve(edges),
    pinged: (pings) => { told.push(pings); return Promise.resolve(); },
  });
  const only = (...nodes: string[]): NearEdges => ({ ...near, edges: near.edges.filter(({ node }) => nodes.includes(node)) });

  it("are the shortest of three, at edges that the page may reach, and are told to the broker", async () => {
    const told: Ping[][] = [];
    const tools = instruments({ "far.example": [30, 21, 25] });
    const measured = await new Near(api(told, only("far", "relayed", "plain")), true, tools).measure("rendering");
    expect(measured).toEqual([{ node: "far", ms: 21 }]);
    expect(told).toEqual([measured]);
    expect(tools.pinged).toEqual(Array(3).fill("https://far.example/ping"));
  });

  it("are kept for ten minutes, from page to page", async () => {
    const tools = instruments({ "far.example": [3, 2, 4, 7, 7, 7] });
    await new Near(api([], only("far")), true, tools).measure("rendering");
    const next = new Near(api([], only("far")), true, tools);
    expect(next.known()).toEqual([{ node: "far", ms: 2 }]);
    tools.wall += 599_000;
    expect(await next.measure("rendering")).toEqual([{ node: "far", ms: 2 }]);
    tools.wall += 2_000;
    expect(next.known()).toEqual([]);
    expect(await next.measure("rendering")).toEqual([{ node: "far", ms: 7 }]);
  });

  it("leave out who does not answer, and a broker that knows no edges", async () => {
    expect(await new Near(api(), true, instruments({ "close.example": [5] })).measure("rendering")).toEqual([{ node: "close", ms: 5 }]);
    const broken = { ...api(), near: () => Promise.reject(new ProblemError("unavailable", "away")) };
    expect(await new Near(broken, true, instruments({})).measure("rendering")).toEqual([]);
  });

  it("take nothing odd out of the window's storage", () => {
    const tools = instruments({});
    for (const kept of ["", "[", "{}", `{"at":1e12,"pings":7}`, `{"at":1e12,"pings":[{"node":1,"ms":2},null,{"node":"a","ms":-1}]}`, `{"at":9e12,"pings":[{"node":"a","ms":1}]}`]) {
      tools.store?.setItem("", kept);
      expect(new Near(api(), true, tools).known()).toEqual([]);
    }
  });

  it("order the edges that may be asked first (A2), within the limit (A7)", async () => {
    const measured = (): Instruments => instruments({ "close.example": [5, 4, 6], "far.example": [] });
    const names = async (edges: NearEdges, https = true): Promise<string[]> =>
      (await new Near(api([], edges), https, measured()).nearest("rendering")).edges.map(({ node }) => node);
    expect(await names(near)).toEqual(["far", "close"]);
    expect(await names({ ...near, maxDistanceMs: 3 })).toEqual(["far"]);
    expect(await names(near, false)).toEqual(["far", "plain", "close"]);
    expect((await new Near(api(), true, measured()).nearest("rendering")).token).toBe("near-token");
  });

  it.each([
    ["https://edge.example", true, true], ["http://edge.example", true, false], ["http://edge.example", false, true],
    ["https://user:word@edge.example", true, false], ["javascript:alert(1)", false, false], ["", false, false],
  ])("are taken at %s of a page with https %s: %s", (url, https, can) => {
    expect(reachable(url, https)).toBe(can);
  });
});

describe("A13 why this device does not do it itself", () => {
  const device = { memoryMB: 8192, gpu: "ANGLE (Some GPU)", textureSide: 2048 };

  it("is said with what was measured", () => {
    expect(localCheck(device, 100 << 20)).toEqual({
      reason: "This viewer has no renderer of its own. This device: at least 8 GiB of memory, WebGL 2 by Some GPU, 3D textures up to 2048, study of 100 MiB.",
      memoryMB: 8192, gpu: "ANGLE (Some GPU)",
    });
    expect(localCheck(device, 3 * 2 ** 30).reason).toMatch(/^The study is too large for this device\./);
    expect(localCheck({ memoryMB: 0, gpu: "", textureSide: 0 })).toEqual({ reason: "This device has no GPU that the browser may use. This device: memory unknown, no WebGL 2." });
    expect(localCheck(device, 0, true).preferred).toBe(true);
  });

  it.each([
    ["ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 (0x00002503) Direct3D11 vs_5_0 ps_5_0, D3D11)", "NVIDIA GeForce RTX 3060"],
    ["ANGLE (Apple, ANGLE Metal Renderer: Apple M2, Unspecified Version)", "ANGLE Metal Renderer: Apple M2"],
    ["Mali-G78", "Mali-G78"],
  ])("names the GPU: %s", (gpu, name) => {
    expect(localCheck({ ...device, gpu }).reason).toContain(`WebGL 2 by ${name}, 3D`);
  });

  it("fits into a request", () => {
    const check = localCheck({ ...device, gpu: "x".repeat(500) });
    expect(check.reason.length).toBeLessThanOrEqual(300);
    expect(check.gpu).toHaveLength(200);
  });
});

describe("following a task that waits", () => {
  type Step = { type: string; data: unknown } | ProblemError;
  async function* play(steps: Step[]): AsyncGenerator<{ type: string; data: string }> {
    for (const step of steps) {
      await Promise.resolve();
      if (step instanceof ProblemError) throw step;
      yield { type: step.type, data: JSON.stringify(step.data) };
    }
  }
  const told: (number | string | undefined)[] = [];
  const followed = { pending: (at: Pending) => { told.push(at.queue?.position); }, cut: (problem: ProblemError) => { told.push(problem.code); } };
  const after = (streams: Step[][], stop = never): Promise<Grant> =>
    follow(() => play(streams.shift() ?? []), followed, stop, () => Promise.resolve());

  beforeEach(() => { told.length = 0; });

  it("goes on however often the broker is out of reach, until the grant comes", async () => {
    const away = new ProblemError("unavailable", "away");
    const got = await after([
      [{ type: "pending", data: pending(3) }, away], [away], [], [{ type: "pending", data: pending(1) }, { type: "grant", data: grant("edge-1") }],
    ]);
    expect(got.attempt.node).toBe("edge-1");
    expect(told).toEqual([3, "unavailable", "unavailable", 1]);
  });

  it("ends with the broker's problem, also one that would pass elsewhere", async () => {
    await expect(after([[{ type: "problem", data: { code: "unavailable", title: "Nothing is free", detail: "All are full." } }]]))
      .rejects.toMatchObject({ code: "unavailable", title: "Nothing is free" });
    await expect(after([[new ProblemError("not-found", "There is no such task")]])).rejects.toMatchObject({ code: "not-found" });
    expect(told).toEqual([]);
  });

  it("ends with who leaves", async () => {
    const stop = new AbortController();
    stop.abort(new ProblemError("cancelled", "Left"));
    await expect(after([[new ProblemError("unavailable", "away")]], stop.signal)).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("a place", () => {
  const request: TaskRequest = { type: "rendering", series: { studyInstanceUID: "1.2" } };
  interface Call { method: string; url: string; authorization: string | undefined; key: string | undefined; body: TaskRequest | undefined }
  let calls: Call[];
  let answers: Record<string, (() => Response) | undefined>;

  const json = (body: unknown, status = 200) => (): Response => Response.json(body, { status });
  const away = (): Response => { throw new TypeError("no connection"); };

  beforeEach(() => {
    calls = [];
    answers = {};
    vi.stubGlobal("location", { href: "https://broker.example/viewer", protocol: "https:" });
    vi.stubGlobal("fetch", (url: string, { method = "GET", headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string | null }) => {
      calls.push({ method, url, authorization: headers.Authorization, key: headers["Idempotency-Key"], body: body ? JSON.parse(body) as TaskRequest : undefined });
      const answer = answers[`${method} ${url.replace("https://", "")}`];
      return new Promise<Response>((resolve) => { resolve((answer ?? json({ code: "not-found", title: "No such path" }, 404))()); });
    });
  });
  afterEach(() => { vi.unstubAllGlobals(); });

  /** nearby knows the edges as if they had been pinged lately. */
  const nearby = (api: BrokerAPI): Near => new Near(api, true, {
    ping: () => Promise.reject(new Error("not asked")), now: () => 0, wallClock: () => 1e12,
    store: { getItem: () => JSON.stringify({ at: 1e12, pings: [{ node: "close", ms: 2 }, { node: "far", ms: 20 }] }), setItem: () => undefined },
  });
  const placeOf = (way: "edge-first" | "broker-first", positions: number[] = []): Place => {
    const api = new BrokerAPI("", () => "user-token");
    const told = { pending: (at: Pending) => { positions.push(at.queue?.position ?? 0); }, cut: () => undefined };
    return new Place(api, { way, near: nearby(api) }, told);
  };
  const asked = (): string[] => calls.map(({ method, url }) => `${method} ${url.replace("https://", "")}`);

  it("A5 is asked for at the broker, with the pings that are known (A3)", async () => {
    answers["POST broker.example/api/v1/tasks"] = json(grant("edge-1"), 201);
    expect((await placeOf("broker-first").ask(request, never))?.attempt.node).toBe("edge-1");
    expect(asked()).toEqual(["POST broker.example/api/v1/tasks"]);
    expect(calls[0]).toMatchObject({ authorization: "Bearer user-token", body: { ...request, pings: [{ node: "close", ms: 2 }, { node: "far", ms: 20 }] } });
  });

  it("A2 is asked for at the nearest edge, without the user's own token", async () => {
    answers["GET broker.example/api/v1/edges?type=rendering"] = json(near);
    answers["POST close.example/api/v1/tasks"] = json(grant("close", "edge-accepts"), 201);
    const got = await placeOf("edge-first").ask(request, never);
    expect(got?.answer).toBe("edge-accepts");
    expect(asked()).toEqual(["GET broker.example/api/v1/edges?type=rendering", "POST close.example/api/v1/tasks"]);
    expect(calls[1]?.authorization).toBe("Bearer near-token");
    // The request carries no data.
    expect(Object.keys(calls[1]?.body ?? {}).sort()).toEqual(["pings", "series", "type"]);
  });

  it("A4 is followed at the page's own broker where a busy edge has sent the request on", async () => {
    const positions: number[] = [];
    answers["GET broker.example/api/v1/edges?type=rendering"] = json(near);
    answers["POST close.example/api/v1/tasks"] = json({ ...pending(2), events: "https://elsewhere.example/api/v1/tasks/t-1/events" }, 202);
    answers["GET broker.example/api/v1/tasks/t-1/events"] = () => new Response(`event: pending\ndata: ${JSON.stringify(pending(1))}\n\nevent: grant\ndata: ${JSON.stringify(grant("far"))}\n\n`);
    const place = placeOf("edge-first", positions);
    expect((await place.ask(request, never))?.attempt.node).toBe("far");
    expect(positions).toEqual([2, 1]);
    expect(asked().at(-1)).toBe("GET broker.example/api/v1/tasks/t-1/events");
    expect(asked().some((one) => one.includes("elsewhere"))).toBe(false);
  });

  it("A14 is asked for at the next edge and then at the broker, with one key, where edges are gone", async () => {
    answers["GET broker.example/api/v1/edges?type=rendering"] = json(near);
    answers["POST close.example/api/v1/tasks"] = away;
    answers["POST far.example/api/v1/tasks"] = json({ code: "unauthorized", title: "No" }, 401);
    answers["POST broker.example/api/v1/tasks"] = json(grant("cloud-1", "execute-in-cloud"), 201);
    expect((await placeOf("edge-first").ask(request, never))?.answer).toBe("execute-in-cloud");
    const keys = calls.filter(({ method }) => method === "POST").map(({ key }) => key);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
  });

  it("is asked for once more, with the same key, where a broker goes away in the middle", async () => {
    let tries = 0;
    answers["POST broker.example/api/v1/tasks"] = () => (++tries === 1 ? away() : Response.json(grant("edge-1"), { status: 201 }));
    expect((await placeOf("broker-first").ask(request, never))?.attempt.node).toBe("edge-1");
    expect(new Set(calls.map(({ key }) => key)).size).toBe(1);
    answers["POST broker.example/api/v1/tasks"] = away;
    await expect(placeOf("broker-first").ask(request, never)).rejects.toMatchObject({ code: "unavailable" });
    expect(calls).toHaveLength(4);
  });

  it("is left by who does not wait any more", async () => {
    const stop = new AbortController();
    answers["POST broker.example/api/v1/tasks"] = json(pending(4), 202);
    answers["DELETE broker.example/api/v1/tasks/t-1"] = json({});
    answers["GET broker.example/api/v1/tasks/t-1/events"] = () => {
      queueMicrotask(() => { stop.abort(new ProblemError("cancelled", "Left")); });
      return new Response(new ReadableStream({ start: (controller) => { stop.signal.addEventListener("abort", () => { controller.error(stop.signal.reason); }); } }));
    };
    await expect(placeOf("broker-first").ask(request, stop.signal)).rejects.toMatchObject({ code: "cancelled" });
    await vi.waitFor(() => { expect(asked()).toContain("DELETE broker.example/api/v1/tasks/t-1"); });
  });

  it("is refused as the broker says", async () => {
    answers["POST broker.example/api/v1/tasks"] = json({ code: "data-stays", title: "No renderer of this site is free" }, 503);
    await expect(placeOf("broker-first").ask(request, never)).rejects.toMatchObject({ code: "data-stays" });
  });
});
