/**
 * Buckets: what stands before the first `/` of a key names its bucket, and a bucket carries what its requests default to and how its conflicts
 * end. (Paper, section 6: business-logic reconciliation, timestamp-based reconciliation and the read engine are three buckets.)
 *
 * Entries are part of the gossiped view. Each is written by an explicit act and versioned: the higher version wins, then the node that set it,
 * then the content, because a node that crashed before its entry was durable may set another one under the same version. So merging is a join,
 * and every order of gossip ends in the same entries.
 *
 * N is the cluster's and no bucket's: preference lists, holders and Merkle trees are made for one N, and a bucket with another would need all of
 * them once more.
 *
 * Limits: BUCKETS_MAX entries. Two halves that together have set more keep the first of them by name: that, too, is the same in every order.
 */

import { LoneSurrogateError, utf8Encode, utf8Length } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import type { Key, NodeId } from "./identifiers.ts";

export const BUCKETS_MAX = 256;
export const BUCKET_NAME_CHARACTERS_MAX = 64;
/** How often an entry can be set. */
export const BUCKET_VERSION_MAX = 2 ** 32;

/**
 * siblings: concurrent versions are all kept and shown, and the reader reconciles them. last-write-wins: the later one by wall clock stands, the
 * other one is lost. merge:NAME: kept as siblings, and stores that have a merge of this name read them as one value.
 */
export type BucketPolicy = "siblings" | "last-write-wins" | `merge:${string}`;

/** Undefined: what the cluster's parameters say; for pr, pw and dw: none. */
export interface BucketProperties {
  readonly r: number | undefined;
  readonly w: number | undefined;
  /** Of the answers to a get, how many must come from owners that hold the partition. */
  readonly pr: number | undefined;
  /** The same of the acknowledgements of a put. */
  readonly pw: number | undefined;
  /** Of the acknowledgements of a put, how many must be of strict commits. */
  readonly dw: number | undefined;
  /** Puts that ask for no strict commit are acknowledged from the memory of all replicas but one; see `write-buffer.ts`. */
  readonly buffered?: boolean | undefined;
  readonly policy: BucketPolicy;
}

export interface BucketEntry {
  readonly name: string;
  /** From 1 to BUCKET_VERSION_MAX. */
  readonly version: number;
  readonly setBy: NodeId;
  readonly properties: BucketProperties;
}

/** The name of the key's bucket; undefined when it is in none. */
export function bucketNameOf(key: Key): string | undefined {
  const slash = key.indexOf("/");
  return slash > 0 ? key.slice(0, slash) : undefined;
}

/** What is wrong with an entry of a cluster of this n, in words; undefined when nothing is. Takes whatever a caller may hand in. */
export function bucketFault(name: string, properties: BucketProperties, n: number): string | undefined {
  const { r, w, pr, pw, dw, buffered, policy } = properties;
  return (
    nameFault(name) ??
    quorumFault("r", r, 1, n) ??
    quorumFault("w", w, 1, n) ??
    quorumFault("pr", pr, 0, n) ??
    quorumFault("pw", pw, 0, n) ??
    quorumFault("dw", dw, 0, n) ??
    (buffered === undefined || typeof buffered === "boolean"
      ? undefined
      : `its buffered is ${JSON.stringify(buffered)}, but must be true or false`) ??
    (isBucketPolicy(policy)
      ? undefined
      : `its policy is ${JSON.stringify(policy)}, but must be "siblings", "last-write-wins" or "merge:" and a name of 1 to 32 characters of a-z, 0-9 and "-"`)
  );
}

function nameFault(name: unknown): string | undefined {
  if (typeof name !== "string") return `its name is a ${typeof name}, but must be text`;
  if (name.length < 1 || name.length > BUCKET_NAME_CHARACTERS_MAX)
    return `its name has ${name.length} characters, but must have 1 to ${BUCKET_NAME_CHARACTERS_MAX}`;
  if (name.includes("/"))
    return `its name ${JSON.stringify(name)} has a "/" in it: a key's bucket ends at the first one`;
  try {
    utf8Length(name);
  } catch (error) {
    if (!(error instanceof LoneSurrogateError)) throw error;
    return "its name has half a surrogate pair, which no UTF-8 can say";
  }
  return undefined;
}

function quorumFault(what: string, given: unknown, least: number, n: number): string | undefined {
  if (given === undefined) return undefined;
  if (typeof given === "number" && Number.isInteger(given) && given >= least && given <= n) return undefined;
  return `its ${what} is ${JSON.stringify(given)}, but must be a whole number from ${least} to n = ${n}`;
}

export function isBucketPolicy(policy: unknown): policy is BucketPolicy {
  return (
    policy === "siblings" ||
    policy === "last-write-wins" ||
    (typeof policy === "string" && /^merge:[a-z0-9-]{1,32}$/.test(policy))
  );
}

/** The name of the merge that a policy asks for; undefined when it asks for none. */
export function mergeNameOf(policy: BucketPolicy): string | undefined {
  return policy.startsWith("merge:") ? policy.slice("merge:".length) : undefined;
}

/** The bucket's entry in a list that is sorted by name. */
export function bucketNamed(buckets: readonly BucketEntry[], name: string): BucketEntry | undefined {
  let low = 0;
  let high = buckets.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const entry = buckets[middle]!;
    if (entry.name === name) return entry;
    if (entry.name < name) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/** The entry of the bucket that the key is in. */
export function bucketOf(buckets: readonly BucketEntry[], key: Key): BucketEntry | undefined {
  if (buckets.length === 0) return undefined;
  const name = bucketNameOf(key);
  return name === undefined ? undefined : bucketNamed(buckets, name);
}

/** What of `news` is news, merged into a list that is sorted by name. The very same list when nothing is. */
export function mergeBuckets(buckets: readonly BucketEntry[], news: readonly BucketEntry[]): readonly BucketEntry[] {
  const merged = new Map(buckets.map((entry) => [entry.name, entry]));
  for (const entry of news) {
    const known = merged.get(entry.name);
    if (known === undefined || wins(entry, known)) merged.set(entry.name, entry);
  }
  const kept = [...merged.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, BUCKETS_MAX);
  return kept.length === buckets.length && kept.every((entry, i) => entry === buckets[i]) ? buckets : kept;
}

function wins(a: BucketEntry, b: BucketEntry): boolean {
  if (a.version !== b.version) return a.version > b.version;
  if (a.setBy !== b.setBy) return a.setBy > b.setBy;
  return contentOf(a.properties) > contentOf(b.properties);
}

export function sameProperties(a: BucketProperties, b: BucketProperties): boolean {
  return contentOf(a) === contentOf(b);
}

function contentOf(properties: BucketProperties): string {
  return `${commonContentOf(properties)} ${properties.buffered === true}`;
}

/** What all versions of the protocol know of it. */
function commonContentOf({ r, w, pr, pw, dw, policy }: BucketProperties): string {
  return JSON.stringify([r, w, pr, pw, dw, policy]);
}

const digests = new WeakMap<readonly BucketEntry[], number>();

/** 32 bits over all entries, as every version of the protocol sees them; 0 when there are none. */
export function bucketsDigest(buckets: readonly BucketEntry[]): number {
  let digest = digests.get(buckets);
  if (digest === undefined) {
    const lines = buckets.map(
      ({ name, version, setBy, properties }) =>
        `${JSON.stringify(name)} ${version} ${setBy} ${commonContentOf(properties)}`,
    );
    digest = crc32(utf8Encode(lines.join("\n")));
    digests.set(buckets, digest);
  }
  return digest;
}
