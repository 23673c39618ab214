// The part of the broker's HTTP API that lists studies, and keeps and deletes them.
import { type BrokerHTTP } from "./http.js";
import { problemOf } from "./problem.js";
import { type Answer, type Post } from "./stow.js";

/** Study is a study as the list shows it. Dates are YYYYMMDD, names as in the file. */
export interface Study {
  source: string;
  studyInstanceUID: string;
  patientName: string;
  patientID: string;
  patientBirthDate: string;
  patientSex: string;
  studyDate: string;
  studyTime: string;
  description: string;
  accessionNumber: string;
  modalities: string[];
  seriesCount: number;
  instanceCount: number;
  /** images counts DICOM frames; a source that does not say it has one in each instance, as far as is known. */
  images?: number;
}

/** Patient is a patient with the studies that match. */
export interface Patient {
  source: string;
  patientID: string;
  issuer?: string;
  patientName: string;
  patientBirthDate: string;
  patientSex: string;
  studies: Study[];
}

/** Series is a series as the list of a study's series shows it. */
export interface Series {
  seriesInstanceUID: string;
  number: number;
  modality: string;
  description: string;
  bodyPart: string;
  instanceCount: number;
  /** images counts DICOM frames; a document has none. */
  images: number;
  multiFrame?: boolean;
  /** kind is what it is, in words with an article. */
  kind?: string;
  media?: string;
  rows: number;
  columns: number;
  volume: boolean;
  reason?: string;
}

/** Source is where studies come from. */
export interface Source {
  name: string;
  kind: "folder" | "pacs" | "store";
  /** status is how it is, in words; "ok" or empty where all is well. */
  status?: string;
  writable: boolean;
}

/** SourceStatus is how a source answered to one search. */
export interface SourceStatus {
  name: string;
  /** problem says why it did not answer, in words; absent where it did. */
  problem?: string;
  /** more says that it has more that match than it gave. */
  more?: boolean;
}

/** Order is an order of the list; with a minus sign, the other way round. */
export type Order = "date" | "name" | "patientID" | "birthDate" | "description" | "accessionNumber" | "modality" | "series" | "instances";

/** Search is what studies are looked for by; empty fields do not count. */
export interface Search {
  search?: string;
  patientName?: string;
  patientID?: string;
  accessionNumber?: string;
  /** studyDate is YYYYMMDD or a range of two with a minus sign between them, either of which may be left out. */
  studyDate?: string;
  modality?: string;
  source?: string;
  sort?: Order | `-${Order}`;
}

/** Found is a page of what was found. */
export interface Found<Item> {
  items: Item[];
  total: number;
  /** problems are those of the sources that did not answer, or not with all. */
  problems: SourceStatus[];
}

/** keeperOf is where files are kept unless the user says otherwise: the broker's own store rather than a PACS. */
export function keeperOf(writable: readonly Source[]): string {
  return (writable.find(({ kind }) => kind === "store") ?? writable[0])?.name ?? "";
}

/** StudiesAPI asks one broker for studies. */
export class StudiesAPI {
  readonly #http: BrokerHTTP;

  constructor(http: BrokerHTTP) {
    this.#http = http;
  }

  async sources(signal?: AbortSignal): Promise<Source[]> {
    return ((await this.#http.ask("GET", "/sources", { signal })) as { sources: Source[] }).sources;
  }

  async studies(search: Search, offset: number, limit: number, signal?: AbortSignal): Promise<Found<Study>> {
    const page = (await this.#http.ask("GET", `/studies${queryOf(search, offset, limit)}`, { signal })) as Listed & { studies: Study[] };
    return { items: page.studies, total: page.total, problems: problemsOf(page) };
  }

  async patients(search: Search, offset: number, limit: number, signal?: AbortSignal): Promise<Found<Patient>> {
    const page = (await this.#http.ask("GET", `/patients${queryOf(search, offset, limit)}`, { signal })) as Listed & { patients: Patient[] };
    return { items: page.patients, total: page.total, problems: problemsOf(page) };
  }

  async series(study: string, source: string, signal?: AbortSignal): Promise<Series[]> {
    const path = `/studies/${encodeURIComponent(study)}/series${sourceQuery(source)}`;
    return ((await this.#http.ask("GET", path, { signal })) as { series: Series[] }).series;
  }

  /** thumbnail is a small picture of a series. */
  async thumbnail(study: string, series: string, source: string, signal?: AbortSignal): Promise<Blob> {
    const path = `/api/v1/studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}/thumbnail${sourceQuery(source)}`;
    const response = await this.#http.send(path, { signal });
    if (!response.ok) throw problemOf(response.status, await response.json().catch(() => undefined));
    return response.blob();
  }

  /** remove deletes a study that a store keeps. */
  async remove(study: string, source: string): Promise<void> {
    await this.#http.ask("DELETE", `/studies/${encodeURIComponent(study)}${sourceQuery(source)}`);
  }

  /** poster sends files to a source that takes some. A batch may take long: it is stopped by its signal alone. */
  poster(source: string): Post {
    return async (body: Blob, contentType: string, signal: AbortSignal): Promise<Answer> => {
      const response = await this.#http.send(`/dicom-web/sources/${encodeURIComponent(source)}/studies`, {
        method: "POST",
        headers: { "Content-Type": contentType, Accept: "application/dicom+json, application/problem+json" },
        body,
        signal,
        withinMs: Infinity,
      });
      return { status: response.status, body: await response.json().catch(() => undefined) };
    };
  }
}

interface Listed {
  total: number;
  sources?: SourceStatus[];
}

function problemsOf(page: Listed): SourceStatus[] {
  return (page.sources ?? []).filter(({ problem = "", more = false }) => problem !== "" || more);
}

function queryOf(search: Search, offset: number, limit: number): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search) as [string, string | undefined][]) {
    if (value !== undefined && value !== "") query.set(name, value);
  }
  if (offset > 0) query.set("offset", String(offset));
  query.set("limit", String(limit));
  return `?${query.toString()}`;
}

function sourceQuery(source: string): string {
  return source === "" ? "" : `?source=${encodeURIComponent(source)}`;
}
