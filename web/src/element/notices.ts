// Short messages over the picture, one at a time.
const shownMs = 8_000;
/** A long text takes longer to read, ms for each letter. */
const letterMs = 70;

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
    this.#timer = setTimeout(() => { this.#set(""); }, Math.max(shownMs, letterMs * text.length));
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
