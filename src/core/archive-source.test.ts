/** The giving side of an archive alone: node 1 gives node 2 pages of partition 0; the test is its disk. */

import { beforeEach, expect, test } from "vitest";
import { hintAddress, historyAddress, partitionOf, partitionRange, positionOf, recordAddress } from "./address.ts";
import { ArchiveSource } from "./archive-source.ts";
import { type DvvSet, EMPTY } from "./dvvset.ts";
import type { Effect, ReadRecord } from "./effect.ts";
import type { Epoch, Key, Millis, NodeId, Partition } from "./identifiers.ts";
import { recordDigest } from "./merkle-forest.ts";
import type { ArchivePage, ArchiveRequest } from "./message.ts";
import { StubSurroundings, freshWrite, nodeNamed, viewOf } from "./stub-surroundings.ts";

const PAGES_MAX = 64;
const PARTITIONS = 8;
const [SELF, OTHER, STRANGER] = [1, 2, 9].map(nodeNamed) as [NodeId, NodeId, NodeId];
const view = viewOf({ nodes: 3, n: 2, r: 1, w: 1, partitions: PARTITIONS });
const [ADA, BEN, CAT] = Array.from({ length: 200 }, (_, i) => `carts/${i}` as Key)
  .filter((key) => partitionOf(positionOf(key), PARTITIONS) === 0)
  .sort((a, b) => (positionOf(a) < positionOf(b) ? -1 : 1)) as [Key, Key, Key];
const at = (key: Key): string => recordAddress(key, positionOf(key));
const RANGE = partitionRange(0, PARTITIONS);

const entry = (address: string, record: DvvSet | "failed" | "damaged"): { address: string; record: ReadRecord } => ({
  address,
  record: typeof record === "string" ? record : { set: record, minted: undefined },
});

let around: StubSurroundings;
let source: ArchiveSource;
let answers: Set<Partition>;
let given: { readonly to: NodeId; readonly page: ArchivePage; readonly epoch: Epoch }[];

beforeEach(() => {
  around = new StubSurroundings(SELF, view);
  answers = new Set([0]);
  given = [];
  source = new ArchiveSource(around, {
    answersFor: (partition) => answers.has(partition),
    coveredFrom: () => 77,
    reply: (to, page, epoch) => given.push({ to, page, epoch }),
  });
});

function ask(what: Partial<ArchiveRequest> = {}, from = OTHER): void {
  source.onRequest(from, {
    kind: "archive-request",
    request: 5,
    ring: around.ring?.digest ?? 0,
    partition: 0,
    store: "records",
    prefix: "",
    moment: 0,
    after: "",
    through: undefined,
    bytesMax: 1_000_000,
    known: [],
    ...what,
  });
}

const scans = () =>
  around.effects.splice(0).filter((effect): effect is Extract<Effect, { kind: "scan" }> => effect.kind === "scan");

/** The one page that is being read. */
function read(entries: readonly { address: string; record: ReadRecord }[], done = true): ArchivePage {
  const [scan, ...others] = scans();
  expect(others).toEqual([]);
  expect(source.onScanned(scan!.ticket, entries, done)).toBe(true);
  return given.at(-1)!.page;
}

test("a page has what the disk has of the partition, by the epoch of the asker as it asked, and says where the next begins", () => {
  ask();
  expect(source.size).toBe(1);
  const [ada, ben] = [freshWrite(), freshWrite()];
  const page = read([entry(at(ADA), ada), entry(at(BEN), ben)], false);
  expect(page).toEqual({
    kind: "archive-page",
    request: 5,
    ring: around.ring!.digest,
    outcome: "page",
    counted: [],
    records: [
      { key: ADA, set: ada },
      { key: BEN, set: ben },
    ],
    damaged: 0,
    next: at(BEN),
    coveredFrom: 0,
  });
  expect([given[0]!.to, given[0]!.epoch, source.size]).toEqual([OTHER, around.epochOf(OTHER), 0]);
  ask({ after: at(BEN) });
  expect(read([entry(at(CAT), freshWrite())]).next).toBeUndefined();
});

test("it is read from where the asker goes on to where it wants no more, and never beyond the partition", () => {
  const bounds = (what: Partial<ArchiveRequest>) => {
    ask(what);
    const [{ after, before }] = scans() as [Extract<Effect, { kind: "scan" }>];
    return { after, before };
  };
  expect(bounds({})).toEqual(RANGE);
  expect(bounds({ after: at(ADA) })).toEqual({ after: at(ADA), before: RANGE.before });
  const { after, before } = bounds({ after: at(ADA), through: at(BEN) });
  expect([after < at(BEN), at(BEN) < before, before <= at(CAT)]).toEqual([true, true, true]);
  expect(bounds({ partition: 0, after: "", through: "zzz" })).toEqual(RANGE);
  answers.add(1);
  expect(bounds({ partition: 1, after: at(ADA) })).toEqual(partitionRange(1, PARTITIONS));
});

