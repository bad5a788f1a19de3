/**
 * What the benchmark runs on: its page built by vite into a temporary folder and served from three ports, so that each tab is an origin of its own
 * with a database of its own; three tabs of one browser profile on disk; and the real server as a process beside them. `close` ends and removes it all.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "@playwright/test";
import { build } from "vite";
import { chromiumLaunch } from "../browser.ts";
import { inviteParts } from "../cluster.ts";

const TABS = 3;
const SETTLED_MS = 60_000;
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export interface Tabs {
  readonly browserVersion: string;
  /** Both systems are open in each, linked to the other two. */
  readonly pages: readonly Page[];
  /** Where the built page and its source maps are. */
  readonly builtFolder: string;
  /** Processor time that all processes of the browser have used since it started. */
  readonly cpuSeconds: () => Promise<number>;
  close(): Promise<void>;
}

export async function openTabs(): Promise<Tabs> {
  // Undone in the opposite order, also when only some of it came to be.
  const undo: (() => Promise<unknown>)[] = [];
  let closing = Promise.resolve();
  // Also called while it is under way: by a signal and then by whoever failed because of it.
  const close = (): Promise<void> =>
    (closing = closing.then(async () => {
      for (let each = undo.pop(); each !== undefined; each = undo.pop())
        await each().catch((error: unknown) => process.stderr.write(`Not cleaned up: ${String(error)}\n`));
    }));
  const stop = (): void => void close().finally(() => process.exit(1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, stop);
    undo.push(() => Promise.resolve(process.off(signal, stop)));
  }
  const temporaryFolder = async (name: string): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), `tabring-bench-${name}-`));
    undo.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    return folder;
  };
  try {
    const builtFolder = await temporaryFolder("page");
    await buildPage(builtFolder);
    const server = startServer(await temporaryFolder("data"));
    undo.push(() => server.stop());
    const seed = await server.seed;
    const context = await chromium.launchPersistentContext(await temporaryFolder("profile"), {
      ...chromiumLaunch(),
      handleSIGINT: false,
      handleSIGTERM: false,
    });
    undo.push(() => context.close());
    const pages: Page[] = [];
    for (let tab = 0; tab < TABS; tab++) {
      const site = await serve(builtFolder);
      undo.push(() => site.close());
      const page = await context.newPage();
      page.on("pageerror", (error) => process.stderr.write(`Tab ${tab}: ${String(error)}\n`));
      await page.goto(site.address);
      pages.push(page);
    }
    await linkFloors(pages);
    await joinTabring(pages, seed);
    const browser = context.browser();
    if (browser === null) throw new Error("The browser is gone.");
    const inspector = await browser.newBrowserCDPSession();
    const cpuSeconds = async (): Promise<number> => {
      const { processInfo } = await inspector.send("SystemInfo.getProcessInfo");
      return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    };
    return { browserVersion: browser.version(), pages, builtFolder, cpuSeconds, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Names are kept and mapped to their sources, for the profile. */
async function buildPage(outDir: string): Promise<void> {
  await build({
    root: fileURLToPath(new URL(".", import.meta.url)),
    configFile: false,
    logLevel: "warn",
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2022",
      minify: false,
      sourcemap: true,
      modulePreload: { polyfill: false },
    },
  });
}

const MEDIA_TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** An origin of its own. Isolated from others, so that the tab has a process of its own and an exact clock. */
async function serve(folder: string): Promise<{ address: string; close(): Promise<unknown> }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const type = MEDIA_TYPES[extname(path)] ?? "text/html";
    readFile(join(folder, path === "/" ? "index.html" : path)).then(
      (content) =>
        response
          .writeHead(200, {
            "Content-Type": type,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
          })
          .end(content),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0);
  await once(server, "listening");
  return {
    address: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Seed {
  readonly cluster: string;
  readonly secret: string;
  readonly signal: string;
}

/** The server as `npm start` runs it, without the demo: signaling and the seed node. */
function startServer(data: string): { readonly seed: Promise<Seed>; stop(): Promise<void> } {
  const server = spawn(process.execPath, ["--import", "tsx", "signaling/main.ts", "--port", "0", "--data", data], {
    cwd: REPOSITORY,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exit = once(server, "exit");
    server.kill("SIGKILL");
    await exit;
  };
  const seed = new Promise<Seed>((resolve, reject) => {
    createInterface({ input: server.stdout }).on("line", (line) => {
      const invite = /Invite: (\S+)/.exec(line)?.[1];
      if (invite !== undefined) resolve({ ...inviteParts(invite), signal: `ws://${new URL(invite).host}/signal` });
    });
    server.once("exit", (code) => reject(new Error(`The server ended before it was up (code ${code}).`)));
  });
  return { seed, stop };
}

/** Carries the descriptions of each pair from tab to tab. */
async function linkFloors(pages: readonly Page[]): Promise<void> {
  for (const page of pages) await page.evaluate(() => window.bench.openFloor());
  for (const [i, answering] of pages.entries())
    for (const offering of pages.slice(0, i)) {
      const offer = await offering.evaluate(() => window.bench.floor!.offer());
      const answer = await answering.evaluate((sdp) => window.bench.floor!.answer(sdp), offer.sdp);
      await offering.evaluate(({ peer, sdp }) => window.bench.floor!.accept(peer, sdp), {
        peer: offer.peer,
        sdp: answer.sdp,
      });
    }
  for (const page of pages) await page.evaluate(() => window.bench.floor!.linked());
}

async function joinTabring(pages: readonly Page[], seed: Seed): Promise<void> {
  const { cluster, secret, signal } = seed;
  for (const page of pages)
    await page.evaluate((options) => window.bench.openTabring(options), { cluster, secret, seeds: [signal] });
  for (const page of pages)
    await page.waitForFunction((members) => window.bench.settled(members), pages.length, {
      polling: 50,
      timeout: SETTLED_MS,
    });
}
