// A real chest CT, where this checkout has the test data.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack, startBrowser, testData } from "./fixture.js";
import { newPage, View } from "./viewer.js";

const studies = join(testData() ?? "", "studies/ct-chest-contrast");

describe.skipIf(!existsSync(studies))("the chest CT", () => {
  let stack: Stack;
  let browser: Browser;

  beforeAll(async () => {
    stack = await Stack.start({ studies });
    browser = await startBrowser();
  });

  afterAll(async () => {
    await browser.close();
    await stack.stop();
  });

  it("opens by its address, turns, and says whose it is", async () => {
    const { studies: found } = (await stack.api("/studies")) as { studies: { studyInstanceUID: string; patientID: string }[] };
    const page = await newPage(browser);
    const view = new View(page);
    const asked = Date.now();
    await page.goto(`${stack.url}/viewer?StudyInstanceUIDs=${found[0]?.studyInstanceUID ?? ""}`);
    await page.waitForFunction(() => told.frames.length > 0, undefined, { timeout: 30_000 });
    console.log(`first picture of the chest CT after ${Date.now() - asked} ms`);
    const first = await view.still();
    expect(await view.text(".corner.tl")).toContain(found[0]?.patientID ?? "no patient ID");
    expect(await view.text(".corner.br")).toMatch(/W \d+.*HU/);
    expect(await view.do((viewer) => viewer.series?.size)).toEqual([512, 512, 100]);
    await view.drag(80, 0);
    const second = await view.still(first.revision);
    expect(second.sha256).not.toBe(first.sha256);
    expect(await page.evaluate(() => told.errors)).toEqual([]);
    await page.close();
  });
});
