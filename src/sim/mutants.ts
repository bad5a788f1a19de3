/**
 * Deliberate bugs. The simulator is worth what it catches: each of these is the shipped source with one plausible slip, and some invariant must
 * notice it (`run-mutants.ts` runs them all). A mutant is a patch of text, not a switch, so that the shipped node carries no trace of it.
 *
 * A patch names a file below `src`, a snippet that stands in it exactly once, and what stands there instead. When the source changes and a
 * snippet no longer fits, `mutants.test.ts` says so.
 *
 * The list goes by mechanism, in the order of a write's life: minting, merging, the disk, the quorum, hints, links, membership, transfer, hand-over; then
 * what requests may ask for.
 */

import { assert } from "../base/assert.ts";
import type { Invariant } from "./checkers.ts";

export interface Patch {
  /** Below `src`, with `/` between. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant extends Patch {
  readonly name: string;
  /** The row of the list of known traps, or the section of the paper ("P 4.6") or of the design ("D 3"), that it stands for. */
  readonly trap: string;
  /** What the programmer got wrong. */
  readonly bug: string;
  /** The invariants that are expected to notice; another one counts as well. "step": the node threw or span. */
  readonly caughtBy: readonly (Invariant | "step")[];
  /** Where one slip shows in several places. */
  readonly also?: readonly Patch[];
}

/** Everything that a mutant changes. */
export function patchesOf({ file, find, replace, also = [] }: Mutant): readonly Patch[] {
  return [{ file, find, replace }, ...also];
}

/** The text of a file with the patch in it. The snippet must stand there exactly once, and its replacement must differ. */
export function patched(text: string, { file, find, replace }: Patch): string {
  const [before, after, ...more] = text.split(find);
  assert(before !== undefined && after !== undefined, `${file} does not contain: ${find}`);
  assert(more.length === 0, `${file} contains ${more.length + 1} times: ${find}`);
  assert(find !== replace, `${file} stays as it is`);
  return before + replace + after;
}

