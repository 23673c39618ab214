// One node: what it has and for how long, what runs there, what an operator says of it, and what can be done with it.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { asProblem } from "../client/problem.js";
import { dialogOf, dialogStyles, showDialog } from "../parts/dialog.js";
import { icons } from "../parts/icons.js";
import { buttons, theme } from "../parts/theme.js";
import { plural, sentence } from "../text/amount.js";
import type { Moving } from "../contract.js";
import type { Ended, NodeDetail, OpsAPI } from "./api.js";
import { drawerStyles } from "./drawer-styles.js";
import type { NodeTimeLine } from "./node-time.js";
import { overrideForm, overrideOf } from "./override-form.js";
import { amount, type Kind, kinds, lasted, needsWords, shareOf, since, stateWords, typeName, typesOf, usedOf } from "./rows.js";
import { runningStyles, runningTasks } from "./running-tasks.js";
import { tableStyles } from "./table-styles.js";
import { barOf, tileStyles } from "./tiles.js";

type Question = "" | "cordon" | "uncordon" | "drain" | "forget";
const againMs = 2_000;
const historyRead = 1000;
const historyShown = 20;
const deadlines: [number, string][] = [[0, "Whenever it is done"], [5, "Within 5 minutes"], [10, "Within 10 minutes"], [30, "Within half an hour"], [120, "Within 2 hours"]];

/** NodeDrawer tells "close", and "moving" when a move has begun. It reads its node again while it is open. */
export class NodeDrawer extends LitElement {
  static override readonly styles = [theme, buttons, dialogStyles, tileStyles, tableStyles, drawerStyles, runningStyles];
  static override readonly properties = {
    api: { attribute: false }, node: { type: String }, moves: { attribute: false }, moving: { state: true }, detail: { state: true }, history: { state: true }, problem: { state: true },
    asking: { state: true }, within: { state: true }, busy: { state: true }, failure: { state: true }, overriding: { state: true },
  };

  declare api: OpsAPI;
  declare node: string;
  /** moves are those under way. */
  declare moves: readonly Moving[];
  /** moving is the task of which it is asked where it is to go. */
  declare private moving: string;
  declare private detail: NodeDetail | undefined;
  declare private history: Ended[] | undefined;
  /** problem is why the node cannot be read. */
  declare private problem: string;
  /** asking is what the operator is asked to confirm; within is the deadline of a drain, minutes. */
  declare private asking: Question;
  declare private within: number;
  declare private busy: boolean;
  /** failure is why what was asked for was not done. */
  declare private failure: string;
  declare private overriding: boolean;
  #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.node = "";
    this.moves = [];
    this.moving = "";
    this.problem = "";
    this.asking = "";
    this.within = 0;
    this.busy = false;
    this.failure = "";
    this.overriding = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = new AbortController();
    void this.#read();
    this.api.history(historyRead, this.#stop.signal).then(
      (tasks) => { this.history = tasks.filter(({ node }) => node === this.node).slice(0, historyShown); },
      () => { this.history = []; },
    );
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  protected override updated(): void {
    showDialog(this.renderRoot);
  }

  protected override render(): TemplateResult {
    return dialogOf(`Node ${this.node}`, html`
      <header><h2>${this.node}</h2>
        ${this.detail === undefined ? nothing : html`<span class="chip ${this.detail.state}">${stateWords[this.detail.state]}</span>`}
        <button class="button plain close" aria-label="Close" @click=${this.#close}>${icons.close}</button></header>
      ${this.problem === "" ? nothing : html`<p role="alert">${this.problem}</p>`}
      ${this.detail === undefined ? (this.problem === "" ? html`<div class="ghosts" aria-busy="true"><i></i><i></i></div>` : nothing) : this.#content(this.detail)}
    `, this.#close);
  }

  #content(node: NodeDetail): TemplateResult {
    return html`${this.asking === "" ? this.#actions(node) : this.#question(node)}
      <dl class="facts">
        <dt>Tier</dt><dd>${node.tier === "cloud" ? "Cloud" : "Edge"}</dd>
        <dt>Zone</dt><dd>${(node.zone ?? "") === "" ? "none" : node.zone}</dd>
        <dt>Distance</dt><dd>${node.distanceMs} ms, configured</dd>
        <dt>Tasks</dt><dd>${typesOf(node)}</dd>
        <dt>Renderer</dt><dd>${node.renderer === "" ? "none" : node.renderer}</dd>
        <dt>Codecs</dt><dd>${node.codecs.length === 0 ? "none" : node.codecs.join(", ")}</dd>
        ${(node.networks ?? []).length === 0 ? nothing : html`<dt>Networks</dt><dd>${node.networks?.join(", ")}</dd>`}
        <dt>Asked directly</dt><dd>${node.url ?? "no, through the broker"}</dd>
        <dt>Version</dt><dd>${node.version}</dd>
        <dt>Loaded</dt><dd>${plural(node.volumes, "series", "series")}</dd>
        <dt>Seen</dt><dd>${since(node.seenAt, Date.now())}</dd>
      </dl>
      <section><h3>Time</h3><tc-ops-time .api=${this.api} node=${this.node} .capacity=${node.capacity}></tc-ops-time></section>
      <section><h3>Resources held</h3><dl class="loads">${kinds.map(([kind, name]) => amounts(node, kind, name))}</dl>
        ${this.#gpus(node)}
        <p class="quiet">Measured: ${Math.round(node.load.gpuMilli / 10)} % of a GPU, ${amount(node.load.cpuMilli, "cpuMilli")}, ${amount(node.load.memoryMB, "memoryMB")}.</p></section>
      <section><h3>Runs there</h3>${runningTasks({
        api: this.api, node: this.node, tasks: node.tasks, moves: this.moves, moving: this.moving,
        choose: (task) => { void this.#choose(task); }, began: () => { this.dispatchEvent(new CustomEvent("moving")); },
      })}</section>
      <section><h3>When it is open</h3><tc-ops-schedule .api=${this.api} node=${this.node} @said=${() => { this.renderRoot.querySelector<NodeTimeLine>("tc-ops-time")?.again(); }}></tc-ops-schedule></section>
      <section><h3>What an operator says</h3>${this.#override(node)}</section>
      <section><h3>Ended last</h3>${this.#ended()}</section>`;
  }

