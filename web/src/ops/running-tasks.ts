// What runs on a node: what each task asked for and holds now, and whether it can be moved.
import { css, html, nothing, type TemplateResult } from "lit";
import type { Moving } from "../contract.js";
import { icons } from "../parts/icons.js";
import type { NodeTask, OpsAPI } from "./api.js";
import { remark } from "./panel.js";
import { amount, type Kind, kinds, lasted, typeName } from "./rows.js";

export const runningStyles = css`
  .tasks .task {
    padding: 10px 12px;
    border: 1px solid var(--tc-line);
    border-radius: 10px;
  }
  .task .line {
    display: flex;
    align-items: flex-start;
    justify-content: space-between;
    gap: 10px;
  }
  .task .line > div {
    min-width: 0;
  }
  .task .move {
    flex: none;
    min-height: 32px;
    padding: 0 12px;
    font-size: 13px;
  }
  .task .moves {
    margin-top: 6px;
    color: var(--tc-accent);
    font-size: 12px;
  }
  .held {
    display: grid;
    grid-template-columns: 84px minmax(40px, 1fr) auto;
    gap: 4px 10px;
    align-items: center;
    margin: 8px 0 0;
    font-size: 12px;
  }
  .held dt {
    color: var(--tc-soft);
  }
  .held dd {
    margin: 0;
    color: var(--tc-faint);
    text-align: right;
    white-space: nowrap;
    font-variant-numeric: tabular-nums;
  }
  .held dd.other {
    color: var(--tc-text);
  }
  .amount {
    position: relative;
    height: 6px;
    border-radius: 3px;
    background: var(--tc-line);
  }
  .amount i {
    position: absolute;
    inset: 0 auto 0 0;
    width: calc(100% * var(--share));
    border-radius: 3px;
    background: var(--tc-accent);
  }
  .amount.more i {
    background: var(--tc-warn);
  }
  .amount.less i {
    background: var(--tc-good);
  }
  .amount u {
    position: absolute;
    top: -3px;
    bottom: -3px;
    left: calc(100% * var(--asked));
    width: 2px;
    margin-left: -2px;
    background: var(--tc-text);
  }
  @media (max-width: 900px) {
    .task .move {
      min-height: 44px;
    }
  }
`;

/** Held is an amount that a task holds beside what it asked for. */
export interface Held {
  kind: Kind;
  name: string;
  held: number;
  asked: number;
}

/** heldOf are the amounts of a task, those that it asked for or holds. */
export function heldOf({ resources, requested }: Pick<NodeTask, "resources" | "requested">): Held[] {
  return kinds.map(([kind, name]) => ({ kind, name, held: resources[kind] ?? 0, asked: requested[kind] ?? 0 }))
    .filter(({ held, asked }) => held > 0 || asked > 0);
}

/** heldWords is what it holds of an amount, and what it asked for where that is another. */
export function heldWords({ kind, held, asked }: Held): string {
  return held === asked ? amount(held, kind) : `${amount(held, kind)}, asked ${amount(asked, kind)}`;
}

export interface Running {
  api: OpsAPI;
  node: string;
  tasks: readonly NodeTask[];
  /** moves are those under way. */
  moves: readonly Moving[];
  /** moving is the task of which it is asked where it is to go; choose sets it, began says that a move has begun. */
  moving: string;
  choose: (task: string) => void;
  began: () => void;
}

/** runningTasks is the list of them. */
export function runningTasks(running: Running): TemplateResult {
  if (running.tasks.length === 0) return html`<p class="quiet">Nothing.</p>`;
  return html`<ul class="tasks">${running.tasks.map((task) => row(task, running))}</ul>`;
}

function row(task: NodeTask, { api, node, moves, moving, choose, began }: Running): TemplateResult {
  const { type, operation = "", state, attempt, createdAt, shadow = false, moves: arriving = false } = task;
  const going = moves.find((move) => move.task === task.task);
  const standby = shadow || arriving;
  const asking = moving === task.task && !standby;
  return html`<li class="task"><div class="line"><div><b>${typeName(type)}${operation === "" ? "" : `, ${operation}`}</b> <span class="quiet">${arriving ? "on its way here" : shadow ? "kept ready to take over" : state}</span>
      <span class="quiet number">since ${lasted(Date.now() - Date.parse(createdAt))}</span><small>${task.task} · ${attempt.id} · fencing ${attempt.fencing}${attempt.gpu === undefined ? "" : ` · GPU ${attempt.gpu}`}</small></div>
      ${standby || asking || going !== undefined ? nothing : html`<button class="button move" data-task=${task.task} aria-label="Move task ${task.task}" @click=${() => { choose(task.task); }}>${icons.expand}Move…</button>`}</div>
    ${going === undefined ? nothing : html`<p class="moves">${going.from === node ? (going.to === undefined ? "Is to move away" : `Moves to ${going.to}`) : `Comes from ${going.from}`}${going.why === undefined ? "" : `: ${remark(going.why)}`}</p>`}
    <dl class="held">${heldOf(task).map(heldRow)}</dl>
    ${asking ? html`<tc-ops-mover .api=${api} node=${node} .task=${task} @leave=${() => { choose(""); }} @moving=${() => { choose(""); began(); }}></tc-ops-mover>` : nothing}</li>`;
}

function heldRow(one: Held): TemplateResult {
  const most = Math.max(one.held, one.asked);
  const kind = one.held > one.asked ? "more" : one.held < one.asked ? "less" : "";
  return html`<dt>${one.name}</dt><div class="amount ${kind}" style="--share:${(one.held / most).toFixed(3)};--asked:${(one.asked / most).toFixed(3)}" aria-hidden="true"><i></i>${kind === "" ? nothing : html`<u></u>`}</div>
    <dd class=${kind === "" ? "" : "other"}>${heldWords(one)}</dd>`;
}
