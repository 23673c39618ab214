// A session as the page lives it: asked for, connected, watched, restored when its edge or its path is gone.
import type {
  Event as EdgeEvent,
  Grant,
  ICEServer,
  Pending,
  Request,
  SeriesRef,
  TaskRequest,
  ViewPatch,
  ViewState,
} from "../contract.js";
import type { BrokerAPI } from "./api.js";
import { backoffMs, wait } from "./backoff.js";
import type { Computation, Handled } from "./compute.js";
import { Connection } from "./connection.js";
import { Content } from "./content.js";
import { Emitter } from "./emitter.js";
import { pageScheduler, Sequence, type ViewportChange } from "./input.js";
import type { Wire } from "./line.js";
import { type Arrival, Lines } from "./lines.js";
import { Pictures } from "./pictures.js";
import { isFinal, lossOf } from "./loss.js";
import { cancelled } from "./opening.js";
import { asProblem, ProblemError } from "./problem.js";
import { Place, type Whom } from "./place.js";
import type { Orientation, SessionEvents, State, Subject } from "./session-types.js";
import { ShownViews } from "./shown-view.js";
import type { Credentials } from "./signal.js";
import { Told } from "./told.js";
import { patched } from "./view.js";

/** Connect makes the connection of a grant. */
export type Connect = (credentials: () => Promise<Credentials>, iceServers: ICEServer[], resume: string) => Wire;

/** Session is one rendering task. */
export class Session extends Emitter<SessionEvents> {
  readonly pictures = new Pictures();
  /** views knows which view the picture on the screen shows. */
  readonly views = new ShownViews();
  readonly told = new Told(this);
  readonly #place: Place;
  readonly #content: Content;
  /** stop ends what is being tried; another try has another one. */
  #stop = new AbortController();
  #finished = false;
  readonly #sequence = new Sequence();
  #state: State = "asking";
  #problem: ProblemError | undefined;
  readonly #lines: Lines;
  /** Changes of the view by request that have not been answered yet. */
  #writing = 0;
  #view: ViewState | undefined;
  #size: { width: number; height: number } | undefined;
  #hidden = false;
  #attempt = 0;
  #pending: Pending | undefined;
  readonly #wants: () => Partial<TaskRequest>;
  #display: () => NonNullable<Request["display"]> = () => ({ picturesPerSecond: 0 });

