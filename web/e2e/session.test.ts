// A session with the demo study, from the list to Done.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Task } from "../src/contract.js";
import { run, Stack, startBrowser } from "./fixture.js";
import { newPage, ssim, View } from "./viewer.js";

let stack: Stack;
let browser: Browser;
let page: Page;
let view: View;

beforeAll(async () => {
  stack = await Stack.start();
  browser = await startBrowser();
  page = await newPage(browser);
  view = new View(page);
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
});

/** pixels of a picture, four bytes each, as the browser decodes it. */
async function pixels(source: string): Promise<{ width: number; height: number; data: Buffer }> {
  const { width, height, base64 } = await page.evaluate(async (picture) => {
    const image = new Image();
    image.src = picture;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    if (context === null) throw new Error("no canvas");
    context.drawImage(image, 0, 0);
    const reader = new FileReader();
    reader.readAsDataURL(new Blob([context.getImageData(0, 0, width, height).data]));
    await new Promise((resolve) => { reader.onload = resolve; });
    const url = typeof reader.result === "string" ? reader.result : "";
    return { width, height, base64: url.slice(url.indexOf(",") + 1) };
  }, source);
  return { width, height, data: Buffer.from(base64, "base64") };
}

const asURL = (png: Buffer): string => `data:image/png;base64,${png.toString("base64")}`;

