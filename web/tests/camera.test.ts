import { describe, expect, it } from "vitest";
import { basisOf, limitsFor, panned, rotated, zoomed } from "../src/camera/camera.js";
import { directionOf, lettersOf } from "../src/camera/letters.js";
import { add, dot, length, scale, sub, type Vec } from "../src/camera/vec.js";
import { numberOf, rounded, windowed } from "../src/camera/window.js";
import type { Camera } from "../src/contract.js";

// From the front: looking to the back (+y), head up.
const anterior: Camera = { position: [10, -500, 20], lookAt: [10, 0, 20], up: [0, 0, 1], projection: "orthographic", height: 400 };
const limits = limitsFor(500);

function close(a: Vec, b: Vec): void {
  expect(length(sub(a, b))).toBeLessThan(1e-9 * Math.max(1, length(a)));
}

/** where a point of patient space lies in an orthographic picture: right and down from the middle, in heights. */
function project(camera: Camera, p: Vec): [number, number] {
  const { right, up } = basisOf(camera);
  const d = sub(p, camera.lookAt);
  return [dot(d, right) / camera.height, -dot(d, up) / camera.height];
}

describe("rotated", () => {
  it("turns the side that faces the hand along with it", () => {
    const front: Vec = [10, -50, 20]; // on the near side of what is looked at
    const [x, y] = project(rotated(anterior, 0.1, 0), front);
    expect(x).toBeGreaterThan(0);
    expect(y).toBeCloseTo(0, 12);
    const [, down] = project(rotated(anterior, 0, 0.1), front);
    expect(down).toBeGreaterThan(0);
  });

  it("shows the patient's right side after a quarter turn to the right", () => {
    // The front goes to the picture's right, so the camera has come to stand at the patient's right.
    const { position, lookAt } = rotated(anterior, 0.5, 0);
    close(sub(position, lookAt), [-500, 0, 0]);
  });

  it("keeps the distance, the look-at point and perpendicular axes", () => {
    let camera = anterior;
    for (let i = 0; i < 200; i++) camera = rotated(camera, 0.03 * Math.sin(i), 0.05 * Math.cos(3 * i));
    expect(length(sub(camera.position, camera.lookAt))).toBeCloseTo(500, 6);
    close(camera.lookAt, anterior.lookAt);
    const { right, up, forward } = basisOf(camera);
    expect(dot(right, up)).toBeCloseTo(0, 9);
    expect(dot(camera.up, forward)).toBeCloseTo(0, 9);
    expect(length(camera.up)).toBeCloseTo(1, 9);
  });

  it("leads back where the hand goes back", () => {
    expect(rotated(anterior, 0, 0)).toBe(anterior);
    const back = rotated(rotated(anterior, 0.2, 0), -0.2, 0);
    close(back.position, anterior.position);
    close(back.up, anterior.up);
  });
});

describe("panned", () => {
  it("moves what is under the hand as far as the hand", () => {
    const p: Vec = [37, 5, -12];
    const [x, y] = project(anterior, p);
    const [x2, y2] = project(panned(anterior, 0.25, -0.1), p);
    expect(x2 - x).toBeCloseTo(0.25, 12);
    expect(y2 - y).toBeCloseTo(-0.1, 12);
  });
});

describe("zoomed", () => {
  it("keeps what lies under the pointer there", () => {
    const { right, up } = basisOf(anterior);
    const p = add(anterior.lookAt, add(scale(right, 0.3 * 400), scale(up, -0.2 * 400)));
    const larger = zoomed(anterior, 2.5, limits, 0.3, 0.2);
    expect(larger.height).toBeCloseTo(160, 12);
    const [x, y] = project(larger, p);
    expect(x).toBeCloseTo(0.3, 12);
    expect(y).toBeCloseTo(0.2, 12);
  });

  it("stays within its limits", () => {
    expect(zoomed(anterior, 1e9, limits).height).toBe(5);
    expect(zoomed(anterior, 1e-9, limits).height).toBe(4000);
  });
});

describe("letters", () => {
  it.each<[string, Vec, Vec, string, string, string, string]>([
    // name, camera stands, up, left, right, top, bottom
    ["anterior", [0, -1, 0], [0, 0, 1], "R", "L", "H", "F"],
    ["posterior", [0, 1, 0], [0, 0, 1], "L", "R", "H", "F"],
    ["left", [1, 0, 0], [0, 0, 1], "A", "P", "H", "F"],
    ["right", [-1, 0, 0], [0, 0, 1], "P", "A", "H", "F"],
    ["superior", [0, 0, 1], [0, -1, 0], "L", "R", "A", "P"],
    ["inferior", [0, 0, -1], [0, -1, 0], "R", "L", "A", "P"],
  ])("of the view from %s", (_, from, up, left, right, top, bottom) => {
    const camera: Camera = { ...anterior, position: scale(from, 300), lookAt: [0, 0, 0], up };
    expect(lettersOf(camera)).toEqual({ left, right, top, bottom });
  });

  it("names the larger part first, and leaves out what is nearly edge on", () => {
    expect(directionOf([-0.8, -0.6, 0])).toBe("RA");
    expect(directionOf([-0.6, -0.8, 0])).toBe("AR");
    expect(directionOf([0.98, 0.2, 0])).toBe("L");
    expect(directionOf([0.6, 0.5, -0.62])).toBe("FLP");
  });

  it("follow the camera", () => {
    expect(lettersOf(rotated(anterior, 0.25, 0)).right).toBe("LA");
  });
});

describe("windowed", () => {
  const window = { center: 40, width: 400 };

  it("widens to the right and raises downwards, as far as the width is", () => {
    expect(windowed(window, 0.1, 0, 4000).width).toBeGreaterThan(400);
    expect(windowed(window, -0.1, 0, 4000).width).toBeLessThan(400);
    expect(windowed(window, 0, 0.5, 4000)).toEqual({ center: 240, width: 400 });
  });

  it("never gives a width of nothing", () => {
    expect(windowed(window, -1000, 0, 4000).width).toBe(0.4);
    expect(windowed(window, 1000, 0, 4000).width).toBe(16_000);
  });

  it("is written with as many digits as it needs", () => {
    expect(rounded(39.6, 400)).toBe("40");
    expect(rounded(-0.2, 400)).toBe("0");
    expect(rounded(1.234, 1.5)).toBe("1.23");
  });
});

describe("numberOf", () => {
  it.each([["400", 400], [" -50 ", -50], ["−50", -50], ["1,5", 1.5], [".5", 0.5], ["12.", 12]])("reads %j", (text, value) => {
    expect(numberOf(text)).toBe(value);
  });

  it.each(["", " ", "abc", "4e2", "40 0", "1.2.3", "400 HU", "-", "."])("takes %j for no number", (text) => {
    expect(numberOf(text)).toBeNaN();
  });
});
