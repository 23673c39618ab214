import { describe, expect, it } from "vitest";
import { Opening } from "../src/client/opening.js";
import { ProblemError } from "../src/client/problem.js";
import type { SeriesInfo, SeriesRef } from "../src/contract.js";

const info = (series: SeriesRef): SeriesInfo => ({ series }) as SeriesInfo;
const asked = { studyInstanceUID: "1.2", seriesInstanceUID: "1.2.3" };

describe("Opening", () => {
  it.each<[string, SeriesRef, SeriesRef]>([
    ["the series asked for, whichever part the edge takes", asked, { ...asked, part: 2 }],
    ["the part asked for", { ...asked, part: 2 }, { ...asked, part: 2 }],
    ["the study's largest", { studyInstanceUID: "1.2" }, asked],
  ])("is over with %s", async (_, want, shown) => {
    const opening = new Opening(want);
    expect(opening.shows(info(shown))).toBeUndefined();
    await opening.over;
  });

  it("fails with what the edge has said, where the one before stays", async () => {
    const opening = new Opening({ ...asked, part: 2 });
    opening.because(new ProblemError("unreadable", "Slice 3 is truncated"));
    opening.shows(info({ ...asked, part: 1 }));
    await expect(opening.over).rejects.toMatchObject({ code: "unreadable" });
  });

  it("is cancelled where the one before stays without a reason", async () => {
    const opening = new Opening({ ...asked, seriesInstanceUID: "1.2.4" });
    opening.shows(info(asked));
    await expect(opening.over).rejects.toMatchObject({ code: "cancelled" });
  });

  it("gives back what the edge has said about something else", () => {
    const opening = new Opening(asked);
    const about = new ProblemError("rate-limited", "Too many tasks at once");
    opening.because(about);
    expect(opening.shows(info(asked))).toBe(about);
  });
});
