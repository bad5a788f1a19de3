/**
 * The worlds that are gone through completely, each a question that orders of deliveries, writes and faults may answer wrongly. Members are a, b, c
 * and, where one more is needed, d; unless a world says otherwise, n=3, r=2, w=2, all of them hold every key, and who coordinates is who is asked.
 */

import { type ClusterParameters, type Config, parametersFrom } from "../core/config.ts";
import type { ClientStep, Place, SmallWorldOptions } from "./world-state.ts";

export interface NamedWorld extends Omit<SmallWorldOptions, "makeNode"> {
  readonly name: string;
  /** What is asked of it. */
  readonly about: string;
}

const [a, b, c]: readonly [Place, Place, Place] = [0, 1, 2];
const parameters: ClusterParameters = parametersFrom({ n: 3, r: 2, w: 2, partitions: 4 });
const three = { members: 3, parameters };
/** a and b own KEY, c stands in for them. */
const pair = { members: 3, parameters: { ...parameters, n: 2 } };

/** a and b own KEY and are alone. */
const two = { members: 2, parameters: { ...parameters, n: 2 } };
/**
 * Tombstones are reaped by the node that counts first for KEY as soon as it has read them, which it does every REAP_MS; of all that nodes do by the clock
 * nothing else comes within that time.
 */
const REAP_MS = 100;
const NEVER_MS = 1e9;
const reaping = (first: Place, more: Partial<Config> = {}) => ({
  configOf: (place: Place): Partial<Config> => ({
    ...more,
    reapAfterMs: 0,
    scrubMs: place === first ? REAP_MS : NEVER_MS,
    gossipMs: NEVER_MS,
    pingMs: NEVER_MS,
    antiEntropyMs: NEVER_MS,
    clockJumpMs: NEVER_MS,
  }),
});
const timeToReap = { kind: "time-passes", ms: REAP_MS } as const;

const KEY = "carts/ada";
/** Of another partition than KEY. */
const OTHER = "carts/bob";

const put = (at: Place, more: Partial<ClientStep> = {}): ClientStep => ({ do: "put", at, key: KEY, ...more });
const change = (at: Place, more: Partial<ClientStep> = {}): ClientStep => put(at, { replacing: true, ...more });
const erase = (at: Place, more: Partial<ClientStep> = {}): ClientStep => ({ do: "delete", at, key: KEY, ...more });
const get = (at: Place, more: Partial<ClientStep> = {}): ClientStep => ({ do: "get", at, key: KEY, ...more });

