import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BulkReceiver } from "../src/client/bulk.js";
import { Computations } from "../src/client/compute.js";
import { Control } from "../src/client/control.js";
import { crc32 } from "../src/client/hash.js";
import type { BulkHeader, Event as EdgeEvent, Request } from "../src/contract.js";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

function header(transfer: number, data: Uint8Array, chunks: number, task = "c"): BulkHeader {
  return { transfer, task, format: "application/json", bytes: data.length, chunks, sha256: createHash("sha256").update(data).digest("hex") };
}

function chunk(transfer: number, index: number, payload: Uint8Array, crc = crc32(payload)): Uint8Array {
  const message = new Uint8Array(12 + payload.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, transfer);
  view.setUint32(4, index);
  view.setUint32(8, crc);
  message.set(payload, 12);
  return message;
}

function receiver(): { bulk: BulkReceiver; done: string[]; failed: string[] } {
  const done: string[] = [];
  const failed: string[] = [];
  const bulk = new BulkReceiver(
    ({ bytes }) => done.push(new TextDecoder().decode(bytes)),
    (transfer, reason) => failed.push(`${transfer}: ${reason}`),
  );
  return { bulk, done, failed };
}

describe("crc32", () => {
  it("is that of IEEE 802.3", () => {
    expect(crc32(text("123456789"))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
});

describe("BulkReceiver", () => {
  it("puts interleaved transfers together", async () => {
    const { bulk, done, failed } = receiver();
    await bulk.header(header(1, text("abcdef"), 2));
    await bulk.header(header(2, text("xyz"), 1));
    await bulk.chunk(chunk(1, 0, text("abc")));
    await bulk.chunk(chunk(2, 0, text("xyz")));
    await bulk.chunk(chunk(1, 1, text("def")));
    expect(done).toEqual(["xyz", "abcdef"]);
    expect(failed).toEqual([]);
  });

  it("takes an empty result", async () => {
    const { bulk, done } = receiver();
    await bulk.header(header(1, text(""), 0));
    expect(done).toEqual([""]);
  });

  it.each<[string, (bulk: BulkReceiver) => Promise<void>, RegExp]>([
    ["a wrong checksum", (bulk) => bulk.chunk(chunk(1, 0, text("abcdef"), 7)), /checksum of chunk 0/],
    ["a missing chunk", (bulk) => bulk.chunk(chunk(1, 1, text("abc"))), /chunk 1 came where 0/],
    ["surplus bytes", (bulk) => bulk.chunk(chunk(1, 0, text("abcdefg"))), /more bytes/],
    ["a wrong hash", (bulk) => bulk.chunk(chunk(1, 0, text("abcdeX"))), /SHA-256/],
    ["missing bytes", (bulk) => bulk.chunk(chunk(1, 0, text("abc"))), /3 of 6 bytes/],
  ])("refuses %s", async (_, send, reason) => {
    const { bulk, done, failed } = receiver();
    await bulk.header(header(1, text("abcdef"), 1));
    await send(bulk);
    expect(done).toEqual([]);
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatch(reason);
    await bulk.chunk(chunk(1, 1, text("abc"))); // what still comes of it is passed over
    expect(failed).toHaveLength(1);
  });

  it("refuses what is too large", async () => {
    const { bulk, failed } = receiver();
    await bulk.header({ ...header(1, text(""), 1), bytes: 2 ** 40 });
    expect(failed).toHaveLength(1);
  });
});

describe("Computations", () => {
  function open(): { computations: Computations; requests: Request[]; control: Control } {
    const requests: Request[] = [];
    const control = new Control((message) => {
      requests.push(JSON.parse(message) as Request);
      return true;
    });
    return { computations: new Computations(control), requests, control };
  }
  const task = { type: "data-computation", operation: "histogram" } as const;

  it("tells progress and resolves with what came over bulk", async () => {
    const { computations, requests } = open();
    const progress: number[] = [];
    const computation = computations.submit(task, (share) => progress.push(share));
    expect(requests[0]).toMatchObject({ type: "task-submit", taskId: computation.id, task });
    computations.event({ type: "task-progress", taskId: computation.id, progress: 0.5 });
    const data = text('{"voxels":1}');
    await computations.message(JSON.stringify(header(9, data, 1, computation.id)));
    await computations.message(chunk(9, 0, data).buffer as ArrayBuffer);
    computations.event({ type: "task-done", taskId: computation.id, transfer: 9 });
    const result = await computation.result;
    expect(new TextDecoder().decode(result.bytes)).toBe('{"voxels":1}');
    expect(progress).toEqual([0.5]);
  });

  it("rejects with the edge's problem, and when it is cancelled", async () => {
    const { computations, requests, control } = open();
    const refused = computations.submit(task, () => undefined);
    const reply: EdgeEvent = { type: "reply", id: requests[0]?.id ?? 0, problem: { code: "rate-limited", title: "Too many tasks at once" } };
    control.reply(reply);
    await expect(refused.result).rejects.toMatchObject({ code: "rate-limited" });
    const cancelled = computations.submit(task, () => undefined);
    cancelled.cancel();
    await expect(cancelled.result).rejects.toMatchObject({ code: "cancelled" });
    expect(requests.at(-1)).toMatchObject({ type: "task-cancel", taskId: cancelled.id });
    control.close();
  });
});
