// What the viewer measures, in figures.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Figures } from "../client/latency.js";
import type { Stats } from "../element/stats.js";
import { bitrate } from "../text/amount.js";
import { icons } from "./icons.js";
import { theme } from "./theme.js";

const everyMs = 500;

const short = (value: number): string => (value < 10 ? value.toFixed(1) : Math.round(value).toString());
const ms = (value: number): string => `${short(value)} ms`;

/** StatsPanel reads a viewer's stats twice a second while it is on the page. */
export class StatsPanel extends LitElement {
  static override readonly styles = [
    theme,
    css`
      dl {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 7px 12px;
        margin: 0;
        font-size: 13px;
      }
      dt {
        color: var(--tc-faint);
        white-space: nowrap;
      }
      dd {
        margin: 0;
        text-align: right;
        font-variant-numeric: tabular-nums;
        overflow-wrap: anywhere;
      }
      dd small {
        display: block;
        white-space: nowrap;
        color: var(--tc-faint);
        font-size: 12px;
      }
      .note {
        display: flex;
        gap: 10px;
        margin: 0 0 14px;
        padding: 10px 12px;
        border-radius: var(--tc-radius);
        background: rgb(242 192 99 / 0.1);
        color: var(--tc-warn);
        font-size: 13px;
      }
      .note svg {
        flex: none;
      }
    `,
  ];
  static override readonly properties = { read: { attribute: false } };

  /** read returns the present figures. */
  declare read: (() => Stats) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => { this.requestUpdate(); }, everyMs);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override render(): TemplateResult | typeof nothing {
    const stats = this.read?.();
    if (stats === undefined) return nothing;
    return html`
      ${stats.fallback === "" ? nothing : html`<p class="note">${icons.warning}<span>Rendered without OpenGL, slower than it could be: ${stats.fallback}</span></p>`}
      <dl>
        <dt>Picture rate</dt>
        <dd>${stats.picturesPerSecond > 0 ? `${stats.picturesPerSecond.toFixed(0)} per second` : "at rest"}</dd>
        <dt>Motion to photon</dt>
        <dd>${figures(stats.motionToPhotonMs)}</dd>
        <dt>Render</dt>
        <dd>${figures(stats.renderMs)}</dd>
        <dt>Encode</dt>
        <dd>${figures(stats.encodeMs)}</dd>
        <dt>Bitrate</dt>
        <dd>${bitrate(stats.bitsPerSecond)}<small>target ${bitrate(stats.targetBitsPerSecond)}</small></dd>
        ${stats.roundTripMs === undefined ? nothing : html`<dt>Round trip</dt><dd>${ms(stats.roundTripMs)}</dd>`}
        <dt>Picture</dt>
        <dd>${stats.width} × ${stats.height}${stats.scale < 1 ? html`<small>drawn at ${Math.round(stats.scale * 100)} % of that</small>` : nothing}</dd>
        <dt>Codec</dt>
        <dd>${stats.codec}<small>${stats.encoder}</small></dd>
        <dt>Edge</dt>
        <dd>${stats.node}${stats.movedFrom === "" ? nothing : html`<small>moved from ${stats.movedFrom}</small>`}</dd>
        <dt>Renderer</dt>
        <dd>${stats.renderer}</dd>
      </dl>
    `;
  }
}

function figures(measured: Figures | undefined): TemplateResult | string {
  if (measured === undefined) return "–";
  return html`${ms(measured.median)}<small>last ${short(measured.last)}, p95 ${ms(measured.p95)}</small>`;
}
