import { describe, expect, it } from "vitest";
import { isFinal, lossOf } from "../src/client/loss.js";
import { ProblemError } from "../src/client/problem.js";

const said = (code: ProblemError["code"]): ProblemError => new ProblemError(code, "title", "detail");

describe("lossOf", () => {
  it.each<[ProblemError["code"], string]>([
    ["edge-lost", "go on"],
    ["unauthorized", "go on"],
    ["internal", "go on"],
    ["not-found", "begin anew"],
    ["session-taken", "begin anew"],
    ["unsupported", "fail"],
    ["forbidden", "fail"],
  ])("after %s is to %s", (code, then) => {
    expect(lossOf(said(code), true, 0).then).toBe(then);
  });

  it("never leaves a problem that ends what is to go on", () => {
    for (const code of ["not-found", "session-taken", "unauthorized"] as const) {
      expect(isFinal(lossOf(said(code), true, 0).problem)).toBe(false);
    }
  });

  it("goes on for ever where the edge was reached, and gives up on a path that never opened", () => {
    expect(lossOf(undefined, true, 50).then).toBe("go on");
    expect(lossOf(undefined, false, 1).then).toBe("go on");
    const given = lossOf(undefined, false, 2);
    expect(given.then).toBe("fail");
    expect(given.problem.detail).toMatch(/TURN/);
  });
});
