// What can be opened beside the series on the screen: the study's other series, those among the files that were sent, and
// the parts of this one.
import type { Series } from "../client/studies.js";
import type { PartInfo, Received, SeriesInfo, SeriesRef } from "../contract.js";
import { plural, sentence } from "../text/amount.js";
import { aboutOf, countOf, imagesOf, isImageless } from "../worklist/series-list.js";

/** Choice is a series or a part of one that can be opened. */
export interface Choice {
  key: string;
  series: SeriesRef;
  modality: string;
  name: string;
  /** detail is how much it is, and what it is where it is no volume. */
  detail: string;
  /** openable is false for what has no images. */
  openable: boolean;
  shown: boolean;
  parts: Choice[];
}

/** choicesOfStudy are a study's series as its source lists them; shown is the one on the screen, where there is one. */
export function choicesOfStudy(studyInstanceUID: string, listed: readonly Series[], shown: SeriesInfo | undefined, source?: string): Choice[] {
  return listed.map((one) => {
    const series: SeriesRef = { studyInstanceUID, seriesInstanceUID: one.seriesInstanceUID };
    if (source !== undefined) series.source = source;
    const detail = [countOf(one), one.volume ? "" : aboutOf(one)].filter(Boolean).join(" · ");
    return choice(series, one.modality, one.description, detail, imagesOf(one) > 0, shown);
  });
}

/** othersOf are the series that can be tried instead of one that could not be opened. */
export function othersOf(choices: readonly Choice[], failed: string | undefined): Choice[] {
  return choices.filter(({ openable, series }) => openable && series.seriesInstanceUID !== failed);
}

/** choicesOfFiles are the series among files that were sent. */
export function choicesOfFiles({ series }: Received, shown: SeriesInfo | undefined): Choice[] {
  return series.map((one) => {
    const pictured = !isImageless(one.modality);
    const detail = [plural(one.instances, pictured ? "image" : "object"), one.volume ? "" : sentence(one.reason ?? "")].filter(Boolean).join(" · ");
    return choice(one.series, one.modality, [one.seriesDescription, one.studyDescription].find(Boolean) ?? "", detail, pictured, shown);
  });
}

function choice(series: SeriesRef, modality: string, name: string, detail: string, openable: boolean, shown: SeriesInfo | undefined): Choice {
  const isShown = shown !== undefined && shown.series.seriesInstanceUID === series.seriesInstanceUID && shown.series.studyInstanceUID === series.studyInstanceUID;
  return {
    key: `${series.studyInstanceUID} ${series.seriesInstanceUID ?? ""}`,
    series, modality, name: name || "No description", detail, openable, shown: isShown,
    parts: isShown ? partsOf(shown, series) : [],
  };
}

/** partsOf are the parts of the series on the screen. */
function partsOf({ series, parts = [], modality }: SeriesInfo, whole: SeriesRef): Choice[] {
  if (parts.length < 2) return [];
  return parts.map((part) => ({
    key: `part ${part.part}`,
    series: { ...whole, part: part.part },
    modality,
    name: part.name,
    detail: partDetail(part),
    openable: part.slices > 0,
    shown: part.part === (series.part ?? 0),
    parts: [],
  }));
}

function partDetail({ slices, volume, reason = "" }: PartInfo): string {
  return volume ? plural(slices, "slice") : [plural(slices, "image"), sentence(reason)].filter(Boolean).join(" · ");
}
