/**
 * The first benchmark: three tabs, YCSB's workload A or B on 900-byte items, N=3, R=2, W=2, a closed loop with 1 and with 32 requests in flight; the store
 * beside a floor written by hand (floor.ts), round by round in turns, so that both see the same machine. It reports and asserts nothing.
 *
 *   npm run bench -- [--workload a] [--quick] [--json] [--profile]
 *
 * --workload b: 95 of 100 requests are reads; a: half of them. --quick: 1,000 keys and 3 short rounds instead of 10,000 and 7 longer ones. --json: the figures as one line, the last of the output, instead of a
 * table. --profile: also where the time of a tab goes, with 32 in flight.
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { defaultParameters } from "../../src/core/config.ts";
import { VALUE_BYTES, type Workload } from "./closed-loop.ts";
import { type Figures, figuresOf, type Grouping, groupingOf, medians, ratios, rounded } from "./figures.ts";
import type { SystemName } from "./page.ts";
import { type Profile, profile } from "./profile.ts";
import { openTabs, type Tabs } from "./tabs.ts";

const SYSTEMS: readonly SystemName[] = ["tabring", "floor"];
const IN_FLIGHT = [1, 32] as const;
const IN_FLIGHT_MOST = 32;
const WARM_UP_MS = 1_000;
const FUNCTIONS_SHOWN = 25;

interface Plan {
  readonly keys: number;
  readonly rounds: number;
  readonly roundMs: number;
}
const QUICK: Plan = { keys: 1_000, rounds: 3, roundMs: 2_000 };
const WHOLE: Plan = { keys: 10_000, rounds: 7, roundMs: 4_000 };

interface Result {
  readonly inFlight: number;
  readonly tabring: Figures & Grouping;
  readonly floor: Figures & Grouping;
  /** Tabring's figures over the floor's: above 1 is more throughput, more milliseconds, more processor time. */
  readonly ratio: Figures;
}

class Bench {
  readonly #tabs: Tabs;
  readonly #plan: Plan;
  readonly #workload: Workload;
  #seed = 0;

  constructor(tabs: Tabs, plan: Plan, workload: Workload) {
    this.#tabs = tabs;
    this.#plan = plan;
    this.#workload = workload;
  }

