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
