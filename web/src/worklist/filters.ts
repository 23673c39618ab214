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

/** The fields beside search and date that narrow the list, with what they are called; the others only arrange it. */
const narrowing = [
  ["modality", "Modality"], ["patientName", "Name"], ["patientID", "ID"], ["accessionNumber", "Accession"], ["source", "Source"],
] as const;

const days: Record<Exclude<When, "range">, string> = { any: "", today: "Today", week: "7 days", month: "30 days" };

/** Active is a filter that is set beside the search. */
export interface Active {
  field: (typeof narrowing)[number][0] | "when";
  /** words are what it is narrowed to. */
  words: string;
  /** without is what changes when it is removed. */
  without: Partial<Filters>;
}

/** activeOf are the filters that are set beside the search. A range of dates without a date in it is none. */
export function activeOf(filters: Filters): Active[] {
  const active: Active[] = narrowing.filter(([field]) => filters[field].trim() !== "")
    .map(([field, name]) => ({ field, words: `${name}: ${filters[field].trim()}`, without: { [field]: "" } }));
  const { when, from, to } = filters;
  const range = from === "" ? (to === "" ? "" : `until ${to}`) : to === "" ? `from ${from}` : `${from} to ${to}`;
  const date = when === "range" ? range : days[when];
  if (date !== "") active.push({ field: "when", words: `Study date: ${date}`, without: { when: "any", from: "", to: "" } });
  return active;
}

/** isNarrowed says whether some studies may be hidden by the filters. */
export function isNarrowed(filters: Filters): boolean {
  return filters.search !== "" || countNarrowing(filters) > 0;
}

/** countNarrowing is how many filters are set beside the search. */
export function countNarrowing(filters: Filters): number {
  return activeOf(filters).length;
}

/** widened is the filters with everything shown, arranged as before. */
export function widened({ sort, by }: Filters): Filters {
  return { ...noFilters, sort, by };
}

/** emptyOf says why a narrowed list is empty. */
export function emptyOf(filters: Filters): string {
  const active = activeOf(filters).map(({ words }) => words).join(", ");
  const search = filters.search.trim() === "" ? "" : "Every word of the search must occur in the name, ID, description, accession number, date or modality.";
  return [search, active === "" ? "" : `The list is narrowed to ${active}.`].filter(Boolean).join(" ");
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
