// When an operator has a node open: what is said of it, and the form to say it with.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { asProblem } from "../client/problem.js";
import type { OpenHours, Schedule } from "../contract.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { sentence } from "../text/amount.js";
import type { NodeSchedule, OpsAPI } from "./api.js";
import { type Draft, draftOf, type Fault, type Field, faultOf, goesWords, says, scheduleOf, type Wall, weekdays } from "./schedule-draft.js";
import { scheduleStyles } from "./schedule-styles.js";
import { tableStyles } from "./table-styles.js";
import { zones } from "./wall-time.js";

const working = ["mon", "tue", "wed", "thu", "fri"];

/** ScheduleEditor tells "said" when the schedule has changed. */
export class ScheduleEditor extends LitElement {
  static override readonly styles = [theme, buttons, tableStyles, scheduleStyles, css`:host { display: block; }`];
  static override readonly properties = {
    api: { attribute: false }, node: { type: String }, schedule: { state: true }, known: { state: true }, draft: { state: true },
    faults: { state: true }, failure: { state: true }, busy: { state: true },
  };

  declare api: OpsAPI;
  declare node: string;
  declare private schedule: NodeSchedule | undefined;
  declare private known: boolean;
  /** draft is what is being written; undefined while nothing is. */
  declare private draft: Draft | undefined;
  declare private faults: Fault[];
  /** failure is what is wrong with no field of its own. */
  declare private failure: string;
  declare private busy: boolean;
  #stop = new AbortController();

  constructor() {
    super();
    this.node = "";
    this.known = false;
    this.faults = [];
    this.failure = "";
    this.busy = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = new AbortController();
    void this.#read();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
  }

  protected override render(): TemplateResult {
    const failure = this.failure === "" ? nothing : html`<p role="alert">${this.failure}</p>`;
    if (!this.known) return html`${this.failure === "" ? html`<p class="quiet">Reading…</p>` : failure}`;
    if (this.draft !== undefined) return html`${this.#form(this.draft)}`;
    const { schedule } = this;
    const set = schedule !== undefined && schedule.from !== "none";
    const lines = schedule === undefined ? [] : [...says(schedule, Date.now()), ...(schedule.from === "configuration" ? ["As the configuration of sites says"] : []),
      ...(schedule.goesAt === undefined ? [] : [goesWords(schedule.goesAt)])];
    return html`${lines.length === 0 ? html`<p class="quiet">Always: nobody says otherwise.</p>` : html`<ul class="said">${lines.map((line) => html`<li>${line}</li>`)}</ul>`}
      ${failure}
      <div class="actions"><button class="button" ?disabled=${this.busy} @click=${this.#begin}>${set ? "Change hours…" : "Set hours…"}</button>
        ${schedule?.from !== "operator" ? nothing : html`<button class="button" ?disabled=${this.busy} @click=${() => void this.#say(undefined)}>Take the hours back</button>`}</div>`;
  }

  #form(draft: Draft): TemplateResult {
    return html`<form novalidate aria-label="When it is open" @submit=${(event: SubmitEvent) => { event.preventDefault(); void this.#save(); }}>
      <label>Time zone<input name="timeZone" list="zones" maxlength="60" autocomplete="off" spellcheck="false" placeholder="UTC" .value=${live(draft.timeZone)} aria-invalid=${this.#has("timeZone")}
        @change=${(event: Event) => { draft.timeZone = valueOf(event).trim(); this.#written("timeZone"); }} />${this.#fault("timeZone")}</label>
      <datalist id="zones">${zones().map((zone) => html`<option value=${zone}></option>`)}</datalist>
      <fieldset><legend>Opening hours</legend>
        ${draft.hours.length === 0 ? html`<p class="quiet">None: it is open at any hour${draft.open.length > 0 ? " of the spans below" : ""}.</p>` : nothing}
        ${draft.hours.map((one, i) => this.#hours(draft, one, i))} ${this.#fault("hours")}
        <button class="button add" type="button" @click=${() => { draft.hours.push({ days: draft.hours.length === 0 ? [...working] : [], from: "08:00", to: "18:00" }); this.#written("hours"); }}>Add hours</button></fieldset>
      ${this.#spans(draft, "closed", "Closed all the same", "Maintenance, or a booking for a conference.")}
      ${this.#spans(draft, "open", "Open all the same", draft.hours.length === 0 ? "With one of these, it is open in no other." : "Beside the hours.")}
      <label>Goes away at<input name="expires" type="datetime-local" .value=${live(draft.expires)} aria-invalid=${this.#has("expires")}
        @change=${(event: Event) => { draft.expires = valueOf(event); this.#written("expires"); }} /><small>Where the machine is lent for a time.</small>${this.#fault("expires")}</label>
      <details ?open=${draft.horizonH !== "" || this.#has("horizonS") || this.#has("periodS")}><summary>Advanced: what it promises ahead</summary>
        <div class="pair">${this.#hoursOf(draft, "horizonH", "horizonS", "Promised ahead (T), hours", "Tasks get its resources for so long in all.")}
          ${this.#hoursOf(draft, "periodH", "periodS", "Given back every, hours", "Circulation period.")}</div></details>
      ${this.failure === "" ? nothing : html`<p role="alert">${this.failure}</p>`}
      <div class="actions"><button class="button" type="button" ?disabled=${this.busy} @click=${() => { this.#leave(); }}>Leave it as it is</button>
        <button class="button primary" ?disabled=${this.busy}>${this.busy ? "A moment…" : "Save"}</button></div>
    </form>`;
  }

