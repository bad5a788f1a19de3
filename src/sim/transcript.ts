/**
 * One line for everything that happens, the same wherever it is read: scenario files, the timeline of a failed seed, the log of the demo.
 * A transcript keeps the last lines and a checksum over all of them, so that two runs of one seed can be compared by one number.
 */

import { unreachable } from "../base/assert.ts";
import { utf8Decode, utf8Encode } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import type { BucketProperties } from "../core/buckets.ts";
import type { Clock, DvvSet, Sibling } from "../core/dvvset.ts";
import { COVERED_ADDRESS } from "../core/history-ledger.ts";
import type { Effect, Note, RecordStore } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import { keyOfRecord, parseHintAddress, parseHistoryAddress } from "../core/address.ts";
import type { Actor, Millis, NodeId } from "../core/identifiers.ts";
import type { ClientResult, ClientWrite, Message, RequestReport } from "../core/message.ts";

export interface Names {
  node(node: NodeId): string;
  /** A short name of an actor, with its node in it. */
  actor(actor: Actor): string;
}

const SIBLINGS_SHOWN = 12;

/** Names nodes by `nodeName` and numbers each node's actors for each key in the order in which they are met. */
export function namesOf(nodeName: (node: NodeId) => string): Names {
  const numbers = new Map<Actor, string>();
  const counts = new Map<string, number>();
  return {
    node: nodeName,
    actor: (actor) => {
      let name = numbers.get(actor);
      if (name === undefined) {
        const node = nodeName(actor.slice(0, 32) as NodeId);
        const count = (counts.get(node) ?? 0) + 1;
        counts.set(node, count);
        numbers.set(actor, (name = `${node}.${count}`));
      }
      return name;
    },
  };
}

export function formatValue(value: Uint8Array | null): string {
  if (value === null) return "deleted";
  const text = value.length <= 40 ? utf8Decode(value) : undefined;
  return text === undefined ? `${value.length} bytes` : `"${text}"`;
}

/** The same, a text without quotation marks. */
export function formatPlainValue(value: Uint8Array | null): string {
  return formatValue(value).replaceAll('"', "");
}

/** `[a.1:2 b.1:1]` */
export function formatClock(clock: Clock, names: Names): string {
  return `[${clock.map((dot) => `${names.actor(dot.actor)}:${dot.counter}`).join(" ")}]`;
}

function formatSibling(sibling: Sibling, names: Names): string {
  const dots = sibling.dots.map((dot) => `${names.actor(dot.actor)}:${dot.counter}`).join("+");
  return `${formatValue(sibling.value)}@${dots}`;
}

/** Of more siblings than SIBLINGS_SHOWN only the first ones are written out. */
export function formatSet(set: DvvSet, names: Names): string {
  const { siblings } = set;
  const shown = siblings.length > SIBLINGS_SHOWN ? siblings.slice(0, 3) : siblings;
  const parts = shown.map((sibling) => formatSibling(sibling, names));
  if (shown.length < siblings.length) parts.push(`${siblings.length - shown.length} more`);
  return `{${parts.join(", ")}} ${formatClock(set.clock, names)}`;
}

function formatWrite(write: ClientWrite, names: Names): string {
  const w = `${write.w === undefined ? "" : ` w=${write.w}`}${write.pw === undefined ? "" : ` pw=${write.pw}`}`;
  const policy = write.policy === "last-write-wins" ? ` ${write.policy}` : "";
  return `${formatValue(write.value)} op=${write.operation.slice(0, 6)} context=${formatClock(write.context, names)}${w}${policy}`;
}

function formatReadQuorum({ r, pr }: { readonly r: number | undefined; readonly pr?: number | undefined }): string {
  return `${r === undefined ? "" : ` r=${r}`}${pr === undefined ? "" : ` pr=${pr}`}`;
}

/** `last-write-wins r=1 w=3` */
export function formatBucket({ r, w, pr, pw, dw, buffered, policy }: BucketProperties): string {
  const quorums = Object.entries({ r, w, pr, pw, dw }).map(([name, given]) =>
    given === undefined ? "" : ` ${name}=${given}`,
  );
  return `${policy}${quorums.join("")}${buffered === true ? " buffered" : ""}`;
}

