// A node's time dimension (B3) as a picture and as words need it: spans, steps, bars and ticks. Times are milliseconds since 1970.
import type { NodeMoment, NodeTask, NodeTime, Resources } from "../contract.js";
import type { NodeStatus } from "./api.js";
import { collator, type Kind, kinds, lasted, typeName } from "./rows.js";

/** Span is a span of time; to is excluded. */
export interface Span {
  from: number;
  to: number;
}

/** ranges are the hours that a time line can show, with how it is called. */
export const ranges = [[6, "6 h"], [24, "24 h"], [168, "7 days"]] as const;
export type Range = (typeof ranges)[number][0];

const hourMs = 3_600_000;
/** So much of a time line lies before now, so that what runs is seen to have begun. */
const pastShare = 0.08;

/** spanOf is what a time line of some hours shows. */
export function spanOf(now: number, hours: Range): Span {
  return { from: now - hours * hourMs * pastShare, to: now + hours * hourMs };
}

/** shareIn is where a time lies in a span, 0 to 1; times outside lie at its ends. */
export function shareIn({ from, to }: Span, at: number): number {
  return Math.min(1, Math.max(0, (at - from) / (to - from)));
}

/** momentsOf are the moments of a line with their times, in order. */
function momentsOf(line: readonly NodeMoment[]): { at: number; moment: NodeMoment }[] {
  return line.map((moment) => ({ at: Date.parse(moment.at), moment })).filter(({ at }) => Number.isFinite(at)).sort((a, b) => a.at - b.at);
}

/** closedSpans are when the node is closed within a span. What was before the line's beginning nobody knows. */
export function closedSpans(line: readonly NodeMoment[], span: Span): Span[] {
  const found: Span[] = [];
  const moments = momentsOf(line);
  for (const [i, { at, moment }] of moments.entries()) {
    const from = Math.max(at, span.from);
    const to = Math.min(moments[i + 1]?.at ?? span.to, span.to);
    if (moment.open || to <= from) continue;
    const last = found.at(-1);
    if (last?.to === from) last.to = to;
    else found.push({ from, to });
  }
  return found;
}

/** Change is when a node opens or closes. */
export interface Change {
  at: number;
  open: boolean;
}

/** nextChange is when the node opens or closes next, as far as the line goes. */
export function nextChange({ open, line }: Pick<NodeTime, "open" | "line">): Change | undefined {
  const next = momentsOf(line).find(({ moment }) => moment.open !== open);
  return next && { at: next.at, open: next.moment.open };
}

/** Step is the share of what a node has that is free from a time on, 0 to 1. */
export interface Step {
  at: number;
  share: number;
}

/** freeSteps are the free shares of a resource; while the node is closed, none of it can be had. */
export function freeSteps(line: readonly NodeMoment[], capacity: Resources, kind: Kind, span: Span): Step[] {
  const whole = capacity[kind] ?? 0;
  if (whole <= 0) return [];
  return momentsOf(line).filter(({ at }) => at < span.to)
    .map(({ at, moment }) => ({ at: Math.max(at, span.from), share: moment.open ? Math.min(1, Math.max(0, (moment.free[kind] ?? 0) / whole)) : 0 }));
}

/** stepPath is the line of the steps as an SVG path in a box of width by height, and area the same closed at the bottom. */
export function stepPath(steps: readonly Step[], span: Span, width: number, height: number): { line: string; area: string } {
  const first = steps[0];
  if (first === undefined) return { line: "", area: "" };
  const x = (at: number): string => (shareIn(span, at) * width).toFixed(1);
  const y = (share: number): string => ((1 - share) * height).toFixed(1);
  let line = `M${x(first.at)} ${y(first.share)}`;
  for (const { at, share } of steps.slice(1)) line += `H${x(at)}V${y(share)}`;
  line += `H${width}`;
  return { line, area: `${line}V${height}H${x(first.at)}Z` };
}

/** freeAt is what is free at a time; undefined before the line begins. */
export function freeAt(line: readonly NodeMoment[], at: number): NodeMoment | undefined {
  return momentsOf(line).findLast((one) => one.at <= at)?.moment;
}

/** Bar is a task on the line: it runs until to or so, and late at the latest or so. Without to nobody knows. */
export interface Bar {
  task: NodeTask;
  from: number;
  to?: number;
  late?: number;
  /** over says that it runs for longer than nine tenths of such tasks. */
  over: boolean;
}

