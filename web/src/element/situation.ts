// What is going on, in words: over an empty picture as a card, over a picture that is there as a strip below it.
import { html, nothing, type TemplateResult } from "lit";
import { explain, type ProblemError } from "../client/problem.js";
import type { State } from "../client/session-types.js";
import type { Sent } from "../client/upload.js";
import type { Loading, Pending, Received } from "../contract.js";
import { dialogOf } from "../parts/dialog.js";
import { icons } from "../parts/icons.js";
import { expectation, standing } from "../text/placing.js";
import { megabytes, megabytesOf, plural, sentence } from "../text/amount.js";

export interface Situation {
  state: State | "idle";
  problem: ProblemError | undefined;
  attempt: number;
  /** pending is where the session stands in the queue, while it has no place. */
  pending: Pending | undefined;
  /** urgent says that the user may go before others; urging that this is being confirmed. */
  urgent: boolean;
  urging: boolean;
  loading: Loading | undefined;
  /** opening says that another series is to take the place of the one on the screen. */
  opening: boolean;
  sent: Sent | undefined;
  received: Received | undefined;
  /** refused is why none of the files that were sent is on the screen. */
  refused: ProblemError | undefined;
  /** hasPicture says that a picture is on the screen, which a message must not hide for long. */
  hasPicture: boolean;
  retry(): void;
  giveUp(): void;
  cancel(): void;
  /** askUrgent opens and closes the question whether to go first; urge is the answer yes. */
  askUrgent(open: boolean): void;
  urge(): void;
}

/** situation says what is going on where there is no live picture of all there is, and what the user can do. */
export function situation(now: Situation): TemplateResult | typeof nothing {
  switch (now.state) {
    case "asking":
      return waiting("Finding a renderer", "A renderer near you is being reserved.", now);
    case "waiting":
      return queued(now);
    case "connecting":
      return waiting("Connecting", "The renderer is ready; the picture's way is being opened.", now);
    case "loading":
      return now.hasPicture && now.refused === undefined ? strip(now) : arriving(now);
    case "running":
      if (now.opening || now.loading?.preview === true) return strip(now);
      return now.hasPicture ? nothing : waiting("Drawing the first picture", "");
    case "restoring":
      return restoring(now);
    case "ended":
    case "failed":
      return over(now);
    case "idle":
      return nothing;
  }
}

function waiting(title: string, detail: string, cancellable?: Situation): TemplateResult {
  return html`<div class="message"><div class="card quietly">
    <h2>${title}</h2>
    <div class="track unknown"><i></i></div>
    <p>${detail}</p>
    ${cancellable === undefined ? nothing : cancelButton(cancellable)}
  </div></div>`;
}

/** queued is a session that has no place yet; where it stands is told as it changes. */
function queued(now: Situation): TemplateResult {
  const { pending, problem } = now;
  const queue = pending?.queue;
  const place = queue === undefined ? "A place is being sought" : standing(queue);
  const expected = expectation(queue?.expectedWaitMs);
  return html`<div class="message"><div class="card queued" part="queue">
    <h2>${queue === undefined ? "Finding a renderer" : "All renderers are in use"}</h2>
    <div class="standing" role="status">
      ${queue === undefined ? nothing : html`<b class="number" aria-hidden="true">${queue.position}</b>`}
      <div><p class="place">${place}</p>
        <p>${problem === undefined ? (expected === "" ? "The study opens by itself as soon as a renderer is free." : `${expected}. The study opens by itself.`) : "The broker is out of reach at the moment. Your place is kept for a while; it is being tried again."}</p></div>
    </div>
    <div class="track unknown"><i></i></div>
    ${why(pending)}
    <div class="actions">
      <button class="button" @click=${now.cancel}>Leave the queue</button>
      ${queue?.urgent === true ? html`<span class="chip">Urgent</span>` : now.urgent ? html`<button class="button urgent" @click=${() => { now.askUrgent(true); }}>${icons.warning}Urgent…</button>` : nothing}
    </div>
  </div></div>
  ${now.urging ? dialogOf("Open as urgent", html`
    <h2>Open this study as urgent?</h2>
    <p>It goes before everyone who waits. Where no renderer is free, a session that nobody is using at the moment ends, and its user is told why.</p>
    <p>Use it where a patient cannot wait.</p>
    <div class="actions">
      <button class="button" @click=${() => { now.askUrgent(false); }}>Keep waiting</button>
      <button class="button danger" @click=${now.urge}>Open as urgent</button>
    </div>`, () => { now.askUrgent(false); }) : nothing}`;
}

function why(pending: Pending | undefined): TemplateResult | typeof nothing {
  const reason = pending?.reason ?? "";
  return reason === "" ? nothing : html`<details class="why"><summary>Why it waits</summary><p>${sentence(reason)}</p></details>`;
}

