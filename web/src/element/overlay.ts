// What is written over the picture: whose it is, what it is, which way it faces, and what is going on.
import { html, nothing, type TemplateResult } from "lit";
import type { Letters } from "../camera/letters.js";
import { rounded } from "../camera/window.js";
import type { State } from "../client/session-types.js";
import { explain, type ProblemError } from "../client/problem.js";
import type { Loading, SeriesInfo, SessionInfo, Window } from "../contract.js";
import { megabytes } from "../text/amount.js";
import { isoDate, personName, sexWord } from "../text/person.js";
import type { Quality } from "./types.js";

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
export type Shown = Quality | "loading" | "stale";

const shownWords: Record<Shown, [string, string]> = {
  stale: ["Not live", "The connection is interrupted; this is the last picture that came"],
  loading: ["Loading", "The series is not complete yet"],
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

/** footer is what the picture is, its window, and what it is not for. */
export function footer(
  shown: Shown | undefined,
  window: Window | undefined,
  series: SeriesInfo | undefined,
  session: SessionInfo | undefined,
): TemplateResult {
  return html`
    <div class="corner bl">
      ${shown === undefined ? nothing : badge(shown)}
      <div class="disclaimer" part="disclaimer">Not for diagnostic use</div>
    </div>
    <div class="corner br number">
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

export interface Situation {
  state: State | "idle";
  problem: ProblemError | undefined;
  attempt: number;
  loading: Loading | undefined;
  /** hasPicture says that a picture is on the screen, which a message must not hide for long. */
  hasPicture: boolean;
  retry(): void;
  giveUp(): void;
}

/** situation says in words what is going on where there is no live picture, and what the user can do. */
export function situation(now: Situation): TemplateResult | typeof nothing {
  switch (now.state) {
    case "asking":
      return waiting("Finding a renderer", "A renderer near you is being reserved.");
    case "connecting":
      return waiting("Connecting", "The renderer is ready; the picture's way is being opened.");
    case "loading":
      return loading(now.loading);
    case "running":
      return now.hasPicture ? nothing : waiting("Drawing the first picture", "");
    case "restoring":
      return restoring(now);
    case "ended":
    case "failed":
      return over(now);
    case "idle":
      return nothing;
  }
}

function waiting(title: string, detail: string): TemplateResult {
  return html`<div class="message"><div class="card quietly">
    <h2>${title}</h2>
    <div class="track unknown"><i></i></div>
    <p>${detail}</p>
  </div></div>`;
}

function loading(progress: Loading | undefined): TemplateResult {
  if (progress === undefined || progress.totalSlices === 0) return waiting("Loading the series", progress?.stage ?? "");
  const share = Math.min(1, progress.slices / progress.totalSlices);
  const bytes = progress.totalBytes > 0 ? `${megabytes(progress.bytes)} of ${megabytes(progress.totalBytes)}` : megabytes(progress.bytes);
  return html`<div class="message"><div class="card quietly">
    <h2>Loading the series</h2>
    <div class="track" role="progressbar" aria-label="Loading" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(share * 100)} style="--share:${(share * 100).toFixed(1)}%"><i></i></div>
    <p class="number">${progress.slices} of ${progress.totalSlices} slices · ${bytes}</p>
  </div></div>`;
}

function restoring(now: Situation): TemplateResult {
  const { title, detail } = explain(now.problem);
  return html`<div class="message"><div class="card" role="alertdialog" aria-label=${title}>
    <h2>${title}</h2>
    <p>${detail}</p>
    <div class="track unknown"><i></i></div>
    <p class="number">${now.attempt > 1 ? `Trying to go on with the same view, attempt ${now.attempt}.` : "Trying to go on with the same view."}</p>
    <div class="actions">
      <button class="button" @click=${now.giveUp}>Stop trying</button>
      <slot name="action"></slot>
    </div>
  </div></div>`;
}

function over(now: Situation): TemplateResult {
  const { title, detail, advice } = explain(now.problem);
  return html`<div class="message"><div class="card" role="alertdialog" aria-label=${title}>
    <h2>${title}</h2>
    <p>${detail}</p>
    <div class="actions">
      ${advice === "studies" ? nothing : html`<button class="button primary" @click=${now.retry}>${now.state === "ended" ? "Open again" : "Retry"}</button>`}
      <slot name="action"></slot>
    </div>
  </div></div>`;
}
