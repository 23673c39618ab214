// A study's page: the viewer and the tools around it.
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { isOfSeries, ProblemError } from "../client/problem.js";
import type { Orientation } from "../client/session-types.js";
import type { Series, StudiesAPI } from "../client/studies.js";
import type { PresetInfo, Window } from "../contract.js";
import type { Tool } from "../element/gestures.js";
import type { TomocastViewer } from "../element/tomocast-viewer.js";
import type { SeriesChoice } from "../element/types.js";
import { noStats, type Stats } from "../element/stats.js";
import type { Picked } from "../files/picked.js";
import { dialogStyles, showDialog } from "../parts/dialog.js";
import { frameStyles, stranded } from "../parts/frame.js";
import { icons } from "../parts/icons.js";
import type { ScrubDetail } from "../parts/scrubber.js";
import { buttons, theme } from "../parts/theme.js";
import { chosen, viewerURL, wayOf } from "../worklist/address.js";
import { AutoWindow } from "./auto-window.js";
import { chooseDialog, chooseStyles } from "./choose-dialog.js";
import { Cine, intervalMs } from "./cine.js";
import { detailOf, extentOf, framesOf, namesOf } from "./shown-words.js";
import { type Choice, choicesOfFiles, choicesOfStudy, othersOf } from "./series-choices.js";
import { viewerPageStyles } from "./viewer-page-styles.js";

/** Sheet is a part of the panel, which a narrow page shows one at a time. */
type Sheet = "" | "series" | "presets" | "views" | "window" | "session";

/** ViewerPage opens the study that the address names, or the files that were picked. */
export class ViewerPage extends LitElement {
  static override readonly styles = [theme, buttons, dialogStyles, frameStyles, viewerPageStyles, chooseStyles];
  static override readonly properties = {
    api: { attribute: false },
    query: { type: String },
    picked: { attribute: false },
    turn: { type: Number },
    listed: { state: true },
    keeping: { state: true },
    tool: { state: true },
    sheet: { state: true },
    panel: { state: true },
    saving: { state: true },
  };

  /** query is the address's: StudyInstanceUIDs and SeriesInstanceUIDs, the first of each counts. */
  declare query: string;
  declare api: StudiesAPI;
  /** picked are files that were dropped or chosen, which this page opens where the address names no study. */
  declare picked: Picked | undefined;
  /** turn changes when files are to be opened, also where they are the same. */
  declare turn: number;
  /** listed are the study's series, once its source has said. */
  declare private listed: Series[];
  declare private keeping: boolean;
  declare private tool: Tool;
  declare private sheet: Sheet;
  declare private panel: boolean;
  declare private saving: boolean;

