// Lossless stills as they come over the still channel: a header, then its bytes.
import type { StillHeader } from "../contract.js";
import { sha256 } from "./hash.js";

/** Still is a lossless picture whose hash was checked. */
export interface Still {
  header: StillHeader;
  bytes: Uint8Array<ArrayBuffer>;
}

/** No picture that a session can ask for is larger than this, losslessly. */
const maxBytes = 256 << 20;

/** StillReceiver puts stills together. A header abandons what is incomplete. */
export class StillReceiver {
  readonly #still: (still: Still) => void;
  readonly #refuse: (reason: string, header: StillHeader) => void;
  #header: StillHeader | undefined;
  #bytes = new Uint8Array(0);
  #filled = 0;

  /** still gets each picture once its hash is right; refuse gets each whose hash or form is wrong. */
  constructor(still: (still: Still) => void, refuse: (reason: string, header: StillHeader) => void) {
    this.#still = still;
    this.#refuse = refuse;
  }

  header(header: StillHeader): void {
    this.abandon();
    if (!Number.isInteger(header.bytes) || header.bytes <= 0 || header.bytes > maxBytes) {
      this.#refuse(`a still of ${header.bytes} bytes was announced; 1 to ${maxBytes} are allowed`, header);
      return;
    }
    this.#header = header;
    this.#bytes = new Uint8Array(header.bytes);
  }

  /** chunk takes the next bytes. Those that belong to no header are of an abandoned still. */
  async chunk(chunk: Uint8Array): Promise<void> {
    const header = this.#header;
    if (header === undefined) return;
    if (this.#filled + chunk.length > header.bytes) {
      this.abandon();
      this.#refuse(`more bytes came than the ${header.bytes} announced`, header);
      return;
    }
    this.#bytes.set(chunk, this.#filled);
    this.#filled += chunk.length;
    if (this.#filled < header.bytes) return;
    const bytes = this.#bytes;
    this.abandon();
    await this.#verify(header, bytes);
  }

  abandon(): void {
    this.#header = undefined;
    this.#bytes = new Uint8Array(0);
    this.#filled = 0;
  }

  async #verify(header: StillHeader, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let hash: string;
    try {
      hash = await sha256(bytes);
    } catch (error) {
      this.#refuse(error instanceof Error ? error.message : String(error), header);
      return;
    }
    if (hash === header.sha256) this.#still({ header, bytes });
    else this.#refuse("its SHA-256 is not the one that the renderer sent", header);
  }
}
