import { describe, expect, it } from "vitest";
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { ProblemError } from "../src/client/problem.js";
import type { Moving, NodeMoment, NodeTask, Resources, Schedule } from "../src/contract.js";
import type { NodeStatus, Score } from "../src/ops/api.js";
import { endedWords, underWay } from "../src/ops/moves-table.js";
import { remark } from "../src/ops/panel.js";
import { Reading } from "../src/ops/reading.js";
import { inUnits, kindName } from "../src/ops/rows.js";
import { heldOf, heldWords } from "../src/ops/running-tasks.js";
import { daysWords, type Draft, draftOf, faultOf, says, scheduleOf } from "../src/ops/schedule-draft.js";
import { factorOf, forecastWords, nothingWords, overall } from "../src/ops/scores.js";
import {
  barsOf, clock, closedSpans, endWords, freeAt, freeSteps, nextChange, openWords, scarcest, scheduledFirst, shareIn, spanOf, stepPath, taskName, ticksOf, timeWords,
} from "../src/ops/time-line.js";
import { instantOf, isZone, wallOf } from "../src/ops/wall-time.js";

const hour = 3_600_000;
const now = Date.parse("2026-03-04T10:00:00Z");
const at = (hours: number): string => new Date(now + hours * hour).toISOString();
const moment = (hours: number, open: boolean, gpuMilli: number): NodeMoment => ({ at: at(hours), open, free: { gpuMilli } });
const capacity: Resources = { gpuMilli: 1000 };

describe("a node's time line (B3)", () => {
  const line = [moment(0, true, 250), moment(2, true, 1000), moment(5, false, 1000), moment(6, false, 1000), moment(12, true, 1000)];
  const span = { from: now, to: now + 24 * hour };

  it("shows when it is closed, as one span", () => {
    expect(closedSpans(line, span)).toEqual([{ from: now + 5 * hour, to: now + 12 * hour }]);
    expect(closedSpans([moment(-3, false, 0)], span)).toEqual([span]);
    expect(closedSpans([], span)).toEqual([]);
    expect(closedSpans([moment(30, false, 0)], span)).toEqual([]);
  });

  it("shows what is free as shares, and none of it while it is closed", () => {
    expect(freeSteps(line, capacity, "gpuMilli", span).map(({ share }) => share)).toEqual([0.25, 1, 0, 0, 1]);
    expect(freeSteps(line, capacity, "cpuMilli", span)).toEqual([]);
    expect(freeSteps([moment(0, true, -50), moment(1, true, 5000)], capacity, "gpuMilli", span).map(({ share }) => share)).toEqual([0, 1]);
  });

  it("is drawn as steps", () => {
    const path = stepPath([{ at: now, share: 0.25 }, { at: now + 12 * hour, share: 1 }], span, 1000, 100);
    expect(path.line).toBe("M0.0 75.0H500.0V0.0H1000");
    expect(path.area).toBe("M0.0 75.0H500.0V0.0H1000V100H0.0Z");
    expect(stepPath([], span, 10, 10)).toEqual({ line: "", area: "" });
  });

  it("says what is free at a time, and nothing before it begins", () => {
    expect(freeAt(line, now + 3 * hour)?.free.gpuMilli).toBe(1000);
    expect(freeAt(line, now - 1)).toBeUndefined();
  });

  it("says when it closes or opens next", () => {
    expect(nextChange({ open: true, line })).toEqual({ at: now + 5 * hour, open: false });
    expect(openWords({ open: true, line }, now, 24)).toMatch(/^Open; closes at \d\d:\d\d, in 5 h$/);
    expect(openWords({ open: false, line: [moment(0, false, 0), moment(1, true, 0)] }, now, 24)).toMatch(/^Closed; opens at \d\d:\d\d, in 60 min$/);
    expect(openWords({ open: true, line: [moment(0, true, 0)] }, now, 168)).toBe("Open, and stays so for 7 days at least");
    expect(openWords({ open: false, line: [] }, now, 6)).toBe("Closed for 6 h at least");
  });

  it("has marks at whole hours, every fourth hour, or days", () => {
    expect(ticksOf({ from: now, to: now + 6 * hour }, 6)).toHaveLength(5);
    for (const { at: tick } of ticksOf(spanOf(now, 24), 24)) expect(new Date(tick).getHours() % 4).toBe(0);
    const days = ticksOf(spanOf(now, 168), 168);
    expect(days.length).toBeGreaterThanOrEqual(7);
    for (const { at: tick } of days) expect(new Date(tick).getHours()).toBe(0);
  });

  it("shows a bit of the past, and nothing outside it", () => {
    const shown = spanOf(now, 24);
    expect(shown.from).toBeLessThan(now);
    expect([shareIn(shown, shown.from - 1), shareIn(shown, shown.to + 1)]).toEqual([0, 1]);
  });
});

