// Where a session gets its place: in the queue, at the nearest edge first, and why.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Task } from "../src/contract.js";
import { Stack, startBrowser } from "./fixture.js";
import { newPage, View } from "./viewer.js";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

/** viewerOf is the address of the stack's study. */
async function viewerOf(stack: Stack, more = ""): Promise<string> {
  const { studies } = (await stack.api("/studies")) as { studies: { studyInstanceUID: string }[] };
  return `${stack.url}/viewer?StudyInstanceUIDs=${studies[0]?.studyInstanceUID ?? ""}${more}`;
}

const tasks = async (stack: Stack): Promise<Task[]> => ((await stack.api("/tasks")) as { tasks: Task[] }).tasks;
const waitingTasks = async (stack: Stack): Promise<number> => ((await stack.api("/pool/queue")) as { tasks: unknown[] }).tasks.length;

describe("an edge with one place", () => {
  let stack: Stack;
  let first: Page;

  beforeAll(async () => {
    stack = await Stack.start({ sessions: 1 });
    first = await newPage(browser);
    await first.goto(await viewerOf(stack));
    await new View(first).still();
  });

  afterAll(async () => {
    await stack.stop();
  });

  it("A5 says why the session runs where it does", async () => {
    await first.getByText("Why this edge").click();
    const why = await first.locator("tc-why details").innerText();
    expect(why).toContain("The broker chose this edge: edge-1.");
    const placement = await new View(first).do((viewer) => viewer.placement);
    expect(placement).toMatchObject({ node: "edge-1", answer: "edge-assigned" });
    expect(placement?.reasons.length).toBeGreaterThan(0);
    expect(Object.keys(placement ?? {})).not.toContain("token");
  });

  it("A13 says why this device does not do it itself, and so does the task", async () => {
    expect(await first.locator("tc-why details").innerText()).toMatch(/This device: /);
    expect((await tasks(stack))[0]?.request.local?.reason).toMatch(/^This (viewer|device) has no /);
  });

  it("lets the next one wait in the queue, say where it stands, and leave", async () => {
    const page = await newPage(browser);
    await page.goto(await viewerOf(stack));
    await page.getByText("You are next").waitFor();
    expect(await new View(page).do((viewer) => viewer.state)).toBe("waiting");
    expect(await page.locator("aside, tc-stats").count()).toBe(0);
    await expect.poll(() => waitingTasks(stack)).toBe(1);
    await page.getByRole("button", { name: "Leave the queue" }).click();
    await page.locator(".row.study").first().waitFor();
    await expect.poll(() => waitingTasks(stack)).toBe(0);
    await page.close();
  });

  it("asks before it opens a study as urgent, and goes before others then", async () => {
    const [patient, urgent] = [await newPage(browser), await newPage(browser)];
    await patient.goto(await viewerOf(stack));
    await patient.getByText("You are next").waitFor();
    await urgent.goto(await viewerOf(stack));
    await urgent.getByText("Place 2 of 2 in the queue").waitFor();
    await urgent.getByRole("button", { name: "Urgent…" }).click();
    expect(await urgent.getByRole("dialog").innerText()).toMatch(/a session that nobody is using at the moment ends/);
    await urgent.getByRole("button", { name: "Open as urgent" }).click();
    await urgent.getByText(/^You are next/).waitFor();
    await patient.getByText("Place 2 of 2 in the queue").waitFor();
    await expect.poll(() => waitingTasks(stack)).toBe(2);
    await Promise.all([urgent.close(), patient.close()]);
    await expect.poll(() => waitingTasks(stack), { timeout: 60_000 }).toBe(0);
  });

  it("A11 gives the place to who waits as soon as another user is done", async () => {
    const page = await newPage(browser);
    await page.goto(await viewerOf(stack));
    await page.getByText("You are next").waitFor();
    await first.getByRole("button", { name: "Done" }).click();
    await new View(page).still();
    expect(await page.evaluate(() => told.states)).toEqual(["asking", "waiting", "connecting", "loading", "running"]);
    expect(await page.evaluate(() => told.errors)).toEqual([]);
    const states = (await tasks(stack)).map(({ state }) => state);
    expect(states.filter((state) => state === "running")).toHaveLength(1);
    await page.close();
  });
});

describe("edges that pages may ask themselves", () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start({ sessions: 1, direct: true, edges: 2 });
  });

  afterAll(async () => {
    await stack.stop();
  });

  it("A2 accept a session that fits, and A3 are pinged before", async () => {
    const page = await newPage(browser);
    const asked: string[] = [];
    page.on("request", (request) => { if (request.method() !== "OPTIONS") asked.push(`${request.method()} ${new URL(request.url()).pathname}`); });
    await page.goto(await viewerOf(stack, "&way=edge-first"));
    await new View(page).still();
    const placement = await new View(page).do((viewer) => viewer.placement);
    expect(placement?.answer).toBe("edge-accepts");
    expect(asked.filter((one) => one === "GET /ping").length).toBeGreaterThanOrEqual(3);
    expect(asked.filter((one) => one === "POST /api/v1/tasks")).toHaveLength(1);
    await page.getByText("Why this edge").click();
    expect(await page.locator("tc-why details").innerText()).toContain("The nearest edge took it");

    // The second page asks the same edge, which is busy now and sends the request on.
    const second = await newPage(browser);
    await second.goto(await viewerOf(stack, "&way=edge-first"));
    await new View(second).still();
    const other = await new View(second).do((viewer) => viewer.placement);
    expect(other?.node).not.toBe(placement?.node);
    await Promise.all([page.close(), second.close()]);
  });
});

describe("an edge that leaves it to the user how to compute", () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start({ handling: "data-computation=ask" });
  });

  afterAll(async () => {
    await stack.stop();
  });

  it("A9 asks, explains what there is to choose, and computes as is chosen", async () => {
    const page = await newPage(browser);
    await page.goto(await viewerOf(stack));
    await new View(page).still();
    await page.getByRole("button", { name: "Auto window" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    expect(await dialog.getByRole("button").allInnerTexts()).toHaveLength(4);
    expect(await dialog.innerText()).toMatch(/resident workers[^]*workers of its own[^]*quiet moment/);
    await dialog.getByRole("button", { name: "Now, by workers of its own" }).click();
    await page.locator("figure.histogram").waitFor();
    expect(await dialog.count()).toBe(0);
    await page.close();
  });

  it("A9 says that a task which is put off waits, and cancels it", async () => {
    const page = await newPage(browser);
    await page.goto(await viewerOf(stack));
    await new View(page).still();
    await page.getByRole("button", { name: "Auto window" }).click();
    // Whose hand is on the picture uses the edge.
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await new View(page).do((viewer) => { viewer.showTimePoint(0); });
    await dialog.getByRole("button", { name: "Later, in a quiet moment" }).click();
    await page.getByText(/^Waiting: /).waitFor();
    await page.locator("tc-window").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Auto window" }).waitFor();
    expect(await page.locator("figure.histogram, tc-window [role=alert]").count()).toBe(0);
    await page.close();
  });
});
