// Orientation letters at the edges of a picture (PS3.3 C.7.6.1.1.1, the patient-based directions).
import type { Camera } from "../contract.js";
import { basisOf } from "./camera.js";
import { scale, type Vec } from "./vec.js";

/** Letters are the patient's directions at the edges of a picture, for example "R" or "RA". */
export interface Letters {
  left: string;
  right: string;
  top: string;
  bottom: string;
}

/** A direction is named as long as it is more than 15 degrees away from being seen edge on. */
const least = Math.sin((15 * Math.PI) / 180);

/** lettersOf are those of the picture that the camera has made. */
export function lettersOf(camera: Camera): Letters {
  const { right, up } = basisOf(camera);
  return {
    left: directionOf(scale(right, -1)),
    right: directionOf(right),
    top: directionOf(up),
    bottom: directionOf(scale(up, -1)),
  };
}

/**
 * directionOf names a unit vector of LPS by what it points to, the largest part first: Left or Right, Posterior
 * or Anterior, Head or Foot.
 */
export function directionOf(v: Vec): string {
  const parts: [number, string][] = [
    [Math.abs(v[0]), v[0] > 0 ? "L" : "R"],
    [Math.abs(v[1]), v[1] > 0 ? "P" : "A"],
    [Math.abs(v[2]), v[2] > 0 ? "H" : "F"],
  ];
  return parts
    .filter(([size]) => size > least)
    .sort(([a], [b]) => b - a)
    .map(([, letter]) => letter)
    .join("");
}
