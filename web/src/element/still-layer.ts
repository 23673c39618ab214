// The lossless still over the video.
import type { Still } from "../client/still.js";

/** StillLayer shows one still at a time, decoded before it is put on the screen. */
export class StillLayer {
  readonly #image: HTMLImageElement;
  #url: string | undefined;
  #turn = 0;

  constructor(image: HTMLImageElement) {
    this.#image = image;
    image.hidden = true;
  }

  /** show says true once the still is on the screen, and false where another one or a movement came first. */
  async show(still: Still): Promise<boolean> {
    const turn = ++this.#turn;
    const url = URL.createObjectURL(new Blob([still.bytes], { type: still.header.format }));
    const decoded = new Image();
    decoded.src = url;
    try {
      await decoded.decode();
    } catch {
      URL.revokeObjectURL(url);
      return false;
    }
    if (turn !== this.#turn) {
      URL.revokeObjectURL(url);
      return false;
    }
    this.#release();
    this.#url = url;
    this.#image.src = url;
    await this.#image.decode().catch(() => undefined);
    if (turn !== this.#turn) return false;
    this.#image.hidden = false;
    return true;
  }

  hide(): void {
    this.#turn++;
    this.#image.hidden = true;
    this.#release();
  }

  #release(): void {
    if (this.#url !== undefined) URL.revokeObjectURL(this.#url);
    this.#url = undefined;
  }
}
