// How a hand moves the camera. Every function is given the camera and the whole movement since the hand came
// down, so that nothing adds up and moving back leads back.
import type { Camera } from "../contract.js";
import { add, cross, normalize, rotate, scale, sub, type Vec } from "./vec.js";

/** Basis is where a camera's picture has its right, its top and its depth, as unit vectors of patient space. */
export interface Basis {
  right: Vec;
  up: Vec;
  forward: Vec;
}

/** basisOf makes the camera's axes perpendicular; up need not be that. */
export function basisOf(camera: Camera): Basis {
  const forward = normalize(sub(camera.lookAt, camera.position));
  const right = normalize(cross(forward, camera.up));
  return { right, up: cross(right, forward), forward };
}

/**
 * rotated turns the camera around its look-at point as if the hand rolled a ball that lies there: right and
 * down are in heights of the viewport, and one of them is half a turn.
 */
export function rotated(camera: Camera, right: number, down: number): Camera {
  const distance = Math.hypot(right, down);
  if (distance === 0) return camera;
  const basis = basisOf(camera);
  // The ball turns one way, so the camera goes around it the other way.
  const axis = normalize(add(scale(basis.up, -right), scale(basis.right, -down)));
  const angle = Math.PI * distance;
  return {
    ...camera,
    position: add(camera.lookAt, rotate(sub(camera.position, camera.lookAt), axis, angle)),
    up: rotate(basis.up, axis, angle),
  };
}

/** panned moves the camera so that the picture follows the hand; right and down in heights of the viewport. */
export function panned(camera: Camera, right: number, down: number): Camera {
  const basis = basisOf(camera);
  const by = add(scale(basis.right, -right * camera.height), scale(basis.up, down * camera.height));
  return { ...camera, position: add(camera.position, by), lookAt: add(camera.lookAt, by) };
}

/** Limits of what the height of a viewport may show, millimetres. */
export interface ZoomLimits {
  least: number;
  most: number;
}

/** limitsFor lets a volume of a diagonal (millimetres) fill the picture many times over, or a small part of it. */
export function limitsFor(diagonalMm: number): ZoomLimits {
  return { least: diagonalMm / 100, most: diagonalMm * 8 };
}

/**
 * zoomed makes things larger by factor, keeping what lies at the point (x to the right, y down from the middle,
 * in heights of the viewport) where it is.
 */
export function zoomed(camera: Camera, factor: number, limits: ZoomLimits, x = 0, y = 0): Camera {
  const height = Math.min(limits.most, Math.max(limits.least, camera.height / factor));
  const left = 1 - height / camera.height;
  // What lies at the point is left of where it was by what the picture has lost there.
  const moved = panned(camera, -x * left, -y * left);
  return { ...moved, height };
}
