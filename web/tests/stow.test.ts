import { describe, expect, it } from "vitest";
import { type Answer, judged, keepFiles, type Kept, multipart } from "../src/client/stow.js";

const never = new AbortController().signal;

/** dicom is a file with a preamble. */
function dicom(path: string, bytes = 200): { path: string; file: Blob } {
  const content = new Uint8Array(bytes);
  content.set([0x44, 0x49, 0x43, 0x4d], 128);
  return { path, file: new Blob([content]) };
}

const failed = (uid: string, code: number): Record<string, unknown> => ({
  "00081155": { vr: "UI", Value: [uid] }, "00081197": { vr: "US", Value: [code] },
});
const stored = (uid: string): Record<string, unknown> => ({ "00081155": { vr: "UI", Value: [uid] } });

describe("multipart", () => {
  it("is a body of RFC 2387 with each file as it is", async () => {
    const body = Buffer.from(await multipart([dicom("a"), dicom("b", 150)], "xyz").arrayBuffer()).toString("latin1");
    const parts = body.split("--xyz");
    expect(parts).toHaveLength(4);
    expect(parts[1]).toMatch(/^\r\nContent-Type: application\/dicom\r\n\r\n/);
    expect(parts[1]?.length).toBe("\r\nContent-Type: application/dicom\r\n\r\n".length + 200 + 2);
    expect(parts[3]).toBe("--\r\n");
  });
});

describe("keepFiles", () => {
  it("sends in batches, tells how far it is, and counts what was kept", async () => {
    const sizes: number[] = [];
    const told: Kept[] = [];
    const files = Array.from({ length: 450 }, (_, i) => dicom(`f${i}`));
    const kept = await keepFiles(files, (body, type) => {
      sizes.push(body.size);
      expect(type).toMatch(/^multipart\/related; type="application\/dicom"; boundary=\S+$/);
      return Promise.resolve({ status: 200, body: {} });
    }, never, (now) => told.push(now));
    expect(sizes).toHaveLength(3);
    expect(kept).toMatchObject({ files: 450, totalFiles: 450, stored: 450, bytes: 450 * 200, failures: [] });
    expect(told.map(({ files: done }) => done)).toEqual([200, 400, 450]);
  });

  it("never makes a batch of many bytes, but sends a large file by itself", async () => {
    const sizes: number[] = [];
    await keepFiles([dicom("a", 20 << 20), dicom("b", 20 << 20), dicom("c", 40 << 20), dicom("d", 1 << 20)],
      (body) => { sizes.push(Math.round(body.size / (1 << 20))); return Promise.resolve({ status: 200, body: {} }); }, never, () => undefined);
    expect(sizes).toEqual([20, 20, 40, 1]);
  });

  it("sends nothing that is no DICOM, and says so", async () => {
    let sent = 0;
    const kept = await keepFiles([{ path: "readme.txt", file: new Blob(["hello"]) }], () => {
      sent++;
      return Promise.resolve({ status: 200, body: {} });
    }, never, () => undefined);
    expect(sent).toBe(0);
    expect(kept.stored).toBe(0);
    expect(kept.failures).toEqual([{ name: "readme.txt", reason: expect.stringMatching(/no DICOM/) as string }]);
  });

  it("goes on after a batch that was lost", async () => {
    let turn = 0;
    const files = Array.from({ length: 250 }, (_, i) => dicom(`f${i}`));
    const kept = await keepFiles(files, () => (turn++ === 0 ? Promise.reject(new Error("offline")) : Promise.resolve({ status: 200, body: {} })), never, () => undefined);
    expect(kept.stored).toBe(50);
    expect(kept.failures).toHaveLength(200);
    expect(kept.failures[0]?.reason).toMatch(/could not be reached.*offline/);
  });

  it("stops when it is cancelled", async () => {
    const stop = new AbortController();
    const files = Array.from({ length: 450 }, (_, i) => dicom(`f${i}`));
    const keeping = keepFiles(files, () => {
      stop.abort(new Error("cancelled"));
      return Promise.reject(new Error("aborted"));
    }, stop.signal, () => undefined);
    await expect(keeping).rejects.toThrow("cancelled");
  });
});

describe("judged", () => {
  const batch = [dicom("a"), dicom("b")];

  it.each<[string, Answer, number, string[]]>([
    ["all stored", { status: 200, body: { "00081199": { vr: "SQ", Value: [stored("1"), stored("2")] } } }, 2, []],
    ["one refused", { status: 202, body: { "00081199": { Value: [stored("1")] }, "00081198": { Value: [failed("2", 0xa901)] } } }, 1, ["not of the kind"]],
    ["an unknown reason", { status: 409, body: { "00081198": { Value: [failed("2", 0x1234)] } } }, 0, ["0x1234"]],
    ["a problem document", { status: 403, body: { title: "This is for operators.", detail: "Ask." } }, 0, ["This is for operators. Ask.", "operators"]],
    ["no words at all", { status: 500, body: "<html>" }, 0, ["status 500", "status 500"]],
    ["success without details", { status: 200, body: undefined }, 2, []],
  ])("reads %s", (_, answer, count, reasons) => {
    const { stored: kept, failures } = judged(answer, batch);
    expect(kept).toBe(count);
    expect(failures).toHaveLength(reasons.length);
    for (const [i, reason] of reasons.entries()) expect(failures[i]?.reason).toContain(reason);
  });
});
