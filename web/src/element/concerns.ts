// Warnings over the picture: an icon with their number, a line for what changes the picture, and the list.
import { html, nothing, type TemplateResult } from "lit";
import { icons } from "../parts/icons.js";
import { plural } from "../text/amount.js";
import { type Concerns, countOf, headlineOf, leftOutLine } from "../text/warnings.js";

/** concernsButton opens the list; it says what changes the picture without being opened. */
export function concernsButton(concerns: Concerns, open: boolean, toggle: () => void): TemplateResult | typeof nothing {
  const count = countOf(concerns);
  if (count === 0) return nothing;
  const grave = concerns.picture.length > 0 || concerns.leftOutCount > 0;
  return html`<button class="concern ${grave ? "grave" : ""}" part="warnings" aria-expanded=${open} aria-label=${`${plural(count, "warning")}: ${headlineOf(concerns)}`}
    @click=${toggle}>${icons.warning}<b class="number">${count}</b>${grave ? html`<span>${headlineOf(concerns)}</span>` : nothing}</button>`;
}

/** concernsList is all there is to say, with the files that were left out. */
export function concernsList(concerns: Concerns, close: () => void): TemplateResult {
  const { picture, other, leftOut, leftOutCount } = concerns;
  return html`<div class="concerns" role="dialog" aria-label="Warnings about this series">
    <header><h2>About this series</h2>
      <button class="button plain" aria-label="Close" @click=${close}>${icons.close}</button></header>
    <div class="body">
      ${group("What changes the picture", picture, "grave")} ${group("Good to know", other, "")}
      ${leftOutCount === 0
        ? nothing
        : html`<h3>${leftOutLine(concerns)}</h3>
            <dl>${leftOut.map(({ name, reason }) => html`<dt>${name}</dt><dd>${reason}</dd>`)}</dl>
            ${leftOutCount > leftOut.length ? html`<p class="quiet">And ${plural(leftOutCount - leftOut.length, "more file")}.</p>` : nothing}`}
    </div>
  </div>`;
}

function group(title: string, lines: string[], kind: string): TemplateResult | typeof nothing {
  if (lines.length === 0) return nothing;
  return html`<h3>${title}</h3><ul class=${kind}>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}
