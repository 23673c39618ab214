// A session that moves to another edge while the user works (B8), and what it does about every way in which that may fail.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Camera } from "../src/contract.js";
import { type FakeEdge, grantOf, page, Scene, settle, viewOf } from "./edges.js";

let scene: Scene;
let old: FakeEdge;

beforeEach(async () => {
  page();
  scene = new Scene();
  old = await scene.runs();
});

afterEach(() => {
  scene.session.finish();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const camera = (x: number): Camera => ({ ...viewOf(0).viewports[0].camera, position: [x, -500, 0] });
/** turn is one step of a hand that turns the picture, and the repaint of the page after it. */
const turn = (x: number): void => {
  scene.session.change({ id: "main", camera: camera(x) }, true);
  vi.advanceTimersByTime(16);
};
const shownAt = (): string | undefined => scene.session.grant?.attempt.node;
const position = (edge: FakeEdge): number => edge.view.viewports[0].camera.position[0];

describe("B8 a session that moves", () => {
  it("goes on where it is until the first picture of the target is as new as the one on the screen", async () => {
    turn(1);
    turn(2);
    scene.shows(old);
    const target = await scene.moves(old);
    expect(old.closed).toBeUndefined();
    expect(shownAt()).toBe("edge-1");
    scene.shows(target, { seq: 1 });
    expect(shownAt()).toBe("edge-1");
    scene.shows(target);
    expect(shownAt()).toBe("edge-2");
    await settle();
    expect(target.has("arrived")).toHaveLength(1);
    expect(old.closed).toBe("");
    expect(scene.states).toEqual(["asking", "connecting", "loading", "running"]);
    expect(scene.told).toEqual(["coming", "arrived at edge-2"]);
    expect(scene.session.told.info?.node).toBe("edge-2");
  });

  it("tells the target the whole view with the newest number, and from then on both the same with the same numbers", async () => {
    turn(1);
    await scene.session.setView({ viewports: [{ id: "main", window: { center: 40, width: 400 } }] });
    turn(2);
    const target = await scene.moves(old);
    const [told] = target.has("set-view");
    expect(told?.seq).toBe(3);
    expect(told?.view?.viewports[0]).toMatchObject({ id: "main", camera: camera(2), window: { center: 40, width: 400 }, slab: null });
    expect(told?.view?.viewports[0]).not.toHaveProperty("series");
    const [before, there] = [old.inputs.length, target.inputs.length];
    turn(3);
    turn(4);
    expect(target.inputs.slice(there)).toEqual(old.inputs.slice(before));
    expect(target.inputs.map(({ seq }) => seq)).toContain(5);
    expect(target.view.viewports).toEqual(old.view.viewports);
  });

  it("repeats what the hand has moved until both have shown it", async () => {
    const target = await scene.moves(old);
    turn(7);
    scene.shows(old);
    target.inputs = [];
    vi.advanceTimersByTime(100);
    expect(target.inputs.map(({ seq }) => seq)).toEqual([1]);
    scene.shows(target);
    target.inputs = [];
    vi.advanceTimersByTime(1_000);
    expect(target.inputs).toEqual([]);
  });

  it("goes over in the middle of a drag and loses no step of it", async () => {
    const target = await scene.moves(old);
    for (let step = 1; step <= 9; step++) {
      turn(step);
      if (shownAt() === "edge-1") scene.shows(old);
      if (step === 5) scene.shows(target);
    }
    expect(shownAt()).toBe("edge-2");
    expect(position(target)).toBe(9);
    scene.shows(target);
    expect(scene.session.views.shown?.viewports[0].camera.position[0]).toBe(9);
    expect(scene.session.pictures.newest?.seq).toBe(9);
    expect(scene.session.view?.viewports[0].camera).toEqual(camera(9));
  });

  it("is not fooled by a picture that was made before the target knew the view", async () => {
    turn(1);
    scene.shows(old);
    scene.coming = grantOf("edge-2");
    old.say({ type: "move", grant: scene.coming });
    const target = scene.edge(1);
    target.silent.add("set-view");
    target.comes();
    scene.shows(target, { seq: 1 });
    await settle();
    expect(shownAt()).toBe("edge-1");
  });

  it("waits for a change that is on its way to the edge that it leaves, and takes it along", async () => {
    const target = await scene.moves(old);
    old.silent.add("set-view");
    const written = scene.session.setView({ viewports: [{ id: "main", window: { center: 1, width: 2 } }] });
    turn(3);
    scene.shows(target);
    expect(shownAt()).toBe("edge-1");
    const [request] = old.has("set-view");
    old.view = { ...old.view, revision: 9, viewports: [{ ...old.view.viewports[0], window: { center: 1, width: 2 } }] };
    old.say({ type: "view", view: old.view });
    old.say({ type: "reply", id: request?.id ?? 0 });
    await written;
    await settle();
    scene.shows(target);
    expect(shownAt()).toBe("edge-2");
    expect(target.view.viewports[0].window).toEqual({ center: 1, width: 2 });
  });

  it("shows no worse picture for as long as that may pass", async () => {
    scene.shows(old, { quality: "lossy" });
    const target = await scene.moves(old);
    scene.shows(target, { quality: "reduced", scale: 0.5 });
    expect(shownAt()).toBe("edge-1");
    scene.shows(target, { quality: "lossy" });
    expect(shownAt()).toBe("edge-2");
  });

  it("takes the picture that there is after a while", async () => {
    const target = await scene.moves(old);
    scene.shows(target, { quality: "reduced" });
    vi.advanceTimersByTime(700);
    expect(shownAt()).toBe("edge-2");
  });

  it("holds the picture for a moment where the target is always a little behind", async () => {
    const target = await scene.moves(old);
    let [step, behind] = [1, 0];
    while (!scene.told.includes("hold") && step < 100) {
      turn(++step);
      scene.shows(old);
      scene.shows(target, { seq: behind });
      behind = step - 1;
    }
    scene.shows(target); // the one on the screen stands still
    expect(shownAt()).toBe("edge-2");
    expect(scene.told).toEqual(["coming", "hold", "go on", "arrived at edge-2"]);
  });

  it("asks for a picture where nothing moves and the target has sent its own already", async () => {
    turn(1);
    scene.shows(old);
    old.seq = 1;
    const target = await scene.moves(old);
    expect(target.has("refresh")).toHaveLength(1);
  });

  it("waits for what is computed at the edge that it leaves", async () => {
    const target = await scene.moves(old);
    const task = scene.session.submit({ type: "data-computation" }, () => undefined);
    scene.shows(target);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(shownAt()).toBe("edge-1");
    old.say({ type: "task-done", taskId: task.id, problem: { code: "internal", title: "No result" } });
    await expect(task.result).rejects.toThrow("No result");
    expect(shownAt()).toBe("edge-2");
  });

  it("tells both of another size and of a page that nobody sees, and needs no picture then", async () => {
    const target = await scene.moves(old);
    scene.session.resize(640, 480);
    for (const edge of [old, target]) expect(edge.has("resize").at(-1)).toMatchObject({ width: 640, height: 480 });
    scene.session.setHidden(true);
    for (const edge of [old, target]) expect(edge.has("visibility").at(-1)?.hidden).toBe(true);
    expect(shownAt()).toBe("edge-2");
    expect(scene.states.at(-1)).toBe("running");
  });

  it("leaves both where the user finishes on the way", async () => {
    const target = await scene.moves(old);
    scene.session.finish();
    expect([old, target].map((edge) => edge.has("finish").length)).toEqual([1, 1]);
    expect([old, target].map(({ closed }) => closed)).toEqual(["finished", "finished"]);
    expect(scene.told).toContain("finished");
  });

  it("moves many times in a row, and counts on", async () => {
    let at = old;
    for (let move = 2; move <= 21; move++) {
      turn(move);
      scene.shows(at);
      const target = await scene.moves(at, `edge-${move}`);
      scene.shows(target);
      await settle();
      expect(shownAt()).toBe(`edge-${move}`);
      expect(position(target)).toBe(move);
      at = target;
    }
    expect(scene.states).toEqual(["asking", "connecting", "loading", "running"]);
  });
});

describe("B8 a move that is given up", () => {
  it("leaves the session where it is, and says why", async () => {
    scene.coming = grantOf("edge-2");
    old.say({ type: "move", grant: scene.coming });
    vi.advanceTimersByTime(10_000);
    await settle();
    expect(old.has("stayed")[0]?.problem).toMatchObject({ code: "unavailable" });
    expect(scene.edge(1).closed).toBe("stayed");
    expect(shownAt()).toBe("edge-1");
    turn(1);
    scene.shows(old);
    expect(scene.session.pictures.newest?.seq).toBe(1);
    expect(scene.states.at(-1)).toBe("running");
    expect(scene.told).toEqual(["not coming"]);
  });

  it.each([
    ["refuses it", (target: FakeEdge) => { target.emit("lost", undefined); }],
    ["refuses the view", (target: FakeEdge) => {
      target.refusals["set-view"] = { code: "bad-request", title: "No such view" };
      target.loaded();
    }],
    ["ends", (target: FakeEdge) => { target.say({ type: "ending", problem: { code: "edge-lost", title: "The edge stops" } }); }],
    ["cannot load it", (target: FakeEdge) => { target.say({ type: "notice", problem: { code: "unreadable", title: "A file cannot be read" } }); }],
  ])("does so where the target %s", async (_, fails) => {
    const target = await scene.moves(old, "edge-2", false);
    fails(target);
    await settle();
    expect(old.has("stayed")).toHaveLength(1);
    expect(target.closed).toBe("stayed");
    expect(scene.states.at(-1)).toBe("running");
  });

  it("waits for a target as long as that is seen to load", async () => {
    const target = await scene.moves(old, "edge-2", false);
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(8_000);
      target.say({ type: "loading", loading: { stage: "reading", bytes: i } as never });
    }
    target.loaded();
    await settle();
    scene.shows(target);
    expect(shownAt()).toBe("edge-2");
  });

  it("lets go of the target when the edge says so", async () => {
    const target = await scene.moves(old);
    old.say({ type: "stay", reason: "the target is gone" });
    expect(target.closed).toBe("stays");
    expect(old.has("stayed")).toHaveLength(0);
    scene.shows(old);
    expect(shownAt()).toBe("edge-1");
  });

  it("goes back where the target does not take the session after all", async () => {
    scene.coming = grantOf("edge-2");
    old.say({ type: "move", grant: scene.coming });
    const target = scene.edge(1);
    target.refusals.arrived = { code: "not-found", title: "The move was given up" };
    target.comes();
    await settle();
    scene.shows(target);
    scene.coming = undefined;
    await settle();
    expect(target.closed).toBe("");
    const again = scene.edge(2);
    expect(scene.asked).toHaveLength(1);
    expect(again.grant.attempt.node).toBe("edge-1");
    again.comes();
    expect(scene.states.at(-1)).toBe("running");
  });

  it("begins another one where the broker has chosen another target", async () => {
    const first = await scene.moves(old);
    const second = await scene.moves(old, "edge-3");
    expect(first.closed).toBe("stays");
    scene.shows(second);
    expect(shownAt()).toBe("edge-3");
  });

  it("takes a move that it is told twice for one", async () => {
    await scene.moves(old);
    old.say({ type: "move", grant: grantOf("edge-2") });
    expect(scene.edges).toHaveLength(2);
  });
});

describe("B8 an edge that goes away", () => {
  it("in mid-move is left at once for the target", async () => {
    const target = await scene.moves(old);
    scene.shows(target, { quality: "reduced", scale: 0.25 });
    expect(shownAt()).toBe("edge-1");
    old.emit("lost", undefined);
    expect(shownAt()).toBe("edge-2");
    expect(scene.states.at(-1)).toBe("running");
  });

  it("without a word is asked about early, and the picture stays until another edge has its own", async () => {
    old.silent.add("displayed");
    scene.next = grantOf("edge-2");
    turn(1);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(scene.asked).toMatchObject([{ lost: true, parameters: { view: { viewports: [{ camera: camera(1) }] } } }]);
    const target = scene.edge(1);
    expect([shownAt(), old.closed]).toEqual(["edge-1", undefined]);
    expect((await old.credentials()).token).toBe("token-edge-1");
    expect((await target.credentials()).token).toBe("token-edge-2");
    target.comes();
    await settle();
    target.stamps();
    scene.session.lines.comes({ rtp: target.stamps(), width: 800, height: 600, at: 0 });
    await settle();
    expect(old.closed).toBe("");
    expect(shownAt()).toBe("edge-2");
    expect(target.has("arrived")).toHaveLength(0);
    expect(scene.states.at(-1)).toBe("running");
    expect(position(target)).toBe(1);
  });

  it("only for this page keeps its session: nothing happens but that the broker is asked", async () => {
    old.silent.add("displayed");
    turn(1);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(scene.asked).toHaveLength(1);
    expect(scene.edges).toHaveLength(1);
    old.silent.clear();
    turn(2);
    scene.shows(old);
    expect(scene.session.pictures.newest?.seq).toBe(2);
  });

  it("and its target after it have the broker asked", async () => {
    const target = await scene.moves(old, "edge-2", false);
    old.connected = false;
    old.emit("lost", undefined);
    scene.coming = undefined;
    scene.next = grantOf("edge-3");
    target.emit("lost", undefined);
    await settle();
    expect(scene.asked).toMatchObject([{ lost: true }]);
    expect(scene.edge(2).grant.attempt.node).toBe("edge-3");
  });

  it("because the task has moved is not the end: the broker says where to", async () => {
    scene.next = grantOf("edge-2");
    old.say({ type: "ending", problem: { code: "moved", title: "The task goes on elsewhere" } });
    await settle();
    const target = scene.edge(1);
    expect(target.resumes).toBe("");
    target.comes();
    expect(scene.states.slice(4)).toEqual(["restoring", "loading", "running"]);
  });

  it("is asked about by its hello, which says that the task has moved", async () => {
    const { ProblemError } = await import("../src/client/problem.js");
    scene.next = grantOf("edge-2");
    old.emit("lost", new ProblemError("moved", "The task goes on elsewhere"));
    await settle();
    expect(scene.edge(1).grant.attempt.node).toBe("edge-2");
  });
});

describe("B8 the lossless picture", () => {
  it("stays over the video of the target, until that has sent its own", async () => {
    const still = async (edge: FakeEdge, rev: number): Promise<void> => {
      const bytes = new Uint8Array([1, 2, rev]);
      const hash = await crypto.subtle.digest("SHA-256", bytes);
      const sha256 = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
      const header = { rev, seq: edge.seq, w: 800, h: 600, format: "image/png", bytes: 3, sha256, sinceInputMs: 1, renderMs: 1, encodeMs: 1 };
      const come = new Promise((resolve) => scene.session.pictures.on("still", resolve));
      edge.emit("message", { channel: "still", data: JSON.stringify(header) });
      edge.emit("message", { channel: "still", data: bytes.buffer });
      await come;
    };
    const moved: string[] = [];
    scene.session.pictures.on("moved", () => moved.push("moved"));
    await still(old, old.view.revision);
    const target = await scene.moves(old);
    scene.shows(target);
    scene.shows(target);
    expect(shownAt()).toBe("edge-2");
    expect(moved).toEqual([]);
    expect(scene.session.pictures.still?.header.rev).toBe(old.view.revision);
    await still(target, target.view.revision);
    expect(moved).toEqual([]);
    expect(scene.session.pictures.still?.header.rev).toBe(target.view.revision);
    turn(1);
    scene.shows(target);
    expect(moved).toEqual(["moved"]);
  });
});
