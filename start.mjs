/**
 * `npm start`: installs what is missing, builds the demo when its sources are newer than the last build, and becomes the server, which prints
 * the address and the invite link. What stands behind `npm start --` goes to the server (`--port 9000`, see signaling/main.ts).
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { installPackages, requireNode, root, runTool } from "./tool/packages.mjs";

/** When the newest of these files and folders was written; 0 when there is none. Tests and earlier builds do not count. */
function newestMs(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || /\.test\.ts$/.test(path)) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  // A folder's own time tells of files that went away.
  return readdirSync(path)
    .filter((name) => name !== "dist" && name !== "node_modules")
    .reduce(
      (newest, name) => Math.max(newest, newestMs(join(path, name))),
      path === join(root, "app") ? 0 : stat.mtimeMs,
    );
}

requireNode();
await installPackages();

const builtMs = newestMs(join(root, "app", "dist", "index.html"));
const sources = ["app", "src", "package-lock.json", "package.json"].map((name) => join(root, name));
if (sources.some((source) => newestMs(source) > builtMs)) {
  console.log("Building the demo …");
  const { code } = await runTool("vite/bin/vite.js", ["build", "app", "--logLevel", "warn"]);
  if (code !== 0) {
    console.error("The demo could not be built; see above.");
    process.exit(1);
  }
}

// The server runs in this very process, so that Ctrl-C reaches it once and directly.
const server = join(root, "signaling", "main.ts");
process.argv[1] = server;
const { tsImport } = await import("tsx/esm/api");
await tsImport("./signaling/main.ts", import.meta.url);
