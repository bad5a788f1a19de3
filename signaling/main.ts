/**
 * The server: one process that serves the demo, introduces tabs to each other, and is the seed of its own cluster: the same node as in a tab, with
 * capacity 0. `--port N` (or PORT), `--data FOLDER`, `--static FOLDER`. Prints its address and the invite link. The secret is printed here and goes
 * nowhere else.
 */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { defaultConfig, defaultParameters } from "../src/core/config.ts";
import { TabringError } from "../src/core/errors.ts";
import { Driver } from "../src/driver/driver.ts";
import type { Clock, Storage } from "../src/driver/ports.ts";
import { FileStorage } from "./file-storage.ts";
import { seedIdentity } from "./seed-identity.ts";
import { SeedTransport } from "./seed-transport.ts";
import { startServer } from "./server.ts";

const clock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

class UsageError extends TabringError {
  override readonly name: string = "UsageError";
  constructor(message: string) {
    super("usage", message);
  }
}

function settings() {
  let values: { port?: string | undefined; data?: string | undefined; static?: string | undefined };
  try {
    const options = { port: { type: "string" }, data: { type: "string" }, static: { type: "string" } } as const;
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new UsageError(`${String(error)}. Nothing was started. Use --port N, --data FOLDER, --static FOLDER.`);
  }
  const given = values.port ?? process.env["PORT"] ?? "8787";
  const port = Number(given);
  if (!/^\d{1,5}$/.test(given) || port > 65_535)
    throw new UsageError(
      `The port is ${JSON.stringify(given)}, but must be a number from 0 to 65535 (0 takes any that is free). Nothing was started.`,
    );
  const staticFolder = values.static ?? join(dirname(fileURLToPath(import.meta.url)), "..", "app", "dist");
  return { port, data: values.data ?? ".tabring", staticFolder };
}

/** The same storage, already open. */
function opened(storage: Storage): Storage {
  return {
    open: () => Promise.resolve(),
    read: (reads) => storage.read(reads),
    commit: (writes, durability) => storage.commit(writes, durability),
    scan: (store, range) => storage.scan(store, range),
    close: () => storage.close(),
  };
}

async function main(): Promise<void> {
  const { port, data, staticFolder } = settings();
  const server = await startServer({ port, ...(existsSync(staticFolder) ? { staticFolder } : {}) });
  const say = (text: string) => process.stdout.write(`${text}\n`);
  let driver: Driver | undefined;
  try {
    const storage = new FileStorage({ folder: data, onNotice: say });
    await storage.open();
    const identity = await seedIdentity(storage);
    const { node, cluster, secret } = identity;
    const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
    driver = new Driver({
      id: node,
      config: { ...defaultConfig, capacity: 0, zone: "seed" },
      storage: opened(storage),
      transport: new SeedTransport({
        self: node,
        cluster,
        secret: Buffer.from(secret, "base64url"),
        room: server.attachSeed(cluster, node),
        clock,
        random,
      }),
      clock,
      random,
      seeds: [],
      onRefused: (error, peer) => say(`Refused ${peer?.slice(0, 6) ?? "somebody"}: ${error.message}`),
    });
    await driver.open();
    // The one explicit act: only at the very first start. A node that has a view ignores it.
    if (identity.fresh || driver.view === undefined) driver.found(defaultParameters);
    say(`Tabring is at ${server.address}`);
    say(`Invite: ${server.address}#/shop?cluster=${cluster}&secret=${secret}`);
    say("Open the invite link in several tabs. Ctrl-C stops the server; the tabs go on without it.");
  } catch (error) {
    await server.close();
    throw error;
  }
  const running = driver;
  const stop = () => {
    void running
      .close()
      .then(() => server.close())
      .then(() => process.exit(0));
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof TabringError ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exit(1);
});
