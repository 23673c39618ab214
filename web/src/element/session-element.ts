// What a viewer can be asked for and asked to do; how it is drawn is TomocastViewer's.
import { LitElement, type PropertyValues } from "lit";
import { BrokerAPI } from "../client/api.js";
import type { Computation, Handled } from "../client/compute.js";
import type { GetToken } from "../client/http.js";
import { deviceOf, localCheck } from "../client/local.js";
import { Near, pageInstruments } from "../client/near.js";
import type { Way } from "../client/place.js";
import { explain, ProblemError } from "../client/problem.js";
import { Session } from "../client/session.js";
import type { Orientation, State, Subject } from "../client/session-types.js";
import type { UploadFile } from "../client/upload.js";
import type { Loading, Pending, Received, SeriesInfo, SeriesRef, SessionInfo, TaskRequest, ViewState, Viewport, Window } from "../contract.js";
import { choiceOf, patchOf } from "./asked.js";
import type { Fit } from "./fit.js";
import { Meter } from "./meter.js";
import { nextStill, pngOf } from "./snapshot.js";
import { type Stats, noStats } from "./stats.js";
import { sessionStore } from "../text/store.js";
import type { PartialView, Placement, SeriesChoice, ViewerEvents, ViewportChanges, WaitingDetail } from "./types.js";

/** SessionElement is an element that holds one session at a time. */
export abstract class SessionElement extends LitElement {
  static override readonly properties = {
    endpoint: { type: String },
    study: { type: String },
    seriesInstanceUID: { type: String, attribute: "series" },
    seriesPart: { type: Number, attribute: "series-part" },
    source: { type: String },
    way: { type: String },
    whenFull: { type: String, attribute: "when-full" },
    getToken: { attribute: false },
    fit: { state: true },
    version: { state: true },
  };

  /** endpoint is the broker's URL; empty is the page's own origin. */
  declare endpoint: string;
  /** getToken returns the user's bearer token; without it the broker's own cookie is used. */
  declare getToken: GetToken | undefined;
  /** study is the UID of the study that the element opens by itself; empty leaves that to load. */
  declare study: string;
  /** seriesInstanceUID is the attribute `series`; empty is the study's largest volume. */
  declare seriesInstanceUID: string;
  /** seriesPart is that of a series which holds several stacks; 0 is the largest. */
  declare seriesPart: number;
  /** source is the broker's name of the source of the study; empty is its own. */
  declare source: string;
  /** way is whom to ask first: "broker-first", or "edge-first" where edges have addresses that this page may reach. */
  declare way: Way;
  /** whenFull is the attribute `when-full`: "queue" waits for a place, "refuse" fails at once. */
  declare whenFull: "queue" | "refuse";

  /** fit is the size of pictures that the element has room for. */
  declare protected fit: Fit | undefined;
  /** version counts what the session told, so that it is drawn. */
  declare protected version: number;

  /** current is the session that is open. */
  protected current: Session | undefined;
  #opening: ViewState | undefined;
  #local = "";
  #meter = new Meter();

  constructor() {
    super();
    this.endpoint = "";
    this.getToken = undefined;
    this.study = "";
    this.seriesInstanceUID = "";
    this.seriesPart = 0;
    this.source = "";
    this.way = "broker-first";
    this.whenFull = "queue";
    this.version = 0;
  }

  /** draws follows a session that was begun. */
  protected abstract draws(session: Session): void;

  /** wipe takes away the picture of a session that is over. */
  protected abstract wipe(): void;

  /** letGo ends what a hand is doing, because something else sets the view. */
  protected abstract letGo(): void;

  /** say shows a message for a while. */
  protected abstract say(text: string): void;

  /** state is where the session is. */
  get state(): State | "idle" {
    return this.current?.state ?? "idle";
  }

  /** problem is why the session is being restored or has failed. */
  get problem(): ProblemError | undefined {
    return this.current?.problem;
  }

