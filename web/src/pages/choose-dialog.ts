// The question how the edge is to handle a task (A9), where it leaves that to the user.
import { css, html, type TemplateResult } from "lit";
import type { Handling } from "../client/compute.js";
import { dialogOf } from "../parts/dialog.js";
import { handlingWords } from "../text/placing.js";

export const chooseStyles = css`
  .choices {
    display: grid;
    gap: 8px;
    margin-top: 16px;
  }
  .choices .button {
    display: grid;
    justify-items: start;
    gap: 2px;
    padding: 12px 16px;
    text-align: left;
    white-space: normal;
  }
  .choices .button span {
    color: var(--tc-soft);
    font-size: 13px;
    font-weight: 400;
  }
`;

/** chooseDialog tells the choice; closing it leaves the choice to the edge. */
export function chooseDialog(choices: readonly Handling[], chosen: (handling: Handling | undefined) => void): TemplateResult {
  return dialogOf("How to compute this", html`
    <h2>How is this to be computed?</h2>
    <p>The operator of this edge leaves it to you.</p>
    <div class="choices">${choices.map((handling) => {
      const { name, detail } = handlingWords(handling);
      return html`<button class="button" @click=${() => { chosen(handling); }}>${name}<span>${detail}</span></button>`;
    })}</div>
    <div class="actions"><button class="button" @click=${() => { chosen(undefined); }}>Let the edge decide</button></div>`,
  () => { chosen(undefined); });
}
