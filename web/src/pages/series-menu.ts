// The series and parts that the viewer can show, with the one on the screen marked.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { StudiesAPI } from "../client/studies.js";
import { theme } from "../parts/theme.js";
import type { Choice } from "./series-choices.js";

/** SeriesMenu tells "open" (Choice). */
export class SeriesMenu extends LitElement {
  static override readonly styles = [
    theme,
    css`
      :host {
        display: grid;
        gap: 4px;
        margin: 0 -8px;
      }
      button {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 12px;
        align-items: center;
        width: 100%;
        min-height: 40px;
        padding: 6px 8px;
        border: 1px solid transparent;
        border-radius: var(--tc-radius);
        background: none;
        text-align: left;
        cursor: pointer;
      }
      button:hover:not(:disabled) {
        background: var(--tc-hover);
      }
      button:disabled {
        cursor: default;
        opacity: 0.6;
      }
      button[aria-current="true"] {
        border-color: var(--tc-accent);
        background: var(--tc-accent-dim);
      }
      tc-thumbnail {
        --side: 48px;
      }
      b,
      small {
        display: block;
        overflow-wrap: anywhere;
      }
      b {
        font-size: 13px;
        font-weight: 600;
        line-height: 1.35;
      }
      small {
        color: var(--tc-soft);
        font-size: 12px;
        line-height: 1.4;
      }
      .parts {
        display: grid;
        gap: 2px;
        margin: 0 0 6px 24px;
        padding-left: 8px;
        border-left: 1px solid var(--tc-line-strong);
      }
      .parts button {
        grid-template-columns: minmax(0, 1fr);
      }
      [aria-busy="true"] {
        animation: breathe 1.4s ease-in-out infinite;
      }
      @keyframes breathe {
        50% {
          opacity: 0.45;
        }
      }
    `,
  ];
  static override readonly properties = {
    api: { attribute: false },
    choices: { attribute: false },
    opening: { type: String },
    pictures: { type: Boolean },
    disabled: { type: Boolean },
  };

  declare api: StudiesAPI;
  declare choices: Choice[];
  /** opening is the key of the one that is on its way. */
  declare opening: string;
  /** pictures says that the source has thumbnails; files that were sent have none. */
  declare pictures: boolean;
  declare disabled: boolean;

  constructor() {
    super();
    this.choices = [];
    this.opening = "";
    this.pictures = true;
    this.disabled = false;
  }

  protected override render(): TemplateResult {
    return html`${repeat(this.choices, ({ key }) => key, (choice) => html`
      ${this.#one(choice, this.pictures)}
      ${choice.parts.length === 0 ? nothing : html`<div class="parts" role="group" aria-label="Parts of this series">${choice.parts.map((part) => this.#one(part, false))}</div>`}
    `)}`;
  }

  #one(choice: Choice, picture: boolean): TemplateResult {
    const { series, key, name, modality, detail, openable, shown } = choice;
    const load = openable ? (signal: AbortSignal) => this.api.thumbnail(series.studyInstanceUID, series.seriesInstanceUID ?? "", series.source ?? "", signal) : undefined;
    // A series with parts stands for the one that the renderer chooses.
    const current = shown && choice.parts.length === 0;
    return html`<button aria-current=${current} aria-busy=${this.opening === key} ?disabled=${this.disabled || !openable}
      @click=${() => { if (!current) this.dispatchEvent(new CustomEvent("open", { detail: choice })); }}>
      ${picture ? html`<tc-thumbnail .load=${load}></tc-thumbnail>` : nothing}
      <span><b>${name}</b><small>${picture || choice.parts.length > 0 ? [modality, detail].filter(Boolean).join(" · ") : detail}</small></span></button>`;
  }
}