describe("tasks on a time line", () => {
  const task = (fields: Partial<NodeTask>): NodeTask => ({ task: "t", type: "rendering", resources: {}, startedAt: at(-1), ...fields });

  it("come in the order of their expected ends, those of which nobody knows last", () => {
    const bars = barsOf([task({ task: "unknown" }), task({ task: "late", endsAt: at(3) }), task({ task: "soon", endsAt: at(1), lateAt: at(2) })], now);
    expect(bars.map((bar) => bar.task.task)).toEqual(["soon", "late", "unknown"]);
  });

  it("names what runs, and what is kept ready or on its way", () => {
    expect([taskName({ type: "rendering" }), taskName({ type: "training", operation: "tissue-mixture" }), taskName({ type: "rendering", shadow: true }),
      taskName({ type: "image-processing", operation: "median", moves: true })])
      .toEqual(["Rendering", "Training, tissue-mixture", "Rendering, kept ready", "Image processing, median, on its way here"]);
  });

  it("say when they end, and how sure that is", () => {
    const words = (fields: Partial<NodeTask>): string => barsOf([task(fields)], now).map((bar) => endWords(bar, now)).join();
    expect(words({})).toBe("end not known");
    expect(words({ endsAt: at(1), lateAt: at(2) })).toMatch(/^ends about \d\d:\d\d, 9 in 10 by \d\d:\d\d$/);
    expect(words({ endsAt: at(1) })).toMatch(/^ends about \d\d:\d\d$/);
    expect(words({ endsAt: at(-0.1), lateAt: at(1) })).toMatch(/^due to end, 9 in 10 by/);
    expect(words({ endsAt: at(-2), lateAt: at(-1) })).toBe("runs for longer than was expected");
    expect(words({ endsAt: "nonsense" })).toBe("end not known");
  });

  it("are told by the clock, with the day where it is another", () => {
    expect(clock(now, now)).toMatch(/^\d\d:\d\d$/);
    expect(clock(now + 48 * hour, now)).toMatch(/^[A-Z][a-z]{2} \d\d:\d\d$/);
    expect(clock(now + 480 * hour, now)).toMatch(/^[A-Z][a-z]{2} \d+ [A-Z][a-z]{2} \d\d:\d\d$/);
  });
});

describe("T and t", () => {
  it("are told in words, and have no end where the node stays", () => {
    expect([timeWords(undefined), timeWords(0), timeWords(7200)]).toEqual(["no end", "none", "2 h"]);
    expect(scarcest({ cpuMilli: 50, gpuMilli: 30, encoderThreads: 1 })).toEqual({ name: "GPU time", seconds: 30 });
    expect(scarcest(undefined)).toBeUndefined();
  });

  it("bring nodes that open or close to the top, the next first", () => {
    const node = (id: string, time?: NodeStatus["time"]): NodeStatus => ({
      id, tier: "edge", state: "ready", version: "", distanceMs: 0, renderer: "", codecs: [], types: [], capacity: {}, free: {},
      load: { gpuMilli: 0, cpuMilli: 0, memoryMB: 0, sessions: 0 }, volumes: 0, ...(time === undefined ? {} : { time }),
    });
    const order = scheduledFirst([node("edge-10"), node("edge-9"), node("c", { open: true }), node("b", { open: true, closesAt: at(3) }), node("a", { open: false, opensAt: at(1) })]);
    expect(order.map(({ id }) => id)).toEqual(["a", "b", "c", "edge-9", "edge-10"]);
  });
});

