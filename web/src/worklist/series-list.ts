// The series of one study, with a picture of each and what it is.
import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { explain, type Explanation } from "../client/problem.js";
import type { Series, StudiesAPI, Study } from "../client/studies.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural, sentenceCase } from "../text/amount.js";
import { viewerURL } from "./address.js";

/** SeriesList asks for the series of a study and leads to each of them. */
export class SeriesList extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      :host {
        display: block;
      }
      p {
        margin: 10px 8px;
        color: var(--tc-soft);
      }
      [role="alert"] {
        color: var(--tc-bad);
      }
      .one {
        display: grid;
        grid-template-columns: 56px 48px minmax(0, 1fr) 110px 100px 84px;
        gap: 16px;
        align-items: center;
        min-height: 68px;
        padding: 6px 12px 6px 6px;
        border-radius: var(--tc-radius);
        color: var(--tc-text);
        text-decoration: none;
      }
      a.one:hover {
        background: var(--tc-hover);
      }
      .one.no {
        color: var(--tc-soft);
      }
      .what {
        min-width: 0;
        overflow-wrap: anywhere;
      }
      small {
        display: block;
        color: var(--tc-faint);
        font-size: 12px;
      }
      em {
        justify-self: start;
        padding: 1px 7px;
        border-radius: 5px;
        background: var(--tc-accent-dim);
        color: var(--tc-accent);
        font-size: 12px;
        font-style: normal;
        font-weight: 600;
      }
      .go {
        display: flex;
        align-items: center;
        justify-content: flex-end;
        gap: 4px;
        color: var(--tc-accent);
        font-weight: 500;
        white-space: nowrap;
      }
      .no .go {
        color: var(--tc-faint);
        font-weight: 400;
      }
      .ghost i {
        height: 12px;
        border-radius: 6px;
        background: var(--tc-hover);
        animation: breathe 1.4s ease-in-out infinite;
      }
      .ghost i:first-child {
        height: 56px;
      }
      @keyframes breathe {
        50% {
          opacity: 0.45;
        }
      }
      @media (max-width: 900px) {
        .one {
          grid-template-columns: 56px minmax(0, 1fr) auto;
          gap: 4px 12px;
        }
        tc-thumbnail {
          grid-row: span 2;
        }
        .one em {
          grid-area: 1 / 3;
        }
        .count {
          grid-area: 2 / 2;
          font-size: 12px;
        }
        .size,
        .one .go {
          display: none;
        }
      }
    `,
  ];
  static override readonly properties = { api: { attribute: false }, study: { attribute: false }, series: { state: true } };

  declare api: StudiesAPI;
  declare study: Study;
  declare private series: Series[] | Explanation | undefined;
  #asked: AbortController | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asked?.abort();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("study")) void this.#ask();
  }

  protected override render(): TemplateResult | TemplateResult[] {
    const { series, study } = this;
    if (series === undefined) {
      const ghosts = Math.min(4, Math.max(1, study.seriesCount));
      return html`<div aria-busy="true" aria-label="Series are being listed">${Array.from({ length: ghosts }, () => html`<div class="one ghost"><i></i><i></i><i></i></div>`)}</div>`;
    }
    if (!Array.isArray(series)) {
      return html`<p role="alert">${series.title} ${series.detail} <button class="button" @click=${() => void this.#ask()}>${icons.refresh}Try again</button></p>`;
    }
    if (series.length === 0) return html`<p>This study has no series.</p>`;
    return html`${repeat(series, ({ seriesInstanceUID }) => seriesInstanceUID, (one) => this.#one(one))}`;
  }

  #one(series: Series): TemplateResult {
    const { studyInstanceUID, source } = this.study;
    const { seriesInstanceUID } = series;
    const images = imagesOf(series);
    const size = series.columns > 0 ? `${series.columns} × ${series.rows}` : "";
    const load = images > 0 ? (signal: AbortSignal) => this.api.thumbnail(studyInstanceUID, seriesInstanceUID, source, signal) : undefined;
    const what = html`<tc-thumbnail .load=${load}></tc-thumbnail>
      <em>${series.modality || "–"}</em>
      <span class="what">${series.description || "No description"}<small>${aboutOf(series)}</small></span>
      <span class="number quiet count">${countOf(series)}</span><span class="number quiet size">${size}</span>`;
    return images > 0
      ? html`<a class="one" href=${viewerURL({ studyInstanceUID, seriesInstanceUID, source })}>${what}
          <span class="go">${series.volume || !isKnown(series) ? "Open" : "View"} ${icons.expand}</span></a>`
      : html`<div class="one no">${what}<span class="go">No images</span></div>`;
  }

  async #ask(): Promise<void> {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    this.series = undefined;
    try {
      const found = await this.api.series(this.study.studyInstanceUID, this.study.source, asked.signal);
      if (!asked.signal.aborted) this.series = found;
    } catch (error) {
      if (!asked.signal.aborted) this.series = explain(error);
    }
  }
}

/** What holds no images, where a source says nothing but the modality. */
const imageless = new Set(["SR", "KO", "PR", "DOC", "RTSTRUCT", "RTPLAN", "RTRECORD", "REG", "AU", "ECG", "HD", "PLAN", "FID", "RWV", "SMR"]);

/** isImageless says that series of a modality hold documents, measurements or plans, but no images. */
export function isImageless(modality: string): boolean {
  return imageless.has(modality);
}

/** isKnown says whether the source has looked into the series; a PACS tells little of it. */
function isKnown({ images, kind = "", reason = "" }: Series): boolean {
  return images > 0 || kind !== "" || reason !== "";
}

/** imagesOf is how many images a series has, as far as its source says; else there is one in each instance. */
export function imagesOf(series: Series): number {
  if (isKnown(series)) return series.images;
  return isImageless(series.modality) ? 0 : series.instanceCount;
}

/** countOf is how much a series is. */
export function countOf(series: Series): string {
  const images = imagesOf(series);
  return images > 0 ? plural(images, "image") : plural(series.instanceCount, "object");
}

/** aboutOf is what a series is where it is no volume, and of which part of the body where it is one. */
export function aboutOf({ volume, reason = "", kind = "", bodyPart }: Series): string {
  if (volume) return sentenceCase(bodyPart);
  return reason || sentenceCase(kind.replace(/^an? /, ""));
}
