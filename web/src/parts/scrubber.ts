// A slider through time points or images, with play for what moves.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { icons } from "./icons.js";
import { buttons, theme } from "./theme.js";

/** ScrubDetail comes with "scrub": where to go, and whether the hand is still on the slider. */
export interface ScrubDetail {
  at: number;
  active: boolean;
}

/** Scrubber tells "scrub" (ScrubDetail) and, where it can play, "play" and "pause". */
export class Scrubber extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 12px;
        padding: 8px 14px;
        border-top: 1px solid var(--tc-line);
        background: var(--tc-surface);
      }
      .button {
        width: 40px;
        padding: 0;
      }
      input {
        flex: 1;
        min-width: 0;
        height: 28px;
        margin: 0;
        accent-color: var(--tc-accent);
        cursor: pointer;
      }
      output {
        min-width: 15ch;
        font-size: 13px;
        text-align: right;
        white-space: nowrap;
      }
      @media (max-width: 760px) {
        .button {
          width: 44px;
          min-height: 44px;
        }
        input {
          height: 44px;
        }
        output {
          min-width: 10ch;
        }
      }
    `,
  ];
  static override readonly properties = {
    name: { type: String },
    count: { type: Number },
    at: { type: Number },
    detail: { type: String },
    playable: { type: Boolean },
    playing: { type: Boolean },
    disabled: { type: Boolean },
  };

  /** name is what one of them is called. */
  declare name: string;
  declare count: number;
  declare at: number;
  /** detail says more of the one that is shown. */
  declare detail: string;
  declare playable: boolean;
  declare playing: boolean;
  declare disabled: boolean;

  constructor() {
    super();
    this.name = "";
    this.count = 0;
    this.at = 0;
    this.detail = "";
    this.playable = false;
    this.playing = false;
    this.disabled = false;
  }

  protected override render(): TemplateResult {
    const words = `${this.at + 1} / ${this.count}${this.detail === "" ? "" : ` · ${this.detail}`}`;
    const play = this.playing ? "Pause" : "Play";
    return html`
      ${this.playable
        ? html`<button class="button" title=${play} aria-label=${play} ?disabled=${this.disabled}
            @click=${() => { this.#tell(this.playing ? "pause" : "play"); }}>${this.playing ? icons.pause : icons.play}</button>`
        : nothing}
      <input type="range" min="0" max=${this.count - 1} step="1" .value=${String(this.at)} ?disabled=${this.disabled}
        aria-label=${this.name} aria-valuetext=${`${this.name} ${words}`}
        @input=${(event: Event) => { this.#scrub(event, true); }} @change=${(event: Event) => { this.#scrub(event, false); }} />
      <output class="number">${words}</output>
    `;
  }

  #scrub(event: Event, active: boolean): void {
    const at = Number((event.target as HTMLInputElement).value);
    this.#tell("scrub", { at, active });
  }

  #tell(name: string, detail?: ScrubDetail): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