describe("clocks on walls", () => {
  it("are those of the zone, and both ways the same", () => {
    expect(wallOf(now, "Europe/Berlin")).toBe("2026-03-04T11:00");
    expect(instantOf("2026-03-04T11:00", "Europe/Berlin")).toBe(now);
    expect(wallOf(now, "")).toBe("2026-03-04T10:00");
  });

  it("are right when the clocks change", () => {
    // On 29 March 2026 02:00 became 03:00 in Berlin; on 25 October 03:00 becomes 02:00.
    expect(instantOf("2026-03-29T02:30", "Europe/Berlin")).toBe(Date.parse("2026-03-29T01:30:00Z"));
    expect(instantOf("2026-03-29T03:30", "Europe/Berlin")).toBe(Date.parse("2026-03-29T01:30:00Z"));
    expect(instantOf("2026-10-25T02:30", "Europe/Berlin")).toBe(Date.parse("2026-10-25T00:30:00Z"));
    expect(instantOf("2026-10-25T03:30", "Europe/Berlin")).toBe(Date.parse("2026-10-25T02:30:00Z"));
  });

  it("know what is no time, and no zone", () => {
    expect([instantOf("", "UTC"), instantOf("2026-13-01T00:00", "UTC"), instantOf("today", "UTC")]).toEqual([undefined, undefined, undefined]);
    expect([isZone("Europe/Berlin"), isZone(""), isZone("Mars/Olympus")]).toEqual([true, true, false]);
  });
});

