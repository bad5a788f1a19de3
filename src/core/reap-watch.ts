/**
 * The asked side of reaping (`reaping.ts` asks, and says why this is a proof): this node watches some keys for another one, and swears afterwards that
 * it had nothing of them all the while but what it was asked about. States of each watch, in order:
 *
 *   reading    what is on the disk of each key is being read; whatever is brought of a key from now on is noticed
 *   watching   answered: these keys are quiet, which is to say that the record is the very one that was asked about, or there is none, that no hint of
 *              the key is kept, and that nothing that could have another record of it in hand is under way
 *   renewing   all members watch, says the one who asked. New epochs are taken for all links
 *   proved     all peers use them, so that nothing is believed any more that was sent before; the keys that nobody has touched since the watch began are
 *              told. That answer stands, and is repeated if it is asked for again
 *
 * A watch is in memory alone, and has a name of its own: a node that has started anew since, or has forgotten it, does not know the name and swears to
 * nothing. So nothing has to be durable but the records themselves. It ends with the link to the one who asked, whose next start knows nothing of it.
 *
 * Limits: WATCHES_MAX watches; one older than WATCH_MS makes room for others.
 */

import type { DvvSet } from "./dvvset.ts";
import type { Epoch, Key, Millis, NodeId, RequestId } from "./identifiers.ts";
import { membersDigest } from "./membership.ts";
import { recordDigest } from "./merkle-forest.ts";
import type {
  ReapDrop,
  ReapProofReply,
  ReapProofRequest,
  ReapWatchReply,
  ReapWatchRequest,
  ReapedRecord,
} from "./message.ts";
import type { Completion, Surroundings } from "./surroundings.ts";

const WATCHES_MAX = 64;
const WATCH_MS = 30_000;

export interface WatchActions {
  /** Completes towards "reap-watch". */
  readRecord(key: Key, watch: string): void;
  /** Nothing is under way here that could have a record of the key in hand, and no hint of it is kept. */
  isIdle(key: Key): boolean;
  /** `onRenewed` is called when nothing is believed any more that was sent before now. May come at once. */
  renewEpochs(): void;
  /** Lets go of the record if it is still this one. */
  reap(record: ReapedRecord): void;
  /** Not when the peer has started anew since it asked, which was by this epoch. */
  answer(to: NodeId, message: ReapWatchReply | ReapProofReply, asked: Epoch): void;
}

interface Watch {
  readonly name: string;
  readonly asker: NodeId;
  /** By which the asker is addressed. */
  readonly epoch: Epoch;
  readonly request: RequestId;
  readonly since: Millis;
  readonly records: readonly ReapedRecord[];
  /** Not read yet. */
  readonly unread: Set<Key>;
  /** Keys that are not, or not any more, as they were asked about. */
  readonly touched: Set<Key>;
  renewing: boolean;
  proved: readonly number[] | undefined;
}

export class ReapWatch {
  readonly #in: Surroundings;
  readonly #do: WatchActions;
  /** Oldest first. */
  readonly #watches = new Map<string, Watch>();

  constructor(surroundings: Surroundings, actions: WatchActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#watches.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#watches;
  }

  /** Somebody brings a record of the key, mints one, or begins to collect what others have of it. */
  touched(key: Key): void {
    for (const watch of this.#watches.values())
      if (watch.records.some((record) => record.key === key)) watch.touched.add(key);
  }

  onWatchRequest(from: NodeId, { request, members, records }: ReapWatchRequest): void {
    for (const watch of this.#watches.values())
      if (watch.asker === from && watch.request === request) {
        this.#tell(watch);
        return;
      }
    const { ring, config, now } = this.#in;
    // Whom this node knows of and the asker does not, it may have given a record of the key that nobody would ask about.
    const isAllOfThem = ring !== undefined && membersDigest(ring.view) === members;
    if (config.reapAfterMs === Number.POSITIVE_INFINITY || !isAllOfThem || !this.#hasRoom()) {
      this.#do.answer(from, { kind: "reap-watch-reply", request, watch: "", quiet: [] }, this.#in.epochOf(from));
      return;
    }
    const keys = records.map((record) => record.key);
    const name = this.#in.random.hex(8);
    const watch: Watch = {
      name,
      asker: from,
      epoch: this.#in.epochOf(from),
      request,
      since: now,
      records,
      unread: new Set(keys),
      touched: new Set(),
      renewing: false,
      proved: undefined,
    };
    this.#watches.set(name, watch);
    for (const key of new Set(keys)) this.#do.readRecord(key, name);
  }

  onCompletion(completion: Completion): void {
    const { origin } = completion;
    if (origin.kind !== "reap-watch" || completion.kind !== "read") return;
    const watch = this.#watches.get(origin.watch);
    const record = watch?.records.find(({ key }) => key === origin.key);
    if (watch === undefined || record === undefined || !watch.unread.delete(record.key)) return;
    if (!isAsAsked(record, completion.outcome, completion.set)) watch.touched.add(record.key);
    this.#tell(watch);
  }

  onProofRequest(from: NodeId, { request, watch: name }: ReapProofRequest): void {
    const watch = this.#watches.get(name);
    if (watch?.asker !== from) {
      this.#do.answer(from, { kind: "reap-proof-reply", request, quiet: [] }, this.#in.epochOf(from));
      return;
    }
    const { proved, epoch } = watch;
    if (proved !== undefined) this.#do.answer(from, { kind: "reap-proof-reply", request, quiet: proved }, epoch);
    else if (!watch.renewing) {
      watch.renewing = true;
      this.#do.renewEpochs();
    }
  }

  /** All links have epochs that began when it was last asked for, or later. */
  onRenewed(): void {
    for (const watch of this.#watches.values()) {
      if (!watch.renewing || watch.proved !== undefined) continue;
      const { asker, epoch, request } = watch;
      watch.proved = untouched(watch);
      this.#do.answer(asker, { kind: "reap-proof-reply", request, quiet: watch.proved }, epoch);
    }
  }

  /** Whoever asked may have started anew when it is there again. */
  onPeerDown(peer: NodeId): void {
    for (const [name, { asker }] of this.#watches) if (asker === peer) this.#watches.delete(name);
  }

  onDrop({ watch, records }: ReapDrop): void {
    this.#watches.delete(watch);
    for (const record of records) this.#do.reap(record);
  }

  /** Once everything is read. What is under way is looked at only now: what came after the watch had begun was noticed. */
  #tell(watch: Watch): void {
    if (watch.unread.size > 0) return;
    for (const { key } of watch.records) if (!this.#do.isIdle(key)) watch.touched.add(key);
    const { asker, epoch, request, name } = watch;
    this.#do.answer(asker, { kind: "reap-watch-reply", request, watch: name, quiet: untouched(watch) }, epoch);
  }

  #hasRoom(): boolean {
    for (const [name, { since }] of this.#watches) {
      if (this.#in.now - since < WATCH_MS) break;
      this.#watches.delete(name);
    }
    return this.#watches.size < WATCHES_MAX;
  }
}

function isAsAsked({ key, digest }: ReapedRecord, outcome: string, set: DvvSet): boolean {
  return outcome === "missing" || (outcome === "found" && recordDigest(key, set) === digest);
}

function untouched({ records, touched }: Watch): number[] {
  return records.flatMap(({ key }, i) => (touched.has(key) ? [] : [i]));
}
