// The studies or patients that match, as many of them as have been scrolled to.
import { explain, type Explanation } from "../client/problem.js";
import type { Found, Patient, SourceStatus, Study, StudiesAPI } from "../client/studies.js";
import { plural } from "../text/amount.js";
import { type Filters, searchOf } from "./filters.js";

/** pageSize is how many rows are asked for at a time. */
export const pageSize = 100;

/** Row is a row of the list with the studies in it: one, or a patient's. */
export interface Row {
  key: string;
  patient: Patient;
}

/** Listing asks for the list anew when the filters change, and for more of it when its end comes near. */
export class Listing {
  readonly #api: Pick<StudiesAPI, "studies" | "patients">;
  readonly #changed: () => void;
  #asked = new AbortController();
  #filters: Filters | undefined;
  #more = false;
  /** pages are the rows that have come; a page never changes, so that only new ones are drawn. */
  pages: Row[][] = [];
  total = 0;
  busy = false;
  /** known is false until the first answer. */
  known = false;
  problem: Explanation | undefined;
  problems: SourceStatus[] = [];

  constructor(api: Pick<StudiesAPI, "studies" | "patients">, changed: () => void) {
    this.#api = api;
    this.#changed = changed;
  }

  /** count is how many rows have come. */
  get count(): number {
    return this.pages.reduce((sum, page) => sum + page.length, 0);
  }

  /** complete says that there is nothing more to come. */
  get complete(): boolean {
    return this.known && this.count >= this.total;
  }

  /** show asks for the list of these filters; what it showed stays until the answer comes. */
  async show(filters: Filters): Promise<void> {
    this.#asked.abort();
    this.#asked = new AbortController();
    this.#filters = filters;
    this.#more = false;
    this.busy = true;
    this.#changed();
    await this.#ask(0, this.#asked.signal, ({ items, total, problems }) => {
      this.pages = items.length === 0 ? [] : [items];
      this.total = total;
      this.problems = problems;
      this.known = true;
      this.problem = undefined;
    });
  }

  /** more asks for the rows that follow, once at a time. */
  async more(): Promise<void> {
    if (this.#more || this.busy || this.complete || !this.known || this.problem !== undefined) return;
    this.#more = true;
    const { signal } = this.#asked;
    await this.#ask(this.count, signal, ({ items, total }) => {
      if (items.length > 0) this.pages = [...this.pages, items];
      // A list that has become shorter meanwhile ends here.
      this.total = items.length === 0 ? this.count : total;
    });
    if (!signal.aborted) this.#more = false;
  }

  /** stop ends what is under way. */
  stop(): void {
    this.#asked.abort();
  }

  async #ask(offset: number, signal: AbortSignal, take: (found: Found<Row>) => void): Promise<void> {
    const filters = this.#filters;
    if (filters === undefined) return;
    try {
      const found = await this.#rows(filters, offset, signal);
      if (signal.aborted) return;
      take(found);
    } catch (error) {
      if (signal.aborted) return;
      this.problem = explain(error);
    }
    this.busy = false;
    this.#changed();
  }

  async #rows(filters: Filters, offset: number, signal: AbortSignal): Promise<Found<Row>> {
    const search = searchOf(filters, new Date());
    if (filters.by === "patients") {
      const found = await this.#api.patients(search, offset, pageSize, signal);
      return { ...found, items: found.items.map((patient) => ({ key: `${patient.source} ${patient.issuer ?? ""} ${patient.patientID} ${patient.studies[0]?.studyInstanceUID ?? ""}`, patient })) };
    }
    const found = await this.#api.studies(search, offset, pageSize, signal);
    return { ...found, items: found.items.map((study) => ({ key: keyOf(study), patient: { ...study, studies: [study] } })) };
  }
}

/** troubleOf is what a source lacks, in words that follow its name. */
export function troubleOf({ problem = "" }: SourceStatus): string {
  return problem === "" ? "has more that match than are listed: narrow the search." : `could not be searched: ${problem}`;
}

/** troubles counts the sources that lack something. */
export function troubles(problems: readonly SourceStatus[]): string {
  const failed = problems.filter(({ problem = "" }) => problem !== "").length;
  const more = problems.length - failed;
  return [failed === 0 ? "" : `${plural(failed, "source")} could not be searched.`, more === 0 ? "" : `${plural(more, "source")} ${more === 1 ? "has" : "have"} more that match than are listed.`]
    .filter(Boolean).join(" ");
}

/** keyOf tells studies apart, also those that two sources have. */
export function keyOf(study: Study): string {
  return `${study.source} ${study.studyInstanceUID}`;
}
