// Mouse, touch, wheel and keyboard on the picture.
import { limitsFor, panned, rotated, zoomed, type ZoomLimits } from "../camera/camera.js";
import { windowed } from "../camera/window.js";
import type { Orientation } from "../client/session-types.js";
import type { Camera, Window } from "../contract.js";

/** Tool is what a left drag or one finger does. */
export type Tool = "rotate" | "window";

/** Moved is what a hand has moved. */
export interface Moved {
  camera?: Camera;
  window?: Window;
}

/** Handled is what gestures act on. */
export interface Handled {
  tool(): Tool;
  camera(): Camera | undefined;
  window(): Window | undefined;
  /** images is how many images there are to step through, where plain images are shown; 0 for a volume. */
  images(): number;
  /** step goes that many images on. */
  step(by: number): void;
  /** The volume's diagonal in millimetres and the range of its values. */
  extent(): { diagonalMm: number; range: number };
  move(moved: Moved, active: boolean): void;
  look(orientation: Orientation | undefined): void;
}

type Action = "rotate" | "pan" | "zoom" | "window" | "pinch";

interface Stroke {
  action: Action;
  camera: Camera | undefined;
  window: Window | undefined;
  start: Touch2;
}

/** Touch2 is the middle of what touches the picture and how far apart that is, CSS pixels. */
interface Touch2 {
  x: number;
  y: number;
  spread: number;
}

/** Wheel and keys have no end of their own: the hand is off this long after the last of them. */
const restMs = 180;
const keyTurn = 1 / 36;
const keyPan = 0.05;
const keyZoom = 1.12;
/** An image of a stack for each of these units of the wheel, as a mouse gives them for a notch. */
const wheelStep = 100;

const sides: Record<string, Orientation> = {
  "1": "anterior", "2": "posterior", "3": "left", "4": "right", "5": "superior", "6": "inferior",
};

/** Gestures turns what happens on an element into movements. */
export class Gestures {
  readonly #element: HTMLElement;
  readonly #handled: Handled;
  readonly #pointers = new Map<number, { x: number; y: number }>();
  readonly #detach = new AbortController();
  #stroke: Stroke | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #last: Moved = {};
  /** What the wheel has turned since the last image. */
  #wheeled = 0;