  #hours(draft: Draft, one: OpenHours, i: number): TemplateResult {
    return html`<div class="entry" role="group" aria-label="Hours ${i + 1}">
      <div class="days">${weekdays.map(([day, name]) => html`<label class="day"><input type="checkbox" aria-label=${name} .checked=${live(one.days.includes(day))}
        @change=${(event: Event) => { one.days = (event.target as HTMLInputElement).checked ? [...one.days, day] : one.days.filter((other) => other !== day); this.#written("hours"); }} /><span aria-hidden="true">${name.slice(0, 2)}</span></label>`)}</div>
      <div class="between"><input type="time" aria-label="Opens" required .value=${live(one.from)} @change=${(event: Event) => { one.from = valueOf(event); this.#written("hours"); }} /><span>to</span>
        <input type="time" aria-label="Closes; 00:00 is the end of the day" required .value=${live(one.to)} @change=${(event: Event) => { one.to = valueOf(event); this.#written("hours"); }} />
        ${this.#remove(draft.hours, i, "hours", `hours ${i + 1}`)}</div>${this.#fault("hours", i)}</div>`;
  }

  #spans(draft: Draft, field: "open" | "closed", name: string, why: string): TemplateResult {
    const edit = (span: Wall, end: keyof Wall) => (event: Event): void => { span[end] = valueOf(event); this.#written(field); };
    return html`<fieldset><legend>${name}</legend><p class="quiet">${why}</p>
      ${draft[field].map((span, i) => html`<div class="entry span" role="group" aria-label="${name} ${i + 1}">
        <div class="between"><input type="datetime-local" aria-label="Begins" required .value=${live(span.from)} @change=${edit(span, "from")} /><span>to</span>
          <input type="datetime-local" aria-label="Ends" required .value=${live(span.to)} @change=${edit(span, "to")} />
          ${this.#remove(draft[field], i, field, `span ${i + 1}`)}</div>${this.#fault(field, i)}</div>`)} ${this.#fault(field)}
      <button class="button add" type="button" @click=${() => { draft[field].push({ from: "", to: "" }); this.#written(field); }}>Add a span</button></fieldset>`;
  }

  #hoursOf(draft: Draft, key: "horizonH" | "periodH", field: Field, name: string, why: string): TemplateResult {
    return html`<label>${name}<input name=${key} type="number" min="0" max="87840" step="any" inputmode="decimal" .value=${live(draft[key])} aria-invalid=${this.#has(field)}
      @change=${(event: Event) => { draft[key] = valueOf(event); this.#written(field); }} /><small>${why}</small>${this.#fault(field)}</label>`;
  }

  #remove(list: unknown[], i: number, field: Field, what: string): TemplateResult {
    return html`<button class="button plain less" type="button" aria-label="Remove ${what}" @click=${() => { list.splice(i, 1); this.#written(field); }}>${icons.bin}</button>`;
  }

  #fault(field: Field, index?: number): TemplateResult | typeof nothing {
    const found = this.faults.find((fault) => fault.field === field && fault.index === index);
    return found === undefined ? nothing : html`<span class="fault" role="alert">${sentence(found.text)}</span>`;
  }

  #has(field: Field): boolean {
    return this.faults.some((fault) => fault.field === field);
  }

  /** written takes away what was wrong with a field that was written in. */
  #written(field: Field): void {
    this.faults = this.faults.filter((fault) => fault.field !== field);
    this.failure = "";
    this.requestUpdate();
  }

  readonly #begin = (): void => {
    this.failure = "";
    this.faults = [];
    this.draft = draftOf(this.schedule?.from === "none" ? undefined : this.schedule, Intl.DateTimeFormat().resolvedOptions().timeZone);
  };

  #leave(): void {
    this.draft = undefined;
    this.failure = "";
    void this.#back();
  }

  /** back gives the keyboard to where the form was opened. */
  async #back(): Promise<void> {
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".actions button")?.focus();
  }

  async #save(): Promise<void> {
    if (this.draft === undefined) return;
    const { schedule, faults } = scheduleOf(this.draft);
    this.faults = faults;
    if (faults.length === 0) await this.#say(schedule);
    if (this.faults.length > 0) await this.#toFault();
  }

  /** toFault gives the keyboard to the first field that something is wrong with. */
  async #toFault(): Promise<void> {
    await this.updateComplete;
    const fault = this.renderRoot.querySelector(".fault");
    fault?.closest(".entry, label")?.querySelector<HTMLElement>("input")?.focus();
    fault?.scrollIntoView({ block: "nearest" });
  }

  async #say(schedule: Schedule | undefined): Promise<void> {
    this.busy = true;
    this.failure = "";
    try {
      await this.api.setSchedule(this.node, schedule);
      this.draft = undefined;
      await this.#read();
      void this.#back();
      this.dispatchEvent(new CustomEvent("said"));
    } catch (error) {
      const { title, detail } = asProblem(error);
      const fault = schedule === undefined ? undefined : faultOf(detail);
      const reachable = fault?.index === undefined || fault.index < (this.draft?.[fault.field as "hours"] ?? []).length;
      if (fault !== undefined && reachable) this.faults = [fault];
      else this.failure = `${sentence(title)} ${sentence(detail)}`.trim();
    }
    this.busy = false;
  }

  async #read(): Promise<void> {
    const stop = this.#stop.signal;
    try {
      this.schedule = await this.api.schedule(this.node, stop);
      this.known = true;
      this.failure = "";
    } catch (error) {
      if (stop.aborted) return;
      const { title, detail } = asProblem(error);
      this.failure = `${sentence(title)} ${sentence(detail)}`.trim();
    }
  }
}

function valueOf(event: Event): string {
  return (event.target as HTMLInputElement).value;
}
