// Playing time points or images: the next one is asked for when the last one is on the screen, and not too soon.

/** What does not move by itself, such as a contrast study over minutes, is shown for so long. */
const restfulMs = 200;
/** Steps of a movement to watch, such as a heartbeat. */
const movement = { leastMs: 20, mostMs: 500 };

/** intervalMs is how long time points are shown: as long as they took, where that is a movement to watch. */
export function intervalMs(times: readonly number[]): number {
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const step = (last - first) / Math.max(1, times.length - 1);
  return step >= movement.leastMs && step <= movement.mostMs ? step : restfulMs;
}

/** Cine plays round and round. It has no clock of its own: later calls back after a time, and says how to end that. */
export class Cine {
  readonly #show: (at: number, playing: boolean) => void;
  readonly #later: (ms: number, then: () => void) => () => void;
  #count = 0;
  #interval = restfulMs;
  #wanted = 0;
  #playing = false;
  /** due says that the time of the one on the screen is over. */
  #due = false;
  #arrived = false;
  #cancel: (() => void) | undefined;

  constructor(show: (at: number, playing: boolean) => void, later: (ms: number, then: () => void) => () => void) {
    this.#show = show;
    this.#later = later;
  }

  get playing(): boolean {
    return this.#playing;
  }

  /** play goes on from the one on the screen. */
  play(count: number, from: number, interval: number): void {
    this.pause();
    if (count < 2) return;
    this.#count = count;
    this.#interval = interval;
    this.#wanted = from;
    this.#playing = true;
    this.#next();
  }

  /** shown is told which one is on the screen, with every picture. */
  shown(at: number): void {
    if (!this.#playing || at !== this.#wanted || this.#arrived) return;
    this.#arrived = true;
    if (this.#due) this.#next();
  }

  /** pause stays where it is. */
  pause(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!this.#playing) return;
    this.#playing = false;
    this.#show(this.#wanted, false);
  }

  #next(): void {
    this.#wanted = (this.#wanted + 1) % this.#count;
    this.#arrived = false;
    this.#due = false;
    this.#show(this.#wanted, true);
    this.#cancel = this.#later(this.#interval, () => {
      this.#due = true;
      if (this.#arrived) this.#next();
    });
  }
}
