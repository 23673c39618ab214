// A small picture of a series, asked for when it comes into sight.
import { css, html, LitElement, type TemplateResult } from "lit";
import { icons } from "./icons.js";
import { theme } from "./theme.js";

/** Load asks for the picture. */
export type LoadThumbnail = (signal: AbortSignal) => Promise<Blob>;

/** Turnstile lets a few ask at a time: edges make thumbnails beside sessions, and the newest in sight come first. */
class Turnstile {
  readonly #waiting: (() => void)[] = [];
  #passing = 0;

  constructor(readonly most: number) {}

  async pass<Result>(signal: AbortSignal, then: () => Promise<Result>): Promise<Result> {
    if (this.#passing >= this.most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#passing++;
    try {
      signal.throwIfAborted();
      return await then();
    } finally {
      this.#passing--;
      this.#waiting.shift()?.();
    }
  }
}

const turnstile = new Turnstile(4);

/** Thumbnail shows a picture, a skeleton until it comes, and a placeholder where there is none. */
export class Thumbnail extends LitElement {
  static override readonly styles = [
    theme,
    css`
      :host {
        display: grid;
        place-items: center;
        position: relative;
        width: var(--side, 56px);
        height: var(--side, 56px);
        overflow: hidden;
        border-radius: 6px;
        background: #05070a;
        color: var(--tc-faint);
      }
      img {
        width: 100%;
        height: 100%;
        object-fit: contain;
      }
      i {
        position: absolute;
        inset: 0;
        background: var(--tc-hover);
        animation: breathe 1.4s ease-in-out infinite;
      }
      @keyframes breathe {
        50% {
          opacity: 0.45;
        }
      }
    `,
  ];
  static override readonly properties = { load: { attribute: false }, url: { state: true }, failed: { state: true } };

  /** load asks for the picture; undefined where there can be none. */
  declare load: LoadThumbnail | undefined;
  declare private url: string;
  declare private failed: boolean;
  #stop: AbortController | undefined;
  #watch: IntersectionObserver | undefined;

  constructor() {
    super();
    this.load = undefined;
    this.url = "";
    this.failed = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.url !== "") return;
    this.#watch = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void this.#ask();
    }, { rootMargin: "200px" });
    this.#watch.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch?.disconnect();
    this.#forget();
  }

  protected override render(): TemplateResult {
    if (this.url !== "") return html`<img src=${this.url} alt="" decoding="async" />`;
    return html`${this.failed || this.load === undefined ? icons.image : html`<i></i>`}`;
  }

  async #ask(): Promise<void> {
    const { load } = this;
    if (load === undefined || this.#stop !== undefined) return;
    this.#watch?.disconnect();
    const stop = new AbortController();
    this.#stop = stop;
    try {
      const picture = await turnstile.pass(stop.signal, () => load(stop.signal));
      if (stop.signal.aborted) return;
      this.url = URL.createObjectURL(picture);
    } catch {
      if (!stop.signal.aborted) this.failed = true;
    }
  }

  #forget(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    if (this.url !== "") URL.revokeObjectURL(this.url);
    this.url = "";
  }
}
