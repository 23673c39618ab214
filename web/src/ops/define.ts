// Defines the elements of the operators' page, which other pages do not load.
import { ExplainPanel } from "./explain-panel.js";
import { NodeDrawer } from "./node-drawer.js";
import { NodeTable } from "./node-table.js";
import { OpsPage } from "./ops-page.js";

const elements: Record<string, CustomElementConstructor> = {
  "tc-ops-nodes": NodeTable, "tc-ops-node": NodeDrawer, "tc-ops-explain": ExplainPanel, "tc-ops-page": OpsPage,
};

/** defineOps defines them, once. */
export function defineOps(): void {
  for (const [name, element] of Object.entries(elements)) if (customElements.get(name) === undefined) customElements.define(name, element);
}
