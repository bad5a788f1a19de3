/** Finds a Chromium for the tests, wherever one is, and says how to start it. `test.mjs` installs one when there is none. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type LaunchOptions } from "@playwright/test";

/** Names the browser to use; the first place that is looked at. */
export const CHROMIUM_PATH = "CHROMIUM_PATH";

/** Where systems keep a Chromium, Chrome or Edge. */
function systemPlaces(): readonly string[] {
  switch (process.platform) {
    case "darwin":
      return ["Chromium", "Google Chrome", "Microsoft Edge"].map(
        (name) => `/Applications/${name}.app/Contents/MacOS/${name}`,
      );
    case "win32":
      return ["ProgramFiles", "ProgramFiles(x86)", "LocalAppData"].flatMap((variable) => {
        const folder = process.env[variable];
        return folder === undefined
          ? []
          : [
              "Google\\Chrome\\Application\\chrome.exe",
              "Chromium\\Application\\chrome.exe",
              "Microsoft\\Edge\\Application\\msedge.exe",
            ].map((place) => join(folder, place));
      });
    default: {
      const names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
        "microsoft-edge",
      ];
      const folders = [
        ...(process.env["PATH"] ?? "").split(":").filter((folder) => folder !== ""),
        "/usr/bin",
        "/snap/bin",
      ];
      return names.flatMap((name) => folders.map((folder) => join(folder, name)));
    }
  }
}

export interface FoundBrowser {
  /** For people: which of the three ways found it. */
  readonly source: string;
  readonly launch: Pick<LaunchOptions, "executablePath" | "channel">;
}

/** In this order: `CHROMIUM_PATH`, Playwright's own download, the system's. Undefined when there is none; throws when `CHROMIUM_PATH` names nothing. */
export function findChromium(): FoundBrowser | undefined {
  const named = process.env[CHROMIUM_PATH];
  if (named !== undefined && named !== "") {
    if (!existsSync(named)) throw new Error(`${CHROMIUM_PATH} names ${named}, but there is no such file.`);
    return { source: `${CHROMIUM_PATH}: ${named}`, launch: { executablePath: named } };
  }
  // Playwright names the place of its full browser whether it was downloaded or not, and by default starts another one, the headless shell.
  if (existsSync(chromium.executablePath()))
    return { source: `Playwright's download: ${chromium.executablePath()}`, launch: { channel: "chromium" } };
  const found = systemPlaces().find((place) => existsSync(place));
  return found === undefined ? undefined : { source: `the system's: ${found}`, launch: { executablePath: found } };
}

/** What Playwright and Vitest start the browser with. WebRTC between tabs of one machine needs no flag: its `*.local` candidates link up. */
export function chromiumLaunch(): LaunchOptions {
  const found = findChromium();
  if (found === undefined)
    throw new Error(
      `No Chromium was found. Run "npm test", which installs one where it can, or "npx playwright install chromium", or install Chrome or Chromium, or set ${CHROMIUM_PATH} to one.`,
    );
  return {
    ...found.launch,
    args: [
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--disable-quic",
    ],
  };
}
