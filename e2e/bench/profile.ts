/** Where a tab's main thread spends its time: Chromium's sampling profiler over one round, told by function of our sources. */

import { readFile } from "node:fs/promises";
import { SourceMap, type SourceMapPayload } from "node:module";
import { basename, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";

const SAMPLING_MICROS = 200;
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export interface ProfiledFunction {
  readonly name: string;
  /** File and line; empty for what is the browser's own. `(program)` is native code: events, IndexedDB, structured clones, the channel. */
  readonly place: string;
  readonly selfMs: number;
  /** Of the time that the thread was not idle. */
  readonly share: number;
}

export interface Profile {
  readonly durationMs: number;
  /** Share of the time that the thread was not idle. */
  readonly busy: number;
  /** Of what it was busy with, the share of our sources and of packages; the rest is the browser's own. */
  readonly sources: number;
  readonly packages: number;
  /** Most self time first. */
  readonly functions: readonly ProfiledFunction[];
}

/** Profiles the page while `work` runs. */
export async function profile(page: Page, builtFolder: string, work: () => Promise<unknown>): Promise<Profile> {
  const inspector = await page.context().newCDPSession(page);
  await inspector.send("Profiler.enable");
  await inspector.send("Profiler.setSamplingInterval", { interval: SAMPLING_MICROS });
  await inspector.send("Profiler.start");
  await work();
  const { profile } = await inspector.send("Profiler.stop");
  await inspector.detach();

  const durationMs = (profile.endTime - profile.startTime) / 1_000;
  const samples = profile.nodes.reduce((sum, node) => sum + (node.hitCount ?? 0), 0);
  const maps = new Map<string, SourceMap>();
  const selfMs = new Map<string, number>();
  let idleMs = 0;
  for (const { callFrame, hitCount = 0 } of profile.nodes) {
    const ms = (hitCount / samples) * durationMs;
    if (callFrame.functionName === "(idle)") idleMs += ms;
    else if (ms > 0) {
      const { url, lineNumber, columnNumber, functionName } = callFrame;
      const place = url === "" ? "" : await placeOf(maps, builtFolder, url, lineNumber, columnNumber);
      const id = `${functionName === "" ? "(anonymous)" : functionName}\n${place}`;
      selfMs.set(id, (selfMs.get(id) ?? 0) + ms);
    }
  }
  const busyMs = durationMs - idleMs;
  const functions = [...selfMs]
    .map(([id, ms]) => {
      const [name = "", place = ""] = id.split("\n");
      return { name, place, selfMs: ms, share: ms / busyMs };
    })
    .sort((a, b) => b.selfMs - a.selfMs);
  const shareOf = (fits: (place: string) => boolean): number =>
    functions.reduce((sum, { place, share }) => sum + (fits(place) ? share : 0), 0);
  const isOurs = (place: string): boolean => /^(src|e2e)\//.test(place);
  return {
    durationMs,
    busy: busyMs / durationMs,
    sources: shareOf(isOurs),
    packages: shareOf((place) => place !== "" && !isOurs(place)),
    functions,
  };
}

/** Through the bundle's source map, to a path within the repository. */
async function placeOf(
  maps: Map<string, SourceMap>,
  builtFolder: string,
  url: string,
  line: number,
  column: number,
): Promise<string> {
  const script = new URL(url).pathname;
  let map = maps.get(script);
  if (map === undefined) {
    map = new SourceMap(JSON.parse(await readFile(join(builtFolder, `${script}.map`), "utf8")) as SourceMapPayload);
    maps.set(script, map);
  }
  const entry = map.findEntry(line, column);
  if (!("originalSource" in entry)) return basename(script);
  const source = relative(REPOSITORY, resolve(join(builtFolder, script, ".."), entry.originalSource));
  return `${source.replace(/^.*node_modules\//, "")}:${entry.originalLine + 1}`;
}
