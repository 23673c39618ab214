// <tomocast-viewer>: a study, rendered by an edge, in one element.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { type Letters, lettersOf } from "../camera/letters.js";
import { BrokerHTTP } from "../client/http.js";
import type { Picture } from "../client/pictures.js";
import type { Session } from "../client/session.js";
import type { Still } from "../client/still.js";
import { whoAmI } from "../client/who.js";
import type { Camera, SeriesInfo, Window } from "../contract.js";
import { dialogStyles, showDialog } from "../parts/dialog.js";
import { buttons, theme } from "../parts/theme.js";
import { concernsOf } from "../text/warnings.js";
import { concernStyles } from "./concern-styles.js";
import { concernsButton, concernsList } from "./concerns.js";
import { watchSize } from "./fit.js";
import { Gestures, type Handled, type Tool } from "./gestures.js";
import { Notices } from "./notices.js";
import { footer, inViewport, placeOf, seriesOf, type Shown, shownOf } from "./overlay.js";
import { queueStyles } from "./queue-styles.js";
import { SessionElement } from "./session-element.js";
import { situation } from "./situation.js";
import { StillLayer } from "./still-layer.js";
import { viewerStyles } from "./styles.js";
import type { Quality } from "./types.js";
import { Videos } from "./videos.js";

/**
 * TomocastViewer shows one series and lets a hand turn it. It draws whose series it is, which way it faces, what
 * the picture is, what is to be known of it, and what goes on; tools around it are the page's, by its properties and
 * methods.
 *
 * In HTML, `<tomocast-viewer study="1.2.3" series="1.2.3.4" series-part="1" source="main-pacs">` opens a series by itself, and
 * another one when an attribute changes; only `study` is needed. A script calls load, upload and openSeries instead.
 * Events (ViewerEvents has their details): "ready" and "loaded" when a series has come, "warnings" and "parts" with what
 * there is to know of it, "loading", "sending" and "received" on the way, "cancel" where the user has cancelled it,
 * "waiting" where it has no place yet, "error" with what went wrong in words, "statechange", "viewchange", "frame" and "still".
 *
 * A slot "action" takes a link or button that is offered beside Retry where a session has failed, and a slot "choices"
 * what can be opened instead.
 */
export class TomocastViewer extends SessionElement {
  static override readonly styles = [theme, buttons, dialogStyles, viewerStyles, concernStyles, queueStyles];
  static override readonly properties = {
    ...SessionElement.properties,
    tool: { type: String, reflect: true },
    quality: { state: true },
    letters: { state: true },
    concerned: { state: true },
    urging: { state: true },
    mayUrge: { state: true },
  };

  /** tool is what a left drag or one finger does. */
  declare tool: Tool;

  declare private quality: Quality | undefined;
  /** letters of each viewport, in the order of the view. */
  declare private letters: Letters[];
  /** concerned says that the list of warnings is open. */
  declare private concerned: boolean;
  /** urging says that the user is asked whether to go before others; mayUrge that that is the user's right. */
  declare private urging: boolean;
  declare private mayUrge: boolean;

  /** window is that of the picture on the screen. */
  #window: Window | undefined;
  #still: StillLayer | undefined;
  #videos: Videos | undefined;
  #gestures: Gestures | undefined;
  #detach: (() => void)[] = [];
  readonly #notices = new Notices(() => { this.version++; });

  constructor() {
    super();
    this.tool = "rotate";
    this.letters = [];
    this.concerned = false;
    this.urging = false;
    this.mayUrge = false;
  }

