// A node's time line: when it is open, what will be free by the predicted ends of what runs, and when that ends.
import { css, html, LitElement, nothing, type PropertyValues, svg, type TemplateResult } from "lit";
import type { NodeTime, Resources } from "../contract.js";
import { explain } from "../client/problem.js";
import { buttons, theme } from "../parts/theme.js";
import { plural, sentence } from "../text/amount.js";
import type { OpsAPI } from "./api.js";
import { Reading } from "./reading.js";
import { amount, type Kind, needsWords } from "./rows.js";
import { tableStyles } from "./table-styles.js";
import {
  type Bar, barsOf, clock, closedSpans, endWords, freeAt, freeSteps, nextChange, openWords, type Range, ranges, scarcest, shareIn, type Span, spanOf, stepPath, taskName, ticksOf, timeWords,
} from "./time-line.js";
import { timeStyles } from "./time-styles.js";
import { tileStyles } from "./tiles.js";

const againMs = 5_000;
/** So many tasks are drawn; the table has all. */
const drawn = 12;
const box = { width: 1000, height: 100 };
/** What of a node is drawn as free, where the node has it. */
const drawnKinds: [Kind, string][] = [["gpuMilli", "GPU time free"], ["encoderSessions", "Encoders free"], ["cpuMilli", "Processor free"]];

/** NodeTimeLine reads its node's time again while it is on the page. */
export class NodeTimeLine extends LitElement {
  static override readonly styles = [
    theme, buttons, tileStyles, tableStyles, timeStyles,
    css`
      .head {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 8px;
        margin-bottom: 10px;
      }
      .head p,
      .read {
        margin: 0;
        font-size: 13px;
      }
      .times {
        display: flex;
        flex-wrap: wrap;
        gap: 2px 18px;
        margin: 0 0 10px;
        color: var(--tc-soft);
        font-size: 13px;
      }
      .times b {
        color: var(--tc-text);
        font-weight: 600;
        font-variant-numeric: tabular-nums;
      }
      .read {
        min-height: 20px;
        margin-top: 4px;
        color: var(--tc-soft);
        font-size: 12px;
      }
      details {
        margin-top: 8px;
        color: var(--tc-soft);
        font-size: 13px;
      }
      summary {
        width: fit-content;
        min-height: 24px;
        cursor: pointer;
      }
      details .scroll {
        margin-top: 8px;
      }
      [role="alert"] {
        margin: 0;
        color: var(--tc-bad);
        font-size: 13px;
      }
      .ghosts i {
        height: 72px;
      }
      @media (max-width: 900px) {
        .choice button,
        summary {
          min-height: 44px;
        }
        summary {
          padding-top: 12px;
        }
      }
    `,
  ];
  static override readonly properties = {
    api: { attribute: false }, node: { type: String }, capacity: { attribute: false }, hours: { state: true }, at: { state: true }, table: { state: true },
  };

  declare api: OpsAPI;
  declare node: string;
  /** capacity is what the node has. */
  declare capacity: Resources;
  declare private hours: Range;
  /** at is the time that the pointer is at. */
  declare private at: number | undefined;
  declare private table: boolean;
  readonly #time = new Reading<NodeTime>(this, (stop) => this.api.time(this.node, this.hours, stop), againMs);

