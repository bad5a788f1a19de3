/** Two kinds of unit tests in one run: those that Node can run, and those that need a real browser's IndexedDB, locks and WebRTC. */

import { availableParallelism } from "node:os";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumLaunch } from "./e2e/browser.ts";
import { hashesInNode } from "./src/sim/run-seed-hashes.ts";

export default defineConfig({
  test: {
    // A property test may take its time, and machines are slow at times: what hangs is found all the same.
    testTimeout: 120_000,
    // By default one core is left to others; here there are none.
    maxWorkers: availableParallelism(),
    restoreMocks: true,
    unstubGlobals: true,
    projects: [
      {
        extends: true,
        plugins: [svelte({ configFile: false })],
        test: {
          name: "node",
          environment: "node",
          // One process runs many files, and loads what they share once: a third of the time. The modules keep nothing but caches.
          isolate: false,
          include: ["{src,signaling,app,e2e}/**/*.test.ts"],
          exclude: ["**/*.browser.test.ts", "**/node_modules/**", "**/dist/**"],
        },
      },
      {
        extends: true,
        // Named here, or Vite finds them in the middle of the first run on a fresh machine and reloads the page under a test.
        optimizeDeps: {
          include: [
            "@noble/ciphers/chacha.js",
            "@noble/ciphers/utils.js",
            "@noble/hashes/hkdf.js",
            "@noble/hashes/hmac.js",
            "@noble/hashes/legacy.js",
            "@noble/hashes/sha2.js",
            "idb",
            "lib0/decoding",
            "lib0/encoding",
            "simple-peer/simplepeer.min.js",
            "valibot",
          ],
        },
        test: {
          name: "browser",
          include: ["{src,app}/**/*.browser.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            commands: { hashesInNode },
            provider: playwright({ launchOptions: chromiumLaunch() }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
