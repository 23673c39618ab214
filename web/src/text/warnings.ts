// Warnings about a series: which of them the reader of the picture has to know at once.
import type { SeriesInfo } from "../contract.js";
import { plural, sentence } from "./amount.js";

/** Concerns are what is to be told about a series, the gravest first. */
export interface Concerns {
  /** picture are warnings about the picture itself. */
  picture: string[];
  other: string[];
  leftOut: { name: string; reason: string }[];
  leftOutCount: number;
}

/** concernsOf sorts what the edge has said of a series. */
export function concernsOf(series: Pick<SeriesInfo, "warnings" | "leftOut" | "leftOutCount" | "why"> | undefined): Concerns {
  const warnings = series?.warnings ?? [];
  const leftOut = series?.leftOut ?? [];
  return {
    picture: warnings.filter(({ picture }) => picture).map(({ text }) => sentence(text)),
    other: warnings.filter(({ picture }) => !picture).map(({ text }) => sentence(text)),
    leftOut,
    leftOutCount: Math.max(leftOut.length, series?.leftOutCount ?? 0),
  };
}

/** countOf is how many concerns there are; all files that were left out are one. */
export function countOf({ picture, other, leftOutCount }: Concerns): number {
  return picture.length + other.length + (leftOutCount > 0 ? 1 : 0);
}

/** headlineOf is the one line that stands beside the picture: the gravest concern, and how many more there are. */
export function headlineOf(concerns: Concerns): string {
  const first = concerns.picture[0] ?? (concerns.leftOutCount > 0 ? leftOutLine(concerns) : undefined);
  if (first === undefined) return plural(countOf(concerns), "remark");
  const more = concerns.picture.length - 1;
  return more > 0 ? `${first} And ${plural(more, "more warning")}.` : first;
}

/** leftOutLine counts the files that are not part of the picture. */
export function leftOutLine({ leftOutCount }: Concerns): string {
  return `${plural(leftOutCount, "file")} left out.`;
}