/** barsOf are what runs, those that are expected to end first coming first and those of which nobody knows last. */
export function barsOf(tasks: readonly NodeTask[], now: number): Bar[] {
  const bars = tasks.map((task): Bar => {
    const to = Date.parse(task.endsAt ?? "");
    const late = Date.parse(task.lateAt ?? "");
    return {
      task, from: Date.parse(task.startedAt), over: Number.isFinite(late) && late < now,
      ...(Number.isFinite(to) ? { to } : {}), ...(Number.isFinite(late) ? { late: Math.max(late, Number.isFinite(to) ? to : late) } : {}),
    };
  });
  return bars.sort((a, b) => (a.to ?? Infinity) - (b.to ?? Infinity) || a.from - b.from || 0);
}

/** Tick is a mark on the axis. */
export interface Tick {
  at: number;
  label: string;
}

/** ticksOf are the marks of a span by the clock of this machine: hours, every fourth hour, or days. */
export function ticksOf(span: Span, hours: Range): Tick[] {
  const everyHours = hours <= 6 ? 1 : hours <= 24 ? 4 : 24;
  const ticks: Tick[] = [];
  const date = new Date(span.from);
  date.setMinutes(0, 0, 0);
  for (; date.getTime() < span.to; date.setHours(date.getHours() + 1)) {
    if (date.getTime() <= span.from || date.getHours() % everyHours !== 0) continue;
    ticks.push({ at: date.getTime(), label: everyHours === 24 ? dayFormat.format(date) : clockFormat.format(date) });
  }
  return ticks;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
const weekClockFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayClockFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** clock is a time of day, with the weekday where that is not the day of now, and the date where it is days away. */
export function clock(at: number, now: number): string {
  const date = new Date(at);
  if (date.toDateString() === new Date(now).toDateString()) return clockFormat.format(date);
  return (Math.abs(at - now) < 6 * 24 * hourMs ? weekClockFormat : dayClockFormat).format(date).replaceAll(",", "");
}

/** openWords are whether a node is open, and until when. */
export function openWords(time: Pick<NodeTime, "open" | "line">, now: number, hours: Range): string {
  const next = nextChange(time);
  const range = ranges.find(([h]) => h === hours)?.[1] ?? "";
  if (next === undefined) return time.open ? `Open, and stays so for ${range} at least` : `Closed for ${range} at least`;
  return `${next.open ? "Closed; opens" : "Open; closes"} at ${clock(next.at, now)}, in ${lasted(next.at - now)}`;
}

/** taskName is what a task is, and why it holds something there though it runs elsewhere. */
export function taskName({ type, operation = "", shadow = false, moves = false }: Pick<NodeTask, "type" | "operation" | "shadow" | "moves">): string {
  return `${typeName(type)}${operation === "" ? "" : `, ${operation}`}${moves ? ", on its way here" : shadow ? ", kept ready" : ""}`;
}

/** endWords are when a task is expected to end. */
export function endWords({ to, late, over }: Bar, now: number): string {
  if (to === undefined) return "end not known";
  if (over) return "runs for longer than was expected";
  const latest = late === undefined || late <= to ? "" : `, 9 in 10 by ${clock(late, now)}`;
  return to <= now ? `due to end${latest}` : `ends about ${clock(to, now)}${latest}`;
}

/** timeWords is a time T or t, seconds; without one it is for ever. */
export function timeWords(seconds: number | undefined): string {
  return seconds === undefined ? "no end" : seconds <= 0 ? "none" : lasted(seconds * 1000);
}

/** scarcest is the resource whose free part can be used for the shortest time, with that time in seconds. */
export function scarcest(freeS: Partial<Record<string, number>> | undefined): { name: string; seconds: number } | undefined {
  const found = kinds.flatMap(([kind, name]) => (freeS?.[kind] === undefined ? [] : [{ name, seconds: freeS[kind] }]));
  return found.sort((a, b) => a.seconds - b.seconds)[0];
}

/** scheduledFirst orders nodes: those that are not always open first, the next to close or open at the top. */
export function scheduledFirst(nodes: readonly NodeStatus[]): NodeStatus[] {
  const next = ({ time }: NodeStatus): number => Date.parse(time?.closesAt ?? time?.opensAt ?? "") || Infinity;
  const rank = (node: NodeStatus): number => (node.time === undefined ? 1 : 0);
  return [...nodes].sort((a, b) => rank(a) - rank(b) || (next(a) === next(b) ? 0 : next(a) - next(b)) || collator.compare(a.id, b.id));
}
