// Series of every kind, where this checkout has the test data: parts, time points, plain images, warnings, previews.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack, startBrowser, testData } from "./fixture.js";
import { newPage, View } from "./viewer.js";

const data = join(testData() ?? "", "studies");

/** opened serves one folder, to an edge that gets so much of it a second, and opens its first study. */
async function opened(folder: string, bytesPerSecond?: number): Promise<{ stack: Stack; browser: Browser; page: Page; view: View }> {
  const stack = await Stack.start({ studies: join(data, folder), bytesPerSecond });
  const browser = await startBrowser();
  const page = await newPage(browser);
  await page.goto(stack.url);
  await page.locator(".row.study a").first().click();
  await page.locator("tomocast-viewer").waitFor();
  return { stack, browser, page, view: new View(page) };
}

/** withStudy runs tests in order on the first study of a folder. */
function withStudy(folder: string, tests: (now: () => { page: Page; view: View }) => void, bytesPerSecond?: number): void {
  describe.skipIf(!existsSync(join(data, folder)))(folder, () => {
    let now: Awaited<ReturnType<typeof opened>> | undefined;
    beforeAll(async () => { now = await opened(folder, bytesPerSecond); });
    afterAll(async () => {
      await now?.browser.close();
      await now?.stack.stop();
    });
    tests(() => {
      if (now === undefined) throw new Error("nothing was opened");
      return now;
    });
  });
}

withStudy("derived/4d-4phases", (now) => {
  it("goes through its time points by hand", async () => {
    const { page, view } = now();
    const first = await view.still();
    expect(await view.text(".place")).toBe("Time point 1 of 4");
    const slider = page.getByRole("slider", { name: "Time point" });
    await slider.fill("2");
    const second = await view.still(first.revision);
    expect(second.sha256).not.toBe(first.sha256);
    await expect.poll(() => view.text(".place")).toBe("Time point 3 of 4");
  });

  it("plays them and stops where it is told to", async () => {
    const { page, view } = now();
    await page.getByRole("button", { name: "Play" }).click();
    const seen = new Set<string>();
    await expect.poll(async () => seen.add(await view.text(".place")).size, { timeout: 30_000, interval: 30 }).toBe(4);
    await page.getByRole("button", { name: "Pause" }).click();
    await expect.poll(() => view.text(".badge > span"), { timeout: 30_000 }).toContain("Lossless");
    const place = await view.text(".place");
    expect(Number(/\d+/.exec(place)?.[0])).toBe((await view.do((viewer) => viewer.timePoint)) + 1);
  });
});

withStudy("derived/duplicate-positions-2acq", (now) => {
  it("opens its other part in the same session", async () => {
    const { page, view } = now();
    const first = await view.still();
    const task = await view.do((viewer) => viewer.session?.task);
    const parts = page.getByRole("group", { name: "Parts of this series" }).getByRole("button");
    await parts.first().waitFor();
    expect(await parts.count()).toBe(2);
    await parts.and(page.locator('[aria-current="false"]')).click();
    const second = await view.still(first.revision);
    expect(second.sha256).not.toBe(first.sha256);
    expect(await view.do((viewer) => viewer.session?.task)).toBe(task);
    await expect.poll(() => page.url()).toMatch(/part=\d/);
  });
});

withStudy("derived/missing-slices", (now) => {
  it("says beside the picture that slices are missing, and how many", async () => {
    const { page, view } = now();
    await view.still();
    const concern = view.element.locator(".concern");
    expect(await concern.innerText()).toMatch(/missing/);
    await concern.click();
    expect(await page.getByRole("dialog", { name: "Warnings about this series" }).innerText()).toMatch(/\d+ slices? (is|are) missing.* mm/);
    await page.getByRole("button", { name: "Close" }).click();
  });
});

withStudy("ct-chest-contrast", (now) => {
  it("shows a coarse preview that says what it is, real progress, then the whole", async () => {
    const { page, view } = now();
    await view.still();
    const told = await page.evaluate(() => ({ loading: globalThis.told.loading, badges: globalThis.told.badges }));
    expect(told.loading.some(({ slices, totalSlices, bytes }) => slices > 0 && slices < totalSlices && totalSlices === 100 && bytes > 0)).toBe(true);
    expect(told.loading.some(({ preview }) => preview === true)).toBe(true);
    expect(told.badges).toContain("Loading");
    expect(await view.text(".badge > span")).toContain("Lossless");
    expect(await view.do((viewer) => viewer.series?.size)).toEqual([512, 512, 100]);
  });
}, 12e6);

describe.skipIf(!existsSync(join(data, "edge-pydicom/RG3_J2KR.dcm")))("a radiograph", () => {
  let stack: Stack;
  let browser: Browser;

  beforeAll(async () => {
    stack = await Stack.start();
    browser = await startBrowser();
  });

  afterAll(async () => {
    await browser.close();
    await stack.stop();
  });

  it("is shown as the plain image that it is: moved, zoomed, windowed, and no more", async () => {
    const page = await newPage(browser);
    const view = new View(page);
    await page.goto(stack.url);
    await page.locator("tc-study-list tc-open-files input.files").setInputFiles(join(data, "edge-pydicom/RG3_J2KR.dcm"));
    const first = await view.still();
    expect(await view.do((viewer) => viewer.view?.viewports[0].mode)).toBe("image");
    expect(await view.letters()).toBe("   ");
    expect(await page.locator("tc-presets, tc-views").count()).toBe(0);
    expect(await view.text(".corner.tl")).toMatch(/ID \S+/);
    await view.drag(60, 30);
    const moved = await view.still(first.revision);
    await view.point();
    await page.mouse.wheel(0, -240);
    const zoomed = await view.still(moved.revision);
    expect(new Set([first.sha256, moved.sha256, zoomed.sha256]).size).toBe(3);
    const width = await view.do((viewer) => viewer.window?.width ?? 0);
    await page.keyboard.down("Control");
    await view.drag(80, 0);
    await page.keyboard.up("Control");
    await view.still(zoomed.revision);
    expect(await view.do((viewer) => viewer.window?.width ?? 0)).toBeGreaterThan(width);
    await page.getByRole("button", { name: "Reset the image" }).click();
    await expect.poll(async () => page.evaluate(() => told.stills.at(-1)?.sha256), { timeout: 30_000 }).toBe(first.sha256);
    await page.close();
  });
});