  #gpus({ gpus = [], freeGPUs = [] }: NodeDetail): TemplateResult | typeof nothing {
    if (gpus.length < 2) return nothing;
    return html`<dl class="loads">${gpus.map(({ memoryMB, milli }, i) => {
      const share = milli > 0 ? 1 - (freeGPUs[i]?.milli ?? milli) / milli : 0;
      return html`<dt>GPU ${i}</dt>${barOf(share, `GPU ${i}`)}<dd>${Math.round(100 * share)} %, ${amount(memoryMB - (freeGPUs[i]?.memoryMB ?? memoryMB), "gpuMemoryMB")} of ${amount(memoryMB, "gpuMemoryMB")}</dd>`;
    })}</dl>`;
  }

  #actions({ state }: NodeDetail): TemplateResult {
    const ask = (question: Question): void => { this.failure = ""; this.asking = question; };
    return html`<div class="actions">
      ${state === "cordoned" || state === "draining"
        ? html`<button class="button" @click=${() => { ask("uncordon"); }}>${icons.play}Take tasks again</button>`
        : html`<button class="button" ?disabled=${state === "lost"} @click=${() => { ask("cordon"); }}>${icons.pause}Cordon</button>`}
      <button class="button" ?disabled=${state === "lost"} @click=${() => { ask("drain"); }}>${icons.keep}Drain…</button>
      <button class="button" @click=${() => { ask("forget"); }}>${icons.bin}Forget…</button>
    </div>`;
  }

  #question(node: NodeDetail): TemplateResult {
    const running = node.tasks.filter(({ shadow = false, moves = false }) => !shadow && !moves).length;
    const runs = running === 0 ? "Nothing runs there." : `${plural(running, "task runs", "tasks run")} there.`;
    const asked = {
      cordon: { title: `Cordon ${node.id}?`, text: `No new task comes to it. ${runs} What runs goes on.`, yes: "Cordon" },
      uncordon: { title: `Let ${node.id} take tasks again?`, text: "New tasks come to it as to any other node.", yes: "Take tasks again" },
      drain: { title: `Drain ${node.id}?`, text: `No new task comes to it, and what runs there moves to other nodes; who works there goes on meanwhile. What finds no other place goes on here. It stays so until tasks are let in again. ${runs}`, yes: "Drain" },
      forget: { title: `Forget ${node.id}?`, text: `It is taken out of the pool. ${running === 0 ? "" : `${plural(running, "task", "tasks")} there ${running === 1 ? "fails" : "fail"} or go on elsewhere. `}A node that lives registers again.`, yes: "Forget" },
    }[this.asking as Exclude<Question, "">];
    return html`<div class="question" role="group" aria-label=${asked.title}>
      <b>${asked.title}</b><p>${asked.text}</p>
      ${this.asking === "drain" ? html`<label>What has not moved ends
        <select .value=${String(this.within)} @change=${(event: Event) => { this.within = Number((event.target as HTMLSelectElement).value); }}>
          ${deadlines.map(([minutes, words]) => html`<option value=${minutes} ?selected=${minutes === this.within}>${words}</option>`)}</select></label>
        ${this.within > 0 && running > 0 ? html`<p class="warned">Who still works there then is told, and can go on at another edge.</p>` : nothing}` : nothing}
      ${this.failure === "" ? nothing : html`<p role="alert">${this.failure}</p>`}
      <div class="actions">
        <button class="button" ?disabled=${this.busy} @click=${() => { this.asking = ""; }}>Leave it as it is</button>
        <button class="button ${this.asking === "uncordon" || this.asking === "cordon" ? "primary" : "danger"}" ?disabled=${this.busy} @click=${() => void this.#do()}>${this.busy ? "A moment…" : asked.yes}</button>
      </div></div>`;
  }

  #override(node: NodeDetail): TemplateResult {
    if (this.overriding) {
      return html`${overrideForm(node, this.busy, (form) => void this.#say(overrideOf(new FormData(form))), () => { this.overriding = false; })}
        ${this.failure === "" ? nothing : html`<p role="alert">${this.failure}</p>`}`;
    }
    const { override } = node;
    const said = override === undefined ? [] : [
      override.types && `tasks: ${typesOf({ types: override.types }).toLowerCase()}`, override.zone !== undefined && `zone: ${override.zone === "" ? "none" : override.zone}`,
      override.distanceMs !== undefined && `distance: ${override.distanceMs} ms`,
      override.capacity && `offers ${needsWords(override.capacity)}`,
    ].filter(Boolean);
    return html`<p class="quiet">${said.length === 0 ? "Nothing: it offers what it registered with." : sentence(said.join("; "))}</p>
      ${this.failure === "" || this.asking !== "" ? nothing : html`<p role="alert">${this.failure}</p>`}
      <div class="actions">
        <button class="button" @click=${() => { this.failure = ""; this.overriding = true; }}>Change…</button>
        ${override === undefined ? nothing : html`<button class="button" ?disabled=${this.busy} @click=${() => void this.#say(undefined)}>Take it back</button>`}
      </div>`;
  }

  #ended(): TemplateResult {
    const { history } = this;
    if (history === undefined) return html`<p class="quiet">Reading…</p>`;
    if (history.length === 0) return html`<p class="quiet">Nothing has ended there lately.</p>`;
    return html`<ul class="tasks">${history.map(({ task, type, operation = "", state, reason = "", startedAt, endedAt }) => html`<li>
      <b>${typeName(type)}${operation === "" ? "" : `, ${operation}`}</b> <span class=${state === "finished" ? "quiet" : "bad"}>${state}</span>
      <span class="quiet number">${since(endedAt, Date.now())}${startedAt === undefined ? "" : `, ran ${lasted(Date.parse(endedAt) - Date.parse(startedAt))}`}</span>
      <small>${task}${reason === "" ? "" : ` · ${reason}`}</small></li>`)}</ul>`;
  }

  /** choose asks where a task is to go; without one, the keyboard goes back to where that was asked for. */
  async #choose(task: string): Promise<void> {
    const before = this.moving;
    this.moving = task;
    await this.updateComplete;
    if (task === "") this.renderRoot.querySelector<HTMLElement>(`[data-task="${CSS.escape(before)}"]`)?.focus();
  }

  /** do carries out what was confirmed. */
  async #do(): Promise<void> {
    const { asking, node, api } = this;
    await this.#carry(async () => {
      if (asking === "drain") await api.drain(node, this.within);
      else if (asking === "forget") await api.forget(node);
      else await api.cordon(node, asking === "cordon");
      this.asking = "";
      if (asking === "forget") this.#close();
    });
  }

  async #say(override: NodeDetail["override"]): Promise<void> {
    await this.#carry(async () => {
      await this.api.override(this.node, override);
      this.overriding = false;
    });
  }

  async #carry(what: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.failure = "";
    try {
      await what();
    } catch (error) {
      const { title, detail } = asProblem(error);
      this.failure = `${sentence(title)} ${sentence(detail)}`.trim();
    }
    this.busy = false;
    await this.#read();
  }

  async #read(): Promise<void> {
    clearTimeout(this.#timer);
    const stop = this.#stop.signal;
    try {
      const detail = await this.api.node(this.node, stop);
      this.detail = detail;
      this.problem = "";
    } catch (error) {
      if (stop.aborted) return;
      const { title, detail } = asProblem(error);
      this.problem = `${sentence(title)} ${sentence(detail)}`.trim();
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), againMs);
  }

  readonly #close = (): void => {
    this.dispatchEvent(new CustomEvent("close"));
  };
}

function amounts(node: NodeDetail, kind: Kind, name: string): TemplateResult | typeof nothing {
  const share = shareOf(node, kind);
  return share < 0 ? nothing : html`<dt>${name}</dt>${barOf(share, name)}<dd>${amount(usedOf(node, kind), kind)} of ${amount(node.capacity[kind] ?? 0, kind)}</dd>`;
}
