// Results of compute tasks as they come over the bulk channel: a header, then checksummed chunks.
import type { BulkHeader } from "../contract.js";
import { crc32, sha256 } from "./hash.js";

/** Transfer is a whole result whose checksums were right. */
export interface Transfer {
  header: BulkHeader;
  bytes: Uint8Array<ArrayBuffer>;
}

/** BulkChunkHeader of the contract: transfer, index, CRC-32, each 4 bytes, big endian. */
const chunkHeader = 12;
const maxBytes = 512 << 20;
const maxTransfers = 8;

interface Running {
  header: BulkHeader;
  bytes: Uint8Array<ArrayBuffer>;
  filled: number;
  next: number;
}

/** BulkReceiver puts transfers together; several may be under way at a time. */
export class BulkReceiver {
  readonly #done: (transfer: Transfer) => void;
  readonly #failed: (transfer: number, reason: string) => void;
  readonly #running = new Map<number, Running>();

  constructor(done: (transfer: Transfer) => void, failed: (transfer: number, reason: string) => void) {
    this.#done = done;
    this.#failed = failed;
  }

  async header(header: BulkHeader): Promise<void> {
    if (!Number.isInteger(header.bytes) || header.bytes < 0 || header.bytes > maxBytes) {
      this.#failed(header.transfer, `a result of ${header.bytes} bytes was announced; at most ${maxBytes} are allowed`);
      return;
    }
    if (this.#running.size >= maxTransfers) {
      this.#failed(header.transfer, `more than ${maxTransfers} results at a time`);
      return;
    }
    const running = { header, bytes: new Uint8Array(header.bytes), filled: 0, next: 0 };
    this.#running.set(header.transfer, running);
    if (header.chunks === 0) await this.#finish(running);
  }

  async chunk(message: Uint8Array): Promise<void> {
    if (message.length < chunkHeader) return;
    const view = new DataView(message.buffer, message.byteOffset, chunkHeader);
    const running = this.#running.get(view.getUint32(0));
    if (running === undefined) return; // of a transfer that has failed
    const payload = message.subarray(chunkHeader);
    const fail = (reason: string): void => {
      this.#running.delete(running.header.transfer);
      this.#failed(running.header.transfer, reason);
    };
    if (view.getUint32(4) !== running.next) {
      fail(`chunk ${view.getUint32(4)} came where ${running.next} was expected`);
    } else if (view.getUint32(8) !== crc32(payload)) {
      fail(`the checksum of chunk ${running.next} is wrong`);
    } else if (running.filled + payload.length > running.bytes.length) {
      fail(`more bytes came than the ${running.bytes.length} announced`);
    } else {
      running.bytes.set(payload, running.filled);
      running.filled += payload.length;
      running.next++;
      if (running.next === running.header.chunks) await this.#finish(running);
    }
  }

  async #finish({ header, bytes, filled }: Running): Promise<void> {
    this.#running.delete(header.transfer);
    if (filled !== bytes.length) {
      this.#failed(header.transfer, `${filled} of ${bytes.length} bytes came`);
    } else if ((await sha256(bytes)) !== header.sha256) {
      this.#failed(header.transfer, "its SHA-256 is not the one that was announced");
    } else {
      this.#done({ header, bytes });
    }
  }
}
