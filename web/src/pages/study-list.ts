// The list of studies.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import type { BrokerAPI, Series, Study } from "../client/api.js";
import { type Explanation, explain } from "../client/problem.js";
import { framed, frameStyles } from "../parts/frame.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural } from "../text/amount.js";
import { isoDate, personName, sexWord } from "../text/person.js";
import { listStyles } from "./study-list-styles.js";

const typingMs = 200;

/** StudyListPage finds a study and opens it. */
export class StudyListPage extends LitElement {
  static override readonly styles = [theme, buttons, frameStyles, listStyles];
  static override readonly properties = {
    api: { attribute: false },
    studies: { state: true },
    total: { state: true },
    problem: { state: true },
    busy: { state: true },
    open: { state: true },
    series: { state: true },
  };

  declare api: BrokerAPI;
  declare private studies: Study[] | undefined;
  declare private total: number;
  declare private problem: Explanation | undefined;
  declare private busy: boolean;
  /** open is the study whose series are shown. */
  declare private open: string;
  declare private series: Series[] | Explanation | undefined;

  #search = "";
  #asked: AbortController | undefined;
  #typing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.busy = false;
    this.total = 0;
    this.open = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.title = "Studies – Tomocast";
    void this.#ask();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asked?.abort();
    clearTimeout(this.#typing);
  }

  protected override render(): TemplateResult {
    return framed(html`
      <div class="top">
        <h1>Studies</h1>
        <p class="quiet number" role="status">${this.#count()}</p>
        <label class="search">
          ${icons.search}
          <span class="visually-hidden">Search</span>
          <input type="search" placeholder="Name, ID, description, date, modality" autocomplete="off" spellcheck="false" @input=${this.#typed} />
        </label>
      </div>
      ${this.#content()}
    `);
  }

