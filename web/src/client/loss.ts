// What to do about a connection that was lost.
import { ProblemError } from "./problem.js";

/** What no other edge and no second try would change. */
const final = new Set<ProblemError["code"]>([
  "bad-request", "unauthorized", "forbidden", "not-found", "not-a-volume", "unreadable", "too-large", "unsupported",
]);

/** isFinal says that trying again is of no use. */
export function isFinal(problem: ProblemError): boolean {
  return final.has(problem.code);
}

/** Connections that never opened are tried this often: a network that lets nothing through will not change. */
const maxBlind = 2;
const blocked =
  "The network between this browser and the renderer lets no pictures through. Ask the operator for a TURN server, or try another network.";

/** Loss is whether to go on with the task, to begin a new one, or to give up, and what the user is told. */
export interface Loss {
  then: "go on" | "begin anew" | "fail";
  problem: ProblemError;
}

/**
 * lossOf judges a lost connection by what signalling said (nothing, where the path was lost), whether it was ever
 * open, and how many tries there were since the session ran.
 */
export function lossOf(problem: ProblemError | undefined, wasOpen: boolean, tries: number): Loss {
  if (problem === undefined) {
    return wasOpen || tries < maxBlind
      ? { then: "go on", problem: new ProblemError("edge-lost", "The renderer cannot be reached") }
      : { then: "fail", problem: new ProblemError("unavailable", "No way to the renderer was found", blocked) };
  }
  const gone = new ProblemError("edge-lost", problem.title, problem.detail);
  switch (problem.code) {
    case "not-found":
    case "session-taken": // that session is not ours any more
      return { then: "begin anew", problem: gone };
    case "pre-empted": // the user may ask for another place
      return { then: "fail", problem };
    case "unauthorized": // the next grant has a new token
      return { then: "go on", problem: gone };
    default:
      return { then: isFinal(problem) ? "fail" : "go on", problem };
  }
}
