// The operators' page with a real pool.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack, startBrowser } from "./fixture.js";
import { newPage } from "./viewer.js";

let stack: Stack;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  stack = await Stack.start({ edges: 2 });
  browser = await startBrowser();
  page = await newPage(browser, 1200, 800);
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
});

const row = (id: string) => page.locator("tbody tr", { has: page.getByRole("button", { name: id, exact: true }) });

describe("the operators' page", () => {
  it("is led to from the list, for operators", async () => {
    await page.goto(stack.url);
    await page.getByRole("link", { name: "Operations" }).click();
    await page.getByRole("heading", { name: "Operations" }).waitFor();
    await expect.poll(() => page.locator("tbody tr").count()).toBe(2);
    await page.getByText("Live", { exact: true }).waitFor();
    expect(await row("edge-1").innerText()).toContain("Ready");
  });

  it("says what an edge is, and changes with the pool while it is looked at", async () => {
    await row("edge-2").getByRole("button").click();
    await page.getByRole("dialog").getByRole("heading", { name: "edge-2" }).waitFor();
    expect(await page.locator(".facts").innerText()).toMatch(/Renderer\s+\S/);
    await page.getByRole("button", { name: "Cordon" }).click();
    await page.getByRole("button", { name: "Cordon" }).click();
    await page.getByRole("dialog").getByText("Cordoned").waitFor();
    await page.getByRole("button", { name: "Take tasks again" }).click();
    await page.getByRole("button", { name: "Take tasks again" }).click();
    await page.getByRole("dialog").getByText("Ready", { exact: true }).waitFor();
  });

  it("overrides what an edge says of itself, and takes it back", async () => {
    await page.getByRole("button", { name: "Change…" }).click();
    await page.getByRole("dialog").getByLabel("Zone").fill("ward-9");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Zone: ward-9.").waitFor();
    await expect.poll(() => row("edge-2").innerText()).toContain("ward-9");
    await page.getByRole("button", { name: "Take it back" }).click();
    await page.getByText("it offers what it registered with").waitFor();
  });

  it("drains an edge, after it was asked whether it should", async () => {
    await page.getByRole("button", { name: "Drain…" }).click();
    await page.getByLabel("What has not moved ends").selectOption({ label: "Within 5 minutes" });
    await page.getByRole("button", { name: "Drain", exact: true }).click();
    await page.getByRole("dialog").getByText("Draining").or(page.getByText("No node")).first().waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    // What has nothing to do any more may be gone at once.
    await expect.poll(async () => ((await row("edge-2").count()) === 0 ? "gone" : await row("edge-2").innerText())).toMatch(/gone|Draining|Lost/);
  });

  it("explains where a task would go", async () => {
    await page.getByRole("tab", { name: "Explain" }).click();
    await page.getByRole("button", { name: "Try it" }).click();
    await page.getByText("It would run on edge-1.").waitFor();
    await page.getByText("Nobody knows how long it would run", { exact: false }).waitFor();
    await page.getByLabel("Address of the terminal").fill("nowhere");
    await page.getByRole("button", { name: "Try it" }).click();
    expect(await page.getByRole("alert").innerText()).toContain("address");
  });

  it("can be used by keyboard, and says that nobody waits", async () => {
    await page.getByRole("tab", { name: "Explain" }).focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
    await page.getByRole("heading", { name: "Nobody waits" }).waitFor();
    await page.keyboard.press("Home");
    await page.getByLabel("Name of the node").fill("edge-none");
    await page.getByText("No node matches").waitFor();
    await page.getByRole("button", { name: "Show all nodes" }).click();
    await row("edge-1").waitFor();
  });

  it("shows no patient's name", async () => {
    const { studies } = (await stack.api("/studies")) as { studies: { patientID: string }[] };
    await page.getByText("edge-1").first().waitFor();
    expect(await page.getByText(studies[0]?.patientID ?? "?").count()).toBe(0);
  });
});
