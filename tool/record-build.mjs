/**
 * `node tool/record-build.mjs COMMIT FILE`: the node as it stood at a commit, its core and its bytes, in one file without imports, so that a test can let it
 * join a ring of today's (`src/sim/older-builds`). Not minified, without comments. The commit is checked out beside and removed again.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [commit, file] = process.argv.slice(2);
if (commit === undefined || file === undefined) {
  console.error("usage: node tool/record-build.mjs COMMIT FILE");
  process.exit(2);
}

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(mkdtempSync(join(tmpdir(), "record-")), "tree");
const git = (...words) => execFileSync("git", ["-C", root, ...words], { encoding: "utf8" }).trim();
const full = git("rev-parse", commit);

const ENTRY = `
export { DynamoNode } from "./src/core/node.ts";
export { defaultConfig } from "./src/core/config.ts";
export { decodeMessage, encodeMessage } from "./src/wire/codec.ts";
export { decodeMeta, decodeRecord, encodeMeta, encodeRecord } from "./src/wire/record.ts";
export { Handshake, LINK_PROTOCOL } from "./src/wire/handshake.ts";
`;

const head = `/**
 * A recorded build: the node as it stood at commit ${full.slice(0, 12)} (${git("show", "-s", "--format=%cs", full)}).
 * It is never changed. To make it again: node tool/record-build.mjs ${full.slice(0, 12)} FILE
 */
`;

try {
  git("worktree", "add", "--detach", folder, full);
  writeFileSync(join(folder, "recorded.ts"), ENTRY);
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ["recorded.ts"],
    nodePaths: [join(root, "node_modules")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    treeShaking: true,
  });
  // The bundler's comments name files; those of packages say where they were installed.
  const text = outputFiles[0].text.replaceAll(/^\/\/ \S*node_modules\//gm, "// ");
  writeFileSync(resolve(file), head + text);
} finally {
  git("worktree", "remove", "--force", folder);
  rmSync(resolve(folder, ".."), { recursive: true, force: true });
}
