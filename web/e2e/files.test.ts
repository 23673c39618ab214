// Files from the user's disk: looked at, kept, listed, deleted; and what is no study.
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack, startBrowser } from "./fixture.js";
import { newPage, View } from "./viewer.js";

let stack: Stack;
let browser: Browser;
let page: Page;
let view: View;

beforeAll(async () => {
  stack = await Stack.start({ store: true });
  browser = await startBrowser();
  page = await newPage(browser);
  view = new View(page);
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
});

describe("a folder of the user's", () => {
  it("goes to the edge and is shown, with whose it is", async () => {
    const { studies } = (await stack.api("/studies")) as { studies: { patientID: string; instanceCount: number }[] };
    await page.goto(stack.url);
    await page.locator("tc-study-list tc-open-files input.folder").setInputFiles(await stack.folder());
    await view.still();
    expect(await view.text(".corner.tl")).toContain(studies[0]?.patientID ?? "no patient ID");
    expect(await view.do((viewer) => viewer.received?.series.map(({ instances, volume }) => [instances, volume]))).toEqual([[studies[0]?.instanceCount, true]]);
    expect(page.url()).toBe(`${stack.url}/viewer?upload`);
    const sent = await page.evaluate(() => told.states);
    expect(sent).toEqual(["asking", "connecting", "loading", "running"]);
  });

  it("is kept when the user wishes so, listed, and opens from there", async () => {
    await page.getByRole("button", { name: "Keep these files" }).click();
    const dialog = page.getByRole("dialog", { name: "Keep these files" });
    expect(await dialog.innerText()).toMatch(/\d+ files, [\d.]+ MB/);
    await dialog.getByRole("button", { name: "Keep", exact: true }).click();
    await dialog.getByText(/\d+ files kept in kept/).waitFor({ timeout: 60_000 });
    await dialog.getByRole("link", { name: "Show the list" }).click();
    const kept = page.locator(".row.study", { has: page.locator(".mark") });
    await kept.waitFor();
    await kept.locator("a").click();
    await view.still();
    expect(page.url()).toMatch(/source=kept/);
  });

  it("is deleted after a question", async () => {
    await page.goto(stack.url);
    const kept = page.locator(".row.study", { has: page.locator(".mark") });
    await kept.locator(".more button").click();
    await page.getByRole("button", { name: "Delete study…" }).click();
    const dialog = page.getByRole("dialog", { name: "Delete a study" });
    await dialog.getByRole("button", { name: "Keep it" }).click();
    expect(await kept.count()).toBe(1);
    await page.getByRole("button", { name: "Delete study…" }).click();
    await dialog.getByRole("button", { name: "Delete", exact: true }).click();
    await kept.waitFor({ state: "detached" });
    expect(await page.locator(".row.study").count()).toBe(1);
  });
});

describe("files that are no study", () => {
  it("dropped on the page, say what they are not", async () => {
    await page.goto(stack.url);
    await page.locator(".row.study").first().waitFor();
    await page.evaluate(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["hello"], "readme.txt"));
      transfer.items.add(new File([new Uint8Array(70_000)], "zeros.dcm"));
      window.dispatchEvent(new DragEvent("dragover", { dataTransfer: transfer, cancelable: true }));
      window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
    });
    const card = page.getByRole("alertdialog", { name: "Nothing to show" });
    await card.waitFor();
    expect(await card.innerText()).toMatch(/readme\.txt[\s\S]*zeros\.dcm/);
  });

  it("are gone when the page is loaded again, which it says", async () => {
    await page.reload();
    await page.getByRole("heading", { name: "The files are no longer here" }).waitFor();
  });

  it("are told of beside the study that they lie with", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tomocast-mixed-"));
    const note = join(folder, "notes.txt");
    await writeFile(note, "not a study");
    await page.goto(stack.url);
    await page.locator("tc-study-list").waitFor();
    const demo = await stack.folder();
    const slices = (await readdir(demo)).map((name) => join(demo, name));
    await page.locator("tc-study-list tc-open-files input.files").setInputFiles([...slices, note]);
    await view.still();
    const leftOut = await view.do((viewer) => viewer.received?.leftOut?.map(({ name }) => name));
    expect(leftOut).toEqual(["notes.txt"]);
    const concern = page.locator(".concern");
    expect(await concern.innerText()).toContain("1 file that you sent was left out.");
    await concern.click();
    expect(await page.getByRole("dialog", { name: "Warnings about this series" }).innerText()).toMatch(/notes\.txt\s+Not a DICOM file/);
    await rm(folder, { recursive: true });
  });

  it("can be given up while they are on their way", async () => {
    await page.goto(stack.url);
    await page.locator("tc-study-list tc-open-files input.folder").setInputFiles(await stack.folder());
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator(".row.study").first().waitFor();
    expect(page.url()).toBe(`${stack.url}/`);
  });
});
