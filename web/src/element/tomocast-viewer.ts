// <tomocast-viewer>: a study, rendered by an edge, in one element.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { type Letters, lettersOf } from "../camera/letters.js";
import { BrokerAPI, type GetToken } from "../client/api.js";
import type { Computation } from "../client/compute.js";
import type { Picture } from "../client/pictures.js";
import { explain, ProblemError } from "../client/problem.js";
import { Session } from "../client/session.js";
import type { Orientation, State } from "../client/session-types.js";
import type { Still } from "../client/still.js";
import type {
  Camera,
  Loading,
  SeriesInfo,
  SessionInfo,
  TaskRequest,
  ViewState,
  Viewport,
  Window,
} from "../contract.js";
import { buttons, theme } from "../parts/theme.js";
import { choiceOf, patchOf } from "./asked.js";
import { type Fit, watchSize } from "./fit.js";
import { watchFrames } from "./frames.js";
import { Gestures, type Handled, type Tool } from "./gestures.js";
import { directions, footer, identity, type Shown, situation } from "./overlay.js";
import { pngOf } from "./snapshot.js";
import { type Stats, noStats } from "./stats.js";
import { Meter } from "./meter.js";
import { StillLayer } from "./still-layer.js";
import { viewerStyles } from "./styles.js";
import type { PartialView, Quality, SeriesChoice, ViewerEvents } from "./types.js";

const stillWithinMs = 20_000;

/**
 * TomocastViewer shows one series and lets a hand turn it. It draws whose series it is, which way it faces, what
 * the picture is and what goes on; tools around it are the page's, by its properties and methods.
 *
 * A slot "action" takes a link or button that is offered beside Retry where a session has failed.
 */
export class TomocastViewer extends LitElement {
  static override readonly styles = [theme, buttons, viewerStyles];
  static override readonly properties = {
    endpoint: { type: String },
    tool: { type: String, reflect: true },
    getToken: { attribute: false },
    fit: { state: true },
    quality: { state: true },
    letters: { state: true },
    notice: { state: true },
    version: { state: true },
  };

  /** endpoint is the broker's URL; empty is the page's own origin. */
  declare endpoint: string;
  /** tool is what a left drag or one finger does. */
  declare tool: Tool;
  /** getToken returns the user's bearer token; without it the broker's own cookie is used. */
  declare getToken: GetToken | undefined;

  declare private fit: Fit | undefined;
  declare private quality: Quality | undefined;
  declare private letters: Letters | undefined;
  declare private notice: string;
  /** version counts what the session told, so that it is drawn. */
  declare private version: number;

