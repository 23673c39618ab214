// What is known of a session beside its view: what its edge has told, and what is on its way to it.
import type { Event as EdgeEvent, Loading, Received, SeriesInfo, SeriesRef, SessionInfo } from "../contract.js";
import type { Emitter } from "./emitter.js";
import type { ProblemError } from "./problem.js";
import type { SessionEvents } from "./session-types.js";
import type { Sent } from "./upload.js";

/** Told keeps the newest of everything, and tells each change under the name of its field. */
export class Told {
  readonly #emitter: Emitter<SessionEvents>;
  #info: SessionInfo | undefined;
  #patients: SeriesInfo[] = [];
  #loading: Loading | undefined;
  #opening: SeriesRef | undefined;
  #sent: Sent | undefined;
  #received: Received | undefined;
  #refused: ProblemError | undefined;

  constructor(emitter: Emitter<SessionEvents>) {
    this.#emitter = emitter;
  }

  /** info describes the edge's side. */
  get info(): SessionInfo | undefined {
    return this.#info;
  }

  /** patients are the series on the screen with whose they are. */
  get patients(): SeriesInfo[] {
    return this.#patients;
  }

  /** loading is progress; undefined when nothing is being loaded. */
  get loading(): Loading | undefined {
    return this.#loading;
  }

  /** preview says that the picture is of a coarse volume, while the rest arrives. */
  get preview(): boolean {
    return this.#loading?.preview === true;
  }

  /** opening is the series that is to take the place of the one on the screen. */
  get opening(): SeriesRef | undefined {
    return this.#opening;
  }

  /** sent is how much of the page's files is on its way. */
  get sent(): Sent | undefined {
    return this.#sent;
  }

  /** received is what the edge has found in the page's files. */
  get received(): Received | undefined {
    return this.#received;
  }

  /** refused is why none of the page's files is on the screen, though the edge has them. */
  get refused(): ProblemError | undefined {
    return this.#refused;
  }

  event({ session, loading, patients, received }: EdgeEvent): void {
    if (session !== undefined) this.#emitter.emit("info", (this.#info = session));
    if (loading !== undefined) this.load(loading);
    if (patients !== undefined) this.#emitter.emit("series", (this.#patients = patients));
    if (received !== undefined) this.#emitter.emit("received", (this.#received = received));
  }

  /** refuse says that nothing is on the screen, also not the preview of what was to come. */
  refuse(problem: ProblemError): void {
    this.#refused = problem;
    this.#patients = [];
    this.#emitter.emit("series", this.#patients);
    this.load(undefined);
  }

  load(loading: Loading | undefined): void {
    this.#loading = loading;
    if (loading !== undefined) this.#refused = undefined;
    this.#emitter.emit("loading", loading);
  }

  open(series: SeriesRef | undefined): void {
    this.#opening = series;
    if (series === undefined) this.load(undefined);
    this.#emitter.emit("opening", series);
  }

  send(sent: Sent): void {
    this.#sent = sent;
    this.#emitter.emit("sending", sent);
  }

  /** forget says that the edge is gone, and what it showed with it. */
  forget(): void {
    this.#patients = [];
    this.#opening = undefined;
    this.load(undefined);
  }
}
