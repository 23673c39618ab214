// What operators see and steer of time, moves and scaling, with a real pool and a session in it.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Task } from "../src/contract.js";
import { Stack, startBrowser } from "./fixture.js";
import { newPage, View } from "./viewer.js";

let stack: Stack;
let browser: Browser;
let page: Page;
let session: Page;
/** busy is the edge where the session runs at the beginning, idle the other one. */
let busy: string;
let idle: string;

const running = async (): Promise<Task | undefined> => ((await stack.api("/tasks")) as { tasks: Task[] }).tasks.find(({ state }) => state === "running");
const tab = (name: string) => page.getByRole("tab", { name });
const dialog = () => page.getByRole("dialog");

beforeAll(async () => {
  stack = await Stack.start({ edges: 2 });
  browser = await startBrowser();
  session = await newPage(browser);
  const { studies } = (await stack.api("/studies")) as { studies: { studyInstanceUID: string }[] };
  await session.goto(`${stack.url}/viewer?StudyInstanceUIDs=${studies[0]?.studyInstanceUID ?? ""}`);
  await new View(session).still();
  busy = (await running())?.attempt?.node ?? "";
  idle = busy === "edge-1" ? "edge-2" : "edge-1";
  page = await newPage(browser, 1200, 900);
  await page.goto(`${stack.url}/ops`);
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
});

describe("the time of nodes (B3)", () => {
  it("is a line for each node, and says that nothing is predicted before anything has run", async () => {
    await tab("Time").click();
    await page.getByRole("table", { name: "Time of nodes" }).waitFor();
    await page.getByRole("img", { name: "1 task runs there; open now" }).waitFor();
    await page.getByRole("img", { name: "0 tasks run there; open now" }).waitFor();
    expect(await page.getByText("Nothing has run yet", { exact: false }).count()).toBeGreaterThan(0);
  });

  it("shows in the drawer what runs, what is free when, and the same as a table", async () => {
    await page.getByRole("button", { name: busy, exact: true }).click();
    await dialog().getByRole("img", { name: /^Time line. Open.*1 task runs there/ }).waitFor();
    await dialog().getByRole("button", { name: "7 days" }).click();
    await dialog().getByText("stays so for 7 days at least").waitFor();
    await dialog().getByText("The same as a table").click();
    expect(await dialog().getByRole("table", { name: "What runs there" }).innerText()).toContain("Rendering");
    await page.getByRole("button", { name: "Close" }).click();
  });

  it("is what an operator says, with what is wrong at its field", async () => {
    await page.getByRole("button", { name: idle, exact: true }).click();
    await dialog().getByRole("button", { name: "Set hours…" }).click();
    const closed = dialog().getByRole("group", { name: "Closed all the same" });
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    for (const [i, [from, to]] of [["09:00", "12:00"], ["11:00", "13:00"]].entries()) {
      await closed.getByRole("button", { name: "Add a span" }).click();
      await closed.getByLabel("Begins").nth(i).fill(`${tomorrow}T${from ?? ""}`);
      await closed.getByLabel("Ends").nth(i).fill(`${tomorrow}T${to ?? ""}`);
    }
    await dialog().getByRole("button", { name: "Save" }).click();
    await closed.getByText(/overlaps entry 1/).waitFor();
    await closed.getByRole("button", { name: "Remove span 2" }).click();
    await dialog().getByRole("button", { name: "Save" }).click();
    await dialog().getByText(/^Closed .*09:00 to 12:00/).waitFor();
    await dialog().getByText(/^Open; closes at /).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
  });

  it("brings the node that closes to the top of the lines", async () => {
    await expect.poll(() => page.locator("tbody tr[data-node]").first().innerText()).toMatch(new RegExp(`${idle}[^]*closes`));
  });

  it("is taken back", async () => {
    await page.getByRole("button", { name: idle, exact: true }).click();
    await dialog().getByRole("button", { name: "Take the hours back" }).click();
    await dialog().getByText("Always: nobody says otherwise.").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
  });
});

describe("moves (B8)", () => {
  it("are refused with the reason where they are asked for", async () => {
    await page.getByRole("button", { name: busy, exact: true }).click();
    await dialog().getByRole("button", { name: /^Move task / }).click();
    await dialog().getByLabel("Move to").fill("edge-nowhere");
    await dialog().getByRole("button", { name: "Move", exact: true }).click();
    await dialog().getByRole("alert").waitFor();
    expect((await running())?.attempt?.node).toBe(busy);
  });

  it("take a session to the node that is named, and are told", async () => {
    await dialog().getByLabel("Move to").fill(idle);
    await dialog().getByRole("button", { name: "Move", exact: true }).click();
    await page.getByRole("button", { name: "Close" }).click();
    await tab("Moves").click();
    await page.getByRole("table", { name: "Moves that ended" }).getByText("Moved", { exact: true }).waitFor({ timeout: 60_000 });
    expect(await page.getByRole("table", { name: "Moves that ended" }).locator("tbody th").innerText()).toContain("Rendering");
    expect((await running())?.attempt?.node).toBe(idle);
    expect(await new View(session).do((viewer) => viewer.placement?.node)).toBe(idle);
  });
});

describe("a drain", () => {
  it("takes the session away before anything ends", async () => {
    await tab("Nodes").click();
    await page.getByRole("button", { name: idle, exact: true }).click();
    await dialog().getByRole("button", { name: "Drain…" }).click();
    await dialog().getByText(/what runs there moves to other nodes/).waitFor();
    await dialog().getByRole("button", { name: "Drain", exact: true }).click();
    await expect.poll(async () => (await running())?.attempt?.node, { timeout: 60_000 }).toBe(busy);
    await page.getByRole("button", { name: "Close" }).click();
    await tab("Moves").click();
    await page.getByRole("table", { name: "Moves that ended" }).getByText("Its node is emptied").waitFor();
    expect(await session.evaluate(() => told.errors)).toEqual([]);
  });
});

describe("scaling (B5)", () => {
  it("is told, or that there was none", async () => {
    await tab("Scaling").click();
    await page.getByRole("tabpanel").getByRole("heading", { name: /Nothing has been scaled|Waiting/ }).waitFor();
    await tab("Nodes").click();
    await page.getByRole("button", { name: busy, exact: true }).click();
    await dialog().locator(".held").first().waitFor();
    expect(await dialog().locator(".held").first().innerText()).toContain("Encoders");
    await page.getByRole("button", { name: "Close" }).click();
  });
});

describe("on a phone", () => {
  const over = (element: Element): number => element.scrollWidth - element.clientWidth;

  it("nothing is wider than the page", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const name of ["Time", "Moves", "Scaling", "Nodes"]) {
      await tab(name).click();
      await page.getByRole("tabpanel", { name }).getByRole("row").or(page.getByRole("heading", { name: "Nothing has been scaled" })).first().waitFor();
      expect(await page.locator(".page").evaluate(over)).toBe(0);
    }
    await page.getByRole("button", { name: busy, exact: true }).click();
    await dialog().getByRole("img", { name: /^Time line/ }).waitFor();
    await dialog().getByRole("button", { name: "Set hours…" }).click();
    await dialog().getByRole("button", { name: "Add hours" }).click();
    await dialog().getByRole("group", { name: "Closed all the same" }).getByRole("button", { name: "Add a span" }).click();
    expect(await dialog().evaluate(over)).toBe(0);
    await dialog().getByRole("button", { name: "Leave it as it is" }).click();
    await expect.poll(() => dialog().getByRole("button", { name: "Set hours…" }).evaluate((button) => button.matches(":focus"))).toBe(true);
  });
});
