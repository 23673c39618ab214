// How good the predictions of run times were (B2): as a tile, and by type.
import { html, nothing, type TemplateResult } from "lit";
import type { Forecast } from "../contract.js";
import { plural, sentence } from "../text/amount.js";
import type { Score } from "./api.js";
import { lasted, typeName } from "./rows.js";

/** factorOf is the factor by which half of the predictions were off at most. */
export function factorOf({ errorLog }: Pick<Score, "errorLog">): string {
  const factor = Math.exp(Math.max(0, errorLog));
  return `${factor.toFixed(factor < 10 ? 2 : 0)}×`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** overall puts the scores of all types together, each by how many tasks it is of; undefined where nothing has ended yet. */
export function overall(scores: readonly Score[]): Omit<Score, "type" | "unknown"> | undefined {
  const tasks = scores.reduce((sum, score) => sum + score.tasks, 0);
  if (tasks === 0) return undefined;
  const mean = (of: (score: Score) => number): number => scores.reduce((sum, score) => sum + of(score) * score.tasks, 0) / tasks;
  return { tasks, errorLog: mean(({ errorLog }) => errorLog), within2: mean(({ within2 }) => within2), covered90: mean(({ covered90 }) => covered90) };
}

/** forecastWords is how long a task is expected to run. */
export function forecastWords({ known, expectedMs = 0, lowMs = 0, highMs = 0, basis = "" }: Forecast): string {
  if (!known) return "Nobody knows how long it would run: nothing like it has ended yet.";
  const range = highMs > 0 ? `, eight in ten between ${lasted(lowMs)} and ${lasted(highMs)}` : "";
  return `It would run for about ${lasted(expectedMs)}${range}.${basis === "" ? "" : ` ${sentence(basis)}`}`;
}

/** nothingWords says why there is no score yet. */
export function nothingWords(scores: readonly Score[]): string {
  return scores.some(({ unknown }) => unknown > 0) ? "Nothing that was predicted has ended yet" : "Nothing has run yet";
}

/** scoresTile is the tile; unknown while nothing has been read. */
export function scoresTile(scores: readonly Score[] | undefined): TemplateResult {
  const all = overall(scores ?? []);
  return html`<section class="tile scores"><h2>Run times are off by</h2>
    <p class="figure">${all === undefined ? "–" : factorOf(all)}</p>
    <p class="note">${scores === undefined ? "Not known" : all === undefined ? nothingWords(scores) : `at the median; ${percent(all.within2)} within 2×`}</p></section>`;
}

/** scoresTable are the scores by type. */
export function scoresTable(scores: readonly Score[]): TemplateResult {
  const known = scores.filter(({ tasks }) => tasks > 0);
  if (known.length === 0) {
    return html`<p class="quiet">${nothingWords(scores)}, so nobody knows how good predictions are. Tasks whose end nobody knows are shown as such.</p>`;
  }
  return html`<div class="scroll whole"><table aria-label="How well run times are predicted">
    <thead><tr><th scope="col">Type</th><th scope="col" class="right">Ended</th><th scope="col" class="right">Half are off by at most</th><th scope="col" class="right">Within a factor of 2</th><th scope="col" class="right">Below the 90 % mark</th></tr></thead>
    <tbody>${known.map((score) => html`<tr><th scope="row">${typeName(score.type)}</th>
      <td data-label="Ended" class="right number">${plural(score.tasks, "task")}${score.unknown > 0 ? html`<small>${score.unknown.toLocaleString("en-GB")} more were not predicted</small>` : nothing}</td>
      <td data-label="Off by at most" class="right number">${factorOf(score)}</td>
      <td data-label="Within factor 2" class="right number">${percent(score.within2)}</td>
      <td data-label="Below 90 %" class="right number">${percent(score.covered90)}${Math.abs(score.covered90 - 0.9) > 0.05 && score.tasks >= 50 ? html`<small>should be 90 %</small>` : nothing}</td></tr>`)}</tbody></table></div>`;
}
