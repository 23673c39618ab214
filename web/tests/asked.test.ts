import { describe, expect, it } from "vitest";
import { ProblemError } from "../src/client/problem.js";
import type { ViewState } from "../src/contract.js";
import { choiceOf, patchOf } from "../src/element/asked.js";

const view: ViewState = {
  version: 1,
  revision: 3,
  viewports: [{
    id: "main",
    rect: { x: 0, y: 0, width: 1, height: 1 },
    series: { studyInstanceUID: "1.2", seriesInstanceUID: "1.2.3" },
    mode: "composite",
    camera: { position: [0, -500, 0], lookAt: [0, 0, 0], up: [0, 0, 1], projection: "orthographic", height: 300, fovY: 30 },
  }],
};

/** refusal is what f throws, which must be a bad request in words. */
function refusal(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(ProblemError);
    const { code, title, detail } = error as ProblemError;
    expect(code).toBe("bad-request");
    expect(detail).not.toBe("");
    return title;
  }
  return "nothing";
}

describe("patchOf", () => {
  it.each([[{}], [{ foo: 1 }], [null], [undefined], [7], [[]], [{ viewports: 1 }], [{ viewports: [null] }], [{ viewports: [[]] }]])(
    "refuses %j", (change) => {
      expect(refusal(() => patchOf(view, change))).toBe("The view cannot be changed to that");
    });

  it.each(["camera", "mode", "rect"])("does not remove the %s", (field) => {
    expect(refusal(() => patchOf(view, { viewports: [{ id: "main", [field]: null }] }))).toBe(`A viewport's ${field} cannot be removed`);
  });

  it.each([[{ id: "other" }], [{ id: null }], [{ id: 4 }]])("knows no viewport %j", (viewport) => {
    expect(refusal(() => patchOf(view, { viewports: [viewport] }))).toBe("The view has no such viewport");
  });

  it("names no viewport beyond the last", () => {
    expect(refusal(() => patchOf(view, { viewports: [{}, {}] }))).toBe("The view has no such viewport");
  });

  it("means a viewport by its place, keeps what is removed, and leaves the series", () => {
    const change = { viewports: [{ window: null, preset: "CT-Bone", series: { studyInstanceUID: "9" } }] };
    expect(patchOf(view, change)).toEqual({ viewports: [{ id: "main", window: null, preset: "CT-Bone" }] });
    expect(change.viewports[0]?.series).toEqual({ studyInstanceUID: "9" });
  });
});

describe("choiceOf", () => {
  it.each([[{}], [null], [undefined], ["1.2.3"], [{ studyInstanceUID: "" }], [{ studyInstanceUID: 1.2 }]])("refuses %j", (choice) => {
    expect(refusal(() => choiceOf(choice))).toBe("No study is named");
  });

  it("refuses a series that is no text", () => {
    expect(refusal(() => choiceOf({ studyInstanceUID: "1.2", seriesInstanceUID: {} }))).toBe("seriesInstanceUID is no text");
  });

  it("takes a study with or without a series", () => {
    expect(choiceOf({ studyInstanceUID: "1.2" })).toEqual({ studyInstanceUID: "1.2" });
    expect(choiceOf({ studyInstanceUID: "1.2", seriesInstanceUID: "1.3" })).toEqual({ studyInstanceUID: "1.2", seriesInstanceUID: "1.3" });
  });
});
