/**
 * A damaged record is never served: at every door through which a record leaves a node, or comes to be counted on, what the disk calls damaged is shown to be
 * refused, left out or fetched anew. Comparison of trees and the scrub have theirs in tree-exchange.test.ts and scrub.test.ts, the bytes in
 * wire/codec.test.ts (received) and wire/record.test.ts (read).
 */

import { beforeEach, describe, expect, test } from "vitest";
import { hintAddress, partitionOf, positionOf, recordAddress } from "./address.ts";
import { type DvvSet, EMPTY, equal, update } from "./dvvset.ts";
import type { ReadRecord, RecordStore } from "./effect.ts";
import { HintIndex } from "./hint-index.ts";
import type { Actor, Key, OperationId } from "./identifiers.ts";
import { MerkleForest } from "./merkle-forest.ts";
import type { ClientWrite } from "./message.ts";
import { Replica } from "./replica.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";
import { TransferSource } from "./transfer-source.ts";

const [self, peer, owner] = [nodeNamed(1), nodeNamed(2), nodeNamed(3)];
const key = "carts/ada" as Key;
const actor = `${peer}0123456789abcdef` as Actor;
const version = (operation: string) => ({
  operation: operation.padStart(32, "0") as OperationId,
  at: 1,
  value: new Uint8Array([7]),
  checksum: 0,
});
const sound: DvvSet = update(EMPTY, [], actor, version("1")).set;
const origin = { kind: "get", request: 1 } as const;

class Fixture {
  readonly in = new StubSurroundings(self, viewOf({ nodes: 3, n: 3, r: 2, w: 2 }));
  readonly hints = new HintIndex();
  readonly replica = new Replica(this.in, this.hints, new MerkleForest());

  /** Answers all reads of the disk with what `find` says. */
  load(find: (store: RecordStore, address: string) => ReadRecord | undefined): void {
    for (const effect of this.in.effects.splice(0))
      if (effect.kind === "load")
        this.replica.onLoaded(
          effect.ticket,
          effect.reads.map(({ store, address }) => find(store, address)),
        );
      else this.in.effects.push(effect);
  }

  stores(): { store: string; address: string; record: unknown }[] {
    return this.in.effects.flatMap((effect) =>
      effect.kind === "store" ? effect.writes.flatMap((write) => ("address" in write ? [{ ...write }] : [])) : [],
    );
  }

  get outcomes(): string[] {
    return this.in.completions.splice(0).map((each) => (each.kind === "read" ? each.outcome : each.kind));
  }
}

let f: Fixture;
beforeEach(() => {
  f = new Fixture();
});

describe("a damaged record", () => {
  const damaged = (store: string): ReadRecord | undefined => (store === "records" ? "damaged" : undefined);

  test("is a failed read, for a caller's get and for a peer's exchange, and never 'missing'", () => {
    f.replica.read(key, origin);
    f.replica.readRecord(key, origin);
    f.load(damaged);
    f.replica.read(key, origin);
    expect(f.outcomes).toEqual(["failed", "failed", "failed"]);
    expect(f.in.notes).toEqual([{ what: "damaged", key }]);
  });

  test("is a failed read even where a hint knows something of the key", () => {
    f.hints.add(key, owner);
    f.replica.read(key, origin);
    f.load((store) => (store === "records" ? "damaged" : { set: sound, minted: undefined }));
    expect(f.outcomes).toEqual(["failed"]);
  });

  test("is replaced by what another replica sends, whole, and read again from then on", () => {
    f.replica.read(key, origin);
    f.load(damaged);
    f.replica.merge(key, sound, "repair", origin);
    f.replica.read(key, origin);
    const read = f.in.completions.at(-1)!;
    expect(read.kind === "read" && read.outcome === "found" && equal(read.set, sound)).toBe(true);
    expect(f.stores()).toEqual([
      expect.objectContaining({ store: "records", address: recordAddress(key, positionOf(key)) }),
    ]);
  });

  test("keeps no actor: what is minted over it is minted by a fresh one", () => {
    const write: ClientWrite = { ...version("2"), context: [], w: undefined, policy: "siblings" };
    f.replica.mint(key, write, 0, "record", origin);
    f.load(damaged);
    expect(f.in.notes.filter((note) => note.what === "minted")).toEqual([expect.objectContaining({ fresh: true })]);
  });
});

describe("a damaged hint", () => {
  test("is not delivered, and is let go: the owner's other replicas have the write", () => {
    f.hints.add(key, owner);
    f.replica.readHint(key, owner, { kind: "handoff", target: owner, key });
    f.load((store) => (store === "hints" ? "damaged" : undefined));
    expect(f.outcomes).toEqual(["missing"]);
    expect(f.stores()).toEqual([{ store: "hints", address: hintAddress(key, positionOf(key), owner), record: null }]);
  });
});

describe("a page of a transfer", () => {
  const partition = partitionOf(positionOf(key), 8);
  const other = "carts/bob" as Key;
  const addressOf = (of: Key) => recordAddress(of, positionOf(of));
  const ask = (records: readonly ReadRecord[]) => {
    const source = new TransferSource(f.in);
    source.onRequest(peer, { kind: "transfer-request", request: 5, partition, after: "", bytesMax: 1_000 });
    const [scan] = f.in.effects.splice(0);
    if (scan?.kind !== "scan") throw new Error("nothing is read");
    const entries = records.map((record, i) => ({ address: addressOf(i === 0 ? key : other), record }));
    source.onScanned(scan.ticket, entries, true);
    const [sent] = f.in.takeSent();
    return sent?.message;
  };

  test("leaves out what is damaged", () => {
    expect(ask(["damaged", { set: sound, minted: undefined }])).toMatchObject({
      outcome: "page",
      records: [{ key: other, set: sound }],
    });
  });

  test("is refused when something of it could not be read", () => {
    expect(ask(["failed", { set: sound, minted: undefined }])).toMatchObject({ outcome: "refused", records: [] });
  });

  test("waits for a slice, and is read when there is one, unless whoever asked is long gone", () => {
    const source = new TransferSource(f.in);
    const request = { kind: "transfer-request", request: 5, partition, after: "", bytesMax: 1_000 } as const;
    f.in.slices = 0;
    source.onRequest(peer, request);
    source.onRequest(owner, { ...request, request: 6 });
    expect([f.in.effects.length, source.size]).toEqual([0, 2]);
    f.in.slices = 1;
    source.onSlice();
    expect(f.in.effects.map((effect) => effect.kind)).toEqual(["scan"]);
    f.in.now += f.in.config.transferTimeoutMs;
    f.in.slices = 1;
    source.onSlice();
    expect([f.in.effects.length, source.size]).toEqual([1, 1]);
  });
});
