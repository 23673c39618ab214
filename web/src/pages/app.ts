// The pages: a list of studies at /, a study at /viewer, and the pool for operators at /ops. Files may be dropped on them.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { BrokerAPI } from "../client/api.js";
import { BrokerHTTP } from "../client/http.js";
import { deviceOf } from "../client/local.js";
import { Near, pageInstruments } from "../client/near.js";
import { StudiesAPI } from "../client/studies.js";
import { whoAmI } from "../client/who.js";
import { holdsFiles, type Picked, pickedByDrop } from "../files/picked.js";
import { defineTomocastViewer } from "../index.js";
import { frameStyles, stranded } from "../parts/frame.js";
import { icons } from "../parts/icons.js";
import { OpenFiles, tellPicked } from "../parts/open-files.js";
import { PresetList } from "../parts/presets.js";
import { Scrubber } from "../parts/scrubber.js";
import { StandardViews } from "../parts/standard-views.js";
import { StatsPanel } from "../parts/stats-panel.js";
import { buttons, theme } from "../parts/theme.js";
import { Thumbnail } from "../parts/thumbnail.js";
import { WhyPanel } from "../parts/why-panel.js";
import { WindowPanel } from "../parts/window-panel.js";
import { sessionStore } from "../text/store.js";
import { uploadAddress } from "../worklist/address.js";
import { FilterBar } from "../worklist/filter-bar.js";
import { SeriesList } from "../worklist/series-list.js";
import { StudyListPage } from "../worklist/study-list.js";
import { KeepDialog } from "./keep-dialog.js";
import { SeriesMenu } from "./series-menu.js";
import { ViewerPage } from "./viewer-page.js";

