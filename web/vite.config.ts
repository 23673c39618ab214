import { defineConfig } from "vite";

// The broker serves the result and its API from one origin; in development both come through this server.
const broker = process.env.TOMOCAST_BROKER ?? "http://localhost:8080";

export default defineConfig({
  build: { outDir: "dist", target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/api": { target: broker, ws: true }, "/dicom-web": { target: broker } } },
});
