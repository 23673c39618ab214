// The operators' page: the pool at a glance, its nodes and their time, its queue, what moves and is scaled, and where a task
// would go, live.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { BrokerHTTP } from "../client/http.js";
import { explain } from "../client/problem.js";
import { framed, frameStyles, stranded } from "../parts/frame.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { sentence } from "../text/amount.js";
import type { Moving } from "../contract.js";
import { everyNode, type NodeFilters, OpsAPI, type Score } from "./api.js";
import { movesTables, underWay } from "./moves-table.js";
import type { NodeTable } from "./node-table.js";
import { panelOf } from "./panel.js";
import { panelStyles } from "./panel-styles.js";
import type { PoolTimes } from "./pool-times.js";
import { queueTable } from "./queue-table.js";
import { Reading } from "./reading.js";
import { tableStyles } from "./table-styles.js";
import { tileStyles, tilesOf } from "./tiles.js";
import { type Contact, PoolWatch } from "./watch.js";

const tabs = [["nodes", "Nodes"], ["time", "Time"], ["queue", "Queue"], ["moves", "Moves"], ["scaling", "Scaling"], ["explain", "Explain"]] as const;
type Tab = (typeof tabs)[number][0];
/** Times on the page are written anew this often. */
const tickMs = 5_000;
/** Moves and how good predictions are, are read this often. */
const movesMs = 3_000;
const scoresMs = 30_000;

/** OpsPage is for operators; who is none is told so. */
export class OpsPage extends LitElement {
  static override readonly styles = [
    theme, buttons, frameStyles, tileStyles, tableStyles, panelStyles,
    css`
      :host {
        display: block;
        height: 100%;
      }
      .top {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 8px 14px;
        margin: 28px 0 20px;
      }
      h1 {
        margin: 0;
        font-size: 26px;
        font-weight: 600;
        letter-spacing: -0.02em;
      }
      .contact {
        display: inline-flex;
        align-items: center;
        gap: 7px;
        margin: 0;
        color: var(--tc-soft);
        font-size: 13px;
      }
      .contact::before {
        content: "";
        width: 8px;
        height: 8px;
        border-radius: 50%;
        background: var(--tc-faint);
      }
      .contact.live::before {
        background: var(--tc-good);
      }
      .contact.lost::before {
        background: var(--tc-bad);
      }
      .banner {
        display: flex;
        align-items: center;
        gap: 12px;
        margin: 0 0 12px;
        padding: 10px 14px;
        border: 1px solid rgb(242 192 99 / 0.4);
        border-radius: 10px;
        background: rgb(242 192 99 / 0.07);
        color: #ffd9a0;
        overflow-wrap: anywhere;
      }
      .banner svg {
        flex: none;
      }
      .stale {
        opacity: 0.55;
      }
      [role="tablist"] {
        display: flex;
        gap: 4px;
        margin: 28px 0 16px;
        overflow: auto hidden;
        scrollbar-width: none;
        border-bottom: 1px solid var(--tc-line);
      }
      [role="tab"] {
        flex: none;
        min-height: 44px;
        padding: 0 14px;
        border: 0;
        border-bottom: 2px solid transparent;
        background: none;
        color: var(--tc-soft);
        font-weight: 500;
        cursor: pointer;
      }
      [role="tab"]:hover {
        color: var(--tc-text);
      }
      [role="tab"][aria-selected="true"] {
        border-bottom-color: var(--tc-accent);
        color: var(--tc-text);
      }
      [role="tab"] b {
        margin-left: 6px;
        padding: 1px 8px;
        border-radius: 999px;
        background: var(--tc-raised);
        color: var(--tc-soft);
        font-size: 12px;
        font-weight: 600;
        font-variant-numeric: tabular-nums;
      }
      .place {
        font-weight: 600;
      }
      @media (max-width: 900px) {
        .top {
          margin: 16px 0;
        }
        h1 {
          font-size: 22px;
        }
        [role="tablist"] {
          margin: 20px 0 12px;
        }
        [role="tab"] {
          padding: 0 10px;
        }
      }
    `,
  ];
  static override readonly properties = { tab: { state: true }, filters: { state: true }, open: { state: true }, now: { state: true } };

