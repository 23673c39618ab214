// Drives the viewer in Chromium for the benchmark. Reads one command a line from standard input, a JSON object
// with "op" and its parameters, and writes one JSON object a line: {"result": …} or {"error": "…"}.
import { once } from "node:events";
import { createInterface } from "node:readline";
import process from "node:process";
import { chromium } from "playwright-core";
import { probe } from "./probe.mjs";

/** The picture that everything is measured at, device pixels. */
const width = 1024;
const height = 768;
const openWithinMs = 60_000;
const stillWithinMs = 30_000;

const browser = await chromium.launch({
  executablePath: process.env.TOMOCAST_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

/** What the page has around the picture, CSS pixels; known after it was opened once. */
let around = { width: 0, height: 0 };
let page;

const operations = { open, single, drag, rest, watch, close };

/** open opens a viewer's URL in a browser without history, and tells how long its first picture took. */
async function open({ url, fitting = 3 }) {
  await close();
  const viewport = { width: width + around.width, height: height + around.height };
  const context = await browser.newContext({ viewport, deviceScaleFactor: 1 });
  page = await context.newPage();
  await page.addInitScript(probe);
  const asked = performance.timeOrigin + performance.now();
  await page.goto(url, { waitUntil: "commit" });
  const box = await fitted();
  if (box.width !== width || box.height !== height) {
    if (fitting === 0) throw new Error(`the picture is ${box.width}x${box.height} in a window of ${viewport.width}x${viewport.height}`);
    around = { width: viewport.width - box.width, height: viewport.height - box.height };
    return open({ url, fitting: fitting - 1 });
  }
  const found = await wait(
    ([w, h]) => {
      const { frames, states } = window.tomocastBench;
      const failed = states.find(({ state }) => state === "failed" || state.startsWith("error"));
      if (failed !== undefined) throw new Error(`the viewer says ${failed.state}`);
      return frames.find((frame) => frame.width === w && frame.height === h);
    },
    [width, height],
    openWithinMs,
    "no picture of the whole size came",
  );
  const told = await page.evaluate(() => ({
    origin: performance.timeOrigin, states: window.tomocastBench.states, lit: window.tomocastBench.lit(),
    frames: window.tomocastBench.frames.length,
  }));
  await stilled(0);
  const [still] = await page.evaluate(() => window.tomocastBench.stills);
  const before = told.origin - asked;
  const since = (at) => at + before;
  const stages = Object.fromEntries(told.states.map(({ state, at }) => [state, since(at)]));
  return {
    firstMs: since(found.at), stillMs: since(still.painted), lit: told.lit, quality: found.quality, scale: found.scale,
    renderMs: found.renderMs, encodeMs: found.encodeMs, stages,
  };
}

/** single makes inputs one at a time, each into a session that has come to rest. */
async function single({ count, looking = false }) {
  const samples = [];
  await page.evaluate((on) => { window.tomocastBench.looking = on; }, looking);
  await focus();
  for (let i = 0; i < count; i++) {
    await pause(150 + 200 * Math.random()); // at any phase of the page's repaints
    const from = await marks();
    await page.keyboard.press(i % 2 === 0 ? "ArrowLeft" : "ArrowRight");
    await stilled(from.stills);
    samples.push(
      await page.evaluate((from) => {
        const { inputs, frames, videos, stills } = window.tomocastBench;
        const input = inputs.slice(from.inputs).find(({ type }) => type === "keydown");
        const frame = frames.slice(from.frames).find(({ motionToPhotonMs }) => motionToPhotonMs !== undefined);
        const video = videos.find(({ rtp }) => rtp === frame?.rtpTimestamp);
        if (input === undefined || frame === undefined || video === undefined) return undefined;
        const changed = videos.slice(from.videos).find((video) => video.changed > 0.5);
        const since = (at) => at - input.stamp;
        return {
          toldMs: frame.motionToPhotonMs, renderMs: frame.renderMs, encodeMs: frame.encodeMs, times: frame.times,
          delivered: since(input.at), received: since(video.received), presented: since(video.presented),
          shown: since(video.shown), changed: changed && since(changed.at), still: since(stills[from.stills].painted),
        };
      }, from),
    );
  }
  await page.evaluate(() => { window.tomocastBench.looking = false; });
  return { samples: samples.filter((sample) => sample !== undefined) };
}

/** drag turns the picture with the mouse without a pause. */
async function drag({ count, ms }) {
  const runs = [];
  for (let run = 0; run < count; run++) {
    const from = await marks();
    const took = await turn(ms, run);
    const until = await page.evaluate(() => window.tomocastBench.frames.length);
    await page.mouse.up();
    await stilled(from.stills);
    const frames = await page.evaluate(
      ([from, until]) => {
        const { frames, videos } = window.tomocastBench;
        return frames.slice(from, until).map((frame) => {
          const video = videos.findLast(({ rtp }) => rtp === frame.rtpTimestamp);
          // The viewer counts to when the browser expected to show the picture; it may have been later.
          const late = video === undefined ? 0 : video.shown - video.displayed;
          return { ...frame, motionMs: frame.motionToPhotonMs === undefined ? undefined : frame.motionToPhotonMs + late };
        });
      },
      [from.frames, until],
    );
    runs.push({ took, frames });
  }
  return { runs };
}

/** rest turns the picture a little, lets go, and tells how long the lossless still took. */
async function rest({ count, ms }) {
  const samples = [];
  for (let run = 0; run < count; run++) {
    await pause(200);
    const from = await marks();
    await turn(ms, run);
    await page.mouse.up();
    await stilled(from.stills);
    samples.push(
      await page.evaluate((from) => {
        const { inputs, frames, stills } = window.tomocastBench;
        const moved = inputs.slice(from.inputs).findLast(({ type }) => type === "pointermove");
        const still = stills.at(-1);
        return {
          ms: still.painted - moved.stamp, edgeMs: still.sinceInputMs,
          after: frames
            .filter((frame) => frame.at > moved.stamp)
            .map(({ at, renderMs, quality, scale, times }) => ({ at: at - moved.stamp, renderMs, quality, scale, times })),
        };
      }, from),
    );
  }
  return { samples };
}

/**
 * watch drags without a pause for a while, lets go, and tells when pictures came, in milliseconds of the wall clock, and how far
 * the camera of the picture at the end is from that of the view, millimetres.
 */
async function watch({ ms }) {
  const from = await marks();
  await turn(ms, 0);
  const until = await marks(); // a still may have come while another edge took over
  await page.mouse.up();
  await stilled(until.stills);
  return page.evaluate(
    ([from, until]) => {
      const { frames, states, viewer, camera: shown } = window.tomocastBench;
      const wall = (at) => performance.timeOrigin + at;
      const camera = viewer.view.viewports[0].camera;
      const apart = Math.max(...["position", "lookAt", "up"].flatMap((name) => camera[name].map((v, i) => Math.abs(v - shown[name][i]))));
      return {
        pictures: frames.slice(from.frames, until).map(({ at, motionToPhotonMs }) => ({ at: wall(at), input: motionToPhotonMs !== undefined })),
        states: states.slice(from.states).map(({ at, state }) => ({ at: wall(at), state })),
        apart,
      };
    },
    [from, until.frames],
  );
}

async function close() {
  const old = page;
  page = undefined;
  if (old === undefined) return {};
  await old.evaluate(() => window.tomocastBench.viewer?.close());
  await old.context().close();
  return {};
}

/** turn drags the mouse in a circle and leaves its button down; it returns the milliseconds of the movement. */
async function turn(ms, run) {
  const box = await fitted();
  const at = (angle) => [box.x + box.width / 2 + 150 * Math.cos(angle), box.y + box.height / 2 + 100 * Math.sin(angle)];
  await page.mouse.move(...at(run));
  await page.mouse.down();
  const begin = performance.now();
  for (let passed = 0; passed < ms; passed = performance.now() - begin) {
    await page.mouse.move(...at(run + passed / 400));
    await pause(8);
  }
  return performance.now() - begin;
}

/** fitted is where the picture is, once the viewer knows. */
function fitted() {
  return wait(
    () => {
      const picture = window.tomocastBench?.viewer?.renderRoot?.querySelector(".picture");
      if (!picture?.style.width.endsWith("px")) return undefined;
      const { x, y, width, height } = picture.getBoundingClientRect();
      return { x, y, width, height };
    },
    undefined,
    openWithinMs,
    "the viewer did not appear",
  );
}

async function focus() {
  await page.evaluate(() => window.tomocastBench.viewer.renderRoot.querySelector(".stage").focus());
}

/** marks is how much has been noted so far. */
function marks() {
  return page.evaluate(() => {
    const { inputs, frames, stills, videos, states } = window.tomocastBench;
    return { inputs: inputs.length, frames: frames.length, stills: stills.length, videos: videos.length, states: states.length };
  });
}

/** stilled waits until there are more than so many stills. */
function stilled(before) {
  return wait((before) => window.tomocastBench.stills.length > before, before, stillWithinMs, "no lossless still came");
}

async function wait(condition, argument, timeout, otherwise) {
  try {
    const handle = await page.waitForFunction(condition, argument, { timeout, polling: 10 });
    return await handle.jsonValue();
  } catch (error) {
    const states = await page.evaluate(() => window.tomocastBench.states).catch(() => []);
    throw new Error(`${otherwise}; states of the viewer: ${JSON.stringify(states)}`, { cause: error });
  }
}

function pause(ms) {
  return new Promise((resolved) => {
    setTimeout(resolved, ms);
  });
}

async function answer(object) {
  if (!process.stdout.write(`${JSON.stringify(object)}\n`)) await once(process.stdout, "drain");
}

try {
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...parameters } = JSON.parse(line);
    try {
      if (!(op in operations)) throw new Error(`no operation ${op}`);
      await answer({ result: await operations[op](parameters) });
    } catch (error) {
      await answer({ error: `${op}: ${error instanceof Error ? error.message : String(error)}` });
    }
  }
} finally {
  await browser.close();
}
