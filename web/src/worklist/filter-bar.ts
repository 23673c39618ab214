// The filters of the worklist: quick choices first, the rest behind a button.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Source } from "../client/studies.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import type { When } from "../text/dates.js";
import { type Active, activeOf, type Filters, isNarrowed, noFilters, widened } from "./filters.js";

const typingMs = 200;

/** What most worklists have; any other can be typed into the search. */
const modalities = ["CT", "MR", "PT", "NM", "US", "XA", "CR", "DX", "MG"];

const times: [When, string][] = [["any", "Any date"], ["today", "Today"], ["week", "7 days"], ["month", "30 days"], ["range", "Dates…"]];

/** FilterBar tells "filters" (Filters) whenever they change, text once typing rests. */
export class FilterBar extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 12px;
        margin-bottom: 16px;
      }
      .line {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 20px;
      }
      .search {
        position: relative;
        flex: 1;
        min-width: 220px;
      }
      .search svg {
        position: absolute;
        left: 12px;
        top: 10px;
        color: var(--tc-faint);
        pointer-events: none;
      }
      input,
      select {
        width: 100%;
        height: 40px;
        padding: 0 12px;
        border: 1px solid var(--tc-line-strong);
        border-radius: var(--tc-radius);
        background: var(--tc-surface);
        color: var(--tc-text);
      }
      .search input {
        padding-left: 40px;
      }
      input::placeholder {
        color: var(--tc-faint);
      }
      .chips {
        display: flex;
        gap: 2px;
        padding: 3px;
        border-radius: 10px;
        background: var(--tc-surface);
      }
      .chips .button {
        min-height: 30px;
        padding: 0 10px;
        border-color: transparent;
        background: transparent;
        color: var(--tc-soft);
        font-size: 13px;
      }
      .chips .button[aria-pressed="true"] {
        background: var(--tc-accent-dim);
        color: var(--tc-accent);
      }
      .fields {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(170px, 1fr));
        gap: 12px;
        padding: 14px 16px 16px;
        border: 1px solid var(--tc-line);
        border-radius: 12px;
        background: var(--tc-surface);
      }
      .fields label {
        display: grid;
        gap: 4px;
        color: var(--tc-soft);
        font-size: 12px;
      }
      .fields input,
      .fields select {
        background: var(--tc-ground);
        font-size: 14px;
      }
      .active {
        gap: 8px;
      }
      .active .button {
        min-height: 32px;
        max-width: 100%;
        padding: 0 8px 0 12px;
        border-color: var(--tc-accent);
        border-radius: 16px;
        background: var(--tc-accent-dim);
        font-size: 13px;
      }
      .active span {
        overflow: hidden;
        text-overflow: ellipsis;
      }
      .active svg {
        width: 14px;
        height: 14px;
      }
      @media (min-width: 901px) {
        /* Their quick choices are in sight. */
        .beside {
          display: none !important;
        }
      }
      .clear {
        margin-left: auto;
      }
      .count {
        display: grid;
        place-items: center;
        min-width: 20px;
        height: 20px;
        padding: 0 5px;
        border-radius: 10px;
        background: var(--tc-accent);
        color: var(--tc-accent-ink);
        font-size: 12px;
        font-weight: 600;
      }
      @media (max-width: 900px) {
        .search {
          flex-basis: 100%;
        }
        input,
        select {
          height: 44px;
          font-size: 16px !important;
        }
        .search svg {
          top: 12px;
        }
        .quick .chips {
          max-width: 100%;
          overflow-x: auto;
          scrollbar-width: none;
        }
        .chips .button {
          min-height: 40px;
          padding: 0 12px;
        }
        .quick:not(.shown) {
          display: none;
        }
        .line {
          gap: 8px;
        }
        .fields {
          grid-template-columns: minmax(0, 1fr);
        }
        .more,
        .by {
          flex: 1;
        }
        .by .button {
          flex: 1;
        }
        .more,
        .active .button {
          min-height: 44px;
        }
      }
    `,
  ];
  static override readonly properties = { filters: { attribute: false }, sources: { attribute: false }, open: { state: true } };

  declare filters: Filters;
  declare sources: Source[];
  declare private open: boolean;
  #typing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.filters = noFilters;
    this.sources = [];
    this.open = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#typing);
  }

  protected override render(): TemplateResult {
    const { filters } = this;
    const active = activeOf(filters);
    return html`
      <div class="line">
        <label class="search">${icons.search}<span class="visually-hidden">Search</span>
          <input type="search" name="search" placeholder="Search by name, ID, description, accession number, date" autocomplete="off" spellcheck="false"
            .value=${filters.search} @input=${this.#typed} /></label>
        <div class="chips by" role="group" aria-label="List by">
          ${chip("Studies", filters.by === "studies", () => { this.#set({ by: "studies" }); })}
          ${chip("Patients", filters.by === "patients", () => { this.#set({ by: "patients" }); })}
        </div>
        <button class="button more" aria-expanded=${this.open} aria-controls="fields" @click=${() => { this.open = !this.open; }}>
          ${icons.filter}Filters${active.length === 0 ? nothing : html`<span class="count number">${active.length}</span>`}</button>
      </div>
      <div class="line quick ${this.open ? "shown" : ""}">
        <div class="chips" role="group" aria-label="Modality">
          ${chip("All", filters.modality === "", () => { this.#set({ modality: "" }); })}
          ${modalities.map((name) => chip(name, filters.modality === name, () => { this.#set({ modality: filters.modality === name ? "" : name }); }))}
        </div>
        <div class="chips" role="group" aria-label="Study date">
          ${times.map(([when, label]) => chip(label, filters.when === when, () => { this.#when(when); }))}
        </div>
        ${isNarrowed(filters) ? html`<button class="button plain clear" @click=${() => { this.#clear(); }}>${icons.close}Clear all</button>` : nothing}
      </div>
      ${this.open ? this.#fields() : this.#active(active)}
    `;
  }

  /** active are the filters that are in force while their fields are not seen. */
  #active(active: Active[]): TemplateResult | typeof nothing {
    if (active.length === 0) return nothing;
    const beside = (one: Active): boolean => one.field === "modality" || (one.field === "when" && this.filters.when !== "range");
    return html`<div class="line active ${active.every(beside) ? "beside" : ""}" role="group" aria-label="Filters that are set">
      ${active.map((one) => html`<button class="button ${beside(one) ? "beside" : ""}" aria-label=${`Remove the filter ${one.words}`}
        @click=${() => { this.#set(one.without); }}><span>${one.words}</span>${icons.close}</button>`)}
    </div>`;
  }

  #fields(): TemplateResult {
    const { filters } = this;
    const text = (name: "patientName" | "patientID" | "accessionNumber", label: string, most: number): TemplateResult => html`<label>${label}
      <input name=${name} maxlength=${most} autocomplete="off" spellcheck="false" .value=${filters[name]} @input=${this.#typed} /></label>`;
    const date = (name: "from" | "to", label: string): TemplateResult => html`<label>${label}
      <input type="date" name=${name} .value=${filters[name]} @change=${this.#typed} /></label>`;
    return html`<div class="fields" id="fields">
      ${text("patientName", "Patient's name", 64)} ${text("patientID", "Patient ID", 62)} ${text("accessionNumber", "Accession number", 14)}
      ${filters.when === "range" ? [date("from", "Studies from"), date("to", "Studies until")] : nothing}
      ${this.sources.length < 2
        ? nothing
        : html`<label>Source
            <select name="source" @change=${this.#typed}>
              <option value="" ?selected=${filters.source === ""}>All sources</option>
              ${this.sources.map(({ name }) => html`<option value=${name} ?selected=${filters.source === name}>${name}</option>`)}
            </select></label>`}
    </div>`;
  }

  readonly #typed = (event: Event): void => {
    const { name, value } = event.target as HTMLInputElement | HTMLSelectElement;
    const change = { [name]: value };
    clearTimeout(this.#typing);
    if (event.type === "change") {
      this.#set(change);
      return;
    }
    // What is being typed is in force at once here, so that another field's change keeps it.
    this.filters = { ...this.filters, ...change };
    this.#typing = setTimeout(() => { this.#set({}); }, typingMs);
  };

  #when(when: When): void {
    // Two dates are asked for in the fields.
    if (when === "range") this.open = true;
    this.#set({ when });
  }

  #clear(): void {
    clearTimeout(this.#typing);
    this.filters = widened(this.filters);
    this.#set({});
  }

  #set(change: Partial<Filters>): void {
    this.filters = { ...this.filters, ...change };
    this.dispatchEvent(new CustomEvent("filters", { detail: this.filters }));
  }
}

function chip(label: string, pressed: boolean, choose: () => void): TemplateResult {
  return html`<button class="button" aria-pressed=${pressed} @click=${choose}>${label}</button>`;
}
