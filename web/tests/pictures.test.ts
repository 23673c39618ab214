import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Measurements, MotionToPhoton, quantile } from "../src/client/latency.js";
import { type Picture, Pictures } from "../src/client/pictures.js";
import { after, StampMatcher } from "../src/client/stamps.js";
import type { Still } from "../src/client/still.js";
import { Track } from "../src/client/track.js";
import type { Stamp, StillHeader } from "../src/contract.js";

const stamp = (rtp: number, rev = 1, seq = 0): Stamp => ({
  rtp, rev, seq, w: 1024, h: 768, quality: "lossy", scale: 1, stepMm: 0.5, bitrate: 4e6,
  times: { wait: 0, render: 10, convert: 1, encode: 4 },
});
const shown = (rtp: number | undefined, at = 0): { rtp: number | undefined; width: number; height: number; at: number } => ({ rtp, width: 1024, height: 768, at });

describe("StampMatcher", () => {
  it("matches whichever of stamp and picture comes first", () => {
    const matcher = new StampMatcher();
    expect(matcher.stamp(stamp(1000))).toBeUndefined();
    expect(matcher.shown(shown(1000, 5))?.stamp.rtp).toBe(1000);
    expect(matcher.shown(shown(4000, 21))).toBeUndefined();
    expect(matcher.stamp(stamp(4000))).toEqual({ stamp: stamp(4000), at: 21 });
  });

  it("never matches a picture that has been replaced", () => {
    const matcher = new StampMatcher();
    matcher.shown(shown(1000));
    matcher.shown(shown(2000));
    expect(matcher.stamp(stamp(1000))).toBeUndefined();
    expect(matcher.stamp(stamp(2000))?.stamp.rtp).toBe(2000);
  });

  it("takes timestamps that wrap around", () => {
    expect(after(5, 0xffff_fff0)).toBe(true);
    expect(after(0xffff_fff0, 5)).toBe(false);
    expect(after(7, 7)).toBe(false);
  });

  it("is bounded", () => {
    const matcher = new StampMatcher();
    for (let rtp = 1; rtp <= 300; rtp++) matcher.stamp(stamp(rtp));
    expect(matcher.shown(shown(1))).toBeUndefined();
    expect(matcher.shown(shown(300))).toBeDefined();
  });

  it("takes the newest stamp of that size where the browser tells no timestamp", () => {
    const matcher = new StampMatcher();
    matcher.stamp({ ...stamp(900), w: 512, h: 384 });
    matcher.stamp(stamp(100));
    matcher.stamp(stamp(200));
    expect(matcher.shown(shown(undefined))?.stamp.rtp).toBe(200);
    expect(matcher.shown(shown(undefined))).toBeUndefined();
    // The next stamp is of the next picture, not of the one on the screen.
    expect(matcher.stamp(stamp(300))).toBeUndefined();
    expect(matcher.shown(shown(undefined))?.stamp.rtp).toBe(300);
  });
});

describe("MotionToPhoton", () => {
  it("measures each change against the first picture that shows it", () => {
    const motion = new MotionToPhoton();
    motion.input(1, 100);
    motion.input(2, 116);
    motion.input(3, 132);
    expect(motion.picture(0, 130)).toEqual([]);
    expect(motion.picture(2, 150)).toEqual([50, 34]);
    expect(motion.picture(2, 166)).toEqual([]);
    expect(motion.picture(7, 170)).toEqual([38]);
  });

  it("gives nearest ranks of the newest measurements", () => {
    const measurements = new Measurements(4);
    expect(measurements.figures()).toBeUndefined();
    for (const value of [99, 10, 40, 20, 30]) measurements.add(value);
    expect(measurements.figures()).toEqual({ last: 30, median: 20, p95: 40, count: 4 });
    expect(quantile([1, 2, 3], 0)).toBe(1);
  });
});

const bytes = (...values: number[]): ArrayBuffer => new Uint8Array(values).buffer;

function header(rev: number, seq: number, data: number[], sha256?: string): string {
  const still: StillHeader = {
    rev, seq, w: 2, h: 2, format: "image/png", bytes: data.length, sinceInputMs: 200, renderMs: 50, encodeMs: 20,
    sha256: sha256 ?? createHash("sha256").update(new Uint8Array(data)).digest("hex"),
  };
  return JSON.stringify(still);
}

