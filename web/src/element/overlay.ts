// What is written over the picture: whose it is, what it is, and which way it faces.
import { html, nothing, type TemplateResult } from "lit";
import type { Letters } from "../camera/letters.js";
import { rounded } from "../camera/window.js";
import type { State } from "../client/session-types.js";
import type { Rect, SeriesInfo, SeriesRef, SessionInfo, Viewport, Window } from "../contract.js";
import { isoDate, personName, sexWord } from "../text/person.js";
import type { Quality } from "./types.js";

/**
 * inViewport is what is written over one viewport: whose series it shows, where that is known, and which way it faces.
 */
export function inViewport(rect: Rect, series: SeriesInfo | undefined, letters: Letters | undefined): TemplateResult {
  const percent = (share: number): string => `${(100 * share).toFixed(3)}%`;
  const place = `left:${percent(rect.x)};top:${percent(rect.y)};width:${percent(rect.width)};height:${percent(rect.height)}`;
  return html`<div class="viewport" style=${place}>
    ${series?.unplaced === true ? html`<span class="letter top unplaced">Left and right unknown</span>` : letters === undefined ? nothing : directions(letters)}
    ${series === undefined ? nothing : identity(series)}
  </div>`;
}

/** seriesOf is whose series a viewport shows. Without a certain answer there is none, rather than another's. */
export function seriesOf({ series }: Pick<Viewport, "series">, patients: SeriesInfo[]): SeriesInfo | undefined {
  const only = patients.length === 1 ? patients[0] : undefined;
  return patients.find((one) => sameSeries(one.series, series)) ?? only;
}

function sameSeries(a: SeriesRef, b: SeriesRef): boolean {
  return a.studyInstanceUID === b.studyInstanceUID && a.seriesInstanceUID === b.seriesInstanceUID && (a.part ?? 0) === (b.part ?? 0);
}

/** identity is whose series the viewport shows; it is of exactly that series. */
export function identity(series: SeriesInfo): TemplateResult {
  const born = isoDate(series.patientBirthDate);
  const sex = sexWord(series.patientSex);
  const study = isoDate(series.studyDate);
  return html`
    <div class="corner tl" part="patient">
      <div class="name">${personName(series.patientName)}</div>
      <div class="number">ID ${series.patientId === "" ? "unknown" : series.patientId}</div>
      <div class="number quiet">${born === "" ? "Birth date unknown" : `Born ${born}`}${sex === "" ? "" : ` · ${sex}`}</div>
    </div>
    <div class="corner tr" part="study">
      <div class="number">${study === "" ? "Study date unknown" : `Study ${study}`}</div>
      <div class="quiet extra">${series.studyDescription}</div>
      <div class="quiet">${series.modality}${series.seriesDescription ? ` · ${series.seriesDescription}` : ""}</div>
      ${series.accessionNumber ? html`<div class="number quiet extra">Accession ${series.accessionNumber}</div>` : nothing}
    </div>
  `;
}

/** Shown is what the picture on the screen is. */
export type Shown = Quality | "loading" | "preview" | "stale";

/**
 * shownOf is what the picture is, or nothing where there is none. unshown says that nothing is on its way either,
 * though the session waits for what the user chooses.
 */
export function shownOf(state: State | "idle", quality: Quality | undefined, preview: boolean, unshown: boolean): Shown | undefined {
  if (state === "loading" && unshown) return undefined;
  if (preview && quality !== undefined) return "preview";
  if (state === "loading") return "loading";
  return quality === undefined || state === "running" ? quality : "stale";
}

const shownWords: Record<Shown, [string, string]> = {
  stale: ["Not live", "The connection is interrupted; this is the last picture that came"],
  loading: ["Loading", "The series is not complete yet"],
  preview: ["Loading: coarse preview", "Only some of the slices have come; details are missing from the picture"],
  reduced: ["Reduced", "Drawn with fewer samples or pixels while it moves"],
  lossy: ["Lossy", "Drawn in full, sent as compressed video"],
  lossless: ["Lossless", "Exactly what was rendered, checked by its hash"],
};

/** badge says what the picture is. */
export function badge(shown: Shown): TemplateResult {
  const [word, meaning] = shownWords[shown];
  return html`<div class="badge ${shown}" part="badge" title=${meaning}>
    <span>${word}<span class="visually-hidden">: ${meaning}</span></span>
  </div>`;
}

export interface Footer {
  shown: Shown | undefined;
  window: Window | undefined;
  series: SeriesInfo | undefined;
  session: SessionInfo | undefined;
  /** place is which image or time point is shown. */
  place: string;
  /** concerns is what is to be known of the series. */
  concerns: TemplateResult | typeof nothing;
}

/** placeOf is which image or time point of the series a viewport shows, in words; empty where there is only one. */
export function placeOf(viewport: Viewport | undefined, series: SeriesInfo | undefined): string {
  if (viewport === undefined || series === undefined) return "";
  const { images = 0, timePoints = [] } = series;
  if (viewport.mode === "image") return images > 1 ? `Image ${(viewport.image ?? 0) + 1} of ${images}` : "";
  const at = viewport.timePoint ?? 0;
  return timePoints.length > 1 ? `Time point ${at + 1} of ${timePoints.length}` : "";
}

/** footer is what the picture is, its window, and what it is not for. */
export function footer({ shown, window, series, session, place, concerns }: Footer): TemplateResult {
  return html`
    <div class="corner bl">
      ${concerns}
      ${shown === undefined ? nothing : badge(shown)}
      <div class="disclaimer" part="disclaimer">Not for diagnostic use</div>
    </div>
    <div class="corner br number">
      ${place === "" ? nothing : html`<div class="place">${place}</div>`}
      ${session?.fallback ? html`<div class="warned" title=${session.fallback}>Software renderer</div>` : nothing}
      ${series?.lossySource ? html`<div class="quiet" title=${series.lossySource}>Source images: lossy compressed</div>` : nothing}
      ${window === undefined
        ? nothing
        : html`<div>W ${rounded(window.width, window.width)} &nbsp;L ${rounded(window.center, window.width).replace("-", "−")}${series?.unit ? ` ${series.unit}` : ""}</div>`}
    </div>
  `;
}

/** directions are the letters at the edges, of the picture that is on the screen. */
export function directions(letters: Letters): TemplateResult {
  return html`
    <span class="letter top" aria-hidden="true">${letters.top}</span>
    <span class="letter bottom" aria-hidden="true">${letters.bottom}</span>
    <span class="letter left" aria-hidden="true">${letters.left}</span>
    <span class="letter right" aria-hidden="true">${letters.right}</span>
  `;
}