  constructor(element: HTMLElement, handled: Handled) {
    this.#element = element;
    this.#handled = handled;
    const options = { signal: this.#detach.signal };
    element.addEventListener("pointerdown", this.#down, options);
    element.addEventListener("pointermove", this.#moved, options);
    element.addEventListener("pointerup", this.#up, options);
    element.addEventListener("pointercancel", this.#up, options);
    element.addEventListener("wheel", this.#wheel, { ...options, passive: false });
    element.addEventListener("keydown", this.#key, options);
    element.addEventListener("contextmenu", (event) => { event.preventDefault(); }, options);
    // A middle click would start the browser's own scrolling.
    element.addEventListener("mousedown", (event) => { if (event.button === 1) event.preventDefault(); }, options);
  }

  /** detach leaves the element alone and ends what is under way. */
  detach(): void {
    this.#detach.abort();
    clearTimeout(this.#rest);
  }

  /** forget ends what is under way without a last word, because something else has set the view. */
  forget(): void {
    clearTimeout(this.#rest);
    this.#last = {};
    if (this.#stroke !== undefined) this.#begin(this.#stroke.action);
  }

  readonly #down = (event: PointerEvent): void => {
    // A button over the picture is no part of it; capturing its pointer would take its click away.
    if (event.target instanceof Element && event.target.closest("button") !== null) return;
    if (this.#handled.camera() === undefined) return;
    this.#element.focus({ preventScroll: true });
    this.#element.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#begin(this.#pointers.size > 1 ? "pinch" : this.#actionOf(event));
  };

  readonly #moved = (event: PointerEvent): void => {
    if (!this.#pointers.has(event.pointerId)) return;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#drag();
  };

  readonly #up = (event: PointerEvent): void => {
    if (!this.#pointers.delete(event.pointerId)) return;
    if (this.#pointers.size > 0) {
      // The finger that stays goes on by itself, from where it is.
      this.#begin(this.#pointers.size > 1 ? "pinch" : this.#turns("rotate"));
      return;
    }
    this.#stroke = undefined;
    this.#finish();
  };

  readonly #wheel = (event: WheelEvent): void => {
    const camera = this.#handled.camera();
    if (camera === undefined) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 400 : 1;
    if (this.#handled.images() > 1 && !event.ctrlKey) {
      this.#scroll(event.deltaY * lines);
      return;
    }
    const factor = Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0016);
    const box = this.#element.getBoundingClientRect();
    const x = (event.clientX - box.left - box.width / 2) / box.height;
    const y = (event.clientY - box.top - box.height / 2) / box.height;
    this.#nudge({ camera: zoomed(camera, factor, this.#limits(), x, y) });
  };

  readonly #key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const camera = this.#handled.camera();
    if (camera === undefined) return;
    const flat = this.#handled.images() > 0;
    const side = flat ? undefined : sides[event.key];
    const arrow = arrows[event.key];
    const step = flat && !event.shiftKey ? steps[event.key] : undefined;
    if (step !== undefined) this.#handled.step(step);
    else if (side !== undefined) this.#handled.look(side);
    else if (event.key === "r" || event.key === "R") this.#handled.look(undefined);
    else if (event.key === "+" || event.key === "=") this.#nudge({ camera: zoomed(camera, keyZoom, this.#limits()) });
    else if (event.key === "-" || event.key === "_") this.#nudge({ camera: zoomed(camera, 1 / keyZoom, this.#limits()) });
    else if (arrow !== undefined && (event.shiftKey || flat)) this.#nudge({ camera: panned(camera, arrow[0] * keyPan, arrow[1] * keyPan) });
    else if (arrow !== undefined) this.#nudge({ camera: rotated(camera, arrow[0] * keyTurn, arrow[1] * keyTurn) });
    else return;
    event.preventDefault();
  };

  #actionOf(event: PointerEvent): Action {
    if (event.pointerType === "touch") return this.#turns(this.#handled.tool());
    if (event.button === 1 || (event.button === 0 && event.shiftKey)) return "pan";
    if (event.button === 2) return "zoom";
    return event.ctrlKey || event.metaKey ? "window" : this.#turns(this.#handled.tool());
  }

  /** turns is what takes the place of rotating where a plain image is shown. */
  #turns(tool: Tool): Action {
    return tool === "rotate" && this.#handled.images() > 0 ? "pan" : tool;
  }

  #scroll(units: number): void {
    this.#wheeled += units;
    const by = Math.trunc(this.#wheeled / wheelStep);
    if (by === 0) return;
    this.#wheeled -= by * wheelStep;
    this.#handled.step(by);
  }

  #begin(action: Action): void {
    this.#stroke = { action, camera: this.#handled.camera(), window: this.#handled.window(), start: this.#touch() };
  }

  #drag(): void {
    const stroke = this.#stroke;
    if (stroke?.camera === undefined) return;
    const box = this.#element.getBoundingClientRect();
    const now = this.#touch();
    const right = (now.x - stroke.start.x) / box.height;
    const down = (now.y - stroke.start.y) / box.height;
    switch (stroke.action) {
      case "rotate":
        this.#move({ camera: rotated(stroke.camera, right, down) });
        break;
      case "pan":
        this.#move({ camera: panned(stroke.camera, right, down) });
        break;
      case "zoom":
        this.#move({ camera: zoomed(stroke.camera, Math.exp(-3 * down), this.#limits()) });
        break;
      case "pinch": {
        const x = (stroke.start.x - box.left - box.width / 2) / box.height;
        const y = (stroke.start.y - box.top - box.height / 2) / box.height;
        const larger = zoomed(stroke.camera, now.spread / Math.max(stroke.start.spread, 1), this.#limits(), x, y);
        this.#move({ camera: panned(larger, right, down) });
        break;
      }
      case "window":
        if (stroke.window !== undefined) {
          this.#move({ window: windowed(stroke.window, right, down, this.#handled.extent().range) });
        }
    }
  }

  #touch(): Touch2 {
    const points = [...this.#pointers.values()];
    const x = points.reduce((sum, p) => sum + p.x, 0) / points.length;
    const y = points.reduce((sum, p) => sum + p.y, 0) / points.length;
    const spread = points.reduce((sum, p) => sum + Math.hypot(p.x - x, p.y - y), 0) / points.length;
    return { x, y, spread };
  }

  #limits(): ZoomLimits {
    return limitsFor(this.#handled.extent().diagonalMm);
  }

  #nudge(moved: Moved): void {
    this.#move(moved);
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      if (this.#stroke === undefined) this.#finish();
    }, restMs);
  }

  #move(moved: Moved): void {
    this.#last = moved;
    this.#handled.move(moved, true);
  }

  #finish(): void {
    if (this.#last.camera === undefined && this.#last.window === undefined) return;
    this.#handled.move(this.#last, false);
    this.#last = {};
  }
}

const arrows: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

/** steps are the keys that go through images. */
const steps: Record<string, number> = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 };
