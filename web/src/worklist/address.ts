// Addresses of the viewer. They hold UIDs and names of sources, never text about a patient.
import type { Way } from "../client/place.js";
import type { SeriesChoice } from "../element/types.js";

/** uploadAddress is the address of the viewer of files that the page itself holds. */
export const uploadAddress = "/viewer?upload";

/** viewerURL is the address of a study's page. */
export function viewerURL({ studyInstanceUID, seriesInstanceUID, part = 0, source = "" }: SeriesChoice): string {
  const query = new URLSearchParams({ StudyInstanceUIDs: studyInstanceUID });
  if (seriesInstanceUID !== undefined) query.set("SeriesInstanceUIDs", seriesInstanceUID);
  if (part > 0) query.set("part", String(part));
  if (source !== "") query.set("source", source);
  return `/viewer?${query.toString()}`;
}

const uid = /^[0-9.]{1,64}$/;

/** chosen is what an address names, or nothing where it names no study. */
export function chosen(query: string): SeriesChoice | undefined {
  const parameters = new URLSearchParams(query);
  const first = (name: string): string => parameters.get(name)?.split(/[,\\]/)[0]?.trim() ?? "";
  const studyInstanceUID = first("StudyInstanceUIDs");
  if (!uid.test(studyInstanceUID)) return undefined;
  const choice: SeriesChoice = { studyInstanceUID };
  const seriesInstanceUID = first("SeriesInstanceUIDs");
  if (uid.test(seriesInstanceUID)) choice.seriesInstanceUID = seriesInstanceUID;
  const part = Number(parameters.get("part") ?? 0);
  if (Number.isInteger(part) && part > 0) choice.part = part;
  const source = parameters.get("source") ?? "";
  if (source !== "") choice.source = source;
  return choice;
}

/** wayOf is whom the address has a page ask first; the broker where it says nothing. */
export function wayOf(query: string): Way {
  return new URLSearchParams(query).get("way") === "edge-first" ? "edge-first" : "broker-first";
}
