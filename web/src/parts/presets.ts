// The presets that the edge offers.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { PresetInfo } from "../contract.js";
import { buttons, theme } from "./theme.js";

/** PresetList lets one preset be chosen; "choose" tells which. */
export class PresetList extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      .list {
        display: grid;
        gap: 6px;
      }
      .button {
        justify-content: flex-start;
        width: 100%;
        text-align: left;
      }
      .swatch {
        flex: none;
        width: 10px;
        height: 10px;
        border: 1.6px solid currentcolor;
        border-radius: 50%;
      }
      [aria-checked="true"] .swatch {
        background: currentcolor;
        box-shadow: inset 0 0 0 2px var(--tc-raised);
      }
      p {
        margin: 12px 0 6px;
        color: var(--tc-faint);
        font-size: 12px;
      }
    `,
  ];
  static override readonly properties = {
    presets: { attribute: false },
    chosen: { type: String },
    modality: { type: String },
    disabled: { type: Boolean },
  };

  declare presets: PresetInfo[];
  declare chosen: string;
  /** modality is that of the series; presets made for it come first. */
  declare modality: string;

  declare disabled: boolean;

  constructor() {
    super();
    this.presets = [];
    this.chosen = "";
    this.modality = "";
    this.disabled = false;
  }

  protected override render(): TemplateResult {
    const fitting = this.presets.filter(({ modalities }) => modalities.includes(this.modality));
    const others = this.presets.filter((preset) => !fitting.includes(preset));
    return html`<div role="radiogroup" aria-label="Preset" @keydown=${this.#key}>
      <div class="list">${fitting.map((preset) => this.#one(preset))}</div>
      ${others.length === 0 ? nothing : html`${fitting.length > 0 ? html`<p>For other modalities</p>` : nothing}
        <div class="list">${others.map((preset) => this.#one(preset))}</div>`}
    </div>`;
  }

  #one(preset: PresetInfo): TemplateResult {
    const chosen = preset.name === this.chosen;
    return html`<button class="button" role="radio" aria-checked=${chosen} tabindex=${chosen || this.chosen === "" ? 0 : -1}
      data-name=${preset.name} ?disabled=${this.disabled} @click=${() => { this.#choose(preset); }}><span class="swatch"></span>${preset.label || preset.name}</button>`;
  }

  #choose(preset: PresetInfo): void {
    this.dispatchEvent(new CustomEvent("choose", { detail: preset }));
  }

  /** key moves along the group with the arrows, as radio buttons do. */
  readonly #key = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const all = [...this.renderRoot.querySelectorAll<HTMLElement>("[role=radio]")];
    const at = all.findIndex((button) => button.dataset.name === this.chosen);
    const next = all[(at + step + all.length) % all.length];
    next?.focus();
    next?.click();
  };
}
