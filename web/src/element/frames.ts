// Which video frame is on the screen.
import type { Shown } from "../client/stamps.js";

/**
 * watchFrames tells each frame that the browser puts on the screen and returns what ends that. newestTimestamp
 * stands in for browsers that do not tell a frame's RTP timestamp.
 */
export function watchFrames(
  video: HTMLVideoElement,
  shown: (frame: Shown) => void,
  newestTimestamp: () => number | undefined,
): () => void {
  return "requestVideoFrameCallback" in video
    ? watchByCallback(video, shown, newestTimestamp)
    : watchByTimestamp(video, shown, newestTimestamp);
}

function watchByCallback(
  video: HTMLVideoElement,
  shown: (frame: Shown) => void,
  newestTimestamp: () => number | undefined,
): () => void {
  let handle = 0;
  let timed = false;
  const frame: VideoFrameRequestCallback = (_now, metadata) => {
    handle = video.requestVideoFrameCallback(frame);
    timed ||= metadata.rtpTimestamp !== undefined;
    // A browser that tells timestamps has none for a frame that it shows once more, or that is of no stream.
    if (timed && metadata.rtpTimestamp === undefined) return;
    shown({
      rtp: metadata.rtpTimestamp ?? newestTimestamp(),
      width: metadata.width,
      height: metadata.height,
      // A busy browser tells a time that has passed before the page hears of the frame.
      at: Math.max(metadata.expectedDisplayTime, performance.now()),
    });
  };
  handle = video.requestVideoFrameCallback(frame);
  return () => {
    video.cancelVideoFrameCallback(handle);
  };
}

/** Without the callback, a new timestamp at a repaint is a new frame. */
function watchByTimestamp(
  video: HTMLVideoElement,
  shown: (frame: Shown) => void,
  newestTimestamp: () => number | undefined,
): () => void {
  let handle = 0;
  let last: number | undefined;
  const repaint = (now: number): void => {
    handle = requestAnimationFrame(repaint);
    const rtp = newestTimestamp();
    if (rtp === undefined || rtp === last) return;
    last = rtp;
    shown({ rtp, width: video.videoWidth, height: video.videoHeight, at: now });
  };
  handle = requestAnimationFrame(repaint);
  return () => {
    cancelAnimationFrame(handle);
  };
}
