// The list of patients and studies: search, filters, order, thumbnails, sources that do not answer.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack, startBrowser } from "./fixture.js";
import { newPage } from "./viewer.js";

interface Study { patientName: string; patientID: string }

let stack: Stack;
let browser: Browser;
let page: Page;
let study: Study;

beforeAll(async () => {
  stack = await Stack.start({ store: true, deadPACS: true });
  browser = await startBrowser();
  page = await newPage(browser, 1200, 800);
  const { studies } = (await stack.api("/studies")) as { studies: Study[] };
  study = studies[0] ?? { patientName: "", patientID: "" };
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
});

const rows = (): Promise<number> => page.locator(".row.study").count();
const narrowed = (): Promise<void> => page.getByText("No study matches").waitFor();

describe("the worklist", () => {
  it("shows the studies of the sources that answer, and names the one that does not", async () => {
    await page.goto(stack.url);
    await page.locator(".row.study").first().waitFor();
    expect(await page.locator(".banner").innerText()).toMatch(/^archive could not be searched: \S/);
    expect(await page.locator(".row.study .id").first().innerText()).toContain(study.patientID);
  });

  it("is narrowed by modality and date, and shows everything again", async () => {
    await page.getByRole("button", { name: "CT", exact: true }).click();
    await expect.poll(rows).toBe(1);
    await page.getByRole("button", { name: "US", exact: true }).click();
    await narrowed();
    await page.getByRole("button", { name: "Show all studies" }).click();
    await expect.poll(rows).toBe(1);
    await page.getByRole("button", { name: "Dates…" }).click();
    await page.getByLabel("Studies until").fill("1950-01-01");
    await page.getByLabel("Studies until").press("Enter");
    await narrowed();
    await page.getByRole("button", { name: "Clear all" }).click();
    await expect.poll(rows).toBe(1);
  });

  it("finds parts of names and numbers, and never tells the address", async () => {
    // The fields are open since dates were asked for.
    await page.getByLabel("Patient ID").fill(study.patientID.slice(1, 6).toLowerCase());
    await expect.poll(rows).toBe(1);
    await page.getByLabel("Patient's name").fill("nobody of that name");
    await narrowed();
    await page.getByLabel("Patient's name").fill((study.patientName.split("^")[0] ?? "").slice(0, 3));
    await expect.poll(rows).toBe(1);
    expect(page.url()).toBe(`${stack.url}/`);
    // What was set is still there when the page is loaded again, in this window.
    await page.reload();
    await page.locator(".row.study").first().waitFor();
    await page.getByRole("button", { name: /^Remove the filter ID: / }).waitFor();
    await page.getByRole("button", { name: /^Remove the filter Name: / }).click();
    await expect.poll(() => page.getByRole("button", { name: /^Remove the filter/ }).count()).toBe(1);
    await page.getByRole("button", { name: /Filters/ }).click();
    expect(await page.getByLabel("Patient ID").inputValue()).toBe(study.patientID.slice(1, 6).toLowerCase());
    await page.getByRole("button", { name: "Clear all" }).click();
  });

  it("is ordered by its columns", async () => {
    const heading = page.getByRole("columnheader", { name: "Patient" });
    await heading.getByRole("button").click();
    await expect.poll(() => heading.getAttribute("aria-sort")).toBe("ascending");
    await heading.getByRole("button").click();
    await expect.poll(() => heading.getAttribute("aria-sort")).toBe("descending");
    await expect.poll(rows).toBe(1);
  });

  it("shows a study's series with pictures of the edge's", async () => {
    await page.locator(".row.study .more button").click();
    const series = page.locator("tc-series .one").first();
    await series.waitFor();
    expect(await series.innerText()).toMatch(/\d+ images/);
    const width = (): Promise<number> =>
      page.evaluate(() => {
        const thumbnail = document.querySelector("tomocast-app")?.shadowRoot?.querySelector("tc-study-list")?.shadowRoot
          ?.querySelector("tc-series")?.shadowRoot?.querySelector("tc-thumbnail");
        return thumbnail?.shadowRoot?.querySelector("img")?.naturalWidth ?? 0;
      });
    await expect.poll(width, { timeout: 30_000 }).toBeGreaterThan(16);
  });

  it("lists patients with their studies", async () => {
    await page.getByRole("button", { name: "Patients", exact: true }).click();
    await page.locator(".patients .row.study").first().waitFor();
    await page.locator(".patients .row.study button.name").first().click();
    await page.locator(".row.inner a").first().waitFor();
    await page.getByRole("button", { name: "Studies", exact: true }).click();
    await page.locator(".studies .row.study").first().waitFor();
  });

  it("fits on a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.reload();
    await page.getByRole("button", { name: "Filters" }).click();
    await page.getByLabel("Patient ID").waitFor();
    const overflow = await page.evaluate(() => {
      const list = document.querySelector("tomocast-app")?.shadowRoot?.querySelector("tc-study-list")?.shadowRoot?.querySelector(".page");
      return (list?.scrollWidth ?? Number.NaN) - (list?.clientWidth ?? 0);
    });
    expect(overflow).toBe(0);
    await page.setViewportSize({ width: 1200, height: 800 });
  });

  it("is used without a mouse", async () => {
    await page.reload();
    await page.locator(".row.study a").first().focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator("tc-series .one").first().waitFor();
    await page.locator("tc-series a.one").first().focus();
    await page.keyboard.press("Enter");
    await page.locator("tomocast-viewer").waitFor();
    expect(page.url()).toMatch(/StudyInstanceUIDs=[\d.]+&SeriesInstanceUIDs=[\d.]+/);
    expect(decodeURIComponent(page.url())).not.toContain(study.patientID);
  });
});
