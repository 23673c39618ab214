// The viewer in a page, as the tests see it.
import type { Browser, Locator, Page } from "playwright-core";
import type { TomocastViewer } from "../src/index.js";
import type { Loading } from "../src/contract.js";
import type { FrameDetail, StillDetail } from "../src/element/types.js";

/** What a page has told since it was opened. */
declare global {
  // The pages of the tests have this.
  var told: { frames: FrameDetail[]; stills: StillDetail[]; states: string[]; errors: string[]; loading: Loading[]; badges: string[] };
}

export const stillWithinMs = 60_000;

/** newPage opens a page that remembers the events of every viewer in it. */
export async function newPage(browser: Browser, width = 1000, height = 700): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height } });
  page.setDefaultTimeout(30_000);
  await page.addInitScript(() => {
    globalThis.told = { frames: [], stills: [], states: [], errors: [], loading: [], badges: [] };
    const { dispatchEvent } = EventTarget.prototype;
    EventTarget.prototype.dispatchEvent = function (event: Event): boolean {
      if (this instanceof HTMLElement && this.localName === "tomocast-viewer" && event instanceof CustomEvent) {
        const detail: unknown = event.detail;
        if (event.type === "frame") told.frames.push(detail as FrameDetail);
        if (event.type === "still") told.stills.push(detail as StillDetail);
        if (event.type === "statechange") told.states.push((detail as { state: string }).state);
        if (event.type === "loading") told.loading.push((detail as { loading: Loading }).loading);
        if (event.type === "frame") told.badges.push(this.shadowRoot?.querySelector(".badge > span")?.textContent.split(":")[0] ?? "");
        if (event.type === "error") told.errors.push((detail as { title: string }).title);
      }
      return dispatchEvent.call(this, event);
    };
  });
  return page;
}

/** View is a viewer in a page. */
export class View {
  readonly element: Locator;

  constructor(readonly page: Page) {
    this.element = page.locator("tomocast-viewer");
  }

  /** do runs a function on the element. */
  do<Result>(f: (viewer: TomocastViewer) => Result | Promise<Result>): Promise<Result> {
    return this.element.evaluate<Result, undefined, TomocastViewer>(f, undefined);
  }

  /** still waits for a lossless picture that is newer than a revision. */
  async still(after = 0): Promise<StillDetail> {
    const found = await this.page.waitForFunction(
      (revision) => told.stills.findLast((still) => still.revision > revision),
      after,
      { timeout: stillWithinMs },
    );
    const still = await found.jsonValue();
    if (still === undefined) throw new Error("no still");
    return still;
  }

  /** newest is the newest picture of the video that was shown. */
  newest(): Promise<FrameDetail | undefined> {
    return this.page.evaluate(() => told.frames.at(-1));
  }

  /** letters at the left, right, top and bottom edge. */
  letters(): Promise<string> {
    return this.do((viewer) =>
      ["left", "right", "top", "bottom"].map((edge) => viewer.shadowRoot?.querySelector(`.letter.${edge}`)?.textContent ?? "").join(" "),
    );
  }

  text(selector: string): Promise<string> {
    return this.element.locator(selector).innerText();
  }

  /** point moves the mouse to the middle of the picture, and says where that is. */
  async point(): Promise<[number, number]> {
    const box = await this.element.boundingBox();
    if (box === null) throw new Error("the viewer is not on the page");
    const middle: [number, number] = [box.x + box.width / 2, box.y + box.height / 2];
    await this.page.mouse.move(...middle);
    return middle;
  }

  /** drag moves the mouse over the picture, from its middle, with a button down. */
  async drag(right: number, down: number, button: "left" | "middle" | "right" = "left"): Promise<void> {
    const [x, y] = await this.point();
    const { mouse } = this.page;
    await mouse.down({ button });
    for (let i = 1; i <= 12; i++) await mouse.move(x + (right * i) / 12, y + (down * i) / 12);
    await mouse.up({ button });
  }
}

/** ssim is the mean structural similarity of two pictures of one size, on luma in windows of 8 x 8 (Wang 2004). */
export function ssim(a: ArrayLike<number>, b: ArrayLike<number>, width: number, height: number): number {
  const luma = (p: ArrayLike<number>, i: number): number => 0.299 * (p[i] ?? 0) + 0.587 * (p[i + 1] ?? 0) + 0.114 * (p[i + 2] ?? 0);
  const c1 = (0.01 * 255) ** 2;
  const c2 = (0.03 * 255) ** 2;
  let total = 0;
  let windows = 0;
  for (let top = 0; top + 8 <= height; top += 4) {
    for (let left = 0; left + 8 <= width; left += 4) {
      let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
      for (let y = top; y < top + 8; y++) {
        for (let x = left; x < left + 8; x++) {
          const i = 4 * (y * width + x);
          const [va, vb] = [luma(a, i), luma(b, i)];
          sa += va;
          sb += vb;
          saa += va * va;
          sbb += vb * vb;
          sab += va * vb;
        }
      }
      const [ma, mb] = [sa / 64, sb / 64];
      const [va, vb, cov] = [saa / 64 - ma * ma, sbb / 64 - mb * mb, sab / 64 - ma * mb];
      total += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
      windows++;
    }
  }
  return total / windows;
}
