// Defines the elements of the operators' page, which other pages do not load.
import { ExplainPanel } from "./explain-panel.js";
import { NodeDrawer } from "./node-drawer.js";
import { NodeTable } from "./node-table.js";
import { NodeTimeLine } from "./node-time.js";
import { OpsPage } from "./ops-page.js";
import { PoolTimes } from "./pool-times.js";
import { ScalingPanel } from "./scaling-panel.js";
import { ScheduleEditor } from "./schedule-editor.js";
import { TaskMover } from "./task-mover.js";

const elements: Record<string, CustomElementConstructor> = {
  "tc-ops-nodes": NodeTable, "tc-ops-node": NodeDrawer, "tc-ops-explain": ExplainPanel, "tc-ops-page": OpsPage,
  "tc-ops-time": NodeTimeLine, "tc-ops-times": PoolTimes, "tc-ops-schedule": ScheduleEditor, "tc-ops-scaling": ScalingPanel, "tc-ops-mover": TaskMover,
};

/** defineOps defines them, once. */
export function defineOps(): void {
  for (const [name, element] of Object.entries(elements)) if (customElements.get(name) === undefined) customElements.define(name, element);
}
