// What a session is to show: a series of a source or files of the page, and another series that is on its way.
import type { Request, SeriesInfo, SeriesRef } from "../contract.js";
import type { Line } from "./line.js";
import { isFinal } from "./loss.js";
import { cancelled, isAsked, Opening } from "./opening.js";
import { asProblem, ProblemError } from "./problem.js";
import type { Subject } from "./session-types.js";
import type { Told } from "./told.js";
import type { UploadFile } from "./upload.js";
import { Uploader } from "./uploader.js";

/** Showing is the session as its content sees it. */
export interface Showing {
  readonly told: Told;
  readonly line: Line | undefined;
  /** loading says that nothing is on the screen whole. */
  readonly loading: boolean;
  request(request: Omit<Request, "id">): Promise<void>;
  loaded(series: SeriesInfo): void;
  notice(problem: ProblemError): void;
  fail(error: unknown): void;
  /** changed says that another series is, or is not, on its way any more. */
  changed(): void;
}

/** Content is what one session is asked to show, wherever that runs. */
export class Content {
  readonly #showing: Showing;
  /** series is what to ask for; without one, files are sent. */
  #series: SeriesRef | undefined;
  #uploader: Uploader | undefined;
  #opening: Opening | undefined;
  /** again is what was on the screen when the edge was lost. */
  #again: SeriesRef | undefined;

  constructor(subject: Subject, showing: Showing) {
    this.#showing = showing;
    if ("series" in subject) this.#series = subject.series;
    else this.#uploader = this.#sender(subject.files, () => undefined);
  }

  /** series is what to ask for; undefined where files are sent. */
  get series(): SeriesRef | undefined {
    return this.#series;
  }

  /** opening says that another series is on its way. */
  get opening(): boolean {
    return this.#opening !== undefined;
  }

  /** uploader sends the files to another edge, while those here are still shown; undefined where there are none. */
  uploader(progress: () => void): Uploader | undefined {
    return this.#uploader && this.#sender(this.#uploader.files, progress);
  }

  /** moved says that the session goes on where that uploader has sent the files. */
  moved(uploader: Uploader | undefined): void {
    this.#uploader = uploader;
  }

  /** open shows another series, and resolves when it has come. */
  async open(series: SeriesRef): Promise<void> {
    const { told } = this.#showing;
    this.#opening?.fail(cancelled);
    const opening = new Opening(series);
    this.#opening = opening;
    told.open(series);
    try {
      await this.#showing.request({ type: "open-series", series });
      await opening.over;
    } finally {
      if (this.#opening === opening) {
        this.#opening = undefined;
        told.open(undefined);
        this.#showing.changed();
      }
    }
  }

  /** loaded takes that what is on the screen is whole. */
  loaded(series: SeriesInfo): void {
    // A session that has to be placed anew asks for what it showed last.
    if (this.#series !== undefined) this.#series = { ...this.#series, ...series.series };
    const unrelated = this.#opening?.shows(series);
    if (unrelated !== undefined) this.#showing.notice(unrelated);
    this.#showing.loaded(series);
    // Another edge shows what the task names, or the largest of the files; the user may have chosen another one since.
    const again = this.#again;
    this.#again = undefined;
    if (again !== undefined && !isAsked(series.series, again)) {
      this.open({ ...this.#series, ...again }).catch((error: unknown) => { this.#showing.notice(asProblem(error)); });
    }
  }

  /** noticed takes what the edge says of a series. */
  noticed(problem: ProblemError): void {
    const { told, loading } = this.#showing;
    // While files have shown nothing yet, what is said of a series leaves nothing on the screen, its preview neither.
    const bare = this.#uploader !== undefined && loading && (told.patients.length === 0 || isFinal(problem));
    if (bare && told.received !== undefined) told.refuse(problem);
    if (this.#opening !== undefined) {
      if (bare) this.#opening.fail(problem);
      else this.#opening.because(problem);
      return;
    }
    if (bare && told.received === undefined) this.#showing.fail(problem);
    this.#showing.notice(problem);
  }

  /** deliver sends the files to an edge that does not have them. */
  deliver(): void {
    const { told, line } = this.#showing;
    if (this.#uploader === undefined || told.patients.length > 0 || line === undefined) return;
    this.#uploader.deliver(line.grant.attempt.id, line.control, line.connection.bulk()).catch((error: unknown) => {
      if (this.#showing.line === line) this.#showing.fail(error);
    });
  }

  /** lost remembers what was on the screen. */
  lost(): void {
    this.#again = this.#showing.told.patients[0]?.series ?? this.#again;
  }

  /** interrupt ends what is on its way. */
  interrupt(): void {
    this.#uploader?.interrupt();
    this.#opening?.fail(cancelled);
  }

  /** sender sends files to one edge. The page hears of those on their way to the edge of the session. */
  #sender(files: readonly UploadFile[], otherwise: () => void): Uploader {
    const uploader: Uploader = new Uploader(files, (sent) => {
      if (this.#uploader === uploader) this.#showing.told.send(sent);
      else otherwise();
    });
    return uploader;
  }
}
