// A study's page: the viewer and the tools around it.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import type { Orientation } from "../client/session-types.js";
import type { PresetInfo, SeriesInfo, Window } from "../contract.js";
import type { Tool } from "../element/gestures.js";
import type { TomocastViewer } from "../element/tomocast-viewer.js";
import { noStats, type Stats } from "../element/stats.js";
import type { SeriesChoice } from "../element/types.js";
import { frameStyles, stranded } from "../parts/frame.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural } from "../text/amount.js";
import { AutoWindow } from "./auto-window.js";
import { viewerPageStyles } from "./viewer-page-styles.js";

/** Sheet is a part of the panel, which a narrow page shows one at a time. */
type Sheet = "" | "presets" | "views" | "window" | "session";

/** ViewerPage opens the study that the address names. */
export class ViewerPage extends LitElement {
  static override readonly styles = [theme, buttons, frameStyles, viewerPageStyles];
  static override readonly properties = {
    query: { type: String },
    tool: { state: true },
    sheet: { state: true },
    panel: { state: true },
    saving: { state: true },
  };

  /** query is the address's: StudyInstanceUIDs and SeriesInstanceUIDs, the first of each counts. */
  declare query: string;
  declare private tool: Tool;
  declare private sheet: Sheet;
  declare private panel: boolean;
  declare private saving: boolean;

  /** opened says that the study was on the screen, if only once. */
  #opened = false;
  readonly #auto = new AutoWindow(() => { this.requestUpdate(); });

  constructor() {
    super();
    this.query = "";
    this.tool = "rotate";
    this.sheet = "";
    this.panel = true;
    this.saving = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.title = "Tomocast";
  }

  protected override firstUpdated(): void {
    const choice = chosen(this.query);
    if (choice === undefined) return;
    // What goes wrong is told by the element itself.
    this.#viewer?.load(choice).catch(() => undefined);
  }

