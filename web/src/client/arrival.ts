// When a session that moves lets go of the edge that it leaves (B8).
import type { Stamp } from "../contract.js";

/** Standing is what is known of a move when it is looked at. */
export interface Standing {
  /** inStep says that the target shows the view of the page, with all that was changed but by the hand. */
  inStep: boolean;
  /** busy says that something runs at the edge to be left which would be lost. */
  busy: boolean;
  /** unseen says that nobody looks at the page, which gets no pictures then. */
  unseen: boolean;
  /** alone says that the other edge is gone: nothing newer comes from there. */
  alone: boolean;
  /** revision is the target's revision of the view that it was told. */
  revision: number;
  /** picture is the target's that was presented last, shown the one on the screen. */
  picture: Stamp | undefined;
  shown: Stamp | undefined;
  /** waitedMs is for how long pictures of the target have been looked at. */
  waitedMs: number;
}

/**
 * Verdict is whether to show the target's pictures from now on: "go", "wait", or "hold" the picture that is on the screen,
 * because those of the target are always a little older.
 */
export type Verdict = "go" | "wait" | "hold";

/** For so long the target may get as good as the edge that is left, and as near. */
export const patienceMs = 600;

const ranks: Record<Stamp["quality"], number> = { reduced: 0, lossy: 1, lossless: 2 };

/** verdictOf judges a move. */
export function verdictOf({ inStep, busy, unseen, alone, revision, picture, shown, waitedMs }: Standing): Verdict {
  if (!inStep || busy) return "wait";
  if (unseen) return "go";
  if (picture === undefined || picture.rev < revision) return "wait";
  if (alone || shown === undefined) return "go";
  const patient = waitedMs < patienceMs;
  if (picture.seq < shown.seq) return patient ? "wait" : "hold";
  return patient && isWorse(picture, shown) ? "wait" : "go";
}

/** isWorse says that the eye would notice: a smaller picture, or one that is drawn with less. */
function isWorse(a: Stamp, b: Stamp): boolean {
  const sharpness = ({ w, scale }: Stamp): number => w * Math.min(1, scale);
  return ranks[a.quality] < ranks[b.quality] || sharpness(a) < 0.7 * sharpness(b);
}
