// What waits for a place, the next first.
import { html, nothing, type TemplateResult } from "lit";
import { icons } from "../parts/icons.js";
import { sentence } from "../text/amount.js";
import type { Waiting } from "./api.js";
import { lasted, needsWords, typeName } from "./rows.js";

/** queueTable is the head of the queue; who waits is named, on what they work is not. */
export function queueTable(queue: readonly Waiting[], known: boolean, now: number): TemplateResult {
  if (!known) return html`<div class="ghosts" aria-busy="true"><i></i><i></i></div>`;
  if (queue.length === 0) {
    return html`<div class="nothing">${icons.done}<h3>Nobody waits</h3><p>Every task that asked for a place has one.</p></div>`;
  }
  const reasons = queue.some(({ reason = "" }) => reason !== "");
  return html`<div class="scroll"><table aria-label="Queue">
    <thead><tr><th scope="col" class="right">Place</th><th scope="col">Task</th><th scope="col">Who</th><th scope="col">Zone</th><th scope="col">Needs</th>
      <th scope="col" class="right">Waits</th>${reasons ? html`<th scope="col">Why</th>` : nothing}</tr></thead>
    <tbody>${queue.map((task, i) => row(task, i + 1, now, reasons))}</tbody>
  </table></div>`;
}

function row({ task, type, operation = "", creator = "", zone = "", needs, urgent = false, since, reason = "", queue }: Waiting, place: number, now: number, reasons: boolean): TemplateResult {
  return html`<tr>
    <td data-label="Place" class="right number place">${queue?.position ?? place}</td>
    <th scope="row">${typeName(type)}${operation === "" ? "" : `, ${operation}`}${urgent || queue?.urgent === true ? html`<span class="chip draining urgent">Urgent</span>` : ""}<small>${task}</small></th>
    <td data-label="Who">${creator === "" ? html`<span class="quiet">unknown</span>` : whom(creator)}</td>
    <td data-label="Zone">${zone === "" ? html`<span class="quiet">unknown</span>` : zone}</td>
    <td data-label="Needs" class="wide">${needsWords(needs)}</td>
    <td data-label="Waits" class="right number nowrap">${lasted(now - Date.parse(since))}</td>
    ${reasons ? html`<td data-label="Why" class="wide">${sentence(reason)}</td>` : nothing}
  </tr>`;
}

/** whom is who asked: a hash of the name is told apart by its beginning. */
function whom(creator: string): TemplateResult | string {
  return /^[0-9a-f]{24,}$/.test(creator) ? html`<span title="Hash of who asked: ${creator}">${creator.slice(0, 8)}…</span>` : creator;
}
