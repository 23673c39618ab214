// Keeping files by STOW-RS (PS3.18 section 10.5): in batches, so that progress shows and no request grows too long.
import type { UploadFile } from "./upload.js";

/** Kept is how far keeping has come, and what was not kept. */
export interface Kept {
  /** files and bytes that were dealt with, kept or not. */
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
  stored: number;
  failures: Failure[];
}

/** Failure is a file, or an instance by its UID, that was not kept, and why. */
export interface Failure {
  name: string;
  reason: string;
}

/** Answer is what a store says to one batch. */
export interface Answer {
  status: number;
  body: unknown;
}

/** Post sends one batch. */
export type Post = (body: Blob, contentType: string, signal: AbortSignal) => Promise<Answer>;

/** A batch has at most this many bytes and files; a larger file has one of its own. */
const batchBytes = 24 << 20;
const batchFiles = 200;

/** keepFiles sends DICOM files to a store. What is none is not sent, and told. */
export async function keepFiles(
  files: readonly UploadFile[],
  post: Post,
  signal: AbortSignal,
  progress: (kept: Kept) => void,
): Promise<Kept> {
  const kept: Kept = {
    files: 0, totalFiles: files.length, bytes: 0, totalBytes: files.reduce((sum, { file }) => sum + file.size, 0), stored: 0, failures: [],
  };
  let batch: UploadFile[] = [];
  let bytes = 0;
  const send = async (): Promise<void> => {
    const sending = batch;
    batch = [];
    bytes = 0;
    if (sending.length > 0) await sendBatch(sending, post, signal, kept);
    progress({ ...kept });
  };
  for (const file of files) {
    signal.throwIfAborted();
    if (!(await isDICOM(file.file))) {
      done(kept, file);
      kept.failures.push({ name: file.path, reason: "It is no DICOM file with a preamble, which a store asks for." });
      continue;
    }
    if (batch.length > 0 && (bytes + file.file.size > batchBytes || batch.length >= batchFiles)) await send();
    batch.push(file);
    bytes += file.file.size;
  }
  await send();
  return kept;
}

/** isDICOM looks for the prefix of PS3.10 section 7.1. */
async function isDICOM(file: Blob): Promise<boolean> {
  try {
    return (await file.slice(128, 132).text()) === "DICM";
  } catch {
    return false;
  }
}

async function sendBatch(batch: UploadFile[], post: Post, signal: AbortSignal, kept: Kept): Promise<void> {
  const boundary = `tomocast-${crypto.randomUUID()}`;
  let answer: Answer;
  try {
    answer = await post(multipart(batch, boundary), `multipart/related; type="application/dicom"; boundary=${boundary}`, signal);
  } catch (error) {
    signal.throwIfAborted();
    answer = { status: 0, body: { detail: error instanceof Error ? error.message : String(error) } };
  }
  for (const file of batch) done(kept, file);
  const { stored, failures } = judged(answer, batch);
  kept.stored += stored;
  kept.failures.push(...failures);
}

function done(kept: Kept, { file }: UploadFile): void {
  kept.files++;
  kept.bytes += file.size;
}

/** multipart is a batch as a body, which the browser reads from disk while it sends. */
export function multipart(batch: readonly UploadFile[], boundary: string): Blob {
  const parts: BlobPart[] = [];
  for (const { file } of batch) {
    parts.push(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, file, "\r\n");
  }
  parts.push(`--${boundary}--\r\n`);
  return new Blob(parts);
}

/** judged reads a store's answer (PS3.18 annex I.2.2): what was stored, and what was not by its UID. */
export function judged({ status, body }: Answer, batch: readonly UploadFile[]): { stored: number; failures: Failure[] } {
  const stored = sequence(body, "00081199").length;
  const failures = sequence(body, "00081198").map((item) => ({
    name: text(item, "00081155") || "An instance without a UID",
    reason: reasonOf(Number(value(item, "00081197") ?? Number.NaN), text(item, "00081196") || comment(item)),
  }));
  if (stored + failures.length > 0) return { stored, failures };
  // A store that tells nothing of single instances tells of all of them.
  if (status === 200) return { stored: batch.length, failures: [] };
  return { stored: 0, failures: batch.map(({ path }) => ({ name: path, reason: refusal(status, body) })) };
}

function refusal(status: number, body: unknown): string {
  const { title = "", detail = "" }: { title?: string; detail?: string } = isObject(body) ? body : {};
  const said = [title, detail].filter(Boolean).join(" ");
  if (status === 0) return `The store could not be reached. ${said}`.trim();
  return said === "" ? `The store refused it with status ${status}.` : said;
}

/** Failure reasons of PS3.18 table I.2.2-1 and PS3.4 section GG.4.2, as far as stores give them. */
const reasons: Record<number, string> = {
  0x0110: "The store failed while it processed the file.",
  0x0111: "The store has it already.",
  0x0112: "The store does not know this instance.",
  0x0117: "The instance's UID is invalid.",
  0x0122: "The store does not take this kind of object.",
  0x0124: "The store does not allow it.",
  0x0131: "The store does not allow it.",
  0xa700: "The store is out of room.",
  0xa900: "The file is not of the kind that it claims to be.",
  0xc000: "The store did not understand the file.",
  0xc122: "The store does not take this transfer syntax.",
};

function reasonOf(code: number, said: string): string {
  if (said !== "") return said;
  if (Number.isNaN(code)) return "The store gave no reason.";
  const family = code >= 0xa700 && code < 0xa800 ? 0xa700 : code >= 0xa900 && code < 0xaa00 ? 0xa900 : code;
  return reasons[code] ?? reasons[family] ?? `The store gave the reason 0x${code.toString(16).padStart(4, "0")}.`;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** values of an attribute in DICOM JSON (PS3.18 annex F). */
function values(dataset: unknown, tag: string): unknown[] {
  const attribute = isObject(dataset) ? dataset[tag] : undefined;
  const list = isObject(attribute) ? attribute.Value : undefined;
  return Array.isArray(list) ? list : [];
}

function value(dataset: unknown, tag: string): unknown {
  return values(dataset, tag)[0];
}

function text(dataset: unknown, tag: string): string {
  const first = value(dataset, tag);
  return typeof first === "string" ? first : "";
}

/** comment is an error comment (0000,0902), which some stores add. */
function comment(dataset: unknown): string {
  return text(dataset, "00000902");
}

function sequence(dataset: unknown, tag: string): unknown[] {
  return values(dataset, tag).filter(isObject);
}