describe("the form of a schedule", () => {
  const schedule: Schedule = {
    hours: [{ days: ["mon", "tue"], from: "07:30", to: "19:00" }, { days: ["sat"], from: "00:00", to: "24:00" }],
    closed: [{ from: "2026-03-05T09:00:00.000Z", to: "2026-03-05T12:00:00.000Z" }], open: [{ from: "2026-03-08T09:00:00.000Z", to: "2026-03-09T12:00:00.000Z" }],
    expires: "2026-12-01T00:00:00.000Z", timeZone: "Europe/Berlin", horizonS: 604_800, periodS: 86_400,
  };
  const empty = (fields: Partial<Draft> = {}): Draft => ({ ...draftOf(undefined, "UTC"), ...fields });

  it("says again what it was given", () => {
    expect(scheduleOf(draftOf(schedule, "UTC"))).toEqual({ schedule, faults: [] });
    expect(scheduleOf(empty())).toEqual({ schedule: {}, faults: [] });
    expect(draftOf(undefined, "Asia/Tokyo").timeZone).toBe("Asia/Tokyo");
    expect(draftOf({ timeZone: "Mars/Olympus" }, "UTC").timeZone).toBe("Mars/Olympus");
  });

  it("is by the clock of its zone", () => {
    const draft = draftOf(schedule, "UTC");
    expect(draft.closed).toEqual([{ from: "2026-03-05T10:00", to: "2026-03-05T13:00" }]);
    expect([draft.expires, draft.horizonH, draft.periodH]).toEqual(["2026-12-01T01:00", "168", "24"]);
  });

  it.each([
    [{ timeZone: "Mars/Olympus" }, "timeZone", undefined], [{ hours: [{ days: [], from: "08:00", to: "09:00" }] }, "hours", 0],
    [{ hours: [{ days: ["mon"], from: "09:00", to: "09:00" }] }, "hours", 0], [{ hours: [{ days: ["mon"], from: "", to: "09:00" }] }, "hours", 0],
    [{ closed: [{ from: "2026-03-05T10:00", to: "2026-03-05T10:00" }] }, "closed", 0], [{ open: [{ from: "", to: "2026-03-05T10:00" }] }, "open", 0],
    [{ horizonH: "-1" }, "horizonS", undefined], [{ periodH: "24", horizonH: "1" }, "periodS", undefined], [{ periodH: "24" }, "periodS", undefined],
  ] as [Partial<Draft>, string, number | undefined][])("finds what is wrong with %j", (fields, field, index) => {
    const { faults } = scheduleOf(empty(fields));
    expect(faults.map((fault) => [fault.field, fault.index])).toEqual([[field, index]]);
  });

  it.each([
    ["closed[1] (Mon to Tue) overlaps closed[0] (Mon)", "closed", 1, "entry 2 (Mon to Tue) overlaps entry 1 (Mon)"],
    ["hours[0] from 19:00 to 07:00: they end before they begin", "hours", 0, "entry 1 from 19:00 to 07:00: they end before they begin"],
    ["body.hours[2].from expected string", "hours", 2, "entry 3, from: expected string"],
    ["open: windows overlap: a and b", "open", undefined, "open: windows overlap: a and b"],
    ["timeZone \"X\" is unknown", "timeZone", undefined, "timeZone \"X\" is unknown"],
    ["periodS is 9 and horizonS 8", "periodS", undefined, "periodS is 9 and horizonS 8"],
  ])("puts what the broker refuses at its field: %s", (detail, field, index, text) => {
    const fault = faultOf(detail);
    expect([fault?.field, fault?.index]).toEqual([field, index]);
    expect(fault?.text).toBe(text);
  });

  it("leaves what names no field to the form", () => {
    expect(faultOf("Redis does not answer")).toBeUndefined();
  });

  it("is told in words", () => {
    expect(says(schedule, now)).toEqual([
      "Open Mon, Tue 07:30 to 19:00; Sat 00:00 to 24:00", "Also open 8 Mar 2026, 10:00 to 9 Mar 2026, 13:00", "Closed 5 Mar 2026, 10:00 to 13:00",
      "Gone from 1 Dec 2026, 01:00 on", "Promised 7 days ahead, given back every 24 h", "Times are those of Europe/Berlin",
    ]);
    expect(says({}, now)).toEqual([]);
    expect(says({ closed: [{ from: at(-3), to: at(-2) }] }, now)[0]).toBe("Closed all over");
    expect([daysWords(["mon", "tue", "wed", "thu", "fri"]), daysWords(["sun", "mon"]), daysWords(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])])
      .toEqual(["Mon to Fri", "Mon, Sun", "every day"]);
  });
});

describe("moves", () => {
  const move = (fields: Partial<Moving>): Moving => ({ task: "t", reason: "drain", from: "a", state: "waiting", beganAt: at(-1), ...fields });

  it("are under way until they have ended, and are counted then", () => {
    expect(underWay([move({}), move({ state: "moved", endedAt: at(0) })])).toHaveLength(1);
    expect(endedWords([move({ state: "moved" }), move({ state: "stays" }), move({ state: "stays" })])).toBe("1 task has moved; 2 go on where they were.");
    expect(endedWords([move({ state: "moved" })])).toBe("1 task has moved.");
  });

  it("say why with the names as they are", () => {
    expect([remark("edge-2 is full"), remark("no node has room"), remark("")]).toEqual(["edge-2 is full.", "No node has room.", ""]);
  });
});

describe("scaling", () => {
  it("names what is scaled, in its units", () => {
    expect([kindName("gpuMilli"), kindName("encoderThreads"), kindName("encoderKilopixels"), kindName("other")]).toEqual(["GPU time", "Encoder threads", "Encoded pixels", "other"]);
    expect([inUnits(250, "gpuMilli"), inUnits(4, "encoderThreads"), inUnits(62_200, "encoderKilopixels")]).toEqual(["0.25 GPUs", "4", "62.2 Mpixel/s"]);
  });

  it("shows what a task holds beside what it asked for", () => {
    const held = heldOf({ resources: { gpuMilli: 300, memoryMB: 512 }, requested: { gpuMilli: 500, memoryMB: 512, cpuMilli: 0 } });
    expect(held.map(heldWords)).toEqual(["0.3 GPUs, asked 0.5 GPUs", "512 MiB"]);
    expect(heldOf({ resources: {}, requested: { gpuMilli: 300 } }).map(heldWords)).toEqual(["0 GPUs, asked 0.3 GPUs"]);
  });
});

