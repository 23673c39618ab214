// Another series on its way to the screen of a session.
import type { SeriesInfo, SeriesRef } from "../contract.js";
import { ProblemError } from "./problem.js";

/** Opening is settled when the edge shows the series, or says that the one before stays. */
export class Opening {
  readonly series: SeriesRef;
  readonly over: Promise<void>;
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #reason: ProblemError | undefined;

  constructor(series: SeriesRef) {
    this.series = series;
    this.over = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.over.catch(() => undefined);
  }

  /** because notes what the edge has said while the series was on its way; it may be why it does not come. */
  because(problem: ProblemError): void {
    this.#reason = problem;
  }

  /** shows is told which series is on the screen whole. It returns what the edge had said if that was not about this. */
  shows(shown: SeriesInfo): ProblemError | undefined {
    if (isAsked(shown.series, this.series)) {
      this.#settle?.resolve();
      return this.#reason;
    }
    this.fail(this.#reason ?? cancelled);
    return undefined;
  }

  fail(problem: Error): void {
    this.#settle?.reject(problem);
  }
}

/** cancelled is what an opening ends with that the user did not want any more. */
export const cancelled = new ProblemError("cancelled", "Cancelled");

/** isAsked says whether a series is the one asked for; a part or series that was not named is the edge's to choose. */
export function isAsked(shown: SeriesRef, asked: SeriesRef): boolean {
  const { seriesInstanceUID = "", part = 0 } = asked;
  return shown.studyInstanceUID === asked.studyInstanceUID &&
    (seriesInstanceUID === "" || shown.seriesInstanceUID === seriesInstanceUID) && (part === 0 || shown.part === part);
}