/** arriving is what comes before the first picture: files on their way to the edge, or a series on its way there. */
function arriving(now: Situation): TemplateResult {
  const { sent, received, loading } = now;
  if (received?.series.length === 0) return nothingFound(received);
  if (now.refused !== undefined) return refusal(now.refused, (received?.series.length ?? 0) > 1);
  if (loading !== undefined && loading.totalSlices > 0 && loading.stage !== "receiving") {
    return progressing("Loading the series", share(loading), `${loading.slices} of ${plural(loading.totalSlices, "slice")} · ${bytesOf(loading)}`, now);
  }
  if (sent === undefined) return waiting("Loading the series", "", now);
  if (sent.bytes < sent.totalBytes) {
    const title = `Sending ${plural(sent.totalFiles, "file")} to the renderer`;
    return progressing(title, sent.bytes / Math.max(1, sent.totalBytes),
      `${sent.files.toLocaleString("en-GB")} of ${plural(sent.totalFiles, "file")} · ${megabytesOf(sent.bytes, sent.totalBytes)}`, now);
  }
  return waiting("Looking at the files", `${plural(sent.totalFiles, "file")}, ${megabytes(sent.totalBytes)}`, now);
}

function progressing(title: string, done: number, line: string, now: Situation): TemplateResult {
  return html`<div class="message"><div class="card quietly">
    <h2>${title}</h2>
    ${track(done)}
    <p class="number">${line}</p>
    ${cancelButton(now)}
  </div></div>`;
}

/** strip stands below a picture that is not all of what was asked for yet. */
function strip(now: Situation): TemplateResult {
  const { loading } = now;
  const known = loading !== undefined && loading.totalSlices > 0;
  const title = now.opening && loading?.preview !== true ? "Opening the other series" : "Coarse preview, the rest is loading";
  return html`<div class="strip" role="status">
    <div class="line"><b>${title}</b>
      <span class="number quiet">${known ? `${loading.slices} of ${plural(loading.totalSlices, "slice")} · ${bytesOf(loading)}` : ""}</span></div>
    ${known ? track(share(loading)) : html`<div class="track unknown"><i></i></div>`}
    ${cancelButton(now)}
  </div>`;
}

function track(done: number): TemplateResult {
  const percent = 100 * Math.min(1, Math.max(0, done));
  return html`<div class="track" role="progressbar" aria-label="Loading" aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.round(percent)} style="--share:${percent.toFixed(1)}%"><i></i></div>`;
}

function share(loading: Loading): number {
  return loading.slices / loading.totalSlices;
}

function bytesOf({ bytes, totalBytes }: Loading): string {
  return totalBytes > 0 ? megabytesOf(bytes, totalBytes) : megabytes(bytes);
}

function cancelButton(now: Situation): TemplateResult {
  return html`<button class="button cancel" @click=${now.cancel}>Cancel</button>`;
}

/** refusal says why the series that the renderer chose is not on the screen. */
function refusal(problem: ProblemError, others: boolean): TemplateResult {
  const { title, detail } = explain(problem);
  return html`<div class="message"><div class="card" role="alertdialog" aria-label=${title}>
    <h2>${heading(title)}</h2>
    <p>${sentence(detail)}</p>
    ${others ? html`<p>Choose another series of the files that were sent.</p>` : nothing}
    <div class="actions"><slot name="action"></slot></div>
  </div></div>`;
}

/** nothingFound says why none of the files is on the screen. */
function nothingFound({ leftOut = [], leftOutCount = 0 }: Received): TemplateResult {
  const more = Math.max(leftOutCount, leftOut.length) - Math.min(leftOut.length, 5);
  return html`<div class="message"><div class="card" role="alertdialog" aria-label="Nothing to show">
    <h2>None of these files can be shown</h2>
    <p>DICOM, NIfTI and NRRD files can, also in zip files and folders.</p>
    <dl class="files">${leftOut.slice(0, 5).map(({ name, reason }) => html`<dt>${name}</dt><dd>${sentence(reason)}</dd>`)}</dl>
    ${more > 0 ? html`<p class="quiet">And ${plural(more, "more file")}.</p>` : nothing}
    <div class="actions"><slot name="action"></slot></div>
  </div></div>`;
}

function restoring(now: Situation): TemplateResult {
  const { title, detail } = explain(now.problem);
  return html`<div class="message"><div class="card" role="alertdialog" aria-label=${title}>
    <h2>${heading(title)}</h2>
    <p>${sentence(detail)}</p>
    <div class="track unknown"><i></i></div>
    ${now.pending === undefined ? nothing : html`<p>${now.pending.queue === undefined ? "All renderers are in use; one is being sought." : `All renderers are in use. ${standing(now.pending.queue)}.`}</p>`}
    <p class="number">${now.attempt > 1 ? `Trying to go on with the same view, attempt ${now.attempt}.` : "Trying to go on with the same view."}</p>
    <div class="actions">
      <button class="button" @click=${now.giveUp}>Stop trying</button>
      <slot name="action"></slot>
    </div>
  </div></div>`;
}

function over(now: Situation): TemplateResult {
  const { title, detail, advice } = explain(now.problem);
  return html`<div class="message"><div class="card" role="alertdialog" aria-label=${title}>
    <h2>${heading(title)}</h2>
    <p>${sentence(detail)}</p>
    <div class="actions">
      ${advice === "studies" ? nothing : html`<button class="button primary" @click=${now.retry}>${again(now)}</button>`}
      <slot name="action"></slot>
    </div>
    <slot name="choices"></slot>
  </div></div>`;
}

/** again is what asking anew is called. */
function again({ state, problem }: Situation): string {
  if (problem?.code === "pre-empted") return "Wait for a place";
  return state === "ended" ? "Open again" : "Retry";
}

/** heading is a title without the full stop that some have. */
function heading(title: string): string {
  return title.replace(/\.$/, "");
}
