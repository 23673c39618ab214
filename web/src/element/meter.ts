// Measures a session and its display once a second.
import type { Display, Stamp } from "../contract.js";
import type { Session } from "../client/session.js";
import { PictureRate, type Stats, noStats, VideoRate } from "./stats.js";

const everyMs = 1_000;

/** Meter follows one session until that is closed. */
export class Meter {
  readonly #rate = new PictureRate();
  readonly #video = new VideoRate();
  #stamp: Stamp | undefined;
  #motionToPhotonMs: number | undefined;
  #asked = 0;
  #movedFrom = "";

  follow(session: Session): void {
    session.pictures.on("picture", ({ stamp, motionToPhotonMs }) => {
      this.#stamp = stamp;
      this.#motionToPhotonMs = motionToPhotonMs ?? this.#motionToPhotonMs;
      this.#rate.shown(performance.now());
    });
    session.on("arrived", ({ from }) => { this.#movedFrom = from; });
  }

  /** display is what the edge is told. */
  display(): Display {
    return {
      picturesPerSecond: this.#rate.at(performance.now()),
      droppedPictures: this.#video.dropped,
      ...(this.#motionToPhotonMs === undefined ? {} : { motionToPhotonMs: this.#motionToPhotonMs }),
    };
  }

  /** stats are the newest figures; asking for them keeps the browser's counters fresh. */
  stats(session: Session): Stats {
    const now = performance.now();
    if (now - this.#asked >= everyMs) {
      this.#asked = now;
      session.connection?.getStats().then((report) => { this.#video.take(report); }, () => undefined);
    }
    const { pictures, told: { info } } = session;
    const stamp = this.#stamp;
    const still = pictures.still?.header;
    return {
      ...noStats,
      picturesPerSecond: this.#rate.at(now),
      droppedPictures: this.#video.dropped,
      motionToPhotonMs: pictures.latency.figures(),
      renderMs: pictures.rendering.figures(),
      encodeMs: pictures.encoding.figures(),
      bitsPerSecond: this.#video.bitsPerSecond,
      targetBitsPerSecond: stamp?.bitrate ?? 0,
      width: still?.w ?? stamp?.w ?? 0,
      height: still?.h ?? stamp?.h ?? 0,
      quality: still === undefined ? stamp?.quality : "lossless",
      scale: stamp?.scale ?? 1,
      stepMm: stamp?.stepMm ?? 0,
      times: stamp?.times,
      codec: info?.codec ?? "",
      encoder: info?.encoder ?? "",
      renderer: info?.renderer ?? "",
      fallback: info?.fallback ?? "",
      node: info?.node ?? "",
      movedFrom: this.#movedFrom,
      roundTripMs: this.#video.roundTripMs,
    };
  }
}
