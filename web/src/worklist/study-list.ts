// The page that lists patients and studies.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import { explain } from "../client/problem.js";
import type { Order, Source, StudiesAPI, Study } from "../client/studies.js";
import { framed, frameStyles } from "../parts/frame.js";
import { dialogOf, dialogStyles, showDialog } from "../parts/dialog.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural } from "../text/amount.js";
import { isoDate, personName } from "../text/person.js";
import { sessionStore } from "../text/store.js";
import { emptyOf, type Filters, isNarrowed, noFilters, remember, remembered, turned, widened } from "./filters.js";
import { keyOf, Listing, type Row, troubleOf, troubles } from "./listing.js";
import { patientRow, type RowContext, studyRow } from "./rows.js";
import { listStyles } from "./study-list-styles.js";

/** Before the end of the list is in sight by so much, more of it is asked for. */
const ahead = "900px";

/** StudyListPage finds a study and opens it. */
export class StudyListPage extends LitElement {
  static override readonly styles = [theme, buttons, frameStyles, dialogStyles, listStyles];
  static override readonly properties = {
    api: { attribute: false },
    operator: { type: Boolean },
    filters: { state: true },
    sources: { state: true },
    open: { state: true },
    deleting: { state: true },
    deletion: { state: true },
  };

  declare api: StudiesAPI;
  /** operator says that the user may see the pool. */
  declare operator: boolean;
  declare private filters: Filters;
  declare private sources: Source[];
  /** open are the keys of the rows whose contents are shown. */
  declare private open: ReadonlySet<string>;
  declare private deleting: Study | undefined;
  /** deletion is what is going on with it: nothing, under way, or why it failed. */
  declare private deletion: string;

  #listing: Listing | undefined;
  #end: IntersectionObserver | undefined;

  constructor() {
    super();
    this.operator = false;
    this.filters = noFilters;
    this.sources = [];
    this.open = new Set();
    this.deletion = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.title = "Studies – Tomocast";
    this.filters = remembered(sessionStore());
    this.#listing = new Listing(this.api, () => { this.requestUpdate(); });
    void this.#listing.show(this.filters);
    this.api.sources().then((sources) => { this.sources = sources; }, () => undefined);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#listing?.stop();
    this.#end?.disconnect();
  }

