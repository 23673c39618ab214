import { describe, expect, it } from "vitest";
import type { SeriesInfo } from "../src/contract.js";
import { choicesOfFiles, choicesOfStudy, othersOf } from "../src/pages/series-choices.js";
import { extentOf, framesOf } from "../src/pages/shown-words.js";
import { megabytesOf, sentence, sentenceCase } from "../src/text/amount.js";
import { concernsOf, countOf, headlineOf, isGrave, sentLine } from "../src/text/warnings.js";
import { placeOf, seriesOf, shownOf } from "../src/element/overlay.js";

const series = (fields: Partial<SeriesInfo>): SeriesInfo => ({
  series: { studyInstanceUID: "1", seriesInstanceUID: "1.1" }, patientName: "", patientId: "", modality: "CT",
  size: [512, 512, 100], spacingMm: [0.7, 0.7, 2.5], center: [0, 0, 0], diagonalMm: 1, min: 0, max: 1, ...fields,
});

describe("warnings", () => {
  const warning = (code: string, text: string, picture: boolean) => ({ code, text, amount: 1, picture });
  const missing = warning("missing-slices", "3 slices are missing", true);
  const resampled = warning("resampled", "the steps vary", true);
  const sideways = warning("shifted-slices", "slices lie sideways", true);
  const tilt = warning("gantry-tilt", "the slices are sheared by 18.5 degrees", false);
  const twice = warning("duplicate", "2 slices were left out, which were there twice", false);

  it("that are about the picture come first and stand beside it", () => {
    const concerns = concernsOf({ warnings: [tilt, missing, twice, resampled, sideways], leftOut: [{ name: "IM7", reason: "The file is truncated." }], leftOutCount: 3 });
    expect(concerns.picture).toHaveLength(3);
    expect(concerns.other.map((line) => line.slice(0, 10))).toEqual(["The slices", "2 slices w"]);
    expect(countOf(concerns)).toBe(6);
    expect(headlineOf(concerns)).toBe("3 slices are missing. And 2 more warnings.");
  });

  it("about the files alone are counted", () => {
    expect(headlineOf(concernsOf({ warnings: [tilt] }))).toBe("1 remark");
    expect(headlineOf(concernsOf({ leftOutCount: 2 }))).toBe("2 files of this series left out.");
    expect(countOf(concernsOf(undefined))).toBe(0);
  });
});

describe("files that were sent", () => {
  const left = Array.from({ length: 16 }, (_, i) => ({ name: `IM${i}`, reason: "it is truncated" }));

  it("and left out are told beside what opens, with their number", () => {
    const concerns = concernsOf(series({}), { leftOut: left, leftOutCount: 38 });
    expect([countOf(concerns), isGrave(concerns), concerns.sent.length, headlineOf(concerns)]).toEqual([1, false, 16, "38 files that you sent were left out."]);
    expect(sentLine(concernsOf(undefined, { leftOutCount: 1 }))).toBe("1 file that you sent was left out.");
  });

  it("do not hide what is wrong with the picture", () => {
    const concerns = concernsOf({ warnings: [{ code: "missing-slices", text: "3 slices are missing", amount: 3, picture: true }], leftOutCount: 1 }, { leftOutCount: 2 });
    expect([countOf(concerns), isGrave(concerns), headlineOf(concerns)]).toEqual([3, true, "3 slices are missing."]);
  });
});

describe("badge", () => {
  it("says that something loads only while something is on its way", () => {
    expect(shownOf("loading", undefined, false, false)).toBe("loading");
    expect(shownOf("loading", undefined, false, true)).toBeUndefined();
    expect(shownOf("loading", "lossy", true, false)).toBe("preview");
    expect(shownOf("loading", "lossy", true, true)).toBeUndefined();
    expect(shownOf("running", "lossless", false, true)).toBe("lossless");
    expect(shownOf("restoring", "lossless", false, false)).toBe("stale");
    expect(shownOf("failed", undefined, false, false)).toBeUndefined();
  });
});

