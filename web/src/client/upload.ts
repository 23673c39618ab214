// Files from the page to the edge: one transfer after the other over the bulk channel.
import type { BulkHeader, Upload } from "../contract.js";
import { crc32, sha256OfBlob } from "./hash.js";

/** UploadFile is a file and its path below what was dropped. */
export interface UploadFile {
  path: string;
  file: Blob;
}

/** Sent is how much of an upload is on its way. */
export interface Sent {
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
}

/** BulkPipe is where the messages of transfers go, in their order. */
export interface BulkPipe {
  /** send gives one message. It throws where the channel is closed. */
  send(message: string | Uint8Array<ArrayBuffer>): void;
  /** room resolves when the channel may be given more, and rejects when it closes or the signal aborts. */
  room(signal: AbortSignal): Promise<void>;
  /** waiting is the number of bytes that were given and have not left yet. */
  readonly waiting: number;
}

/** chunkBytes is the size of a message; chunkHeader of it are transfer, index and CRC-32, each 4 bytes, big endian. */
export const chunkBytes = 64 << 10;
const chunkHeader = 12;
const payloadBytes = chunkBytes - chunkHeader;

/** Files are read in pieces of this many chunks. */
const pieceBytes = 32 * payloadBytes;

/** uploadOf announces files. */
export function uploadOf(files: readonly UploadFile[]): Upload {
  return { files: files.length, bytes: files.reduce((sum, { file }) => sum + file.size, 0) };
}

/**
 * sendFiles sends files one by one. The next one's hash is made while one is sent. It rejects with what went wrong
 * with the channel or with reading a file, whose path is then named.
 */
export async function sendFiles(
  pipe: BulkPipe,
  files: readonly UploadFile[],
  signal: AbortSignal,
  progress: (sent: Sent) => void,
): Promise<void> {
  const { files: totalFiles, bytes: totalBytes } = uploadOf(files);
  let given = 0;
  const tell = (done: number): void => {
    progress({ files: done, totalFiles, bytes: Math.max(0, given - pipe.waiting), totalBytes });
  };
  let next = hashed(files[0], signal);
  for (const [i, file] of files.entries()) {
    const sha256 = await next;
    next = hashed(files[i + 1], signal);
    await pipe.room(signal);
    pipe.send(JSON.stringify(headerOf(i + 1, file, sha256)));
    let index = 0;
    for (let at = 0; at < file.file.size; at += pieceBytes) {
      const piece = await read(file, at, signal);
      for (let from = 0; from < piece.length; from += payloadBytes) {
        const payload = piece.subarray(from, from + payloadBytes);
        await pipe.room(signal);
        pipe.send(chunkOf(i + 1, index++, payload));
        given += payload.length;
        tell(i);
      }
    }
    tell(i + 1);
  }
}

function headerOf(transfer: number, { path, file }: UploadFile, sha256: string): BulkHeader {
  return {
    transfer,
    format: "application/octet-stream",
    bytes: file.size,
    chunks: Math.ceil(file.size / payloadBytes),
    sha256,
    meta: { path },
  };
}

/** chunkOf is a chunk as it goes over the channel. */
export function chunkOf(transfer: number, index: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(chunkHeader + payload.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, transfer);
  view.setUint32(4, index);
  view.setUint32(8, crc32(payload));
  message.set(payload, chunkHeader);
  return message;
}

/** hashed is a file's hash; where that fails, it does once the file's turn has come. */
function hashed(file: UploadFile | undefined, signal: AbortSignal): Promise<string> {
  if (file === undefined) return Promise.resolve("");
  const hash = sha256OfBlob(file.file, signal).catch((error: unknown) => { throw unreadable(file, error, signal); });
  hash.catch(() => undefined);
  return hash;
}

async function read(file: UploadFile, at: number, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  try {
    return new Uint8Array(await file.file.slice(at, at + pieceBytes).arrayBuffer());
  } catch (error) {
    throw unreadable(file, error, signal);
  }
}

function unreadable({ path }: UploadFile, error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  const why = error instanceof Error ? error.message : String(error);
  return new Error(`${path} cannot be read any more (${why}). Drop the files again.`, { cause: error });
}

/** Above the high mark nothing more is given to a channel until it has fallen to the low mark, bytes. */
const highWater = 4 << 20;
const lowWater = 768 << 10;

/** ChannelPipe is a data channel as a pipe. */
export class ChannelPipe implements BulkPipe {
  readonly #channel: RTCDataChannel;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    channel.bufferedAmountLowThreshold = lowWater;
  }

  get waiting(): number {
    return this.#channel.bufferedAmount;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    // The two overloads of send take no union.
    if (typeof message === "string") this.#channel.send(message);
    else this.#channel.send(message);
  }

  room(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const channel = this.#channel;
    if (channel.readyState !== "open") return Promise.reject(new Error("the connection to the renderer was closed"));
    if (channel.bufferedAmount < highWater) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const once = { signal: over.signal };
      const end = (then: () => void): void => {
        over.abort();
        then();
      };
      channel.addEventListener("bufferedamountlow", () => { end(resolve); }, once);
      channel.addEventListener("close", () => { end(() => { reject(new Error("the connection to the renderer was closed")); }); }, once);
      signal.addEventListener("abort", () => { end(() => { reject(signal.reason as Error); }); }, once);
    });
  }
}
