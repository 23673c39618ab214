// Errors as the broker and the edge tell them, and as the page says them.
import type { Problem } from "../contract.js";

export type ProblemCode = Problem["code"];

/** ProblemError is a problem of the contract as an exception. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly code: ProblemCode,
    readonly title: string,
    readonly detail = "",
  ) {
    super(detail === "" ? title : `${title}: ${detail}`);
  }

  static from(problem: Problem): ProblemError {
    return new ProblemError(problem.code, problem.title, problem.detail ?? "");
  }
}

/** What another series of the same study need not have. */
const ofSeries = new Set<ProblemCode>(["not-a-volume", "unreadable", "too-large", "unsupported", "not-found", "unavailable", "internal"]);

/** isOfSeries says that another series may be opened all the same. */
export function isOfSeries(problem: ProblemError): boolean {
  return ofSeries.has(problem.code);
}

/** Advice is what the user can do about a problem. */
export type Advice = "retry" | "sign-in" | "studies" | "none";

/** Explanation is a problem in words for the user. */
export interface Explanation {
  title: string;
  detail: string;
  advice: Advice;
}

const plain: Record<ProblemCode, Explanation> = {
  "bad-request": { title: "The request was not understood", detail: "Check the address of the page.", advice: "studies" },
  unauthorized: { title: "You are not signed in, or your sign-in has expired", detail: "Sign in again, then retry.", advice: "sign-in" },
  forbidden: { title: "You may not open this study", detail: "Ask the operator for access.", advice: "studies" },
  "not-found": { title: "This study or series does not exist here", detail: "It may have been removed, or the address is wrong.", advice: "studies" },
  "session-taken": { title: "This session is open in another window", detail: "Close it there, or open the study anew.", advice: "retry" },
  "no-free-node": { title: "No renderer is free", detail: "All renderers are busy or none is connected. Try again in a moment.", advice: "retry" },
  unavailable: { title: "The service is out of reach at the moment", detail: "Try again in a moment.", advice: "retry" },
  "not-a-volume": { title: "This series cannot be shown in 3D", detail: "Choose a series that is a stack of slices.", advice: "studies" },
  unreadable: { title: "A file of this series cannot be read", detail: "Nothing is shown rather than a picture with holes.", advice: "studies" },
  "too-large": { title: "This series is larger than the renderer allows", detail: "Ask the operator for a renderer with more memory.", advice: "studies" },
  cancelled: { title: "Cancelled", detail: "", advice: "none" },
  internal: { title: "Something failed inside the service", detail: "Try again; if it fails again, tell the operator.", advice: "retry" },
  "edge-lost": { title: "The renderer of this session is gone", detail: "The session is opened again as soon as a renderer is free.", advice: "retry" },
  unsupported: { title: "This is not supported here", detail: "", advice: "studies" },
  "data-stays": { title: "No renderer of this site is free", detail: "The images of this site may not leave it, so no other renderer may show them. Try again in a moment.", advice: "retry" },
  "pre-empted": { title: "This session made room for an urgent one", detail: "It was idle. Open it again to have a place as soon as one is free; the view is kept.", advice: "retry" },
  moved: { title: "This session goes on at another renderer", detail: "It is opened there.", advice: "retry" },
  quota: { title: "You hold as much as you may", detail: "Close a session or wait for a task of yours to end, then retry; the operator can raise the limit.", advice: "retry" },
  "rate-limited": { title: "Too many requests", detail: "Wait a moment, then retry.", advice: "retry" },
};

/** explain puts any error into words; what the service itself said comes first. */
export function explain(error: unknown): Explanation {
  if (error instanceof ProblemError) {
    const known = plain[error.code];
    return { title: error.title || known.title, detail: error.detail || known.detail, advice: known.advice };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { title: plain.internal.title, detail, advice: "retry" };
}

/** asProblem is any error as a problem. */
export function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const { title, detail } = explain(error);
  return new ProblemError("internal", title, detail);
}

const codesByStatus: Record<number, ProblemCode> = {
  400: "bad-request",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  409: "session-taken",
  410: "not-found",
  413: "too-large",
  415: "unsupported",
  422: "bad-request",
  429: "rate-limited",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/** problemOf reads an RFC 9457 answer. Bodies that are no problem document give one by the status alone. */
export function problemOf(status: number, body: unknown): ProblemError {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string): string => (typeof fields[name] === "string" ? fields[name] : "");
  const code = isProblemCode(fields.code) ? fields.code : (codesByStatus[status] ?? "internal");
  return new ProblemError(code, text("title") || plain[code].title, text("detail"));
}

function isProblemCode(code: unknown): code is ProblemCode {
  return typeof code === "string" && Object.hasOwn(plain, code);
}