  protected override render(): TemplateResult {
    if (chosen(this.query) === undefined) {
      return stranded("The address names no study",
        "It has the form /viewer?StudyInstanceUIDs=1.2.3, with a UID of digits and dots. Choose a study from the list.");
    }
    return html`
      ${this.#header()}
      <tomocast-viewer .tool=${this.tool} @statechange=${this.#draw} @ready=${this.#ready} @viewchange=${this.#draw} @still=${this.#draw}>
        <a slot="action" class="button" href="/">Back to studies</a>
      </tomocast-viewer>
      ${this.#hasTools ? html`${this.panel ? this.#panel() : nothing} ${this.#bar()}` : nothing}
    `;
  }

  #header(): TemplateResult {
    const series = this.#viewer?.series;
    const running = this.#running;
    return html`<header>
      <a class="button plain back" href="/" aria-label="Back to studies">${icons.back}<span>Studies</span></a>
      <div class="who">
        <h1>${series === undefined ? "" : [series.studyDescription, series.seriesDescription, series.modality].find(Boolean)}</h1>
        <span class="number">${series === undefined ? "" : extent(series)}</span>
      </div>
      <div class="segments" role="group" aria-label="Left mouse button">
        ${this.#toolButton("rotate", "Rotate", icons.rotate)} ${this.#toolButton("window", "Window", icons.window)}
      </div>
      <button class="button plain icon" title="Save a lossless picture" aria-label="Save a lossless picture" ?disabled=${!running || this.saving}
        @click=${this.#save}>${icons.snapshot}</button>
      <button class="button plain icon panel-toggle" title="Panel" aria-label="Panel" aria-pressed=${this.panel}
        @click=${() => { this.panel = !this.panel; }}>${icons.panel}</button>
      <button class="button primary done" aria-label="Done" @click=${this.#done}>${icons.done}<span class="label">Done</span></button>
    </header>`;
  }

  #toolButton(tool: Tool, name: string, icon: TemplateResult): TemplateResult {
    return html`<button class="button" aria-pressed=${this.tool === tool} @click=${() => { this.tool = tool; }}>${icon}${name}</button>`;
  }

  #panel(): TemplateResult {
    const viewer = this.#viewer;
    const viewport = viewer?.view?.viewports[0];
    const running = this.#running;
    return html`<aside aria-label="Tools" data-open=${this.sheet}>
      <section class="presets">
        <h2>Preset</h2>
        ${viewer?.session === undefined
          ? html`<span class="quiet">Presets come with the series.</span>`
          : html`<tc-presets .presets=${viewer.session.presets} .chosen=${viewport?.transfer === undefined ? (viewport?.preset ?? "") : ""}
              .modality=${viewer.series?.modality ?? ""} ?disabled=${!running} @choose=${this.#choosePreset}></tc-presets>`}
      </section>
      <section class="views">
        <h2>View from</h2>
        <tc-views ?disabled=${!running} @look=${(event: CustomEvent<Orientation | undefined>) => { this.#do(viewer?.resetView(event.detail)); }}></tc-views>
      </section>
      <section class="window">
        <h2>Window and level</h2>
        <tc-window .window=${viewer?.window} .unit=${viewer?.series?.unit ?? ""} .histogram=${this.#auto.histogram}
          .progress=${this.#auto.progress} .problem=${this.#auto.problem} .disabled=${!running}
          @window=${(event: CustomEvent<Window>) => { this.#do(viewer?.setView({ viewports: [{ window: event.detail }] })); }}
          @auto=${() => { if (viewer) void this.#auto.run(viewer); }} @cancel=${() => { this.#auto.cancel(); }}></tc-window>
      </section>
      <section class="session">
        <h2>Session</h2>
        <tc-stats .read=${this.#stats}></tc-stats>
      </section>
      <section class="help">
        <h2>Controls</h2>
        <dl class="keys">
          <dt>Rotate</dt><dd>Left drag, arrow keys</dd>
          <dt>Pan</dt><dd>Middle drag, Shift+arrows</dd>
          <dt>Zoom</dt><dd>Right drag, wheel, + −</dd>
          <dt>Window</dt><dd>Ctrl+left drag</dd>
          <dt>Standard views</dt><dd>1 to 6</dd>
          <dt>Reset</dt><dd>R</dd>
        </dl>
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
        ${this.tool === "window" ? icons.window : icons.rotate}${this.tool === "window" ? "W / L" : "Rotate"}</button>
      ${sheet("presets", "Preset", icons.presets)} ${sheet("views", "View", icons.views)} ${sheet("window", "Window", icons.auto)}
      ${sheet("session", "Session", icons.stats)}
    </nav>`;
  }

  get #viewer(): TomocastViewer | null {
    return this.renderRoot.querySelector<TomocastViewer>("tomocast-viewer");
  }

  /** hasTools is false where nothing could be opened: there is nothing to set then, and nothing was measured. */
  get #hasTools(): boolean {
    const state = this.#viewer?.state;
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

/** extent is how much a series is: its slices and the size of its voxels. */
function extent({ size, spacingMm }: SeriesInfo): string {
  const mm = spacingMm.map((side) => side.toFixed(2).replace(/\.?0+$/, "")).join(" × ");
  return `${plural(size[2], "slice")} of ${size[0]} × ${size[1]}, voxels of ${mm} mm`;
}

/** chosen is what an address names, or nothing where it names no study. */
export function chosen(query: string): SeriesChoice | undefined {
  const parameters = new URLSearchParams(query);
  const first = (name: string): string => parameters.get(name)?.split(/[,\\]/)[0]?.trim() ?? "";
  const studyInstanceUID = first("StudyInstanceUIDs");
  const seriesInstanceUID = first("SeriesInstanceUIDs");
  const uid = /^[0-9.]{1,64}$/;
  if (!uid.test(studyInstanceUID)) return undefined;
  return uid.test(seriesInstanceUID) ? { studyInstanceUID, seriesInstanceUID } : { studyInstanceUID };
}
