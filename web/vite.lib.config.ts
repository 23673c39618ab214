import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    outDir: "dist-lib",
    target: "es2022",
    minify: false,
    lib: { entry: { index: "src/index.ts", register: "src/register.ts" }, formats: ["es"] },
    rollupOptions: { external: [/^lit($|\/)/] },
  },
});
