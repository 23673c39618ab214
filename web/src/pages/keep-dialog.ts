// Keeping files that were dropped: where, how far it is, and what was not kept.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { explain } from "../client/problem.js";
import { keepFiles, type Kept } from "../client/stow.js";
import { keeperOf, type Source, type StudiesAPI } from "../client/studies.js";
import type { Picked } from "../files/picked.js";
import { dialogOf, dialogStyles, showDialog } from "../parts/dialog.js";
import { buttons, theme } from "../parts/theme.js";
import { megabytes, megabytesOf, plural } from "../text/amount.js";

const shownFailures = 100;

/** KeepDialog is open while it is on the page. It tells "close"; where nothing is under way, it may be taken away. */
export class KeepDialog extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    dialogStyles,
    css`
      fieldset {
        display: grid;
        gap: 6px;
        margin: 16px 0 0;
        padding: 0;
        border: 0;
      }
      label {
        display: flex;
        align-items: center;
        gap: 10px;
        min-height: 44px;
        padding: 0 14px;
        border: 1px solid var(--tc-line-strong);
        border-radius: var(--tc-radius);
        cursor: pointer;
      }
      label:has(:checked) {
        border-color: var(--tc-accent);
        background: var(--tc-accent-dim);
      }
      input {
        accent-color: var(--tc-accent);
      }
      label small {
        margin-left: auto;
        color: var(--tc-faint);
      }
      .track {
        height: 6px;
        margin: 16px 0 10px;
        overflow: hidden;
        border-radius: 3px;
        background: var(--tc-line);
      }
      .track i {
        display: block;
        height: 100%;
        background: var(--tc-accent);
        transition: width 160ms linear;
      }
      dl {
        max-height: 220px;
        margin: 12px 0 0;
        overflow: auto;
        overflow-wrap: anywhere;
        font-size: 13px;
        scrollbar-width: thin;
      }
      dd {
        margin: 0 0 8px;
        color: var(--tc-soft);
      }
    `,
  ];
  static override readonly properties = {
    api: { attribute: false },
    picked: { attribute: false },
    sources: { state: true },
    chosen: { state: true },
    kept: { state: true },
    running: { state: true },
    problem: { state: true },
  };

  declare api: StudiesAPI;
  declare picked: Picked;
  declare private sources: Source[] | undefined;
  declare private chosen: string;
  declare private kept: Kept | undefined;
  declare private running: boolean;
  declare private problem: string;
  #stop = new AbortController();

  constructor() {
    super();
    this.chosen = "";
    this.running = false;
    this.problem = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#askSources();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort(new DOMException("The page was left", "AbortError"));
  }

  protected override updated(): void {
    showDialog(this.renderRoot);
  }

  protected override render(): TemplateResult {
    return dialogOf("Keep these files", html`${this.#content()}`, () => { this.#close(); });
  }

  #content(): TemplateResult {
    const { kept } = this;
    if (this.running) return this.#progress();
    if (kept !== undefined) return this.#result(kept);
    const { sources, picked } = this;
    const what = `${plural(picked.files.length, "file")}, ${megabytes(picked.bytes)}`;
    const none = sources?.length === 0;
    return html`
      <h2>Keep these files</h2>
      ${none
        ? html`<p>No source of this broker takes files. Ask its operator for a store, or for a PACS that may be written to.</p>`
        : html`<p>${what} will be stored with their patients' names, as they are, and listed for everyone who may use this broker.</p>
            ${sources === undefined && this.problem === "" ? html`<p class="quiet">Looking where they can be kept…</p>` : this.#choices(sources ?? [])}`}
      ${this.problem === "" ? nothing : html`<p role="alert">${this.problem}</p>`}
      <div class="actions">
        <button class="button" @click=${() => { this.#close(); }}>${none ? "Close" : "Cancel"}</button>
        ${none ? nothing : html`<button class="button primary" ?disabled=${this.chosen === ""} @click=${() => void this.#keep()}>Keep</button>`}
      </div>`;
  }

  #choices(sources: Source[]): TemplateResult {
    const kinds = { store: "the broker's store", pacs: "PACS", folder: "folder" };
    return html`<fieldset><legend class="visually-hidden">Where</legend>${sources.map(({ name, kind }) => html`<label>
      <input type="radio" name="source" .value=${name} .checked=${this.chosen === name} @change=${() => { this.chosen = name; }} />${name}<small>${kinds[kind]}</small></label>`)}</fieldset>`;
  }

  #progress(): TemplateResult {
    const { kept, picked } = this;
    const percent = kept === undefined ? 0 : (100 * kept.bytes) / Math.max(1, kept.totalBytes);
    const files = kept?.files ?? 0;
    return html`
      <h2>Keeping the files in ${this.chosen}</h2>
      <div class="track" role="progressbar" aria-label="Keeping" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(percent)}><i style="width:${percent.toFixed(1)}%"></i></div>
      <p class="number">${files.toLocaleString("en-GB")} of ${plural(picked.files.length, "file")} · ${megabytesOf(kept?.bytes ?? 0, picked.bytes)}</p>
      <div class="actions"><button class="button" @click=${() => { this.#stop.abort(new DOMException("Stopped", "AbortError")); }}>Stop</button></div>`;
  }

  #result(kept: Kept): TemplateResult {
    const { failures, stored } = kept;
    const title = stored === 0 ? "None of the files was kept" : `${plural(stored, "file")} kept in ${this.chosen}`;
    return html`
      <h2>${title}</h2>
      ${this.problem === "" ? nothing : html`<p role="alert">${this.problem}</p>`}
      ${failures.length === 0 ? html`<p>They are in the list of studies now.</p>` : html`<p>${plural(failures.length, "file")} not kept:</p>
        <dl>${failures.slice(0, shownFailures).map(({ name, reason }) => html`<dt>${name}</dt><dd>${reason}</dd>`)}</dl>
        ${failures.length > shownFailures ? html`<p>And ${plural(failures.length - shownFailures, "more file")}.</p>` : nothing}`}
      <div class="actions">
        ${stored > 0 ? html`<a class="button" href="/">Show the list</a>` : nothing}
        <button class="button primary" @click=${() => { this.#close(); }}>Done</button>
      </div>`;
  }

  async #askSources(): Promise<void> {
    try {
      this.sources = (await this.api.sources()).filter(({ writable }) => writable);
      this.chosen = keeperOf(this.sources);
    } catch (error) {
      const { title, detail } = explain(error);
      this.problem = `${title} ${detail}`;
    }
  }

  async #keep(): Promise<void> {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.running = true;
    this.problem = "";
    try {
      this.kept = await keepFiles(this.picked.files, this.api.poster(this.chosen), signal, (kept) => { this.kept = kept; });
    } catch (error) {
      const so = this.kept;
      this.problem = signal.aborted ? `Stopped after ${plural(so?.files ?? 0, "file")} of ${so?.totalFiles ?? 0}.` : explain(error).detail;
      this.kept ??= { files: 0, totalFiles: 0, bytes: 0, totalBytes: 0, stored: 0, failures: [] };
    }
    this.running = false;
  }

  #close(): void {
    this.#stop.abort(new DOMException("Closed", "AbortError"));
    this.dispatchEvent(new CustomEvent("close"));
  }
}
