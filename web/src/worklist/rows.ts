// Rows of the worklist.
import { html, nothing, type TemplateResult } from "lit";
import type { Source, StudiesAPI, Study } from "../client/studies.js";
import { icons } from "../parts/icons.js";
import { plural } from "../text/amount.js";
import { isoDate, personName, sexWord } from "../text/person.js";
import { viewerURL } from "./address.js";
import type { Filters } from "./filters.js";
import { keyOf, type Row } from "./listing.js";

/** RowContext is what rows are drawn with. */
export interface RowContext {
  api: StudiesAPI;
  sources: Source[];
  open: ReadonlySet<string>;
  sort: Filters["sort"];
  toggle(key: string): void;
  remove(study: Study): void;
}

/** studyRow is a study; it leads to its largest volume, and opens to its series. */
export function studyRow(study: Study, context: RowContext): TemplateResult {
  const key = keyOf(study);
  const open = context.open.has(key);
  const name = personName(study.patientName);
  const { studyInstanceUID, source } = study;
  return html`
    <div class="row study ${open ? "open" : ""}" role="row">
      <span role="cell" class="patient"><a href=${viewerURL({ studyInstanceUID, source })}>${name}</a><small>${sexWord(study.patientSex)}</small></span>
      <span role="cell" class="number id"><b>ID</b>${study.patientID || "–"}</span>
      <span role="cell" class="number born"><b>Born</b>${isoDate(study.patientBirthDate) || "–"}</span>
      ${studyCells(study, context)}
      <span role="cell" class="more">${expander(open, "series", name, () => { context.toggle(key); })}</span>
    </div>
    ${open ? seriesOf(study, context) : nothing}
  `;
}

/** patientRow is a patient; it opens to the studies that match. */
export function patientRow({ key, patient }: Row, context: RowContext): TemplateResult {
  const open = context.open.has(key);
  const name = personName(patient.patientName);
  const modalities = [...new Set(patient.studies.flatMap((study) => study.modalities))].sort();
  const toggle = (): void => { context.toggle(key); };
  return html`
    <div class="row study ${open ? "open" : ""}" role="row">
      <span role="cell" class="patient"><button class="name" aria-expanded=${open} @click=${toggle}>${name}</button><small>${sexWord(patient.patientSex)}</small></span>
      <span role="cell" class="number id"><b>ID</b>${patient.patientID || "–"}</span>
      <span role="cell" class="number born"><b>Born</b>${isoDate(patient.patientBirthDate) || "–"}</span>
      <span role="cell" class="number date"><b>Latest</b>${isoDate(patient.studies[0]?.studyDate) || "–"}</span>
      <span role="cell" class="modality">${modalities.map((modality) => html`<em>${modality}</em>`)}</span>
      <span role="cell" class="number description">${plural(patient.studies.length, "study", "studies")}${sourceOf(patient.source, context)}</span>
      <span role="cell" class="more">${expander(open, "studies", name, toggle)}</span>
    </div>
    ${open ? html`<div class="below">${patient.studies.map((study) => innerRow(study, context))}</div>` : nothing}
  `;
}

/** innerRow is a study below its patient, whose name it need not repeat. */
function innerRow(study: Study, context: RowContext): TemplateResult {
  const key = keyOf(study);
  const open = context.open.has(key);
  const { studyInstanceUID, source } = study;
  const what = study.description || "No description";
  return html`
    <div class="row study inner ${open ? "open" : ""}" role="row">
      <span role="cell" class="patient"><a href=${viewerURL({ studyInstanceUID, source })}>${what}</a>${accession(study)}</span>
      <span role="cell" class="number date"><b>Study</b>${isoDate(study.studyDate) || "–"}</span>
      <span role="cell" class="modality">${study.modalities.map((modality) => html`<em>${modality}</em>`)}${keptMark(study, context)}</span>
      <span role="cell" class="number quiet">${plural(study.seriesCount, "series", "series")}, ${plural(study.images ?? study.instanceCount, "image")}</span>
      <span role="cell" class="more">${expander(open, "series", what, () => { context.toggle(key); })}</span>
    </div>
    ${open ? seriesOf(study, context) : nothing}
  `;
}

function studyCells(study: Study, context: RowContext): TemplateResult {
  const { images = study.instanceCount } = study;
  return html`
    <span role="cell" class="number date"><b>Study</b>${isoDate(study.studyDate) || "–"}</span>
    <span role="cell" class="modality">${study.modalities.map((modality) => html`<em>${modality}</em>`)}${keptMark(study, context)}</span>
    <span role="cell" class="description">${study.description}${accession(study)}${sourceOf(study.source, context)}</span>
    <span role="cell" class="number right series-count">${study.seriesCount}</span>
    <span role="cell" class="number right count">${images.toLocaleString("en-GB")}<b class="unit">${images === 1 ? "image" : "images"}</b></span>
  `;
}

function seriesOf(study: Study, context: RowContext): TemplateResult {
  return html`<div class="series">
    <tc-series .api=${context.api} .study=${study}></tc-series>
    ${isKept(study, context)
      ? html`<div class="kept"><span class="quiet">In the store <b>${study.source}</b>, until somebody deletes it.</span>
          <button class="button" @click=${() => { context.remove(study); }}>${icons.bin}Delete study…</button></div>`
      : nothing}
  </div>`;
}

function expander(open: boolean, what: string, of: string, toggle: () => void): TemplateResult {
  return html`<button class="button plain" aria-expanded=${open} aria-label="${open ? "Hide" : "Show"} ${what} of ${of}" @click=${toggle}>${icons.expand}</button>`;
}

function accession({ accessionNumber }: Study): TemplateResult | typeof nothing {
  return accessionNumber === "" ? nothing : html`<small class="number">Accession ${accessionNumber}</small>`;
}

/** sourceOf names the source where there are several. */
function sourceOf(name: string, { sources }: RowContext): TemplateResult | typeof nothing {
  return sources.length < 2 ? nothing : html`<small class="source">${name}</small>`;
}

function isKept(study: Study, { sources }: RowContext): boolean {
  return sources.some(({ name, kind }) => name === study.source && kind === "store");
}

function keptMark(study: Study, context: RowContext): TemplateResult | typeof nothing {
  return isKept(study, context) ? html`<em class="mark">Kept</em>` : nothing;
}