  protected override firstUpdated(): void {
    this.#end = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void this.#listing?.more();
    }, { root: this.renderRoot.querySelector(".page"), rootMargin: ahead });
  }

  protected override updated(): void {
    showDialog(this.renderRoot);
    // Watching anew tells at once whether the end is still in sight.
    const end = this.renderRoot.querySelector(".end");
    this.#end?.disconnect();
    if (end !== null) this.#end?.observe(end);
  }

  protected override render(): TemplateResult {
    return html`${framed(html`
      <div class="top">
        <h1>${this.filters.by === "patients" ? "Patients" : "Studies"}</h1>
        <p class="quiet number" role="status">${this.#count()}</p>
        <tc-open-files></tc-open-files>
      </div>
      <tc-filters .filters=${this.filters} .sources=${this.sources} @filters=${(event: CustomEvent<Filters>) => { this.#show(event.detail); }}></tc-filters>
      ${this.#banner()}
      ${this.#content()}
    `, this.operator ? html`<a class="button plain" href="/ops">Operations</a>` : nothing)} ${this.#deleteDialog()}`;
  }

  /** banner is what the sources lack: one in a line, several in a line that opens. */
  #banner(): TemplateResult | typeof nothing {
    const problems = this.#listing?.problems ?? [];
    if (problems.length === 0) return nothing;
    const lines = problems.map((status) => html`<span><b>${status.name}</b> ${troubleOf(status)}</span>`);
    const what = problems.length === 1
      ? lines
      : html`<details><summary>${troubles(problems)}</summary>${lines}</details>`;
    return html`<div class="banner" role="alert">${icons.warning}${what}
      <button class="button" @click=${() => { this.#show(this.filters); }}>Ask again</button></div>`;
  }

  #count(): string {
    const { count = 0, total = 0, known = false } = this.#listing ?? {};
    if (!known) return "";
    const all = this.filters.by === "patients" ? plural(total, "patient") : plural(total, "study", "studies");
    return count < total ? `${count.toLocaleString("en-GB")} of ${all}` : all;
  }

  #content(): TemplateResult {
    const listing = this.#listing;
    const problem = listing?.problem;
    if (problem !== undefined) {
      return html`<div class="empty" role="alert">
        ${icons.warning}
        <h2>${problem.title}</h2>
        <p>${problem.detail}</p>
        <button class="button" @click=${() => { this.#show(this.filters); }}>${icons.refresh}Try again</button>
      </div>`;
    }
    if (listing?.known !== true) {
      return html`<div class="table" aria-busy="true">${Array.from({ length: 6 }, () => html`<div class="row ghost"><i></i><i></i><i></i><i></i></div>`)}</div>`;
    }
    if (listing.count === 0) return this.#empty();
    const { by, sort } = this.filters;
    const context: RowContext = {
      api: this.api, sources: this.sources, open: this.open, sort,
      toggle: (key) => { this.#toggle(key); },
      remove: (study) => { this.deletion = ""; this.deleting = study; },
    };
    // A page of rows is drawn again only where one of its rows opens or closes.
    const page = (rows: Row[]): unknown => guard([rows, this.sources, sort, ...rows.flatMap((row) => opened(row, this.open))],
      () => repeat(rows, ({ key }) => key, (row) => row.patient.studies.length === 1 && by === "studies" && row.patient.studies[0] !== undefined
        ? studyRow(row.patient.studies[0], context) : patientRow(row, context)));
    return html`<div class="table ${by}" role="table" aria-label=${by === "patients" ? "Patients" : "Studies"} aria-busy=${listing.busy}
        aria-rowcount=${listing.total}>
        ${by === "patients" ? this.#patientHead() : this.#studyHead()} ${listing.pages.map(page)}
      </div>
      ${listing.complete ? nothing : html`<p class="end quiet" role="status">Loading more…</p>`}`;
  }

  #studyHead(): TemplateResult {
    return html`<div class="row head" role="row">
      ${this.#column("name", "Patient")} ${this.#column("patientID", "ID")} ${this.#column("birthDate", "Born", "born")} ${this.#column("date", "Study date")}
      ${this.#column("modality", "Modality")} ${this.#column("description", "Description")} ${this.#column("series", "Series", "right series-count")}
      ${this.#column("instances", "Images", "right")}
      <span role="columnheader"><span class="visually-hidden">Show series</span></span>
    </div>`;
  }

  #patientHead(): TemplateResult {
    return html`<div class="row head" role="row">
      ${this.#column("name", "Patient")} ${this.#column("patientID", "ID")} ${this.#column("birthDate", "Born", "born")} ${this.#column("date", "Latest study")}
      <span role="columnheader">Modality</span><span role="columnheader">Studies</span>
      <span role="columnheader"><span class="visually-hidden">Show studies</span></span>
    </div>`;
  }

  #column(order: Order, label: string, kind = ""): TemplateResult {
    const { sort } = this.filters;
    const now = sort === order ? "ascending" : sort === `-${order}` ? "descending" : "none";
    return html`<span role="columnheader" class=${kind} aria-sort=${now}>
      <button class="sort" @click=${() => { this.#show({ ...this.filters, sort: turned(sort, order) }); }}>${label}<i aria-hidden="true">${now === "ascending" ? "↑" : now === "descending" ? "↓" : ""}</i></button></span>`;
  }

  #empty(): TemplateResult {
    if (isNarrowed(this.filters)) {
      return html`<div class="empty">${icons.search}
        <h2>No study matches</h2>
        <p>${emptyOf(this.filters)}</p>
        <button class="button" @click=${() => { this.#show(widened(this.filters)); }}>Show all studies</button>
      </div>`;
    }
    return html`<div class="empty">${icons.folder}
      <h2>There are no studies yet</h2>
      <p>Drop a folder of DICOM, NIfTI or NRRD files on this page to look at it. To list studies here, start the broker with a folder that has some:</p>
      <pre>make run STUDIES=/path/to/dicom</pre>
      <button class="button" @click=${() => { this.#show(this.filters); }}>${icons.refresh}Look again</button>
    </div>`;
  }

  #deleteDialog(): TemplateResult | typeof nothing {
    const study = this.deleting;
    if (study === undefined) return nothing;
    const busy = this.deletion === "busy";
    const when = isoDate(study.studyDate);
    return dialogOf("Delete a study", html`
      <h2>Delete this study from ${study.source}?</h2>
      <p>${[personName(study.patientName), study.patientID, when, study.description].filter(Boolean).join(" · ")}</p>
      <p>${plural(study.instanceCount, "file")} in ${plural(study.seriesCount, "series", "series")} will be gone for everyone. This cannot be undone.</p>
      ${this.deletion === "" || busy ? nothing : html`<p role="alert">${this.deletion}</p>`}
      <div class="actions">
        <button class="button" ?disabled=${busy} @click=${() => { this.deleting = undefined; }}>Keep it</button>
        <button class="button danger" ?disabled=${busy} @click=${() => void this.#delete(study)}>${busy ? "Deleting…" : "Delete"}</button>
      </div>`, () => { this.deleting = undefined; });
  }

  async #delete(study: Study): Promise<void> {
    this.deletion = "busy";
    try {
      await this.api.remove(study.studyInstanceUID, study.source);
      this.deleting = undefined;
      this.#toggle(keyOf(study), false);
      await this.#listing?.show(this.filters);
    } catch (error) {
      const { title, detail } = explain(error);
      this.deletion = `${title} ${detail}`;
    }
  }

  #show(filters: Filters): void {
    this.filters = filters;
    remember(sessionStore(), filters);
    this.renderRoot.querySelector(".page")?.scrollTo({ top: 0 });
    void this.#listing?.show(filters);
  }

  #toggle(key: string, to = !this.open.has(key)): void {
    const open = new Set(this.open);
    if (to) open.add(key);
    else open.delete(key);
    this.open = open;
  }
}

/** opened are the keys of a row that are open: its own, and those of its studies. */
function opened(row: Row, open: ReadonlySet<string>): string[] {
  if (open.size === 0) return [];
  return [row.key, ...row.patient.studies.map(keyOf)].filter((key) => open.has(key));
}
