import { describe, expect, it } from "vitest";
import { ProblemError } from "../src/client/problem.js";
import { keeperOf, type Found, type Search, type Source, type Study } from "../src/client/studies.js";
import { dateRange } from "../src/text/dates.js";
import { chosen, viewerURL } from "../src/worklist/address.js";
import { activeOf, countNarrowing, emptyOf, isNarrowed, noFilters, remember, remembered, searchOf, turned, widened } from "../src/worklist/filters.js";
import { Listing, pageSize, troubleOf, troubles } from "../src/worklist/listing.js";

const today = new Date(2026, 2, 3, 23, 59);

describe("dateRange", () => {
  it.each([
    ["any", "", "", ""],
    ["today", "", "", "20260303"],
    ["week", "", "", "20260225-20260303"],
    ["month", "", "", "20260202-20260303"],
    ["range", "2026-01-02", "2026-01-31", "20260102-20260131"],
    ["range", "2026-01-31", "2026-01-02", "20260102-20260131"],
    ["range", "2026-01-02", "", "20260102-"],
    ["range", "", "2026-01-31", "-20260131"],
    ["range", "", "", ""],
  ] as const)("of %s %s %s", (when, from, to, range) => {
    expect(dateRange(when, today, from, to)).toBe(range);
  });
});

describe("filters", () => {
  it("look for parts of names and numbers, and leave the user's wildcards alone", () => {
    const search = searchOf({ ...noFilters, search: " knee ", patientName: "smi", patientID: "A?1*", accessionNumber: "77", when: "today", modality: "CT" }, today);
    expect(search).toMatchObject({ search: "knee", patientName: "*smi*", patientID: "A?1*", accessionNumber: "*77*", studyDate: "20260303", modality: "CT", sort: "-date" });
  });

  it("know whether they hide something, and how to show all again", () => {
    const some = { ...noFilters, by: "patients", sort: "name", modality: "CT", when: "week", search: "x" } as const;
    expect([isNarrowed(noFilters), isNarrowed(some), countNarrowing(some)]).toEqual([false, true, 2]);
    expect(widened(some)).toEqual({ ...noFilters, by: "patients", sort: "name" });
  });

  it("are named one by one, and removed one by one", () => {
    const some = { ...noFilters, search: "x", modality: "CT", patientName: " smi ", when: "range", from: "2026-01-02", to: "" } as const;
    expect(activeOf(some).map(({ words }) => words)).toEqual(["Modality: CT", "Name: smi", "Study date: from 2026-01-02"]);
    for (const one of activeOf(some)) expect(activeOf({ ...some, ...one.without }).map(({ words }) => words)).not.toContain(one.words);
    expect(activeOf({ ...noFilters, when: "week" })).toMatchObject([{ field: "when", words: "Study date: 7 days" }]);
  });

  it("of dates count once a date is in them", () => {
    const dates = { ...noFilters, when: "range" } as const;
    expect([isNarrowed(dates), countNarrowing(dates)]).toEqual([false, 0]);
    expect([isNarrowed({ ...dates, to: "2026-01-31" }), countNarrowing({ ...dates, to: "2026-01-31" })]).toEqual([true, 1]);
    expect(isNarrowed({ ...noFilters, when: "any", from: "2026-01-31" })).toBe(false);
  });

  it("say what the list is narrowed to where it is empty", () => {
    expect(emptyOf({ ...noFilters, source: "kept" })).toBe("The list is narrowed to Source: kept.");
    expect(emptyOf({ ...noFilters, search: "knee" })).toMatch(/^Every word of the search must occur .*\.$/);
    expect(emptyOf({ ...noFilters, search: "knee", modality: "MR" })).toMatch(/word.* narrowed to Modality: MR\.$/);
  });

  it("turn an order round where it is in force", () => {
    expect([turned("-date", "name"), turned("name", "name"), turned("-name", "name"), turned("name", "date")]).toEqual(["name", "-name", "name", "-date"]);
  });

  it("last in the window's storage, whatever lies there", () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
    remember(storage, { ...noFilters, search: "a" });
    expect(remembered(storage).search).toBe("a");
    kept.set([...kept.keys()][0] ?? "", "{nonsense");
    expect(remembered(storage)).toEqual(noFilters);
    expect(remembered(undefined)).toEqual(noFilters);
  });
});

const study = (n: number): Study => ({
  source: "local", studyInstanceUID: `1.${n}`, patientName: `P^${n}`, patientID: String(n), patientBirthDate: "", patientSex: "",
  studyDate: "", studyTime: "", description: "", accessionNumber: "", modalities: ["CT"], seriesCount: 1, instanceCount: 1,
});

/** Fake has a number of studies, and answers when it is told to. */
class Fake {
  readonly asked: { search: Search; offset: number; answer: () => void; refuse: (error: Error) => void; signal: AbortSignal | undefined }[] = [];
  constructor(public count: number) {}

