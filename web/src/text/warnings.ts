// Warnings about a series: which of them the reader of the picture has to know at once.
import type { Received, SeriesInfo } from "../contract.js";
import { plural, sentence } from "./amount.js";

/** Concerns are what is to be told about a series, the gravest first. */
export interface Concerns {
  /** picture are warnings about the picture itself. */
  picture: string[];
  other: string[];
  leftOut: { name: string; reason: string }[];
  leftOutCount: number;
  /** sent are those of the files that the user sent which are part of no series. */
  sent: { name: string; reason: string }[];
  sentCount: number;
}

/** concernsOf sorts what the edge has said of a series, and of the files that the user sent with it. */
export function concernsOf(
  series: Pick<SeriesInfo, "warnings" | "leftOut" | "leftOutCount"> | undefined, received?: Pick<Received, "leftOut" | "leftOutCount">,
): Concerns {
  const warnings = series?.warnings ?? [];
  const leftOut = series?.leftOut ?? [];
  const sent = received?.leftOut ?? [];
  return {
    picture: warnings.filter(({ picture }) => picture).map(({ text }) => sentence(text)),
    other: warnings.filter(({ picture }) => !picture).map(({ text }) => sentence(text)),
    leftOut,
    leftOutCount: Math.max(leftOut.length, series?.leftOutCount ?? 0),
    sent,
    sentCount: Math.max(sent.length, received?.leftOutCount ?? 0),
  };
}

/** countOf is how many concerns there are; all files that were left out of one thing are one. */
export function countOf({ picture, other, leftOutCount, sentCount }: Concerns): number {
  return picture.length + other.length + (leftOutCount > 0 ? 1 : 0) + (sentCount > 0 ? 1 : 0);
}

/** isGrave says that the picture itself is concerned. */
export function isGrave({ picture, leftOutCount }: Concerns): boolean {
  return picture.length > 0 || leftOutCount > 0;
}

/** headlineOf is the one line that stands beside the picture: the gravest concern, and how many more there are. */
export function headlineOf(concerns: Concerns): string {
  const first = concerns.picture[0] ?? (concerns.leftOutCount > 0 ? leftOutLine(concerns) : concerns.sentCount > 0 ? sentLine(concerns) : undefined);
  if (first === undefined) return plural(countOf(concerns), "remark");
  const more = concerns.picture.length - 1;
  return more > 0 ? `${first} And ${plural(more, "more warning")}.` : first;
}

/** leftOutLine counts the files that are not part of the picture. */
export function leftOutLine({ leftOutCount }: Concerns): string {
  return `${plural(leftOutCount, "file")} of this series left out.`;
}

/** sentLine counts the files that the user sent and that are part of no series. */
export function sentLine({ sentCount }: Concerns): string {
  return `${plural(sentCount, "file")} that you sent ${sentCount === 1 ? "was" : "were"} left out.`;
}