  /** opened says that the study was on the screen, if only once. */
  #opened = false;
  #listedStudy = "";
  /** asked is the series that is to be on the screen. */
  #asked: SeriesChoice | undefined;
  readonly #auto = new AutoWindow(() => { this.requestUpdate(); });
  readonly #cine = new Cine((at, playing) => { this.#scrub({ at, active: playing }); }, (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => { clearTimeout(timer); };
  });

  constructor() {
    super();
    this.query = "";
    this.turn = 0;
    this.listed = [];
    this.keeping = false;
    this.tool = "rotate";
    this.sheet = "";
    this.panel = true;
    this.saving = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.title = "Tomocast";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#cine.pause();
  }

  protected override updated(changed: PropertyValues<this>): void {
    showDialog(this.renderRoot);
    if (!changed.has("query") && !changed.has("turn")) return;
    this.#opened = false;
    this.listed = [];
    this.#listedStudy = "";
    const choice = chosen(this.query);
    this.#asked = choice;
    const opened = choice === undefined ? this.#files && this.#viewer?.upload(this.#files.files) : this.#viewer?.load(choice);
    // What goes wrong is told by the element itself.
    opened?.catch(() => undefined);
  }

  /** files are those to open, where the address names no study. */
  get #files(): Picked | undefined {
    return chosen(this.query) === undefined && new URLSearchParams(this.query).has("upload") ? this.picked : undefined;
  }

  protected override render(): TemplateResult {
    if (chosen(this.query) === undefined && this.#files === undefined) {
      return new URLSearchParams(this.query).has("upload")
        ? stranded("The files are no longer here", "They were only in the page that has been left or loaded again. Drop or open them once more.")
        : stranded("The address names no study",
          "It has the form /viewer?StudyInstanceUIDs=1.2.3, with a UID of digits and dots. Choose a study from the list.");
    }
    return html`
      ${this.#header()}
      <tomocast-viewer .tool=${this.tool} .way=${wayOf(this.query)} @statechange=${this.#stated} @ready=${this.#ready} @viewchange=${this.#draw} @still=${this.#draw}
        @loading=${this.#draw} @waiting=${this.#draw} @moved=${this.#draw} @loaded=${this.#loaded} @received=${this.#draw} @frame=${this.#frame} @cancel=${this.#leave}>
        <a slot="action" class="button" href="/">Back to studies</a>
        ${this.#others()}
      </tomocast-viewer>
      ${this.#scrubber()}
      ${this.#hasTools ? html`${this.panel ? this.#panel() : nothing} ${this.#bar()}` : nothing}
      ${this.#auto.choices.length === 0 ? nothing : chooseDialog(this.#auto.choices, (handling) => { this.#auto.choose(handling); })}
      ${this.keeping && this.#files !== undefined
        ? html`<tc-keep .api=${this.api} .picked=${this.#files} @close=${() => { this.keeping = false; }}></tc-keep>` : nothing}
    `;
  }

  /** others are offered where a study's series could not be opened. */
  #others(): TemplateResult | typeof nothing {
    const { state, problem } = this.#viewer ?? {};
    if (this.#opened || state !== "failed" || problem === undefined || !isOfSeries(problem)) return nothing;
    const others = othersOf(this.#choices, this.#asked?.seriesInstanceUID);
    return others.length === 0 ? nothing : html`<div slot="choices" class="others">
      <h2>${this.#asked?.seriesInstanceUID === undefined ? "Series of this study" : "Other series of this study"}</h2>
      <tc-series-menu .api=${this.api} .choices=${others} @open=${(event: CustomEvent<Choice>) => { this.#openAnew(event.detail); }}></tc-series-menu>
    </div>`;
  }

  #header(): TemplateResult {
    const viewer = this.#viewer;
    const series = viewer?.series;
    const running = this.#running;
    return html`<header>
      <a class="button plain back" href="/" aria-label="Back to studies">${icons.back}<span>Studies</span></a>
      <div class="who">
        <h1>${series === undefined ? "" : namesOf(series)}</h1>
        <span class="number">${series === undefined || viewer?.loading?.preview === true ? "" : extentOf(series)}</span>
      </div>
      <div class="segments" role="group" aria-label="Left mouse button">
        ${this.#flat ? this.#toolButton("rotate", "Move", icons.move) : this.#toolButton("rotate", "Rotate", icons.rotate)} ${this.#toolButton("window", "Window", icons.window)}
      </div>
      ${this.#files !== undefined && this.#viewer?.received !== undefined && this.#viewer.received.series.length > 0
        ? html`<button class="button keep" aria-label="Keep these files" title="Store these files, so that they are listed" @click=${() => { this.keeping = true; }}>${icons.keep}<span>Keep</span></button>` : nothing}
      <tc-open-files class="open"></tc-open-files>
      <button class="button plain icon" title="Save a lossless picture" aria-label="Save a lossless picture" ?disabled=${!running || this.saving}
        @click=${this.#save}>${icons.snapshot}</button>
      <button class="button plain icon panel-toggle" title="Panel" aria-label="Panel" aria-pressed=${this.panel}
        @click=${() => { this.panel = !this.panel; }}>${icons.panel}</button>
      <button class="button primary done" aria-label="Done" title="End the session and go back to the studies" @click=${this.#done}>${icons.done}<span class="label">Done</span></button>
    </header>`;
  }

  #toolButton(tool: Tool, name: string, icon: TemplateResult): TemplateResult {
    return html`<button class="button" aria-label=${name} title=${name} aria-pressed=${this.tool === tool} @click=${() => { this.tool = tool; }}>${icon}<span>${name}</span></button>`;
  }

  #panel(): TemplateResult {
    const viewer = this.#viewer;
    const viewport = viewer?.view?.viewports[0];
    const running = this.#running;
    const choices = this.#choices;
    return html`<aside aria-label="Tools" data-open=${this.sheet}>
      ${choices.length === 0 ? nothing : html`<section class="series">
        <h2>Series</h2>
        <tc-series-menu .api=${this.api} .choices=${choices} .pictures=${this.#files === undefined} .opening=${this.#openingKey} ?disabled=${!running && viewer?.state !== "loading"}
          @open=${(event: CustomEvent<Choice>) => void this.#openSeries(event.detail)}></tc-series-menu>
      </section>`}
      ${this.#flat ? nothing : html`<section class="presets">
        <h2>Preset</h2>
        ${viewer?.session === undefined
          ? html`<span class="quiet">Presets come with the series.</span>`
          : html`<tc-presets .presets=${viewer.session.presets} .chosen=${viewport?.transfer === undefined ? (viewport?.preset ?? "") : ""}
              .modality=${viewer.series?.modality ?? ""} ?disabled=${!running} @choose=${this.#choosePreset}></tc-presets>`}
      </section>
      <section class="views">
        <h2>View from</h2>
        <tc-views ?disabled=${!running} @look=${(event: CustomEvent<Orientation | undefined>) => { this.#do(viewer?.resetView(event.detail)); }}></tc-views>
      </section>`}
      <section class="window" ?hidden=${this.#flat && viewer?.window === undefined && (viewer?.series?.max ?? 0) <= (viewer?.series?.min ?? 0)}>
        <h2>Window and level</h2>
        <tc-window .window=${viewer?.window} .unit=${viewer?.series?.unit ?? ""} .histogram=${this.#auto.histogram}
          .progress=${this.#auto.progress} .waiting=${this.#auto.waiting} .problem=${this.#auto.problem} .disabled=${!running}
          @window=${(event: CustomEvent<Window>) => { this.#do(viewer?.setView({ viewports: [{ window: event.detail }] })); }}
          @auto=${() => { if (viewer) void this.#auto.run(viewer); }} @cancel=${() => { this.#auto.cancel(); }} ?plain=${this.#flat}></tc-window>
        ${this.#flat ? html`<button class="button reset" ?disabled=${!running} title="As when it was opened (R)" @click=${() => { this.#do(viewer?.resetView()); }}>${icons.reset}Reset the image</button>` : nothing}
      </section>
      <section class="session">
        <h2>Session</h2>
        <tc-stats .read=${this.#stats}></tc-stats>
        <tc-why .placement=${viewer?.placement}></tc-why>
      </section>
      <section class="help">
        <h2>Controls</h2>
        <dl class="keys">${(this.#flat ? flatKeys : volumeKeys).map(([what, how]) => html`<dt>${what}</dt><dd>${how}</dd>`)}</dl>
      </section>
    </aside>`;
  }

  /** bar is what a narrow page has instead of the panel beside the picture. */
  #bar(): TemplateResult {
    const sheet = (name: Sheet, label: string, icon: TemplateResult): TemplateResult =>
      html`<button class="button" aria-expanded=${this.sheet === name}
        @click=${() => { this.panel = true; this.sheet = this.sheet === name ? "" : name; }}>${icon}${label}</button>`;
    return html`<nav aria-label="Tools">
      <button class="button" aria-pressed=${this.tool === "window"}
        @click=${() => { this.tool = this.tool === "window" ? "rotate" : "window"; }}>
        ${this.tool === "window" ? icons.window : this.#flat ? icons.move : icons.rotate}${this.tool === "window" ? "W / L" : this.#flat ? "Move" : "Rotate"}</button>
      ${this.#choices.length === 0 ? nothing : sheet("series", "Series", icons.series)}
      ${this.#flat ? nothing : [sheet("presets", "Preset", icons.presets), sheet("views", "View", icons.views)]}
      ${sheet("window", "Window", icons.auto)} ${sheet("session", "Session", icons.stats)}
    </nav>`;
  }

  /** scrubber goes through time points, or through images of a series that is no volume. */
  #scrubber(): TemplateResult | typeof nothing {
    const viewer = this.#viewer;
    const frames = viewer?.series === undefined ? undefined : framesOf(viewer.series, viewer.flat);
    if (viewer === null || frames === undefined) return nothing;
    const at = viewer.flat ? viewer.image : viewer.timePoint;
    return html`<tc-scrubber name=${frames.name} .count=${frames.count} .at=${at} .detail=${detailOf(frames, at)} playable
      ?playing=${this.#cine.playing} ?disabled=${!this.#running}
      @scrub=${(event: CustomEvent<ScrubDetail>) => { this.#cine.pause(); this.#scrub(event.detail); }}
      @play=${() => { this.#cine.play(frames.count, at, intervalMs(frames.times)); this.requestUpdate(); }}
      @pause=${() => { this.#cine.pause(); this.requestUpdate(); }}></tc-scrubber>`;
  }

  #scrub({ at, active }: ScrubDetail): void {
    if (this.#flat) this.#viewer?.showImage(at, active);
    else this.#viewer?.showTimePoint(at, active);
  }

  /** choices are what can be opened instead; none where there is nothing to choose. */
  get #choices(): Choice[] {
    const viewer = this.#viewer;
    const { series, received } = viewer ?? {};
    const study = chosen(this.query);
    const ofFiles = received === undefined ? [] : choicesOfFiles(received, series);
    const choices = study === undefined ? ofFiles : choicesOfStudy(study.studyInstanceUID, this.listed, series, study.source);
    const [only] = choices;
    return choices.length === 1 && only?.parts.length === 0 && only.shown ? [] : choices;
  }

  get #openingKey(): string {
    const { studyInstanceUID = "", seriesInstanceUID = "", part = 0 } = this.#viewer?.opening ?? {};
    return part > 0 ? `part ${part}` : `${studyInstanceUID} ${seriesInstanceUID}`;
  }

  async #openSeries({ series }: Choice): Promise<void> {
    const viewer = this.#viewer;
    if (viewer === null) return;
    this.#cine.pause();
    this.sheet = "";
    this.#asked = series;
    const asked = viewer.openSeries(series);
    this.requestUpdate();
    try {
      await asked;
      // The address leads to what is on the screen, also after a reload.
      if (this.#files === undefined) history.replaceState(null, "", viewerURL(series));
    } catch (error) {
      // Where nothing is on the screen, the element says it there.
      if (viewer.refused === undefined && !(error instanceof ProblemError && error.code === "cancelled")) viewer.notify(error);
    }
    this.requestUpdate();
  }

  /** openAnew opens another series of the study where there is no session that could show it. */
  #openAnew({ series }: Choice): void {
    this.#asked = series;
    history.replaceState(null, "", viewerURL(series));
    this.#viewer?.load(series).catch(() => undefined);
  }

  readonly #stated = (): void => {
    this.requestUpdate();
    // What else there is can be tried instead.
    if (this.#viewer?.state === "failed") this.#list();
  };

  readonly #loaded = (): void => {
    this.requestUpdate();
    this.#list();
  };

  /** list asks for the series of the study, once for each study. */
  #list(): void {
    const { studyInstanceUID, source = "" } = chosen(this.query) ?? {};
    if (studyInstanceUID === undefined || this.#listedStudy === studyInstanceUID) return;
    this.#listedStudy = studyInstanceUID;
    const of = (): boolean => this.#listedStudy === studyInstanceUID;
    // Without a list there is nothing to choose from; a later opening asks again.
    this.api.series(studyInstanceUID, source).then((listed) => { if (of()) this.listed = listed; }, () => { if (of()) this.#listedStudy = ""; });
  }

  readonly #frame = (): void => {
    const viewer = this.#viewer;
    if (viewer !== null) this.#cine.shown(viewer.flat ? viewer.shownImage : viewer.shownTimePoint);
  };

  readonly #leave = (): void => {
    location.assign("/");
  };

  get #flat(): boolean {
    return this.#viewer?.flat === true;
  }

  get #viewer(): TomocastViewer | null {
    return this.renderRoot.querySelector<TomocastViewer>("tomocast-viewer");
  }

  /** hasTools is false where nothing could be opened: there is nothing to set then, and nothing was measured. */
  get #hasTools(): boolean {
    const state = this.#viewer?.state;
    if (state === "waiting") return this.#opened;
    return this.#opened || (state !== "failed" && state !== "ended");
  }

  get #running(): boolean {
    return this.#viewer?.state === "running";
  }

  readonly #stats = (): Stats => this.#viewer?.stats ?? noStats;

  readonly #draw = (): void => {
    this.requestUpdate();
  };

  readonly #ready = (): void => {
    this.#opened = true;
    this.requestUpdate();
  };

  readonly #choosePreset = (event: CustomEvent<PresetInfo>): void => {
    const { name, mode } = event.detail;
    this.#do(this.#viewer?.setView({ viewports: [{ preset: name, mode, transfer: null, window: null }] }));
  };

  readonly #save = async (): Promise<void> => {
    const viewer = this.#viewer;
    if (viewer === null) return;
    this.saving = true;
    try {
      const url = URL.createObjectURL(await viewer.snapshot());
      const link = document.createElement("a");
      link.href = url;
      // The name says when, and nothing of whom.
      link.download = `tomocast-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}.png`;
      link.click();
      URL.revokeObjectURL(url);
    } catch (error) {
      viewer.notify(error);
    }
    this.saving = false;
  };

  readonly #done = (): void => {
    this.#viewer?.close();
    location.assign("/");
  };

  /** do shows what went wrong with something that the user asked for. */
  #do(asked: Promise<void> | undefined): void {
    asked?.catch((error: unknown) => { this.#viewer?.notify(error); });
  }
}

const volumeKeys = [
  ["Rotate", "Left drag, arrow keys"], ["Pan", "Middle drag, Shift+arrows"], ["Zoom", "Right drag, wheel, + −"],
  ["Window", "Ctrl+left drag"], ["Standard views", "1 to 6"], ["Reset", "R"],
] as const;

const flatKeys = [
  ["Move", "Left drag, Shift+arrows"], ["Zoom", "Right drag, Ctrl+wheel, + −"], ["Window", "Ctrl+left drag"],
  ["Images", "Wheel, up and down"], ["Reset", "R"],
] as const;
