/**
 * The giving side of a transfer: a holder reads pages of a partition for a node that owns it now. States of a page, in order: waiting (for a slice of
 * background work), reading (from the disk).
 *
 * It refuses unless it holds the partition and sees the asker among the owners itself: from that moment on every write that passes here goes to the
 * asker as well, so that nothing falls between a page and the writes after it. A page with a record that cannot be read is refused, not shortened;
 * what is damaged is not here any more, and comes from the other holders.
 *
 * Limits: `PAGES_MAX` pages at once, waiting or read; beyond it the asker is refused and comes again.
 */

import { keyOfRecord, partitionRange } from "./address.ts";
import type { ReadRecord } from "./effect.ts";
import type { Epoch, Millis, NodeId, Partition, Ticket } from "./identifiers.ts";
import { holds, memberOf } from "./membership.ts";
import type { TransferPage, TransferRequest } from "./message.ts";
import type { Surroundings } from "./surroundings.ts";

const PAGES_MAX = 64;
const RECORDS_PER_PAGE_MAX = 256;

interface Scan {
  readonly to: NodeId;
  /** The asker's, when it asked. */
  readonly epoch: Epoch;
  readonly asked: TransferRequest;
  readonly askedAt: Millis;
}

export class TransferSource {
  readonly #in: Surroundings;
  readonly #scans = new Map<Ticket, Scan>();
  /** Asked for, and there was no slice yet. */
  #waiting: Scan[] = [];

  constructor(surroundings: Surroundings) {
    this.#in = surroundings;
  }

  get size(): number {
    return this.#scans.size + this.#waiting.length;
  }

  /** True when a page of the partition is being read. */
  concerns(partition: Partition): boolean {
    return [...this.#scans.values()].some(({ asked }) => asked.partition === partition);
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { scans: this.#scans, waiting: this.#waiting };
  }

  onRequest(from: NodeId, asked: TransferRequest): void {
    this.#begin({ to: from, epoch: this.#in.epochOf(from), asked, askedAt: this.#in.now });
  }

  /** A slice of background work is there for a page. Whoever asked too long ago has asked another one by now. */
  onSlice(): void {
    const { now, config } = this.#in;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const scan of waiting)
      if (scan.epoch === this.#in.epochOf(scan.to) && now - scan.askedAt < config.transferTimeoutMs) this.#begin(scan);
  }

  #begin(scan: Scan): void {
    const { ring, self, config } = this.#in;
    const { to, asked } = scan;
    const own = ring === undefined ? undefined : memberOf(ring.view, self);
    const partitions = ring?.view.claims.length ?? 0;
    const willing =
      ring !== undefined &&
      own !== undefined &&
      asked.partition < partitions &&
      holds(own, asked.partition) &&
      ring.owns(to, asked.partition) &&
      this.size < PAGES_MAX;
    if (!willing) {
      this.#reply(scan, "refused", [], undefined);
      return;
    }
    if (!this.#in.mayWork("pages")) {
      this.#waiting.push(scan);
      return;
    }
    const range = partitionRange(asked.partition, partitions);
    const ticket = this.#in.nextTicket();
    this.#scans.set(ticket, scan);
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: asked.after > range.after ? asked.after : range.after,
      before: range.before,
      countMax: RECORDS_PER_PAGE_MAX,
      bytesMax: Math.min(asked.bytesMax, config.transferPageBytesMax),
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
    const records = entries.flatMap(({ address, record }) =>
      typeof record === "string" ? [] : [{ key: keyOfRecord(address), set: record.set }],
    );
    if (entries.some(({ record }) => record === "failed")) this.#reply(scan, "refused", [], undefined);
    else this.#reply(scan, "page", records, done ? undefined : entries.at(-1)?.address);
    return true;
  }

  onFailed(ticket: Ticket): boolean {
    const scan = this.#scans.get(ticket);
    if (scan === undefined) return false;
    this.#scans.delete(ticket);
    this.#reply(scan, "refused", [], undefined);
    return true;
  }

  #reply(
    { to, epoch, asked }: Scan,
    outcome: TransferPage["outcome"],
    records: TransferPage["records"],
    next: string | undefined,
  ): void {
    const { request, partition } = asked;
    this.#in.send(to, { kind: "transfer-page", request, partition, outcome, records, next }, "background", epoch);
  }
}
