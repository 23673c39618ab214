// A session that goes from edge to edge while the user works (B8).
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Moving, Node, Task, ViewState } from "../src/contract.js";
import { Stack, startBrowser } from "./fixture.js";
import { newPage, View } from "./viewer.js";

let stack: Stack;
let browser: Browser;
let page: Page;
let view: View;

beforeAll(async () => {
  stack = await Stack.start({ edges: 2 });
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
});

/** open shows the study in a page of its own, which remembers each camera that was asked for. */
async function open(): Promise<void> {
  const { studies } = (await stack.api("/studies")) as { studies: { studyInstanceUID: string }[] };
  page = await newPage(browser, 900, 600);
  view = new View(page);
  await page.goto(`${stack.url}/viewer?StudyInstanceUIDs=${studies[0]?.studyInstanceUID ?? ""}`);
  await view.still();
  await view.do((viewer) => {
    const asked: string[] = [];
    viewer.addEventListener("viewchange", (event) => {
      const { detail } = event as CustomEvent<{ view: ViewState }>;
      const camera = JSON.stringify(detail.view.viewports[0].camera.position);
      if (asked.at(-1) !== camera) asked.push(camera);
    });
    Object.assign(globalThis, { asked });
  });
}

const running = async (): Promise<Task | undefined> =>
  ((await stack.api("/tasks")) as { tasks: Task[] }).tasks.find(({ state }) => state === "running");
const moves = async (): Promise<Moving[]> => ((await stack.api("/moves")) as { moves: Moving[] }).moves;
const nodeOf = (): Promise<string | undefined> => view.do((viewer) => viewer.placement?.node);
const attempt = async (): Promise<string | undefined> => (await running())?.attempt?.node;

/** move has the session go to the other edge, and waits until it is there by all accounts. */
async function move(): Promise<string> {
  const task = await running();
  const from = task?.attempt?.node;
  const to = from === "edge-1" ? "edge-2" : "edge-1";
  await stack.api(`/tasks/${task?.id ?? ""}/move`, "POST", { to });
  const ended = async (): Promise<string> => {
    const { state, why = "" } = (await moves()).find((one) => one.task === task?.id) ?? { state: "" };
    return state === "moved" ? `${state} to ${(await nodeOf()) ?? ""} and ${(await attempt()) ?? ""}` : `${state} ${why}`;
  };
  await expect.poll(ended, { timeout: 30_000 }).toBe(`moved to ${to} and ${to}`);
  return to;
}

/** dragged turns the picture without a pause while something else is done. */
async function dragged(meanwhile: () => Promise<unknown>): Promise<void> {
  const [x, y] = await view.point();
  await page.mouse.down();
  const hand = new AbortController();
  const turn = async (): Promise<void> => {
    for (let i = 0; !hand.signal.aborted; i++) await page.mouse.move(x + 150 * Math.sin(i / 25), y + 60 * Math.sin(i / 40));
    await page.mouse.up();
  };
  await Promise.all([turn(), meanwhile().finally(() => { hand.abort(); })]);
}

/** order says whether the pictures showed what the hand had asked for, one after the other and none of it twice after another. */
async function order(from: number): Promise<{ pictures: number; unknown: number; back: number }> {
  return page.evaluate((first) => {
    const { asked } = globalThis as unknown as { asked: string[] };
    let [at, unknown, back] = [-1, 0, 0];
    const frames = told.frames.slice(first);
    for (const { cameras } of frames) {
      const found = asked.lastIndexOf(JSON.stringify(cameras[0]?.position));
      if (found < 0) unknown++;
      else if (found < at) back++;
      at = Math.max(at, found);
    }
    return { pictures: frames.length, unknown, back };
  }, from);
}

/** showsItsView compares the newest picture with the view that the page has. */
async function showsItsView(): Promise<void> {
  const apart = (): Promise<number> => view.do((viewer) => {
    const [asked, shown] = [viewer.view?.viewports[0].camera, told.frames.at(-1)?.cameras[0]];
    const parts = ["position", "lookAt", "up"] as const;
    return Math.max(...parts.flatMap((part) => [0, 1, 2].map((axis) => Math.abs((asked?.[part][axis] ?? NaN) - (shown?.[part][axis] ?? NaN)))));
  });
  await expect.poll(apart, { timeout: 20_000 }).toBeLessThan(1e-6);
}

