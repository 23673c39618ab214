// A lossless picture as a PNG file.
import type { Pictures } from "../client/pictures.js";
import { ProblemError } from "../client/problem.js";
import type { Still } from "../client/still.js";

const stillWithinMs = 20_000;

/** nextStill is the next lossless picture that belongs on the screen. It rejects where none comes. */
export function nextStill(pictures: Pictures): Promise<Still> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop();
      reject(new ProblemError("unavailable", "No lossless picture came", "Hold the picture still and try again."));
    }, stillWithinMs);
    const stop = pictures.on("still", (found) => {
      clearTimeout(timer);
      stop();
      resolve(found);
    });
  });
}

/** pngOf is the still as a PNG: its very bytes where it is one. */
export async function pngOf(still: Still): Promise<Blob> {
  const source = new Blob([still.bytes], { type: still.header.format });
  if (still.header.format === "image/png") return source;
  const bitmap = await createImageBitmap(source, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { alpha: false });
  if (context === null) throw new Error("the browser gives no canvas to convert the picture on");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob === null) reject(new Error("the picture could not be written as a PNG"));
      else resolve(blob);
    }, "image/png");
  });
}
