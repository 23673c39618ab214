// The video on the screen, and behind it that of an edge that the session is on its way to.
import type { Shown } from "../client/stamps.js";
import { watchFrames } from "./frames.js";

/** Frames takes the frames that the browser presents. */
export interface Frames {
  /** front is of the video on the screen, back of the one that may take its place. */
  front(frame: Shown): void;
  back(frame: Shown): void;
  /** The timestamps of the newest frames, for browsers that do not tell them with the frame. */
  frontTimestamp(): number | undefined;
  backTimestamp(): number | undefined;
}

/**
 * Videos are two elements of which one is seen. A browser presents frames only of a video that is drawn, so the other one is
 * drawn over it, too thin to be seen: less than half a step of brightness.
 */
export class Videos {
  #front: HTMLVideoElement;
  #back: HTMLVideoElement;
  readonly #unwatch: (() => void)[];
  readonly #touch: (play: () => void) => void;

  /** touch has play called when the user next touches the page. */
  constructor(front: HTMLVideoElement, back: HTMLVideoElement, frames: Frames, touch: (play: () => void) => void) {
    this.#front = front;
    this.#back = back;
    this.#touch = touch;
    this.#unwatch = [front, back].map((video) => watchFrames(
      video,
      (frame) => { if (video === this.#front) frames.front(frame); else frames.back(frame); },
      () => (video === this.#front ? frames.frontTimestamp() : frames.backTimestamp()),
    ));
    this.#mark();
  }

  /** show puts a stream on the screen. */
  show(stream: MediaStream): void {
    this.#play(this.#front, stream);
  }

  /** prepare plays a stream that may take the place of the one on the screen; without one, nothing is prepared any more. */
  prepare(stream: MediaStream | undefined): void {
    if (stream === undefined) this.#back.srcObject = null;
    else this.#play(this.#back, stream);
  }

  /** swap puts what was prepared on the screen. */
  swap(): void {
    [this.#front, this.#back] = [this.#back, this.#front];
    this.#mark();
    this.#back.srcObject = null;
  }

  /** hold has the picture on the screen stand still, or go on. */
  hold(on: boolean): void {
    if (on) this.#front.pause();
    else this.#play(this.#front);
  }

  /** wipe takes the pictures away. */
  wipe(): void {
    for (const video of [this.#front, this.#back]) video.srcObject = null;
  }

  detach(): void {
    for (const unwatch of this.#unwatch) unwatch();
  }

  #mark(): void {
    this.#front.classList.remove("back");
    this.#back.classList.add("back");
  }

  #play(video: HTMLVideoElement, stream?: MediaStream): void {
    if (stream !== undefined) video.srcObject = stream;
    // Muted video may play by itself; where a browser refuses, the next touch of the page starts it.
    video.play().catch((error: unknown) => {
      const refused = error instanceof DOMException && error.name === "NotAllowedError";
      if (refused) this.#touch(() => void video.play());
    });
  }
}