  #count(): string {
    if (this.studies === undefined) return "";
    const shown = this.studies.length;
    return shown < this.total ? `${shown} of ${plural(this.total, "study", "studies")}` : plural(shown, "study", "studies");
  }

  #content(): TemplateResult {
    if (this.problem !== undefined) {
      const { title, detail } = this.problem;
      return html`<div class="empty" role="alert">
        ${icons.warning}
        <h2>${title}</h2>
        <p>${detail}</p>
        <button class="button" @click=${() => void this.#ask()}>${icons.refresh}Try again</button>
      </div>`;
    }
    if (this.studies === undefined) {
      return html`<div class="table" aria-busy="true">${Array.from({ length: 6 }, () => html`<div class="row ghost"><i></i><i></i><i></i><i></i></div>`)}</div>`;
    }
    if (this.studies.length === 0) return this.#empty();
    return html`<div class="table" role="table" aria-label="Studies" aria-busy=${this.busy}>
      <div class="row head" role="row">
        <span role="columnheader">Patient</span>
        <span role="columnheader">ID</span>
        <span role="columnheader">Born</span>
        <span role="columnheader">Study date</span>
        <span role="columnheader">Modality</span>
        <span role="columnheader">Description</span>
        <span role="columnheader" class="right">Series</span>
        <span role="columnheader" class="right">Images</span>
        <span role="columnheader"><span class="visually-hidden">Show series</span></span>
      </div>
      ${this.studies.map((study) => this.#study(study))}
    </div>`;
  }

  #empty(): TemplateResult {
    if (this.#search !== "") {
      return html`<div class="empty">${icons.search}
        <h2>No study matches</h2>
        <p>Every word must occur in the name, ID, description, accession number, date or modality.</p>
        <button class="button" @click=${this.#clear}>Show all studies</button>
      </div>`;
    }
    return html`<div class="empty">${icons.folder}
      <h2>There are no studies yet</h2>
      <p>The folder that the broker serves has no DICOM studies. Start it with a folder that has some:</p>
      <pre>make run STUDIES=/path/to/dicom</pre>
      <button class="button" @click=${() => void this.#ask()}>${icons.refresh}Look again</button>
    </div>`;
  }

  #study(study: Study): TemplateResult {
    const uid = study.studyInstanceUID;
    const open = this.open === uid;
    const name = personName(study.patientName);
    return html`
      <div class="row study ${open ? "open" : ""}" role="row">
        <span role="cell" class="patient"><a href=${viewerURL(uid)}>${name}</a><small>${sexWord(study.patientSex)}</small></span>
        <span role="cell" class="number id"><b>ID</b>${study.patientID || "–"}</span>
        <span role="cell" class="number born"><b>Born</b>${isoDate(study.patientBirthDate) || "–"}</span>
        <span role="cell" class="number date"><b>Study</b>${isoDate(study.studyDate) || "–"}</span>
        <span role="cell" class="modality">${study.modalities.map((modality) => html`<em>${modality}</em>`)}</span>
        <span role="cell" class="description">${study.description}</span>
        <span role="cell" class="number right count">${study.seriesCount}<b class="unit">series</b></span>
        <span role="cell" class="number right count">${study.instanceCount}<b class="unit">images</b></span>
        <span role="cell" class="more">
          <button class="button plain" aria-expanded=${open} aria-label="Series of ${name}" @click=${() => { this.#toggle(uid); }}>${icons.expand}</button>
        </span>
      </div>
      ${open ? html`<div class="series">${this.#seriesList(uid)}</div>` : nothing}
    `;
  }

  #seriesList(study: string): TemplateResult | TemplateResult[] {
    if (this.series === undefined) return html`<p class="quiet">Loading the series …</p>`;
    if (!Array.isArray(this.series)) return html`<p role="alert">${this.series.title}. ${this.series.detail}</p>`;
    return this.series.map((series) => {
      const size = series.columns > 0 ? `${series.columns} × ${series.rows}` : "";
      const what = html`<em>${series.modality}</em>
        <span class="what">${series.description || "No description"}<small>${series.volume ? series.bodyPart : (series.reason ?? "")}</small></span>
        <span class="number quiet">${plural(series.instanceCount, "image")}</span><span class="number quiet size">${size}</span>`;
      return series.volume
        ? html`<a class="one" href=${viewerURL(study, series.seriesInstanceUID)}>${what}<span class="go">Open ${icons.expand}</span></a>`
        : html`<div class="one no" aria-disabled="true">${what}<span class="go">Not a volume</span></div>`;
    });
  }

  readonly #typed = (event: InputEvent): void => {
    this.#search = (event.target as HTMLInputElement).value.trim();
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => void this.#ask(), typingMs);
  };

  readonly #clear = (): void => {
    const input = this.renderRoot.querySelector("input");
    if (input !== null) input.value = "";
    this.#search = "";
    void this.#ask();
  };

  async #ask(): Promise<void> {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    this.busy = true;
    try {
      const { studies, total } = await this.api.studies(this.#search, asked.signal);
      this.studies = studies;
      this.total = total;
      this.problem = undefined;
    } catch (error) {
      if (asked.signal.aborted) return;
      this.problem = explain(error);
    }
    this.busy = false;
  }

  #toggle(study: string): void {
    this.open = this.open === study ? "" : study;
    this.series = undefined;
    if (this.open !== "") void this.#askSeries(study);
  }

  async #askSeries(study: string): Promise<void> {
    let found: Series[] | Explanation;
    try {
      found = await this.api.series(study);
    } catch (error) {
      found = explain(error);
    }
    if (this.open === study) this.series = found;
  }
}

/** viewerURL is the address of a study's page. It holds UIDs only, never text about a patient. */
export function viewerURL(study: string, series?: string): string {
  const query = new URLSearchParams({ StudyInstanceUIDs: study });
  if (series !== undefined) query.set("SeriesInstanceUIDs", series);
  return `/viewer?${query.toString()}`;
}
