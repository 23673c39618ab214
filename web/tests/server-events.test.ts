import { describe, expect, it } from "vitest";
import { EventParser, serverEvents } from "../src/client/server-events.js";
import { ProblemError } from "../src/client/problem.js";

const stream = "\uFEFF: hello\n\nevent: pending\ndata: {\"a\":1}\ndata:more\n\ndata\n\nid: 7\nretry: 10\nevent: x\n\r\nevent:grant\r\ndata: ü\r\n\r\ndata: lost";
const parsed = [{ type: "pending", data: '{"a":1}\nmore' }, { type: "message", data: "" }, { type: "grant", data: "ü" }];

describe("events of the broker", () => {
  it("are read as the standard says, however they are cut", () => {
    for (let size = 1; size <= stream.length; size++) {
      const parser = new EventParser();
      const events = [];
      for (let i = 0; i < stream.length; i += size) events.push(...parser.push(stream.slice(i, i + size)));
      expect(events).toEqual(parsed);
    }
  });

  it("end a line with a carriage return alone too", () => {
    const parser = new EventParser();
    expect(parser.push("data: 1\r\rdata: 2\r")).toEqual([{ type: "message", data: "1" }]);
    expect(parser.push("\r:")).toEqual([{ type: "message", data: "2" }]);
  });

  it("are not longer than a page can hold", () => {
    const parser = new EventParser();
    const flood = (): void => { for (let i = 0; i < 100; i++) parser.push(`data: ${"x".repeat(100_000)}\n`); };
    expect(flood).toThrow(ProblemError);
  });

  const body = (...pieces: string[]): Response => new Response(new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  }));

  it("come until the stream ends", async () => {
    const events = [];
    for await (const event of serverEvents(() => Promise.resolve(body("data: 1\n", "\ndata: 2\n\n")))) events.push(event.data);
    expect(events).toEqual(["1", "2"]);
  });

  it("are awaited no longer where the broker says nothing", async () => {
    const silent = (signal: AbortSignal): Promise<Response> => Promise.resolve(new Response(new ReadableStream({
      start(controller) { signal.addEventListener("abort", () => { controller.error(signal.reason); }); },
    })));
    await expect(serverEvents(silent, undefined, 5).next()).rejects.toMatchObject({ code: "unavailable" });
  });

  it("are awaited no longer by who leaves", async () => {
    const stop = new AbortController();
    const held = (signal: AbortSignal): Promise<Response> => Promise.resolve(new Response(new ReadableStream({
      start(controller) { signal.addEventListener("abort", () => { controller.error(signal.reason); }); },
    })));
    const first = serverEvents(held, stop.signal).next();
    stop.abort(new ProblemError("cancelled", "Left"));
    await expect(first).rejects.toMatchObject({ code: "cancelled" });
  });
});
