// What is on the screen, in words for the page around it.
import type { SeriesInfo } from "../contract.js";
import { plural } from "../text/amount.js";

/** namesOf is what the series is called. */
export function namesOf({ studyDescription, seriesDescription, modality }: SeriesInfo): string {
  return [studyDescription, seriesDescription, modality].find(Boolean) ?? "";
}

/** extentOf is how much a series is: its slices and the size of its voxels, or its images where it is no volume. */
export function extentOf({ size, spacingMm, images = 0, timePoints = [] }: SeriesInfo): string {
  if (images > 0) return plural(images, "image");
  const mm = spacingMm.map((side) => side.toFixed(2).replace(/\.?0+$/, "")).join(" × ");
  const times = timePoints.length > 1 ? `${plural(timePoints.length, "time point")} of ` : "";
  return `${times}${plural(size[2], "slice")} of ${size[0]} × ${size[1]}, voxels of ${mm} mm`;
}

/** Frames are what a slider goes through. */
export interface Frames {
  name: string;
  count: number;
  details: string[];
  /** times in milliseconds; empty where nothing says them. */
  times: number[];
}

/** framesOf are the time points of a 4D series, or the images of one that is shown flat; undefined where there is one. */
export function framesOf({ timePoints = [], images = 0 }: SeriesInfo, flat: boolean): Frames | undefined {
  if (flat) return images > 1 ? { name: "Image", count: images, details: [], times: [] } : undefined;
  if (timePoints.length < 2) return undefined;
  return { name: "Time point", count: timePoints.length, details: timePoints.map(({ label }) => label), times: timePoints.map(({ ms }) => ms) };
}

/** detailOf is what a time point is called, where that says more than its number. */
export function detailOf({ details }: Frames, at: number): string {
  const detail = details[at] ?? "";
  return detail === String(at + 1) ? "" : detail;
}