export const exploredWorlds: readonly NamedWorld[] = [
  {
    ...three,
    name: "two-puts",
    about: "two blind puts at two coordinators: both are siblings everywhere",
    clients: [[put(a)], [put(b)]],
  },
  {
    ...three,
    name: "two-puts-one-coordinator",
    about: "two blind puts at one coordinator: dots, not vector clocks, keep both",
    clients: [[put(a)], [put(a)], [get(b)]],
  },
  {
    ...three,
    name: "read-then-write",
    about: "a read and a write with its context, while somebody else writes",
    clients: [[put(a), get(a), change(a)], [put(b)]],
  },
  {
    ...three,
    name: "delete",
    about: "a put and a delete that do not know of each other, and one who reads",
    prepared: [put(a)],
    clients: [[put(a)], [erase(b), get(c)]],
  },
  {
    ...three,
    name: "deleted-stays-deleted",
    about: "a delete that had seen the value, while the node that missed it comes back",
    prepared: [put(a)],
    clients: [[get(a), erase(a, { replacing: true })]],
    faults: [
      {
        kind: "cut",
        links: [
          [a, c],
          [b, c],
        ],
      },
    ],
  },
  {
    ...three,
    name: "four-puts-and-a-delete",
    about: "two callers, each of whom replaces what it wrote, and one of whom deletes in the end",
    prepared: [put(a)],
    clients: [
      [put(a), change(a)],
      [put(b), erase(b, { replacing: true })],
    ],
  },
  {
    ...three,
    name: "two-keys",
    about: "two keys that share disks and links",
    clients: [[put(a)], [put(a, { key: OTHER }), get(b, { key: OTHER })]],
  },
  {
    ...three,
    name: "coordinator-crash",
    about: "the coordinator ends in the middle of a put, comes back and coordinates the next: the actor is renewed",
    prepared: [put(a)],
    clients: [[put(a), put(a)]],
    faults: [{ kind: "crash", node: a }],
  },
  {
    ...three,
    name: "answers-to-an-earlier-start",
    about:
      "a replica answers what the coordinator asked before it ended: it is not taken for an answer to what it asks now",
    clients: [[put(a), put(a)]],
    faults: [{ kind: "crash", node: a }],
  },
  {
    ...three,
    name: "replica-crash",
    about: "a replica is away: a hint is kept for it and delivered, while its coordinator goes on to write",
    clients: [[put(a), put(a)]],
    faults: [{ kind: "crash", node: c }],
  },
  {
    members: 4,
    parameters,
    name: "stand-in",
    about: "an owner is away: the fourth node keeps the hint",
    clients: [[put(a)]],
    faults: [{ kind: "crash", node: c }],
  },
  {
    ...three,
    name: "cut",
    about: "one node is cut off, and both sides write",
    prepared: [put(a)],
    clients: [[put(a)], [put(c, { w: 1 })]],
    faults: [
      {
        kind: "cut",
        links: [
          [a, c],
          [b, c],
        ],
      },
    ],
  },
  {
    ...three,
    name: "one-link-cut",
    about: "two nodes lose sight of each other, the third sees both",
    clients: [[put(a)], [put(c)]],
    faults: [{ kind: "cut", links: [[a, c]] }],
  },
  {
    ...pair,
    name: "owners-asked",
    about: "pw=2 and pr=1 of two owners meet, though one of them is slow and a stand-in has answered for it",
    clients: [[put(a, { pw: 2 }), get(b, { r: 1, pr: 1 })]],
    faults: [{ kind: "time-passes", ms: 400 }],
  },
  {
    ...three,
    name: "wipe",
    about: "a disk is lost for good, before or after the acknowledgement",
    clients: [[put(a), get(b), change(b)]],
    faults: [{ kind: "wipe", node: a }],
  },
  {
    ...three,
    name: "failed-commit",
    about: "a commit of the coordinator fails, applied or not, and it goes on to write",
    prepared: [put(a)],
    clients: [[put(a), put(a)], [put(b)]],
    faults: [{ kind: "fail-commit", node: a }],
  },
  {
    ...three,
    name: "failed-load",
    about: "a record cannot be read: it is never taken for missing",
    prepared: [put(a)],
    restarted: [a, b, c],
    clients: [[get(a), change(a)]],
    faults: [{ kind: "fail-load", node: a }],
  },
  {
    ...three,
    name: "retry",
    about: "a caller retries a put at another coordinator while the first is still at it: one sibling, two dots",
    clients: [[put(a, { operation: "x" })], [put(b, { operation: "x" })], [get(c)]],
  },
  {
    ...three,
    name: "slow-replies",
    about: "the slow-reply timers fire at any point: hints are kept for owners that answer all the same",
    clients: [[put(a)], [put(b)]],
    faults: [{ kind: "time-passes", ms: 400 }],
  },
  {
    ...three,
    name: "transfer",
    about: "an owner that holds nothing yet copies what there is, while two callers write",
    joining: [c],
    prepared: [put(a)],
    clients: [[put(a)], [put(b)]],
    exploresMembershipCommits: true,
  },
  {
    ...three,
    name: "crash-beside-a-put",
    about: "the coordinator ends and comes back while another one writes",
    prepared: [put(a)],
    clients: [[put(a)], [put(b, { w: 1 })]],
    faults: [{ kind: "crash", node: a }],
  },
  {
    ...three,
    name: "two-crashes",
    about: "two nodes end and come back",
    prepared: [put(a)],
    clients: [[put(a)]],
    faults: [
      { kind: "crash", node: a },
      { kind: "crash", node: b },
    ],
  },
  {
    ...three,
    name: "delete-and-crash",
    about: "a deletion that a node missed which ended and came back",
    prepared: [put(a)],
    clients: [[get(a), erase(a, { replacing: true })]],
    faults: [{ kind: "crash", node: c }],
  },
  {
    ...pair,
    name: "stand-in-crash",
    about: "an owner is out of sight, and the stand-in that keeps the hint ends",
    clients: [[put(a)]],
    faults: [
      { kind: "cut", links: [[a, b]] },
      { kind: "crash", node: c },
    ],
  },
  {
    ...pair,
    name: "stand-in-coordinates",
    about: "a node that is no owner is asked while it is cut off: it keeps a hint and nothing else",
    clients: [[put(c, { w: 1 }), put(c, { w: 1 })]],
    faults: [
      {
        kind: "cut",
        links: [
          [a, c],
          [b, c],
        ],
      },
    ],
  },
  {
    ...three,
    name: "wipe-beside-a-put",
    about: "a disk is lost for good while another node coordinates",
    clients: [[put(a)], [put(c)]],
    faults: [{ kind: "wipe", node: a }],
  },
  {
    ...pair,
    name: "transfer-and-crash",
    about:
      "a newcomer ends in the middle of its transfer, while the node that holds the data in its place takes a write",
    joining: [b],
    prepared: [put(a)],
    clients: [[put(c)]],
    faults: [{ kind: "crash", node: b }],
    exploresMembershipCommits: true,
  },
  {
    ...three,
    name: "failed-commit-and-crash",
    about: "a commit fails, and its node ends later",
    prepared: [put(a)],
    clients: [[put(a), put(a)]],
    faults: [
      { kind: "fail-commit", node: a },
      { kind: "crash", node: a },
    ],
  },
  {
    ...three,
    name: "failed-load-beside-a-put",
    about: "a record cannot be read while others change it",
    prepared: [put(a)],
    restarted: [a, b, c],
    clients: [[get(a), change(a)], [put(b)]],
    faults: [{ kind: "fail-load", node: a }],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap",
    about: "a tombstone is reaped",
    prepared: [put(a), get(a), erase(a, { replacing: true })],
    clients: [],
    faults: [timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-beside-a-put",
    about: "a tombstone is reaped while somebody writes the key again, without having read",
    prepared: [put(a), change(a), erase(a, { replacing: true })],
    clients: [[put(b), put(b)]],
    faults: [timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-beside-old-contexts",
    about:
      "a tombstone is reaped while callers write the key again with the context of the delete, read before or after",
    prepared: [put(a), put(b), get(a), erase(a, { replacing: true })],
    clients: [
      [get(b), change(b)],
      [get(a), change(a)],
    ],
    faults: [timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-late-frame",
    about: "what was put is deleted and reaped, and the network delivers the put once more, however late",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "repeat", from: a, to: b }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-late-reply",
    about:
      "a read is answered with the value; it is deleted and reaped, and the answer arrives once more, however late",
    prepared: [put(a)],
    clients: [[get(b)], [get(a), erase(a, { replacing: true })]],
    faults: [{ kind: "repeat", from: a, to: b }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-crash",
    about: "one who is asked ends in the middle of a delete and its reaping, and comes back",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "crash", node: b }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-crash-of-the-asker",
    about: "the one who asks ends in the middle of a delete and its reaping, and comes back",
    clients: [[put(b), erase(b, { replacing: true })]],
    faults: [{ kind: "crash", node: a }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-crash-and-late-frame",
    about: "one who is asked ends and comes back, and the network delivers the put once more",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "repeat", from: a, to: b }, { kind: "crash", node: b }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-cut",
    about: "the link between the two dies in the middle of a delete and its reaping",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "cut", links: [[a, b]] }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-wipe",
    about: "a disk is lost for good in the middle of a delete and its reaping",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "wipe", node: b }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-failed-commit",
    about: "a commit fails, applied or not, in the middle of a delete and its reaping",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "fail-commit", node: b }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-and-join",
    about: "an owner that holds nothing yet copies what there is, while the tombstone of it is reaped",
    joining: [b],
    prepared: [put(a)],
    clients: [[get(a), erase(a, { replacing: true })]],
    faults: [timeToReap],
  },
  {
    ...pair,
    ...reaping(a),
    name: "reap-and-hint",
    about: "a hint of what was deleted is kept by one who is no owner, while the owners have the tombstone",
    clients: [[put(a), erase(a, { replacing: true })]],
    faults: [{ kind: "cut", links: [[a, b]] }, timeToReap],
  },
  {
    ...two,
    ...reaping(a),
    name: "reap-beside-a-slow-put",
    about: "the tombstone is everywhere, while its coordinator still waits for an answer to the put that was deleted",
    clients: [[put(a, { w: 1 }), erase(a, { w: 1, replacing: true })]],
    faults: [{ kind: "cut", links: [[a, b]] }, timeToReap],
  },
  {
    ...pair,
    ...reaping(a, { hintScanMs: REAP_MS }),
    name: "reap-and-late-hint",
    about: "a hint of what was deleted is sent to one who is no owner, and arrives once more, however late",
    clients: [[put(a, { w: 1 }), erase(a, { w: 1, replacing: true })]],
    faults: [{ kind: "cut", links: [[a, b]] }, { kind: "repeat", from: a, to: c }, timeToReap],
  },
  {
    ...three,
    ...reaping(a),
    name: "reap-among-three",
    about: "three owners, one of whom misses the delete",
    prepared: [put(a)],
    clients: [[get(a), erase(a, { replacing: true })]],
    faults: [
      {
        kind: "cut",
        links: [
          [a, c],
          [b, c],
        ],
      },
      timeToReap,
    ],
  },
];
