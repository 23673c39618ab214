// What this device could do by itself (A13). The viewer has no renderer of its own yet, so an edge is always asked; the
// request says why, with what was measured.
import type { LocalCheck } from "../contract.js";

/** Device is what was measured of this device; 0 and "" are unknown. */
export interface Device {
  /** memoryMB is a lower bound: browsers round it, and say no more than 8 GiB. */
  memoryMB: number;
  gpu: string;
  /** textureSide is the longest side of a 3D texture, voxels. */
  textureSide: number;
}

/** What is left for voxels of a device's memory, beside the browser and the system. */
const share = 0.25;

/** localCheck is why an edge is asked. bytes is the size of what is to be shown, 0 where that is not known yet. */
export function localCheck(device: Device, bytes = 0, preferred = false): LocalCheck {
  const { memoryMB, gpu, textureSide } = device;
  const parts = [
    memoryMB > 0 ? `at least ${(memoryMB / 1024).toFixed(0)} GiB of memory` : "memory unknown",
    gpu === "" ? "no WebGL 2" : `WebGL 2 by ${nameOf(gpu).slice(0, 80)}`,
    ...(textureSide > 0 ? [`3D textures up to ${textureSide}`] : []),
    ...(bytes > 0 ? [`study of ${Math.max(1, Math.round(bytes / (1 << 20)))} MiB`] : []),
  ];
  return {
    reason: `${why(device, bytes)} This device: ${parts.join(", ")}.`.slice(0, 300),
    ...(preferred ? { preferred } : {}),
    ...(memoryMB > 0 ? { memoryMB } : {}),
    ...(gpu === "" ? {} : { gpu: gpu.slice(0, 200) }),
  };
}

function why({ memoryMB, gpu }: Device, bytes: number): string {
  if (gpu === "") return "This device has no GPU that the browser may use.";
  if (bytes > 0 && memoryMB > 0 && bytes > memoryMB * (1 << 20) * share) return "The study is too large for this device.";
  return "This viewer has no renderer of its own.";
}

/** nameOf is a GPU's name without what only drivers read: ANGLE tells maker, device with its number, and interface. */
function nameOf(gpu: string): string {
  const inner = /^ANGLE \((.*)\)$/.exec(gpu)?.[1] ?? gpu;
  const device = inner.replace(/ \(0x[0-9a-f]+\)/gi, "").split(", ")[1] ?? inner;
  return device.replace(/ (Direct3D|OpenGL|vs_).*$/, "");
}

const key = "tomocast.device";

/** deviceOf measures this device, once for each window: opening a WebGL context takes a moment. */
export function deviceOf(store: Pick<Storage, "getItem" | "setItem"> | undefined): Device {
  const kept = parsed(store?.getItem(key));
  if (kept !== undefined) return kept;
  const device = measured();
  try {
    store?.setItem(key, JSON.stringify(device));
  } catch {
    // It is measured again then.
  }
  return device;
}

function measured(): Device {
  const memory = (globalThis.navigator as { deviceMemory?: number }).deviceMemory ?? 0;
  const device: Device = { memoryMB: Math.round(memory * 1024), gpu: "", textureSide: 0 };
  const gl = globalThis.document.createElement("canvas").getContext("webgl2");
  if (gl === null) return device;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  device.gpu = String(gl.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER)).trim() || "an unnamed GPU";
  device.textureSide = Number(gl.getParameter(gl.MAX_3D_TEXTURE_SIZE));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return device;
}

function parsed(text: string | null | undefined): Device | undefined {
  try {
    const { memoryMB, gpu, textureSide } = JSON.parse(text ?? "{}") as Partial<Device>;
    if (typeof memoryMB === "number" && typeof gpu === "string" && typeof textureSide === "number") return { memoryMB, gpu, textureSide };
  } catch {
    // Measured anew.
  }
  return undefined;
}
