// A schedule (B3) as a form has it: what is written there, what is wrong with it, and what it says.
import type { OpenHours, Schedule, TimeSpan } from "../contract.js";
import { lasted } from "./rows.js";
import { instantOf, isZone, wallOf } from "./wall-time.js";

/** Field is a part of the form that something may be wrong with. */
export type Field = "hours" | "open" | "closed" | "expires" | "timeZone" | "horizonS" | "periodS";

/** Fault is what is wrong with a field; index is which of its entries, from 0. */
export interface Fault {
  field: Field;
  index?: number;
  text: string;
}

/** Wall is a span of time by the clock on the wall, as the form has it. */
export interface Wall {
  from: string;
  to: string;
}

/** Draft is a schedule that is being written. Times are by the clock of its zone, amounts of time in hours. */
export interface Draft {
  timeZone: string;
  hours: OpenHours[];
  open: Wall[];
  closed: Wall[];
  expires: string;
  horizonH: string;
  periodH: string;
}

/** weekdays are the days as the contract names them, with their names. */
export const weekdays = [
  ["mon", "Monday"], ["tue", "Tuesday"], ["wed", "Wednesday"], ["thu", "Thursday"], ["fri", "Friday"], ["sat", "Saturday"], ["sun", "Sunday"],
] as const;
const dayNames = weekdays.map(([day]) => day as string);

const hourS = 3600;

/** draftOf is a schedule as the form has it; a new one is in the zone given. */
export function draftOf(schedule: Schedule | undefined, zone: string): Draft {
  const { hours = [], open = [], closed = [], expires, timeZone = schedule === undefined ? zone : "UTC", horizonS = 0, periodS = 0 } = schedule ?? {};
  const known = isZone(timeZone) ? timeZone : "UTC";
  const walls = (spans: readonly TimeSpan[]): Wall[] => spans.map(({ from, to }) => ({ from: wallOf(Date.parse(from), known), to: wallOf(Date.parse(to), known) }));
  const inHours = (seconds: number): string => (seconds === 0 ? "" : String(seconds / hourS));
  return {
    timeZone, hours: hours.map((one) => ({ ...one, days: [...one.days], to: one.to === "24:00" ? "00:00" : one.to })), open: walls(open), closed: walls(closed),
    expires: expires === undefined ? "" : wallOf(Date.parse(expires), known), horizonH: inHours(horizonS), periodH: inHours(periodS),
  };
}

/** scheduleOf is what a draft says, and what is wrong with it. */
export function scheduleOf(draft: Draft): { schedule: Schedule; faults: Fault[] } {
  const faults: Fault[] = [];
  const schedule: Schedule = {};
  const zone = draft.timeZone.trim();
  if (!isZone(zone)) {
    return { schedule, faults: [{ field: "timeZone", text: `No time zone is called ${zone}; one is Europe/Berlin.` }] };
  }
  if (zone !== "" && zone !== "UTC") schedule.timeZone = zone;
  const hours = draft.hours.map((one, index): OpenHours => {
    // The end of the day is 24:00, which no clock shows.
    const to = one.to === "00:00" ? "24:00" : one.to;
    if (one.days.length === 0) faults.push({ field: "hours", index, text: "Choose a day." });
    else if (one.from === "" || to === "") faults.push({ field: "hours", index, text: "Say when it opens and closes." });
    else if (to <= one.from) faults.push({ field: "hours", index, text: "It closes before it opens. Hours past midnight are two entries." });
    return { days: dayNames.filter((day) => one.days.includes(day)), from: one.from, to };
  });
  if (hours.length > 0) schedule.hours = hours;
  for (const field of ["open", "closed"] as const) {
    const spans = draft[field].map(({ from, to }, index): TimeSpan => {
      const [begins, ends] = [instantOf(from, zone), instantOf(to, zone)];
      if (begins === undefined || ends === undefined) faults.push({ field, index, text: "Say when it begins and ends." });
      else if (ends <= begins) faults.push({ field, index, text: "It ends before it begins." });
      return { from: iso(begins), to: iso(ends) };
    });
    if (spans.length > 0) schedule[field] = spans;
  }
  if (draft.expires !== "") schedule.expires = iso(instantOf(draft.expires, zone));
  for (const [field, text] of [["horizonS", draft.horizonH], ["periodS", draft.periodH]] as const) {
    const seconds = Math.round(Number(text) * hourS);
    if (!Number.isFinite(seconds) || seconds < 0) faults.push({ field, text: "A number of hours." });
    else if (seconds > 0) schedule[field] = seconds;
  }
  if ((schedule.periodS ?? 0) > 0 && (schedule.horizonS ?? 0) < (schedule.periodS ?? 0)) {
    faults.push({ field: "periodS", text: "The period is no longer than the time that is promised ahead." });
  }
  return { schedule, faults };
}

