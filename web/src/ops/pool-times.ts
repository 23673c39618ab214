// The time lines of many nodes beside each other; of those that are on the screen alone are they read.
import { css, html, LitElement, nothing, type PropertyValues, svg, type TemplateResult } from "lit";
import { wait } from "../client/backoff.js";
import type { NodeTime } from "../contract.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural } from "../text/amount.js";
import type { NodeStatus, OpsAPI, Score, TimeStatus } from "./api.js";
import { panelStyles } from "./panel-styles.js";
import { paged, stateWords } from "./rows.js";
import { scoresTable } from "./scores.js";
import { rowStyles, tableStyles } from "./table-styles.js";
import { clock, closedSpans, freeSteps, type Range, ranges, scheduledFirst, shareIn, type Span, spanOf, stepPath, ticksOf, timeWords } from "./time-line.js";
import { timeStyles } from "./time-styles.js";
import { tileStyles } from "./tiles.js";
import { Visible } from "./visible.js";

const pageSize = 50;
const box = { width: 1000, height: 100 };
/** A line that is this old is read again, so many at a time. */
const againMs = 20_000;
const atATime = 4;
const lookMs = 1_000;

interface Line {
  readAt: number;
  time?: NodeTime;
}

/** timeOf is T or t of a node; there is none while it is closed. */
function timeOf(time: TimeStatus | undefined, seconds: number | undefined): TemplateResult {
  return time?.open === false ? html`<span class="quiet">–</span>` : html`<span class=${seconds === undefined ? "quiet" : ""}>${timeWords(seconds)}</span>`;
}

/** PoolTimes tells "open" with a node's id. */
export class PoolTimes extends LitElement {
  static override readonly styles = [
    theme, buttons, tileStyles, tableStyles, rowStyles, panelStyles, timeStyles,
    css`
      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 8px 16px;
        margin-bottom: 12px;
      }
      .head p {
        margin: 0;
      }
      td.strip,
      th.strip {
        width: 56%;
        padding-top: 6px;
        padding-bottom: 6px;
      }
      th.strip .axis {
        height: 18px;
      }
      th.strip .axis span {
        top: 0;
      }
      td.strip .plot {
        height: 36px;
        border-radius: 6px;
      }
      td.strip svg {
        position: absolute;
        inset: 0;
        width: 100%;
        height: 100%;
      }
      td.strip .area {
        fill: color-mix(in srgb, var(--free-gpu) 24%, transparent);
      }
      td.strip .edge {
        fill: none;
        stroke: var(--free-gpu);
        stroke-width: 1.5;
        vector-effect: non-scaling-stroke;
      }
      @media (max-width: 900px) {
        tbody th,
        td.strip {
          grid-column: 1 / -1;
          width: auto;
        }
        .choice button {
          min-height: 44px;
        }
      }
    `,
  ];
  static override readonly properties = {
    api: { attribute: false }, nodes: { attribute: false }, known: { type: Boolean }, more: { type: Boolean }, scores: { attribute: false },
    now: { type: Number }, hours: { state: true }, page: { state: true },
  };

  declare api: OpsAPI;
  declare nodes: readonly NodeStatus[];
  declare known: boolean;
  declare more: boolean;
  /** scores are how good predictions were; undefined while that is not known. */
  declare scores: readonly Score[] | undefined;
  /** now is the time, in milliseconds since 1970. */
  declare now: number;
  declare private hours: Range;
  declare private page: number;
  readonly #lines = new Map<string, Line>();
  #stop = new AbortController();
  #visible: Visible | undefined;

  constructor() {
    super();
    this.nodes = [];
    this.known = false;
    this.more = false;
    this.now = Date.now();
    this.hours = 24;
    this.page = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = new AbortController();
    this.#visible = new Visible(() => { void this.#readShown(this.#stop.signal); });
    void this.#keep(this.#stop.signal);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
    this.#visible?.stop();
    this.#reading.clear();
  }

  protected override updated(changed: PropertyValues<this>): void {
    super.updated(changed);
    this.#visible?.watch(this.renderRoot.querySelectorAll<HTMLElement>("tr[data-node]"));
  }

