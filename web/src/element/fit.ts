// The size of the picture: one pixel of it on one pixel of the screen, where that is possible.

/** Fit is the size to ask the edge for, in device pixels, and the size of the box that shows it, in CSS pixels. */
export interface Fit {
  width: number;
  height: number;
  cssWidth: number;
  cssHeight: number;
}

/** What edges encode at most, and at least, along one side. */
const most = 4096;
const least = 64;
/** More pixels than this cost more time than they show. */
const mostPixels = 4096 * 2304;

/**
 * fit takes a box in device pixels and the device pixels of a CSS pixel. Encoders want even sides; the box is
 * made as much smaller. Beyond the limits the picture is made coarser, in its own proportions.
 */
export function fit(deviceWidth: number, deviceHeight: number, ratio: number): Fit | undefined {
  if (deviceWidth < 2 || deviceHeight < 2) return undefined;
  const coarser = Math.min(1, most / Math.max(deviceWidth, deviceHeight), Math.sqrt(mostPixels / (deviceWidth * deviceHeight)));
  const side = (pixels: number): number => Math.max(least, 2 * Math.floor((pixels * coarser) / 2));
  const width = side(deviceWidth);
  const height = side(deviceHeight);
  if (coarser < 1 || width > deviceWidth || height > deviceHeight) {
    return { width, height, cssWidth: deviceWidth / ratio, cssHeight: deviceHeight / ratio };
  }
  return { width, height, cssWidth: width / ratio, cssHeight: height / ratio };
}

/** watchSize tells the fit of an element now and whenever its size or the pixel ratio changes. */
export function watchSize(element: HTMLElement, changed: (fit: Fit) => void): () => void {
  const now = fit(element.clientWidth * devicePixelRatio, element.clientHeight * devicePixelRatio, devicePixelRatio);
  if (now !== undefined) changed(now);
  const observer = new ResizeObserver((entries) => {
    const entry = entries.at(-1);
    if (entry === undefined) return;
    const ratio = devicePixelRatio;
    // Safari has no device-pixel box, and emulated pixel ratios are not in it.
    const box = (entry.devicePixelContentBoxSize as readonly ResizeObserverSize[] | undefined)?.[0];
    const side = (exact: number | undefined, css: number): number =>
      exact !== undefined && Math.abs(exact - css * ratio) <= 1 ? exact : Math.floor(css * ratio);
    const width = side(box?.inlineSize, entry.contentRect.width);
    const height = side(box?.blockSize, entry.contentRect.height);
    const next = fit(width, height, ratio);
    if (next !== undefined) changed(next);
  });
  try {
    observer.observe(element, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(element);
  }
  return () => {
    observer.disconnect();
  };
}
