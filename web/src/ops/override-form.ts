// What an operator says of a node, as a form. What is left empty stays the node's own.
import { html, type TemplateResult } from "lit";
import type { Override, Resources } from "../contract.js";
import type { NodeDetail, TaskType } from "./api.js";
import { kinds, taskTypes, typeName } from "./rows.js";

const units = { gpuMilli: "thousandths", gpuMemoryMB: "MiB", encoderSessions: "sessions", cpuMilli: "thousandths", memoryMB: "MiB" };

/** overrideForm begins with what is said of the node now. */
export function overrideForm({ override = {}, capacity }: NodeDetail, busy: boolean, save: (form: HTMLFormElement) => void, leave: () => void): TemplateResult {
  return html`<form class="override" @submit=${(event: SubmitEvent) => { event.preventDefault(); save(event.currentTarget as HTMLFormElement); }}>
    <fieldset><legend>Tasks that it takes; none chosen: its own</legend>
      ${taskTypes.map((type) => html`<label class="check"><input type="checkbox" name="types" value=${type} ?checked=${override.types?.includes(type) === true} />${typeName(type)}</label>`)}</fieldset>
    <label>Zone<input name="zone" maxlength="63" autocomplete="off" spellcheck="false" placeholder="its own" .value=${override.zone ?? ""} /></label>
    <label>Distance, ms<input name="distanceMs" type="number" min="0" max="999999" step="any" placeholder="its own" .value=${override.distanceMs?.toString() ?? ""} /></label>
    ${kinds.map(([kind, name]) => html`<label>${name}, ${units[kind]}<input name=${kind} type="number" min="0" max=${capacity[kind] ?? 0} step="1" placeholder="its own" .value=${override.capacity?.[kind]?.toString() ?? ""} /></label>`)}
    <p class="quiet">Where one amount is given, those left empty stay as they are now.</p>
    <div class="actions"><button class="button" type="button" ?disabled=${busy} @click=${leave}>Leave it as it is</button>
      <button class="button primary" ?disabled=${busy}>Save</button></div>
    ${kinds.map(([kind]) => html`<input type="hidden" name="own ${kind}" value=${capacity[kind] ?? 0} />`)}
  </form>`;
}

/** overrideOf is what a form says; nothing where it says nothing. */
export function overrideOf(fields: FormData): Override | undefined {
  const text = (name: string): string => {
    const value = fields.get(name);
    return typeof value === "string" ? value.trim() : "";
  };
  const override: Override = {};
  const types = fields.getAll("types").filter((type): type is TaskType => taskTypes.some((one) => one === type));
  if (types.length > 0) override.types = types;
  if (text("zone") !== "") override.zone = text("zone");
  if (text("distanceMs") !== "") override.distanceMs = Number(text("distanceMs"));
  if (kinds.some(([kind]) => text(kind) !== "")) {
    const capacity: Resources = {};
    for (const [kind] of kinds) capacity[kind] = Number(text(kind) || text(`own ${kind}`));
    override.capacity = capacity;
  }
  return Object.keys(override).length === 0 ? undefined : override;
}