  #session: Session | undefined;
  #opening: ViewState | undefined;
  #ready = false;
  /** window is that of the picture on the screen. */
  #window: Window | undefined;
  #meter = new Meter();
  #still: StillLayer | undefined;
  #gestures: Gestures | undefined;
  #detach: (() => void)[] = [];
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.endpoint = "";
    this.tool = "rotate";
    this.getToken = undefined;
    this.notice = "";
    this.version = 0;
  }

  /** state is where the session is. */
  get state(): State | "idle" {
    return this.#session?.state ?? "idle";
  }

  /** view is what is shown, or is on its way; setting it shows that, or opens the next series with it. */
  get view(): ViewState | undefined {
    return this.#session?.view ?? this.#opening;
  }

  set view(view: ViewState | undefined) {
    this.#opening = view;
    if (view !== undefined && this.#session?.view !== undefined) this.setView(view).catch((error: unknown) => { this.#tell(error); });
  }

  /** stats is what was measured lately. */
  get stats(): Stats {
    return this.#session === undefined ? noStats : this.#meter.stats(this.#session);
  }

  /** series describes the series on the screen, whose patient it is included. */
  get series(): SeriesInfo | undefined {
    return this.#session?.patients[0];
  }

  /** session describes the edge's side: renderer, codec, presets. */
  get session(): SessionInfo | undefined {
    return this.#session?.info;
  }

  get loading(): Loading | undefined {
    return this.#session?.loading;
  }

  /** window is that of the view: its own, or its preset's. */
  get window(): Window | undefined {
    return this.#windowOf(this.view);
  }

  /**
   * load opens a series. It resolves when the edge has it complete, and rejects where that fails. A choice that names
   * no study is refused, and what is open stays.
   */
  async load(choice: SeriesChoice): Promise<void> {
    const chosen = choiceOf(choice);
    this.close();
    await this.updateComplete;
    const api = new BrokerAPI(this.endpoint, this.getToken);
    const session = new Session(api, chosen, this.#opening);
    this.#opening = undefined;
    this.#session = session;
    this.#ready = false;
    this.#meter = new Meter();
    const loaded = new Promise<void>((resolve, reject) => {
      this.#follow(session, resolve, reject);
    });
    if (this.fit !== undefined) session.resize(this.fit.width, this.fit.height);
    void session.start();
    await loaded;
  }

  /** setView changes parts of the view: per viewport only the fields that change, each whole. */
  async setView(change: PartialView): Promise<void> {
    const session = this.#open();
    const view = session.view;
    if (view === undefined) throw new ProblemError("unavailable", "The series is still loading");
    const patch = patchOf(view, change);
    this.#gestures?.forget();
    await session.setView(patch);
  }

  /** resetView looks from a standard side; without one, everything is as when the series was opened. */
  async resetView(orientation?: Orientation): Promise<void> {
    const viewport = this.#viewport;
    if (viewport === undefined) return;
    this.#gestures?.forget();
    await this.#open().resetView(viewport.id, orientation);
  }

  /** snapshot is the present view as a lossless PNG, whose hash was checked against the renderer's. */
  async snapshot(): Promise<Blob> {
    const { pictures } = this.#open();
    if (pictures.still !== undefined) return pngOf(pictures.still);
    const still = new Promise<Still>((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        reject(new ProblemError("unavailable", "No lossless picture came", "Hold the picture still and try again."));
      }, stillWithinMs);
      const stop = pictures.on("still", (found) => {
        clearTimeout(timer);
        stop();
        resolve(found);
      });
    });
    // The request may fail first; then its reason is what the caller hears.
    const [found] = await Promise.all([still, this.#open().requestStill()]);
    return pngOf(found);
  }

  /** compute runs a compute task on the series on the screen. */
  compute(task: Omit<TaskRequest, "series">, progress: (share: number) => void): Computation {
    const series = this.series?.series;
    if (series === undefined) throw new ProblemError("unavailable", "The series is still loading");
    return this.#open().submit({ ...task, series }, progress);
  }

  /** retry opens the session again, with the same view, after it failed or ended. */
  retry(): void {
    void this.#session?.retry();
  }

  /** notify shows an error in words over the picture for a while, and dispatches it. */
  notify(error: unknown): void {
    this.#tell(error);
  }

  /** close ends the session and releases what it holds on the edge. */
  close(): void {
    const session = this.#session;
    if (session === undefined) return;
    session.finish();
    this.#session = undefined;
    this.#clearPicture();
    this.#tellState();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const page = new AbortController();
    const options = { signal: page.signal };
    document.addEventListener("visibilitychange", () => { this.#session?.setHidden(document.visibilityState === "hidden"); }, options);
    globalThis.addEventListener("online", () => { this.#session?.check(); }, options);
    globalThis.addEventListener("pageshow", (event) => { if (event.persisted) this.#session?.check(); }, options);
    globalThis.addEventListener("pagehide", (event) => { if (!event.persisted) this.close(); }, options);
    this.#detach = [() => { page.abort(); }];
    if (this.hasUpdated) this.#attach();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const detach of this.#detach.splice(0)) detach();
    // An element that is only moved is connected again at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.close();
    });
  }

  protected override firstUpdated(): void {
    this.#attach();
  }

  protected override render(): TemplateResult {
    const fit = this.fit;
    const size = fit === undefined ? "width:100%;height:100%" : `width:${fit.cssWidth}px;height:${fit.cssHeight}px`;
    const series = this.series;
    return html`
      <div class="stage ${this.tool}" part="stage" tabindex="0" role="application" aria-roledescription="3D view"
        aria-label=${this.#label()}>
        <div class="picture" style=${size}>
          <video autoplay playsinline muted .muted=${true} disablepictureinpicture aria-hidden="true"></video>
          <img class="still" alt="" hidden />
          <div class="over">
            ${this.letters === undefined ? nothing : directions(this.letters)}
            ${series === undefined ? nothing : identity(series)}
            ${footer(this.#shown, series === undefined ? undefined : this.#windowOf(this.#session?.views.shown), series, this.session)}
          </div>
        </div>
      </div>
      ${situation({
        state: this.state,
        problem: this.#session?.problem,
        attempt: this.#session?.attempt ?? 0,
        loading: this.loading,
        hasPicture: this.quality !== undefined,
        retry: () => { this.retry(); },
        giveUp: () => { this.#session?.giveUp(); },
      })}
      ${this.notice === "" ? nothing : html`<div class="notice" role="status"><span>${this.notice}</span>
        <button class="button" @click=${() => { this.notice = ""; }}>Dismiss</button></div>`}
      <div class="visually-hidden" role="status" aria-live="polite">${this.#spoken()}</div>
    `;
  }

  /** shown is what the badge says of the picture: a picture that stands still for want of a connection is not live. */
  get #shown(): Shown | undefined {
    if (this.state === "loading") return "loading";
    return this.quality === undefined || this.state === "running" ? this.quality : "stale";
  }

  /** handled is what gestures act on. */
  #handled(): Handled {
    return {
      tool: () => this.tool,
      camera: () => (this.state === "running" ? this.#viewport?.camera : undefined),
      window: () => this.window,
      extent: () => {
        const { diagonalMm = 500, min = 0, max = 1000 } = this.series ?? {};
        return { diagonalMm, range: Math.max(1e-3, max - min) };
      },
      move: (moved, active) => {
        const viewport = this.#viewport;
        if (viewport !== undefined) this.#session?.change({ id: viewport.id, ...moved }, active);
      },
      look: (orientation) => {
        this.resetView(orientation).catch((error: unknown) => { this.#tell(error); });
      },
    };
  }

  get #viewport(): Viewport | undefined {
    return this.#session?.view?.viewports[0];
  }

  #windowOf(view: ViewState | undefined): Window | undefined {
    const viewport = view?.viewports[0];
    return viewport?.window ?? this.session?.presets.find((preset) => preset.name === viewport?.preset)?.window;
  }

  #open(): Session {
    if (this.#session === undefined) throw new ProblemError("bad-request", "No series is open", "Call load first.");
    return this.#session;
  }

  #attach(): void {
    const root = this.renderRoot;
    const stage = root.querySelector<HTMLElement>(".stage");
    const video = root.querySelector("video");
    const image = root.querySelector<HTMLImageElement>(".still");
    if (stage === null || video === null || image === null) return;
    this.#still = new StillLayer(image);
    const gestures = new Gestures(stage, this.#handled());
    this.#gestures = gestures;
    this.#detach.push(
      () => { gestures.detach(); },
      watchSize(this, (fit) => {
        this.fit = fit;
        this.#session?.resize(fit.width, fit.height);
      }),
      watchFrames(
        video,
        (frame) => { this.#session?.pictures.shown(frame); },
        () => this.#session?.newestTimestamp(),
      ),
    );
  }

  #follow(session: Session, loaded: () => void, failed: (error: Error) => void): void {
    const draw = (): void => { this.version++; };
    session.report(() => this.#meter.display());
    session.on("state", (state) => {
      if (state === "restoring" || state === "failed" || state === "ended") this.quality = this.letters === undefined ? undefined : this.quality;
      if (state === "failed" && session.problem !== undefined) {
        failed(session.problem);
        this.#tell(session.problem, false);
      }
      if (state === "running" && !this.#ready && session.view !== undefined) {
        this.#ready = true;
        loaded();
        this.#dispatch("ready", { view: session.view });
      }
      draw();
      this.#tellState();
    });
    for (const name of ["series", "info", "loading"] as const) session.on(name, draw);
    session.on("view", (view) => {
      draw();
      this.#dispatch("viewchange", { view });
    });
    session.on("notice", (problem) => { this.#tell(problem); });
    session.on("stream", (stream) => {
      const video = this.renderRoot.querySelector("video");
      if (video === null) return;
      video.srcObject = stream;
      // Muted video may play by itself; where a browser refuses, the next touch of the page starts it.
      video.play().catch(() => { this.addEventListener("pointerdown", () => void video.play(), { once: true }); });
    });
    session.pictures.on("picture", (picture) => { this.#picture(picture); });
    session.pictures.on("still", (still) => { void this.#showStill(session, still); });
    session.pictures.on("moved", () => { this.#still?.hide(); });
    this.#meter.follow(session);
  }

  #picture({ stamp, motionToPhotonMs }: Picture): void {
    const camera = stamp.cameras?.[0];
    if (camera !== undefined) this.#face(camera);
    const window = this.#windowOf(this.#session?.views.shown);
    if (window?.width !== this.#window?.width || window?.center !== this.#window?.center) this.version++;
    this.#window = window;
    if (this.#session?.pictures.still === undefined) this.quality = stamp.quality;
    this.#dispatch("frame", {
      revision: stamp.rev,
      rtpTimestamp: stamp.rtp,
      renderMs: stamp.times.render,
      encodeMs: stamp.times.encode,
      quality: stamp.quality,
      cameras: stamp.cameras ?? [],
      ...(motionToPhotonMs === undefined ? {} : { motionToPhotonMs }),
    });
  }

  async #showStill(session: Session, still: Still): Promise<void> {
    if (this.#still === undefined || !(await this.#still.show(still))) return;
    if (session !== this.#session || session.pictures.still !== still) {
      this.#still.hide();
      return;
    }
    const camera = still.header.cameras?.[0];
    if (camera !== undefined) this.#face(camera);
    this.quality = "lossless";
    this.#dispatch("still", { revision: still.header.rev, sha256: still.header.sha256, sinceInputMs: still.header.sinceInputMs });
  }

  #face(camera: Camera): void {
    const letters = lettersOf(camera);
    const before = this.letters;
    const same = before !== undefined && (["left", "right", "top", "bottom"] as const).every((edge) => before[edge] === letters[edge]);
    if (!same) this.letters = letters;
  }

  #clearPicture(): void {
    this.#still?.hide();
    this.quality = undefined;
    this.letters = undefined;
    const video = this.renderRoot.querySelector("video");
    if (video !== null) video.srcObject = null;
  }

  #tell(error: unknown, show = true): void {
    const { title, detail } = explain(error);
    const code = error instanceof ProblemError ? error.code : "internal";
    if (show) {
      this.notice = detail === "" ? title : `${title}. ${detail}`;
      clearTimeout(this.#noticeTimer);
      this.#noticeTimer = setTimeout(() => { this.notice = ""; }, 8_000);
    }
    this.#dispatch("error", { code, title, detail });
  }

  #tellState(): void {
    this.#dispatch("statechange", { state: this.state });
  }

  #dispatch<Name extends keyof ViewerEvents>(name: Name, detail: ViewerEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #label(): string {
    const facing = this.letters === undefined ? "" : ` Right edge of the picture is ${this.letters.right}, top is ${this.letters.top}.`;
    return `3D view.${facing} Arrow keys turn, shift and arrows move, plus and minus zoom, 1 to 6 are the standard views, R resets.`;
  }

  #spoken(): string {
    const { state } = this;
    if (state === "running") return this.quality === "lossless" ? "Lossless picture" : "";
    return state === "idle" ? "" : state;
  }
}
