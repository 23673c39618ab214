import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Sha256, sha256OfBlob } from "../src/client/hash.js";

function noise(bytes: number): Uint8Array<ArrayBuffer> {
  let seed = 1;
  return new Uint8Array(bytes).map(() => (seed = (seed * 48271) % 2147483647) & 0xff);
}

const truth = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("Sha256", () => {
  it.each([0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 1000, 100_003])("of %i bytes is that of the platform, however they are cut", (bytes) => {
    const data = noise(bytes);
    for (const step of [1 + Math.floor(bytes / 3), 64, 7]) {
      const hash = new Sha256();
      for (let at = 0; at < bytes; at += step) hash.update(data.subarray(at, at + step));
      expect(hash.hex()).toBe(truth(data));
    }
  });

  it("of a file larger than what is hashed at once is the same", async () => {
    const data = noise((32 << 20) + 5);
    expect(await sha256OfBlob(new Blob([data]))).toBe(truth(data));
  });

  it("stops when it is told to", async () => {
    const data = new Blob([new Uint8Array((32 << 20) + 5)]);
    await expect(sha256OfBlob(data, AbortSignal.abort())).rejects.toThrow();
  });
});
