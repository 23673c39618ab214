// Where a task stands and why it got its place, in words.
import type { Grant, Queue, Term } from "../contract.js";

/** standing is where a task stands in the queue. */
export function standing({ position, length }: Queue): string {
  if (position <= 1) return length > 1 ? `You are next, before ${length - 1} ${length === 2 ? "other" : "others"}` : "You are next";
  return `Place ${position.toLocaleString("en-GB")} of ${Math.max(position, length).toLocaleString("en-GB")} in the queue`;
}

/** expectation is how long a wait is likely to be; empty where nothing is known. */
export function expectation(ms: number | undefined): string {
  if (ms === undefined || ms <= 0) return "";
  const seconds = ms / 1000;
  if (seconds < 15) return "A place is expected in a few seconds";
  if (seconds < 50) return "A place is expected in less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `A place is expected in about ${minutes <= 1 ? "a minute" : `${minutes} minutes`}`;
  const hours = Math.round(minutes / 60);
  return hours < 12 ? `A place is expected in about ${hours === 1 ? "an hour" : `${hours} hours`}` : "A place may take long: all renderers are in use";
}

/** answerWords is the kind of an answer (A14). */
export function answerWords(answer: Grant["answer"]): string {
  switch (answer) {
    case "edge-accepts":
      return "The nearest edge took it";
    case "edge-assigned":
      return "The broker chose this edge";
    case "execute-in-cloud":
      return "It runs in the cloud";
  }
}

/** costOf is a term as milliseconds, with its sign. */
export function costOf({ ms }: Pick<Term, "ms">): string {
  const value = Math.abs(ms) < 10 ? ms.toFixed(1) : ms.toFixed(0);
  return `${ms > 0 ? "+" : ""}${value.replace("-", "−")} ms`;
}

const handlings = {
  resident: ["Now, by the resident workers", "It shares the workers that are always there. Best for short work."],
  allocate: ["Now, by workers of its own", "Workers are allocated for it and released after it. Faster for long work."],
  defer: ["Later, in a quiet moment", "It waits until nobody uses this edge, and disturbs no picture."],
  ask: ["As the edge decides", ""],
} as const;

/** handlingWords are the name of a way to handle a task, and what it means. */
export function handlingWords(handling: keyof typeof handlings): { name: string; detail: string } {
  const [name, detail] = handlings[handling];
  return { name, detail };
}