  async prepare(): Promise<void> {
    const { pages } = this.#tabs;
    for (const system of SYSTEMS) {
      await pages[0]!.evaluate(([name, keys]) => window.bench.load(name, keys), [system, this.#plan.keys] as const);
      await this.#round(system, IN_FLIGHT_MOST, this.#nextSeed(), WARM_UP_MS);
    }
  }

  /** All rounds, the systems in turns, and who goes first in turns. */
  async results(): Promise<Result[]> {
    const rounds = IN_FLIGHT.map((): Record<SystemName, Figures[]> => ({ floor: [], tabring: [] }));
    for (let number = 1; number <= this.#plan.rounds; number++)
      for (const [i, inFlight] of IN_FLIGHT.entries()) {
        progress(`round ${number} of ${this.#plan.rounds}, ${inFlight} in flight`);
        const seed = this.#nextSeed();
        for (const system of number % 2 === 0 ? SYSTEMS : SYSTEMS.toReversed())
          rounds[i]![system].push(await this.#round(system, inFlight, seed));
      }
    const results: Result[] = [];
    for (const [i, inFlight] of IN_FLIGHT.entries()) {
      const { tabring, floor } = rounds[i]!;
      results.push({
        inFlight,
        tabring: { ...medians(tabring), ...(await this.#grouping("tabring", inFlight)) },
        floor: { ...medians(floor), ...(await this.#grouping("floor", inFlight)) },
        ratio: ratios(tabring, floor),
      });
    }
    return results;
  }

  profile(): Promise<Profile> {
    const { pages, builtFolder } = this.#tabs;
    return profile(pages[0]!, builtFolder, () => this.#round("tabring", IN_FLIGHT_MOST, this.#nextSeed()));
  }

  async #round(
    system: SystemName,
    inFlight: number,
    seed: number,
    durationMs = this.#plan.roundMs,
  ): Promise<Figures & { readonly requests: number }> {
    const { pages, cpuSeconds } = this.#tabs;
    const { keys } = this.#plan;
    const before = await cpuSeconds();
    const samples = await Promise.all(
      pages.flatMap((page, tab) => {
        // The loops are dealt to the tabs in turn.
        const share = Math.ceil((inFlight - tab) / pages.length);
        if (share === 0) return [];
        const round = { workload: this.#workload, inFlight: share, durationMs, keys, seed: seed + tab };
        return [page.evaluate(([name, each]) => window.bench.run(name, each), [system, round] as const)];
      }),
    );
    const requests = samples.reduce((sum, { gets, puts }) => sum + gets.length + puts.length, 0);
    return { ...figuresOf(samples, (await cpuSeconds()) - before), requests };
  }

  /** A round of its own, because counting costs time. */
  async #grouping(system: SystemName, inFlight: number): Promise<Grouping> {
    const { pages } = this.#tabs;
    for (const page of pages) await page.evaluate((name) => window.bench.count(name), system);
    const { requests } = await this.#round(system, inFlight, this.#nextSeed(), WARM_UP_MS);
    const traffic = await Promise.all(pages.map((page) => page.evaluate((name) => window.bench.counted(name), system)));
    return groupingOf(traffic, requests);
  }

  #nextSeed(): number {
    return (this.#seed += this.#tabs.pages.length);
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

const ROWS: readonly (readonly [keyof Figures | keyof Grouping, string])[] = [
  ["throughput", "requests a second"],
  ["getP50Ms", "get, p50, ms"],
  ["getP99Ms", "get, p99, ms"],
  ["putP50Ms", "put, p50, ms"],
  ["putP99Ms", "put, p99, ms"],
  ["cpuMicrosPerRequest", "processor time a request, µs"],
  ["recordsPerTransaction", "records a write transaction"],
  ["readsPerTransaction", "records a read transaction"],
  ["transactionsPerRequest", "transactions a request"],
  ["messagesPerFrame", "messages a frame"],
  ["framesPerRequest", "frames a request"],
  ["bytesPerRequest", "bytes sent a request"],
];

function table({ inFlight, tabring, floor, ratio }: Result): string {
  const cell = (value: number | undefined): string =>
    (value === undefined ? "" : (rounded(value)?.toLocaleString("en") ?? "none")).padStart(10);
  const line = (label: string, cells: readonly string[]): string => `  ${label.padEnd(30)}${cells.join("")}`;
  const rows = ROWS.map(([name, label]) =>
    line(label, [
      cell(tabring[name]),
      cell(floor[name]),
      cell(name in ratio ? ratio[name as keyof Figures] : undefined),
    ]),
  );
  const head = line(
    `${inFlight} in flight`,
    ["tabring", "floor", "ratio"].map((text) => text.padStart(10)),
  );
  return [head, ...rows].join("\n");
}

function profileTable({ durationMs, busy, sources, packages, functions }: Profile): string {
  const rows = functions
    .slice(0, FUNCTIONS_SHOWN)
    .map(({ name, place, selfMs, share }) =>
      `${selfMs.toFixed(0).padStart(6)} ms ${(share * 100).toFixed(1).padStart(5)} %  ${name.padEnd(32)} ${place}`.trimEnd(),
    );
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const whole =
    `One tab of tabring, ${IN_FLIGHT_MOST} in flight: ${durationMs.toFixed(0)} ms, busy ${percent(busy)}; of that ` +
    `${percent(sources)} in src, ${percent(packages)} in packages, the rest the browser's own. Self time:`;
  return [whole, ...rows].join("\n");
}

async function main(): Promise<void> {
  const option = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    options: { workload: { type: "string", default: "a" }, quick: option, json: option, profile: option },
  });
  const { workload } = values;
  if (workload !== "a" && workload !== "b") throw new Error(`--workload is a or b, not ${workload}`);
  const plan = values.quick ? QUICK : WHOLE;
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  progress("starting");
  const tabs = await openTabs();
  try {
    const bench = new Bench(tabs, plan, workload);
    await bench.prepare();
    const results = await bench.results();
    const { n, r, w } = defaultParameters;
    const setting = {
      benchmark: `ycsb-${workload}`,
      tabs: tabs.pages.length,
      browser: tabs.browserVersion,
      processors: availableParallelism(),
      n,
      r,
      w,
      keys: plan.keys,
      keyDistribution: "uniform",
      valueBytes: VALUE_BYTES,
      rounds: plan.rounds,
      roundMs: plan.roundMs,
    };
    progress("");
    if (values.profile) say(profileTable(await bench.profile()));
    if (values.json)
      say(
        JSON.stringify({ ...setting, results }, (_, value: unknown) =>
          typeof value === "number" ? rounded(value) : value,
        ),
      );
    else {
      say(
        `YCSB ${workload.toUpperCase()}, ${plan.keys.toLocaleString("en")} uniform keys of ${VALUE_BYTES} bytes, N=${n} R=${r} W=${w}, ${setting.tabs} tabs of Chromium ${setting.browser} on ${setting.processors} processors; medians of ${plan.rounds} rounds of ${plan.roundMs / 1_000} s`,
      );
      for (const result of results) say(table(result));
    }
  } finally {
    await tabs.close();
  }
}

await main();
