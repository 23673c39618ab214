import { beforeEach, describe, expect, it } from "vitest";
import { InputSender, type Scheduler, Sequence } from "../src/client/input.js";
import type { Input } from "../src/contract.js";

/** Hands is time that stands still until it is told to go on. */
class Hands implements Scheduler {
  time = 0;
  #frames: (() => void)[] = [];
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  frame(callback: () => void): void {
    this.#frames.push(callback);
  }

  timeout(callback: () => void, ms: number): () => void {
    const timer = { at: this.time + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  draw(): void {
    for (const frame of this.#frames.splice(0)) frame();
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.time = next.at;
      next.callback();
    }
    this.time = end;
  }
}

let hands: Hands;
let sent: Input[];
let open: boolean;
let sequence: Sequence;
let sender: InputSender;

beforeEach(() => {
  hands = new Hands();
  sent = [];
  open = true;
  sequence = new Sequence();
  sender = new InputSender({
    sequence,
    scheduler: hands,
    send: (message) => {
      if (open) sent.push(message);
      return open;
    },
  });
});

const camera = (n: number): { id: string; camera: number } => ({ id: "main", camera: n });

describe("InputSender", () => {
  it("sends the first change at once and the newest of the rest with the next picture of the page", () => {
    sender.change(camera(1), true);
    expect(sent).toEqual([{ seq: 1, viewport: { id: "main", camera: 1 }, active: true }]);
    sender.change(camera(2), true);
    sender.change(camera(3), true);
    expect(sent).toHaveLength(1);
    hands.draw();
    expect(sent[1]).toEqual({ seq: 2, viewport: { id: "main", camera: 3 }, active: true });
    hands.draw();
    expect(sent).toHaveLength(2);
  });

  it("repeats the last message until a stamp covers it", () => {
    sender.change(camera(1), false);
    hands.draw();
    hands.pass(250);
    expect(sent.map(({ seq }) => seq)).toEqual([1, 1, 1]);
    sender.covered(0);
    hands.pass(100);
    expect(sent).toHaveLength(4);
    sender.covered(1);
    hands.pass(1000);
    expect(sent).toHaveLength(4);
    expect(sender.uncovered).toBe(false);
  });

  it("stops repeating what never makes a picture, and repeats it once the channel is back", () => {
    sender.change(camera(1), false);
    hands.draw();
    hands.pass(60_000);
    expect(sent).toHaveLength(31);
    sender.resume();
    expect(sent).toHaveLength(32);
  });

  it("keeps fields that no picture has shown in later messages", () => {
    sender.change({ id: "main", camera: 1 }, true);
    hands.draw();
    sender.change({ id: "main", window: 7 }, false);
    expect(sent[1]).toEqual({ seq: 2, viewport: { id: "main", camera: 1, window: 7 } });
    sender.covered(2);
    hands.draw();
    sender.change({ id: "main", window: 8 }, false);
    expect(sent[2]?.viewport).toEqual({ id: "main", window: 8 });
  });

  it("does not repeat what a request has overruled", () => {
    sender.change({ id: "main", camera: 1, window: 2 }, false);
    hands.draw();
    sender.overrule("main", ["camera"]);
    hands.pass(100);
    expect(sent.at(-1)?.viewport).toEqual({ id: "main", window: 2 });
    sender.overrule("main");
    hands.pass(1000);
    expect(sent).toHaveLength(2);
  });

  it("shares its numbers with requests on the control channel", () => {
    sender.change(camera(1), true);
    expect(sequence.next()).toBe(2);
    hands.draw();
    sender.change(camera(2), true);
    expect(sent.map(({ seq }) => seq)).toEqual([1, 3]);
  });

  it("sends the newest state when a full channel takes messages again", () => {
    open = false;
    sender.change(camera(1), true);
    hands.draw();
    open = true;
    hands.draw();
    expect(sent.map(({ viewport }) => viewport)).toEqual([{ id: "main", camera: 1 }]);
    expect(sent[0]?.seq).toBeGreaterThan(1);
  });

  it("repeats nothing that was for an edge which is gone", () => {
    sender.change(camera(1), true);
    sender.change(camera(2), true);
    sender.forget();
    hands.draw();
    hands.pass(1000);
    expect(sent).toHaveLength(1);
    expect(sender.uncovered).toBe(false);
  });
});
