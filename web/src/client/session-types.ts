// What a session tells.
import type { Loading, Pending, Received, Request, SeriesInfo, SeriesRef, SessionInfo, ViewState } from "../contract.js";
import type { ProblemError } from "./problem.js";
import type { Sent, UploadFile } from "./upload.js";

/** Subject is what a session shows: a series of a source, or files that the page sends. */
export type Subject = { series: SeriesRef } | { files: readonly UploadFile[] };

/**
 * State is where a session is: asking for a place, waiting for one in the queue, connecting to the edge, loading the series, running,
 * restoring what broke, ended as asked, or failed.
 */
export type State = "asking" | "waiting" | "connecting" | "loading" | "running" | "restoring" | "ended" | "failed";

/** Arrived names the node that a session has moved to, and the one that it was on. */
export interface Arrived {
  node: string;
  from: string;
}

export interface SessionEvents {
  state: State;
  /** pending is where the task stands in the queue; undefined when it waits no more. */
  pending: Pending | undefined;
  view: ViewState;
  series: SeriesInfo[];
  info: SessionInfo;
  /** loading is progress; undefined when nothing is being loaded any more. */
  loading: Loading | undefined;
  /** loaded is the series that has come whole. */
  loaded: SeriesInfo;
  /** opening is the series that is to take the place of the one on the screen; undefined when that is over. */
  opening: SeriesRef | undefined;
  sending: Sent;
  received: Received;
  stream: MediaStream;
  /** coming are pictures of an edge that the session is on its way to; undefined where it stays after all. */
  coming: MediaStream | undefined;
  /** hold has the picture on the screen stand still for a moment, or go on. */
  hold: boolean;
  /** arrived says that the pictures of that edge take the place of those before. */
  arrived: Arrived;
  notice: ProblemError;
}

/** Orientation is a standard view, named by where the camera stands. */
export type Orientation = NonNullable<Request["orientation"]>;