  declare private tab: Tab;
  declare private filters: NodeFilters;
  /** open is the node that is looked at; empty where none is. */
  declare private open: string;
  declare private now: number;
  readonly #api = new OpsAPI(new BrokerHTTP(""));
  readonly #watch = new PoolWatch(this.#api, () => { this.now = Date.now(); this.requestUpdate(); });
  readonly #moves = new Reading<Moving[]>(this, (stop) => this.#api.moves(stop), movesMs);
  readonly #scores = new Reading<Score[]>(this, (stop) => this.#api.predictions(stop), scoresMs);
  #tick: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.tab = "nodes";
    this.filters = everyNode;
    this.open = "";
    this.now = Date.now();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.title = "Operations – Tomocast";
    this.#watch.show(this.filters);
    this.#tick = setInterval(() => { this.now = Date.now(); }, tickMs);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch.stop();
    clearInterval(this.#tick);
  }

  protected override render(): TemplateResult {
    const { contact, problem, overview, queue } = this.#watch;
    if (contact === "refused") {
      const { title, detail } = explain(problem);
      return stranded(problem?.code === "forbidden" ? "This page is for operators" : title, detail);
    }
    const counts: Partial<Record<Tab, number>> = overview === undefined ? {} : { nodes: overview.edges + overview.cloud, queue: overview.queue };
    const going = underWay(this.#moves.value ?? []);
    if (going.length > 0) counts.moves = going.length;
    return html`${framed(html`
      <div class="top"><h1>Operations</h1>
        <p class="contact ${contact}" role="status">${contactWords[contact]}</p></div>
      ${problem === undefined ? nothing : html`<div class="banner" role="alert">${icons.warning}<span><b>${sentence(explain(problem).title)}</b>
        ${contact === "lost" ? (overview === undefined ? "It is being tried again." : "What is shown is as it was. It is being tried again.") : explain(problem).detail}</span></div>`}
      <div class=${contact === "lost" ? "stale" : ""}>${tilesOf(overview, this.#scores.value)}</div>
      <div role="tablist" aria-label="Parts of the pool" @keydown=${this.#keyed}>${tabs.map(([name, words]) => html`<button role="tab" id="tab-${name}"
        aria-selected=${this.tab === name} aria-controls="panel" tabindex=${this.tab === name ? 0 : -1} @click=${() => { this.tab = name; }}>${words}${counts[name] === undefined ? nothing : html`<b>${counts[name].toLocaleString("en-GB")}</b>`}</button>`)}</div>
      <div role="tabpanel" id="panel" aria-labelledby="tab-${this.tab}">${this.#panel(queue)}</div>
    `, html`<a class="button plain" href="/">Studies</a>`)}
    ${this.open === "" ? nothing : html`<tc-ops-node .api=${this.#api} node=${this.open} .moves=${going} @moving=${() => { this.#moves.again(); }} @close=${this.#closed}></tc-ops-node>`}`;
  }

  #panel(queue: PoolWatch["queue"]): TemplateResult {
    switch (this.tab) {
      case "nodes":
        return html`<tc-ops-nodes .nodes=${this.#watch.nodes} ?known=${this.#watch.known} ?more=${this.#watch.more} .now=${this.now} .filters=${this.filters}
          @filters=${(event: CustomEvent<NodeFilters>) => { this.filters = event.detail; this.#watch.show(event.detail); }}
          @open=${(event: CustomEvent<string>) => { this.open = event.detail; }}></tc-ops-nodes>`;
      case "time":
        return html`<tc-ops-times .api=${this.#api} .nodes=${this.#watch.nodes} ?known=${this.#watch.known} ?more=${this.#watch.more} .now=${this.now}
          .scores=${this.#scores.value} @open=${(event: CustomEvent<string>) => { this.open = event.detail; }}></tc-ops-times>`;
      case "moves":
        return panelOf(this.#moves, (moves) => movesTables(moves, this.now));
      case "scaling":
        return html`<tc-ops-scaling .api=${this.#api} .now=${this.now}></tc-ops-scaling>`;
      case "queue":
        return queueTable(queue, this.#watch.overview !== undefined, this.now);
      case "explain":
        return html`<tc-ops-explain .api=${this.#api}></tc-ops-explain>`;
    }
  }

  /** closed gives the keyboard back to the row that was opened. */
  readonly #closed = (): void => {
    const id = this.open;
    this.open = "";
    this.renderRoot.querySelector<NodeTable | PoolTimes>("tc-ops-nodes, tc-ops-times")?.reach(id);
  };

  /** keyed moves between the tabs (WAI-ARIA, tabs pattern). */
  readonly #keyed = (event: KeyboardEvent): void => {
    const at = tabs.findIndex(([name]) => name === this.tab);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs.at(to % tabs.length);
    if (next === undefined) return;
    event.preventDefault();
    this.tab = next[0];
    this.renderRoot.querySelector<HTMLElement>(`#tab-${next[0]}`)?.focus();
  };
}

const contactWords: Record<Contact, string> = { connecting: "Connecting", live: "Live", lost: "Out of reach", refused: "" };