  constructor() {
    super();
    this.node = "";
    this.capacity = {};
    this.hours = 24;
    this.table = false;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.get("node") !== undefined && changed.get("node") !== this.node && changed.get("node") !== "") this.#time.anew();
  }

  /** again reads the line now. */
  again(): void {
    this.#time.again();
  }

  protected override render(): TemplateResult {
    const { value: time, problem } = this.#time;
    const told = problem === undefined ? nothing : html`<p role="alert">${sentence(explain(problem).title)} ${time === undefined ? sentence(explain(problem).detail) : "What is shown is as it was."}</p>`;
    if (time === undefined) return html`${told}${problem === undefined ? html`<div class="ghosts" aria-busy="true"><i></i></div>` : nothing}`;
    const now = Date.parse(time.at);
    const span = spanOf(now, this.hours);
    const bars = barsOf(time.tasks, now);
    return html`<div class="head"><p>${openWords(time, now, this.hours)}</p>
        <div class="choice" role="group" aria-label="How far ahead">${ranges.map(([hours, words]) => html`<button aria-pressed=${this.hours === hours} @click=${() => { this.#range(hours); }}>${words}</button>`)}</div></div>
      ${told} ${times(time)}
      <div role="img" aria-label=${summary(time, bars, now, this.hours)} @pointermove=${(event: PointerEvent) => { this.#point(event, span); }} @pointerleave=${() => { this.at = undefined; }}>
        ${this.#plot(time, bars, span, now)}
        <div class="axis">${ticksOf(span, this.hours).map(({ at, label }) => {
          const x = shareIn(span, at);
          return x < 0.05 || x > 0.96 ? nothing : html`<span style="--x:${x.toFixed(4)}">${label}</span>`;
        })}</div>
      </div>
      <p class="read" aria-hidden="true">${this.#read(time, now)}</p>
      <details ?open=${this.table} @toggle=${(event: Event) => { this.table = (event.target as HTMLDetailsElement).open; }}><summary>The same as a table</summary>${this.table ? tables(time, bars, now, this.capacity) : nothing}</details>`;
  }

  #plot(time: NodeTime, bars: readonly Bar[], span: Span, now: number): TemplateResult {
    const place = (at: number): string => shareIn(span, at).toFixed(4);
    return html`<div class="plot">
      ${ticksOf(span, this.hours).map(({ at }) => html`<i class="tick" style="--x:${place(at)}"></i>`)}
      ${closedSpans(time.line, span).map(({ from, to }) => html`<i class="shut" style="--x:${place(from)};--w:${(shareIn(span, to) - shareIn(span, from)).toFixed(4)}"></i>`)}
      ${drawnKinds.map(([kind, name]) => freeRow(time, this.capacity, kind, name, span))}
      ${bars.slice(0, drawn).map((bar) => taskRow(bar, span, now))}
      ${bars.length === 0 ? html`<div class="row"><span><b class="quiet">Nothing runs there</b></span><div class="lane"></div></div>` : nothing}
      ${bars.length <= drawn ? nothing : html`<div class="row"><span><b class="quiet">and ${plural(bars.length - drawn, "task")} more, in the table</b></span><div class="lane"></div></div>`}
      <i class="now" style="--x:${place(now)}"></i>
      ${this.at === undefined ? nothing : html`<i class="at" style="--x:${place(this.at)}"></i>`}
    </div>`;
  }

  /** read is what the line says at the pointer, or what its marks mean. */
  #read({ line }: NodeTime, now: number): TemplateResult | string {
    const moment = this.at === undefined ? undefined : freeAt(line, this.at);
    if (this.at === undefined || moment === undefined) return "Bars end when half of such tasks have ended; nine in ten have at the end of the fading part.";
    return `${clock(this.at, now)}: ${moment.open ? `${needsWords(moment.free) || "nothing"} free` : "closed"}`;
  }

  #range(hours: Range): void {
    this.hours = hours;
    this.at = undefined;
    this.#time.again();
  }

  #point(event: PointerEvent, { from, to }: Span): void {
    const { left, width } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    if (width > 0) this.at = from + ((to - from) * (event.clientX - left)) / width;
  }
}

function times({ totalS, freeS }: NodeTime): TemplateResult {
  const least = scarcest(freeS);
  return html`<p class="times"><span>Whole node T <b>${timeWords(totalS)}</b></span>
    <span>What is free t <b>${timeWords(least?.seconds)}</b>${least === undefined ? nothing : ` (${least.name})`}</span></p>`;
}

function freeRow({ line }: NodeTime, capacity: Resources, kind: Kind, name: string, span: Span): TemplateResult | typeof nothing {
  const steps = freeSteps(line, capacity, kind, span);
  if (steps.length === 0) return nothing;
  const path = stepPath(steps, span, box.width, box.height);
  const whole = capacity[kind] ?? 0;
  return html`<div class="row ${kind}"><span><b>${name}</b><small>now ${amount(Math.round((steps[0]?.share ?? 0) * whole), kind)} of ${amount(whole, kind)}</small></span>
    <svg viewBox="0 -4 ${box.width} ${box.height + 4}" preserveAspectRatio="none" aria-hidden="true">${svg`<path class="area" d=${path.area}/><path class="edge" d=${path.line}/>`}</svg></div>`;
}

function taskRow(bar: Bar, span: Span, now: number): TemplateResult {
  const { task, from, to, late, over } = bar;
  const part = (kind: string, a: number, b: number): TemplateResult => html`<i class="${kind} ${task.shadow === true || task.moves === true ? "shadow" : ""}" style="--x:${shareIn(span, a).toFixed(4)};--w:${(shareIn(span, b) - shareIn(span, a)).toFixed(4)}"></i>`;
  const sure = Math.max(to ?? now, now);
  const parts = to === undefined ? part("unknown", from, span.to)
    : html`${late !== undefined && late > sure ? part("late", sure, late) : nothing}${part(over ? "over" : late !== undefined && late > sure ? "sure" : "", from, sure)}`;
  return html`<div class="row"><span><b>${taskName(task)}</b><small>${endWords(bar, now)}</small></span><div class="lane">${parts}</div></div>`;
}

/** summary is what the picture shows, for who cannot see it. */
function summary(time: NodeTime, bars: readonly Bar[], now: number, hours: Range): string {
  const first = bars.find(({ to }) => to !== undefined);
  const next = first === undefined ? "" : ` The next that is expected to end: ${taskName(first.task)}, ${endWords(first, now)}.`;
  return `Time line. ${openWords(time, now, hours)}. ${plural(bars.length, "task runs", "tasks run")} there.${next} A table follows.`;
}

function tables({ line, open }: NodeTime, bars: readonly Bar[], now: number, capacity: Resources): TemplateResult {
  const shown = drawnKinds.filter(([kind]) => (capacity[kind] ?? 0) > 0);
  const change = nextChange({ open, line })?.at;
  return html`<div class="scroll"><table aria-label="What will be free">
      <thead><tr><th scope="col">From</th><th scope="col">State</th>${shown.map(([, name]) => html`<th scope="col" class="right">${name}</th>`)}</tr></thead>
      <tbody>${line.map((moment) => html`<tr><th scope="row" class="nowrap">${Date.parse(moment.at) <= now ? "now" : clock(Date.parse(moment.at), now)}</th>
        <td data-label="State">${moment.open ? "Open" : "Closed"}${Date.parse(moment.at) === change ? (moment.open ? ", opens" : ", closes") : ""}</td>
        ${shown.map(([kind, name]) => html`<td data-label=${name} class="right number">${moment.open ? amount(moment.free[kind] ?? 0, kind) : "–"}</td>`)}</tr>`)}</tbody></table></div>
    ${bars.length === 0 ? nothing : html`<div class="scroll"><table aria-label="What runs there">
      <thead><tr><th scope="col">Task</th><th scope="col">Holds</th><th scope="col">Began</th><th scope="col">End</th></tr></thead>
      <tbody>${bars.map((bar) => html`<tr><th scope="row">${taskName(bar.task)}<small>${bar.task.task}</small></th>
        <td data-label="Holds" class="wide">${needsWords(bar.task.resources)}</td><td data-label="Began" class="nowrap">${clock(bar.from, now)}</td><td data-label="End" class="wide">${sentence(endWords(bar, now))}</td></tr>`)}</tbody></table></div>`}`;
}
