// What a page asks of <tomocast-viewer>, checked: pages are often written in JavaScript, where no type is.
import { ProblemError } from "../client/problem.js";
import type { ViewPatch, ViewState } from "../contract.js";
import type { SeriesChoice } from "./types.js";

/** What every viewport has. Of another viewport's fields, null removes one. */
const kept = ["rect", "mode", "camera"];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * patchOf is the patch that a page asks for. A viewport without an id is meant by its place; which series it shows
 * does not change. It throws a ProblemError where the change has not the form of one.
 */
export function patchOf(view: ViewState, change: unknown): ViewPatch {
  const viewports = isObject(change) ? change.viewports : undefined;
  if (!Array.isArray(viewports) || !viewports.every(isObject)) {
    throw refused("The view cannot be changed to that", "A change has the form { viewports: [{ camera, window, … }] }, with only the fields that change.");
  }
  return {
    viewports: viewports.map((viewport, i) => {
      const removed = kept.find((field) => viewport[field] === null);
      if (removed !== undefined) {
        throw refused(`A viewport's ${removed} cannot be removed`, `Give another ${removed}, or leave the field out to keep the present one.`);
      }
      const { id = view.viewports[i]?.id, ...fields } = viewport;
      delete fields.series;
      if (typeof id !== "string" || !view.viewports.some((viewport) => viewport.id === id)) {
        throw refused("The view has no such viewport", `Its viewports are ${view.viewports.map((viewport) => viewport.id).join(", ")}.`);
      }
      return { ...fields, id };
    }),
  };
}

/** choiceOf is the series that a page asks for. It throws a ProblemError where no study is named. */
export function choiceOf(choice: unknown): SeriesChoice {
  const { studyInstanceUID, seriesInstanceUID, source, part } = isObject(choice) ? choice : {};
  if (typeof studyInstanceUID !== "string" || studyInstanceUID === "") {
    throw refused("No study is named", "load takes { studyInstanceUID, seriesInstanceUID?, part?, source? }.");
  }
  if (part !== undefined && !(Number.isInteger(part) && Number(part) >= 0)) {
    throw refused("part is no number of a part", "Parts are numbered from 1; 0 is the largest.");
  }
  const optional = { seriesInstanceUID, source };
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined && typeof value !== "string") throw refused(`${name} is no text`, "load takes { studyInstanceUID, seriesInstanceUID?, part?, source? }.");
  }
  return { ...(choice as SeriesChoice) };
}

function refused(title: string, detail: string): ProblemError {
  return new ProblemError("bad-request", title, detail);
}