function formatReport(report: RequestReport | undefined, names: Names): string {
  if (report === undefined) return "no report";
  const list = (nodes: readonly NodeId[]): string =>
    nodes.length === 0 ? "-" : nodes.map((node) => names.node(node)).join(",");
  const owners = report.ownersNeeded === 0 ? "" : ` owners=${report.ownersAnswered}/${report.ownersNeeded}`;
  const strict = report.strictNeeded === 0 ? "" : ` strict=${report.strictAnswered}/${report.strictNeeded}`;
  const kept = `${strict}${report.inMemory === 0 ? "" : ` memory=${report.inMemory}`}`;
  return (
    `by ${names.node(report.coordinator)} needed=${report.needed}/${report.counted}${owners}${kept} answered=${list(report.answered)}` +
    ` silent=${list(report.silent)} hinted=${list(report.hintedFor)} in ${report.elapsedMs} ms`
  );
}

export function formatResult(result: ClientResult, names: Names): string {
  switch (result.outcome) {
    case "got":
      return `got ${formatSet(result.set, names)} first=${names.node(result.first)} ${formatReport(result.report, names)}`;
    case "put":
      return `put ok siblings=${result.siblings} ${formatClock(result.clock, names)} ${formatReport(result.report, names)}`;
    case "failed":
      return `failed ${result.failure.code} ${formatReport(result.report, names)}`;
    default:
      return unreachable(result);
  }
}

/** Nothing for the usual one: a caller's node hands its request on. */
function formatHops(hops: number): string {
  return hops === 1 ? "" : ` hops=${hops}`;
}

export function formatMessage(message: Message, names: Names): string {
  switch (message.kind) {
    case "ping":
    case "pong":
      return `${message.kind} #${message.sequence} epoch=${message.epoch}`;
    case "probe":
      return `probe #${message.sequence} ${names.node(message.target)}`;
    case "probe-reply":
      return `probe-reply #${message.sequence} ${names.node(message.target)} ${message.alive ? "alive" : "silent"}`;
    case "gossip-digest":
      return `gossip-digest ${message.ring ?? "none"}`;
    case "gossip-versions":
      return `gossip-versions members=${message.members.length}`;
    case "load-news":
      return `load-news ${message.entries.map(({ node, level }) => `${names.node(node)}=${level}`).join(" ")}`;
    case "gossip-news":
      return `gossip-news members=${message.members.length} claims=${message.claims === undefined ? "no" : "yes"}${message.buckets === undefined ? "" : ` buckets=${message.buckets.length}`} wanted=${message.wanted.length}`;
    case "light-hello":
      return "light-hello";
    case "view-request":
      return `view-request #${message.request} ${message.digest ?? "none"}${message.known === undefined ? "" : ` members=${message.known.members.length}`}`;
    case "view-reply":
      return `view-reply #${message.request} ${message.outcome}${message.news === undefined ? "" : ` members=${message.news.members.length} claims=${message.news.claims === undefined ? "no" : "yes"}`}`;
    case "replica-put": {
      const hint = message.hintFor === undefined ? "" : ` hint for ${names.node(message.hintFor)}`;
      return `replica-put #${message.request} ${message.purpose} ${message.key} ${formatSet(message.set, names)}${hint}`;
    }
    case "replica-put-reply":
      return `replica-put-reply #${message.request} ${message.outcome}`;
    case "replica-get":
      return `replica-get #${message.request} ${message.key}`;
    case "replica-get-reply":
      return `replica-get-reply #${message.request} ${message.outcome}${message.set === undefined ? "" : ` ${formatSet(message.set, names)}`}`;
    case "coordinate-get":
      return `coordinate-get #${message.request} ${message.key}${formatHops(message.hops)}${formatReadQuorum(message)}`;
    case "coordinate-put":
      return `coordinate-put #${message.request} ${message.key}${formatHops(message.hops)} ${formatWrite(message.write, names)}`;
    case "coordinate-reply":
      return `coordinate-reply #${message.request} ${formatResult(message.result, names)}`;
    case "transfer-request":
      return `transfer-request #${message.request} partition=${message.partition} after=${message.after === "" ? "start" : message.after}`;
    case "transfer-page":
      return `transfer-page #${message.request} partition=${message.partition} ${message.outcome} records=${message.records.length}${message.next === undefined ? " last" : ""}`;
    case "release-request":
      return `release-request #${message.request} partitions=${message.partitions.length}`;
    case "release-reply":
      return `release-reply #${message.request} partitions=${message.partitions.length}`;
    case "known-request":
      return `known-request #${message.request} version=${message.incarnation}.${message.version}`;
    case "known-reply":
      return `known-reply #${message.request} ${message.known ? "known" : "not known"}`;
    case "tree-request":
      return `tree-request #${message.request} level=${message.level} nodes=${message.nodes.length}`;
    case "tree-reply":
      return `tree-reply #${message.request} level=${message.level} differing=${message.differing.length}${message.refused.length === 0 ? "" : ` refused=${message.refused.length}`}`;
    case "leaf-request":
      return `leaf-request #${message.request} leaf=${message.leaf}`;
    case "leaf-reply":
      return `leaf-reply #${message.request} ${message.outcome} ${message.records.map(({ key, digest }) => (digest === 0 ? `${key} damaged` : key)).join(", ")}`;
    case "fetch-request":
      return `fetch-request #${message.request} ${message.keys.join(", ")}`;
    case "fetch-reply":
      return `fetch-reply #${message.request} ${message.records.map(({ key, set }) => `${key} ${formatSet(set, names)}`).join(", ")}`;
    case "archive-request":
      return `archive-request #${message.request} partition=${message.partition} ${message.store}${message.after === "" ? "" : ` after ${message.after}`}${message.through === undefined ? "" : ` through ${message.through}`} known=${message.known.length}`;
    case "archive-page":
      return `archive-page #${message.request} ${message.outcome} ${message.records.map(({ key, set }) => `${key} ${formatSet(set, names)}`).join(", ")}${message.next === undefined ? "" : " and more"}`;
    case "recent-request":
      return `recent-request #${message.request} ${message.log === undefined ? "head" : `since ${message.since.map(({ position, partitions }) => `${position} (${partitions.length})`).join(", ")}`}`;
    case "recent-reply":
      return `recent-reply #${message.request} up to ${message.upTo}${message.more ? " and more" : ""} uncovered=${message.uncovered.length} ${message.changes.map(({ key }) => key).join(", ")}`;
    case "reap-watch-request":
      return `reap-watch-request #${message.request} ${message.records.map(({ key }) => key).join(", ")}`;
    case "reap-watch-reply":
    case "reap-proof-reply":
      return `${message.kind} #${message.request} quiet=${message.quiet.length}`;
    case "reap-drop":
      return `reap-drop ${message.records.map(({ key }) => key).join(", ")}`;
    case "sizes-request":
    case "sizes-reply":
    case "reap-proof-request":
    case "statistics-request":
    case "statistics-reply":
      return `${message.kind} #${message.request}`;
    default:
      return unreachable(message);
  }
}

