import { describe, expect, it } from "vitest";
import { Cine, intervalMs } from "../src/pages/cine.js";

describe("Cine", () => {
  function open(): { cine: Cine; asked: [number, boolean][]; pass: () => void; waits: number[]; waiting: () => boolean } {
    const asked: [number, boolean][] = [];
    const waits: number[] = [];
    let timer: (() => void) | undefined;
    const cine = new Cine((at, playing) => asked.push([at, playing]), (ms, then) => {
      waits.push(ms);
      timer = then;
      return () => { timer = undefined; };
    });
    return { cine, asked, waits, pass: () => { const then = timer; timer = undefined; then?.(); }, waiting: () => timer !== undefined };
  }

  it("asks for the next one when the last is on the screen and its time is over, round and round", () => {
    const { cine, asked, pass, waits } = open();
    cine.play(3, 1, 120);
    expect(asked).toEqual([[2, true]]);
    pass(); // its time is over before it is there
    expect(asked).toHaveLength(1);
    cine.shown(1); // still the old one
    expect(asked).toHaveLength(1);
    cine.shown(2);
    expect(asked).toEqual([[2, true], [0, true]]);
    cine.shown(0); // there before its time is over
    expect(asked).toHaveLength(2);
    pass();
    expect(asked.at(-1)).toEqual([1, true]);
    expect(waits).toEqual([120, 120, 120]);
  });

  it("stays where it is when it is paused, at rest", () => {
    const { cine, asked, pass, waiting } = open();
    cine.play(4, 0, 100);
    cine.shown(1);
    cine.pause();
    expect(asked.at(-1)).toEqual([1, false]);
    expect(waiting()).toBe(false);
    pass();
    cine.shown(1);
    expect(asked).toHaveLength(2);
    expect(cine.playing).toBe(false);
  });

  it("does not play what does not move", () => {
    const { cine, asked } = open();
    cine.play(1, 0, 100);
    expect([cine.playing, asked]).toEqual([false, []]);
  });

  it("plays movements at their own speed, and others so that they can be followed", () => {
    expect(intervalMs([0, 40, 80, 120])).toBe(40);
    expect(intervalMs([0, 60_000, 120_000])).toBe(200);
    expect(intervalMs([0, 0, 0])).toBe(200);
    expect(intervalMs([])).toBe(200);
  });
});
