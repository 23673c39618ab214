import { defineConfig } from "vitest/config";

// The browser tests share one machine and one set of processes: one file after the other.
export default defineConfig({
  test: {
    include: ["e2e/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 120_000,
  },
});
