// What the worklist is narrowed to. It never stands in an address: it may name a patient.
import type { Order, Search } from "../client/studies.js";
import { dateRange, type When } from "../text/dates.js";

/** Filters are what the user has set. */
export interface Filters {
  search: string;
  patientName: string;
  patientID: string;
  accessionNumber: string;
  modality: string;
  source: string;
  when: When;
  from: string;
  to: string;
  sort: Order | `-${Order}`;
  /** by is what a row of the list is. */
  by: "studies" | "patients";
}

/** noFilters shows everything, the newest first. */
export const noFilters: Filters = {
  search: "", patientName: "", patientID: "", accessionNumber: "", modality: "", source: "",
  when: "any", from: "", to: "", sort: "-date", by: "studies",
};

/** The fields that narrow the list; the others only arrange it. */
const narrowing = ["search", "patientName", "patientID", "accessionNumber", "modality", "source", "from", "to"] as const;

/** isNarrowed says whether some studies may be hidden by the filters. */
export function isNarrowed(filters: Filters): boolean {
  return narrowing.some((field) => filters[field] !== "") || filters.when !== "any";
}

/** countNarrowing is how many filters are set beside the search. */
export function countNarrowing(filters: Filters): number {
  return narrowing.filter((field) => field !== "search" && field !== "from" && field !== "to" && filters[field] !== "").length +
    (filters.when === "any" ? 0 : 1);
}

/** widened is the filters with everything shown, arranged as before. */
export function widened({ sort, by }: Filters): Filters {
  return { ...noFilters, sort, by };
}

/** searchOf is what the broker is asked. Parts of names, IDs and accession numbers are enough. */
export function searchOf(filters: Filters, today: Date): Search {
  return {
    search: filters.search.trim(),
    patientName: anywhere(filters.patientName),
    patientID: anywhere(filters.patientID),
    accessionNumber: anywhere(filters.accessionNumber),
    modality: filters.modality,
    source: filters.source,
    studyDate: dateRange(filters.when, today, filters.from, filters.to),
    sort: filters.sort,
  };
}

/** anywhere looks for text anywhere in a value, unless the user has said with a wildcard where. */
function anywhere(text: string): string {
  const trimmed = text.trim();
  return trimmed === "" || /[*?]/.test(trimmed) ? trimmed : `*${trimmed}*`;
}

/** turned is the order when a column's heading is chosen: the other way round where it was in force already. */
export function turned(now: Filters["sort"], column: Order): Filters["sort"] {
  if (now === column) return `-${column}`;
  if (now === `-${column}`) return column;
  // Dates and amounts are wanted from the top, text from A.
  return ["date", "series", "instances"].includes(column) ? `-${column}` : column;
}

const key = "tomocast.worklist";

/** remembered is what this window's list was narrowed to last. */
export function remembered(storage: Pick<Storage, "getItem"> | undefined): Filters {
  try {
    const stored = JSON.parse(storage?.getItem(key) ?? "{}") as Record<string, unknown>;
    const known = Object.keys(noFilters).filter((name) => typeof stored[name] === "string");
    return { ...noFilters, ...Object.fromEntries(known.map((name) => [name, stored[name]])) };
  } catch {
    return noFilters;
  }
}

/** remember keeps the filters until the window is closed. A browser that allows no storage forgets them. */
export function remember(storage: Pick<Storage, "setItem"> | undefined, filters: Filters): void {
  try {
    storage?.setItem(key, JSON.stringify(filters));
  } catch {
    // The list works all the same.
  }
}

/** sessionStore is the window's own storage, where the browser allows any. */
export function sessionStore(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