  studies(search: Search, offset: number, limit: number, signal?: AbortSignal): Promise<Found<Study>> {
    return new Promise((resolve, refuse) => {
      const answer = (): void => {
        const items = Array.from({ length: Math.max(0, Math.min(limit, this.count - offset)) }, (_, i) => study(offset + i));
        resolve({ items, total: this.count, problems: [{ name: "main-pacs", problem: "It did not answer." }] });
      };
      this.asked.push({ search, offset, answer, refuse, signal });
    });
  }

  patients(): Promise<Found<never>> {
    return Promise.reject(new Error("not asked for"));
  }
}

describe("Listing", () => {
  it("comes page by page, each asked for once, until it is complete", async () => {
    const api = new Fake(250);
    const listing = new Listing(api, () => undefined);
    const shown = listing.show(noFilters);
    expect(listing.busy).toBe(true);
    api.asked[0]?.answer();
    await shown;
    expect([listing.count, listing.total, listing.complete, listing.busy]).toEqual([pageSize, 250, false, false]);
    expect(listing.problems).toEqual([{ name: "main-pacs", problem: "It did not answer." }]);
    const [first] = listing.pages;
    const more = listing.more();
    void listing.more();
    expect(api.asked).toHaveLength(2);
    api.asked[1]?.answer();
    await more;
    const last = listing.more();
    api.asked[2]?.answer();
    await last;
    expect([listing.count, listing.complete]).toEqual([250, true]);
    expect(listing.pages[0]).toBe(first);
    await listing.more();
    expect(api.asked).toHaveLength(3);
  });

  it("forgets an answer that other filters have overtaken", async () => {
    const api = new Fake(3);
    const listing = new Listing(api, () => undefined);
    const old = listing.show({ ...noFilters, search: "a" });
    const now = listing.show({ ...noFilters, search: "ab" });
    expect(api.asked[0]?.signal?.aborted).toBe(true);
    api.asked[1]?.answer();
    await now;
    api.count = 99;
    api.asked[0]?.answer();
    await old;
    expect([listing.total, listing.busy]).toEqual([3, false]);
  });

  it("says what went wrong, and is right again after the next answer", async () => {
    const api = new Fake(3);
    const listing = new Listing(api, () => undefined);
    const first = listing.show(noFilters);
    api.asked[0]?.refuse(new ProblemError("unavailable", "The studies cannot be listed yet."));
    await first;
    expect(listing.problem?.title).toBe("The studies cannot be listed yet.");
    await listing.more();
    expect(api.asked).toHaveLength(1);
    const again = listing.show(noFilters);
    api.asked[1]?.answer();
    await again;
    expect([listing.problem, listing.count]).toEqual([undefined, 3]);
  });

  it("ends where the list has become shorter meanwhile", async () => {
    const api = new Fake(150);
    const listing = new Listing(api, () => undefined);
    const first = listing.show(noFilters);
    api.asked[0]?.answer();
    await first;
    api.count = 90;
    const more = listing.more();
    api.asked[1]?.answer();
    await more;
    expect(listing.complete).toBe(true);
  });
});

describe("sources", () => {
  it("that lack something are counted and named", () => {
    const problems = [{ name: "a", problem: "It is silent." }, { name: "b", problem: "It is slow." }, { name: "c", more: true }];
    expect(problems.map(troubleOf)).toEqual(["could not be searched: It is silent.", "could not be searched: It is slow.", "has more that match than are listed: narrow the search."]);
    expect(troubles(problems)).toBe("2 sources could not be searched. 1 source has more that match than are listed.");
    expect(troubles(problems.slice(1, 2))).toBe("1 source could not be searched.");
  });

  it("keep files in a store rather than in a PACS", () => {
    const pacs: Source = { name: "main", kind: "pacs", writable: true };
    expect(keeperOf([pacs, { name: "kept", kind: "store", writable: true }])).toBe("kept");
    expect([keeperOf([pacs]), keeperOf([])]).toEqual(["main", ""]);
  });
});

describe("addresses", () => {
  it("name a series and lead back to it", () => {
    const choice = { studyInstanceUID: "1.2", seriesInstanceUID: "1.2.3", part: 2, source: "main-pacs" };
    const url = viewerURL(choice);
    expect(url).toBe("/viewer?StudyInstanceUIDs=1.2&SeriesInstanceUIDs=1.2.3&part=2&source=main-pacs");
    expect(chosen(url.slice(url.indexOf("?")))).toEqual(choice);
    expect(chosen("?StudyInstanceUIDs=1.2,1.3")).toEqual({ studyInstanceUID: "1.2" });
    expect(chosen("?StudyInstanceUIDs=<script>")).toBeUndefined();
    expect(chosen("?upload")).toBeUndefined();
    expect(chosen("?StudyInstanceUIDs=1.2&part=-1")).toEqual({ studyInstanceUID: "1.2" });
  });
});