  protected override updated(changed: PropertyValues<this>): void {
    super.updated(changed);
    showDialog(this.renderRoot);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const page = new AbortController();
    const options = { signal: page.signal };
    document.addEventListener("visibilitychange", () => { this.current?.setHidden(document.visibilityState === "hidden"); }, options);
    globalThis.addEventListener("online", () => { this.current?.check(); }, options);
    globalThis.addEventListener("pageshow", (event) => { if (event.persisted) this.current?.check(); }, options);
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
    const { series, state } = this;
    const session = this.current;
    const view = session?.views.shown ?? this.view;
    const concerns = state === "idle" ? concernsOf(undefined) : concernsOf(series, this.received?.series.length === 0 ? undefined : this.received);
    const toggle = (): void => { this.concerned = !this.concerned; };
    return html`
      <div class="stage ${this.tool}" part="stage" tabindex="0" role="application" aria-roledescription=${this.flat ? "image" : "3D view"}
        aria-label=${spokenLabel(this.flat, this.letters[0])}>
        <div class="picture ${this.refused === undefined ? "" : "gone"}" style=${size}>
          <video autoplay playsinline muted .muted=${true} disablepictureinpicture aria-hidden="true"></video>
          <video autoplay playsinline muted .muted=${true} disablepictureinpicture aria-hidden="true" class="back"></video>
          <img class="still" alt="" hidden />
          <div class="over ${this.flat ? "flat" : ""}">
            ${view?.viewports.map((viewport, i) => inViewport(viewport.rect, seriesOf(viewport, session?.told.patients ?? []),
              viewport.mode === "image" ? undefined : this.letters[i]))}
            ${footer({ shown: this.#shown, window: series === undefined ? undefined : this.windowOf(view), series, session: this.session,
              place: placeOf(view?.viewports[0], series), concerns: concernsButton(concerns, this.concerned, toggle) })}
          </div>
        </div>
      </div>
      ${situation({
        state,
        problem: session?.problem,
        attempt: session?.attempt ?? 0,
        pending: session?.pending,
        urgent: this.mayUrge,
        urging: this.urging,
        loading: this.loading,
        opening: session?.told.opening !== undefined,
        sent: session?.told.sent,
        received: this.received,
        refused: this.refused,
        hasPicture: this.quality !== undefined,
        retry: () => { this.retry(); },
        giveUp: () => { session?.giveUp(); },
        cancel: () => { this.cancel(); },
        askUrgent: (open) => { this.urging = open; },
        urge: () => {
          this.urging = false;
          void session?.urge();
        },
      })}
      ${this.concerned ? concernsList(concerns, toggle) : nothing}
      ${this.#notices.text === "" ? nothing : html`<div class="notice" role="status"><span>${this.#notices.text}</span>
        <button class="button" @click=${this.#notices.dismiss}>Dismiss</button></div>`}
      <div class="visually-hidden" role="status" aria-live="polite">${this.#spoken()}</div>
    `;
  }

  /** shown is what the badge says of the picture: a picture that stands still for want of a connection is not live. */
  get #shown(): Shown | undefined {
    const unshown = this.refused !== undefined || this.received?.series.length === 0;
    return shownOf(this.state, this.quality, this.current?.told.preview === true, unshown);
  }

  /** handled is what gestures act on. */
  #handled(): Handled {
    return {
      tool: () => this.tool,
      camera: () => (this.state === "running" || this.current?.told.preview === true ? this.viewport?.camera : undefined),
      window: () => this.window ?? wholeRange(this.flat ? this.series : undefined),
      extent: () => {
        const { diagonalMm = 500, min = 0, max = 1000 } = this.series ?? {};
        return { diagonalMm, range: Math.max(1e-3, max - min) };
      },
      images: () => (this.flat ? Math.max(1, this.series?.images ?? 1) : 0),
      step: (by) => {
        const last = (this.series?.images ?? 1) - 1;
        this.showImage(Math.min(last, Math.max(0, this.image + by)));
      },
      move: (moved, active) => { this.change({ ...moved }, active); },
      look: (orientation) => {
        this.resetView(orientation).catch((error: unknown) => { this.tell(error); });
      },
    };
  }

  #attach(): void {
    const root = this.renderRoot;
    const stage = root.querySelector<HTMLElement>(".stage");
    const [front, back] = root.querySelectorAll("video");
    const image = root.querySelector<HTMLImageElement>(".still");
    if (stage === null || front === undefined || back === undefined || image === null) return;
    this.#still = new StillLayer(image);
    const videos = new Videos(front, back, {
      front: (frame) => { this.current?.pictures.shown(frame); },
      back: (frame) => { this.current?.lines.comes(frame); },
      frontTimestamp: () => this.current?.connection?.newestTimestamp(),
      backTimestamp: () => this.current?.lines.comingTimestamp(),
    }, (play) => { this.addEventListener("pointerdown", play, { once: true }); });
    this.#videos = videos;
    const gestures = new Gestures(stage, this.#handled());
    this.#gestures = gestures;
    this.#detach.push(
      () => { gestures.detach(); },
      watchSize(this, (fit) => {
        this.fit = fit;
        this.current?.resize(fit.width, fit.height);
      }),
      () => { videos.detach(); },
    );
  }

  protected override draws(session: Session): void {
    session.on("loaded", () => { this.concerned = false; });
    session.on("state", (state) => {
      if (state !== "waiting") this.urging = false;
      // Who may go before others is of interest only to those who wait.
      if (state === "waiting") whoAmI(new BrokerHTTP(this.endpoint, this.getToken)).then(({ urgent }) => { this.mayUrge = urgent; }, () => undefined);
    });
    session.on("stream", (stream) => { this.#videos?.show(stream); });
    session.on("coming", (stream) => { this.#videos?.prepare(stream); });
    session.on("hold", (on) => { this.#videos?.hold(on); });
    session.on("arrived", () => { this.#videos?.swap(); });
    session.pictures.on("picture", (picture) => { this.#picture(picture); });
    session.pictures.on("still", (still) => { void this.#showStill(session, still); });
    session.pictures.on("moved", () => { this.#still?.hide(); });
  }

  #picture({ stamp, motionToPhotonMs }: Picture): void {
    this.#face(stamp.cameras ?? []);
    const window = this.windowOf(this.current?.views.shown);
    if (window?.width !== this.#window?.width || window?.center !== this.#window?.center) this.version++;
    this.#window = window;
    if (this.current?.pictures.still === undefined) this.quality = stamp.quality;
    this.dispatch("frame", {
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
    if (session !== this.current || session.pictures.still !== still) {
      this.#still.hide();
      return;
    }
    this.#face(still.header.cameras ?? []);
    this.quality = "lossless";
    this.dispatch("still", { revision: still.header.rev, sha256: still.header.sha256, sinceInputMs: still.header.sinceInputMs });
  }

  #face(cameras: Camera[]): void {
    if (cameras.length === 0) return;
    const letters = cameras.map(lettersOf);
    if (JSON.stringify(letters) !== JSON.stringify(this.letters)) this.letters = letters;
  }

  protected override wipe(): void {
    this.#still?.hide();
    this.quality = undefined;
    this.letters = [];
    this.concerned = false;
    this.#videos?.wipe();
  }

  protected override letGo(): void {
    this.#gestures?.forget();
  }

  protected override say(text: string): void {
    this.#notices.show(text);
  }

  #spoken(): string {
    const { state } = this;
    if (state === "running") return this.quality === "lossless" ? "Lossless picture" : "";
    return state === "idle" ? "" : state;
  }
}

/** wholeRange is where a hand begins with images that each have a window of their own; colour has none. */
function wholeRange(series: SeriesInfo | undefined): Window | undefined {
  if (series === undefined || series.max <= series.min) return undefined;
  return { center: (series.min + series.max) / 2, width: series.max - series.min };
}

function spokenLabel(flat: boolean, letters: Letters | undefined): string {
  if (flat) return "Image. Up and down go through the images, plus and minus zoom, shift and arrows move it, R resets.";
  const facing = letters === undefined ? "" : ` Right edge of the picture is ${letters.right}, top is ${letters.top}.`;
  return `3D view.${facing} Arrow keys turn, shift and arrows move, plus and minus zoom, 1 to 6 are the standard views, R resets.`;
}