describe("words", () => {
  it("are sentences", () => {
    expect([sentence("the step is 2 mm"), sentence("It is over."), sentenceCase("CHEST"), sentenceCase("PDF document"), sentenceCase("MR")])
      .toEqual(["The step is 2 mm.", "It is over.", "Chest", "PDF document", "MR"]);
    expect(megabytesOf(2_100_000, 53_000_000)).toBe("2.1 of 53 MB");
  });

  it("say how much a series is", () => {
    expect(extentOf(series({}))).toBe("100 slices of 512 × 512, voxels of 0.7 × 0.7 × 2.5 mm");
    expect(extentOf(series({ timePoints: [{ label: "1", ms: 0 }, { label: "2", ms: 640 }] }))).toMatch(/^2 time points of 100 slices/);
    expect(extentOf(series({ images: 40, why: "The series is an ultrasound clip." }))).toBe("40 images");
  });

  it("say which image or time point is shown", () => {
    const fourD = series({ timePoints: [{ label: "1", ms: 0 }, { label: "2", ms: 640 }] });
    expect(placeOf({ mode: "mip", timePoint: 1 } as never, fourD)).toBe("Time point 2 of 2");
    expect(placeOf({ mode: "image", image: 4 } as never, series({ images: 12 }))).toBe("Image 5 of 12");
    expect(placeOf({ mode: "image" } as never, series({ images: 1 }))).toBe("");
    expect(framesOf(fourD, false)).toEqual({ name: "Time point", count: 2, details: ["1", "2"], times: [0, 640] });
    expect(framesOf(series({ images: 12 }), true)?.count).toBe(12);
    expect(framesOf(series({}), false)).toBeUndefined();
  });
});

describe("identity", () => {
  const one = series({ patientId: "A" });
  const two = series({ patientId: "B", series: { studyInstanceUID: "1", seriesInstanceUID: "1.2", part: 2 } });

  it("is that of exactly the series that a viewport shows", () => {
    expect(seriesOf({ series: { source: "x", studyInstanceUID: "1", seriesInstanceUID: "1.2", part: 2 } }, [one, two])?.patientId).toBe("B");
    expect(seriesOf({ series: one.series }, [one, two])?.patientId).toBe("A");
  });

  it("is none where it is not certain", () => {
    expect(seriesOf({ series: { studyInstanceUID: "9", seriesInstanceUID: "9.9" } }, [one, two])).toBeUndefined();
    expect(seriesOf({ series: { studyInstanceUID: "1" } }, [one])?.patientId).toBe("A");
  });
});

describe("choices", () => {
  const listed = [
    { seriesInstanceUID: "1.1", number: 1, modality: "CT", description: "Axial", bodyPart: "CHEST", instanceCount: 100, images: 100, rows: 512, columns: 512, volume: true },
    { seriesInstanceUID: "1.2", number: 2, modality: "SR", description: "", bodyPart: "", instanceCount: 1, images: 0, rows: 0, columns: 0, volume: false, kind: "a structured report" },
  ];
  const parts = [{ part: 1, name: "axial", slices: 99, volume: true }, { part: 2, name: "localizer", slices: 1, volume: false, reason: "It is a single image." }];

  it("are the study's series, and the parts of the one that is shown", () => {
    const [first, second] = choicesOfStudy("1", listed, series({ parts, series: { studyInstanceUID: "1", seriesInstanceUID: "1.1", part: 2 } }), "main-pacs");
    expect(first).toMatchObject({ shown: true, openable: true, series: { source: "main-pacs", studyInstanceUID: "1", seriesInstanceUID: "1.1" } });
    expect(first?.parts.map(({ shown, series: ref }) => [shown, ref.part])).toEqual([[false, 1], [true, 2]]);
    expect(first?.parts[1]?.detail).toBe("1 image · It is a single image.");
    expect(second).toMatchObject({ shown: false, openable: false, detail: "1 object · Structured report" });
  });

  it("are the other series that have images, where one could not be opened", () => {
    const choices = choicesOfStudy("1", [...listed, { ...listed[0], seriesInstanceUID: "1.3" } as never], undefined);
    expect(choices.map(({ shown, parts: of }) => [shown, of.length])).toEqual([[false, 0], [false, 0], [false, 0]]);
    const names = (failed?: string) => othersOf(choices, failed).map(({ series: { seriesInstanceUID } }) => seriesInstanceUID);
    expect(names("1.1")).toEqual(["1.3"]);
    expect(names()).toEqual(["1.1", "1.3"]);
  });

  it("call what holds no images by another name", () => {
    const report = { series: { source: "upload", studyInstanceUID: "5", seriesInstanceUID: "5.2" }, patientName: "", patientId: "", modality: "SR", instances: 1, volume: false, reason: "a structured report" };
    expect(choicesOfFiles({ series: [report] }, undefined)).toMatchObject([{ detail: "1 object · A structured report.", openable: false }]);
  });

  it("are the series among files that were sent", () => {
    const received = { series: [{ series: { source: "upload", studyInstanceUID: "5", seriesInstanceUID: "5.1" }, patientName: "", patientId: "", modality: "MR", instances: 3, volume: false, reason: "Single images." }] };
    expect(choicesOfFiles(received, undefined)).toMatchObject([{ modality: "MR", detail: "3 images · Single images.", shown: false, openable: true }]);
  });
});