export function formatNote(note: Note, names: Names): string {
  switch (note.what) {
    case "phase":
      return `phase ${note.phase}`;
    case "view":
      return `view members=${note.members}`;
    case "minted":
      return `minted ${note.key} ${names.actor(note.actor)}:${note.counter}${note.fresh ? " fresh" : ""}`;
    case "merged":
      return `merged ${note.key} ${note.purpose} siblings=${note.siblings}${note.changed ? "" : " unchanged"}`;
    case "read-repair":
      return `read-repair ${note.key} to ${names.node(note.to)}`;
    case "membership-changed":
      return `${note.change} ${names.node(note.node)}`;
    case "load":
      return `load ${note.level} slow=${note.slow.map((node) => names.node(node)).join(",")}`;
    case "tokens-swapped":
      return `tokens-swapped ${note.tokens}`;
    case "grace-over":
      return `grace-over ${names.node(note.node)}`;
    case "hint-entrusted":
      return `hint-entrusted ${note.key} for ${names.node(note.target)} to ${names.node(note.to)}`;
    case "hint-kept":
    case "hint-delivered":
    case "hint-refused":
      return `${note.what} ${note.key} for ${names.node(note.target)}`;
    case "forwarded":
      return `forwarded ${note.key} to ${names.node(note.to)}`;
    case "coordinator-preferred":
      return `coordinator-preferred ${note.key} ${names.node(note.node)}`;
    case "handed-on":
      return `handed-on ${note.key} from ${names.node(note.from)}`;
    case "hedged":
      return `hedged ${note.key} to ${names.node(note.to)}`;
    case "owners-unreachable":
      return `owners-unreachable ${note.key}`;
    case "bucket":
      return `bucket ${note.bucket} version ${note.version} by ${names.node(note.setBy)}`;
    case "stand-in":
      return `stand-in ${note.key}`;
    case "damaged":
      return `damaged ${note.key}`;
    case "gather-began":
      return `gather-began partition=${note.partition} attempt=${note.attempt}`;
    case "exchanged":
      return `exchanged ${note.records} records with ${names.node(note.peer)}`;
    case "caught-up":
      return `caught-up from the log of ${names.node(note.peer)}: keys=${note.keys} records=${note.records}`;
    case "log-gap":
      return `log-gap at ${names.node(note.peer)}: partitions=${note.partitions}`;
    case "tombstone-reaped":
      return `tombstone-reaped ${note.key} ${formatClock(note.clock, names)}`;
    case "epochs-renewed":
      return "epochs-renewed";
    case "reap-blocked":
      return `reap-blocked by ${names.node(note.by)}, ${note.why}`;
    case "leaf-corrected":
      return `leaf-corrected ${note.leaf}`;
    case "many-siblings":
      return `many-siblings ${note.key} ${note.siblings}`;
    case "long-clock":
      return `long-clock ${note.key} ${note.entries}`;
    case "admission":
      return `admission ${Math.round(note.share * 1_000) / 10}% ${note.why}`;
    case "peer-up":
    case "peer-slow":
    case "peer-prompt":
    case "peer-suspect":
    case "peer-gray":
    case "peer-down":
    case "rings-differ":
    case "light-client":
    case "view-stale":
      return `${note.what} ${names.node(note.peer)}`;
    case "view-refreshed":
      return `view-refreshed by ${names.node(note.peer)}${note.news ? " with news" : ""}`;
    case "protocol-shared":
      return `protocol-shared ${note.version}`;
    case "older-peer":
      return `older-peer ${names.node(note.peer)} reads no ${note.message}`;
    case "not-read":
      return `not-read ${note.message} by ${names.node(note.by)}`;
    case "parameters-differ":
      return `parameters-differ ${names.node(note.peer)}: ${note.difference}`;
    case "late-dropped":
      return `late-dropped ${note.message} from ${names.node(note.from)}`;
    case "peer-limited":
      return `peer-limited ${note.message} of ${names.node(note.peer)}`;
    case "clock-jump":
      return `clock-jump ${note.gapMs} ms`;
    case "partition-held":
    case "partition-opened":
    case "partition-dropped":
      return `${note.what} ${note.partition}`;
    case "buffer-full":
      return `buffer-full ${note.key}`;
    case "buffer-lost":
      return `buffer-lost ${note.key ?? "by a crash"}`;
    case "storage-failed":
      return `storage-failed ${note.reason}`;
    default:
      return unreachable(note);
  }
}

