/**
 * The tests in real tabs; no retries, because a flaky test is a bug. Three kinds, one test of each at a time: `load` has tabs that read, write and copy as fast
 * as they can, and wants the machine for itself (test.mjs runs it before the others); `tabs` have a cluster of five tabs or more, which wait for each other
 * most of the time; `pages` have one page, served from files, which keeps a core busy.
 */

import { defineConfig } from "@playwright/test";
import { chromiumLaunch } from "./browser.ts";

const LOAD = ["membership.e2e.ts", "power-off.e2e.ts"];
const PAGES = ["lab.e2e.ts", "lab-*.e2e.ts", "lessons.e2e.ts"];
/** Of real tabs, all the same. */
const TABS_OF_THE_LAB = "lab-tabs*.e2e.ts";

export default defineConfig({
  testDir: ".",
  outputDir: "../test-results/e2e",
  workers: 2,
  fullyParallel: false,
  retries: 0,
  forbidOnly: true,
  timeout: 90_000,
  globalTimeout: 20 * 60_000,
  expect: { timeout: 20_000 },
  use: { launchOptions: chromiumLaunch() },
  reporter: [["list"], ["json", { outputFile: "../test-results/e2e.json" }]],
  projects: [
    { name: "load", testMatch: LOAD, workers: 1 },
    {
      name: "tabs",
      testMatch: "*.e2e.ts",
      testIgnore: [...LOAD, /\/(?!lab-tabs)(lab(-[a-z-]+)?|lessons)\.e2e\.ts$/],
      workers: 1,
    },
    { name: "pages", testMatch: PAGES, testIgnore: TABS_OF_THE_LAB, workers: 1 },
  ],
});
