// Warnings over the picture: an icon with their number, a line for what changes the picture, and the list.
import { html, nothing, type TemplateResult } from "lit";
import { icons } from "../parts/icons.js";
import { plural, sentence } from "../text/amount.js";
import { type Concerns, countOf, headlineOf, isGrave, leftOutLine, sentLine } from "../text/warnings.js";

/** concernsButton opens the list; it says what changes the picture without being opened. */
export function concernsButton(concerns: Concerns, open: boolean, toggle: () => void): TemplateResult | typeof nothing {
  const count = countOf(concerns);
  if (count === 0) return nothing;
  const grave = isGrave(concerns);
  return html`<button class="concern ${grave ? "grave" : ""}" part="warnings" aria-expanded=${open} aria-label=${`${plural(count, "warning")}: ${headlineOf(concerns)}`}
    @click=${toggle}>${icons.warning}<b class="number">${count}</b>${grave || concerns.sentCount > 0 ? html`<span>${headlineOf(concerns)}</span>` : nothing}</button>`;
}

/** concernsList is all there is to say, with the files that were left out. */
export function concernsList(concerns: Concerns, close: () => void): TemplateResult {
  const { picture, other, leftOut, leftOutCount, sent, sentCount } = concerns;
  return html`<div class="concerns" role="dialog" aria-label="Warnings about this series">
    <header><h2>About this series</h2>
      <button class="button plain" aria-label="Close" @click=${close}>${icons.close}</button></header>
    <div class="body">
      ${group("What changes the picture", picture, "grave")} ${group("Good to know", other, "")}
      ${files(leftOutLine(concerns), leftOut, leftOutCount)} ${files(sentLine(concerns), sent, sentCount)}
    </div>
  </div>`;
}

function files(title: string, named: Concerns["leftOut"], count: number): TemplateResult | typeof nothing {
  if (count === 0) return nothing;
  return html`<h3>${title}</h3>
    <dl>${named.map(({ name, reason }) => html`<dt>${name}</dt><dd>${sentence(reason)}</dd>`)}</dl>
    ${count > named.length ? html`<p class="quiet">And ${plural(count - named.length, "more file")}.</p>` : nothing}`;
}

function group(title: string, lines: string[], kind: string): TemplateResult | typeof nothing {
  if (lines.length === 0) return nothing;
  return html`<h3>${title}</h3><ul class=${kind}>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}
