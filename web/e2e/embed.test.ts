// A page of another origin embeds the element from the package.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { build } from "vite";
import { Stack, startBrowser } from "./fixture.js";
import { newPage, View } from "./viewer.js";

const token = "a-token-of-the-embedding-site-0123456789";

/** What the site's page does by itself: it imports the package, and so far nothing else. */
const html = `<!doctype html><body style="margin:0"><div id="here"></div>
  <script type="module">import * as library from "/viewer.js"; globalThis.library = library;</script></body>`;

declare global {
  // The page has this.
  var library: typeof import("../src/index.js");
}

let stack: Stack;
let browser: Browser;
let site: Server;
let origin: string;
let script = "";

/** bundle builds the package as a site's own build would, with nothing but what it exports. */
async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    publicDir: false,
    build: { write: false, target: "es2022", lib: { entry: new URL("../src/index.ts", import.meta.url).pathname, formats: ["es"] } },
  });
  const output = (Array.isArray(result) ? result : [result]).flatMap((part) => ("output" in part ? part.output : []));
  const chunk = output.find((part) => part.type === "chunk");
  if (chunk === undefined) throw new Error("nothing was built");
  return chunk.code;
}

beforeAll(async () => {
  script = await bundle();
  site = createServer((request, response) => {
    const isScript = request.url === "/viewer.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : html);
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  origin = `http://localhost:${(site.address() as AddressInfo).port}`;
  stack = await Stack.start({ allowedOrigins: [origin], localToken: token });
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
  await stack.stop();
  site.close();
});

async function firstStudy(): Promise<string> {
  const { studies } = (await stack.api("/studies")) as { studies: { studyInstanceUID: string }[] };
  return studies[0]?.studyInstanceUID ?? "";
}

it("imports without side effects, loads with a token, takes a view, and closes", async () => {
  const page = await newPage(browser, 640, 480);
  const view = new View(page);
  await page.goto(origin);
  await page.waitForFunction(() => "library" in globalThis);
  const defined = await page.evaluate(() => {
    const before = customElements.get("tomocast-viewer") !== undefined;
    library.defineTomocastViewer();
    library.defineTomocastViewer(); // a second time changes nothing
    return [before, customElements.get("tomocast-viewer") !== undefined];
  });
  expect(defined).toEqual([false, true]);

  await page.evaluate(
    async ({ endpoint, bearer, studyInstanceUID }) => {
      const viewer = document.createElement("tomocast-viewer");
      viewer.style.height = "400px";
      viewer.endpoint = endpoint;
      viewer.getToken = () => Promise.resolve(bearer);
      document.querySelector("#here")?.append(viewer);
      await viewer.load({ studyInstanceUID });
    },
    { endpoint: stack.url, bearer: token, studyInstanceUID: await firstStudy() },
  );
  const first = await view.still();
  await view.do(async (viewer) => {
    const camera = viewer.view?.viewports[0].camera;
    if (camera === undefined) throw new Error("no camera");
    await viewer.setView({ viewports: [{ camera: { ...camera, height: camera.height / 2 } }] });
  });
  const second = await view.still(first.revision);
  expect(second.sha256).not.toBe(first.sha256);
  const blob = await view.do(async (viewer) => {
    const shot = await viewer.snapshot();
    const digest = await crypto.subtle.digest("SHA-256", await shot.arrayBuffer());
    return { type: shot.type, sha256: Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("") };
  });
  expect(blob).toEqual({ type: "image/png", sha256: second.sha256 });
  await view.do((viewer) => {
    viewer.close();
  });
  expect(await view.do((viewer) => viewer.state)).toBe("idle");

  // The same by attributes alone.
  const shown = await page.evaluate((study) => {
    const viewer = document.querySelector("tomocast-viewer");
    if (viewer === null) throw new Error("the viewer is gone");
    const loaded = new Promise<string>((resolve) => {
      viewer.addEventListener("loaded", (event) => { resolve((event as CustomEvent<{ series: { series: { studyInstanceUID: string } } }>).detail.series.series.studyInstanceUID); });
    });
    viewer.setAttribute("study", study);
    return loaded;
  }, await firstStudy());
  expect(shown).toBe(await firstStudy());
  await page.close();
});

it("is told that a token is wrong", async () => {
  const page = await newPage(browser, 640, 480);
  await page.goto(origin);
  await page.waitForFunction(() => "library" in globalThis);
  const problem = await page.evaluate(
    ({ endpoint, studyInstanceUID }) => {
      library.defineTomocastViewer();
      const viewer = document.createElement("tomocast-viewer");
      viewer.endpoint = endpoint;
      viewer.getToken = () => "not-the-token";
      document.body.append(viewer);
      return viewer.load({ studyInstanceUID }).then(
        () => "loaded",
        (error: unknown) => (error as { code: string }).code,
      );
    },
    { endpoint: stack.url, studyInstanceUID: await firstStudy() },
  );
  expect(problem).toBe("unauthorized");
  await page.close();
});
