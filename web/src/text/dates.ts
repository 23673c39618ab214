// Ranges of dates as DICOM queries write them (PS3.4 C.2.2.2.5).

/** When is a quick choice of study dates; "range" is two dates of the user's. */
export type When = "any" | "today" | "week" | "month" | "range";

const daysBack: Partial<Record<When, number>> = { today: 0, week: 6, month: 29 };

/**
 * dateRange is the choice as YYYYMMDD-YYYYMMDD, open at either end, or empty for any date. The last 7 days end with
 * today. from and to are those of the user's own range, as YYYY-MM-DD or empty.
 */
export function dateRange(when: When, today: Date, from = "", to = ""): string {
  if (when === "range") {
    const [first, last] = [from.replaceAll("-", ""), to.replaceAll("-", "")];
    if (first === "" && last === "") return "";
    return first !== "" && last !== "" && first > last ? `${last}-${first}` : `${first}-${last}`;
  }
  const days = daysBack[when];
  if (days === undefined) return "";
  const first = new Date(today.getFullYear(), today.getMonth(), today.getDate() - days);
  return days === 0 ? compact(today) : `${compact(first)}-${compact(today)}`;
}

function compact(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
}
