// What a session tells.
import type { Loading, Request, SeriesInfo, SessionInfo, ViewState } from "../contract.js";
import type { ProblemError } from "./problem.js";

/**
 * State is where a session is: asking the broker, connecting to the edge, loading the series, running,
 * restoring what broke, ended as asked, or failed.
 */
export type State = "asking" | "connecting" | "loading" | "running" | "restoring" | "ended" | "failed";

export interface SessionEvents {
  state: State;
  view: ViewState;
  series: SeriesInfo[];
  info: SessionInfo;
  loading: Loading;
  stream: MediaStream;
  notice: ProblemError;
}

/** Orientation is a standard view, named by where the camera stands. */
export type Orientation = NonNullable<Request["orientation"]>;
