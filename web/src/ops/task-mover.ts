// Where a running task is to go: the question, with the nodes that could be named.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { asProblem } from "../client/problem.js";
import { buttons, theme } from "../parts/theme.js";
import { sentence } from "../text/amount.js";
import { everyNode, type NodeStatus, type NodeTask, type OpsAPI } from "./api.js";
import { amount } from "./rows.js";
import { tableStyles } from "./table-styles.js";

const offered = 50;
const typedMs = 250;

/** TaskMover tells "leave", and "moving" when the move has begun. */
export class TaskMover extends LitElement {
  static override readonly styles = [
    theme, buttons, tableStyles,
    css`
      form {
        display: grid;
        gap: 8px;
        margin-top: 8px;
        padding: 12px;
        border: 1px solid var(--tc-line-strong);
        border-radius: 10px;
        background: var(--tc-raised);
      }
      p {
        margin: 0;
        color: var(--tc-soft);
        font-size: 12px;
      }
      label {
        display: grid;
        gap: 4px;
        color: var(--tc-soft);
        font-size: 12px;
      }
      input {
        width: 100%;
        font-size: 14px;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        justify-content: flex-end;
        gap: 8px;
      }
      [role="alert"] {
        color: var(--tc-bad);
        overflow-wrap: anywhere;
      }
      @media (max-width: 900px) {
        .button {
          min-height: 44px;
        }
      }
    `,
  ];
  static override readonly properties = { api: { attribute: false }, node: { type: String }, task: { attribute: false }, nodes: { state: true }, busy: { state: true }, failure: { state: true } };

  declare api: OpsAPI;
  /** node is where it runs now. */
  declare node: string;
  declare task: NodeTask;
  declare private nodes: NodeStatus[];
  declare private busy: boolean;
  declare private failure: string;
  #stop = new AbortController();
  #typing: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.node = "";
    this.nodes = [];
    this.busy = false;
    this.failure = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#offer("");
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#typing);
    this.#stop.abort();
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector("input")?.focus();
  }

  protected override render(): TemplateResult {
    const session = this.task.type === "rendering";
    return html`<form aria-label="Move this task" @submit=${(event: SubmitEvent) => { event.preventDefault(); void this.#move(event.currentTarget as HTMLFormElement); }}>
      <label>Move to<input name="to" list="targets" maxlength="63" autocomplete="off" spellcheck="false" placeholder="the best node that there is"
        @input=${(event: Event) => { this.#typed((event.target as HTMLInputElement).value.trim()); }} /></label>
      <datalist id="targets">${this.nodes.filter(({ id }) => id !== this.node).map((node) => html`<option value=${node.id}>${offerWords(node)}</option>`)}</datalist>
      <p>${session ? "Who works there goes on meanwhile: the old place is kept until the new one shows the same." : "It goes on from where it is, where its operation can; else it begins again there."}</p>
      ${this.failure === "" ? nothing : html`<p role="alert">${this.failure}</p>`}
      <div class="actions"><button class="button" type="button" ?disabled=${this.busy} @click=${() => { this.dispatchEvent(new CustomEvent("leave")); }}>Leave it there</button>
        <button class="button primary" ?disabled=${this.busy}>${this.busy ? "A moment…" : "Move"}</button></div>
    </form>`;
  }

  async #move(form: HTMLFormElement): Promise<void> {
    const to = new FormData(form).get("to");
    this.busy = true;
    this.failure = "";
    try {
      await this.api.move(this.task.task, typeof to === "string" ? to.trim() : "");
      this.dispatchEvent(new CustomEvent("moving"));
    } catch (error) {
      const { title, detail } = asProblem(error);
      this.failure = `${sentence(title)} ${sentence(detail)}`.trim();
    }
    this.busy = false;
  }

  /** typed waits until the hand rests. */
  #typed(text: string): void {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => void this.#offer(text), typedMs);
  }

  /** offer reads ready nodes that take such tasks and have that in their name. A node can be named without it. */
  async #offer(search: string): Promise<void> {
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    const page = await this.api.nodes({ ...everyNode, state: "ready", type: this.task.type, search }, offered, "", stop.signal).catch(() => undefined);
    if (!stop.signal.aborted && page !== undefined) this.nodes = page.nodes;
  }
}

/** offerWords are what helps to choose a node. */
function offerWords({ zone = "", distanceMs, capacity, free }: NodeStatus): string {
  const kind = (capacity.gpuMilli ?? 0) > 0 ? "gpuMilli" : "cpuMilli";
  return [zone, `${distanceMs} ms`, `${amount(free[kind] ?? 0, kind)} free`].filter((part) => part !== "").join(", ");
}
