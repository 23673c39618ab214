// What the pages say where something is wrong.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack, startBrowser } from "./fixture.js";
import { newPage, View } from "./viewer.js";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

describe("a broker with an edge", () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start();
  });

  afterAll(async () => {
    await stack.stop();
  });

  it("says that a study is unknown, and leads back to the list", async () => {
    const page = await newPage(browser);
    await page.goto(`${stack.url}/viewer?StudyInstanceUIDs=1.2.3.4`);
    await page.getByRole("alertdialog").waitFor();
    expect(await page.getByRole("alertdialog").innerText()).toMatch(/study|series/i);
    expect(await page.getByRole("button", { name: "Retry" }).count()).toBe(0);
    expect(await page.locator("aside, tc-stats").count()).toBe(0);
    await page.getByRole("link", { name: "Back to studies" }).last().click();
    await page.locator(".row.study").first().waitFor();
    await page.close();
  });

  it("offers the series of a study where the one that was asked for cannot be opened", async () => {
    const { studies } = (await stack.api("/studies")) as { studies: { studyInstanceUID: string }[] };
    const page = await newPage(browser);
    await page.goto(`${stack.url}/viewer?StudyInstanceUIDs=${studies[0]?.studyInstanceUID ?? ""}&SeriesInstanceUIDs=1.2.3.4`);
    await page.getByRole("alertdialog").waitFor();
    await page.locator(".others tc-series-menu button").first().click();
    await new View(page).still();
    expect(page.url()).toMatch(/SeriesInstanceUIDs=(?!1\.2\.3\.4$)[\d.]+/);
    expect(await page.locator(".others").count()).toBe(0);
    await page.close();
  });

  it("says that an address names no study", async () => {
    const page = await newPage(browser);
    await page.goto(`${stack.url}/viewer?StudyInstanceUIDs=%3Cscript%3E`);
    expect(await page.getByRole("alert").innerText()).toMatch(/names no study/);
    await page.getByText("Not for diagnostic use").waitFor();
    const heading = await page.getByRole("heading", { name: "The address names no study" }).boundingBox();
    expect(heading?.y).toBeGreaterThan(64);
    await page.getByRole("alert").getByRole("link", { name: "Back to studies" }).click();
    await page.locator(".row.study").first().waitFor();
    await page.close();
  });

  it("says what a search does not find", async () => {
    const page = await newPage(browser);
    await page.goto(stack.url);
    await page.locator(".row.study").first().waitFor();
    await page.getByRole("searchbox").fill("zzz no such patient");
    await page.getByText("No study matches").waitFor();
    await page.getByRole("button", { name: "Show all studies" }).click();
    await page.locator(".row.study").first().waitFor();
    await page.close();
  });

  it("reports a killed edge, and goes on with the same view when an edge is back", async () => {
    const page = await newPage(browser);
    const view = new View(page);
    await page.goto(stack.url);
    await page.locator(".row.study a").first().click();
    await view.still();
    await view.do((viewer) => viewer.resetView("left"));
    await expect.poll(() => view.letters(), { timeout: 20_000 }).toBe("A P H F");
    await view.drag(40, 0);
    const camera = await view.do((viewer) => viewer.view?.viewports[0].camera.position);
    const stills = await page.evaluate(() => told.stills.length);

    await stack.killEdge("edge-1");
    const killed = Date.now();
    await page.getByRole("alertdialog").waitFor({ timeout: 15_000 });
    console.log(`the page reports a killed edge after ${Date.now() - killed} ms`);
    expect(await view.do((viewer) => viewer.state)).toBe("restoring");
    expect(await view.text(".badge")).toMatch(/^Not live/);

    await stack.startEdge("edge-2");
    const started = Date.now();
    await expect.poll(() => view.do((viewer) => viewer.state), { timeout: 60_000 }).toBe("running");
    await expect.poll(() => page.evaluate(() => told.stills.length), { timeout: 60_000 }).toBeGreaterThan(stills);
    console.log(`the session is back ${Date.now() - started} ms after another edge was ready`);
    expect(await view.do((viewer) => viewer.session?.node)).toBe("edge-2");
    const back = await view.do((viewer) => viewer.view?.viewports[0].camera.position);
    for (const axis of [0, 1, 2] as const) expect(back?.[axis]).toBeCloseTo(camera?.[axis] ?? Number.NaN, 3);
    expect(await page.getByRole("alertdialog").count()).toBe(0);
    await page.close();
  });

  it("lets the user stop trying and retry", async () => {
    const page = await newPage(browser);
    const view = new View(page);
    await page.goto(stack.url);
    await page.locator(".row.study a").first().click();
    await view.still();
    await stack.killEdge("edge-2");
    await page.getByRole("button", { name: "Stop trying" }).click({ timeout: 15_000 });
    expect(await view.do((viewer) => viewer.state)).toBe("ended");
    await stack.startEdge("edge-3");
    const stills = await page.evaluate(() => told.stills.length);
    await page.getByRole("button", { name: "Open again" }).click();
    await expect.poll(() => page.evaluate(() => told.stills.length), { timeout: 60_000 }).toBeGreaterThan(stills);
    await page.close();
  });

  it("says that no renderer is free, and opens the study by itself once one is", async () => {
    await stack.killEdge("edge-3");
    const page = await newPage(browser);
    const view = new View(page);
    await page.goto(stack.url);
    await page.locator(".row.study a").first().click();
    await page.getByRole("button", { name: "Leave the queue" }).waitFor({ timeout: 40_000 });
    await stack.startEdge("edge-4");
    await view.still();
    await page.close();
  });
});

describe("a broker without studies", () => {
  it("says what to do", async () => {
    const studies = await mkdtemp(join(tmpdir(), "tomocast-empty-"));
    const stack = await Stack.start({ studies, edges: 0 });
    try {
      const page = await newPage(browser);
      await page.goto(stack.url);
      await page.getByText("There are no studies yet").waitFor();
      expect(await page.locator("pre").innerText()).toContain("STUDIES=");
      await page.close();
    } finally {
      await stack.stop();
      await rm(studies, { recursive: true });
    }
  });
});
