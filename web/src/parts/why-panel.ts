// Why a session runs where it does: the kind of answer, the reasons, and what the choice was made of.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Placement } from "../element/types.js";
import { sentence } from "../text/amount.js";
import { answerWords, costOf } from "../text/placing.js";
import { theme } from "./theme.js";

export class WhyPanel extends LitElement {
  static override readonly styles = [
    theme,
    css`
      details {
        margin-top: 14px;
        padding-top: 12px;
        border-top: 1px solid var(--tc-line);
        font-size: 13px;
      }
      summary {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 12px;
        min-height: 28px;
        border-radius: 6px;
        cursor: pointer;
        list-style: none;
      }
      summary::-webkit-details-marker {
        display: none;
      }
      summary::after {
        content: "";
        width: 7px;
        height: 7px;
        margin-right: 4px;
        border: solid var(--tc-faint);
        border-width: 0 1.6px 1.6px 0;
        transform: rotate(45deg);
      }
      details[open] summary::after {
        transform: rotate(-135deg);
      }
      summary b {
        font-weight: 500;
      }
      ul {
        margin: 8px 0 0;
        padding: 0 0 0 18px;
        color: var(--tc-soft);
      }
      li {
        margin: 3px 0;
        overflow-wrap: anywhere;
      }
      table {
        width: 100%;
        margin-top: 10px;
        border-collapse: collapse;
      }
      th,
      td {
        padding: 5px 0;
        border-top: 1px solid var(--tc-line);
        font-weight: 400;
        text-align: left;
        vertical-align: top;
      }
      th small {
        display: block;
        color: var(--tc-faint);
        font-size: 12px;
        overflow-wrap: anywhere;
      }
      td {
        padding-left: 10px;
        text-align: right;
        font-variant-numeric: tabular-nums;
        white-space: nowrap;
      }
      .total > * {
        font-weight: 600;
      }
      p {
        margin: 10px 0 0;
        color: var(--tc-faint);
        font-size: 12px;
        overflow-wrap: anywhere;
      }
    `,
  ];
  static override readonly properties = { placement: { attribute: false } };

  declare placement: Placement | undefined;

  protected override render(): TemplateResult | typeof nothing {
    const { placement } = this;
    if (placement === undefined) return nothing;
    const { answer, reasons, terms, shadow, local, node } = placement;
    return html`<details @toggle=${shown}>
      <summary><b>Why this edge</b></summary>
      <ul>
        <li>${answerWords(answer)}: ${node}.</li>
        ${reasons.map((reason) => html`<li>${sentence(reason)}</li>`)}
        ${shadow === "" ? nothing : html`<li>${shadow} is kept ready to take over.</li>`}
      </ul>
      ${terms.length === 0 ? nothing : html`<table>
        <caption class="visually-hidden">What the choice was made of; the lowest sum is taken</caption>
        <tbody>${terms.map((term) => html`<tr><th scope="row">${sentence(term.name).replace(/\.$/, "")}<small>${term.reason}</small></th><td>${costOf(term)}</td></tr>`)}
          ${terms.length < 2 ? nothing : html`<tr class="total"><th scope="row">Cost</th><td>${costOf({ ms: terms.reduce((sum, { ms }) => sum + ms, 0) })}</td></tr>`}</tbody>
      </table>`}
      ${local === "" || reasons.some((reason) => reason.includes(local)) ? nothing : html`<p>${local}</p>`}
    </details>`;
  }
}

/** shown brings what was opened into sight: on a narrow page the panel is a low sheet. */
function shown(event: Event): void {
  const details = event.currentTarget as HTMLDetailsElement;
  if (details.open) details.scrollIntoView({ block: "nearest" });
}
