/**
 * The Tomocast viewer as a library. Importing this module defines no element and touches no document; call
 * defineTomocastViewer, or import "@tomocast/viewer/register", to have <tomocast-viewer>.
 *
 * @packageDocumentation
 */
import { TomocastViewer } from "./element/tomocast-viewer.js";

export { TomocastViewer };
export type { GetToken } from "./client/http.js";
export type { Computation, Handled, Handling, Result } from "./client/compute.js";
export type { Way } from "./client/place.js";
export type { Figures } from "./client/latency.js";
export { ProblemError } from "./client/problem.js";
export type { Sent, UploadFile } from "./client/upload.js";
export type { Orientation, State } from "./client/session-types.js";
export type {
  Camera, Histogram, HistogramParameters, LeftOut, Loading, PartInfo, PresetInfo, Received, ReceivedSeries, SeriesInfo, SeriesRef, SessionInfo, Slab,
  TaskRequest, Term, TimePointInfo, TransferFunction, ViewState, Viewport, Window,
} from "./contract.js";
export type { Tool } from "./element/gestures.js";
export type { Stats } from "./element/stats.js";
export type * from "./element/types.js";

declare global {
  interface HTMLElementTagNameMap {
    "tomocast-viewer": TomocastViewer;
  }
}

/** defineTomocastViewer defines the element, once, under a name of your choice. */
export function defineTomocastViewer(name = "tomocast-viewer"): void {
  if (customElements.get(name) !== undefined) return;
  // A constructor belongs to one name; a second name gets a class of its own.
  customElements.define(name, name === "tomocast-viewer" ? TomocastViewer : class extends TomocastViewer {});
}
