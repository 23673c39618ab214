import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SignalLink, type Socket } from "../src/client/signal.js";
import type { Signal } from "../src/contract.js";

class Wire implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  sent: Signal[] = [];
  closed = false;

  constructor(readonly url: string) {}

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Signal);
  }

  close(): void {
    this.closed = true;
  }

  opened(): void {
    this.onopen?.(new Event("open"));
  }

  says(signal: Signal): void {
    this.onmessage?.({ data: JSON.stringify(signal) } as MessageEvent);
  }

  cut(): void {
    this.onclose?.({} as CloseEvent);
  }
}

let wires: Wire[];
let link: SignalLink;

const wire = (): Wire => {
  const last = wires.at(-1);
  if (last === undefined) throw new Error("no socket was opened");
  return last;
};

beforeEach(() => {
  vi.useFakeTimers();
  wires = [];
  link = new SignalLink(
    () => Promise.resolve({ url: "ws://broker/signal", token: "token" }),
    "",
    (url) => {
      wires.push(new Wire(url));
      return wire();
    },
  );
});

afterEach(() => {
  link.close();
  vi.useRealTimers();
});

describe("SignalLink", () => {
  it("shows its token first and holds everything else back until the welcome", async () => {
    await link.open();
    link.send({ type: "offer", sdp: "v=0" });
    wire().opened();
    expect(wire().sent).toEqual([{ type: "hello", token: "token" }]);
    wire().says({ type: "welcome", peer: "p", resume: "secret" });
    expect(wire().sent[1]).toEqual({ type: "offer", sdp: "v=0" });
  });

  it("comes back with its resume secret when the socket is cut", async () => {
    await link.open();
    wire().opened();
    wire().says({ type: "welcome", resume: "secret" });
    wire().cut();
    await vi.advanceTimersByTimeAsync(600);
    expect(wires).toHaveLength(2);
    wire().opened();
    expect(wire().sent).toEqual([{ type: "hello", token: "token", resume: "secret" }]);
  });

  it("lets a new offer replace what waited", async () => {
    await link.open();
    link.send({ type: "offer", sdp: "old" });
    link.send({ type: "candidate" });
    link.send({ type: "offer", sdp: "new" });
    wire().opened();
    wire().says({ type: "welcome" });
    expect(wire().sent.slice(1)).toEqual([{ type: "offer", sdp: "new" }]);
  });

  it("ends with the problem that it is told, and does not come back", async () => {
    const problems: string[] = [];
    link.on("problem", (problem) => problems.push(problem.code));
    await link.open();
    wire().opened();
    wire().says({ type: "error", problem: { code: "session-taken", title: "Session is open elsewhere" } });
    wire().cut();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(problems).toEqual(["session-taken"]);
    expect(wires).toHaveLength(1);
    expect(wire().closed).toBe(true);
  });

  it("passes answers and candidates on, and lives with what is no message", async () => {
    const told: unknown[] = [];
    link.on("answer", (sdp) => told.push(sdp));
    link.on("candidate", (candidate) => told.push(candidate));
    await link.open();
    wire().opened();
    wire().onmessage?.({ data: "{not json" } as MessageEvent);
    wire().says({ type: "answer", sdp: "v=0" });
    wire().says({ type: "candidate", candidate: { candidate: "candidate:1" } });
    wire().says({ type: "candidate" });
    expect(told).toEqual(["v=0", { candidate: "candidate:1" }, null]);
  });
});
