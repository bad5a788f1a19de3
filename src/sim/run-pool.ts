/**
 * Runs seeds in several processes at once. Seeds are given out one by one in their order; after a failure no more are, and those under way are waited for:
 * so the lowest seed that failed is the one that would have failed first in a single process.
 *
 * What is between the processes: a seed goes out (`SeedOrder`), its outcome comes back (`SeedReport`). `run-pool-worker.ts` is the other end.
 */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SeedOptions, SeedOutcome } from "./swarm.ts";

export interface SeedOrder {
  readonly seed: number;
  readonly options: SeedOptions;
  /** It runs twice, and both transcripts must be the same. */
  readonly twice: boolean;
}

export interface SeedReport {
  readonly outcome: SeedOutcome;
  readonly same: boolean;
}

const WORKER = fileURLToPath(new URL("run-pool-worker.ts", import.meta.url));

/**
 * `report` is called for each seed as it ends, in any order; what it returns says whether to go on. Resolves when none is under way any more.
 *
 * @throws Error when a process ends before it has answered: the harness itself threw.
 */
export async function runInPool(
  orders: Iterable<SeedOrder>,
  processes: number,
  report: (report: SeedReport) => boolean,
): Promise<void> {
  const queue = orders[Symbol.iterator]();
  let goesOn = true;
  const work = async (): Promise<void> => {
    const child = fork(WORKER, { execArgv: ["--import", "tsx"], serialization: "advanced" });
    try {
      for (let next = queue.next(); goesOn && next.done !== true; next = queue.next())
        goesOn = report(await askOf(child, next.value)) && goesOn;
    } finally {
      child.kill();
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
}

function askOf(child: ChildProcess, order: SeedOrder): Promise<SeedReport> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`seed ${order.seed}: its process ended with ${code ?? "a signal"}`));
    };
    child.once("exit", onExit);
    child.once("message", (report) => {
      child.off("exit", onExit);
      resolve(report as SeedReport);
    });
    child.send(order);
  });
}