describe("predictions", () => {
  const score = (fields: Partial<Score>): Score => ({ type: "rendering", tasks: 10, unknown: 0, errorLog: Math.log(2), within2: 0.5, covered90: 0.9, ...fields });

  it("are off by a factor", () => {
    expect([factorOf(score({})), factorOf({ errorLog: 0 }), factorOf({ errorLog: Math.log(25) })]).toEqual(["2.00×", "1.00×", "25×"]);
  });

  it("say how long a task would run, and how sure that is", () => {
    expect(forecastWords({ known: false })).toBe("Nobody knows how long it would run: nothing like it has ended yet.");
    expect(forecastWords({ known: true, expectedMs: 600_000, lowMs: 120_000, highMs: 1_800_000, basis: "212 tasks like it" }))
      .toBe("It would run for about 10 min, eight in ten between 2 min and 30 min. 212 tasks like it.");
  });

  it("are put together by how many tasks there were, and are not known where none has ended", () => {
    expect(overall([score({}), score({ tasks: 30, within2: 0.9 })])).toMatchObject({ tasks: 40, within2: 0.8 });
    expect([nothingWords([]), nothingWords([score({ tasks: 0, unknown: 2 })])]).toEqual(["Nothing has run yet", "Nothing that was predicted has ended yet"]);
    expect([overall([]), overall([score({ tasks: 0 })])]).toEqual([undefined, undefined]);
  });
});

describe("reading again and again", () => {
  class Host implements ReactiveControllerHost {
    readonly controllers: ReactiveController[] = [];
    #told: (() => void)[] = [];
    readonly updateComplete = Promise.resolve(true);
    addController(controller: ReactiveController): void { this.controllers.push(controller); }
    removeController(): void { this.controllers.length = 0; }
    requestUpdate(): void { for (const told of this.#told.splice(0)) told(); }
    update(): Promise<void> { return new Promise((resolve) => { this.#told.push(resolve); }); }
  }
  const never = (_: number, stop: AbortSignal): Promise<void> => new Promise((_resolve, reject) => { stop.addEventListener("abort", () => { reject(stop.reason as Error); }); });
  const once = (): Promise<void> => Promise.resolve();

  it("keeps what it knew when an answer fails, and says why", async () => {
    const host = new Host();
    const answers: (number | ProblemError)[] = [1, new ProblemError("unavailable", "away"), 2];
    const seen: [number | undefined, string | undefined][] = [];
    const reading: Reading<number> = new Reading<number>(host, () => {
      const answer = answers.shift();
      return answer instanceof ProblemError ? Promise.reject(answer) : Promise.resolve(answer ?? 0);
    }, 1, (ms, stop) => (answers.length === 0 ? never(ms, stop) : once()));
    reading.hostConnected();
    while (answers.length > 0 || seen.length < 3) {
      await host.update();
      seen.push([reading.value, reading.problem?.code]);
    }
    expect(seen).toEqual([[1, undefined], [1, "unavailable"], [2, undefined]]);
    reading.hostDisconnected();
  });

  it("does not go on where it is refused, and ends with its host", async () => {
    const host = new Host();
    let asked = 0;
    const reading = new Reading<number>(host, () => { asked++; return Promise.reject(new ProblemError("forbidden", "no")); }, 1, once);
    reading.hostConnected();
    await host.update();
    expect([asked, reading.problem?.code]).toEqual([1, "forbidden"]);
    const signals: AbortSignal[] = [];
    const open = new Reading<number>(host, (stop) => { signals.push(stop); return new Promise(() => undefined); }, 1, never);
    open.hostConnected();
    open.again();
    open.hostDisconnected();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
