/**
 * What the two commands need before anything is installed: Node's own modules only. Checks the Node version, installs the packages of the
 * lock file when they are missing or differ from it, and runs what they bring.
 */

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const root = fileURLToPath(new URL("..", import.meta.url));

const NODE_MIN = [20, 19];

/** Ends the process with a clear message on a Node that is too old. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  console.error(`Tabring needs Node ${NODE_MIN.join(".")} or newer; this is ${process.versions.node}.`);
  console.error("Install a newer one from https://nodejs.org/ and run the same command again.");
  process.exit(1);
}

/**
 * Runs a program to its end. Its input and error output are ours; so is its output, unless `capture` asks for it as text (it is shown as well).
 * A program that is still running after `timeoutMs` is stopped, and counts as failed.
 */
export function run(command, args, { env = {}, capture = false, timeoutMs = 0, shell = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      shell,
      stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      output += text;
      process.stdout.write(text);
    });
    child.on("error", (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve({ code: 1, output });
    });
    child.on("close", (code, signal) => {
      if (signal !== null) console.error(`${basename(command)} ${args[0] ?? ""} was stopped by ${signal}.`);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** Runs the JavaScript file `script` of an installed package under this very Node: the same on every system, and no shell in between. */
export function runTool(script, args, options) {
  return run(process.execPath, [join(root, "node_modules", script), ...args], options);
}

/** True when every package of the lock file is there in its version. Optional ones (other systems' binaries) may be missing. */
function packagesPresent() {
  const installedLock = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedLock)) return false;
  const packagesOf = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
  const installed = packagesOf(installedLock);
  return Object.entries(packagesOf(join(root, "package-lock.json"))).every(
    ([path, wanted]) => path === "" || wanted.optional || installed[path]?.version === wanted.version,
  );
}

/** Installs the packages of the lock file if need be; ends the process when that fails. */
export async function installPackages() {
  if (packagesPresent()) return;
  console.log("Installing the packages of package-lock.json (npm ci) …");
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  // Under `npm start` and `npm test` this is the npm that runs us; else the one on the path, which is a script on Windows.
  const npm = process.env.npm_execpath;
  const { code } =
    npm !== undefined && basename(npm) === "npm-cli.js"
      ? await run(process.execPath, [npm, ...args])
      : await run("npm", args, { shell: process.platform === "win32" });
  if (code === 0 && packagesPresent()) return;
  console.error(
    "The packages could not be installed; npm says why above. Is there a network, and can this folder be written?",
  );
  process.exit(1);
}
