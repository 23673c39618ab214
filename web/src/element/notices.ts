// Short messages over the picture, one at a time.
const shownMs = 8_000;

/** Notices holds the message that is shown, and takes it away again. */
export class Notices {
  readonly #changed: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  text = "";

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  show(text: string): void {
    this.#set(text);
    this.#timer = setTimeout(() => { this.#set(""); }, shownMs);
  }

  readonly dismiss = (): void => {
    this.#set("");
  };

  #set(text: string): void {
    clearTimeout(this.#timer);
    this.text = text;
    this.#changed();
  }
}