  protected override render(): TemplateResult {
    if (!this.known) return html`<div class="ghosts" aria-busy="true"><i></i><i></i><i></i></div>`;
    const { items, page, pages, from, to } = paged(scheduledFirst(this.nodes), this.page, pageSize);
    const line = spanOf(this.now, this.hours);
    return html`${this.nodes.length === 0 ? html`<div class="nothing">${icons.stats}<h3>No node is registered</h3><p>There is nothing to draw a line of.</p></div>` : html`
      <div class="head"><p class="quiet">GPU time that is free, or processor time where there is no GPU, by the predicted ends of what runs. Hatched: closed. T: for how long the whole node can be used; t: for how long what is free can.</p>
        <div class="choice" role="group" aria-label="How far ahead">${ranges.map(([hours, words]) => html`<button aria-pressed=${this.hours === hours} @click=${() => { this.#range(hours); }}>${words}</button>`)}</div></div>
      <div class="scroll"><table aria-label="Time of nodes" aria-rowcount=${this.nodes.length}>
        <thead><tr><th scope="col">Node</th><th scope="col" class="right" title="For how long the whole node can be used">T</th><th scope="col" class="right" title="For how long what is free can be used">t</th><th scope="col">Next</th>
          <th scope="col" class="strip"><span class="visually-hidden">Time line</span><div class="axis" aria-hidden="true">${ticksOf(line, this.hours).map(({ at, label }) => {
            const x = shareIn(line, at);
            return x < 0.04 || x > 0.97 ? nothing : html`<span style="--x:${x.toFixed(4)}">${label}</span>`;
          })}</div></th></tr></thead>
        <tbody>${items.map((node) => this.#row(node, line))}</tbody></table></div>
      <div class="foot"><p class="quiet number">${from} to ${to} of ${this.more ? "more than " : ""}${plural(this.nodes.length, "node")}</p>
        ${pages < 2 ? nothing : html`<nav aria-label="Pages of the list"><button class="button" ?disabled=${page === 0} @click=${() => { this.page = page - 1; }}>Previous</button>
          <span class="number quiet">${page + 1} of ${pages}</span><button class="button" ?disabled=${page + 1 === pages} @click=${() => { this.page = page + 1; }}>Next</button></nav>`}</div>`}
    <h2 class="part">How well run times are predicted</h2><p>Of the tasks that have ended lately, by what was said before they ran.</p>
    ${this.scores === undefined ? html`<p class="quiet">Not known.</p>` : scoresTable(this.scores)}`;
  }

  #row(node: NodeStatus, line: Span): TemplateResult {
    const { id, state, time } = node;
    return html`<tr data-node=${id} @click=${() => { this.#open(id); }}>
      <th scope="row"><button class="name" data-name=${id} @click=${(event: Event) => { event.stopPropagation(); this.#open(id); }}>${id}</button>${state === "ready" ? nothing : html`<small>${stateWords[state].toLowerCase()}</small>`}</th>
      <td data-label="T" class="right number nowrap">${timeOf(time, time?.totalS)}</td>
      <td data-label="t" class="right number nowrap">${timeOf(time, time?.freeS)}</td>
      <td data-label="Next" class="nowrap">${this.#next(node)}</td>
      <td class="strip">${this.#strip(node, line)}</td></tr>`;
  }

  #next({ time }: NodeStatus): TemplateResult | string {
    if (time?.open === false) return html`<b>Closed</b>${time.opensAt === undefined ? "" : html`<small>opens ${clock(Date.parse(time.opensAt), this.now)}</small>`}`;
    if (time?.closesAt !== undefined) return html`closes ${clock(Date.parse(time.closesAt), this.now)}`;
    return html`<span class="quiet">stays open</span>`;
  }

  #strip(node: NodeStatus, span: Span): TemplateResult {
    const time = this.#lines.get(node.id)?.time;
    if (time === undefined) return html`<div class="plot" aria-busy="true"></div>`;
    const kind = (node.capacity.gpuMilli ?? 0) > 0 ? "gpuMilli" : "cpuMilli";
    const path = stepPath(freeSteps(time.line, node.capacity, kind, span), span, box.width, box.height);
    const tasks = time.tasks.length;
    const place = (at: number): string => shareIn(span, at).toFixed(4);
    return html`<div class="plot" role="img" aria-label="${plural(tasks, "task runs", "tasks run")} there; ${time.open ? "open" : "closed"} now">
      ${ticksOf(span, this.hours).map(({ at }) => html`<i class="tick" style="--x:${place(at)}"></i>`)}
      ${closedSpans(time.line, span).map(({ from, to }) => html`<i class="shut" style="--x:${place(from)};--w:${(shareIn(span, to) - shareIn(span, from)).toFixed(4)}"></i>`)}
      <svg viewBox="0 -4 ${box.width} ${box.height + 4}" preserveAspectRatio="none" aria-hidden="true">${svg`<path class="area" d=${path.area}/><path class="edge" d=${path.line}/>`}</svg>
      <i class="now" style="--x:${place(this.now)}"></i></div>`;
  }

  #open(id: string): void {
    this.dispatchEvent(new CustomEvent("open", { detail: id }));
  }

  /** reach gives a node's row the keyboard, where it is on the page. */
  reach(id: string): void {
    this.renderRoot.querySelector<HTMLElement>(`[data-name="${CSS.escape(id)}"]`)?.focus();
  }

  #range(hours: Range): void {
    this.hours = hours;
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#lines.clear();
    this.#reading.clear();
    void this.#keep(this.#stop.signal);
  }

  /** keep reads the lines on the screen again when they are old. */
  async #keep(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      void this.#readShown(stop);
      await wait(lookMs, stop).catch(() => undefined);
    }
  }

  readonly #reading = new Set<string>();

  /** readShown reads lines that are on the screen and old, a few at a time. */
  async #readShown(stop: AbortSignal): Promise<void> {
    const old = (id: string): boolean => Date.now() - (this.#lines.get(id)?.readAt ?? 0) > againMs;
    const due = [...(this.#visible?.ids ?? [])].filter((id) => old(id) && !this.#reading.has(id)).slice(0, Math.max(0, atATime - this.#reading.size));
    const stopped = (): boolean => stop.aborted;
    if (due.length === 0 || stopped()) return;
    for (const id of due) this.#reading.add(id);
    await Promise.all(due.map(async (id) => {
      // A line that cannot be read stays as it was: the page says itself when the broker is out of reach.
      const time = await this.api.time(id, this.hours, stop).catch(() => this.#lines.get(id)?.time);
      if (stopped()) return;
      this.#reading.delete(id);
      this.#lines.set(id, { readAt: Date.now(), ...(time === undefined ? {} : { time }) });
      this.requestUpdate();
    }));
    if (!stopped()) await this.#readShown(stop);
  }
}
