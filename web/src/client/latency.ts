// Motion to photon: from an input's event to the first picture on the screen that shows it.

/** Figures are the latest, median and 95th percentile of some measurements, milliseconds. */
export interface Figures {
  last: number;
  median: number;
  p95: number;
  count: number;
}

/** Measurements keeps the newest of a series of figures. */
export class Measurements {
  readonly #bound: number;
  #values: number[] = [];

  constructor(bound: number) {
    this.#bound = bound;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#bound) this.#values.shift();
  }

  clear(): void {
    this.#values = [];
  }

  /** figures is undefined while nothing was measured. */
  figures(): Figures | undefined {
    const last = this.#values.at(-1);
    if (last === undefined) return undefined;
    const sorted = this.#values.toSorted((a, b) => a - b);
    return { last, median: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), count: sorted.length };
  }
}

/** quantile is the nearest rank of a sorted, non-empty list. */
export function quantile(sorted: readonly number[], q: number): number {
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(q * sorted.length)));
  return sorted[rank - 1] ?? Number.NaN;
}

/** Inputs that wait for their picture; older ones were never shown. */
const inputBound = 1024;

/** MotionToPhoton measures each input against the first picture that shows it. */
export class MotionToPhoton {
  #waiting: { seq: number; at: number }[] = [];

  /** input takes the number and the time of a change, both ascending. */
  input(seq: number, at: number): void {
    this.#waiting.push({ seq, at });
    if (this.#waiting.length > inputBound) this.#waiting.shift();
  }

  /**
   * picture takes the newest number that a picture shows and when it was shown. It returns the milliseconds of
   * every change that this picture is the first to show, the newest change last.
   */
  picture(seq: number, at: number): number[] {
    const measured: number[] = [];
    while (this.#waiting[0] !== undefined && this.#waiting[0].seq <= seq) {
      measured.push(at - this.#waiting[0].at);
      this.#waiting.shift();
    }
    return measured;
  }

  clear(): void {
    this.#waiting = [];
  }
}
