// Where a task would be placed, and why: a try that claims nothing.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { asProblem } from "../client/problem.js";
import type { Forecast, Resources, TaskRequest } from "../contract.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { sentence } from "../text/amount.js";
import { costOf } from "../text/placing.js";
import type { Explained, OpsAPI, TaskType, Verdict } from "./api.js";
import { type Kind, kinds, needsWords, stateWords, taskTypes, typeName } from "./rows.js";
import { forecastWords } from "./scores.js";
import { tableStyles } from "./table-styles.js";
import { tileStyles } from "./tiles.js";

/** units are what the amounts of a form are in. */
const units: Record<Kind, string> = { gpuMilli: "thousandths of a GPU", gpuMemoryMB: "MiB", encoderSessions: "sessions", cpuMilli: "thousandths of a core", memoryMB: "MiB" };

export class ExplainPanel extends LitElement {
  static override readonly styles = [
    theme, buttons, tileStyles, tableStyles,
    css`
      form {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: 12px;
        margin-bottom: 16px;
      }
      form label {
        display: grid;
        gap: 4px;
        color: var(--tc-soft);
        font-size: 12px;
      }
      form label input {
        width: 150px;
      }
      form label small {
        color: var(--tc-faint);
      }
      details.more {
        flex-basis: 100%;
        order: 2;
        color: var(--tc-soft);
        font-size: 13px;
      }
      details.more > div {
        display: flex;
        flex-wrap: wrap;
        gap: 12px;
        margin-top: 10px;
      }
      .outcome {
        display: flex;
        gap: 12px;
        margin-bottom: 12px;
        padding: 12px 16px;
        border: 1px solid var(--tc-line);
        border-radius: 12px;
        background: var(--tc-surface);
      }
      .outcome svg {
        flex: none;
        color: var(--tc-good);
      }
      .outcome.none svg {
        color: var(--tc-warn);
      }
      .outcome p {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .outcome p + p {
        margin-top: 2px;
        color: var(--tc-faint);
        font-size: 13px;
      }
      tr.unfit th,
      tr.unfit td {
        color: var(--tc-faint);
      }
      tr.first {
        background: var(--tc-accent-dim);
      }
      .terms {
        color: var(--tc-soft);
      }
      .terms span {
        display: inline-block;
        margin-right: 10px;
        white-space: nowrap;
      }
      [role="alert"] {
        color: var(--tc-bad);
        overflow-wrap: anywhere;
      }
      @media (max-width: 900px) {
        form label {
          flex: 1 1 130px;
        }
        form label input,
        form label select {
          width: 100%;
        }
        form > .button {
          flex-basis: 100%;
          min-height: 44px;
          order: 3;
        }
      }
    `,
  ];
  static override readonly properties = { api: { attribute: false }, found: { state: true }, forecast: { state: true }, problem: { state: true }, busy: { state: true } };

  declare api: OpsAPI;
  declare private found: Explained | undefined;
  /** forecast is how long it would run; undefined where that cannot be told. */
  declare private forecast: Forecast | undefined;
  declare private problem: string;
  declare private busy: boolean;
  #stop = new AbortController();

  constructor() {
    super();
    this.found = undefined;
    this.problem = "";
    this.busy = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
  }

  protected override render(): TemplateResult {
    return html`<form @submit=${(event: SubmitEvent) => { event.preventDefault(); void this.#ask(event.currentTarget as HTMLFormElement); }}>
      <label>Task<select name="type">${taskTypes.map((type) => html`<option value=${type}>${typeName(type)}</option>`)}</select></label>
      <label>Zone of the terminal<input name="zone" maxlength="63" autocomplete="off" spellcheck="false" placeholder="ward-3" /></label>
      <label>Address of the terminal<input name="address" maxlength="45" autocomplete="off" spellcheck="false" placeholder="10.1.2.3" /></label>
      <label>Farthest, ms<input name="maxDistanceMs" type="number" min="0" max="60000" step="any" placeholder="no limit" /></label>
      <button class="button primary" ?disabled=${this.busy}>${icons.search}${this.busy ? "Looking…" : "Try it"}</button>
      <details class="more"><summary>What it takes, where it is not the usual</summary>
        <div>${kinds.map(([kind, name]) => html`<label>${name}<input name=${kind} type="number" min="0" max="2147483648" step="1" placeholder="usual" /><small>${units[kind]}</small></label>`)}</div>
      </details>
    </form>
    <div aria-live="polite">${this.problem === "" ? this.#outcome() : html`<p role="alert">${this.problem}</p>`}</div>`;
  }