export const mutants: readonly Mutant[] = [
  // ---------------------------------------------------------------------------------------------- minting a dot: core/replica.ts, dvvset.ts

  {
    name: "actor-kept-over-restart",
    trap: "T1",
    bug: "the start of a node has no name of its own, so the actor kept with a record counts on although a write of it may have vanished in the crash",
    caughtBy: ["unique-dots", "no-vanishing"],
    file: "core/replica.ts",
    find: "this.#start = surroundings.random.hex(8);",
    replace: 'this.#start = "always";',
  },
  {
    name: "actor-kept-after-failed-store",
    trap: "T1",
    bug: "nobody knows what of a failed store is on disk, and yet the actor that minted it counts on",
    caughtBy: ["unique-dots", "no-vanishing"],
    file: "core/replica.ts",
    find: "this.#start = this.#in.random.hex(8);",
    replace: "",
  },
  {
    name: "actor-kept-after-drop",
    trap: "T1",
    bug: "one actor for each start of a node, so that it counts from 1 again after a hint was delivered or a record handed over",
    caughtBy: ["unique-dots", "no-vanishing"],
    file: "core/replica.ts",
    find: "actor: (this.#in.self + this.#in.random.hex(8)) as Actor",
    replace: "actor: (this.#in.self + this.#start) as Actor",
  },
  {
    name: "actors-drawn-alike",
    trap: "T1, T4",
    bug: "the host hands the node the same chance at each start, so that it draws the same actors again",
    caughtBy: ["unique-dots", "no-vanishing"],
    file: "sim/simulator.ts",
    find: "const seed: Seed = [prng.uint32(), prng.uint32(), prng.uint32(), prng.uint32()];",
    replace: "const seed: Seed = [1, 2, 3, 4];",
  },
  {
    name: "plain-version-vectors",
    trap: "T5",
    bug: "no dots: a version's clock is taken for its vector, so a sibling that the same actor wrote before is overwritten unseen (P 4.4)",
    caughtBy: ["no-vanishing"],
    file: "core/dvvset.ts",
    find: "sibling.dots.filter((own) => !covers(context, own))",
    replace: "sibling.dots.filter((own) => !covers(joinClocks(context, [dot]), own))",
  },
  {
    name: "put-replaces-unseen-siblings",
    trap: "T5, P 4.4",
    bug: "a put replaces what its coordinator has seen instead of what its caller had seen",
    caughtBy: ["no-vanishing"],
    file: "core/dvvset.ts",
    find: "sibling.dots.filter((own) => !covers(context, own))",
    replace: "sibling.dots.filter((own) => !covers(seen, own))",
  },
  {
    name: "operation-id-ignored",
    trap: "T8",
    bug: "a retry that reaches the same coordinator mints a second version",
    caughtBy: ["no-fabrication"],
    file: "core/replica.ts",
    find: "if (all.siblings.some((sibling) => sibling.operation === write.operation)) {",
    replace: 'if (write.operation === "") {',
  },
  {
    name: "put-answers-with-the-whole-clock",
    trap: "T5",
    bug: "the context that a put gives back also covers siblings that its caller never saw; the next put destroys them",
    caughtBy: ["no-vanishing", "no-lost-write"],
    file: "core/put-coordinator.ts",
    find: "if (set.siblings.length === 1) return set.clock;",
    replace: "if (set.siblings.length > 0) return set.clock;",
  },
  {
    name: "put-answers-with-a-gap",
    trap: "T5",
    bug: "the context that a put gives back has its own dot added, though a clock then also covers earlier dots of that actor that the caller never saw",
    caughtBy: ["no-vanishing", "no-lost-write"],
    file: "core/put-coordinator.ts",
    find: "if (dot === undefined || dot.counter - 1 > counterOf(before, dot.actor)) return before;",
    replace: "if (dot === undefined || dot.counter < counterOf(before, dot.actor)) return before;",
  },

  // ---------------------------------------------------------------------------------------------- merging: core/dvvset.ts, replica.ts

  {
    name: "merge-drops-what-is-news",
    trap: "D 2",
    bug: "a merge keeps its own siblings and those of both sides, but takes no new one over",
    caughtBy: ["no-vanishing"],
    file: "core/dvvset.ts",
    find: "...(theirs?.dots ?? []).filter((dot) => !(mine !== undefined && hasDot(mine, dot)) && !covers(a.clock, dot)),",
    replace:
      "...(theirs?.dots ?? []).filter((dot) => mine !== undefined && !hasDot(mine, dot) && !covers(a.clock, dot)),",
  },
  {
    name: "merge-revives-what-was-replaced",
    trap: "T17, riak_kv 1864",
    bug: "a merge is the union of both sides: overwritten and deleted versions come back from whoever missed the news",
    caughtBy: ["no-fabrication", "convergence"],
    file: "core/dvvset.ts",
    find: "(theirs !== undefined && hasDot(theirs, dot)) || !covers(b.clock, dot)),",
    replace: "dot.counter > 0),",
  },
  {
    name: "tombstone-dropped-on-merge",
    trap: "T17",
    bug: "a merge leaves a tombstone out when a value stands beside it, as if the delete had not been",
    caughtBy: ["no-vanishing", "no-lost-write"],
    file: "core/dvvset.ts",
    find: "  return { clock, siblings };\n}\n\n/** What a write adds",
    replace:
      "  const live = siblings.filter((sibling) => sibling.value !== null);\n" +
      "  return { clock, siblings: live.length > 0 ? live : siblings };\n}\n\n/** What a write adds",
  },
  {
    name: "repair-overwrites",
    trap: "T24",
    bug: "read repair puts its record in place of the present one, which may be newer by now",
    caughtBy: ["disk-monotonic", "no-lost-write"],
    file: "core/replica.ts",
    find: "const merged = before === undefined ? set : sync(before.set, set);",
    replace: 'const merged = before === undefined || purpose === "repair" ? set : sync(before.set, set);',
  },

  // ---------------------------------------------------------------------------------------------- memory and disk: core/replica.ts, node.ts

  {
    name: "acknowledged-before-durable",
    trap: "T9",
    bug: "a write is acknowledged when it is handed to the disk",
    caughtBy: ["durable-before-ack"],
    file: "core/replica.ts",
    find: "    const waiters = origin === undefined ? [] : [{ origin }];\n",
    replace:
      '    const waiters: { readonly origin: Origin }[] = [];\n    if (origin !== undefined) this.#in.complete({ kind: "stored", origin, key: state.key });\n',
  },
  {
    name: "request-success-is-commit",
    trap: "T9, T10",
    bug: "the storage adapter answers when the request has succeeded, before its transaction is complete",
    caughtBy: ["durable-before-ack"],
    file: "sim/virtual-storage.ts",
    find: "    this.#waiting.push(commit);\n",
    replace:
      "    this.#waiting.push(commit);\n" +
      '    this.#host.schedule(0, () => this.#host.answer({ kind: "stored", ticket }));\n',
  },
  {
    name: "known-is-not-yet-durable",
    trap: "T9",
    bug: "a copy that changes nothing is acknowledged at once, though what it equals is still on its way to the disk",
    caughtBy: ["durable-before-ack"],
    file: "core/replica.ts",
    find: "if (store === undefined) this.#in.complete(",
    replace: "if (store === undefined || !state.doubtful) this.#in.complete(",
  },
  {
    name: "memory-outlives-failed-store",
    trap: "T9, T11",
    bug: "after a failed store the memory goes on as if it were on disk",
    caughtBy: ["durable-before-ack", "convergence"],
    file: "core/replica.ts",
    find: "      state.doubtful = true;\n      state.waiting ??= [];\n",
    replace: "",
  },
  {
    name: "forgotten-while-writing",
    trap: "T24",
    bug: "a key is forgotten while a write of it is under way, and read back as it was before",
    caughtBy: ["disk-monotonic", "durable-before-ack", "unique-dots"],
    file: "core/replica.ts",
    find: "if (state.waiting === undefined && state.storesUnderWay === 0) this.#forget(state);",
    replace: "if (state.waiting === undefined) this.#forget(state);",
  },
  {
    name: "failed-read-is-missing",
    trap: "T11",
    bug: "a replica takes a read that failed for a record that is not there, and writes over it",
    caughtBy: ["disk-monotonic", "no-lost-write"],
    file: "core/replica.ts",
    find: 'if (records.length !== load.reads.length || records.includes("failed")) {',
    replace: "if (records.length !== load.reads.length) {",
  },
  {
    name: "adapter-calls-failed-reads-missing",
    trap: "T11",
    bug: "the storage adapter turns a read that failed into one that found nothing",
    caughtBy: ["disk-monotonic", "no-lost-write"],
    file: "sim/virtual-storage.ts",
    find: 'if (this.#failsRead()) return "failed";',
    replace: "if (this.#failsRead()) return undefined;",
  },
  {
    name: "hints-unknown-after-restart",
    trap: "T15",
    bug: "a node does not look for the hints that an earlier start left behind",
    caughtBy: ["no-lost-write", "disk-monotonic"],
    file: "core/node.ts",
    find: "    this.#belonging.start();\n    this.#handoff.start();\n",
    replace: "    this.#belonging.start();\n",
  },
  {
    name: "answers-before-hints-are-known",
    trap: "T15",
    bug: "a node takes requests before it has looked through its hints, and keeps new ones over those that it does not know of",
    caughtBy: ["disk-monotonic", "bounded"],
    file: "core/node.ts",
    find: "this.#belonging.started && this.#handoff.started && this.#scrub.started",
    replace: "this.#belonging.started && this.#scrub.started",
  },
  {
    name: "full-hint-store-says-stored",
    trap: "P 4.6",
    bug: "a stand-in without room for the hint acknowledges it all the same",
    caughtBy: ["durable-before-ack"],
    file: "core/replica.ts",
    find: 'this.#refuse(key, origin, "hints-full");',
    replace: 'this.#in.complete({ kind: "stored", origin, key });',
  },

  // ---------------------------------------------------------------------------------------------- the quorum: core/put-coordinator.ts, get-coordinator.ts

  {
    name: "own-copy-counts-in-memory",
    trap: "T9, P 4.5",
    bug: "the coordinator counts its own copy when it has minted the dot, not when it is durable",
    caughtBy: ["durable-before-ack"],
    file: "core/put-coordinator.ts",
    find: "        this.#replicate(put);\n",
    replace: "        this.#replicate(put);\n        this.#answered(put, this.#in.self, put.ownCopyFor);\n",
  },
  {
    name: "refusal-counts",
    trap: "P 4.5",
    bug: "any reply of a replica counts towards W, a refusal too",
    caughtBy: ["durable-before-ack"],
    file: "core/put-coordinator.ts",
    find: '    if (outcome !== "refused") {\n      this.#forgetSent(put, request);',
    replace:
      '    if (outcome !== "refused" || put.tally.outcome() === "pending") {\n      this.#forgetSent(put, request);',
  },
  {
    name: "owner-and-stand-in-count-twice",
    trap: "T14",
    bug: "a slow owner and the node that stands in for it count as two replicas, though the hint ends when it is delivered",
    caughtBy: ["copies-kept"],
    file: "core/put-coordinator.ts",
    find: "      put.tally.answer(owner);\n",
    replace: "      put.tally.ask(node);\n      put.tally.answer(node);\n",
  },
  {
    name: "own-hint-counts",
    trap: "T14",
    bug: "a hint that the coordinator keeps beside its own copy counts as another replica",
    caughtBy: ["durable-before-ack", "answered"],
    file: "core/put-coordinator.ts",
    find: "    put.hintedFor.set(owner, this.#in.self);\n    this.#do.keepHint(put.key, owner, put.set, this.#durabilityOf(put, owner));",
    replace:
      "    put.hintedFor.set(owner, this.#in.self);\n    put.answeredBy.add(owner);\n    put.tally.ask(owner);\n    put.tally.answer(owner);\n" +
      "    this.#do.keepHint(put.key, owner, put.set, this.#durabilityOf(put, owner));",
  },
  {
    name: "put-without-time-bound",
    trap: "D 4",
    bug: "a put arms no timer for its end",
    caughtBy: ["answered", "convergence", "bounded"],
    file: "core/put-coordinator.ts",
    find: "    this.#in.timers.set(`put-timeout:${request}`, put.deadline);\n",
    replace: "",
  },
  {
    name: "forwarded-without-time-bound",
    trap: "D 4",
    bug: "a request that is handed to another node arms no timer for its end",
    caughtBy: ["answered"],
    file: "core/forwarding.ts",
    find: "    this.#in.timers.set(`forward-timeout:${request}`, forwarded.deadline);\n",
    replace: "",
  },
  {
    name: "requests-never-forgotten",
    trap: "D 12.8",
    bug: "the table of requests keeps those that were answered",
    caughtBy: ["convergence", "bounded", "answered"],
    file: "core/node.ts",
    find: '    this.#callers.delete(request);\n    this.#effects.push({ kind: "reply", request: caller.request, result });',
    replace: '    this.#effects.push({ kind: "reply", request: caller.request, result });',
  },
  {
    name: "timer-lost-in-compaction",
    trap: "D 12.8",
    bug: "when the heap of timers is rebuilt, the first one is left out",
    caughtBy: ["answered", "convergence"],
    file: "core/timers.ts",
    find: "for (const entry of live) this.#push(entry);",
    replace: "for (const entry of live.slice(1)) this.#push(entry);",
  },
  {
    name: "no-read-repair",
    trap: "P 5",
    bug: "a get finds out who is behind and tells nobody",
    caughtBy: ["convergence"],
    file: "core/get-coordinator.ts",
    find: "if (!get.counted.has(node) || equal(set, get.merged)) continue;",
    replace: "if (!get.counted.has(node) || equal(set, get.merged) || node !== this.#in.self) continue;",
  },
  {
    name: "get-merges-only-the-first-reply",
    trap: "P 4.5",
    bug: "a get answers with its first reply instead of everything that R replies have",
    caughtBy: ["strict-quorum", "read-your-writes", "convergence"],
    file: "core/get-coordinator.ts",
    find: "get.merged = sync(get.merged, set);",
    replace: "get.merged = get.merged === EMPTY ? set : get.merged;",
  },
  {
    name: "get-waits-for-one-less",
    trap: "P 4.5",
    bug: "a get is answered after R-1 replies",
    caughtBy: ["strict-quorum", "read-your-writes", "convergence"],
    file: "core/get-coordinator.ts",
    find: "tally: new Tally(quorumOf(r, n, list.counted.length)),",
    replace: "tally: new Tally(Math.max(1, quorumOf(r, n, list.counted.length) - 1)),",
  },
  {
    name: "failed-reply-is-missing",
    trap: "T11",
    bug: "a get counts a replica whose disk failed as one that has nothing",
    caughtBy: ["strict-quorum", "read-your-writes", "convergence"],
    file: "core/get-coordinator.ts",
    find: '    } else if (outcome === "failed") {\n      get.tally.refuse(node);',
    replace: "    } else if (get.tally.needed === 0) {\n      get.tally.refuse(node);",
  },

  // ---------------------------------------------------------------------------------------------- hints: core/hinted-handoff.ts, replica.ts

  {
    name: "hint-dropped-before-acknowledgement",
    trap: "T15",
    bug: "a hint is let go when it is sent",
    caughtBy: ["copies-kept", "no-lost-write"],
    file: "core/hinted-handoff.ts",
    find: "      delivery.sent.set(request, node);\n",
    replace: "      delivery.sent.set(request, node);\n      this.#do.dropHint(key, target, set);\n",
  },
  {
    name: "hint-dropped-though-changed",
    trap: "T15, T24",
    bug: "a hint is let go although a write was merged into it after it was sent",
    caughtBy: ["copies-kept", "durable-before-ack"],
    file: "core/replica.ts",
    find: "if (sameRecord(at(state, work.place), work.set)) this.#write(",
    replace: 'if (work.place !== "record" || sameRecord(at(state, work.place), work.set)) this.#write(',
  },
  {
    name: "hint-dropped-when-refused",
    trap: "T15",
    bug: "a hint that its target refused to store counts as delivered",
    caughtBy: ["copies-kept", "no-lost-write"],
    file: "core/hinted-handoff.ts",
    find: '    if (outcome === "refused") {\n',
    replace: '    if (outcome === "refused" && this.#in.ring === undefined) {\n',
  },
  {
    name: "hint-of-departed-dropped-after-one",
    trap: "T15",
    bug: "a hint whose target owns the key no more is let go when a single present owner has it",
    caughtBy: ["copies-kept", "no-lost-write"],
    file: "core/hinted-handoff.ts",
    find: "needed: Math.min(ring.view.parameters.w, list.owners.length)",
    replace: "needed: 1",
  },
  {
    name: "hint-index-forgets-early",
    trap: "T15, T9",
    bug: "the index lets go of a hint before its removal is durable; if that fails, the hint lies on the disk unknown",
    caughtBy: ["disk-monotonic", "bounded", "convergence"],
    file: "core/replica.ts",
    find: "this.#hints.leave(state.key, place);",
    replace: "this.#hints.remove(state.key, place);",
  },
  {
    name: "hint-delivery-never-ends",
    trap: "T15",
    bug: "a delivery whose acknowledgement was lost is never tried again",
    caughtBy: ["convergence"],
    file: "core/hinted-handoff.ts",
    find: "if (now - delivery.startedAt > config.transferTimeoutMs) this.#end(delivery);",
    replace: "if (now < delivery.startedAt) this.#end(delivery);",
  },
  {
    name: "hint-kept-as-own-record",
    trap: "T15",
    bug: "a stand-in merges what it should keep for another into a record of its own, and nobody ever delivers it",
    caughtBy: ["placement", "no-lost-write"],
    file: "core/node.ts",
    find: "      this.#replica.keepHint(key, hintFor, set, origin, durability);\n",
    replace: "      this.#replica.merge(key, set, message.purpose, origin, durability);\n",
  },
  {
    name: "stores-while-closing",
    trap: "T21, D 3",
    bug: "a former owner still takes writes as one who counts while it hands over: they come too late for the last exchange",
    caughtBy: ["copies-kept", "strict-quorum", "placement"],
    file: "core/node.ts",
    find: "    if (list === undefined || this.#handOver.isClosing(this.#partitionOf(key))) return false;\n",
    replace: "    if (list === undefined) return false;\n",
  },
  {
    name: "former-owner-only-nods",
    trap: "T21, D 3",
    bug: "a write that reaches a node which owns the key no more is acknowledged and thrown away",
    caughtBy: ["durable-before-ack", "copies-kept"],
    file: "core/node.ts",
    find: '      list.owners.forEach((owner, i) =>\n        this.#replica.keepHint(key, owner, set, i === 0 ? { ...origin, hinted: true } : { kind: "nobody" }, durability),\n      );\n',
    replace: '      this.#replyPut(origin, "hinted", "strict", key);\n',
  },

  // ---------------------------------------------------------------------------------------------- links: core/failure-detector.ts

  {
    name: "late-frame-accepted",
    trap: "T27",
    bug: "nothing tells a late frame from a present one: requests are counted from 1 at each start, and epochs are not looked at, so an acknowledgement from before a crash answers the request that has its number now",
    caughtBy: ["durable-before-ack", "copies-kept", "no-fabrication", "convergence"],
    file: "core/failure-detector.ts",
    find: "return peer?.linked === true && peer.ourEpoch === epoch;",
    replace: "return peer?.linked === true;",
    also: [
      {
        file: "core/node.ts",
        find: "if (options.meta !== undefined) this.#requests = this.#random.below(REQUESTS_FROM);",
        replace: "",
      },
      {
        file: "core/node.ts",
        find: " || (asked !== undefined && asked !== epoch)) return false;",
        replace: ") return false;",
      },
    ],
  },
  {
    name: "answer-crosses-a-restart",
    trap: "T27",
    bug: "an answer goes to whoever has the asker's name now: one that has started anew, and counts its requests anew, takes it for another request's",
    caughtBy: ["durable-before-ack", "copies-kept", "no-fabrication", "convergence"],
    file: "core/node.ts",
    find: "if (options.meta !== undefined) this.#requests = this.#random.below(REQUESTS_FROM);",
    replace: "",
    also: [
      {
        file: "core/node.ts",
        find: " || (asked !== undefined && asked !== epoch)) return false;",
        replace: ") return false;",
      },
    ],
  },
  {
    name: "epochs-come-again",
    trap: "T27",
    bug: "epochs start from 1 at each start of the node, so that those of the last one are valid again",
    caughtBy: ["served", "convergence"],
    file: "core/failure-detector.ts",
    find: "this.#lastEpoch = incarnation * EPOCHS_PER_INCARNATION + surroundings.random.below(EPOCHS_PER_INCARNATION / 2);",
    replace: "this.#lastEpoch = incarnation - incarnation;",
  },
  {
    name: "lost-link-never-dialled",
    trap: "T28",
    bug: "a lost link to a member is not dialled again",
    caughtBy: ["convergence"],
    file: "core/failure-detector.ts",
    find: "if (peer.linked || now < peer.redialAt) continue;",
    replace: "if (peer.linked || peer.redialAt > 0) continue;",
  },

  // ---------------------------------------------------------------------------------------------- membership: core/membership.ts, belonging.ts, gossip.ts

  {
    name: "gossip-without-incarnations",
    trap: "T19, T20",
    bug: "the version alone decides which entry is newer, so that a restarted node's word loses against its own old one",
    caughtBy: ["placement", "convergence"],
    file: "core/membership.ts",
    find: "return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.version > b.version);",
    replace: "return a.version > b.version;",
  },
  {
    name: "incarnation-not-counted-up",
    trap: "T20",
    bug: "a restarted node goes on under the incarnation that it had",
    caughtBy: ["convergence"],
    file: "core/belonging.ts",
    find: "this.#incarnation = Math.max(meta?.incarnation ?? 0, before?.incarnation ?? 0) + 1;",
    replace: "this.#incarnation = Math.max(meta?.incarnation ?? 1, before?.incarnation ?? 1);",
  },
  {
    name: "rumour-not-refuted",
    trap: "T19",
    bug: "a node keeps quiet when others have a later word on it than its own",
    caughtBy: ["convergence"],
    file: "core/belonging.ts",
    find: "if (rumour === undefined || own === undefined || !newer(rumour, own)) return;",
    replace: "if (rumour === undefined || own === undefined || newer(rumour, own)) return;",
  },
  {
    name: "claims-merge-by-arrival",
    trap: "T21",
    bug: "the claim that arrives last wins",
    caughtBy: ["convergence"],
    file: "core/membership.ts",
    find: "if (!claimWins(claim, mergedClaims[partition]!)) return;",
    replace: "if (claim.owner === mergedClaims[partition]!.owner) return;",
  },
  {
    name: "concurrent-claims-tie",
    trap: "T21",
    bug: "of two claims of one version each node keeps the one that it heard first",
    caughtBy: ["convergence"],
    file: "core/membership.ts",
    find: "return a.version > b.version || (a.version === b.version && a.owner > b.owner);",
    replace: "return a.version > b.version;",
  },
  {
    name: "holder-told-before-durable",
    trap: "T9, D 3",
    bug: "others hear that a partition is held before that is written down",
    caughtBy: ["no-lost-write", "strict-quorum", "placement"],
    file: "core/belonging.ts",
    find: "    for (const partition of partitions) {\n      this.#holding.add(partition);\n",
    replace:
      "    this.#setHolders(partitions, true);\n    for (const partition of partitions) {\n      this.#holding.add(partition);\n",
  },
  {
    name: "newcomers-count-at-once",
    trap: "D 3",
    bug: "an owner counts for quorums before it has the data",
    caughtBy: ["convergence", "placement"],
    file: "core/ring.ts",
    find: "const present = owners.filter((node) => this.#holds(node, partition));",
    replace: "const present = owners.slice();",
  },

  {
    name: "walk-does-not-skip",
    trap: "P 4.3",
    bug: "the walk does not skip nodes that it has met, so that virtual nodes of one node are taken for replicas",
    caughtBy: ["convergence", "placement"],
    file: "core/placement.ts",
    find: "  for (let step = 0; met.size < nodes; step++) met.add(",
    replace: "  for (let step = 0; step < nodes; step++) met.add(",
  },
  {
    name: "tokens-drawn-at-each-start",
    trap: "P 4.8.1",
    bug: "a node draws its tokens of placement 1 or 2 anew whenever it starts",
    caughtBy: ["placement"],
    file: "core/belonging.ts",
    find: "const before = memberOf(view, this.#in.self)?.tokens ?? [];",
    replace: "const before: readonly number[] = [];",
  },
  {
    name: "ring-kept-over-new-tokens",
    trap: "P 6.2",
    bug: "a ring that follows another walks over the tokens that the other knew, though a newcomer has brought some",
    caughtBy: ["convergence", "placement"],
    file: "core/ring.ts",
    find: "    const same = before !== undefined && sameTokens(before.view, view);\n",
    replace:
      "    const same = before !== undefined && (sameTokens(before.view, view) || before.view.claims === view.claims);\n",
  },

  // ---------------------------------------------------------------------------------------------- transfer: core/transfer.ts, transfer-source.ts

  {
    name: "opens-unknown",
    trap: "D 3",
    bug: "a newcomer compares with the others before they know of it: what they acknowledge afterwards it never hears of",
    caughtBy: ["strict-quorum", "placement"],
    file: "core/opening.ts",
    find: "return version <= peer.known && (compared === undefined || again) ? [partition] : [];",
    replace: "return version >= 0 && (compared === undefined || again) ? [partition] : [];",
  },
  {
    name: "opens-without-comparing",
    trap: "D 3",
    bug: "a newcomer answers as soon as it holds its copy, though that is from one source",
    caughtBy: ["placement", "strict-quorum"],
    file: "core/opening.ts",
    find: "const needed = others.length === 0 ? 0 : others.length - quorum + 1;",
    replace: "const needed = others.length === 0 ? 0 : others.length - others.length - 0 * quorum;",
  },
  {
    name: "opens-after-one-holder",
    trap: "D 5",
    bug: "one holder is enough to compare with, though it may have missed an acknowledged write",
    caughtBy: ["placement", "strict-quorum"],
    file: "core/opening.ts",
    find: "const needed = others.length === 0 ? 0 : others.length - quorum + 1;",
    replace: "const needed = Math.min(1, others.length * quorum);",
  },
  {
    name: "page-skips-unreadable-records",
    trap: "T11, D 5",
    bug: "a page leaves out what could not be read",
    caughtBy: ["placement", "strict-quorum"],
    file: "core/transfer-source.ts",
    find: 'if (entries.some(({ record }) => record === "failed")) this.#reply(',
    replace: "if (entries.length < records.length) this.#reply(",
  },
  {
    name: "opens-before-durable",
    trap: "T9, D 5",
    bug: "what was fetched counts when it is in memory",
    caughtBy: ["placement", "strict-quorum"],
    file: "core/opening.ts",
    find: "    return this.#forest.settledUpTo(compared.store) && !this.#forest.isDoubtful(partition);",
    replace: "    return compared.store >= 0;",
  },

  // ---------------------------------------------------------------------------------------------- hand-over: core/hand-over.ts

  {
    name: "closed-without-exchange",
    trap: "D 3",
    bug: "a former owner counts itself out on the word of the owners, without the last exchange",
    caughtBy: ["copies-kept", "no-lost-write", "strict-quorum"],
    file: "core/hand-over.ts",
    find: "      this.#released.add(partition);\n",
    replace:
      "      this.#do.countOut([partition]);\n      this.#clear.set(partition, ring.preferenceList(partition).owners);\n",
  },
  {
    name: "record-dropped-after-one-exchange",
    trap: "D 3",
    bug: "a former owner lets go of a partition when one owner has all of it",
    caughtBy: ["copies-kept", "no-lost-write", "strict-quorum"],
    file: "core/hand-over.ts",
    find: "      if (missing.size > 0) continue;\n      round.missing",
    replace: "      round.missing",
  },
  {
    name: "record-dropped-when-refused",
    trap: "D 3",
    bug: "a former owner takes an exchange that failed for one that settled",
    caughtBy: ["copies-kept", "no-lost-write", "strict-quorum"],
    file: "core/hand-over.ts",
    find: "      if (!settled) {\n        this.#leaveRound(partition);\n        continue;\n      }\n",
    replace: "      if (!settled) missing.delete(owner);\n",
  },
  {
    name: "released-without-asking",
    trap: "D 3",
    bug: "a former owner believes its own view that all owners hold a partition, and asks none of them",
    caughtBy: ["strict-quorum", "placement", "copies-kept"],
    file: "core/hand-over.ts",
    find: "    const claims = placementDigest(ring.view);\n    const question",
    replace: "    this.#do.countOut(partitions);\n    const claims = placementDigest(ring.view);\n    const question",
  },

  // ---------------------------------------------------------------------------------------------- counting: core/bookkeeping.ts, survey.ts

  {
    name: "failure-counted-as-answer",
    trap: "E17",
    bug: "a request that failed counts as answered: the store looks healthy to itself while its callers are turned away",
    caughtBy: ["statistics"],
    file: "core/bookkeeping.ts",
    find: "operations.failed[result.failure.code]++;",
    replace: "operations.answered++;",
  },
  {
    name: "time-out-at-its-deadline-not-counted",
    trap: "P 7",
    bug: "a request that ends exactly when its time is over is not counted among those without an answer in time",
    caughtBy: ["statistics"],
    file: "core/bookkeeping.ts",
    find: "now >= deadline) operations.timedOut++;",
    replace: "now > deadline) operations.timedOut++;",
  },
  {
    name: "last-minute-forgets-late",
    trap: "P 6.5",
    bug: "a slice of the last minute stays one slice too long",
    caughtBy: ["statistics"],
    file: "base/rolling-window.ts",
    find: "if (number > now - this.#slicesMax) break;",
    replace: "if (number >= now - this.#slicesMax) break;",
  },
  {
    name: "survey-leaves-itself-out",
    trap: "E17",
    bug: "a node asks all others what they have counted and forgets its own",
    caughtBy: ["statistics"],
    file: "core/survey.ts",
    find: "const all = new Map(answers).set(this.#in.self, this.#do.own());",
    replace: "const all = new Map(answers);",
  },

  // ---------------------------------------------------------------------------------------------- limits: core/peer-limits.ts, base/token-bucket.ts

  {
    name: "limit-takes-writes-too",
    trap: "E4",
    bug: "a write that its coordinator needs is refused because background work has used up the tokens",
    caughtBy: ["bounded", "served"],
    file: "core/peer-limits.ts",
    find: 'return message.purpose === "write" ? undefined : "background";',
    replace: 'return "background";',
  },
  {
    name: "one-bucket-for-all-peers",
    trap: "E4",
    bug: "all peers draw on one bucket, so that one of them takes this node from the others",
    caughtBy: ["bounded"],
    file: "core/peer-limits.ts",
    find: "const buckets = this.#peers.get(peer) ?? {};",
    replace: "const buckets = this.#peers.values().next().value ?? {};",
  },
  {
    name: "bucket-never-refilled",
    trap: "E6",
    bug: "tokens are taken and never come back",
    caughtBy: ["bounded", "convergence"],
    file: "base/token-bucket.ts",
    find: "this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1_000);",
    replace: "if (elapsedMs < 0) this.#tokens = this.#burst;",
  },
  {
    name: "bucket-holds-more-than-its-burst",
    trap: "E4",
    bug: "what was left unused is kept without a bound",
    caughtBy: ["bounded"],
    file: "base/token-bucket.ts",
    find: "this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1_000);",
    replace: "this.#tokens += (elapsedMs * this.#perSecond) / 1_000;",
  },
  {
    name: "refusal-without-an-answer",
    trap: "E6",
    bug: "a request beyond the limit is dropped instead of refused: its caller waits until the time is over",
    caughtBy: ["served", "answered", "read-your-writes"],
    file: "core/node.ts",
    find: '        this.#send(from, reply, "foreground");\n        break;\n      }\n      case "replica-put":',
    replace: '        this.#send(this.#id, reply, "foreground");\n        break;\n      }\n      case "replica-put":',
  },
  {
    name: "known-before-durable",
    trap: "T9, D 3",
    bug: "a node says that it knows of a newcomer before that is written down, and forgets it in a crash",
    caughtBy: ["strict-quorum", "placement"],
    file: "core/belonging.ts",
    find: "const known = this.#durableView === undefined ? undefined : memberOf(this.#durableView, node);",
    replace: "const known = this.#ring === undefined ? undefined : memberOf(this.#ring.view, node);",
  },
  {
    name: "answers-while-closing",
    trap: "D 3",
    bug: "a former owner still answers reads as one who counts while it hands over and takes no writes",
    caughtBy: ["strict-quorum"],
    file: "core/node.ts",
    find: "return counts && !this.#handOver.isClosing(partition) && !this.#belonging.unopened.has(partition);",
    replace: "return counts && partition >= 0 && !this.#belonging.unopened.has(partition);",
  },
  {
    name: "answers-before-it-opens",
    trap: "D 3",
    bug: "a newcomer answers reads before it has compared with enough of those who know of it",
    caughtBy: ["strict-quorum"],
    file: "core/node.ts",
    find: "return counts && !this.#handOver.isClosing(partition) && !this.#belonging.unopened.has(partition);",
    replace: "return counts && !this.#handOver.isClosing(partition);",
  },
  {
    name: "unopened-forgotten-in-a-crash",
    trap: "T9, D 3",
    bug: "a restart takes every partition that is held for one that is open",
    caughtBy: ["strict-quorum", "placement"],
    file: "core/belonging.ts",
    find: "for (const partition of meta?.unopened ?? [])",
    replace: "for (const partition of (meta?.unopened ?? []).slice(0, 0))",
  },
  {
    name: "quorums-do-not-grow",
    trap: "D 3",
    bug: "while more than N count, R and W stay as they are: two quorums need not meet",
    caughtBy: ["strict-quorum", "answered"],
    file: "core/quorum.ts",
    find: "return holders <= n ? Math.min(asked, holders) : asked + holders - n;",
    replace: "return holders <= n ? Math.min(asked, holders) : asked;",
  },
  {
    name: "early-answers-make-a-quorum",
    trap: "D 3",
    bug: "answers of newcomers that do not answer reads yet make a quorum of their own",
    caughtBy: ["strict-quorum"],
    file: "core/put-coordinator.ts",
    find: 'if (outcome !== "met" || early.size === 0 || tally.complete()) return outcome;',
    replace: 'if (outcome !== "met" || early.size >= 0 || tally.complete()) return outcome;',
  },
  {
    name: "equal-before-durable",
    trap: "T9, D 5",
    bug: "a holder says that its tree is equal while what makes it equal is on its way to the disk",
    caughtBy: ["copies-kept", "no-lost-write"],
    file: "core/merkle-forest.ts",
    find: "    for (const leaf of this.#pending.keys()) if (Math.floor(leaf / width) === index) return false;\n",
    replace: "",
  },
  {
    name: "trees-are-never-compared",
    trap: "D 5",
    bug: "anti-entropy never begins: what no hint and no read carries never arrives",
    caughtBy: ["convergence"],
    file: "core/anti-entropy.ts",
    find: "    if (this.#comparing !== undefined) return;\n",
    replace: "    if (this.#comparing === undefined) return;\n",
  },
  {
    name: "scrub-sees-nothing",
    trap: "T12",
    bug: "the scrub reads and believes what was counted: what the disk lost is never missed",
    caughtBy: ["convergence"],
    file: "core/merkle-forest.ts",
    find: "    const right = counted === actual && !this.#doubtful.has(leaf);",
    replace: "    const right = counted >= 0 && actual >= 0;",
  },

  // ---------------------------------------------------------------------------------------------- owners, hedges, buckets: core/put-coordinator.ts, hedging.ts, buckets.ts

  {
    name: "stand-in-counts-as-owner",
    trap: "D 4",
    bug: "pw counts whatever is acknowledged in an owner's place, hints included",
    caughtBy: ["durable-before-ack", "strict-quorum"],
    file: "core/put-coordinator.ts",
    find: "      if (owner && put.storedBy.has(from)) put.owners.answer(from);",
    replace:
      "      put.owners.ask(sent.owner);\n      put.owners.answer(sent.owner);\n      if (owner && put.storedBy.has(from)) put.owners.answer(from);",
  },
  {
    name: "owners-forgotten-when-forwarded",
    trap: "D 4",
    bug: "a node that is no owner hands a get on without its pr",
    caughtBy: ["answered"],
    file: "core/forwarding.ts",
    find: "r: what.r, pr: what.pr }",
    replace: "r: what.r, pr: undefined }",
  },
  {
    name: "hedge-counts-at-once",
    trap: "D 4, D 12",
    bug: "a stand-in that is asked beside slow owners counts like them, so that a hiccup makes reads miss what was acknowledged",
    caughtBy: ["strict-quorum", "read-your-writes"],
    file: "core/get-coordinator.ts",
    find: "      get.reserve.set(node, false);\n",
    replace: "      get.tally.ask(node);\n",
  },
  {
    name: "hedges-without-a-budget",
    trap: "D 4, The Tail at Scale",
    bug: "every get that is slower than usual is hedged, however many are",
    caughtBy: ["bounded"],
    file: "core/hedging.ts",
    find: "return this.#saved >= HEDGED_ONE_IN;",
    replace: "return true;",
  },
  {
    name: "buckets-left-out-of-the-digest",
    trap: "D 2, T20",
    bug: "nodes that see other buckets have the same digest, and so nothing to say to each other",
    caughtBy: ["placement", "convergence"],
    file: "core/ring.ts",
    find: "let sum = (claimsDigest(view.claims) ^ bucketsDigest(view.buckets)) >>> 0;",
    replace: "let sum = claimsDigest(view.claims);",
  },
  {
    name: "buckets-not-written-down",
    trap: "D 2",
    bug: "what is set for buckets lives in the gossip alone, and is gone when all who heard of it have started anew",
    caughtBy: ["no-lost-write"],
    file: "core/belonging.ts",
    find: "if (view === undefined || own === undefined || this.#holding.size === 0)\n      return { incarnation, view, unopened, buffering };",
    replace:
      "if (view === undefined || own === undefined || this.#holding.size === 0)\n" +
      "      return { incarnation, view: view === undefined ? undefined : { ...view, buckets: [] }, unopened, buffering };",
  },
  {
    name: "dw-counted-at-relaxed-commit",
    trap: "D 7, P 6.1",
    bug: "a strict commit is said to be one, and the disk is never told to flush it",
    caughtBy: ["durable-before-ack", "no-lost-write"],
    file: "core/replica.ts",
    find: "    this.#in.store(ticket, writes, durability);",
    replace: '    this.#in.store(ticket, writes, "relaxed");',
  },
  {
    name: "unflushed-taken-for-flushed",
    trap: "D 7, P 6.1",
    bug: "what was written relaxed before counts as a strict commit when it is asked for once more",
    caughtBy: ["durable-before-ack", "no-lost-write"],
    file: "core/replica.ts",
    find: "const flushed = store === undefined && (ticket ?? state.loadedAfter) <= this.#flushedTo;",
    replace: "const flushed = store === undefined;",
  },
  {
    name: "membership-written-relaxed",
    trap: "D 7, T1",
    bug: "what a node tells of itself is not flushed: after a power failure it holds and is less than others think",
    caughtBy: [
      "placement",
      "no-lost-write",
      "unique-dots",
      "copies-kept",
      "convergence",
      "durable-before-ack",
      "strict-quorum",
    ],
    file: "core/belonging.ts",
    find: '    this.#in.store(ticket, [{ store: "meta", meta: this.#meta() }], "strict");',
    replace: '    this.#in.store(ticket, [{ store: "meta", meta: this.#meta() }], "relaxed");',
  },
  {
    name: "hints-delivered-relaxed",
    trap: "D 7, T15",
    bug: "what comes from another node to be kept in its place is not flushed, and that node lets go of its own copy",
    caughtBy: ["no-lost-write", "durable-before-ack"],
    file: "core/replica.ts",
    find: 'const durability = purpose === "write" ? this.#kept(asked) : "strict";',
    replace: 'const durability = purpose === "write" ? this.#kept(asked) : "relaxed";',
  },
  {
    name: "scan-misses-the-buffer",
    trap: "P 6.1",
    bug: "a scan comes before what is in the buffer, though the sums of leaves count it already",
    caughtBy: ["convergence", "no-lost-write", "placement", "copies-kept", "durable-before-ack"],
    file: "core/node.ts",
    find: 'if (effect.kind === "scan" || effect.kind === "load-leaves") this.#replica.flush();',
    replace: 'if (effect.kind === "load-leaves") this.#replica.flush();',
  },
  {
    name: "buffer-drops-a-write",
    trap: "P 6.1",
    bug: "when the writer comes, the first of what was acknowledged from memory never reaches the disk",
    caughtBy: ["convergence", "no-lost-write", "durable-before-ack", "strict-quorum", "served"],
    file: "core/replica.ts",
    find: "of this.#buffer.take()) this.#in.store",
    replace: "of this.#buffer.take().slice(1)) this.#in.store",
  },
  {
    name: "buffered-value-not-read",
    trap: "P 6.1",
    bug: "a read asks the disk, where what is in the buffer is not yet",
    caughtBy: [
      "strict-quorum",
      "read-your-writes",
      "no-lost-write",
      "disk-monotonic",
      "durable-before-ack",
      "no-vanishing",
    ],
    file: "core/replica.ts",
    find: "      this.#buffer.add(ticket, writes, bytesOf(record));",
    replace: "      this.#buffer.add(ticket, writes, bytesOf(record));\n      this.#forget(state);",
  },
  {
    name: "buffer-loses-silently",
    trap: "P 6.1, T9",
    bug: "a node that acknowledges from memory has not written down that it does, so that after a crash it says nothing of what is gone",
    caughtBy: ["no-lost-write"],
    file: "core/belonging.ts",
    find: 'const buffering = this.#buffering === "no" ? undefined : true;',
    replace: "const buffering = undefined;",
  },
  {
    name: "bucket-acknowledged-before-durable",
    trap: "T9, D 2",
    bug: "whoever sets a bucket is told so when it is handed to the disk",
    caughtBy: ["no-lost-write"],
    file: "core/belonging.ts",
    find: '    this.#onceDurable.push({ what: "bucket-set", request });',
    replace: "    this.#settingBuckets--;\n    this.#do.bucketSet(request, undefined);",
  },
  {
    name: "bucket-policy-not-heeded",
    trap: "D 2",
    bug: "whoever coordinates goes by the cluster's defaults: what a bucket says is heard of and not heeded",
    caughtBy: ["no-vanishing", "answered"],
    file: "core/request-defaults.ts",
    find: 'return { ...write, policy: policy === "last-write-wins" ? policy : "siblings" };',
    replace: 'return { ...write, policy: policy === undefined ? "last-write-wins" : "siblings" };',
  },
];
