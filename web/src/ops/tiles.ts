// The pool at a glance, as tiles.
import { css, html, nothing, type TemplateResult } from "lit";
import { plural } from "../text/amount.js";
import type { Overview, Score } from "./api.js";
import { amount, desiredWords, kinds, shareOf, stateWords, statesOf, usedOf } from "./rows.js";
import { scoresTile } from "./scores.js";

export const tileStyles = css`
  .tiles {
    display: grid;
    grid-template-columns: repeat(5, minmax(0, 1fr)) minmax(0, 1.5fr);
    gap: 12px;
  }
  .tile {
    display: flex;
    flex-direction: column;
    min-height: 136px;
    padding: 16px 18px;
    border: 1px solid var(--tc-line);
    border-radius: 12px;
    background: var(--tc-surface);
  }
  .tile h2 {
    margin: 0;
    color: var(--tc-soft);
    font-size: 13px;
    font-weight: 500;
  }
  .tile .figure {
    margin: 4px 0 8px;
    font-size: 32px;
    font-weight: 600;
    letter-spacing: -0.02em;
    line-height: 1.25;
    font-variant-numeric: tabular-nums;
  }
  .tile .figure small {
    margin-left: 4px;
    color: var(--tc-faint);
    font-size: 15px;
    font-weight: 400;
    letter-spacing: 0;
  }
  .tile .note {
    margin: auto 0 0;
    color: var(--tc-faint);
    font-size: 13px;
  }
  .tile.waiting .figure {
    color: var(--tc-warn);
  }
  .tile.ghost i {
    height: 14px;
    width: 60%;
    margin: 4px 0;
    border-radius: 4px;
    background: var(--tc-hover);
    animation: breathe 1.4s ease-in-out infinite;
  }
  .tile.ghost i + i {
    width: 36%;
    height: 30px;
  }
  .stack {
    display: flex;
    gap: 2px;
    height: 6px;
    margin: auto 0 8px;
    overflow: hidden;
    border-radius: 3px;
    background: var(--tc-line);
  }
  .stack i {
    flex: var(--share) 0 0;
    min-width: 3px;
    background: var(--state);
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 12px;
    margin: 0;
    color: var(--tc-soft);
    font-size: 12px;
  }
  .legend span::before {
    content: "";
    display: inline-block;
    width: 7px;
    height: 7px;
    margin-right: 5px;
    border-radius: 50%;
    background: var(--state);
  }
  .ready {
    --state: var(--tc-good);
  }
  .starting {
    --state: var(--tc-accent);
  }
  .cordoned {
    --state: #b9a7f0;
  }
  .draining {
    --state: var(--tc-warn);
  }
  .lost {
    --state: var(--tc-bad);
  }
  .loads {
    display: grid;
    grid-template-columns: auto minmax(40px, 1fr) auto;
    gap: 5px 10px;
    align-items: center;
    margin: auto 0 0;
    padding-top: 8px;
    font-size: 12px;
  }
  .loads dt {
    color: var(--tc-soft);
  }
  .loads dd {
    margin: 0;
    color: var(--tc-faint);
    text-align: right;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .bar {
    height: 6px;
    overflow: hidden;
    border-radius: 3px;
    background: var(--tc-line);
  }
  .bar i {
    display: block;
    width: calc(100% * var(--share));
    height: 100%;
    border-radius: 3px;
    background: var(--tc-accent);
    transition: width 300ms ease-out;
  }
  .bar.high i {
    background: var(--tc-warn);
  }
  .bar.full i {
    background: var(--tc-bad);
  }
  @keyframes breathe {
    50% {
      opacity: 0.45;
    }
  }
  @media (max-width: 1200px) {
    .tiles {
      grid-template-columns: repeat(3, minmax(0, 1fr));
    }
  }
  @media (max-width: 600px) {
    .tiles {
      grid-template-columns: repeat(2, minmax(0, 1fr));
      gap: 8px;
    }
    .tile.scores,
    .tile.load {
      grid-column: 1 / -1;
      min-height: 0;
    }
    .tile {
      min-height: 104px;
      padding: 12px 14px;
    }
    .tile .figure {
      font-size: 26px;
    }
  }
`;

/** tilesOf are the tiles; grey ones while nothing is known. */
export function tilesOf(overview: Overview | undefined, scores?: readonly Score[]): TemplateResult {
  if (overview === undefined) {
    return html`<div class="tiles" aria-busy="true">${["", "", "", "", "", "load"].map((kind) => html`<div class="tile ghost ${kind}"><i></i><i></i></div>`)}</div>`;
  }
  const { nodes, edges, cloud, capacity, sessions, queue, desired, closed = 0 } = overview;
  const found = statesOf(overview);
  const all = edges + cloud;
  const encoders = capacity.encoderSessions ?? 0;
  return html`<div class="tiles">
    <section class="tile">
      <h2>Nodes ready</h2>
      <p class="figure">${(nodes.ready ?? 0).toLocaleString("en-GB")}<small>of ${all.toLocaleString("en-GB")}</small></p>
      <div class="stack" aria-hidden="true">${found.map(([state, count]) => html`<i class=${state} style="--share:${count}"></i>`)}</div>
      <p class="legend">${found.length === 0 ? "No node is registered" : found.map(([state, count]) => html`<span class=${state}>${count.toLocaleString("en-GB")} ${stateWords[state].toLowerCase()}${state === "ready" && closed > 0 ? `, ${Math.min(closed, count)} closed` : ""}</span>`)}</p>
    </section>
    <section class="tile">
      <h2>Sessions</h2>
      <p class="figure">${sessions.toLocaleString("en-GB")}</p>
      <p class="note">${encoders > 0 ? `of ${plural(encoders, "place")} for video` : "No node encodes video"}</p>
    </section>
    <section class="tile ${queue > 0 ? "waiting" : ""}">
      <h2>Waiting</h2>
      <p class="figure">${queue.toLocaleString("en-GB")}</p>
      <p class="note">${queue === 0 ? "Nobody waits for a place" : `${queue === 1 ? "task waits" : "tasks wait"} for a place`}</p>
    </section>
    <section class="tile">
      <h2>Desired nodes</h2>
      <p class="figure">${desired.toLocaleString("en-GB")}</p>
      <p class="note">${desiredWords(overview)}</p>
    </section>
    ${scoresTile(scores)}
    <section class="tile load">
      <h2>Not free</h2>
      <dl class="loads">${kinds.map(([kind, name]) => {
        const share = shareOf(overview, kind);
        return share < 0 ? nothing : html`<dt>${name}</dt>${barOf(share, `${name} not free`)}<dd>${Math.round(share * 100)} %<span class="visually-hidden">, ${amount(usedOf(overview, kind), kind)}</span></dd>`;
      })}</dl>
    </section>
  </div>`;
}

/** barOf is a share, 0 to 1, as a bar. */
export function barOf(share: number, label: string): TemplateResult {
  const kind = share >= 0.995 ? "full" : share >= 0.8 ? "high" : "";
  return html`<div class="bar ${kind}" role="img" aria-label="${label}: ${Math.round(share * 100)} %" style="--share:${share.toFixed(3)}"><i></i></div>`;
}
