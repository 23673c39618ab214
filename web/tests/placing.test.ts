import { describe, expect, it } from "vitest";
import { answerWords, costOf, expectation, handlingWords, standing } from "../src/text/placing.js";
import { explain, ProblemError, problemOf } from "../src/client/problem.js";
import { lossOf } from "../src/client/loss.js";
import { wayOf } from "../src/worklist/address.js";

describe("where a task stands", () => {
  it.each([
    [1, 1, "You are next"], [1, 2, "You are next, before 1 other"], [1, 5, "You are next, before 4 others"],
    [4, 5, "Place 4 of 5 in the queue"], [1200, 3000, "Place 1,200 of 3,000 in the queue"], [3, 2, "Place 3 of 3 in the queue"],
  ])("%i of %i", (position, length, words) => {
    expect(standing({ position, length })).toBe(words);
  });

  it.each([
    [undefined, ""], [0, ""], [2_000, "A place is expected in a few seconds"], [40_000, "A place is expected in less than a minute"],
    [60_000, "A place is expected in about a minute"], [150_000, "A place is expected in about 3 minutes"],
    [3_700_000, "A place is expected in about an hour"], [3 * 3_600_000, "A place is expected in about 3 hours"],
    [90_000_000, "A place may take long: all renderers are in use"],
  ])("for %s ms", (ms, words) => {
    expect(expectation(ms)).toBe(words);
  });
});

describe("why an edge was chosen", () => {
  it("A14 names the three kinds of answer", () => {
    expect((["edge-accepts", "edge-assigned", "execute-in-cloud"] as const).map(answerWords)).toEqual(
      ["The nearest edge took it", "The broker chose this edge", "It runs in the cloud"]);
  });

  it.each([[2.5, "+2.5 ms"], [-12.4, "−12 ms"], [-0.5, "−0.5 ms"], [0, "0.0 ms"], [1500, "+1500 ms"]])("costs %f", (ms, words) => {
    expect(costOf({ ms })).toBe(words);
  });

  it("A9 explains each way to handle a task", () => {
    for (const handling of ["resident", "allocate", "defer"] as const) {
      expect(handlingWords(handling).name).not.toBe("");
      expect(handlingWords(handling).detail).not.toBe("");
    }
  });
});

describe("what refuses a place", () => {
  it("is told in words, and can be tried again", () => {
    for (const code of ["no-free-node", "data-stays", "pre-empted"] as const) {
      expect(explain(new ProblemError(code, ""))).toMatchObject({ advice: "retry" });
    }
    expect(problemOf(503, { code: "data-stays", title: "" }).title).toBe("No renderer of this site is free");
  });

  it("does not send a session that made room after another place by itself", () => {
    expect(lossOf(new ProblemError("pre-empted", "Room"), true, 0)).toMatchObject({ then: "fail", problem: { code: "pre-empted" } });
  });
});

describe("whom a page asks first", () => {
  it.each([["", "broker-first"], ["?way=edge-first", "edge-first"], ["?way=other", "broker-first"]])("%s", (query, way) => {
    expect(wayOf(query)).toBe(way);
  });
});