  /** view is what the session opens with; without one the edge chooses. wants is asked how a request is to be placed. */
  constructor(
    api: BrokerAPI, subject: Subject, view?: ViewState, whom?: Whom, wants: () => Partial<TaskRequest> = () => ({}),
    connect: Connect = (credentials, iceServers, resume) => new Connection(credentials, iceServers, resume),
  ) {
    super();
    this.#wants = wants;
    this.#place = new Place(api, whom, {
      pending: (pending) => { this.#waits(pending, undefined); },
      cut: (problem) => { this.#waits(this.#pending, problem); },
    });
    const session = (): Session => this;
    this.#content = new Content(subject, {
      told: this.told,
      get line() { return session().#lines.line; },
      get loading() { return session().#state === "loading"; },
      request: (request) => this.#request(request),
      loaded: (series) => { this.emit("loaded", series); },
      notice: (problem) => { this.emit("notice", problem); },
      fail: (error) => { this.#fail(error); },
      changed: () => { this.#lines.changed(); },
    });
    this.#view = view;
    this.#lines = new Lines({
      connect: (grant, resume) => connect(
        () => this.#place.credentials(grant, this.#stop.signal),
        grant.iceServers, resume,
      ),
      scheduler: pageScheduler,
      sequence: this.#sequence,
      leaving: {
        get view() { return session().#view; },
        get number() { return session().#sequence.last; },
        get steady() { return session().#writing === 0 && !session().#content.opening && session().#state === "running"; },
        get computing() { return session().#lines.line?.computations.busy === true; },
        get hidden() { return session().#hidden; },
        get size() { return session().#size; },
        get shown() { return session().pictures.newest; },
      },
      display: () => this.#display(),
      sent: (seq, at) => {
        this.pictures.input(seq, at);
        if (this.#view !== undefined) this.views.asked(seq, this.#view);
      },
      uploader: (progress) => this.#content.uploader(progress),
      where: () => this.#place.where(this.#parameters(), this.#stop.signal),
    });
    this.#listen();
    this.pictures.on("picture", ({ stamp }) => { this.views.picture(stamp.rev, stamp.seq); });
    this.pictures.on("still", ({ header }) => { this.views.picture(header.rev, header.seq); });
    this.pictures.on("covered", (seq) => { this.#lines.covered(seq); });
    this.pictures.on("damaged", ({ reason, again }) => {
      this.emit("notice", new ProblemError("unreadable", "A lossless picture was thrown away", `${reason}.`));
      if (again) this.requestStill().catch(() => undefined);
    });
  }

  get state(): State {
    return this.#state;
  }

  /** problem is why the session is being restored or has failed. */
  get problem(): ProblemError | undefined {
    return this.#problem;
  }

  /** attempt counts the tries to restore the session since it ran. */
  get attempt(): number {
    return this.#attempt;
  }

  get view(): ViewState | undefined {
    return this.#view;
  }

  get grant(): Grant | undefined {
    return this.#place.grant;
  }

  /** pending is where the session stands in the queue, while it does. */
  get pending(): Pending | undefined {
    return this.#pending;
  }

  /** start asks for a place and connects. What goes wrong is told by the state. */
  async start(urgent = false): Promise<void> {
    const stop = this.#stop.signal;
    try {
      await this.#begin(urgent);
    } catch (error) {
      if (!stop.aborted) this.#fail(error);
    }
  }

  /** report sets what the edge is told about the display. */
  report(display: () => NonNullable<Request["display"]>): void {
    this.#display = display;
  }

  /** connection is that to the edge of the session. */
  get connection(): Pick<Connection, "getStats" | "newestTimestamp"> | undefined {
    return this.#lines.line?.connection;
  }

  /** lines lead to the edge, and to the next one while the session moves. */
  get lines(): Pick<Lines, "comes" | "comingTimestamp"> {
    return this.#lines;
  }

  /** change moves a viewport; active says that the hand is still on the picture. */
  change(change: ViewportChange, active: boolean): void {
    if (this.#view === undefined) return;
    this.#view = patched(this.#view, { viewports: [change] });
    this.#lines.input.change(change, active);
    this.emit("view", this.#view);
  }

  /** setView changes parts of the view and resolves when the edge has taken it in. */
  async setView(patch: ViewPatch): Promise<void> {
    for (const { id, ...fields } of patch.viewports as ViewportChange[]) this.#lines.input.overrule(id, Object.keys(fields));
    await this.#write({ type: "set-view", view: patch });
  }

  /** resetView looks from a standard side; without one, everything is as when the study was opened. */
  async resetView(viewport: string, orientation?: Orientation): Promise<void> {
    this.#lines.input.overrule(viewport, orientation === undefined ? undefined : ["camera"]);
    await this.#write({ type: "reset-view", viewport, ...(orientation === undefined ? {} : { orientation }) });
  }

  /**
   * openSeries shows another series or part of the study or the files in the same session. The one on the screen stays
   * until the other has come, also where it cannot come, which rejects.
   */
  openSeries(series: SeriesRef): Promise<void> {
    return this.#content.open(series);
  }

  /** resize asks for pictures of a size in device pixels. */
  resize(width: number, height: number): void {
    if (this.#size?.width === width && this.#size.height === height) return;
    this.#size = { width, height };
    this.pictures.resized();
    this.#lines.send({ type: "resize", width, height });
  }

  /** setHidden says that nobody sees the page: no pictures come. */
  setHidden(hidden: boolean): void {
    this.#hidden = hidden;
    this.#lines.send({ type: "visibility", hidden });
    this.#lines.look();
    if (!hidden) this.check();
  }

  /** check looks whether the connection still stands, after sleep or a change of network. */
  check(): void {
    this.#lines.line?.connection.check();
    this.#lines.line?.pulse.doubt();
  }

  requestStill(): Promise<void> {
    return this.#request({ type: "still" });
  }

  /** submit runs a compute task on this session's data. */
  submit(task: TaskRequest, progress: (share: number) => void, handled?: Handled): Computation {
    const { line } = this.#lines;
    if (line === undefined) throw new ProblemError("unavailable", "The session is not open yet");
    return line.computations.submit(task, progress, handled);
  }

  /** retry opens the session again after it failed or ended, with the same view. */
  async retry(): Promise<void> {
    if (this.#finished) return;
    this.#stop = new AbortController();
    this.#problem = undefined;
    this.#attempt = 0;
    await this.start();
  }

  /** urge asks anew while the session waits: before others, and where nothing is free in the place of an idle session. */
  async urge(): Promise<void> {
    if (this.#pending === undefined || this.#finished) return;
    this.#stop.abort(cancelled);
    this.#stop = new AbortController();
    await this.start(true);
  }

  /** giveUp stops trying to restore the session; retry begins again. */
  giveUp(): void {
    if (this.#state !== "restoring") return;
    this.#stop.abort(new ProblemError("cancelled", "Given up"));
    this.#end(new ProblemError("edge-lost", "The session was interrupted", "It can be opened again, with the same view."));
  }

  /** finish ends the session and releases what it holds. It is safe to call twice. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stop.abort(new ProblemError("cancelled", "Closed"));
    this.#lines.send({ type: "finish" });
    this.#disconnect("finished");
    // The edge may be out of reach; the broker then ends the task.
    if (this.#state !== "failed") this.#place.finish();
    this.#enter("ended");
    this.clear();
  }

  async #begin(urgent = false): Promise<void> {
    this.#enter(this.#state === "restoring" ? "restoring" : "asking");
    const request: TaskRequest = { ...this.#wants(), type: "rendering", parameters: this.#parameters() };
    if (urgent) request.urgent = true;
    if (this.#content.series !== undefined) request.series = this.#content.series;
    const stop = this.#stop.signal;
    const grant = await this.#place.ask(request, stop);
    if (stop.aborted) return;
    this.#waits(undefined, undefined);
    if (grant !== undefined) this.#connect(grant);
  }

  /** waits takes where the task stands in the queue, and whether that is known now. */
  #waits(pending: Pending | undefined, problem: ProblemError | undefined): void {
    this.#pending = pending;
    if (this.#state === "asking" || this.#state === "waiting") {
      this.#problem = problem;
      if (pending !== undefined && this.#state === "asking") this.#enter("waiting");
    }
    this.emit("pending", pending);
  }

  /** parameters are what the edge begins with: the view, and the size of pictures where it is known yet. */
  #parameters(): { view?: ViewState; width?: number; height?: number; upload?: boolean } {
    const upload = this.#content.series === undefined ? { upload: true } : {};
    return { ...(this.#view === undefined ? {} : { view: this.#view }), ...this.#size, ...upload };
  }

  #connect(grant: Grant): void {
    this.#disconnect();
    this.views.restart();
    if (this.#state !== "restoring") this.#enter("connecting");
    this.pictures.follow(this.#lines.connect(grant));
  }

  #listen(): void {
    const lines = this.#lines;
    lines.on("stream", (stream) => { this.emit("stream", stream); });
    lines.on("coming", (stream) => { this.emit("coming", stream); });
    lines.on("hold", (on) => { this.emit("hold", on); });
    lines.on("event", (event) => { this.#event(event); });
    lines.on("open", () => {
      if (this.#size !== undefined) lines.send({ type: "resize", ...this.#size });
      if (this.#hidden) lines.send({ type: "visibility", hidden: true });
    });
    lines.on("interrupted", () => {
      this.#problem = new ProblemError("unavailable", "The connection is interrupted", "The same renderer is being tried again; where it does not answer, another one takes over.");
      this.#enter("restoring");
    });
    lines.on("restored", () => {
      this.#settle();
      lines.input.resume();
      lines.send({ type: "refresh" });
    });
    lines.on("lost", ({ problem, wasOpen }) => { this.#lost(problem, wasOpen); });
    lines.on("arrived", (arrival) => { this.#arrived(arrival); });
  }

  /** arrived goes on at another edge, which shows the same. */
  #arrived({ handover, match }: Arrival): void {
    const { line: { grant, track }, said, told, still, uploader } = handover;
    const from = this.grant?.attempt.node ?? "";
    this.#place.take(grant);
    this.#content.moved(uploader);
    if (said.view !== undefined) this.views.moved(said.view, told);
    this.emit("arrived", { node: grant.attempt.node, from });
    this.told.event(said);
    this.pictures.move(track, match);
    if (still !== undefined) track.taker?.still(still);
    if (this.#hidden) this.#lines.send({ type: "visibility", hidden: true });
    if (this.#state !== "running") this.#settle();
  }

  #event(event: EdgeEvent): void {
    this.told.event(event);
    if (event.view !== undefined) {
      this.views.told(event.view);
      this.#takeView(event.view);
    }
    switch (event.type) {
      case "ready":
        this.#settle();
        this.#content.deliver();
        break;
      case "loaded":
        this.#loaded();
        break;
      case "task-progress":
      case "task-done":
      case "task-waiting":
      case "task-started":
      case "choose":
        this.#lines.line?.computations.event(event);
        this.#lines.look();
        break;
      case "notice":
        if (event.problem !== undefined) this.#content.noticed(ProblemError.from(event.problem));
        break;
      case "ending":
        this.#ending(event.problem && ProblemError.from(event.problem));
        break;
      default: // what else there is was told above
    }
  }

  /** loaded says that what is on the screen is whole. */
  #loaded(): void {
    this.told.load(undefined);
    this.#settle();
    const series = this.told.patients[0];
    if (series !== undefined) this.#content.loaded(series);
  }

  /** takeView follows the edge, but keeps what the hand has moved since. */
  #takeView(view: ViewState): void {
    const { input } = this.#lines;
    if (input.uncovered && this.#view !== undefined) {
      this.#view = { ...patched(view, input.pendingPatch()) };
    } else {
      this.#view = view;
    }
    this.emit("view", this.#view);
  }

  #ending(problem: ProblemError | undefined): void {
    if (problem !== undefined && isFinal(problem)) this.#fail(problem);
    else this.#end(problem ?? new ProblemError("cancelled", "The session has ended"));
  }

  /** settle says what the session does now that it is connected. */
  #settle(): void {
    if (this.#state === "failed" || this.#state === "ended") return;
    this.#problem = undefined;
    this.#attempt = 0;
    this.#enter(this.told.patients.length > 0 && (this.#state === "running" || !this.told.preview) ? "running" : "loading");
  }

  /** lost takes why a connection ended: what signalling said, or nothing where the path was lost. */
  #lost(said: ProblemError | undefined, wasOpen: boolean): void {
    const { then, problem } = lossOf(said, wasOpen, this.#attempt);
    if (then === "begin anew") this.#place.leave();
    if (then === "fail") this.#fail(problem);
    else void this.#restore(problem);
  }

  /** restore opens the session again, on the same edge where that still holds it, until it runs or is given up. */
  async #restore(problem: ProblemError): Promise<void> {
    if (this.#stop.signal.aborted || this.#state === "failed" || this.#state === "ended") return;
    this.#disconnect();
    this.#content.lost();
    this.told.forget();
    if (isFinal(problem)) {
      this.#fail(problem);
      return;
    }
    this.#problem = problem;
    this.#enter("restoring");
    const stop = this.#stop.signal;
    const attempt = this.#attempt++; // it begins anew when a session runs
    try {
      // The first try is at once: another edge may be free.
      if (attempt > 0) await wait(backoffMs(attempt - 1, 1_000), stop);
      if (!(await this.#rejoin())) await this.#begin();
    } catch (error) {
      if (stop.aborted) return;
      void this.#restore(asProblem(error));
    }
  }

  /** rejoin goes on with the same task, on its edge or on another; it says false where the task is over. */
  async #rejoin(): Promise<boolean> {
    const grant = await this.#place.again(this.#parameters(), this.#stop.signal);
    if (grant === undefined) return false;
    this.#connect(grant);
    return true;
  }

  async #write(request: Omit<Request, "id" | "seq">): Promise<void> {
    const seq = this.#sequence.next();
    this.pictures.input(seq, performance.now());
    this.#writing++;
    try {
      await this.#request({ ...request, seq });
    } finally {
      this.#writing--;
      this.#lines.changed();
    }
  }

  #request(request: Omit<Request, "id">): Promise<void> {
    const { line } = this.#lines;
    return line === undefined ? Promise.reject(new ProblemError("unavailable", "The session is not open")) : line.control.request(request);
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#problem = asProblem(error);
    this.#disconnect();
    this.#enter("failed");
  }

  #end(problem: ProblemError): void {
    this.#problem = problem;
    this.#disconnect();
    this.#enter("ended");
  }

  #disconnect(reason?: string): void {
    this.#pending = undefined;
    this.#content.interrupt();
    this.#lines.close(reason);
  }

  #enter(state: State): void {
    this.#state = state;
    this.emit("state", state);
  }
}

