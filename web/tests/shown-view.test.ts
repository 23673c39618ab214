import { describe, expect, it } from "vitest";
import { ShownViews } from "../src/client/shown-view.js";
import type { ViewState } from "../src/contract.js";

const view = (revision: number, name: string): ViewState => ({ version: 1, revision, viewports: [{ id: name }] }) as unknown as ViewState;
const shown = (views: ShownViews): string | undefined => views.shown?.viewports[0].id;

describe("ShownViews", () => {
  it("shows what the edge told once a picture of that revision is there", () => {
    const views = new ShownViews();
    views.told(view(1, "first"));
    expect(shown(views)).toBeUndefined();
    views.picture(1, 0);
    expect(shown(views)).toBe("first");
    views.told(view(2, "second"));
    expect(shown(views)).toBe("first");
    views.picture(1, 0); // a repeated picture
    expect(shown(views)).toBe("first");
    views.picture(2, 0);
    expect(shown(views)).toBe("second");
  });

  it("shows what the hand asked for once a picture covers its number", () => {
    const views = new ShownViews();
    views.told(view(1, "first"));
    views.asked(1, view(1, "a"));
    views.asked(2, view(1, "b"));
    views.picture(2, 1);
    expect(shown(views)).toBe("a");
    views.picture(4, 7);
    expect(shown(views)).toBe("b");
  });

  it("goes on with an edge that knows the view, and counts its revisions otherwise", () => {
    const views = new ShownViews();
    views.asked(1, view(40, "a"));
    views.told(view(41, "reset"));
    views.asked(3, view(41, "b"));
    views.picture(41, 1);
    expect(shown(views)).toBe("reset");
    views.moved(view(7, "reset there"), 2);
    views.picture(7, 2);
    expect(shown(views)).toBe("reset there");
    views.picture(8, 3);
    expect(shown(views)).toBe("b");
  });

  it("begins anew with another edge and keeps what is on the screen until then", () => {
    const views = new ShownViews();
    views.told(view(40, "old"));
    views.picture(40, 0);
    views.restart();
    expect(shown(views)).toBe("old");
    views.told(view(1, "new"));
    views.picture(1, 0);
    expect(shown(views)).toBe("new");
  });
});
