// Icons of our own, drawn on a 20-pixel grid with lines of 1.6.
import { svg, html, type SVGTemplateResult, type TemplateResult } from "lit";

const icon = (paths: SVGTemplateResult): TemplateResult => html`<svg
  width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6"
  stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${paths}</svg>`;

/** icons by what they stand for. */
export const icons = {
  back: icon(svg`<path d="M12 4 6 10l6 6"/>`),
  rotate: icon(svg`<path d="M3.2 9.6C3.6 6.2 6.5 3.6 10 3.6c2.4 0 4.5 1.2 5.7 3M16.8 10.4c-.4 3.4-3.3 6-6.8 6-2.4 0-4.5-1.2-5.7-3"/><path d="M15.9 3.2v3.5h-3.5M4.1 16.8v-3.5h3.5"/>`),
  move: icon(svg`<path d="M10 2.6v14.8M2.6 10h14.8M7.6 5 10 2.6 12.4 5M7.6 15l2.4 2.4 2.4-2.4M5 7.6 2.6 10 5 12.4M15 7.6l2.4 2.4-2.4 2.4"/>`),
  window: icon(svg`<circle cx="10" cy="10" r="6.8"/><path d="M10 3.2v13.6a6.8 6.8 0 0 0 0-13.6Z" fill="currentColor"/>`),
  auto: icon(svg`<path d="M2.8 16.5h14.4"/><path d="M4.5 16.5v-2.5M7.2 16.5V10M10 16.5V4.5M12.8 16.5V8M15.5 16.5v-4"/>`),
  views: icon(svg`<path d="m10 2.8 6.4 3.5v7.4L10 17.2l-6.4-3.5V6.3Z"/><path d="m3.8 6.4 6.2 3.5 6.2-3.5M10 9.9v7"/>`),
  presets: icon(svg`<path d="M3 14.5c2.5 0 2.8-9 5.2-9s2.3 6 4.4 6 2-3 4.4-3"/><path d="M3 17.2h14"/>`),
  reset: icon(svg`<path d="M4 4.2v4h4"/><path d="M4.6 8.1A6.3 6.3 0 1 1 3.9 12"/>`),
  snapshot: icon(svg`<path d="M3 7.2c0-.8.6-1.4 1.4-1.4h1.9l1.2-1.9h5l1.2 1.9h1.9c.8 0 1.4.6 1.4 1.4v7.1c0 .8-.6 1.4-1.4 1.4H4.4c-.8 0-1.4-.6-1.4-1.4Z"/><circle cx="10" cy="10.6" r="2.9"/>`),
  stats: icon(svg`<path d="M2.8 10h3l2-5.5 3.6 11 2.2-5.5h3.6"/>`),
  panel: icon(svg`<rect x="2.8" y="3.8" width="14.4" height="12.4" rx="2"/><path d="M12.2 3.8v12.4"/>`),
  done: icon(svg`<path d="m4.2 10.6 3.7 3.7 8-8.6"/>`),
  search: icon(svg`<circle cx="9" cy="9" r="5.2"/><path d="m13 13 4 4"/>`),
  expand: icon(svg`<path d="m7 5 5 5-5 5"/>`),
  warning: icon(svg`<path d="M10 3.2 17.5 16h-15Z"/><path d="M10 8v3.6M10 13.8v.1"/>`),
  close: icon(svg`<path d="m5 5 10 10M15 5 5 15"/>`),
  folder: icon(svg`<path d="M2.8 6.2c0-.8.6-1.4 1.4-1.4h3.4l1.8 2h6.4c.8 0 1.4.6 1.4 1.4v6.2c0 .8-.6 1.4-1.4 1.4H4.2c-.8 0-1.4-.6-1.4-1.4Z"/>`),
  image: icon(svg`<rect x="3" y="3.8" width="14" height="12.4" rx="2"/><path d="m3.4 14 4-4 3 3 2.4-2.2 3.8 3.6"/><circle cx="12.6" cy="7.6" r="1.2"/>`),
  series: icon(svg`<rect x="6" y="6" width="11" height="11" rx="1.8"/><path d="M3.4 13.6V5.2c0-1 .8-1.8 1.8-1.8h8.4"/>`),
  filter: icon(svg`<path d="M3 5.4h14M5.6 10h8.8M8.4 14.6h3.2"/>`),
  play: icon(svg`<path d="M6.4 4.2 15.6 10l-9.2 5.8Z" fill="currentColor"/>`),
  pause: icon(svg`<path d="M6.6 4.4v11.2M13.4 4.4v11.2" stroke-width="2.6"/>`),
  bin: icon(svg`<path d="M3.8 5.6h12.4M8 5.4V3.6h4v1.8M5.4 5.8l.7 9.4c0 .8.7 1.4 1.5 1.4h4.8c.8 0 1.5-.6 1.5-1.4l.7-9.4M8.4 8.8v4.8M11.6 8.8v4.8"/>`),
  keep: icon(svg`<path d="M10 3.4v8.4M6.6 8.6l3.4 3.4 3.4-3.4"/><path d="M3.6 12.6v2.2c0 .9.7 1.6 1.6 1.6h9.6c.9 0 1.6-.7 1.6-1.6v-2.2"/>`),
  refresh: icon(svg`<path d="M16 4.2v4h-4"/><path d="M15.4 8.1A6.3 6.3 0 1 0 16.1 12"/>`),
};

/** logo is the mark: slices of a volume, and the point that is looked at. */
export const logo = html`<svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
  <g fill="none" stroke="#5cc8d7" stroke-width="2.2" stroke-linecap="round">
    <path d="M6.5 21.2c0 3 4.3 5.3 9.5 5.3s9.5-2.3 9.5-5.3" />
    <path d="M6.5 16c0 3 4.3 5.3 9.5 5.3s9.5-2.3 9.5-5.3" opacity=".72" />
    <ellipse cx="16" cy="10.8" rx="9.5" ry="5.3" />
  </g>
  <circle cx="16" cy="10.8" r="1.9" fill="#f4d58a" />
</svg>`;
