// View states and their patches, as signaling/viewstate.go defines them.
import type { ViewPatch, ViewState, Viewport } from "../contract.js";

/**
 * patched is the view with a patch: each entry names a viewport by id and holds the fields that change, each
 * whole; null removes a field.
 */
export function patched(view: ViewState, patch: ViewPatch): ViewState {
  const viewports = view.viewports.map((viewport) => {
    const change = patch.viewports.find((entry) => entry.id === viewport.id);
    if (change === undefined) return viewport;
    const kept = Object.entries<unknown>({ ...viewport, ...change }).filter(([, value]) => value !== null);
    return Object.fromEntries(kept) as unknown as Viewport;
  });
  return { ...view, viewports: viewports as ViewState["viewports"] };
}

/**
 * What takes away each field of a viewport that may be absent. What is always there is only replaced, and what a viewport
 * shows is asked for otherwise.
 */
const absent: Record<Exclude<keyof Viewport, "id" | "series" | "rect" | "mode" | "camera">, unknown> = {
  timePoint: null, image: null, preset: "", transfer: null, window: null, slab: null, clips: null,
};

/** wholePatch makes any view of the same series this one. */
export function wholePatch(view: ViewState): ViewPatch {
  return {
    viewports: view.viewports.map((viewport) => {
      const patch: ViewPatch["viewports"][number] = { ...absent, ...viewport };
      delete patch.series;
      return patch;
    }),
  };
}

/** sameSeries says whether two views show the same series in the same viewports. */
export function sameSeries(a: ViewState | undefined, b: ViewState | undefined): boolean {
  const shown = (view: ViewState): string =>
    JSON.stringify(view.viewports.map(({ id, series: { studyInstanceUID, seriesInstanceUID, part = 0 } }) => [id, studyInstanceUID, seriesInstanceUID, part]));
  return a !== undefined && b !== undefined && shown(a) === shown(b);
}
