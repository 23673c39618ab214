import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BulkReceiver } from "../src/client/bulk.js";
import { type BulkPipe, ChannelPipe, chunkBytes, sendFiles, type Sent } from "../src/client/upload.js";
import type { BulkHeader } from "../src/contract.js";

/** Far is a pipe whose far end puts transfers together and checks them, as an edge does. */
class Far implements BulkPipe {
  readonly done: { path: string; text: string }[] = [];
  readonly failed: string[] = [];
  readonly sizes: number[] = [];
  waiting = 0;
  asked = 0;
  #messages = Promise.resolve();
  readonly #bulk = new BulkReceiver(
    ({ header, bytes }) => {
      this.done.push({ path: (header.meta as { path: string }).path, text: createHash("sha256").update(bytes).digest("hex") });
    },
    (transfer, reason) => { this.failed.push(`${transfer}: ${reason}`); },
  );

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.sizes.push(message.length);
    this.#messages = this.#messages.then(() =>
      typeof message === "string" ? this.#bulk.header(JSON.parse(message) as BulkHeader) : this.#bulk.chunk(message));
  }

  room(signal: AbortSignal): Promise<void> {
    this.asked++;
    return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
  }

  settled(): Promise<void> {
    return this.#messages;
  }
}

const file = (path: string, bytes: number): { path: string; file: Blob } =>
  ({ path, file: new Blob([new Uint8Array(bytes).map((_, i) => (i * 31 + path.length) & 0xff)]) });
const never = new AbortController().signal;

describe("sendFiles", () => {
  it("sends files one after the other, whole and checked", async () => {
    const pipe = new Far();
    const files = [file("a/1", 10), file("a/2", 3 * chunkBytes), file("empty", 0), file("large", 40 * chunkBytes + 1)];
    const told: Sent[] = [];
    await sendFiles(pipe, files, never, (sent) => told.push(sent));
    await pipe.settled();
    expect(pipe.failed).toEqual([]);
    expect(pipe.done.map(({ path }) => path)).toEqual(["a/1", "a/2", "empty", "large"]);
    for (const [i, { file: blob }] of files.entries()) {
      expect(pipe.done[i]?.text).toBe(createHash("sha256").update(new Uint8Array(await blob.arrayBuffer())).digest("hex"));
    }
    expect(Math.max(...pipe.sizes)).toBeLessThanOrEqual(chunkBytes);
    const total = files.reduce((sum, { file: blob }) => sum + blob.size, 0);
    expect(told.at(-1)).toEqual({ files: 4, totalFiles: 4, bytes: total, totalBytes: total });
    expect(told.map(({ bytes }) => bytes)).toEqual(told.map(({ bytes }) => bytes).toSorted((a, b) => a - b));
    // Room is asked for before every message, so that the channel is never given more than it takes.
    expect(pipe.asked).toBe(pipe.sizes.length);
  });

  it("tells what has left, not what waits", async () => {
    const pipe = new Far();
    pipe.waiting = 1000;
    const told: Sent[] = [];
    await sendFiles(pipe, [file("x", 5000)], never, (sent) => told.push(sent));
    expect(told.at(-1)?.bytes).toBe(4000);
  });

  it("stops when it is cancelled", async () => {
    const pipe = new Far();
    const stop = new AbortController();
    const sending = sendFiles(pipe, [file("x", 200 * chunkBytes)], stop.signal, ({ bytes }) => {
      if (bytes > 10 * chunkBytes) stop.abort(new Error("cancelled"));
    });
    await expect(sending).rejects.toThrow("cancelled");
    expect(pipe.sizes.length).toBeLessThan(20);
  });

  it("names a file that is gone", async () => {
    const gone = { size: 4, arrayBuffer: () => Promise.reject(new Error("NotFoundError")), slice: () => gone } as unknown as Blob;
    await expect(sendFiles(new Far(), [file("here", 4), { path: "head/IM7", file: gone }], never, () => undefined)).rejects.toThrow(/head\/IM7/);
  });
});

describe("ChannelPipe", () => {
  class Channel extends EventTarget {
    readyState = "open";
    bufferedAmount = 0;
    bufferedAmountLowThreshold = 0;
  }
  const pipe = (): { channel: Channel; pipe: ChannelPipe } => {
    const channel = new Channel();
    return { channel, pipe: new ChannelPipe(channel as unknown as RTCDataChannel) };
  };

  it("waits above 4 MiB until the channel has fallen to its low mark", async () => {
    const { channel, pipe: of } = pipe();
    await of.room(never);
    channel.bufferedAmount = 4 << 20;
    let free = false;
    const room = of.room(never).then(() => (free = true));
    await Promise.resolve();
    expect(free).toBe(false);
    expect(channel.bufferedAmountLowThreshold).toBeGreaterThanOrEqual(512 << 10);
    channel.dispatchEvent(new Event("bufferedamountlow"));
    await room;
  });

  it("rejects when the channel closes, or the wait is given up", async () => {
    const { channel, pipe: of } = pipe();
    channel.bufferedAmount = 8 << 20;
    const closing = of.room(never);
    channel.dispatchEvent(new Event("close"));
    await expect(closing).rejects.toThrow(/closed/);
    const stop = new AbortController();
    const waiting = of.room(stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    channel.readyState = "closed";
    await expect(of.room(never)).rejects.toThrow(/closed/);
  });
});
