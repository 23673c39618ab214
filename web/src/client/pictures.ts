// What is on the screen: video pictures with their stamps, and the lossless still over them.
import type { Stamp, StillHeader } from "../contract.js";
import { Emitter } from "./emitter.js";
import { Measurements, MotionToPhoton } from "./latency.js";
import { type Match, type Shown, StampMatcher } from "./stamps.js";
import { type Still, StillReceiver } from "./still.js";

/** Picture is a picture of the video that is on the screen. */
export interface Picture {
  stamp: Stamp;
  /** motionToPhotonMs is the time from the newest input that this picture is the first to show. */
  motionToPhotonMs: number | undefined;
}

export interface PictureEvents {
  picture: Picture;
  /** still is a lossless picture that belongs on the screen now. */
  still: Still;
  /** moved is told when the still on the screen is no longer the newest picture. */
  moved: undefined;
  /** damaged is told when a still came whose hash is wrong; again says whether to ask for it once more. */
  damaged: { reason: string; again: boolean };
  /** covered is the highest sequence number that a picture shows. */
  covered: number;
}

const samples = 300;

/** Pictures follows the stream of one connection. */
export class Pictures extends Emitter<PictureEvents> {
  readonly latency = new Measurements(samples);
  readonly rendering = new Measurements(samples);
  readonly encoding = new Measurements(samples);
  readonly #motion = new MotionToPhoton();
  readonly #matcher = new StampMatcher();
  readonly #receiver = new StillReceiver(
    (still) => {
      this.#takeStill(still);
    },
    (reason, header) => {
      this.#refuseStill(reason, header);
    },
  );
  #newestSeq = 0;
  #revision = 0;
  #still: Still | undefined;
  #resized = false;
  #askedAgain = 0;
  #messages = Promise.resolve();

  /** still is the lossless picture on the screen, if there is one. */
  get still(): Still | undefined {
    return this.#still;
  }

  /** input notes a change that is on its way, made at a time of performance.now(). */
  input(seq: number, at: number): void {
    this.#newestSeq = Math.max(this.#newestSeq, seq);
    this.#motion.input(seq, at);
  }

  stamp(stamp: Stamp): void {
    this.emit("covered", stamp.seq);
    const match = this.#matcher.stamp(stamp);
    if (match !== undefined) this.#show(match);
  }

  /** shown notes a frame that the browser has put on the screen. */
  shown(shown: Shown): void {
    const match = this.#matcher.shown(shown);
    if (match !== undefined) this.#show(match);
    // A picture without a stamp after a change is a newer one: stamps may be lost.
    else if (this.#still !== undefined && this.#newestSeq > this.#still.header.seq) this.#dropStill();
  }

  /** stillMessage takes one message of the still channel; they are worked on in their order. */
  stillMessage(data: string | ArrayBuffer): void {
    this.#messages = this.#messages.then(async () => {
      if (typeof data === "string") this.#receiver.header(JSON.parse(data) as StillHeader);
      else await this.#receiver.chunk(new Uint8Array(data));
    });
  }

  /** resized says that pictures of another size were asked for: the still goes with the next picture. */
  resized(): void {
    this.#resized = true;
  }

  /** restart forgets the stream: another connection has other timestamps, and its edge other sequence numbers. */
  restart(): void {
    this.#matcher.clear();
    this.#motion.clear();
    this.#receiver.abandon();
    this.#newestSeq = 0;
    this.#revision = 0;
  }

  #show({ stamp, at }: Match): void {
    this.#revision = stamp.rev;
    const measured = this.#motion.picture(stamp.seq, at);
    for (const ms of measured) this.latency.add(ms);
    // A picture that is only sent once more was not rendered again.
    if (stamp.times.render > 0) this.rendering.add(stamp.times.render);
    this.encoding.add(stamp.times.convert + stamp.times.encode);
    if (this.#still !== undefined && (this.#resized || stamp.rev !== this.#still.header.rev)) this.#dropStill();
    this.emit("picture", { stamp, motionToPhotonMs: measured.at(-1) });
  }

  #takeStill(still: Still): void {
    this.emit("covered", still.header.seq);
    // A still of a view that the hand has left, or that newer pictures have replaced, is not shown.
    if (still.header.rev < this.#revision || still.header.seq < this.#newestSeq) return;
    this.#still = still;
    this.#resized = false;
    this.emit("still", still);
  }

  #refuseStill(reason: string, header: StillHeader): void {
    const again = this.#askedAgain !== header.rev;
    this.#askedAgain = header.rev;
    this.emit("damaged", { reason, again });
  }

  #dropStill(): void {
    this.#still = undefined;
    this.emit("moved", undefined);
  }
}