  /** view is what is shown, or is on its way; setting it shows that, or opens the next series with it. */
  get view(): ViewState | undefined {
    return this.current?.view ?? this.#opening;
  }

  set view(view: ViewState | undefined) {
    this.#opening = view;
    if (view !== undefined && this.current?.view !== undefined) this.setView(view).catch((error: unknown) => { this.tell(error); });
  }

  /** stats is what was measured lately. */
  get stats(): Stats {
    return this.current === undefined ? noStats : this.#meter.stats(this.current);
  }

  /** series describes the series on the screen, whose patient it is included. */
  get series(): SeriesInfo | undefined {
    return this.current?.told.patients[0];
  }

  /** session describes the edge's side: renderer, codec, presets. */
  get session(): SessionInfo | undefined {
    return this.current?.told.info;
  }

  get loading(): Loading | undefined {
    return this.current?.told.loading;
  }

  /** received is what the edge has found in the files that were sent. */
  get received(): Received | undefined {
    return this.current?.told.received;
  }

  /** refused is why none of the files that were sent is on the screen, though the edge has them. */
  get refused(): ProblemError | undefined {
    return this.current?.told.refused;
  }

  /** placement is where the session runs and why; undefined while it has no place. */
  get placement(): Placement | undefined {
    const grant = this.current?.grant;
    if (grant === undefined) return undefined;
    const { answer, attempt: { node }, reasons, terms = [], shadow = "" } = grant;
    return { node, answer, reasons, terms, shadow, local: this.#local };
  }

  /** timePoint is which of series.timePoints is shown, or is on its way. */
  get timePoint(): number {
    return this.viewport?.timePoint ?? 0;
  }

  /** image is which of series.images images is shown, or is on its way. */
  get image(): number {
    return this.viewport?.image ?? 0;
  }

  /** shownTimePoint is the time point of the picture on the screen. */
  get shownTimePoint(): number {
    return this.current?.views.shown?.viewports[0].timePoint ?? 0;
  }

  /** shownImage is the image of the picture on the screen. */
  get shownImage(): number {
    return this.current?.views.shown?.viewports[0].image ?? 0;
  }

  /** opening is the series that is to take the place of the one on the screen. */
  get opening(): SeriesRef | undefined {
    return this.current?.told.opening;
  }

  /** flat says that plain images are shown, not a volume. */
  get flat(): boolean {
    return this.viewport?.mode === "image";
  }

  /** window is that of the view: its own, or its preset's. */
  get window(): Window | undefined {
    return this.windowOf(this.view);
  }

  /**
   * load opens a series. It resolves when the edge has it complete, and rejects where that fails. A choice that names
   * no study is refused, and what is open stays.
   */
  async load(choice: SeriesChoice): Promise<void> {
    await this.#start({ series: choiceOf(choice) });
  }

  /**
   * upload sends files to an edge, which shows the largest volume among them. It resolves when that is complete, and
   * rejects where it fails. "received" tells what the files hold; openSeries opens another of it.
   */
  async upload(files: readonly UploadFile[]): Promise<void> {
    if (files.length === 0) throw new ProblemError("bad-request", "There are no files to send");
    await this.#start({ files });
  }

  /**
   * openSeries shows another series or part of the study, or of the files that were sent, in the same session; what
   * is on the screen stays until it has come, also where it cannot come, which rejects.
   */
  async openSeries(choice: SeriesChoice): Promise<void> {
    const series = choiceOf(choice);
    this.letGo();
    await this.#open().openSeries(series);
  }

  /** setView changes parts of the view: per viewport only the fields that change, each whole. */
  async setView(change: PartialView): Promise<void> {
    const session = this.#open();
    const view = session.view;
    if (view === undefined) throw new ProblemError("unavailable", "The series is still loading");
    const patch = patchOf(view, change);
    this.letGo();
    await session.setView(patch);
  }

  /** resetView looks from a standard side; without one, everything is as when the series was opened. */
  async resetView(orientation?: Orientation): Promise<void> {
    const viewport = this.viewport;
    if (viewport === undefined) return;
    this.letGo();
    await this.#open().resetView(viewport.id, orientation);
  }

  /** snapshot is the present view as a lossless PNG, whose hash was checked against the renderer's. */
  async snapshot(): Promise<Blob> {
    const { pictures } = this.#open();
    if (pictures.still !== undefined) return pngOf(pictures.still);
    const still = nextStill(pictures);
    // The request may fail first; then its reason is what the caller hears.
    const [found] = await Promise.all([still, this.#open().requestStill()]);
    return pngOf(found);
  }

  /** showTimePoint shows a time point of a 4D series; playing says that others follow at once. */
  showTimePoint(timePoint: number, playing = false): void {
    this.change({ timePoint }, playing);
  }

  /** showImage shows an image of a series that is no volume. */
  showImage(image: number, active = false): void {
    this.change({ image }, active);
  }

  /**
   * compute runs a compute task on the series on the screen. handled is told how the edge handles it, and asked where
   * that is the user's to say.
   */
  compute(task: Omit<TaskRequest, "series">, progress: (share: number) => void, handled?: Handled): Computation {
    const series = this.series?.series;
    if (series === undefined) throw new ProblemError("unavailable", "The series is still loading");
    const { modality = "" } = this.series ?? {};
    return this.#open().submit({ ...(modality === "" ? {} : { modality: modality.slice(0, 16) }), ...task, series }, progress, handled);
  }

  /** retry opens the session again, with the same view, after it failed or ended. */
  retry(): void {
    void this.current?.retry();
  }

  /** notify shows an error in words over the picture for a while, and dispatches it. */
  notify(error: unknown): void {
    this.tell(error);
  }

  /** close ends the session and releases what it holds on the edge. */
  close(): void {
    const session = this.current;
    if (session === undefined) return;
    session.finish();
    this.current = undefined;
    this.wipe();
    this.tellState();
  }

  /** cancel gives up what is being opened: another series, or else the session. */
  cancel(): void {
    const series = this.series?.series;
    if (this.current?.told.opening !== undefined && series !== undefined) {
      this.openSeries(series).catch((error: unknown) => { this.tell(error); });
      return;
    }
    this.close();
    this.dispatch("cancel", undefined);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (this.study === "" || !(["study", "seriesInstanceUID", "seriesPart", "source"] as const).some((name) => changed.has(name))) return;
    const { study: studyInstanceUID, seriesInstanceUID, seriesPart: part, source } = this;
    const choice = { studyInstanceUID, part, ...(seriesInstanceUID === "" ? {} : { seriesInstanceUID }), ...(source === "" ? {} : { source }) };
    // What goes wrong in a session is told by its state; a wrong choice has no session.
    this.load(choice).catch((error: unknown) => { if (this.current === undefined) this.tell(error); });
  }

  protected get viewport(): Viewport | undefined {
    return this.current?.view?.viewports[0];
  }

  protected change(fields: ViewportChanges, active: boolean): void {
    const viewport = this.viewport;
    if (viewport !== undefined) this.current?.change({ ...fields, id: viewport.id }, active);
  }

  protected windowOf(view: ViewState | undefined): Window | undefined {
    const viewport = view?.viewports[0];
    return viewport?.window ?? this.session?.presets.find((preset) => preset.name === viewport?.preset)?.window;
  }

  #open(): Session {
    if (this.current === undefined) throw new ProblemError("bad-request", "No series is open", "Call load first.");
    return this.current;
  }

  protected tell(error: unknown, show = true): void {
    const { title, detail } = explain(error);
    const code = error instanceof ProblemError ? error.code : "internal";
    if (show) this.say(detail === "" ? title : `${title.replace(/\.$/, "")}. ${detail}`);
    this.dispatch("error", { code, title, detail });
  }

  protected tellState(): void {
    this.dispatch("statechange", { state: this.state });
  }

  protected dispatch<Name extends keyof ViewerEvents>(name: Name, detail: ViewerEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  async #start(subject: Subject): Promise<void> {
    this.close();
    await this.updateComplete;
    const api = new BrokerAPI(this.endpoint, this.getToken);
    const near = new Near(api, globalThis.location.protocol === "https:", pageInstruments(sessionStore()));
    const session = new Session(api, subject, this.#opening, { way: this.way, near }, () => this.#wants(subject));
    this.#opening = undefined;
    this.current = session;
    this.#meter = new Meter();
    const loaded = new Promise<void>((resolve, reject) => {
      this.#follow(session, resolve, reject);
    });
    if (this.fit !== undefined) session.resize(this.fit.width, this.fit.height);
    void session.start();
    // For the next request, and for others at this place: this one does not wait for it.
    void near.measure("rendering");
    await loaded;
  }

  /** wants is how a place is asked for, and why this device does not draw the picture itself. */
  #wants(subject: Subject): Partial<TaskRequest> {
    const bytes = "files" in subject ? subject.files.reduce((sum, { file }) => sum + file.size, 0) : (this.loading?.totalBytes ?? 0);
    const local = localCheck(deviceOf(sessionStore()), bytes);
    this.#local = local.reason;
    const { modality = "" } = this.series ?? {};
    return {
      whenFull: this.whenFull === "refuse" ? "refuse" : "queue", local,
      ...(bytes === 0 ? {} : { dataMB: bytes / (1 << 20) }), ...(modality === "" ? {} : { modality: modality.slice(0, 16) }),
    };
  }

  /** follow tells the page what the session tells, and settles the promise of its opening. */
  #follow(session: Session, loaded: () => void, failed: (error: Error) => void): void {
    let ready = false;
    session.report(() => this.#meter.display());
    session.on("state", (state) => {
      if (state === "failed" && session.problem !== undefined) {
        failed(session.problem);
        this.tell(session.problem, false);
      }
      if (state === "running" && !ready && session.view !== undefined) {
        ready = true;
        loaded();
        this.dispatch("ready", { view: session.view });
      }
      this.version++;
      this.tellState();
    });
    for (const name of ["series", "info", "opening", "loading", "loaded", "sending", "received", "view"] as const) {
      session.on(name, () => { this.version++; });
    }
    session.on("pending", (pending) => {
      this.version++;
      if (pending !== undefined) this.dispatch("waiting", waitingOf(pending));
    });
    session.on("loading", (loading) => { if (loading !== undefined) this.dispatch("loading", { loading }); });
    session.on("loaded", (series) => { this.#loaded(series); });
    session.on("arrived", (moved) => {
      this.version++;
      this.dispatch("moved", moved);
    });
    session.on("sending", (sent) => { this.dispatch("sending", { sent }); });
    session.on("received", (received) => { this.dispatch("received", { received }); });
    session.on("view", (view) => { this.dispatch("viewchange", { view }); });
    session.on("notice", (problem) => {
      const { refused } = this;
      // Where nothing is on the screen, a card says it.
      this.tell(problem, refused === undefined);
      if (refused !== undefined) failed(refused);
    });
    this.#meter.follow(session);
    this.draws(session);
  }

  #loaded(series: SeriesInfo): void {
    this.dispatch("loaded", { series });
    const { warnings = [], leftOut = [], leftOutCount = leftOut.length, parts = [] } = series;
    if (warnings.length + leftOutCount > 0) this.dispatch("warnings", { warnings, leftOut, leftOutCount });
    if (parts.length > 0) this.dispatch("parts", { parts, part: series.series.part ?? 0 });
  }
}

function waitingOf({ queue, reason = "" }: Pending): WaitingDetail {
  return { position: queue?.position ?? 0, length: queue?.length ?? 0, expectedWaitMs: queue?.expectedWaitMs, reason };
}
