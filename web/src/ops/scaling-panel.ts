// What running tasks are given more or less of (B5, B6): the orders that wait, and how the last ones ended.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import type { OpsAPI, Order, Scaling } from "./api.js";
import { panelOf, remark } from "./panel.js";
import { panelStyles } from "./panel-styles.js";
import { Reading } from "./reading.js";
import { inUnits, kindName, lasted, since } from "./rows.js";
import { tableStyles } from "./table-styles.js";
import { clock } from "./time-line.js";
import { tileStyles } from "./tiles.js";

const againMs = 3_000;

export class ScalingPanel extends LitElement {
  static override readonly styles = [theme, buttons, tileStyles, tableStyles, panelStyles];
  static override readonly properties = { api: { attribute: false }, now: { type: Number } };

  declare api: OpsAPI;
  /** now is the time, in milliseconds since 1970. */
  declare now: number;
  readonly #scaling = new Reading<Scaling>(this, (stop) => this.api.scaling(stop), againMs);

  constructor() {
    super();
    this.now = Date.now();
  }

  protected override render(): TemplateResult {
    return panelOf(this.#scaling, ({ orders, reports }) => {
      if (orders.length === 0 && reports.length === 0) {
        return html`<div class="nothing">${icons.stats}<h3>Nothing has been scaled</h3>
          <p>A task that uses less than half of what it has for a while gives some back; one that uses nearly all gets more, where its node has room.</p></div>`;
      }
      const reasons = reports.some(({ why = "" }) => why !== "");
      return html`<h2 class="part">Waiting</h2><p>${orders.length === 0 ? "No order waits." : "An expansion waits for room on its node, a reduction until what is left is enough for the rest of the task."}</p>
        ${orders.length === 0 ? nothing : html`<div class="scroll whole"><table aria-label="Orders that wait">
          <thead><tr><th scope="col">Task</th><th scope="col">Amount</th><th scope="col">From, to</th><th scope="col">Node</th><th scope="col">Why</th><th scope="col" class="right">Waits</th></tr></thead>
          <tbody>${orders.map((order) => html`<tr>${told(order)}<td data-label="Why" class="wide ${order.why === undefined ? "none" : ""}">${whyWords(order.why)}</td>
            <td data-label="Waits" class="right number nowrap">${lasted(this.now - Date.parse(order.createdAt))}${order.dueAt === undefined ? nothing : html`<small>next look ${clock(Date.parse(order.dueAt), this.now)}</small>`}</td></tr>`)}</tbody></table></div>`}
        ${reports.length === 0 ? nothing : html`<h2 class="part">Ended</h2><p>The last ${reports.length === 1 ? "one" : reports.length}.</p><div class="scroll whole"><table aria-label="Orders that ended">
          <thead><tr><th scope="col">Task</th><th scope="col">Amount</th><th scope="col">From, to</th><th scope="col">Node</th><th scope="col">Outcome</th>${reasons ? html`<th scope="col">Why</th>` : nothing}<th scope="col" class="right">When</th></tr></thead>
          <tbody>${reports.map((report) => ended(report, this.now, reasons))}</tbody></table></div>`}`;
    });
  }
}

const outcomes: Record<Order["state"], [string, string]> = {
  waiting: ["Waits", "waits"],  done: ["Done", "good"], "given-up": ["Given up", "waits"], failed: ["Failed", "bad"], void: ["Not needed any more", ""],
};

function told({ task, node, kind, direction, from, to }: Order): TemplateResult {
  return html`<th scope="row"><span class="number">${task}</span></th>
    <td data-label="Amount">${kindName(kind)}<small>${direction === "shrink" ? "less" : "more"}</small></td>
    <td data-label="From, to" class="number two">${inUnits(from, kind)}<span class="arrow" aria-hidden="true">→</span><span class="visually-hidden"> to </span>${inUnits(to, kind)}</td>
    <td data-label="Node">${node}</td>`;
}

function ended(report: Order, now: number, reasons: boolean): TemplateResult {
  const [words, kind] = outcomes[report.state];
  const { why = "" } = report;
  return html`<tr>${told(report)}<td data-label="Outcome"><span class="chip ${kind}">${words}</span></td>
    ${reasons ? html`<td data-label="Why" class="wide ${why === "" ? "none" : ""}">${whyWords(why)}</td>` : nothing}
    <td data-label="When" class="right number nowrap">${since(report.endedAt, now)}</td></tr>`;
}

function whyWords(why = ""): TemplateResult | string {
  return why === "" ? html`<span class="quiet">–</span>` : remark(why);
}