/** TomocastApp shows the page of the address. Files that were dropped live in this document, and go when it does. */
export class TomocastApp extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    frameStyles,
    css`
      :host > * {
        height: 100%;
      }
      .drop,
      .refused {
        position: fixed;
        z-index: 10;
      }
      .drop {
        inset: 0;
        display: grid;
        place-items: center;
        height: auto;
        padding: 16px;
        background: rgb(6 10 14 / 0.86);
        pointer-events: none;
      }
      .drop > div {
        display: grid;
        place-items: center;
        align-content: center;
        gap: 10px;
        width: 100%;
        height: 100%;
        border: 2px dashed var(--tc-accent);
        border-radius: 18px;
        color: var(--tc-soft);
        text-align: center;
      }
      .drop svg {
        width: 48px;
        height: 48px;
        color: var(--tc-accent);
      }
      .drop b {
        color: var(--tc-text);
        font-size: 20px;
      }
      .refused {
        left: 50%;
        bottom: 24px;
        height: auto;
        max-width: min(560px, calc(100vw - 32px));
        padding: 12px 18px;
        transform: translateX(-50%);
        border: 1px solid rgb(242 192 99 / 0.5);
        border-radius: 10px;
        background: rgb(30 25 14 / 0.98);
      }
    `,
  ];
  static override readonly properties = { path: { state: true }, picked: { state: true }, dragging: { state: true }, refusal: { state: true }, operator: { state: true }, unloaded: { state: true } };

  declare private path: string;
  declare private picked: Picked | undefined;
  declare private dragging: boolean;
  /** refusal says why what was dropped cannot be opened. */
  declare private refusal: string;
  declare private operator: boolean;
  /** unloaded says that a page's own code did not come. */
  declare private unloaded: boolean;
  #ops: Promise<void> | undefined;
  readonly #http = new BrokerHTTP("");
  readonly #api = new StudiesAPI(this.#http);
  #detach = new AbortController();
  /** turn counts what was opened, so that files dropped on files open anew. */
  #turn = 0;

  constructor() {
    super();
    this.path = location.pathname + location.search;
    this.dragging = false;
    this.refusal = "";
    this.operator = false;
    this.unloaded = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#detach = new AbortController();
    const options = { signal: this.#detach.signal };
    globalThis.addEventListener("dragover", (event) => { this.#over(event); }, options);
    globalThis.addEventListener("dragleave", (event) => { if (event.relatedTarget === null) this.dragging = false; }, options);
    globalThis.addEventListener("drop", (event) => { this.#drop(event); }, options);
    globalThis.addEventListener("popstate", () => { this.#went(); }, options);
    if (location.pathname === "/") {
      whoAmI(this.#http, this.#detach.signal).then(({ operator }) => { this.operator = operator; }, () => undefined);
      ahead();
    }
    this.addEventListener("picked", (event) => { this.#open((event as CustomEvent<Picked>).detail); }, options);
    this.addEventListener("unpicked", (event) => { this.#refuse((event as CustomEvent<unknown>).detail); }, options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#detach.abort();
  }

  protected override render(): TemplateResult {
    return html`${this.#page()}
      ${this.dragging
        ? html`<div class="drop"><div>${icons.folder}<b>Drop to look at it</b><span>Folders, DICOM files, zip files, NIfTI and NRRD</span></div></div>`
        : nothing}
      ${this.refusal === "" ? nothing : html`<div class="refused" role="alert">${this.refusal}</div>`}`;
  }

  #page(): TemplateResult {
    const url = new URL(this.path, location.origin);
    const page = url.pathname.replace(/\/$/, "");
    if (page === "/ops") {
      this.#loadOps();
      return this.unloaded ? stranded("This page could not be loaded", "The broker is out of reach, or has been renewed meanwhile. Load the page again.") : html`<tc-ops-page></tc-ops-page>`;
    }
    if (page !== "/viewer") return html`<tc-study-list .api=${this.#api} ?operator=${this.operator}></tc-study-list>`;
    return html`<tc-viewer-page .api=${this.#api} .query=${url.search} .picked=${this.picked} .turn=${this.#turn}></tc-viewer-page>`;
  }

  /** loadOps loads what only operators need. */
  #loadOps(): void {
    if (this.#ops !== undefined) return;
    this.#ops = import("../ops/define.js").then(({ defineOps }) => { defineOps(); }, () => { this.unloaded = true; });
  }

  #over(event: DragEvent): void {
    if (!holdsFiles(event.dataTransfer)) return;
    event.preventDefault();
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = "copy";
    this.dragging = true;
    this.refusal = "";
  }

  #drop(event: DragEvent): void {
    this.dragging = false;
    const transfer = event.dataTransfer;
    if (transfer === null || !holdsFiles(transfer)) return;
    event.preventDefault();
    tellPicked(this, () => pickedByDrop(transfer));
  }

  #open(picked: Picked): void {
    if (picked.files.length === 0) {
      this.#refuse(new Error(picked.unread > 0 ? "The browser could not read what was dropped." : "There are no files in what was dropped."));
      return;
    }
    this.refusal = "";
    this.picked = picked;
    this.#turn++;
    // Within this document: files that a page holds are gone when it is left.
    if (this.path !== uploadAddress) history.pushState(null, "", uploadAddress);
    this.path = uploadAddress;
    this.requestUpdate();
  }

  #refuse(error: unknown): void {
    this.refusal = error instanceof Error ? error.message : String(error);
  }

  #went(): void {
    this.path = location.pathname + location.search;
  }
}

/** ahead measures, while the list is read, what the request for the first session says: this device, and the way to near edges. */
function ahead(): void {
  const measure = (): void => {
    deviceOf(sessionStore());
    void new Near(new BrokerAPI(""), location.protocol === "https:", pageInstruments(sessionStore())).measure("rendering");
  };
  // Some browsers do not say when they are idle.
  if ("requestIdleCallback" in globalThis) requestIdleCallback(measure, { timeout: 3_000 });
  else setTimeout(measure, 1_000);
}

/** defineApp defines the pages' elements. */
export function defineApp(): void {
  defineTomocastViewer();
  const elements: Record<string, CustomElementConstructor> = {
    "tc-thumbnail": Thumbnail,
    "tc-open-files": OpenFiles,
    "tc-presets": PresetList,
    "tc-views": StandardViews,
    "tc-window": WindowPanel,
    "tc-stats": StatsPanel,
    "tc-why": WhyPanel,
    "tc-scrubber": Scrubber,
    "tc-filters": FilterBar,
    "tc-series": SeriesList,
    "tc-series-menu": SeriesMenu,
    "tc-keep": KeepDialog,
    "tc-study-list": StudyListPage,
    "tc-viewer-page": ViewerPage,
    "tomocast-app": TomocastApp,
  };
  for (const [name, element] of Object.entries(elements)) customElements.define(name, element);
}
