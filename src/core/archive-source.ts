/**
 * The giving side of an archive and of a look back: a member reads pages of what it keeps of a partition: hints for others, its records, records that
 * were replaced. One state: a page is being read from the disk.
 *
 * Records are given only by one who answers reads of the partition, for the same reasons; hints and history by every member, because whoever keeps
 * them is the only one who knows. A page with a record that could not be read is refused, not shortened; a damaged one is left out and counted.
 *
 * What the asker has already, by its digest, is read and not sent: so the second and third holder of a partition cost a digest a record.
 *
 * Limits: `PAGES_MAX` pages at once; beyond it the asker is refused and comes again. A page holds RECORDS_PER_PAGE_MAX records and
 * `transferPageBytesMax`.
 */

import { keyOfRecord, parseHintAddress, parseHistoryAddress, partitionRange } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Epoch, Key, Millis, NodeId, Partition, Ticket } from "./identifiers.ts";
import { memberOf } from "./membership.ts";
import { type Digest, recordDigest } from "./merkle-forest.ts";
import type { ArchivePage, ArchiveRequest, ArchiveStore } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const PAGES_MAX = 64;
const RECORDS_PER_PAGE_MAX = 256;

export interface ArchiveSourceActions {
  /** Whether this node answers reads of the partition. */
  answersFor(partition: Partition): boolean;
  /** From when on this node's history lacks nothing. */
  coveredFrom(): Millis;
  /** `epoch`: the asker's, when it asked. The asker may be this node itself. */
  reply(to: NodeId, page: ArchivePage, epoch: Epoch): void;
}

interface Scan {
  readonly to: NodeId;
  readonly epoch: Epoch;
  readonly asked: ArchiveRequest;
}

export class ArchiveSource {
  readonly #in: Surroundings;
  readonly #do: ArchiveSourceActions;
  readonly #scans = new Map<Ticket, Scan>();

  constructor(surroundings: Surroundings, actions: ArchiveSourceActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#scans.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#scans;
  }

  onRequest(from: NodeId, asked: ArchiveRequest): void {
    const { ring } = this.#in;
    const scan: Scan = { to: from, epoch: this.#in.epochOf(from), asked };
    const partitions = ring?.view.claims.length ?? 0;
    const willing =
      ring !== undefined &&
      memberOf(ring.view, from) !== undefined &&
      asked.partition < partitions &&
      (asked.store !== "records" || this.#do.answersFor(asked.partition)) &&
      this.#scans.size < PAGES_MAX;
    if (!willing) {
      this.#refuse(scan);
      return;
    }
    const range = partitionRange(asked.partition, partitions);
    // The first address behind the last that is wanted.
    const end = asked.through === undefined ? range.before : `${asked.through}\u0000`;
    const ticket = this.#in.nextTicket();
    this.#scans.set(ticket, scan);
    this.#in.emit({
      kind: "scan",
      ticket,
      store: asked.store,
      after: asked.after > range.after ? asked.after : range.after,
      before: end < range.before ? end : range.before,
      countMax: RECORDS_PER_PAGE_MAX,
      bytesMax: Math.min(asked.bytesMax, this.#in.config.transferPageBytesMax),
    });
  }

  /** True when the scan was one of this mechanism's. */
  onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const scan = this.#scans.get(ticket);
    if (scan === undefined) return false;
    this.#scans.delete(ticket);
    const { asked } = scan;
    // It may have stopped answering while the disk was read.
    const answers = asked.store !== "records" || this.#do.answersFor(asked.partition);
    if (!answers || entries.some(({ record }) => record === "failed")) {
      this.#refuse(scan);
      return true;
    }
    const known = new Map<Key, Digest>(asked.known.map(({ key, digest }) => [key, digest]));
    const wanted = entries.filter(({ address }) => keyAt(asked.store, address).startsWith(asked.prefix));
    const records = wanted.flatMap(({ address, record }) => {
      if (typeof record === "string") return [];
      const key = keyAt(asked.store, address);
      if (asked.store === "history" && !mayHaveStood(address, record.set.siblings, asked.moment)) return [];
      return known.get(key) === recordDigest(key, record.set) ? [] : [{ key, set: record.set }];
    });
    const damaged = wanted.filter(({ record }) => record === "damaged").length;
    this.#reply(scan, { outcome: "page", records, damaged, next: done ? undefined : entries.at(-1)?.address });
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    const scan = this.#scans.get(ticket);
    if (scan === undefined) return false;
    this.#scans.delete(ticket);
    this.#refuse(scan);
    return true;
  }

  #refuse(scan: Scan): void {
    this.#reply(scan, { outcome: "refused", records: [], damaged: 0, next: undefined });
  }

  #reply({ to, epoch, asked }: Scan, page: Pick<ArchivePage, "outcome" | "records" | "damaged" | "next">): void {
    const { ring } = this.#in;
    const digest = ring?.digest ?? 0;
    const sameRing = ring === undefined || digest === asked.ring || asked.partition >= ring.view.claims.length;
    const counted = sameRing ? [] : ring.preferenceList(asked.partition).counted;
    const coveredFrom = asked.store === "history" ? this.#do.coveredFrom() : 0;
    const reply = {
      kind: "archive-page",
      request: asked.request,
      ring: digest,
      ...page,
      counted,
      coveredFrom,
    } as const;
    this.#do.reply(to, reply, epoch);
  }
}

function keyAt(store: ArchiveStore, address: string): Key {
  if (store === "records") return keyOfRecord(address);
  return store === "hints" ? parseHintAddress(address).key : parseHistoryAddress(address).key;
}

/** Replaced later than `moment`, and made of nothing that was written later. */
function mayHaveStood(address: string, siblings: readonly { readonly at: Millis }[], moment: Millis): boolean {
  return parseHistoryAddress(address).until > moment && siblings.every(({ at }) => at <= moment);
}
