// The table of nodes: narrowed at the broker, ordered and paged here.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural } from "../text/amount.js";
import { everyNode, type NodeFilters, type NodeStatus, type TaskType } from "./api.js";
import { amount, type Column, type Kind, type Order, ordered, paged, shareOf, since, stateWords, taskTypes, turned, typeName, typesOf, usedOf } from "./rows.js";
import { rowStyles, tableStyles } from "./table-styles.js";
import { barOf, tileStyles } from "./tiles.js";

const pageSize = 50;
const typedMs = 250;
const columns: [Column, string, string][] = [
  ["id", "Node", "id"], ["state", "State", ""], ["zone", "Zone", ""], ["distanceMs", "Distance", "right"],
  ["gpu", "GPU time", "meter"], ["encoders", "Encoders", "meter"], ["memory", "Memory", "meter"],
  ["sessions", "Sessions", "right"], ["volumes", "Loaded", "right"], ["seenAt", "Seen", "right seen"],
];

/** NodeTable tells "filters" (NodeFilters) and "open" with a node's id. */
export class NodeTable extends LitElement {
  static override readonly styles = [
    theme, buttons, tileStyles, tableStyles, rowStyles,
    css`
      .filters {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        margin-bottom: 12px;
      }
      .search {
        position: relative;
        flex: 1 1 220px;
        max-width: 360px;
      }
      .search svg {
        position: absolute;
        left: 10px;
        top: 8px;
        color: var(--tc-faint);
        pointer-events: none;
      }
      .search input {
        width: 100%;
        padding-left: 38px;
      }
      td.meter {
        min-width: 108px;
      }
      td.meter .bar {
        margin-top: 5px;
      }
      td.meter span {
        display: flex;
        justify-content: space-between;
        gap: 8px;
        font-size: 12px;
        white-space: nowrap;
      }
      @media (max-width: 900px) {
        .filters .search {
          max-width: none;
          flex-basis: 100%;
        }
        .search svg {
          top: 12px;
        }
        .filters input[name="zone"] {
          width: 100%;
        }
        .filters label {
          flex: 1 1 120px;
        }
        .filters select {
          width: 100%;
        }
      }
    `,
  ];
  static override readonly properties = {
    nodes: { attribute: false },
    known: { type: Boolean },
    more: { type: Boolean },
    now: { type: Number },
    filters: { attribute: false },
    order: { state: true },
    page: { state: true },
  };

