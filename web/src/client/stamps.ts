// Which picture is on the screen: stamps matched to shown video frames by their RTP timestamps.
import type { Stamp } from "../contract.js";

/** Shown is a video frame that the browser has put on the screen. */
export interface Shown {
  /** rtp is undefined where the browser does not tell it. */
  rtp: number | undefined;
  width: number;
  height: number;
  /** at is when it was seen, milliseconds of performance.now(). */
  at: number;
}

/** Match is a shown picture and its stamp. */
export interface Match {
  stamp: Stamp;
  at: number;
}

/** Stamps that wait for their picture; at 60 pictures a second these are four seconds. */
const bound = 256;

/** StampMatcher pairs stamps and pictures, whichever of the two comes first. */
export class StampMatcher {
  readonly #stamps = new Map<number, Stamp>();
  #unmatched: Shown | undefined;
  #lastShown: Stamp | undefined;

  /** stamp takes a stamp and returns the match where its picture is on the screen already. */
  stamp(stamp: Stamp): Match | undefined {
    this.#stamps.set(stamp.rtp, stamp);
    if (this.#stamps.size > bound) {
      for (const oldest of this.#stamps.keys()) {
        this.#stamps.delete(oldest);
        break;
      }
    }
    // A stamp that comes after its picture is known by its timestamp alone; any other is of a picture to come.
    if (this.#unmatched?.rtp === undefined) return undefined;
    return this.#match(this.#unmatched);
  }

  /** shown takes a picture that is on the screen and returns its match where its stamp is there. */
  shown(shown: Shown): Match | undefined {
    this.#unmatched = shown;
    return this.#match(shown);
  }

  /** clear forgets everything; another stream has other timestamps. */
  clear(): void {
    this.#stamps.clear();
    this.#unmatched = undefined;
    this.#lastShown = undefined;
  }

  #match(shown: Shown): Match | undefined {
    const stamp = shown.rtp === undefined ? this.#newest(shown) : this.#stamps.get(shown.rtp);
    if (stamp === undefined) return undefined;
    this.#unmatched = undefined;
    this.#lastShown = stamp;
    this.#forgetUpTo(stamp.rtp);
    return { stamp, at: shown.at };
  }

  /**
   * newest guesses where the browser gives no timestamp: stamps come over the same path as their pictures and
   * with no decoding to do, so the newest one of the frame's size is at most a picture ahead.
   */
  #newest(shown: Shown): Stamp | undefined {
    let newest: Stamp | undefined;
    for (const stamp of this.#stamps.values()) {
      if (stamp.w !== shown.width || stamp.h !== shown.height) continue;
      if (newest === undefined || after(stamp.rtp, newest.rtp)) newest = stamp;
    }
    if (newest !== undefined && this.#lastShown !== undefined && !after(newest.rtp, this.#lastShown.rtp)) return undefined;
    return newest;
  }

  #forgetUpTo(rtp: number): void {
    for (const key of this.#stamps.keys()) {
      if (!after(key, rtp)) this.#stamps.delete(key);
    }
  }
}

/** after compares RTP timestamps, which wrap around at 2^32 (RFC 3550 section 5.1). */
export function after(a: number, b: number): boolean {
  const ahead = (a - b) >>> 0;
  return ahead !== 0 && ahead < 0x8000_0000;
}
