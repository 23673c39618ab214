import { describe, expect, it } from "vitest";
import { backoffMs } from "../src/client/backoff.js";
import { explain, ProblemError, problemOf } from "../src/client/problem.js";
import { patched } from "../src/client/view.js";
import type { ViewState } from "../src/contract.js";
import { fit } from "../src/element/fit.js";
import { bitrate, megabytes, plural } from "../src/text/amount.js";
import { isoDate, personName, sexWord } from "../src/text/person.js";

describe("personName", () => {
  it.each([
    ["Yamada^Tarou=山田^太郎=やまだ^たろう", "YAMADA, Tarou (山田 太郎)"],
    ["Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "ADAMS, Rev. John Robert Quincy, B.A. M.Div."],
    ["Morrison-Jones^Susan^^^Ph.D., Chief Executive Officer", "MORRISON-JONES, Susan, Ph.D., Chief Executive Officer"],
    ["Doe^John", "DOE, John"],
    ["^Rex", "Rex"],
    ["ANONYMOUS", "ANONYMOUS"],
    ["=山田^太郎", "山田 太郎"],
    ["", "No name"],
    ["^^^^", "No name"],
  ])("of %s", (dicom, words) => {
    expect(personName(dicom)).toBe(words);
  });
});

describe("isoDate", () => {
  it.each([
    ["19690720", "1969-07-20"],
    ["1969.07.20", "1969-07-20"],
    ["", ""],
    [undefined, ""],
    ["1969", "1969"],
  ])("of %s", (dicom, words) => {
    expect(isoDate(dicom)).toBe(words);
  });

  it("has words for sexes", () => {
    expect([sexWord("F"), sexWord("m"), sexWord("O"), sexWord(""), sexWord(undefined)]).toEqual(["Female", "Male", "Other", "", ""]);
  });
});

describe("amounts", () => {
  it("are short", () => {
    expect(megabytes(5_240_000)).toBe("5.2 MB");
    expect(megabytes(52_400_000)).toBe("52 MB");
    expect(bitrate(4_000_000)).toBe("4.0 Mbit/s");
    expect(bitrate(320_000)).toBe("320 kbit/s");
    expect(plural(1, "study", "studies")).toBe("1 study");
    expect(plural(1200, "image")).toBe("1,200 images");
  });
});

describe("problems", () => {
  it("are read from RFC 9457 answers", () => {
    const problem = problemOf(503, { code: "no-free-node", title: "No edge is free.", detail: "Two are busy." });
    expect(problem).toMatchObject({ code: "no-free-node", title: "No edge is free.", detail: "Two are busy." });
    expect(explain(problem)).toEqual({ title: "No edge is free.", detail: "Two are busy.", advice: "retry" });
  });

  it("are told from the status where the answer is something else", () => {
    expect(problemOf(401, "<html>")).toMatchObject({ code: "unauthorized" });
    expect(problemOf(502, undefined)).toMatchObject({ code: "unavailable" });
    expect(problemOf(418, { code: "teapot" })).toMatchObject({ code: "internal" });
  });

  it("of any kind are put into words", () => {
    expect(explain(new ProblemError("not-a-volume", "")).title).toMatch(/cannot be shown in 3D/);
    expect(explain(new TypeError("x is undefined")).detail).toBe("x is undefined");
  });

  it("are waited for longer and longer", () => {
    expect([0, 1, 2, 10].map((n) => backoffMs(n))).toEqual([500, 1000, 2000, 10_000]);
  });
});

describe("patched", () => {
  const view = {
    version: 1, revision: 3,
    viewports: [{ id: "main", mode: "composite", window: { center: 1, width: 2 }, preset: "CT-Bone" }],
  } as unknown as ViewState;

  it("replaces whole fields, removes those that are null, and leaves the original alone", () => {
    const next = patched(view, { viewports: [{ id: "main", preset: "CT-MIP", window: null }, { id: "other", preset: "x" }] });
    expect(next.viewports[0]).toEqual({ id: "main", mode: "composite", preset: "CT-MIP" });
    expect(view.viewports[0].preset).toBe("CT-Bone");
  });
});

describe("fit", () => {
  it("asks for even sides and shows them pixel by pixel", () => {
    expect(fit(1025, 769, 1)).toEqual({ width: 1024, height: 768, cssWidth: 1024, cssHeight: 768 });
    expect(fit(1171, 2001, 3)).toEqual({ width: 1170, height: 2000, cssWidth: 390, cssHeight: 2000 / 3 });
  });

  it("is coarser beyond what edges encode", () => {
    const large = fit(8000, 4000, 1);
    expect(large?.width).toBeLessThanOrEqual(4096);
    expect(large && large.width * large.height).toBeLessThanOrEqual(4096 * 2304);
    expect(large?.cssWidth).toBe(8000);
    expect((large?.width ?? 0) / (large?.height ?? 1)).toBeCloseTo(2, 2);
  });

  it("asks for nothing where there is no room", () => {
    expect(fit(0, 100, 1)).toBeUndefined();
    expect(fit(30, 100, 1)).toEqual({ width: 64, height: 100, cssWidth: 30, cssHeight: 100 });
  });
});
