// The six standard views.
import { css, html, LitElement, type TemplateResult } from "lit";
import type { Orientation } from "../client/session-types.js";
import { icons } from "./icons.js";
import { buttons, theme } from "./theme.js";

const views: [Orientation, string, string][] = [
  ["anterior", "A", "Anterior"],
  ["posterior", "P", "Posterior"],
  ["left", "L", "Left"],
  ["right", "R", "Right"],
  ["superior", "H", "Superior"],
  ["inferior", "F", "Inferior"],
];

/** StandardViews lets a side be chosen to look from; "look" tells which, undefined for a reset. */
export class StandardViews extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      .grid {
        display: grid;
        grid-template-columns: repeat(2, 1fr);
        gap: 6px;
      }
      .button {
        justify-content: flex-start;
        padding: 0 10px;
      }
      b {
        display: grid;
        place-items: center;
        width: 20px;
        height: 20px;
        border-radius: 5px;
        background: rgb(244 213 138 / 0.14);
        color: #f4d58a;
        font-size: 12px;
      }
      .reset {
        grid-column: 1 / -1;
        justify-content: center;
      }
    `,
  ];

  static override readonly properties = { disabled: { type: Boolean } };

  declare disabled: boolean;

  constructor() {
    super();
    this.disabled = false;
  }

  protected override render(): TemplateResult {
    return html`<div class="grid" role="group" aria-label="Standard views">
      ${views.map(
        ([orientation, letter, name], i) => html`<button class="button" ?disabled=${this.disabled} title="Look from there (${i + 1})"
          @click=${() => { this.#look(orientation); }}><b aria-hidden="true">${letter}</b>${name}</button>`,
      )}
      <button class="button plain reset" ?disabled=${this.disabled} title="As when it was opened (R)" @click=${() => { this.#look(undefined); }}>${icons.reset}Reset everything</button>
    </div>`;
  }

  #look(orientation: Orientation | undefined): void {
    this.dispatchEvent(new CustomEvent("look", { detail: orientation }));
  }
}
