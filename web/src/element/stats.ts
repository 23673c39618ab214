// What the viewer measures of its session.
import type { Quality, StageTimes } from "./types.js";
import type { Figures } from "../client/latency.js";

/** Stats is what a viewer measured in the last second or so; figures are undefined while there is nothing. */
export interface Stats {
  picturesPerSecond: number;
  droppedPictures: number;
  motionToPhotonMs: Figures | undefined;
  renderMs: Figures | undefined;
  encodeMs: Figures | undefined;
  /** bitsPerSecond is what came in as video. */
  bitsPerSecond: number;
  /** targetBitsPerSecond is what the encoder aims at. */
  targetBitsPerSecond: number;
  width: number;
  height: number;
  quality: Quality | undefined;
  scale: number;
  stepMm: number;
  times: StageTimes | undefined;
  codec: string;
  encoder: string;
  renderer: string;
  fallback: string;
  node: string;
  /** movedFrom is the edge that the session was on before; empty where it has not moved. */
  movedFrom: string;
  roundTripMs: number | undefined;
}

/** noStats is before anything was measured. */
export const noStats: Stats = {
  picturesPerSecond: 0,
  droppedPictures: 0,
  motionToPhotonMs: undefined,
  renderMs: undefined,
  encodeMs: undefined,
  bitsPerSecond: 0,
  targetBitsPerSecond: 0,
  width: 0,
  height: 0,
  quality: undefined,
  scale: 1,
  stepMm: 0,
  times: undefined,
  codec: "",
  encoder: "",
  renderer: "",
  fallback: "",
  node: "",
  movedFrom: "",
  roundTripMs: undefined,
};

/** VideoRate turns the browser's counters into rates. */
export class VideoRate {
  #bytes = 0;
  #at = 0;
  bitsPerSecond = 0;
  dropped = 0;
  roundTripMs: number | undefined;

  take(report: RTCStatsReport): void {
    for (const entry of report.values() as Iterable<RTCStats & Record<string, unknown>>) {
      if (entry.type === "inbound-rtp" && entry.kind === "video") this.#inbound(entry);
      if (entry.type === "candidate-pair" && entry.nominated === true && typeof entry.currentRoundTripTime === "number") {
        this.roundTripMs = entry.currentRoundTripTime * 1000;
      }
    }
  }

  #inbound(entry: RTCStats & Record<string, unknown>): void {
    const bytes = Number(entry.bytesReceived ?? 0);
    this.dropped = Number(entry.framesDropped ?? 0);
    if (this.#at > 0 && entry.timestamp > this.#at && bytes >= this.#bytes) {
      this.bitsPerSecond = ((bytes - this.#bytes) * 8000) / (entry.timestamp - this.#at);
    }
    this.#bytes = bytes;
    this.#at = entry.timestamp;
  }
}

/** PictureRate is how many pictures were shown a second, in the last two seconds. */
export class PictureRate {
  #times: number[] = [];

  shown(at: number): void {
    this.#times.push(at);
    this.#forget(at);
  }

  /** at is the rate at a time; fewer pictures than these are those of a rest. */
  at(now: number): number {
    this.#forget(now);
    const first = this.#times[0];
    const last = this.#times.at(-1);
    if (first === undefined || last === undefined || this.#times.length < 5) return 0;
    return ((this.#times.length - 1) * 1000) / Math.max(last - first, 1);
  }

  #forget(now: number): void {
    while (this.#times[0] !== undefined && this.#times[0] < now - 2000) this.#times.shift();
  }
}
