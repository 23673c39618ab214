// What comes over one connection: video frames with their stamps, and lossless stills.
import type { Stamp, StillHeader } from "../contract.js";
import { type Match, type Shown, StampMatcher } from "./stamps.js";
import { type Still, StillReceiver } from "./still.js";

/** Taker takes what a track brings, in its order. */
export interface Taker {
  /** covered is the highest sequence number that the edge has taken into a picture. */
  covered(seq: number): void;
  /** matched is a frame that the browser has presented, with its stamp. */
  matched(match: Match): void;
  /** unmatched is told of a frame whose stamp has not come, and may have been lost. */
  unmatched(): void;
  still(still: Still): void;
  /** refused is told why a still was thrown away. */
  refused(reason: string, header: StillHeader): void;
}

/** Track puts together what belongs together, and gives it to whoever takes it at the moment. */
export class Track {
  /** taker is who hears of everything; what comes while there is none is only counted. */
  taker: Taker | undefined;
  readonly #matcher = new StampMatcher();
  readonly #receiver = new StillReceiver(
    (still) => this.taker?.still(still),
    (reason, header) => this.taker?.refused(reason, header),
  );
  #messages = Promise.resolve();

  stamp(stamp: Stamp): void {
    this.taker?.covered(stamp.seq);
    const match = this.#matcher.stamp(stamp);
    if (match !== undefined) this.taker?.matched(match);
  }

  /** shown notes a frame that the browser has presented. */
  shown(shown: Shown): void {
    const match = this.#matcher.shown(shown);
    if (match === undefined) this.taker?.unmatched();
    else this.taker?.matched(match);
  }

  /** stillMessage takes one message of the still channel; they are worked on in their order. */
  stillMessage(data: string | ArrayBuffer): void {
    this.#messages = this.#messages.then(async () => {
      if (typeof data === "string") this.#receiver.header(JSON.parse(data) as StillHeader);
      else await this.#receiver.chunk(new Uint8Array(data));
    });
  }
}