  declare nodes: readonly NodeStatus[];
  /** known says that the list has come; more that there are more than these. */
  declare known: boolean;
  declare more: boolean;
  /** now is the time, in milliseconds since 1970. */
  declare now: number;
  declare filters: NodeFilters;
  declare private order: Order;
  declare private page: number;
  #typing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.nodes = [];
    this.known = false;
    this.more = false;
    this.now = 0;
    this.filters = everyNode;
    this.order = { by: "id", down: false };
    this.page = 0;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#typing);
  }

  /** reach gives a node's row the keyboard, where it is on the page. */
  reach(id: string): void {
    this.renderRoot.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus();
  }

  protected override render(): TemplateResult {
    return html`${this.#filters()} ${this.#list()}`;
  }

  #filters(): TemplateResult {
    const { filters } = this;
    const choice = (name: "state" | "tier" | "type", label: string, options: [string, string][]): TemplateResult => html`<label>
      <span class="visually-hidden">${label}</span>
      <select name=${name} .value=${filters[name]} @change=${(event: Event) => { this.#narrow({ [name]: (event.target as HTMLSelectElement).value }); }}>
        <option value="">${label}: all</option>
        ${options.map(([value, words]) => html`<option value=${value} ?selected=${filters[name] === value}>${words}</option>`)}
      </select></label>`;
    return html`<div class="filters" role="search" aria-label="Nodes">
      <label class="search">${icons.search}<span class="visually-hidden">Name of the node</span>
        <input type="search" placeholder="Name of the node" maxlength="63" autocomplete="off" spellcheck="false" .value=${filters.search}
          @input=${(event: Event) => { this.#typed({ search: (event.target as HTMLInputElement).value.trim() }); }} /></label>
      ${choice("state", "State", Object.entries(stateWords))}
      ${choice("tier", "Tier", [["edge", "Edges"], ["cloud", "Cloud"]])}
      ${choice("type", "Tasks", taskTypes.map((type): [TaskType, string] => [type, typeName(type)]))}
      <label><span class="visually-hidden">Zone</span>
        <input name="zone" placeholder="Zone" maxlength="63" autocomplete="off" spellcheck="false" size="14" .value=${filters.zone}
          @input=${(event: Event) => { this.#typed({ zone: (event.target as HTMLInputElement).value.trim() }); }} /></label>
    </div>`;
  }

  #list(): TemplateResult {
    if (!this.known) {
      return html`<div class="ghosts" aria-busy="true">${Array.from({ length: 5 }, () => html`<i></i>`)}</div>`;
    }
    if (this.nodes.length === 0) return this.#empty();
    const { items, page, pages, from, to } = paged(ordered(this.nodes, this.order), this.page, pageSize);
    return html`<div class="scroll"><table aria-label="Nodes" aria-rowcount=${this.nodes.length}>
        <thead><tr>${columns.map(([by, name, kind]) => this.#heading(by, name, kind))}</tr></thead>
        <tbody>${items.map((node) => this.#row(node))}</tbody>
      </table></div>
      <div class="foot">
        <p class="quiet number" role="status">${from} to ${to} of ${this.more ? "more than " : ""}${plural(this.nodes.length, "node")}${this.more ? ". Narrow the list to see the others." : ""}</p>
        ${pages < 2 ? nothing : html`<nav aria-label="Pages of the list">
          <button class="button" ?disabled=${page === 0} @click=${() => { this.page = page - 1; }}>Previous</button>
          <span class="number quiet">${page + 1} of ${pages}</span>
          <button class="button" ?disabled=${page + 1 === pages} @click=${() => { this.page = page + 1; }}>Next</button></nav>`}
      </div>`;
  }

  #heading(by: Column, name: string, kind: string): TemplateResult {
    const { order } = this;
    const now = order.by === by ? (order.down ? "descending" : "ascending") : "none";
    return html`<th scope="col" class=${kind} aria-sort=${now}>
      <button class="sort" @click=${() => { this.order = turned(order, by); }}>${name}<i aria-hidden="true">${now === "ascending" ? "↑" : now === "descending" ? "↓" : ""}</i></button></th>`;
  }

  #row(node: NodeStatus): TemplateResult {
    const { id, state, zone = "", tier, distanceMs, load, volumes, seenAt, time } = node;
    return html`<tr @click=${() => { this.#open(id); }}>
      <th scope="row" class="id"><button class="name" data-node=${id} @click=${(event: Event) => { event.stopPropagation(); this.#open(id); }}>${id}</button>
        <small>${typesOf(node)}</small></th>
      <td data-label="State"><span class="chip ${state}">${stateWords[state]}</span>${time?.open === false ? html`<small>closed now</small>` : nothing}</td>
      <td data-label="Zone">${zone === "" ? html`<span class="quiet">none</span>` : zone}${tier === "cloud" ? html`<small>cloud tier</small>` : nothing}</td>
      <td data-label="Distance" class="right number">${distanceMs} ms</td>
      ${meter(node, "gpuMilli", "GPU time")} ${meter(node, "encoderSessions", "Encoders")} ${meter(node, "memoryMB", "Memory")}
      <td data-label="Sessions" class="right number">${load.sessions}</td>
      <td data-label="Loaded" class="right number">${volumes}</td>
      <td data-label="Seen" class="right number seen">${since(seenAt, this.now)}</td>
    </tr>`;
  }

  #empty(): TemplateResult {
    const narrowed = Object.values(this.filters).some((value) => value !== "");
    return html`<div class="nothing">${narrowed ? icons.search : icons.stats}
      <h3>${narrowed ? "No node matches" : "No node is registered"}</h3>
      <p>${narrowed ? "No node is in that state, zone or tier, or has that in its name." : "Start an edge that knows this broker and its secret:"}</p>
      ${narrowed
        ? html`<button class="button" @click=${() => { this.#tell(everyNode); }}>Show all nodes</button>`
        : html`<pre>edge-renderer --broker ${location.origin}</pre>`}
    </div>`;
  }

  #open(id: string): void {
    this.dispatchEvent(new CustomEvent("open", { detail: id }));
  }

  #narrow(change: Partial<NodeFilters>): void {
    this.#tell({ ...this.filters, ...change });
  }

  /** typed waits until the hand rests. */
  #typed(change: Partial<NodeFilters>): void {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => { this.#narrow(change); }, typedMs);
  }

  #tell(filters: NodeFilters): void {
    this.page = 0;
    this.dispatchEvent(new CustomEvent("filters", { detail: filters }));
  }
}

function meter(node: NodeStatus, kind: Kind, name: string): TemplateResult {
  const share = shareOf(node, kind);
  if (share < 0) return html`<td data-label=${name} class="meter"><span class="quiet">none</span></td>`;
  const used = usedOf(node, kind);
  const words = kind === "encoderSessions" ? `${used} of ${node.capacity[kind] ?? 0}` : `${Math.round(share * 100)} %`;
  return html`<td data-label=${name} class="meter" title="${amount(used, kind)} of ${amount(node.capacity[kind] ?? 0, kind)} held"><div><span class="number">${words}</span>${barOf(share, name)}</div></td>`;
}
