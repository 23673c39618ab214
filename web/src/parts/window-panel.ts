// Window and level in figures, and the auto-window with its histogram.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { numberOf, rounded } from "../camera/window.js";
import type { Histogram, Window } from "../contract.js";
import { histogramPlot } from "./histogram-plot.js";
import { icons } from "./icons.js";
import { buttons, theme } from "./theme.js";

/** WindowPanel tells "window" (a Window), "auto" and "cancel". */
export class WindowPanel extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      .fields {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: 8px;
      }
      label {
        display: grid;
        gap: 4px;
        color: var(--tc-soft);
        font-size: 12px;
      }
      .field {
        position: relative;
      }
      .field span {
        position: absolute;
        right: 10px;
        top: 9px;
        color: var(--tc-faint);
        font-size: 12px;
        pointer-events: none;
      }
      input {
        width: 100%;
        height: 36px;
        padding: 0 34px 0 10px;
        border: 1px solid var(--tc-line-strong);
        border-radius: var(--tc-radius);
        background: var(--tc-ground);
        color: var(--tc-text);
        font-size: 14px;
        font-variant-numeric: tabular-nums;
      }
      .row {
        display: flex;
        gap: 8px;
        margin-top: 8px;
      }
      .row .button {
        flex: 1;
      }
      .track {
        height: 4px;
        margin-top: 10px;
        overflow: hidden;
        border-radius: 2px;
        background: var(--tc-line);
      }
      .track i {
        display: block;
        height: 100%;
        background: var(--tc-accent);
        transition: width 120ms linear;
      }
      .histogram {
        margin: 12px 0 0;
      }
      .histogram svg {
        display: block;
        width: 100%;
        height: 96px;
        border-radius: 6px;
        background: var(--tc-ground);
      }
      .bars {
        fill: #5d7284;
      }
      .span {
        fill: var(--tc-accent);
        opacity: 0.2;
      }
      .ramp {
        stroke: var(--tc-accent);
        stroke-width: 1.5;
        vector-effect: non-scaling-stroke;
        fill: none;
      }
      figcaption {
        display: flex;
        justify-content: space-between;
        margin-top: 6px;
        color: var(--tc-soft);
        font-size: 12px;
      }
      .waiting {
        margin: 8px 0 0;
        color: var(--tc-soft);
        font-size: 13px;
        overflow-wrap: anywhere;
      }
      [role="alert"] {
        margin: 8px 0 0;
        color: var(--tc-bad);
        font-size: 13px;
      }
    `,
  ];
  static override readonly properties = {
    window: { attribute: false },
    unit: { type: String },
    histogram: { attribute: false },
    progress: { type: Number },
    waiting: { type: String },
    problem: { type: String },
    disabled: { type: Boolean },
    plain: { type: Boolean },
  };

  declare window: Window | undefined;
  declare unit: string;
  declare histogram: Histogram | undefined;
  /** progress of the computation, 0 to 1; below 0 while there is none. */
  declare progress: number;
  /** waiting is why the computation does not run yet; empty where it runs. */
  declare waiting: string;
  declare problem: string;
  declare disabled: boolean;
  /** plain leaves out what is computed of a volume. */
  declare plain: boolean;

  constructor() {
    super();
    this.plain = false;
    this.unit = "";
    this.progress = -1;
    this.waiting = "";
    this.problem = "";
    this.disabled = false;
  }

  protected override render(): TemplateResult {
    const { window } = this;
    const text = (value: number | undefined): string => this.#text(value);
    return html`
      <div class="fields">
        <label>Width<span class="field"><input name="width" inputmode="decimal" autocomplete="off" .value=${text(window?.width)}
          ?disabled=${this.disabled} @change=${this.#typed} /><span>${this.unit}</span></span></label>
        <label>Level<span class="field"><input name="center" inputmode="decimal" autocomplete="off" .value=${text(window?.center)}
          ?disabled=${this.disabled} @change=${this.#typed} /><span>${this.unit}</span></span></label>
      </div>
      ${this.plain ? nothing : html`<div class="row">
        ${this.progress < 0
          ? html`<button class="button" ?disabled=${this.disabled} @click=${() => { this.#tell("auto"); }}>${icons.auto}Auto window</button>`
          : html`<button class="button" @click=${() => { this.#tell("cancel"); }}>${icons.close}Cancel</button>`}
      </div>`}
      ${this.progress < 0 ? nothing : this.waiting !== "" ? html`<p class="waiting" role="status">Waiting: ${this.waiting}.</p>`
        : html`<div class="track" role="progressbar" aria-label="Histogram" aria-valuemin="0" aria-valuemax="100"
            aria-valuenow=${Math.round(this.progress * 100)}><i style="width:${(this.progress * 100).toFixed(0)}%"></i></div>`}
      ${this.problem === "" ? nothing : html`<p role="alert">${this.problem}</p>`}
      ${this.histogram === undefined ? nothing : histogramPlot(this.histogram, window, this.unit)}
    `;
  }

  #text(value: number | undefined): string {
    return this.window === undefined || value === undefined ? "" : rounded(value, this.window.width);
  }

  readonly #typed = (): void => {
    const width = this.renderRoot.querySelector<HTMLInputElement>("[name=width]");
    const center = this.renderRoot.querySelector<HTMLInputElement>("[name=center]");
    if (width === null || center === null) return;
    const next: Window = { width: numberOf(width.value), center: numberOf(center.value) };
    if (next.width > 0 && !Number.isNaN(next.center)) {
      this.#tell("window", next);
      return;
    }
    // Back to the window in force. The template has that text already, so it would not write it again.
    width.value = this.#text(this.window?.width);
    center.value = this.#text(this.window?.center);
  };

  #tell(name: string, detail?: Window): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
