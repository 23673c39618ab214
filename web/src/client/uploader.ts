// The files of one session on their way to its edge.
import type { Control } from "./control.js";
import { ProblemError } from "./problem.js";
import { type BulkPipe, sendFiles, type Sent, uploadOf, type UploadFile } from "./upload.js";

/** The edge looks at every file before it answers that all have come. */
const lookedAtWithinMs = 300_000;

/** Uploader sends the files to an edge, and again to the next one where a session has lost its edge. */
export class Uploader {
  readonly files: readonly UploadFile[];
  readonly #progress: (sent: Sent) => void;
  #stop: AbortController | undefined;
  /** The attempt whose edge has them all. */
  #delivered = "";

  constructor(files: readonly UploadFile[], progress: (sent: Sent) => void) {
    this.files = files;
    this.#progress = progress;
  }

  /** deliver sends all files, unless the attempt's edge has them or is getting them. It rejects with a ProblemError. */
  async deliver(attempt: string, control: Control, pipe: BulkPipe): Promise<void> {
    if (this.#delivered === attempt || this.#stop !== undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    try {
      await control.request({ type: "upload", upload: uploadOf(this.files) });
      await sendFiles(pipe, this.files, stop.signal, this.#progress);
      await control.request({ type: "uploaded" }, lookedAtWithinMs);
      this.#delivered = attempt;
    } catch (error) {
      stop.signal.throwIfAborted();
      throw error instanceof ProblemError
        ? error
        : new ProblemError("bad-request", "The files could not be sent", error instanceof Error ? error.message : String(error));
    } finally {
      if (this.#stop === stop) this.#stop = undefined;
    }
  }

  /** interrupt ends what is under way. */
  interrupt(): void {
    this.#stop?.abort(new ProblemError("cancelled", "The upload was interrupted"));
    this.#stop = undefined;
  }
}