async function snapshot(): Promise<Buffer> {
  const base64 = await view.do(async (viewer) => {
    const bytes = new Uint8Array(await (await viewer.snapshot()).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  });
  return Buffer.from(base64, "base64");
}

describe("the demo study", () => {
  it("is found in the list and opens", async () => {
    await page.goto(stack.url);
    const row = page.locator(".row.study").first();
    await row.getByRole("button").click();
    await page.locator(".series .one").first().waitFor();
    await row.locator("a").click();
    await view.still();
    expect(await view.text(".badge > span")).toContain("Lossless");
    expect(await view.text(".disclaimer")).toBe("Not for diagnostic use");
    expect(await view.text(".corner.tl")).toMatch(/ID \S+/);
    expect(await view.letters()).toBe("R L H F");
    expect(await page.evaluate(() => told.states)).toEqual(["asking", "connecting", "loading", "running"]);
    expect(await page.evaluate(() => told.errors)).toEqual([]);
  });

  it("fills the view pixel by pixel", async () => {
    const sizes = await view.do((viewer) => {
      const box = viewer.getBoundingClientRect();
      const image = viewer.shadowRoot?.querySelector<HTMLImageElement>("img.still");
      return [2 * Math.floor(box.width / 2), 2 * Math.floor(box.height / 2), image?.naturalWidth, image?.naturalHeight];
    });
    expect(sizes.slice(2)).toEqual(sizes.slice(0, 2));
  });

  it("comes as video that is close to the renderer's own picture", async () => {
    const video = await view.do((viewer) => {
      const shown = viewer.shadowRoot?.querySelector<HTMLVideoElement>("video:not(.back)");
      if (!shown) throw new Error("no video");
      const canvas = document.createElement("canvas");
      canvas.width = shown.videoWidth;
      canvas.height = shown.videoHeight;
      canvas.getContext("2d")?.drawImage(shown, 0, 0);
      return canvas.toDataURL("image/png");
    });
    const lossy = await pixels(video);
    const exact = await pixels(asURL(await snapshot()));
    expect([lossy.width, lossy.height]).toEqual([exact.width, exact.height]);
    const similarity = ssim(lossy.data, exact.data, exact.width, exact.height);
    console.log(`SSIM of the decoded video and the renderer's picture: ${similarity.toFixed(4)}`);
    expect(similarity).toBeGreaterThan(0.95);
  });

  it("has stills of exactly the renderer's pixels", async () => {
    const state = await view.do((viewer) => viewer.view);
    const size = await view.do((viewer) => [viewer.stats.width, viewer.stats.height]);
    const folder = await mkdtemp(join(tmpdir(), "tomocast-picture-"));
    const [viewFile, out] = [join(folder, "view.json"), join(folder, "picture.png")];
    await writeFile(viewFile, JSON.stringify(state));
    await run("edge-renderer", "render", "--study", await stack.folder(), "--view", viewFile, "--size", size.join("x"), "--out", out);
    const rendered = await readFile(out);
    await rm(folder, { recursive: true });
    const [ours, theirs] = [await pixels(asURL(await snapshot())), await pixels(asURL(rendered))];
    expect([theirs.width, theirs.height]).toEqual([ours.width, ours.height]);
    expect(theirs.data.equals(ours.data)).toBe(true);
  });

  it("turns with the hand, and is lossless again when the hand stops", async () => {
    const before = (await view.still()).revision;
    const frames = await page.evaluate(() => told.frames.length);
    await view.drag(120, 20);
    const still = await view.still(before);
    expect(still.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await view.letters()).not.toBe("R L H F");
    const measured = await page.evaluate((n) => told.frames.slice(n).map((frame) => frame.motionToPhotonMs ?? 0), frames);
    expect(Math.max(...measured)).toBeGreaterThan(0);
    // The still belongs to the camera that the hand has left behind.
    const cameras = await view.do((viewer) => [viewer.view?.viewports[0].camera.position]);
    const shown = (await view.newest())?.cameras[0]?.position;
    for (const axis of [0, 1, 2] as const) expect(shown?.[axis]).toBeCloseTo(cameras[0]?.[axis] ?? Number.NaN, 6);
  });

  it.each([
    ["Posterior", "L R H F"], ["Left", "A P H F"], ["Right", "P A H F"],
    ["Superior", "L R A P"], ["Inferior", "R L A P"], ["Anterior", "R L H F"],
  ])("is seen from %s", async (side, letters) => {
    await page.getByRole("button", { name: side, exact: true }).click();
    await expect.poll(() => view.letters(), { timeout: 20_000 }).toBe(letters);
  });

  it("pans, zooms and obeys the keyboard", async () => {
    const camera = (): Promise<{ height: number; lookAt: number[] } | undefined> => view.do((viewer) => viewer.view?.viewports[0].camera);
    const first = await camera();
    await view.point();
    await page.mouse.wheel(0, -240);
    await expect.poll(async () => (await camera())?.height).toBeLessThan(first?.height ?? 0);
    await view.drag(60, 0, "middle");
    expect((await camera())?.lookAt).not.toEqual(first?.lookAt);
    await view.element.locator(".stage").press("ArrowRight");
    await expect.poll(() => view.letters(), { timeout: 20_000 }).toBe("R L H F");
    await view.element.locator(".stage").press("2");
    await expect.poll(() => view.letters(), { timeout: 20_000 }).toBe("L R H F");
    await view.element.locator(".stage").press("r");
    await expect.poll(async () => (await camera())?.height).toBeCloseTo(first?.height ?? 0, 3);
  });

  it("takes another preset and a window of the user's", async () => {
    await page.getByRole("radio", { name: "Maximum intensity" }).click();
    await expect.poll(() => view.do((viewer) => viewer.view?.viewports[0].mode)).toBe("mip");
    await page.getByLabel("Width").fill("300");
    await page.getByLabel("Width").press("Enter");
    await expect.poll(() => view.text(".corner.br"), { timeout: 20_000 }).toMatch(/W 300/);
  });

  it("computes an auto-window beside the picture", async () => {
    await page.getByRole("button", { name: "Auto window" }).click();
    await page.locator("figure.histogram").waitFor();
    const window = await view.do((viewer) => viewer.view?.viewports[0].window);
    expect(window?.width).toBeGreaterThan(0);
    expect(window?.width).not.toBe(300);
    expect(await page.locator("figure.histogram svg").getAttribute("aria-label")).toMatch(/Histogram of [\d,]+ voxels/);
  });

  it("follows the size of the page", async () => {
    const { revision } = await view.still();
    await page.setViewportSize({ width: 900, height: 620 });
    const sized = (): Promise<boolean> =>
      view.do((viewer) => {
        const box = viewer.getBoundingClientRect();
        const { width, height } = viewer.stats;
        return width === 2 * Math.floor(box.width / 2) && height === 2 * Math.floor(box.height / 2);
      });
    await expect.poll(sized, { timeout: 30_000 }).toBe(true);
    expect(revision).toBeGreaterThan(0);
  });

  it("sends nothing to a page that nobody sees", async () => {
    const hide = (hidden: boolean): Promise<void> =>
      page.evaluate((state) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden ? "hidden" : "visible");
    const { revision } = await view.still();
    await hide(true);
    const frames = await page.evaluate(() => told.frames.length);
    await view.do((viewer) => viewer.resetView("left"));
    await view.do((viewer) => viewer.setView({ viewports: [{ window: null }] }));
    expect(await page.evaluate(() => told.frames.length)).toBe(frames);
    await hide(false);
    await view.still(revision);
    expect(await view.letters()).toBe("A P H F");
  });

  it("measures itself", async () => {
    const stats = await view.do((viewer) => viewer.stats);
    expect(stats.node).toBe("edge-1");
    expect(stats.codec).toMatch(/H264|VP8/);
    expect(stats.renderer).not.toBe("");
    expect(stats.motionToPhotonMs?.count).toBeGreaterThan(0);
    expect(await page.locator("tc-stats dl").innerText()).toContain("edge-1");
  });

  it("is finished by Done", async () => {
    await page.getByRole("button", { name: "Done" }).click();
    await page.locator(".row.study").first().waitFor();
    await expect
      .poll(async () => ((await stack.api("/tasks")) as { tasks: Task[] }).tasks.map((task) => task.state), { timeout: 10_000 })
      .toEqual(["finished"]);
  });
});