function iso(at: number | undefined): string {
  return at === undefined ? "" : new Date(at).toISOString();
}

/** faultOf is what the broker refused, at its field; undefined where it names none. */
export function faultOf(detail: string): Fault | undefined {
  const found = /\b(?:body\.)?(hours|open|closed|expires|timeZone|horizonS|periodS)\b(?:\[(\d+)\]|\.(\d+))?(?:\.\w+)?:?\s*/.exec(detail);
  if (found === null) return undefined;
  const index = found[2] ?? found[3];
  return { field: found[1] as Field, ...(index === undefined ? {} : { index: Number(index) }), text: detail.replace(/(?:body\.)?\b(?:hours|open|closed)\[(\d+)\](?:\.(\w+))?:?/g, (_, at: string, part?: string) => `entry ${Number(at) + 1}${part === undefined ? "" : `, ${part}:`}`) };
}

/** says is a schedule in words, a line each; none where it says nothing. */
export function says(schedule: Schedule, now: number): string[] {
  const { hours = [], open = [], closed = [], expires, timeZone = "", horizonS = 0, periodS = 0 } = schedule;
  const zone = isZone(timeZone) ? timeZone : "UTC";
  const wall = (at: string): string => wallWords(wallOf(Date.parse(at), zone));
  const spans = (all: readonly TimeSpan[]): string => {
    const ahead = all.filter(({ to }) => Date.parse(to) > now).sort((a, b) => Date.parse(a.from) - Date.parse(b.from));
    const shown = ahead.slice(0, 3).map(({ from, to }) => {
      const [day, other] = [from, to].map((at) => wall(at).split(", ")[0]);
      return `${wall(from)} to ${day === other ? (wall(to).split(", ")[1] ?? "") : wall(to)}`;
    });
    return [...shown, ...(ahead.length > 3 ? [`${ahead.length - 3} more`] : ahead.length === 0 ? ["all over"] : [])].join("; ");
  };
  return [
    hours.length > 0 ? `Open ${hours.map((one) => `${daysWords(one.days)} ${one.from} to ${one.to}`).join("; ")}` : "",
    open.length > 0 ? `${hours.length > 0 ? "Also open" : "Open only"} ${spans(open)}` : "",
    closed.length > 0 ? `Closed ${spans(closed)}` : "",
    expires === undefined ? "" : `Gone from ${wall(expires)} on`,
    horizonS > 0 ? `Promised ${lasted(horizonS * 1000)} ahead${periodS > 0 ? `, given back every ${lasted(periodS * 1000)}` : ""}` : "",
    hours.length + open.length + closed.length > 0 || expires !== undefined ? `Times are those of ${timeZone === "" ? "UTC" : timeZone}` : "",
  ].filter((line) => line !== "");
}

/** goesWords is when a machine goes by its own word. */
export function goesWords(at: string): string {
  return `The machine goes ${wallWords(wallOf(Date.parse(at), "UTC"))} UTC, as it says itself`;
}

/** daysWords are days of the week; those in a row as from to. */
export function daysWords(days: readonly string[]): string {
  const at = dayNames.map((day, i) => (days.includes(day) ? i : -1)).filter((i) => i >= 0);
  if (at.length === 7) return "every day";
  const short = (i: number): string => (weekdays[i]?.[1] ?? "").slice(0, 3);
  const runs: number[][] = [];
  for (const i of at) {
    const last = runs.at(-1);
    if (last?.at(-1) === i - 1) last.push(i);
    else runs.push([i]);
  }
  return runs.map((run) => (run.length > 2 ? `${short(run[0] ?? 0)} to ${short(run.at(-1) ?? 0)}` : run.map(short).join(", "))).join(", ");
}

/** wallWords is a wall time as it is read. */
function wallWords(wall: string): string {
  const [date = "", time = ""] = wall.split("T");
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  const words = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" }).format(Date.UTC(year, month - 1, day));
  return `${words}, ${time}`;
}
