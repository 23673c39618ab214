// The button that lets files or a folder be chosen instead of dropped.
import { css, html, LitElement, type TemplateResult } from "lit";
import { type Picked, pickedOf } from "../files/picked.js";
import { icons } from "./icons.js";
import { buttons, theme } from "./theme.js";

/** OpenFiles tells "picked" (Picked), or "unpicked" with what went wrong; both pass through shadow roots. */
export class OpenFiles extends LitElement {
  static override readonly styles = [
    theme,
    buttons,
    css`
      :host {
        position: relative;
        display: inline-block;
      }
      .menu {
        position: absolute;
        right: 0;
        top: calc(100% + 6px);
        z-index: 5;
        display: grid;
        min-width: 230px;
        padding: 6px;
        border: 1px solid var(--tc-line-strong);
        border-radius: 12px;
        background: var(--tc-raised);
        box-shadow: 0 18px 50px rgb(0 0 0 / 0.6);
      }
      .menu .button {
        justify-content: flex-start;
        min-height: 40px;
        border-color: transparent;
        background: transparent;
      }
      .menu p {
        margin: 6px 8px 4px;
        color: var(--tc-faint);
        font-size: 12px;
        line-height: 1.4;
      }
      @media (max-width: 900px) {
        .menu .button,
        .main {
          min-height: 44px;
        }
      }
      @media (max-width: 480px) {
        .main span {
          display: none;
        }
      }
    `,
  ];
  static override readonly properties = { open: { state: true } };

  declare private open: boolean;
  #detach = new AbortController();

  constructor() {
    super();
    this.open = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#detach = new AbortController();
    const options = { signal: this.#detach.signal };
    globalThis.addEventListener("pointerdown", (event) => { if (!event.composedPath().includes(this)) this.open = false; }, options);
    this.addEventListener("keydown", (event) => { if (event.key === "Escape") this.open = false; }, options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#detach.abort();
  }

  protected override render(): TemplateResult {
    return html`
      <button class="button main" aria-haspopup="true" aria-expanded=${this.open} aria-label="Open files" @click=${() => { this.open = !this.open; }}>
        ${icons.folder}<span>Open files</span></button>
      <div class="menu" ?hidden=${!this.open}>
        <button class="button" @click=${() => { this.#choose("folder"); }}>${icons.folder}A folder…</button>
        <button class="button" @click=${() => { this.#choose("files"); }}>${icons.image}Files or zip files…</button>
        <p>Or drop them anywhere on this page. They go to the renderer only, and are kept nowhere unless you ask for it.</p>
      </div>
      <input class="files" type="file" multiple hidden @change=${this.#picked} />
      <input class="folder" type="file" webkitdirectory hidden @change=${this.#picked} />
    `;
  }

  #choose(what: "files" | "folder"): void {
    this.open = false;
    this.renderRoot.querySelector<HTMLInputElement>(`input.${what}`)?.click();
  }

  readonly #picked = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    // The list is the field's own, and empty when the field is.
    const files = Array.from(input.files ?? []);
    input.value = "";
    if (files.length > 0) tellPicked(this, () => new Promise((resolve) => { resolve(pickedOf(files)); }));
  };
}

/** tellPicked reads what was picked and tells it from an element: "picked", or "unpicked" with the error. */
export function tellPicked(from: EventTarget, read: () => Promise<Picked>): void {
  const tell = (name: string, detail: unknown): void => {
    from.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  };
  read().then((picked) => { tell("picked", picked); }, (error: unknown) => { tell("unpicked", error); });
}
