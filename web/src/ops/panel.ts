// What the parts of the page that read for themselves have in common: nothing known yet, and what cannot be read.
import { html, nothing, type TemplateResult } from "lit";
import { explain } from "../client/problem.js";
import { icons } from "../parts/icons.js";
import { sentence } from "../text/amount.js";
import type { Reading } from "./reading.js";

/** remark is a remark as a sentence; the name of a node or a task at its beginning stays as it is. */
export function remark(text: string): string {
  const first = text.trim().split(/\s/, 1)[0] ?? "";
  const whole = sentence(text);
  return /\d/.test(first) ? first.charAt(0) + whole.slice(1) : whole;
}

/** panelOf is what was read, with why it could not be read again; before that, grey rows or why there is nothing. */
export function panelOf<T>({ value, problem }: Pick<Reading<T>, "value" | "problem">, content: (value: T) => TemplateResult): TemplateResult {
  const { title, detail } = explain(problem);
  const told = problem === undefined ? nothing
    : html`<p class="problem" role="alert">${icons.warning}<span><b>${sentence(title)}</b> ${value === undefined ? sentence(detail) : "What is shown is as it was. It is being tried again."}</span></p>`;
  if (value !== undefined) return html`${told}${content(value)}`;
  return html`${told}${problem === undefined ? html`<div class="ghosts" aria-busy="true"><i></i><i></i></div>` : nothing}`;
}