/** settled waits until what was begun on the microtask and crypto queues is done. */
const settled = async (check: () => boolean): Promise<void> => {
  for (let i = 0; i < 1000 && !check(); i++) await new Promise((resolve) => setImmediate(resolve));
};

describe("Pictures", () => {
  const follow = (): { pictures: Pictures; track: Track; stills: Still[]; told: string[]; seen: Picture[] } => {
    const pictures = new Pictures();
    const track = new Track();
    pictures.follow(track);
    const stills: Still[] = [];
    const told: string[] = [];
    const seen: Picture[] = [];
    pictures.on("still", (still) => stills.push(still));
    pictures.on("moved", () => told.push("moved"));
    pictures.on("damaged", ({ reason, again }) => told.push(`${reason}, again: ${String(again)}`));
    pictures.on("picture", (picture) => seen.push(picture));
    return { pictures, track, stills, told, seen };
  };

  it("puts a still together and checks its hash", async () => {
    const { track, stills } = follow();
    track.stillMessage(header(1, 0, [1, 2, 3, 4, 5]));
    track.stillMessage(bytes(1, 2));
    track.stillMessage(bytes(3, 4, 5));
    await settled(() => stills.length > 0);
    expect([...(stills[0]?.bytes ?? [])]).toEqual([1, 2, 3, 4, 5]);
  });

  it("throws away a still whose hash is wrong, and asks for it again once", async () => {
    const { track, stills, told } = follow();
    for (let i = 0; i < 2; i++) {
      track.stillMessage(header(3, 0, [1, 2], "00".repeat(32)));
      track.stillMessage(bytes(1, 2));
      await settled(() => told.length > i);
    }
    expect(stills).toEqual([]);
    expect(told[0]).toMatch(/SHA-256.*again: true$/);
    expect(told[1]).toMatch(/again: false$/);
  });

  it("abandons a still when the next header comes, and refuses surplus bytes", async () => {
    const { track, stills, told } = follow();
    track.stillMessage(header(1, 0, [9, 9, 9]));
    track.stillMessage(bytes(9));
    track.stillMessage(header(2, 0, [7]));
    track.stillMessage(bytes(7));
    await settled(() => stills.length > 0);
    expect(stills.map((still) => still.header.rev)).toEqual([2]);
    track.stillMessage(header(3, 0, [7]));
    track.stillMessage(bytes(7, 8));
    await settled(() => told.length > 0);
    expect(told[0]).toMatch(/more bytes came/);
  });

  it("does not show a still of a view that the hand has left", async () => {
    const { pictures, track, stills } = follow();
    const covered: number[] = [];
    pictures.on("covered", (seq) => covered.push(seq));
    pictures.input(5, 0);
    track.stillMessage(header(1, 4, [1]));
    track.stillMessage(bytes(1));
    await settled(() => covered.length > 0);
    expect(stills).toEqual([]);
  });

  it("drops the still with the first picture after another size was asked for", async () => {
    const { pictures, track, stills, told } = follow();
    track.stillMessage(header(4, 2, [1]));
    track.stillMessage(bytes(1));
    await settled(() => stills.length > 0);
    pictures.resized();
    expect(told).toEqual([]);
    track.stamp(stamp(2000, 4, 2));
    pictures.shown(shown(2000));
    expect(told).toEqual(["moved"]);
  });

  it("keeps the still under repeated pictures and drops it with the first newer one", async () => {
    const { pictures, track, stills, told, seen } = follow();
    track.stamp(stamp(1000, 4, 2));
    pictures.shown(shown(1000));
    track.stillMessage(header(4, 2, [1]));
    track.stillMessage(bytes(1));
    await settled(() => stills.length > 0);
    track.stamp(stamp(2000, 4, 2));
    pictures.shown(shown(2000));
    expect(told).toEqual([]);
    pictures.input(3, 10);
    track.stamp(stamp(3000, 5, 3));
    pictures.shown(shown(3000, 45));
    expect(told).toEqual(["moved"]);
    expect(pictures.still).toBeUndefined();
    expect(seen.at(-1)?.motionToPhotonMs).toBe(35);
  });
});
