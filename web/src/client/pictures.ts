// What is on the screen: video pictures with their stamps, and the lossless still over them.
import type { Stamp, StillHeader } from "../contract.js";
import { Emitter } from "./emitter.js";
import { Measurements, MotionToPhoton } from "./latency.js";
import type { Match, Shown } from "./stamps.js";
import type { Still } from "./still.js";
import type { Track } from "./track.js";

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

/** Pictures follows one track at a time: that of the connection whose pictures are on the screen. */
export class Pictures extends Emitter<PictureEvents> {
  readonly latency = new Measurements(samples);
  readonly rendering = new Measurements(samples);
  readonly encoding = new Measurements(samples);
  readonly #motion = new MotionToPhoton();
  #track: Track | undefined;
  #newestSeq = 0;
  #stamp: Stamp | undefined;
  #still: Still | undefined;
  /** The still on the screen is of an edge that the session has left; this was the first picture of the next one. */
  #since: Stamp | undefined;
  #resized = false;
  #askedAgain = 0;

  /** still is the lossless picture on the screen, if there is one. */
  get still(): Still | undefined {
    return this.#still;
  }

  /** newest is the stamp of the newest picture that was on the screen of the track that is followed. */
  get newest(): Stamp | undefined {
    return this.#stamp;
  }

  /** input notes a change that is on its way, made at a time of performance.now(). */
  input(seq: number, at: number): void {
    this.#newestSeq = Math.max(this.#newestSeq, seq);
    this.#motion.input(seq, at);
  }

  /** shown notes a frame of the track that the browser has put on the screen. */
  shown(shown: Shown): void {
    this.#track?.shown(shown);
  }

  /** resized says that pictures of another size were asked for: the still goes with the next picture. */
  resized(): void {
    this.#resized = true;
  }

  /** follow begins with another edge, which counts everything anew. */
  follow(track: Track): void {
    this.#motion.clear();
    this.#newestSeq = 0;
    this.#askedAgain = 0;
    this.#stamp = undefined;
    this.#since = undefined;
    this.#take(track);
  }

  /**
   * move goes on with the track of an edge that knows the same view and the same sequence numbers. first is its picture on
   * the screen; none where nobody looks. A still stays until that edge has sent its own, or something moves.
   */
  move(track: Track, first: Match | undefined): void {
    this.#since = this.#still === undefined ? undefined : first?.stamp;
    this.#askedAgain = 0;
    this.#stamp = undefined;
    this.#take(track);
    if (first === undefined) return;
    this.emit("covered", first.stamp.seq);
    this.#show(first);
  }

  #take(track: Track): void {
    if (this.#track !== undefined) this.#track.taker = undefined;
    this.#track = track;
    track.taker = {
      covered: (seq) => { this.emit("covered", seq); },
      matched: (match) => { this.#show(match); },
      // A picture without a stamp after a change is a newer one: stamps may be lost.
      unmatched: () => { if (this.#still !== undefined && this.#newestSeq > this.#still.header.seq) this.#dropStill(); },
      still: (still) => { this.#takeStill(still); },
      refused: (reason, header) => { this.#refuseStill(reason, header); },
    };
  }

  #show({ stamp, at }: Match): void {
    this.#stamp = stamp;
    const measured = this.#motion.picture(stamp.seq, at);
    for (const ms of measured) this.latency.add(ms);
    // A picture that is only sent once more was not rendered again.
    if (stamp.times.render > 0) this.rendering.add(stamp.times.render);
    this.encoding.add(stamp.times.convert + stamp.times.encode);
    if (this.#still !== undefined && (this.#resized || this.#differs(stamp, this.#still.header))) this.#dropStill();
    this.emit("picture", { stamp, motionToPhotonMs: measured.at(-1) });
  }

  /** differs says whether a picture shows something else than the still. Two edges' revisions say nothing of each other. */
  #differs(stamp: Stamp, still: StillHeader): boolean {
    if (this.#since === undefined) return stamp.rev !== still.rev;
    return stamp.seq !== this.#since.seq || JSON.stringify(stamp.cameras) !== JSON.stringify(this.#since.cameras);
  }

  #takeStill(still: Still): void {
    this.emit("covered", still.header.seq);
    // A still of a view that the hand has left, or that newer pictures have replaced, is not shown.
    if (still.header.rev < (this.#stamp?.rev ?? 0) || still.header.seq < this.#newestSeq) return;
    this.#still = still;
    this.#since = undefined;
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
    this.#since = undefined;
    this.emit("moved", undefined);
  }
}
