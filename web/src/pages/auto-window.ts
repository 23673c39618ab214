// The auto-window: a histogram of the series, computed on the edge beside the picture.
import type { Computation, Handling } from "../client/compute.js";
import { explain, ProblemError } from "../client/problem.js";
import type { Histogram, HistogramParameters } from "../contract.js";
import type { TomocastViewer } from "../element/tomocast-viewer.js";

/** AutoWindow runs one computation at a time and tells when something about it has changed. */
export class AutoWindow {
  readonly #changed: () => void;
  #running: Computation | undefined;
  histogram: Histogram | undefined;
  /** progress is 0 to 1 while it runs, and below 0 while it does not. */
  progress = -1;
  /** waiting is why it does not run yet; empty where it runs. */
  waiting = "";
  /** choices are the ways to handle it that the user is to choose from. */
  choices: Handling[] = [];
  problem = "";
  #chosen: ((handling: Handling | undefined) => void) | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** run computes the histogram and sets the window that comes of it. */
  async run(viewer: TomocastViewer): Promise<void> {
    const series = viewer.series?.series;
    if (this.#running !== undefined || series === undefined) return;
    this.problem = "";
    this.#tell(0);
    try {
      const parameters: HistogramParameters = { series, bins: 256, percentiles: [1, 50, 99] };
      this.#running = viewer.compute({ type: "data-computation", operation: "histogram", parameters }, (share) => { this.#tell(share); }, {
        waiting: (reason) => { this.#wait(reason); },
        started: () => {
          this.choose(undefined); // too late to choose
          this.#wait("");
        },
        choose: (choices) => this.#ask(choices),
      });
      const { bytes } = await this.#running.result;
      const histogram = JSON.parse(new TextDecoder().decode(bytes)) as Histogram;
      this.histogram = histogram;
      await viewer.setView({ viewports: [{ window: histogram.window }] });
    } catch (error) {
      const cancelled = error instanceof ProblemError && error.code === "cancelled";
      const { title, detail } = explain(error);
      this.problem = cancelled ? "" : `${title}. ${detail}`;
    }
    this.#running = undefined;
    this.waiting = "";
    this.choose(undefined);
    this.#tell(-1);
  }

  /** choose answers what the user was asked; undefined leaves it to the edge. */
  choose(handling: Handling | undefined): void {
    this.#chosen?.(handling);
    this.#chosen = undefined;
    this.choices = [];
    this.#changed();
  }

  cancel(): void {
    this.#running?.cancel();
  }

  #wait(reason: string): void {
    this.waiting = reason;
    this.#changed();
  }

  #ask(choices: Handling[]): Promise<Handling | undefined> {
    return new Promise((resolve) => {
      this.#chosen = resolve;
      this.choices = choices;
      this.#changed();
    });
  }

  #tell(progress: number): void {
    this.progress = progress;
    this.#changed();
  }
}
