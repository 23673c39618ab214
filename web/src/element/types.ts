// What <tomocast-viewer> takes and tells.
import type { Camera, Grant, LeftOut, Loading, PartInfo, Received, SeriesInfo, Stamp, Term, ViewState, Viewport, Warning } from "../contract.js";
import type { State } from "../client/session-types.js";
import type { Sent } from "../client/upload.js";

export type Quality = Stamp["quality"];
export type StageTimes = Stamp["times"];

/** SeriesChoice is what to open; without a series the edge takes the study's largest volume. */
export interface SeriesChoice {
  studyInstanceUID: string;
  seriesInstanceUID?: string;
  /** part is that of a series which holds several stacks, from 1; 0 or none is the largest. */
  part?: number;
  /** source is the broker's name of the source; empty is its own. */
  source?: string;
}

/** ViewportChanges are the fields of a viewport that change, each whole; null removes an optional one. */
export type ViewportChanges = { [Field in keyof Viewport]?: Viewport[Field] | null };

/** PartialView is a view state with only what changes. A viewport without an id is meant by its place. */
export interface PartialView {
  viewports: ViewportChanges[];
}

/** Placement is where a session runs and why. */
export interface Placement {
  node: string;
  answer: Grant["answer"];
  /** reasons are in words; terms are what the choice was made of, the sum being the node's cost. */
  reasons: string[];
  terms: Term[];
  /** shadow is the node that is kept ready to take over; empty where there is none. */
  shadow: string;
  /** local is why this device does not do it itself. */
  local: string;
}

/** WaitingDetail comes with "waiting", when a session has no place yet and whenever it stands elsewhere in the queue. */
export interface WaitingDetail {
  /** position is 1 for the next; 0 where the place is not in the queue. */
  position: number;
  length: number;
  /** expectedWaitMs is undefined where nothing is known. */
  expectedWaitMs: number | undefined;
  reason: string;
}

/** ReadyDetail comes with "ready", when the series is loaded and its first picture is on the way. */
export interface ReadyDetail {
  view: ViewState;
}

/** FrameDetail comes with "frame", for each picture of the video that is on the screen. */
export interface FrameDetail {
  revision: number;
  rtpTimestamp: number;
  renderMs: number;
  encodeMs: number;
  quality: Quality;
  /** motionToPhotonMs is there where an input caused the picture. */
  motionToPhotonMs?: number;
  cameras: Camera[];
}

/** StillDetail comes with "still", when a lossless picture whose hash was checked is on the screen. */
export interface StillDetail {
  revision: number;
  sha256: string;
  /** sinceInputMs is how long after the last input the edge had it ready. */
  sinceInputMs: number;
}

/** ViewDetail comes with "viewchange", whenever the view to be shown is another, by hand or by the edge. */
export interface ViewDetail {
  view: ViewState;
}

/** ErrorDetail comes with "error". */
export interface ErrorDetail {
  code: string;
  title: string;
  detail: string;
}

/** StateDetail comes with "statechange". */
export interface StateDetail {
  state: State | "idle";
}

/** LoadedDetail comes with "loaded", when a series has come whole: the first, and each that is opened after it. */
export interface LoadedDetail {
  series: SeriesInfo;
}

/** WarningsDetail comes with "warnings" for each loaded series that has some. */
export interface WarningsDetail {
  warnings: Warning[];
  leftOut: LeftOut[];
  /** leftOutCount may be more than the files that are named. */
  leftOutCount: number;
}

/** PartsDetail comes with "parts" for each loaded series that was split into several. */
export interface PartsDetail {
  parts: PartInfo[];
  /** part is the one that is shown. */
  part: number;
}

/** LoadingDetail comes with "loading", while a series arrives at the edge. */
export interface LoadingDetail {
  loading: Loading;
}

/** SendingDetail comes with "sending", while the page's files go to the edge. */
export interface SendingDetail {
  sent: Sent;
}

/** ReceivedDetail comes with "received", when the edge has looked at the page's files. */
export interface ReceivedDetail {
  received: Received;
}

/** MovedDetail comes with "moved" and names both edges. */
export interface MovedDetail {
  node: string;
  from: string;
}

/** ViewerEvents are the events of the element and their details. */
export interface ViewerEvents {
  waiting: WaitingDetail;
  ready: ReadyDetail;
  loading: LoadingDetail;
  loaded: LoadedDetail;
  warnings: WarningsDetail;
  parts: PartsDetail;
  sending: SendingDetail;
  received: ReceivedDetail;
  /** cancel comes when the user has cancelled the opening; the element is idle then. */
  cancel: undefined;
  frame: FrameDetail;
  still: StillDetail;
  error: ErrorDetail;
  statechange: StateDetail;
  /** moved comes when the session goes on at another edge; the picture has stayed. */
  moved: MovedDetail;
  viewchange: ViewDetail;
}