test("no page is larger than the asker wants, nor than this node gives", () => {
  const bytes = (bytesMax: number) => {
    ask({ bytesMax });
    return scans().map((scan) => scan.bytesMax);
  };
  const { transferPageBytesMax } = around.config;
  expect(bytes(10)).toEqual([10]);
  expect(bytes(transferPageBytesMax + 1)).toEqual([transferPageBytesMax]);
});

test("records are given by those who answer reads, before and after the disk was read; hints and history by all", () => {
  answers.clear();
  ask();
  expect(given.map(({ page }) => page.outcome)).toEqual(["refused"]);
  for (const store of ["hints", "history"] as const) {
    ask({ store });
    expect(read([]).outcome).toBe("page");
  }
  answers.add(0);
  ask();
  const [scan] = scans();
  answers.clear();
  source.onScanned(scan!.ticket, [entry(at(ADA), freshWrite())], true);
  expect(given.at(-1)!.page).toMatchObject({ outcome: "refused", records: [] });
});

test("strangers, partitions that there are not, and a node without a cluster are refused", () => {
  ask({}, STRANGER);
  ask({ partition: PARTITIONS, store: "hints" });
  around.ring = undefined;
  ask();
  expect(given.map(({ to, page }) => [to, page.outcome])).toEqual([
    [STRANGER, "refused"],
    [OTHER, "refused"],
    [OTHER, "refused"],
  ]);
  expect(scans()).toEqual([]);
});

test("so many pages at once, and beyond them none", () => {
  for (let i = 0; i <= PAGES_MAX; i++) ask();
  expect([scans().length, source.size, given.length]).toEqual([PAGES_MAX, PAGES_MAX, 1]);
  expect(given[0]!.page.outcome).toBe("refused");
});

test("a record that could not be read makes a refusal, a damaged one is counted, a disk that fails refuses", () => {
  ask();
  expect(read([entry(at(ADA), freshWrite()), entry(at(BEN), "failed")])).toMatchObject({
    outcome: "refused",
    records: [],
  });
  ask({ prefix: ADA });
  expect(read([entry(at(ADA), "damaged"), entry(at(CAT), "damaged")])).toMatchObject({ outcome: "page", damaged: 1 });
  ask();
  const [scan] = scans();
  expect(source.onFailed(scan!.ticket + 1)).toBe(false);
  expect(source.onFailed(scan!.ticket)).toBe(true);
  expect(given.at(-1)!.page.outcome).toBe("refused");
  expect(source.onScanned(scan!.ticket, [], true)).toBe(false);
});

test("what has another prefix, and what the asker has already, is not sent, and the next page begins behind it all the same", () => {
  const [ada, ben, cat] = [freshWrite(), freshWrite(), freshWrite()];
  ask({
    known: [
      { key: ADA, digest: recordDigest(ADA, ada) },
      { key: BEN, digest: recordDigest(BEN, cat) },
    ],
  });
  const page = read([entry(at(ADA), ada), entry(at(BEN), ben)], false);
  expect([page.records.map(({ key }) => key), page.next]).toEqual([[BEN], at(BEN)]);
  ask({ prefix: "sessions/" });
  expect(read([entry(at(ADA), ada), entry(at(BEN), ben)], false)).toMatchObject({ records: [], next: at(BEN) });
});

test("hints and history are known by their own addresses; of the history goes what may have stood at the moment", () => {
  const set = freshWrite();
  ask({ store: "hints", prefix: ADA });
  expect(read([entry(hintAddress(ADA, positionOf(ADA), OTHER), set)]).records).toEqual([{ key: ADA, set }]);

  ask({ store: "history", moment: 100 });
  const replaced = (writtenAt: Millis, until: Millis) => {
    const of = freshWrite(EMPTY, writtenAt);
    return entry(historyAddress(ADA, positionOf(ADA), until, 1), of);
  };
  const rows = [replaced(50, 99), replaced(50, 100), replaced(50, 101), replaced(100, 101), replaced(101, 200)];
  const page = read(rows);
  expect(page.records.map((record) => record.set)).toEqual(
    [rows[2]!, rows[3]!].map(({ record }) => (record as { set: DvvSet }).set),
  );
  expect(page.coveredFrom).toBe(77);
});

test("who asks by another ring is told by which this one goes, and who counts", () => {
  ask({ ring: around.ring!.digest + 1 });
  const page = read([]);
  expect(page.ring).toBe(around.ring!.digest);
  expect(page.counted).toEqual(around.ring!.preferenceList(0).counted);
});
