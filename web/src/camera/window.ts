// Window and level by hand.
import type { Window } from "../contract.js";

/**
 * windowed widens the window to the right and raises its centre downwards, as viewers do; right and down are in
 * heights of the viewport. Both go with the width, so that narrow windows are set finely; range is that of the
 * volume's values.
 */
export function windowed(window: Window, right: number, down: number, range: number): Window {
  const width = Math.min(4 * range, Math.max(range / 10_000, window.width * Math.exp(2 * right)));
  return { center: window.center + down * Math.max(window.width, range / 100), width };
}

/** rounded keeps as many digits as a window of that width needs. */
export function rounded(value: number, width: number): string {
  const digits = width >= 20 ? 0 : width >= 2 ? 1 : width >= 0.2 ? 2 : 3;
  return (Math.round(value * 10 ** digits) / 10 ** digits).toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1");
}

/** numberOf reads a number as people write one, with a point or a comma and either minus; what is none is NaN. */
export function numberOf(text: string): number {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : Number.NaN;
}
