/**
 * Tabs die in the middle of their writes: some, others, and at last all at the same moment. What is on their disks afterwards is checked as a whole: every
 * acknowledged write is there, nothing is torn, nothing was made up, and nobody keeps what is owed to another (Amazon DynamoDB, ATC 2022, section 6:
 * power-off tests).
 *
 * A renderer that crashes loses all that was in its memory, and leaves transactions unfinished. What the operating system had in its own caches is not
 * lost with it; the simulator does that.
 */

import { expect, test } from "@playwright/test";
import { type Cluster, type Tab, idsOf, openCluster, waitUntil } from "./cluster.ts";

const TABS = 5;
/** Puts under way at each tab. */
const LANES = 8;
/** Acknowledgements between one death and the next. */
const WRITES = 200;

declare global {
  interface Window {
    /** Tells the test, which outlives the page. */
    acknowledged?: (key: string) => Promise<void>;
    writing?: boolean;
  }
}

let cluster: Cluster;
const acknowledged = new Set<string>();
let runs = 0;

test.beforeEach(async () => {
  cluster = await openCluster({ tabs: TABS });
  acknowledged.clear();
  await cluster.context.exposeBinding("acknowledged", (_, key: string) => void acknowledged.add(key));
});
test.afterEach(() => cluster.close());

/** Writes on and on through this tab, and tells of each acknowledgement. */
async function writeOn(tab: Tab): Promise<void> {
  const run = `run-${++runs}`;
  await tab.page.evaluate(
    ({ run, lanes }) => {
      const { store } = window.tabring!;
      window.writing = true;
      const lane = async (first: number): Promise<void> => {
        for (let n = first; window.writing; n += lanes) {
          const key = `power/${run}-${n}`;
          try {
            await store.put(key, new TextEncoder().encode(`value of ${key}`));
            await window.acknowledged!(key);
          } catch {
            // Of unknown outcome, as others die; the next one is another key.
          }
        }
      };
      for (let first = 0; first < lanes; first++) void lane(first);
    },
    { run, lanes: LANES },
  );
}

async function manyMoreAcknowledged(): Promise<void> {
  const before = acknowledged.size;
  await waitUntil(() => acknowledged.size >= before + WRITES, { what: `${WRITES} more writes are acknowledged` });
}

async function killAll(tabs: readonly Tab[]): Promise<void> {
  await Promise.all(tabs.map((tab) => cluster.killTab(tab)));
}

/** The highest number that was acknowledged of each run. */
function runsOf(keys: Iterable<string>): Map<string, number> {
  const highest = new Map<string, number>();
  for (const key of keys) {
    const [, run = "", n = ""] = /^power\/(run-\d+)-(\d+)$/.exec(key) ?? [];
    highest.set(run, Math.max(highest.get(run) ?? 0, Number(n)));
  }
  return highest;
}

/** What this tab reads of these keys, with all replicas asked: for each its values. */
function readAll(tab: Tab, keys: readonly string[]): Promise<[string, string[]][]> {
  return tab.page.evaluate(async (keys) => {
    const { store } = window.tabring!;
    const read: [string, string[]][] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < keys.length) {
        const key = keys[next++]!;
        const { values } = await store.get(key, { r: 3, timeoutMs: 20_000 });
        read.push([key, values.map((value) => new TextDecoder().decode(value))]);
      }
    };
    await Promise.all(Array.from({ length: 16 }, lane));
    return read;
  }, keys);
}

test("tabs are killed in the middle of their writes, at last all at once: nothing acknowledged is missing, nothing is torn", async () => {
  test.setTimeout(240_000);
  const ids = await idsOf(cluster.tabs);
  for (const tab of cluster.tabs) await writeOn(tab);

  for (let round = 0; round < 2; round++) {
    await manyMoreAcknowledged();
    await killAll(cluster.tabs.slice(0, 2));
    await manyMoreAcknowledged();
    for (let i = 0; i < 2; i++) await writeOn(await opened());
  }
  await cluster.settled();
  await manyMoreAcknowledged();
  await killAll([...cluster.tabs]);

  for (let i = 0; i < TABS; i++) await cluster.openTab();
  await cluster.settled();
  expect(await idsOf(cluster.tabs), "the same nodes, with their disks").toEqual(ids);
  await waitUntil(async () => (await cluster.hints()) === 0, { what: "all hints are handed over" });

  // Those that were under way when their tab died, too: there as a whole, or not at all.
  const keys = [...runsOf(acknowledged)].flatMap(([run, highest]) =>
    Array.from({ length: highest + 4 * LANES }, (_, n) => `power/${run}-${n}`),
  );
  for (const tab of cluster.tabs.slice(0, 2)) {
    const wrong = (await readAll(tab, keys)).filter(([key, values]) =>
      values.length === 0 ? acknowledged.has(key) : values.length > 1 || values[0] !== `value of ${key}`,
    );
    expect(wrong).toEqual([]);
  }
  expect(acknowledged.size).toBeGreaterThan(5 * WRITES - 1);
});

/** One more tab, when its store is open and knows its cluster. */
async function opened(): Promise<Tab> {
  const tab = await cluster.openTab();
  await tab.opened();
  await tab.page.evaluate(() => window.tabring!.store.ready());
  return tab;
}
