// Tasks that move to other nodes, and how the last moves ended.
import { html, type TemplateResult } from "lit";
import type { Moving } from "../contract.js";
import { icons } from "../parts/icons.js";
import { plural, sentence } from "../text/amount.js";
import { remark } from "./panel.js";
import { exactly, lasted, since, typeName } from "./rows.js";

const reasons: Record<Moving["reason"], string> = { defragment: "To close gaps", drain: "Its node is emptied", closing: "Its node closes", "by-hand": "By hand", lost: "Its node was lost" };

/** The words for states, and their colours. States that this page does not know are told as they are. */
const states: Record<string, [words: string, kind: string]> = {
  waiting: ["Waits for room", "waits"], "handing-over": ["Hands over", "going"], committing: ["Arrives", "going"],
  moved: ["Moved", "good"], stays: ["Stays", "waits"], ended: ["Task ended", ""], other: ["Moved by another broker", ""],
};

/** underWay are the moves that have not ended. */
export function underWay(moves: readonly Moving[]): Moving[] {
  return moves.filter(({ endedAt }) => endedAt === undefined);
}

/** movesTables are the moves under way, the oldest first, and those that ended, the last first. */
export function movesTables(moves: readonly Moving[], now: number): TemplateResult {
  if (moves.length === 0) {
    return html`<div class="nothing">${icons.done}<h3>Nothing has moved</h3>
      <p>Tasks move when a node is drained, when gaps between them are closed, when a node is lost, or when you move one from its node.</p></div>`;
  }
  const going = underWay(moves).sort((a, b) => Date.parse(a.beganAt) - Date.parse(b.beganAt));
  const ended = moves.filter(({ endedAt }) => endedAt !== undefined).sort((a, b) => Date.parse(b.endedAt ?? "") - Date.parse(a.endedAt ?? ""));
  return html`<h2 class="part">Under way</h2><p>${going.length === 0 ? "No task moves now." : "Who works there goes on meanwhile, and keeps the old place until the new one shows the same."}</p>
    ${going.length === 0 ? "" : table("Moves under way", going, now)}
    ${ended.length === 0 ? "" : html`<h2 class="part">Ended</h2><p>${endedWords(ended)}</p>${table("Moves that ended", ended, now)}`}`;
}

/** endedWords counts how moves ended. */
export function endedWords(ended: readonly Moving[]): string {
  const count = (state: string): number => ended.filter((move) => move.state === state).length;
  const stays = count("stays");
  return `${plural(count("moved"), "task has", "tasks have")} moved${stays === 0 ? "" : `; ${plural(stays, "goes", "go")} on where ${stays === 1 ? "it was" : "they were"}`}.`;
}

function table(label: string, moves: readonly Moving[], now: number): TemplateResult {
  return html`<div class="scroll whole"><table aria-label=${label}>
    <thead><tr><th scope="col">Task</th><th scope="col">How it is</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Reason</th><th scope="col">Why</th><th scope="col" class="right">When</th></tr></thead>
    <tbody>${moves.map((move) => row(move, now))}</tbody></table></div>`;
}

function row({ task, type, reason, from, to = "", state, why = "", beganAt, endedAt }: Moving, now: number): TemplateResult {
  const [words, kind] = states[state] ?? [sentence(state).replace(/\.$/, ""), ""];
  const when = endedAt === undefined ? html`for ${lasted(now - Date.parse(beganAt))}` : html`${since(endedAt, now)}<small>took ${exactly(Date.parse(endedAt) - Date.parse(beganAt))}</small>`;
  return html`<tr>
    <th scope="row">${type === undefined ? html`<span class="number">${task}</span>` : html`${typeName(type)}<small class="number">${task}</small>`}</th>
    <td data-label="How it is"><span class="chip ${kind}">${words}</span></td>
    <td data-label="From">${from}</td>
    <td data-label="To">${to === "" ? html`<span class="quiet">not chosen</span>` : to}</td>
    <td data-label="Reason">${reasons[reason]}</td>
    <td data-label="Why" class="wide ${why === "" ? "none" : ""}">${why === "" ? html`<span class="quiet">–</span>` : remark(why)}</td>
    <td data-label="When" class="right number nowrap">${when}</td>
  </tr>`;
}
