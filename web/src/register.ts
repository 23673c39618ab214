/**
 * Defines <tomocast-viewer>.
 *
 * @packageDocumentation
 */
import { defineTomocastViewer } from "./index.js";

export * from "./index.js";

defineTomocastViewer();