export function formatEvent(event: NodeEvent, names: Names): string {
  switch (event.kind) {
    case "started":
    case "wake":
      return event.kind;
    case "found-cluster": {
      const { n, r, w, partitions, placement, tokensPerNode } = event.parameters;
      const tokens = placement === 3 ? "" : ` placement=${placement} tokens=${tokensPerNode}`;
      return `found-cluster n=${n} r=${r} w=${w} partitions=${partitions}${tokens}`;
    }
    case "client-get":
      return `client-get #${event.request} ${event.key}${formatReadQuorum(event)}`;
    case "client-put":
      return `client-put #${event.request} ${event.key} ${formatWrite(event.write, names)}`;
    case "client-gather":
      return `client-gather #${event.request} partition=${event.wanted.partition} ${event.wanted.stores.join(" ")}`;
    case "client-gather-more":
      return `client-gather-more #${event.request}`;
    case "set-bucket":
      return `set-bucket #${event.request} ${event.name} ${formatBucket(event.properties)}`;
    case "client-statistics":
      return `client-statistics #${event.request}`;
    case "client-abandoned":
      return `client-abandoned #${event.request}`;
    case "message-received":
      return `from ${names.node(event.from)} (epoch ${event.epoch}): ${formatMessage(event.message, names)}`;
    case "client-sizes":
      return `client-sizes #${event.request} partitions=${event.partitions.length}`;
    case "change-membership":
      return `change-membership #${event.request} ${event.change.kind}${event.change.kind === "remove" ? ` ${names.node(event.change.node)}` : ""}`;
    case "peer-connected":
    case "peer-lost":
      return `${event.kind} ${names.node(event.peer)}`;
    case "loaded":
      return `loaded #${event.ticket} ${event.records.map((record) => (record === undefined ? "missing" : typeof record === "string" ? record : formatSet(record.set, names))).join(" ")}`;
    case "stored":
      return `stored #${event.ticket}`;
    case "storage-failed":
      return `storage-failed #${event.ticket} ${event.reason}`;
    case "scanned":
      return `scanned #${event.ticket} entries=${event.entries.length}${event.done ? " done" : ""}`;
    case "leaves-loaded":
      return `leaves-loaded #${event.ticket} leaves=${event.leaves.length}`;
    case "closing":
      return "closing";
    case "visibility":
      return `visibility ${event.hidden ? "hidden" : "shown"}`;
    default:
      return unreachable(event);
  }
}