describe("a session between two edges", () => {
  it("B8 goes to the other one and back while the user drags, shows every step in its order, and is at the same view", async () => {
    await open();
    const frames = await page.evaluate(() => told.frames.length);
    const nodes: string[] = [];
    await dragged(async () => {
      for (let i = 0; i < 2; i++) nodes.push(await move());
    });
    expect(nodes).toHaveLength(2);
    await showsItsView();
    const seen = await order(frames);
    expect(seen).toMatchObject({ unknown: 0, back: 0 });
    expect(seen.pictures).toBeGreaterThan(5);
    expect(new Set(await page.evaluate(() => told.states))).toEqual(new Set(["asking", "connecting", "loading", "running"]));
    expect(await page.evaluate(() => told.errors)).toEqual([]);
    expect((await moves()).map(({ state, reason }) => [state, reason])).toEqual([["moved", "by-hand"], ["moved", "by-hand"]]);
  });

  it("B8 moves twenty times in a row without a fault", async () => {
    const frames = await page.evaluate(() => told.frames.length);
    const states = await page.evaluate(() => told.states.length);
    await dragged(async () => {
      for (let i = 0; i < 20; i++) await move();
    });
    expect(await order(frames)).toMatchObject({ unknown: 0, back: 0 });
    expect(await page.evaluate((n) => told.states.slice(n).filter((state) => state !== "running"), states)).toEqual([]);
    expect(await page.evaluate(() => told.errors)).toEqual([]);
    expect((await moves()).filter(({ state }) => state === "moved")).toHaveLength(22);
  });

  it("B8 stays where it is when the page cannot reach the target", async () => {
    const from = await nodeOf();
    // Each move has a place of its own at its target, whose signalling is cut here.
    await page.routeWebSocket(/\/signal\//, (socket) => socket.close());
    const task = await running();
    await stack.api(`/tasks/${task?.id ?? ""}/move`, "POST", { to: from === "edge-1" ? "edge-2" : "edge-1" });
    await expect.poll(async () => (await moves()).find(({ state }) => state !== "moved")?.state, { timeout: 60_000 }).toBe("stays");
    await dragged(async () => {
      const { length } = await page.evaluate(() => told.frames);
      await page.waitForFunction((n) => told.frames.length > n + 3, length);
    });
    expect(await nodeOf()).toBe(from);
    expect(await attempt()).toBe(from);
    expect(await page.evaluate(() => told.states.at(-1))).toBe("running");
    await page.close();
    await expect.poll(attempt, { timeout: 60_000 }).toBeUndefined();
  });

  it("B8 ends at both edges where the user finishes on the way", async () => {
    await open();
    const [task, { length }] = [await running(), await moves()];
    await stack.api(`/tasks/${task?.id ?? ""}/move`, "POST", {});
    await page.getByRole("button", { name: "Done" }).click();
    await expect.poll(attempt, { timeout: 60_000 }).toBeUndefined();
    await expect.poll(async () => (await moves()).filter(({ endedAt }) => endedAt !== undefined).length, { timeout: 60_000 }).toBe(length + 1);
    const { nodes } = (await stack.api("/nodes")) as { nodes: Node[] };
    for (const { free, capacity } of nodes) expect(free).toEqual(capacity);
    await page.close();
  });

  it("B8 takes along the files that the page has sent", async () => {
    page = await newPage(browser, 900, 600);
    view = new View(page);
    await page.goto(stack.url);
    await page.locator("tc-study-list tc-open-files input.folder").setInputFiles(await stack.folder());
    await view.still();
    const [patient, to] = [await view.text(".corner.tl"), await move()];
    expect(await view.text(".corner.tl")).toBe(patient);
    expect(await nodeOf()).toBe(to);
    expect(new Set(await page.evaluate(() => told.states))).toEqual(new Set(["asking", "connecting", "loading", "running"]));
    expect(await page.evaluate(() => told.errors)).toEqual([]);
    await page.close();
    await expect.poll(attempt, { timeout: 60_000 }).toBeUndefined();
  });

  it("B8 is back at the same view on the edge that has the study, where its own is killed without warning", async () => {
    await open();
    const from = (await nodeOf()) ?? "";
    await view.drag(80, 30);
    await view.still(0);
    const frames = await page.evaluate(() => told.frames.length);
    const killed = performance.now();
    await dragged(async () => {
      await stack.killEdge(from);
      await expect.poll(nodeOf, { timeout: 30_000 }).not.toBe(from);
      await page.waitForFunction((n) => told.frames.length > n + 5, frames);
    });
    console.log(`a session whose edge was killed is back after less than ${Math.round(performance.now() - killed)} ms`);
    await showsItsView();
    expect((await order(frames)).unknown).toBe(0);
    expect(await page.evaluate(() => told.errors)).toEqual([]);
    expect((await running())?.attempt?.node).not.toBe(from);
  });
});