  #outcome(): TemplateResult | typeof nothing {
    const found = this.found;
    if (found === undefined) return nothing;
    const chosen = found.verdicts.find(({ fits }) => fits);
    const place = [
      found.site && `site ${found.site}`, found.zone && `zone ${found.zone}`, found.maxDistanceMs && `at most ${found.maxDistanceMs} ms away`,
      found.within && `data stays in ${found.within.join(", ")}`,
      `takes ${needsWords(found.needs)}`,
    ].filter(Boolean);
    return html`<div class="outcome ${chosen === undefined ? "none" : ""}">${chosen === undefined ? icons.warning : icons.done}
        <div><p><b>${chosen === undefined ? (found.whenFull === "queue" ? "It would wait in the queue." : "It would be refused.") : `It would run on ${chosen.node}.`}</b> ${sentence(found.summary)}</p>
          <p>${sentence(place.join("; "))}</p>
          ${this.forecast === undefined ? nothing : html`<p>${forecastWords(this.forecast)}</p>`}</div></div>
      ${found.verdicts.length === 0 ? nothing : html`<div class="scroll"><table aria-label="Verdicts">
        <thead><tr><th scope="col">Node</th><th scope="col">Verdict</th><th scope="col" class="right">Distance</th><th scope="col" class="right">Cost</th><th scope="col">Made of</th></tr></thead>
        <tbody>${found.verdicts.map((verdict) => row(verdict, verdict === chosen))}</tbody></table></div>`}`;
  }

  async #ask(form: HTMLFormElement): Promise<void> {
    const fields = new FormData(form);
    const text = (name: string): string => String(fields.get(name) ?? "").trim(); // eslint-disable-line @typescript-eslint/no-base-to-string
    const request: TaskRequest = { type: text("type") as TaskType };
    if (text("zone") !== "") request.zone = text("zone");
    if (text("maxDistanceMs") !== "") request.maxDistanceMs = Number(text("maxDistanceMs"));
    const resources: Resources = {};
    for (const [kind] of kinds) if (text(kind) !== "") resources[kind] = Number(text(kind));
    if (Object.keys(resources).length > 0) request.resources = resources;
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.busy = true;
    try {
      // Where it would go is told also where nobody can say for how long.
      const [found, forecast] = await Promise.all([
        this.api.explain(request, text("address"), stop.signal), this.api.forecast(ofFiles(request), stop.signal).catch(() => undefined),
      ]);
      this.found = found;
      this.forecast = forecast;
      this.problem = "";
    } catch (error) {
      if (stop.signal.aborted) return;
      const { title, detail } = asProblem(error);
      this.problem = `${title} ${detail}`.trim();
    }
    this.busy = false;
  }
}

/** ofFiles makes a rendering task that names no series one whose files the terminal sends, as the broker does to explain it. */
function ofFiles(request: TaskRequest): TaskRequest {
  return request.type === "rendering" ? { ...request, parameters: { upload: true } } : request;
}

function row({ node, tier, state, zone = "", fits, rejected = "", distanceMs, basis, terms, costMs }: Verdict, first: boolean): TemplateResult {
  return html`<tr class=${first ? "first" : fits ? "" : "unfit"}>
    <th scope="row"><b>${node}</b><small>${[zone, tier === "cloud" ? "cloud tier" : ""].filter(Boolean).join(", ")}</small></th>
    <td data-label="Verdict">${first ? html`<span class="chip ready">Chosen</span>` : fits ? "Fits" : html`${state === "ready" ? "" : html`<span class="chip ${state}">${stateWords[state]}</span> `}${rejected === `is ${state}` ? "" : sentence(rejected)}`}</td>
    <td data-label="Distance" class="right number">${distanceMs.toFixed(1)} ms<small>${basis}</small></td>
    <td data-label="Cost" class="right number">${fits ? `${costMs.toFixed(1)} ms` : "–"}</td>
    <td data-label="Made of" class="terms wide">${terms.map((term) => html`<span title=${term.reason}>${term.name} <span class="number">${costOf(term)}</span></span>`)}</td>
  </tr>`;
}