/** The key of a storage address, and whom a hint is for. */
function formatAddress(store: RecordStore, address: string, names: Names): string {
  if (store === "records") return keyOfRecord(address);
  if (address === COVERED_ADDRESS) return "covered from";
  if (store === "history") return `${parseHistoryAddress(address).key} of the past`;
  const { key, target } = parseHintAddress(address);
  return `${key} hint for ${names.node(target)}`;
}

export function formatEffect(effect: Effect, names: Names): string {
  switch (effect.kind) {
    case "send":
      return `to ${names.node(effect.to)} (epoch ${effect.epoch}): ${formatMessage(effect.message, names)}`;
    case "connect":
    case "disconnect":
      return `${effect.kind} ${names.node(effect.peer)}`;
    case "load":
      return `load #${effect.ticket} ${effect.reads.map((read) => formatAddress(read.store, read.address, names)).join(", ")}`;
    case "store":
      return `store #${effect.ticket} ${effect.writes
        .map((write) =>
          write.store === "meta"
            ? `meta incarnation=${write.meta.incarnation}`
            : write.store === "leaves"
              ? `leaf ${write.leaf} ${write.change === "add" ? "changed" : "corrected"}`
              : `${formatAddress(write.store, write.address, names)} ${write.record === null ? "removed" : formatSet(write.record.set, names)}`,
        )
        .join(", ")}${effect.durability === "strict" ? " strictly" : ""}`;
    case "load-leaves":
      return `load-leaves #${effect.ticket}`;
    case "scan":
      return `scan #${effect.ticket} ${effect.store} after ${effect.after === "" ? "start" : effect.after}`;
    case "report-sizes":
      return `report-sizes #${effect.request} partitions=${effect.sizes.length}`;
    case "report-change":
      return `report-change #${effect.request} ${effect.refusal === undefined ? "made" : `refused: ${effect.refusal.code}`}`;
    case "departed":
      return `departed ${effect.standing}`;
    case "gathered":
      return `gathered #${effect.request} ${effect.what.outcome}${effect.what.outcome === "page" ? ` records=${effect.what.records.length}` : ""}`;
    case "report-statistics":
      return `report-statistics #${effect.request} members=${effect.members.length} silent=${effect.silent.length}`;
    case "reply":
      return `reply #${effect.request} ${formatResult(effect.result, names)}`;
    case "bucket-set":
      return `bucket-set #${effect.request}${effect.refusal === undefined ? "" : ` refused: ${"fault" in effect.refusal ? effect.refusal.fault : effect.refusal.code}`}`;
    case "note":
      return `* ${formatNote(effect.note, names)}`;
    default:
      return unreachable(effect);
  }
}

/** `12.250 s` */
export function formatTime(time: Millis): string {
  const millis = Math.floor(time);
  return `${Math.floor(millis / 1_000)}.${String(millis % 1_000).padStart(3, "0")}`;
}

/** What of an event or effect belongs into a transcript. */
export type Interest = "everything" | "keys" | "notes";

/** True when the message carries or asks for a key's data. */
export function isAboutKeys(message: Message): boolean {
  return message.kind.startsWith("replica-") || message.kind.startsWith("coordinate-");
}

/** True when the note tells of something that a reader of a story wants to see. */
export function isTelling(note: Note): boolean {
  return (
    note.what !== "merged" &&
    note.what !== "view" &&
    note.what !== "partition-held" &&
    note.what !== "partition-dropped"
  );
}

/** Keeps the last `linesMax` lines and a checksum over all. */
export class Transcript {
  readonly #linesMax: number;
  #lines: string[] = [];
  #hash = 0;
  #count = 0;

  constructor(linesMax: number) {
    this.#linesMax = linesMax;
  }

  add(line: string): void {
    this.#hash = crc32(utf8Encode(`${line}\n`), this.#hash);
    this.#count++;
    this.#lines.push(line);
    if (this.#lines.length >= 2 * this.#linesMax) this.#lines = this.#lines.slice(-this.#linesMax);
  }

  get count(): number {
    return this.#count;
  }

  /** Eight hexadecimal digits; equal transcripts have equal ones. */
  get hash(): string {
    return this.#hash.toString(16).padStart(8, "0");
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines.slice(-this.#linesMax);
  }
}
