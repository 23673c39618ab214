// What runs in the viewer's page and notes, beside what the viewer itself tells, what the browser does.
/* global document, window, requestAnimationFrame */

/**
 * probe is evaluated in the page before the page's own scripts, so it can use nothing from outside. It leaves its
 * records at window.tomocastBench; all times are milliseconds of the page's performance.now().
 *
 *   states  {at, state}           the viewer's statechange events
 *   inputs  {at, stamp, type}     pointer and key events: when the page heard of them, and when they were made
 *   frames  {at, width, times, …} the viewer's frame events with their details and the stages of the edge
 *   stills  {at, painted, …}      the viewer's still events; painted is the page's next repaint
 *   videos  {at, rtp, …}          video frames as the browser tells them, changed where the pixels were looked at
 *   camera                        what the picture on the screen was rendered with
 */
export function probe() {
  const records = { states: [], inputs: [], frames: [], stills: [], videos: [], looking: false, viewer: undefined, camera: undefined };
  window.tomocastBench = records;

  const inputTypes = ["pointerdown", "pointermove", "pointerup", "keydown"];
  for (const type of inputTypes) {
    const note = (event) => {
      records.inputs.push({ at: performance.now(), stamp: event.timeStamp, type });
    };
    window.addEventListener(type, note, { capture: true, passive: true });
  }

  const find = (root) => {
    const found = root.querySelector("tomocast-viewer");
    if (found !== null) return found;
    for (const element of root.querySelectorAll("*")) {
      const inside = element.shadowRoot === null ? null : find(element.shadowRoot);
      if (inside !== null) return inside;
    }
    return null;
  };

  /** front is the video on the screen: while a session moves, that of the next edge plays too. */
  const front = () => records.viewer.renderRoot.querySelector("video:not(.back)");

  const canvas = document.createElement("canvas");
  canvas.width = 128;
  canvas.height = 96;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let before;
  /** look says by how much the picture's pixels differ from those looked at last: the mean over red, green, blue. */
  const look = (video) => {
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let difference = 0;
    for (let i = 0; before !== undefined && i < data.length; i++) difference += Math.abs(data[i] - before[i]);
    before = data;
    return difference / (data.length * 0.75);
  };
  /** lit is the share of the picture that is not black. */
  records.lit = () => {
    look(front());
    let bright = 0;
    for (let i = 0; i < before.length; i += 4) if (Math.max(before[i], before[i + 1], before[i + 2]) > 40) bright++;
    return (bright * 4) / before.length;
  };

  const watchVideo = (video) => {
    const frame = (now, metadata) => {
      video.requestVideoFrameCallback(frame);
      if (video !== front()) return;
      const entry = {
        now, rtp: metadata.rtpTimestamp, received: metadata.receiveTime, presented: metadata.presentationTime,
        displayed: metadata.expectedDisplayTime, width: metadata.width, height: metadata.height,
        // A busy browser expects a picture on the screen before it has given it to the page.
        shown: Math.max(performance.now(), metadata.expectedDisplayTime),
      };
      if (records.looking) entry.changed = look(video);
      entry.at = performance.now();
      records.videos.push(entry);
    };
    video.requestVideoFrameCallback(frame);
  };

  const follow = (viewer) => {
    records.viewer = viewer;
    viewer.addEventListener("statechange", ({ detail }) => {
      records.states.push({ at: performance.now(), state: detail.state });
    });
    viewer.addEventListener("error", ({ detail }) => {
      records.states.push({ at: performance.now(), state: `error: ${detail.title} ${detail.detail}` });
    });
    viewer.addEventListener("frame", ({ detail }) => {
      const { cameras, ...rest } = detail;
      records.camera = cameras[0];
      const video = front();
      const entry = { ...rest, at: performance.now(), width: video.videoWidth, height: video.videoHeight };
      records.frames.push(entry);
      // The viewer takes the stages in after it has told of the frame.
      queueMicrotask(() => {
        entry.times = viewer.stats.times;
        entry.scale = viewer.stats.scale;
      });
    });
    viewer.addEventListener("still", ({ detail }) => {
      const entry = { ...detail, at: performance.now() };
      requestAnimationFrame((painted) => {
        records.stills.push({ ...entry, painted: Math.max(painted, entry.at) });
      });
    });
    // Its video is there once it was drawn for the first time.
    viewer.updateComplete.then(() => {
      for (const video of viewer.renderRoot.querySelectorAll("video")) watchVideo(video);
    });
  };

  const seek = () => {
    const viewer = document.documentElement === null ? null : find(document);
    if (viewer?.updateComplete !== undefined) follow(viewer);
    else setTimeout(seek, 2);
  };
  seek();
}
