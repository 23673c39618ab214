// A histogram with a window over it.
import { html, nothing, svg, type TemplateResult } from "lit";
import { rounded } from "../camera/window.js";
import type { Histogram, Window } from "../contract.js";

const width = 280;
const height = 96;

const shown = (value: number, range: number): string => rounded(value, range).replace("-", "−");

/** outline is the histogram as the path of an area; counts go by their logarithm, as air is most of a volume. */
export function outline(histogram: Pick<Histogram, "counts">, w = width, h = height): string {
  const { counts } = histogram;
  const most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 0));
  if (counts.length === 0 || most === 0) return "";
  const step = w / counts.length;
  const points = counts.map((count, i) => {
    const y = (h - (Math.log1p(count) / most) * h).toFixed(1);
    return `L${(i * step).toFixed(2)} ${y}L${((i + 1) * step).toFixed(2)} ${y}`;
  });
  return `M0 ${h}${points.join("")}L${w} ${h}Z`;
}

/** span is where a window lies over the histogram, as fractions of its breadth, clipped to it. */
export function span(histogram: Pick<Histogram, "min" | "max">, window: Window): [number, number] {
  const range = histogram.max - histogram.min || 1;
  const at = (value: number): number => Math.min(1, Math.max(0, (value - histogram.min) / range));
  return [at(window.center - window.width / 2), at(window.center + window.width / 2)];
}

/** histogramPlot draws both. */
export function histogramPlot(histogram: Histogram, window: Window | undefined, unit: string): TemplateResult {
  const [from, to] = window === undefined ? [0, 0] : span(histogram, window);
  const range = histogram.max - histogram.min;
  const median = histogram.percentiles[1];
  return html`<figure class="histogram">
    <svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img"
      aria-label="Histogram of ${histogram.voxels.toLocaleString("en-GB")} voxels from ${rounded(histogram.min, range)} to ${rounded(histogram.max, range)} ${unit}">
      ${svg`<path class="bars" d=${outline(histogram)} />`}
      ${window === undefined ? nothing : svg`
        <rect class="span" x=${from * width} y="0" width=${Math.max(1, (to - from) * width)} height=${height} />
        <path class="ramp" d="M${from * width} ${height}L${to * width} 0" />`}
    </svg>
    <figcaption class="number">
      <span>${shown(histogram.min, range)}</span>
      <span>${median === undefined ? nothing : html`median ${shown(median, range)} ${unit}`}</span>
      <span>${shown(histogram.max, range)}</span>
    </figcaption>
  </figure>`;
}
