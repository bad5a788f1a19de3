/**
 * Every mechanism of the two papers, what became of it here, and what proves it. D1 to D51 are of "Dynamo: Amazon's Highly Available Key-value Store" (SOSP
 * 2007) and of what has been said about it since; E1 to E22 of "Amazon DynamoDB" (ATC 2022). `npm run paper` prints them; `paper-rows.test.ts` holds each
 * name that stands here against the source, and `npm run paper -- --check` runs the tests.
 *
 * Verdicts:
 *
 *   works      it is built, and the named tests would fail without it; `limits` says where our form differs from the paper's
 *   lesson     nothing to build: an outcome, an assumption, or a part of a service that has no counterpart among tabs. `lesson` says what to take from it
 *   out        left out on purpose; `why`
 *   missing    not built, or not shown yet; `needs`
 *
 * A test is named as its source has it, placeholders of `.each` included: file > describe > title. A scenario is a test, too: its golden transcript is
 * compared. Points, invariants and faults are the simulator's (`sometimes.ts`, `checkers.ts`, `fault-plan.ts`); each point is reached by seeds 1 to 100.
 */

import type { Invariant } from "./checkers.ts";
import type { FaultClass } from "./fault-plan.ts";
import type { SometimesPoint, versionsReadPoints } from "./sometimes.ts";

export const verdicts = ["works", "lesson", "out", "missing"] as const;
export type Verdict = (typeof verdicts)[number];

interface Evidence {
  readonly id: string;
  /** Which paper and section; "notes on …" where it is not in the paper itself. */
  readonly from: string;
  readonly title: string;
  /** Where it is. */
  readonly source?: readonly string[];
  /** Titles, by file. Files that end in `.browser.test.ts` or `.e2e.ts` need a browser. */
  readonly tests?: Readonly<Record<string, readonly string[]>>;
  /** Of `scenarios/`, without `.txt`. */
  readonly scenarios?: readonly string[];
  readonly points?: readonly (SometimesPoint | (typeof versionsReadPoints)[number])[];
  readonly invariants?: readonly Invariant[];
  readonly faults?: readonly FaultClass[];
  /** Scripts of package.json that measure it or show it. */
  readonly commands?: readonly string[];
  /** Where our form is less than the paper's, or another. */
  readonly limits?: string;
}

export type PaperRow = Evidence &
  (
    | { readonly verdict: "works" }
    | { readonly verdict: "lesson"; readonly lesson: string }
    | { readonly verdict: "out"; readonly why: string }
    | { readonly verdict: "missing"; readonly needs: string }
  );

const PAPER = "src/core/dynamo-paper.test.ts";
const PLACEMENT = "src/core/placement.test.ts";
const COORDINATORS = "src/core/coordinators.test.ts";
const STORE = "src/store.test.ts";
const BALANCE = "src/sim/paper-balance.test.ts";
const LIGHT = "src/sim/light-clients.test.ts";
const CLOCKS = "src/sim/clock-lesson.test.ts";

export const paperRows: readonly PaperRow[] = [
  {
    id: "D1",
    from: "Dynamo 4.1",
    title:
      "get gives all conflicting versions and an opaque context, put takes it back; a context that is not of this key is refused",
    verdict: "works",
    source: ["src/store.ts", "src/wire/context.ts", "src/core/put-coordinator.ts", "src/core/get-coordinator.ts"],
    tests: {
      "src/core/node.test.ts": [
        "a cluster of one > takes a put and gives it back",
        "a cluster of five > a partition makes siblings, and a put with the joined context supersedes both",
        "a cluster of five > the context of a put covers the caller's own write, and never a sibling that its caller has not read",
      ],
      "src/wire/context.test.ts": [
        "a context comes back as it was read",
        "refused > of another key, in so many words",
        "refused > every flipped bit, every truncation, every addition",
      ],
      "e2e/bad-input.e2e.ts": ["from a caller > a context of another key, or none at all"],
    },
    scenarios: ["context-of-a-put"],
    invariants: ["no-vanishing", "no-fabrication"],
  },
  {
    id: "D2",
    from: "Dynamo 2.1, 4.1",
    title: "keys and values are opaque bytes, values up to 1 MiB, found by their key alone",
    verdict: "works",
    source: ["src/driver/request.ts", "src/wire/codec.ts"],
    tests: {
      "src/wire/codec.test.ts": ["round trip > the largest value and the longest key pass"],
      "src/driver/memory-storage.test.ts": [
        "storage contract: memory > values of 1 MiB come back whole",
        "storage contract: memory > any text is a key; keys sort by UTF-16 code units",
      ],
      "e2e/bad-input.e2e.ts": ["from a caller > an empty or over-long key", "from a caller > a value over 1 MiB"],
    },
    limits: "Keys are text or bytes of 1 to 1,024 bytes. What stands before the first slash names a bucket.",
  },
  {
    id: "D3",
    from: "Dynamo 4.1",
    title: "the MD5 of a key is its position of 128 bits on the ring",
    verdict: "works",
    source: ["src/base/md5.ts", "src/core/address.ts"],
    tests: {
      [PAPER]: [
        "section 4.2, partitioning > MD5 of the key gives a position of 128 bits; the top bits name one of Q equal partitions",
      ],
      "app/state/hash.test.ts": ["MD5 as in RFC 1321", "a key falls where the top bits of its MD5 say"],
    },
  },
  {
    id: "D4",
    from: "Dynamo 4.2",
    title:
      "consistent hashing: the owner is met first on a walk clockwise, and a join or leave moves only its own share",
    verdict: "works",
    source: ["src/core/placement.ts", "src/core/token-claims.ts", "src/core/ring.ts"],
    tests: {
      [PLACEMENT]: [
        "walks > meet the nodes that a walk over all sorted tokens meets, in its order",
        "a join > in placement %i moves what the newcomer takes and nothing else",
      ],
      [PAPER]: [
        "section 6.2, placement 3 > a join moves only the newcomer's share, and leaves all counts within one of theirs",
      ],
      "src/core/token-claims.test.ts": ["a departure copies little more than what the one who goes had"],
    },
    invariants: ["placement"],
  },
  {
    id: "D5",
    from: "Dynamo 4.2",
    title:
      "virtual nodes: many tokens for each node, in proportion to its capacity; what a lost node did falls to many",
    verdict: "works",
    source: ["src/core/placement.ts", "src/core/token-claims.ts"],
    tests: {
      [PAPER]: ["section 4.2, partitioning > virtual nodes: tokens are dealt in proportion to capacity"],
      [PLACEMENT]: [
        "capacities > twice the capacity has twice the tokens and about twice the partitions in placement %i",
        "a node that is down > in placement %i leaves its load to many others, and to none of them much of it",
      ],
      "src/core/token-claims.test.ts": ["targets add up, and differ from the exact share by less than one"],
    },
  },
  {
    id: "D6",
    from: "Dynamo 6.2",
    title: "strategy 1: T random tokens for each node, ranges are the gaps between tokens",
    verdict: "works",
    source: ["src/core/placement.ts"],
    tests: {
      [PLACEMENT]: [
        "walks > in placement 1 a node is met first in the slots between the token before and its own",
        "tokens > are T times the capacity, ascending and distinct, in placement 1 at slots that nobody has",
      ],
      "src/sim/placement.test.ts": [
        "placement > in placement %i, too, data follows the ring: only owners hold a partition, and all of them",
      ],
      "src/store-parameters.test.ts": ["in placement %i tokens and first owners are there to look at"],
    },
    scenarios: ["random-tokens"],
    points: ["partition dropped in placement 1"],
    commands: ["paper:balance"],
    limits:
      "Tokens lie on slots of 1/Q, so what is held, compared and moved is always one of Q equal parts: a join never scans a whole disk and rebuilds no tree, the paper's cost of this strategy.",
  },
  {
    id: "D7",
    from: "Dynamo 6.2",
    title: "strategy 2: T random tokens for each node only say who holds which of Q equal partitions",
    verdict: "works",
    source: ["src/core/placement.ts"],
    tests: {
      [PLACEMENT]: ["walks > in placement 2 the walk begins at the end of the partition, not at its beginning"],
      [BALANCE]: [
        "figure 8 > strategy 2 is the worst where tokens are so many that they share partitions; else it is like strategy 1",
      ],
      "src/sim/placement.test.ts": [
        "placement > in placement %i, too, data follows the ring: only owners hold a partition, and all of them",
      ],
    },
    points: ["partition dropped in placement 2"],
    commands: ["paper:balance"],
  },
  {
    id: "D8",
    from: "Dynamo 6.2",
    title:
      "strategy 3, the default: Q equal partitions, Q/S tokens for each node; joiners steal tokens, those who go deal theirs out",
    verdict: "works",
    source: ["src/core/token-claims.ts", "src/core/token-spacing.ts", "src/core/belonging.ts"],
    tests: {
      "src/core/token-claims.test.ts": [
        "joins of any capacity: counts within one of the share, tokens spaced, and at most a quarter more moved than the newcomer takes",
        "concurrent joins are evened out by those who have too many, each giving only its own",
        "the tokens of those who are gone go to those who have least, and no others move",
        "any N consecutive tokens are on distinct nodes once there are more than N, whatever the order of ids",
      ],
      [PAPER]: [
        "section 6.2, placement 3 > a join moves only the newcomer's share, and leaves all counts within one of theirs",
      ],
    },
    scenarios: ["joined-at-the-same-moment"],
    points: ["partition held", "partition dropped"],
    invariants: ["placement"],
    limits:
      "The coordination that the paper asks for is a versioned claim for each token, merged by gossip. Tokens of those who go are dealt to whoever has least, not at random. A partition is a range of keys in one store, not a file of its own.",
  },
  {
    id: "D9",
    from: "Dynamo 6.2, figure 8",
    title: "efficiency against the size of the membership metadata, 30 nodes, N=3, for the three strategies",
    verdict: "works",
    source: ["src/sim/paper-balance.ts"],
    tests: {
      [BALANCE]: [
        "the measure > efficiency is the mean load over the highest, each partition at its N owners",
        "the measure > metadata is the tokens, or the claims and their owners, and nothing else",
        "figure 8 > strategy 3 is the best at every number of entries, by far",
        "figure 8 > strategy 2 is the worst where tokens are so many that they share partitions; else it is like strategy 1",
        "figure 8 > in bytes strategy 2 is the worst and, with four partitions for each node, strategy 3 the best",
      ],
    },
    commands: ["paper:balance"],
    limits:
      "The paper does not give its unit of size: entries and bytes of our codec are both shown, and order the strategies a little differently.",
  },
  {
    id: "D10",
    from: "Dynamo 6.2, figure 6",
    title: "a node is out of balance when its load is more than 15% from the mean over 30 minutes",
    verdict: "works",
    source: ["src/core/statistics.ts", "src/core/bookkeeping.ts", "src/sim/paper-balance.ts"],
    tests: {
      "src/core/statistics.test.ts": [
        "balance > a node more than 15 percent off its share is out of it",
        "balance > a share is by capacity, and a node without capacity has none",
      ],
      "src/core/bookkeeping.test.ts": [
        "over time > minutes are told newest first, quiet ones as well, for half an hour and the one under way",
      ],
      [BALANCE]: [
        "the measure > out of balance are those more than 15% from the mean",
        "nodes out of balance: none to speak of in placement 3 with even keys, many in 1 and 2, and most everywhere with skewed ones",
      ],
    },
    commands: ["paper:balance"],
    limits:
      "The share is of what a node's capacity asks for. The paper's 20% and 10% are of Amazon's traffic; ours are of drawn keys.",
  },
  {
    id: "D11",
    from: "Dynamo 4.2, 6.6",
    title: "every node has the whole routing table, of a size of order Q: no hop but the one to an owner",
    verdict: "works",
    source: ["src/core/ring.ts", "src/core/membership.ts", "src/core/gossip.ts"],
    tests: {
      "src/core/node.test.ts": ["a cluster of five > joins, agrees on the ring, and every node serves every key"],
      [PLACEMENT]: ["walks > are the same at nodes that heard of the members in another order"],
      "src/core/ring.test.ts": ["a ring that follows another has the same lists as one made from the view alone"],
      "src/sim/placement.test.ts": ["placement > two rings behind one digest are a violation"],
    },
    invariants: ["routing", "placement"],
    limits: "At most 4,096 partitions. As in the paper, this is for hundreds of nodes.",
  },
  {
    id: "D12",
    from: "Dynamo 4.3",
    title: "each key is replicated at N distinct nodes, found clockwise; N is set for each cluster",
    verdict: "works",
    source: ["src/core/ring.ts", "src/core/put-coordinator.ts"],
    tests: {
      [PAPER]: [
        "section 4.3, replication > the preference list has N distinct nodes for every partition, and skips virtual nodes of the same one",
      ],
      "src/core/node.test.ts": [
        "a cluster of five > data written before the joins is held by all owners after them, and by nobody else",
      ],
      "e2e/membership.e2e.ts": [
        "tabs join, leave and are removed under load: no read fails, nothing acknowledged is missing, every key is on exactly its owners",
      ],
    },
    invariants: ["convergence", "no-lost-write", "copies-kept"],
    limits: "With fewer members than N there are as many replicas as members. A bucket has no N of its own.",
  },
  {
    id: "D13",
    from: "Dynamo 4.3",
    title:
      "the preference list is longer than N, skips tokens of nodes that it has met, is the same everywhere, and spreads over data centres",
    verdict: "works",
    source: ["src/core/ring.ts", "src/core/token-spacing.ts"],
    tests: {
      [PAPER]: [
        "section 4.3, replication > the preference list has N distinct nodes for every partition, and skips virtual nodes of the same one",
        "section 4.3, replication > it is spread over zones first (the paper's data centres)",
      ],
      [PLACEMENT]: [
        "zones > the first N of a list are in as many zones as there are, in the order of the walk",
        "walks > are the same at nodes that heard of the members in another order",
      ],
      "src/store-parameters.test.ts": ["the status tells in how many zones a key lies"],
    },
    limits: "A data centre is a zone here: by default one browser profile on one device.",
  },
  {
    id: "D14",
    from: "Dynamo 4.5, 5",
    title: "any node takes any request; who is not of the top N forwards it to one who is",
    verdict: "works",
    source: ["src/core/forwarding.ts", "src/core/node.ts"],
    tests: {
      "src/core/node.test.ts": ["a cluster of five > joins, agrees on the ring, and every node serves every key"],
      "src/core/forwarding.test.ts": [
        "the write coordinator of the context > a node that counts as well coordinates itself when the other is lost, slow or refuses, and asks no third",
        "a request keeps its operation id through all who are asked, and says how often it was handed on",
      ],
    },
    scenarios: ["always-writable"],
    points: ["put forwarded", "stand-in coordinated", "owners out of reach"],
    invariants: ["routing", "answered"],
    limits: "When no owner can be reached, whoever was asked coordinates as a stand-in.",
  },
  {
    id: "D15",
    from: "Dynamo 5",
    title: "the node that answered the preceding read first, remembered in the context, coordinates the write",
    verdict: "works",
    source: ["src/core/forwarding.ts", "src/wire/context.ts"],
    tests: {
      [LIGHT]: [
        "the write coordinator > is the node that answered the preceding read first, wherever the caller is",
        "the write coordinator > is another one when that node does not count or is gone",
      ],
      "src/core/forwarding.test.ts": [
        "the write coordinator of the context > is asked first, whatever the order of the preference list",
        "the write coordinator of the context > is not asked when it does not count, or cannot be reached",
      ],
    },
    points: ["write coordinator taken from the context"],
    invariants: ["read-your-writes"],
  },
  {
    id: "D16",
    from: "Dynamo 4.5",
    title:
      "put: a new version of the coordinator's clock, stored there and sent to the N highest that can be reached; done after W have it",
    verdict: "works",
    source: ["src/core/put-coordinator.ts", "src/core/replica.ts"],
    tests: {
      "src/core/put-coordinator.test.ts": [
        "with N who count > W durable copies make a put, the coordinator's own among them",
        "with N who count > its own copy is one of them only when it is durable",
      ],
      [COORDINATORS]: [
        "whatever comes in whatever order > a put is answered when w replicas and pw owners have it, and fails when they can no longer",
      ],
      "src/driver/driver.test.ts": ["driver > a put is answered only when the disk has it"],
    },
    invariants: ["durable-before-ack", "no-lost-write", "unique-dots"],
    limits:
      "The coordinator sends while its own store is under way, and counts itself when that is durable. With more than N holders quorums grow.",
  },
  {
    id: "D17",
    from: "Dynamo 4.5",
    title: "get: asks the N highest that can be reached, answers after R, gives all causally unrelated versions",
    verdict: "works",
    source: ["src/core/get-coordinator.ts"],
    tests: {
      "src/core/get-coordinator.test.ts": [
        "with N who count > R answers make a get, and what they have is merged",
        "with N who count > a disk that did not answer is no answer",
        "with N who count > one that is down is replaced by the next on the walk, who is not asked as one who counts",
      ],
      [COORDINATORS]: [
        "whatever comes in whatever order > a get is answered when r have answered and pr of them are owners, and never by stand-ins in reserve",
      ],
    },
    points: ["siblings read", "get saw 2 versions"],
    invariants: ["no-fabrication", "strict-quorum"],
  },
  {
    id: "D18",
    from: "Dynamo 5",
    title: "each read is a state machine of its own: send, wait, fail at its time, gather, reconcile, make the context",
    verdict: "works",
    source: ["src/core/get-coordinator.ts", "src/core/hedging.ts"],
    tests: {
      "src/core/get-coordinator.test.ts": [
        "with N who count > R answers make a get, and what they have is merged",
        "somebody who was asked counts no more, or not yet > too few are left and no other ring comes: it fails when it is slow, not before",
        "an answer that names more who count > that comes after the caller has its answer asks nobody any more",
      ],
      "src/driver/driver.test.ts": ["driver > a quorum that cannot be had is a QuorumError that names who was silent"],
    },
    scenarios: ["quorum-lost-and-regained"],
    points: ["get failed", "put failed"],
    invariants: ["answered", "bounded"],
  },
  {
    id: "D19",
    from: "Dynamo 5",
    title: "read repair: the state machine lives on after its answer and sends the newest to whoever was behind",
    verdict: "works",
    source: ["src/core/get-coordinator.ts"],
    tests: {
      "src/core/get-coordinator.test.ts": ["with N who count > R answers make a get, and what they have is merged"],
    },
    scenarios: ["read-repair-and-a-newer-write"],
    points: ["read repaired"],
    invariants: ["convergence"],
  },
  {
    id: "D20",
    from: "Dynamo 4.5, 6",
    title: "R + W > N; as slow as the slowest of R or W; (3,2,2), (3,1,3), (3,3,1)",
    verdict: "works",
    source: ["src/core/quorum.ts", "src/core/request-defaults.ts"],
    tests: {
      [PAPER]: [
        "section 4.5, quorums > $name, ($n,$r,$w), is as fast as its R-th and W-th reply, and sees the last write when R+W>N",
        "section 4.5, quorums > a request succeeds with its R or W replies, whoever they come from, and fails when they can no longer come",
      ],
      "src/core/quorum.test.ts": [
        "Tally > counts as somebody would who reads the whole story",
        "quorumOf > a write quorum and a read quorum of the same holders always meet",
      ],
      "src/driver/request.test.ts": ["a quorum > r and w are whole numbers from 1 to n, pr and pw from 0"],
    },
    scenarios: ["sloppy-quorum-is-not-strict"],
    invariants: ["strict-quorum", "read-your-writes"],
    limits:
      "R + W > N is no strong consistency: stand-ins break the overlap, and two who write at once are siblings even where it holds.",
  },
  {
    id: "D21",
    from: "Dynamo 4.6",
    title: "sloppy quorum: the first N healthy nodes, not the first N",
    verdict: "works",
    source: ["src/core/put-coordinator.ts", "src/core/get-coordinator.ts"],
    tests: {
      "src/core/put-coordinator.test.ts": [
        "with more than N who count > when so many cannot be reached, W have to do, and the others are owed hints",
        "one node is one copy > an owner and its stand-in are one between them",
      ],
      [COORDINATORS]: ["pw > a stand-in's hint counts towards w, and not towards pw"],
    },
    scenarios: ["always-writable", "sloppy-quorum-is-not-strict", "owner-and-stand-in", "owners-asked-for"],
    points: ["sloppy quorum"],
    invariants: ["no-lost-write"],
  },
  {
    id: "D22",
    from: "Dynamo 4.6",
    title: "hinted handoff: the stand-in keeps the replica and for whom, apart from its own, delivers it, then lets go",
    verdict: "works",
    source: ["src/core/hinted-handoff.ts", "src/core/hint-index.ts"],
    tests: {
      "src/core/node.test.ts": [
        "a cluster of five > an owner that is away gets what it missed from hints, and they drain to 0",
      ],
      "src/core/hint-index.test.ts": [
        "hints are known by key and by whom they are owed to, in the order in which they came",
        "one that leaves is not delivered again, but still counts until it is removed",
      ],
      "src/core/replica.test.ts": [
        "hints > a key is its record joined with its hints, over a restart too",
        "hints > beyond hintsMax a hint is refused by name, and those kept may still grow",
      ],
      "src/sim/custody.test.ts": [
        "a hint goes > when its target has it",
        "a hint goes > when W of the owners have it, if its target is none of them",
      ],
      "e2e/hinted-handoff.e2e.ts": [
        "kill an owner, write on, bring it back: hints drain, it holds the newest, nothing is missing",
      ],
    },
    scenarios: ["hinted-handoff", "hint-of-a-stand-in", "hint-after-a-join", "full-hint-store", "hint-removal-failed"],
    points: ["hint kept", "hint delivered", "hint entrusted", "hint re-routed", "hint refused"],
    invariants: ["copies-kept"],
  },
  {
    id: "D23",
    from: "Dynamo 4.4",
    title:
      "vector clocks: a list of (node, counter); smaller or equal everywhere is an ancestor, else siblings; versions never change",
    verdict: "works",
    source: ["src/core/vector-clock.ts", "src/core/dvvset.ts", "src/sim/clock-schedules.ts"],
    tests: {
      "src/core/vector-clock.test.ts": [
        "one clock is an ancestor of another exactly when all events behind it are behind the other",
        "merging > is commutative, associative and idempotent, and the least that both are ancestors of",
      ],
      "src/core/dvvset.test.ts": [
        "dvvset > keeps exactly the versions that the causal histories keep",
        "dvvset > two concurrent clients through one coordinator: siblings, where a plain vector clock would lose one (riak_kv 746)",
      ],
      [CLOCKS]: [
        "two clients, one coordinator > plain clocks lose an acknowledged write, whichever way nodes count",
        "whatever the schedule > dots lose nothing and make no false sibling, and exchanges with all bring agreement",
      ],
    },
    scenarios: ["false-siblings"],
    limits:
      "The store uses dotted version vectors. Plain clocks run beside them in the lessons, because they lose a write when two clients go through one coordinator.",
  },
  {
    id: "D24",
    from: "Dynamo 4.4, figure 3",
    title:
      "the walk of D1 to D5: a context joins the clocks of what was read, and a write with it supersedes all of it",
    verdict: "works",
    source: ["src/core/dvvset.ts", "src/sim/clock-schedules.ts"],
    tests: {
      [PAPER]: ["section 4.4, figure 3 > D1 to D5: version evolution with clocks of Sx, Sy and Sz"],
      [CLOCKS]: [
        "figure 3 > plain clocks and dots hold the same versions after every step",
        "figure 3 > the clocks are those of the paper",
      ],
    },
    scenarios: ["figure-3"],
  },
  {
    id: "D25",
    from: "Dynamo 4.4",
    title: "clocks are cut: a wall time for each entry, the oldest goes beyond about ten",
    verdict: "works",
    source: ["src/core/vector-clock.ts", "src/sim/clock-schedules.ts"],
    tests: {
      "src/core/vector-clock.test.ts": [
        "merging > what is cut is the oldest, and no more than must go",
        "an eleventh entry costs the oldest; writing again keeps a node young",
      ],
      [CLOCKS]: [
        "truncation > a clock of at most %i entries: a version and its own descendant are siblings for ever",
        "truncation > a dotted set must not be cut either: what was overwritten comes back, and a new write can vanish",
      ],
      "src/core/replica.test.ts": [
        "client writes > the 64th entry of a clock is noted, the 63rd is not, and none is ever cut",
      ],
    },
    limits: "In the lessons, with the harm that it does. The store never cuts a clock; it warns at 64 entries.",
  },
  {
    id: "D26",
    from: "Dynamo 4.4",
    title:
      "syntactic and semantic reconciliation; the merged cart never loses what was added, and what was removed can come back",
    verdict: "works",
    source: ["src/core/dvvset.ts", "src/reconcile/cart-union.ts", "src/reconcile/cart-comparison.ts"],
    tests: {
      "src/reconcile/cart-union.test.ts": ["no addition of an item is lost", "a removed item comes back"],
      "src/reconcile/cart-comparison.test.ts": [
        "the union brings back what one version removed, and says which",
        "whatever the edits, results and differences add up and each difference names a version",
      ],
      "src/core/dvvset.test.ts": ["dvvset > a put with the context of a read replaces all that was read"],
      "e2e/cart-story.e2e.ts": [
        "cut 2 | 3, change one cart on both sides, heal: two siblings everywhere; one tab reconciles: one cart everywhere",
      ],
    },
    scenarios: ["cart-in-two-halves", "one-cart-two-checkouts"],
    points: ["three siblings merged"],
  },
  {
    id: "D27",
    from: "Dynamo 6",
    title: "three ways to use it: the application merges; the last write wins; read often, R=1 and W=N",
    verdict: "works",
    source: [
      "src/core/buckets.ts",
      "src/core/request-defaults.ts",
      "src/bucket.ts",
      "src/reconcile/last-write-wins.ts",
    ],
    tests: {
      [PAPER]: [
        "section 6, usage patterns > are three buckets: business logic reconciles carts, of sessions the latest stands, the catalogue is a read engine",
      ],
      "app/state/shop-buckets.test.ts": ["the first tab sets the paper's three usage patterns, whatever n is"],
      "src/core/replica.test.ts": ["client writes > last write wins by wall clock, blind writes included"],
      "src/core/bucket-setting.test.ts": [
        "what a request asks for > is what its caller says, else its bucket, else the cluster",
      ],
      "src/core/buckets.test.ts": [
        "merging > is commutative, associative and idempotent; equal lists have equal digests, and different ones different ones",
      ],
    },
    scenarios: ["bucket-in-two-halves", "last-write-wins-under-skew"],
    points: ["bucket heard of"],
  },
  {
    id: "D28",
    from: "notes on Dynamo 4.4",
    title: "values that merge by themselves (CRDTs) beside the application's own merge",
    verdict: "works",
    source: ["src/reconcile/yjs-cart.ts", "src/reconcile/observed-remove-cart.ts", "src/reconcile/grow-counter.ts"],
    tests: {
      "src/reconcile/yjs-cart.test.ts": [
        "commutative, associative, idempotent in what they hold, over histories of three shoppers",
        "the canonical conflict > additions of different items all stay, a removed item stays removed",
      ],
      "src/reconcile/observed-remove-cart.test.ts": [
        "laws, over histories of three shoppers who also meet older versions > commutative, associative, idempotent, to the last byte",
        "laws, over histories of three shoppers who also meet older versions > agrees with a naive model that tags every copy and keeps every removed tag",
      ],
      "src/reconcile/grow-counter.test.ts": ["concurrent sales add up, and a sale that arrives twice counts once"],
    },
  },
  {
    id: "D29",
    from: "Dynamo 4.7",
    title: "Merkle trees for each range: compare roots, descend, exchange what differs",
    verdict: "works",
    source: [
      "src/core/merkle-forest.ts",
      "src/core/tree-exchange.ts",
      "src/core/anti-entropy.ts",
      "src/driver/leaf-journal.ts",
    ],
    tests: {
      "src/core/merkle-forest.test.ts": [
        "sums > are those of the records, on every level, after every change",
        "digests > of records are equal when the records are, and only then",
      ],
      "src/core/tree-exchange.test.ts": [
        "an exchange > gives each side what its direction says, and changes nothing else",
        "an exchange > between sides that are alike is one question, and its answer names nobody",
        "writes meanwhile > a settled exchange has brought across what was durable when it began, whatever is written or fails meanwhile",
      ],
      "src/core/anti-entropy-turns.test.ts": [
        "comparing > goes on with each peer in turn, over everything that both hold",
      ],
      "src/driver/leaf-journal.test.ts": [
        "LeafJournal > the sums are those of what was committed, whatever fails, is folded, or restarts",
      ],
      "src/wire/tree-exchange-bytes.test.ts": ["an exchange of %i partitions costs what differs"],
    },
    scenarios: ["wiped-disk"],
    points: ["trees evened out", "leaf corrected", "tree exchange failed"],
    invariants: ["convergence"],
    limits:
      "A node of a tree is the sum of the digests under it, 52 bits wide: it finds accidents, not forgeries. Trees are never rebuilt; the scrub sets a wrong sum right.",
  },
  {
    id: "D30",
    from: "Dynamo 4.8.1",
    title:
      "membership changes by an explicit act, kept on disk; unreachable is not departed, and no failure moves data; a tab that stays closed may be removed after a time of grace",
    verdict: "works",
    source: [
      "src/core/membership.ts",
      "src/core/membership-change.ts",
      "src/core/grace.ts",
      "src/core/departure.ts",
      "src/core/belonging.ts",
    ],
    tests: {
      "src/core/membership.test.ts": [
        "who is gone stays gone, whatever it or others say of it; who was removed was not merely leaving",
        "only the latest departures are remembered, by whatever way they came",
      ],
      "src/core/membership-change.test.ts": [
        "removing > a silent member of whose data enough others have copies",
        "removing > the last copies; unless it is forced",
        "removing > leaves W copies of every partition, or one with each other member, whenever it is not refused",
      ],
      "src/store-membership.test.ts": [
        "a plan says what will move, and then that moves",
        "who is away can be removed; who comes back then gives what it has, and goes",
        "a tab that stays closed is removed after the time of grace, where one is set; if it comes back it gives what only it had",
        "an operator's slips are refused with the reason, and change nothing",
      ],
      "src/core/grace.test.ts": [
        "a member that is not reached > stays while somebody hears it",
        "who waits > knows nothing of the time for which it was away itself",
        "in any cluster whose members come together and part > only a majority removes, and nobody whom it has met within the time; of two groups only one removes, and somebody stays",
      ],
      "src/sim/placement.test.ts": [
        "placement > a cluster at rest passes, and goes on to when a node crashes for long",
        "placement > a token that moves in peace is a violation, unless somebody came",
      ],
      "src/wire/record.test.ts": ["the node's own state survives"],
    },
    scenarios: ["closed-tab-removed"],
    points: ["departed by itself", "departed after a removal", "removed after the grace time"],
    faults: ["leaves", "removals", "newcomers", "long-absences"],
    invariants: ["placement", "departure"],
    limits:
      "The time of grace is off by default. A departure keeps when and by whom; the time of a join is not kept, and the last 512 departures are.",
  },
  {
    id: "D31",
    from: "Dynamo 4.8.1",
    title:
      "gossip: each node reconciles with one random peer each second; a rumour is everywhere after about log n rounds",
    verdict: "works",
    source: ["src/core/gossip.ts"],
    tests: {
      "src/core/gossip.test.ts": [
        "gossip > ends in the join of all views at everybody, whatever is lost or doubled on the way, and says nothing more then",
        "gossip > a rumour is everywhere after about log n rounds, after fewer with a larger fan-out, which costs more messages",
      ],
    },
    points: ["ring views differed"],
    invariants: ["convergence", "quiet"],
    limits:
      "Besides the round each second, a change is told to three peers at once. The fan-out is a setting, 1 by default.",
  },
  {
    id: "D32",
    from: "notes on Dynamo 4.8.1",
    title: "gossip by versions in three messages: versions, what is newer and what is wanted, what was wanted",
    verdict: "works",
    source: ["src/core/gossip.ts", "src/core/membership.ts"],
    tests: {
      "src/core/gossip.test.ts": [
        "gossip > ends in the join of all views at everybody, whatever is lost or doubled on the way, and says nothing more then",
      ],
      "src/core/membership.test.ts": [
        "merging is commutative, associative and idempotent, and equal views have equal digests",
        "nothing new leaves the very same view",
      ],
    },
    scenarios: ["claims-before-claimant"],
    limits:
      "An entry carries tokens, holdings, protocol versions and whether the tab is hidden; a digest goes first, so that equal views cost one message. Load is not in it: it is asked for (`clusterStatistics`).",
  },
  {
    id: "D33",
    from: "Dynamo 4.8.1",
    title: "tokens are chosen at the first start, kept on disk, and spread by the same gossip",
    verdict: "works",
    source: ["src/core/placement.ts", "src/core/belonging.ts"],
    tests: {
      [PLACEMENT]: [
        "a node > keeps its tokens over restarts, with another capacity too",
        "a node > that comes back with a disk from before it joined takes up the tokens that others know of",
      ],
      "src/core/ring.test.ts": ["a claim that arrives before its claimant's entry names an owner all the same"],
      "src/sim/placement.test.ts": ["placement > a token of its own that a node draws anew is a violation"],
      "src/wire/record.test.ts": ["the node's own state survives"],
    },
    invariants: ["placement"],
  },
  {
    id: "D34",
    from: "Dynamo 4.8.3",
    title: "whether a peer answers is each node's own opinion, driven by traffic, and tried again now and then",
    verdict: "works",
    source: ["src/core/failure-detector.ts", "src/core/slow-peers.ts"],
    tests: {
      "src/core/failure-detector.test.ts": [
        "opinions > silence makes a suspect, others are asked, and then the link is given up",
        "opinions > a suspect that is heard again is up again",
        "lost members are dialled with growing waits, and never more than linksMax at a time",
      ],
      "src/core/slow-peers.test.ts": [
        "a peer > that leaves requests unanswered while others answer is slow, and is pinged",
      ],
    },
    scenarios: ["two-members-without-the-seed", "frozen-tab"],
    points: ["peer suspected", "peer slow", "peer prompt again"],
    faults: ["partitions", "one-way-cuts", "mutes", "gray-nodes"],
    invariants: ["accusation"],
    limits: "Pings keep an opinion fresh where there is no traffic.",
  },
  {
    id: "D35",
    from: "Dynamo 4.8.2",
    title: "seeds: full nodes known from outside, with whom all reconcile, so that rings which grew apart heal",
    verdict: "works",
    source: ["signaling/main.ts", "signaling/seed-transport.ts", "src/core/gossip.ts"],
    tests: {
      "src/core/gossip.test.ts": [
        "gossip > two halves that know nothing of each other meet at a seed",
        "gossip > reaches a seed now and then, however many other peers there are",
      ],
      "src/core/node.test.ts": [
        "a founder without capacity > hands everything to the first node with capacity and keeps nothing",
      ],
      "e2e/links-by-server.test.ts": [
        "the seed > is linked by itself when a tab joins, as a websocket link; and the tab says so",
      ],
      "e2e/seed-loss.e2e.ts": [
        "without the server reads and writes go on, lost links are made anew, and a sixth tab joins after its return",
      ],
    },
    scenarios: ["newcomers-in-both-halves", "seed-without-data-founds"],
    faults: ["seed-outages"],
    limits: "The server of the demo is the seed: a node of capacity 0 behind a WebSocket.",
  },
  {
    id: "D36",
    from: "Dynamo 4.9",
    title: "a newcomer gets the ranges that it takes from their holders, no range twice; leaving is the reverse",
    verdict: "works",
    source: ["src/core/transfer.ts", "src/core/opening.ts", "src/core/hand-over.ts", "src/core/departure.ts"],
    tests: {
      "src/core/transfer.test.ts": [
        "copying > is owed for what this node owns and does not hold, and for nothing else",
        "copying > goes page by page, each asked for when the last one is durable, and tells when all of it is",
        "what is here already > is not copied again: trees are compared",
        "whatever fails on the way, what is told to be held is durable here, all of it, and in the end everything is",
      ],
      "src/core/opening.test.ts": ["opening > waits until enough others know and were compared with, and no longer"],
      "src/core/hand-over.test.ts": [
        "a former owner counts itself out when all owners have said yes and have all that it had, not before",
      ],
      "src/core/departure.test.ts": [
        "who leaves > stays as long as something is here that others may lack, or is not written down",
      ],
      "src/core/quorum.test.ts": [
        "quorumOf > a newcomer that was compared with as many as `opening.ts` asks for has met every quorum of the others",
      ],
      "e2e/membership.e2e.ts": [
        "tabs join, leave and are removed under load: no read fails, nothing acknowledged is missing, every key is on exactly its owners",
      ],
    },
    scenarios: ["join-while-writing", "newcomer-reads", "joined-at-the-same-moment", "holder-told-too-early"],
    points: ["partition held", "partition opened", "release refused", "page refused", "quorum grown"],
    faults: ["newcomers", "leaves"],
    limits: "The newcomer asks for pages, where the paper's old owners push; what it asks for it does not have.",
  },
  {
    id: "D37",
    from: "Dynamo 5",
    title: "the local engine can be exchanged: memory, IndexedDB, a log file",
    verdict: "works",
    source: [
      "src/driver/ports.ts",
      "src/driver/storage-contract.ts",
      "src/driver/memory-storage.ts",
      "src/browser/indexeddb-storage.ts",
      "signaling/file-storage.ts",
    ],
    tests: {
      "src/driver/memory-storage.test.ts": [
        "storage contract: memory > agrees with a plain model over a random history",
      ],
      "src/browser/indexeddb-storage.test.ts": [
        "storage contract: IndexedDB in memory > agrees with a plain model over a random history",
        "storage contract: IndexedDB in memory > what was committed is there when the disk is opened again",
      ],
      "signaling/file-storage.test.ts": [
        "storage contract: a log file > agrees with a plain model over a random history",
        "storage contract: a log file > what was committed is there when the disk is opened again",
      ],
      "src/driver/group-commit.test.ts": ["GroupCommit > one strict commit makes its transaction strict, and no other"],
    },
  },
  {
    id: "D38",
    from: "Dynamo 5",
    title: "event-driven stages: requests are state machines, messages and disk answers are events, queues are bounded",
    verdict: "works",
    source: ["src/core/node.ts", "src/driver/driver.ts", "src/driver/group-commit.ts", "src/wire/link.ts"],
    tests: {
      "src/sim/simulator.test.ts": [
        "a node starts, founds if it is told to, and is woken at the time that it names and not before",
        "effects come back as events: storage, links, messages, disconnect",
      ],
      "src/driver/link-runner.test.ts": ["all that one turn has to say goes out as one frame, at the end of the turn"],
      "src/driver/group-commit.test.ts": [
        "GroupCommit > what one turn commits is one transaction",
        "GroupCommit > what waits is bounded, and more is refused at once without harm",
      ],
      "src/wire/link.test.ts": [
        "messages > foreground goes before background, background frames are small, and wait for a channel that is nearly empty",
      ],
      "src/tidy.test.ts": [
        "below the driver, and in the simulator, nothing reads a clock, draws, waits or touches the host",
      ],
    },
    invariants: ["bounded", "answered"],
    limits: "One synchronous machine for each node instead of stages with thread pools: a tab has one thread.",
  },
  {
    id: "D39",
    from: "Dynamo 6.1, figure 5",
    title:
      "buffered writes: a queue in memory and a writer, one of N commits strictly, the coordinator need not wait for it",
    verdict: "works",
    source: [
      "src/core/write-buffer.ts",
      "src/core/put-coordinator.ts",
      "src/core/replica.ts",
      "src/sim/paper-durability.ts",
    ],
    tests: {
      [COORDINATORS]: [
        "dw > without it one of N is strict, the last that can be reached, and nobody waits for it",
        "dw > waits for so many strict commits among those that count, whatever was acknowledged otherwise",
        "dw > in a bucket with a buffer all others are in memory, and the report says how many answers are",
      ],
      "src/core/write-buffer.test.ts": [
        "a buffer > gives each write to the disk once, in order, and has room again when the disk has answered",
        "a buffer > has room for so many objects and bytes that the disk has not answered for, and is pressing from half of it on",
        "a replica > acknowledges from memory what may be buffered, shows it to reads, and writes it down in time",
        "a replica > asks the disk itself when the buffer is full, and says so",
        "a replica > each acknowledgement is worth what it says, in whatever order things come",
      ],
      "src/sim/paper-durability.test.ts": [
        "latencies > a buffer lowers the 99.9th percentile several times over, as figure 5 has it",
        "latencies > one strict commit of N costs its callers less than strict commits everywhere",
        "losses > strict commits that were waited for survive a power failure, relaxed ones a crash",
        "losses > what was acknowledged from memory may be lost, and every node says so",
      ],
      "src/driver/driver.test.ts": [
        "driver > writes reach the disk as they are to be kept: one of N strictly, all with dw, from memory when the node closes",
      ],
    },
    scenarios: ["one-strict-of-n", "write-buffer"],
    points: ["put acknowledged from memory", "put with strict commits", "buffer lost in a crash"],
    faults: ["power-cuts"],
    invariants: ["no-lost-write", "durable-before-ack"],
    commands: ["paper:durability"],
    limits:
      "Figure 5 is on simulated disks. The buffer is off by default, bounded by objects and bytes, and written down within a tenth of a second.",
  },
  {
    id: "D40",
    from: "Dynamo 2.2, 6.1, figure 4",
    title: "latency by its 99.9th percentile, apart for reads and writes",
    verdict: "works",
    source: [
      "src/base/histogram.ts",
      "src/core/statistics.ts",
      "src/core/bookkeeping.ts",
      "src/sim/paper-latencies.ts",
    ],
    tests: {
      "src/base/histogram.test.ts": [
        "a percentile > is that of the sorted list, to within the error",
        "a percentile > the 99.9th of a thousand is the 999th, not the largest",
        "merging is commutative and associative, and the same as counting everything in one",
      ],
      "src/sim/paper-latencies.test.ts": [
        "the rate follows the hour of the day, every request is answered and counts once",
        "by day requests take longer than at night, writes longer than reads",
        "without a wave in the rate, or without work that waits, there is none in the latencies",
      ],
      "src/core/statistics.test.ts": ["figures > latencies are told in milliseconds, the slowest thousandth too"],
      [STORE]: ["a store tells what its callers saw, and what those of the whole cluster saw"],
    },
    commands: ["paper:latencies", "bench", "paper:coordination"],
    invariants: ["statistics"],
    limits:
      "The paper's 300 ms and 200 ms are of its machines; no figure of ours is held against them. Figure 4 is of three compressed days on simulated disks.",
  },
  {
    id: "D41",
    from: "Dynamo 6.4, table 2",
    title:
      "client-driven coordination: the membership is fetched from a random node every 10 s, and at once when it is stale",
    verdict: "works",
    source: ["src/core/light-client.ts", "src/core/view-refresh.ts", "src/sim/paper-coordination.ts"],
    tests: {
      "src/sim/paper-coordination.test.ts": [
        "client-driven coordination is better than server-driven, in the mean and in the tail, for reads and writes (table 2)",
        "the same seed gives the same figures, another one others",
      ],
      "src/core/view-refresh.test.ts": [
        "told by an answer that its view is stale, it asks that member at once, and learns what changed",
        "turns come at the same rate whether anything changes or not",
      ],
      [STORE]: ["a light client reads and writes beside the members, is none of them, and says what it is"],
      "e2e/light-client.e2e.ts": ["a light tab puts and gets, is no member, and survives the close of one"],
    },
    points: ["light client answered", "light client told that it is stale", "light client learned what changed"],
    commands: ["paper:coordination"],
    limits: "A light client hands each request to an owner, which coordinates it; it does not ask the replicas itself.",
  },
  {
    id: "D42",
    from: "Dynamo 6.3",
    title: "divergence: the share of reads that saw one, two, three or more versions",
    verdict: "works",
    source: ["src/core/bookkeeping.ts", "src/core/statistics.ts", "src/sim/paper-versions.ts"],
    tests: {
      "src/core/bookkeeping.test.ts": ["gets by the versions that they saw: none, one, two, three, four or more"],
      "src/core/statistics.test.ts": ["figures > shares of gets by the versions that they saw"],
      "src/sim/paper-versions.test.ts": [
        "for any population callers saw what the nodes counted, each read has one cause, and without failures versions come of writers at once alone",
        "the populations > the more robots write a cart at once, the more versions there are",
        "the populations > failures make far fewer than robots do, as the paper says",
      ],
      [STORE]: ["a store tells what its callers saw, and what those of the whole cluster saw"],
    },
    points: [
      "get saw 0 versions",
      "get saw 1 version",
      "get saw 2 versions",
      "get saw 3 versions",
      "get saw 4 or more versions",
    ],
    invariants: ["statistics"],
    commands: ["paper:versions"],
    limits: "The paper's shares add up to 99.941%, so they are a shape, and nothing to reach.",
  },
  {
    id: "D43",
    from: "Dynamo 6.5",
    title:
      "background work under admission control: slices granted by feedback from the latency of callers, of the disk, and from waits",
    verdict: "works",
    source: ["src/core/admission.ts"],
    tests: {
      "src/core/admission.test.ts": [
        "the share > is halved as long as requests are late, down to the least, and grows in steps when they are not",
        "the share > goes by the 99th percentile: one late request in two hundred is none",
        "the share > goes by the last minute",
        "the share > gives way to a slow %s, too",
        "slices > whatever comes, never more than the share allows, never a wait without end, and the share stays within its bounds",
      ],
      [STORE]: ["a store says how background work gives way, who is slow and who is hidden"],
    },
    scenarios: ["admission-control"],
    points: ["background work slowed down", "background work sped up", "background work waited"],
    invariants: ["admission"],
  },
  {
    id: "D44",
    from: "Dynamo 7",
    title: "the outcome: 99.9995% of requests answered without a time-out, no data loss seen",
    verdict: "lesson",
    lesson:
      "An outcome of two years at Amazon, which no test can repeat. What can be had is the same measure, taken in every cluster: requests answered, refused and out of time, for each node and together.",
    source: ["src/core/statistics.ts"],
    tests: {
      "src/core/bookkeeping.test.ts": ["answers, failures by code, and time-outs are kept apart"],
      "src/core/statistics.test.ts": [
        "figures > a time-out is not in time, a refusal for too many siblings is an answer",
      ],
    },
    invariants: ["no-lost-write", "statistics"],
  },
  {
    id: "D45",
    from: "notes on Dynamo",
    title: "CAP, PACELC and BASE; relational stores, the GFS master and CRAQ as contrasts",
    verdict: "lesson",
    lesson:
      "When the network is cut one must choose: Dynamo takes the write on both sides and shows two versions later; a store with one master refuses it on the smaller side. When nothing is cut it still trades: fewer replies waited for are faster and see less.",
    source: ["README.md"],
    scenarios: ["cart-in-two-halves", "sloppy-quorum-is-not-strict", "quorum-lost-and-regained"],
  },
  {
    id: "D46",
    from: "notes on Dynamo 4.8",
    title:
      "a stale view is tolerated: who is asked for a key that it owns no more hands the request to the owner that it knows",
    verdict: "works",
    source: ["src/core/forwarding.ts", "src/core/node.ts"],
    tests: {
      [LIGHT]: [
        "a stale view > is served: who owns the key no more hands the request on, and the light client learns of it and asks the right one",
        "a stale view > of two nodes that take each other for the owner would end their quarrel: each hop is counted, and the last one coordinates",
      ],
      "src/core/forwarding.test.ts": [
        "a request keeps its operation id through all who are asked, and says how often it was handed on",
      ],
    },
    points: [
      "request handed on",
      "ring views differed",
      "read of one who does not count",
      "write kept by one who does not count",
    ],
    invariants: ["routing"],
    limits: "Two hand-ons at most; the last one coordinates.",
  },
  {
    id: "D47",
    from: "notes on Dynamo 6.2",
    title: "hot ranges and slow nodes: tokens move by load, which gossip carries",
    verdict: "works",
    source: [
      "src/core/load.ts",
      "src/core/load-gossip.ts",
      "src/core/load-plan.ts",
      "src/core/membership-plan.ts",
      "src/core/statistics.ts",
    ],
    points: ["load told", "tokens moved off a hot node"],
    invariants: ["placement"],
    limits:
      "By plan and commit of an operator, in placement 3. Tokens are swapped two and two; a partition that is hot by itself stays hot at its N owners.",
    tests: {
      "src/core/load-plan.test.ts": [
        "a plan for load > is what the ring says of it; nobody becomes busier than the busiest was, and the counts, the owners' number and zones stay",
        "a plan for load > is empty where nobody has more than 15 percent too much",
        "a plan for load > takes hot partitions apart that one node has together",
        "a plan for load > takes load off a node that others wait for",
      ],
      "src/core/load-gossip.test.ts": [
        "load > comes to everybody, and then nobody says anything",
        "load > names who answers late; half of the others make it slow for everybody",
      ],
      "src/store-membership.test.ts": [
        "tokens move off a hot node by plan and commit; nobody gets more or fewer, and nothing is lost",
      ],
      "src/core/statistics.test.ts": ["balance > a node more than 15 percent off its share is out of it"],
    },
  },
  {
    id: "D48",
    from: "Dynamo 2.3, 5",
    title:
      "a node coordinates requests, knows membership and failures, and stores; all nodes are alike, and none is the master",
    verdict: "works",
    source: ["src/core/node.ts"],
    tests: {
      "src/core/node.test.ts": ["a cluster of five > joins, agrees on the ring, and every node serves every key"],
      "src/tidy.test.ts": ["imports > inside the core: values know values, mechanisms know values, the node knows all"],
      "src/sim/swarm.test.ts": ["seeds hold every invariant"],
    },
    faults: ["crashes", "seed-outages", "closed-tabs"],
    invariants: ["served"],
  },
  {
    id: "D49",
    from: "notes on Dynamo 4.4, 6",
    title: "physical clocks: skew is made smaller, never gone, and the last write by the clock need not be the last",
    verdict: "works",
    source: ["src/reconcile/last-write-wins.ts", "src/core/replica.ts"],
    tests: {
      "src/reconcile/last-write-wins.test.ts": [
        "the later write stays and the other one, made at the same time elsewhere, is lost",
        "a clock that runs ahead wins over a write made later",
      ],
      "src/sim/simulator.test.ts": ["a clock that starts anywhere never wakes a node early"],
      "src/sim/scenario.test.ts": ["the language > wrong clocks order sessions, and nothing else"],
    },
    scenarios: ["last-write-wins-under-skew"],
    faults: ["skewed-clocks"],
    points: ["clock jumped"],
  },
  {
    id: "D50",
    from: "Dynamo 2.1, 2.3",
    title: "assumptions: one trusted administration, weak isolation, failures are normal, hosts differ",
    verdict: "lesson",
    lesson:
      "Taken over, and said in the README: whoever has the invite link is trusted, there is no isolation across keys, any tab may die at any moment, and capacities differ.",
    source: ["README.md"],
    tests: {
      "src/wire/handshake.test.ts": ["two sides of one cluster come to know each other"],
      [PLACEMENT]: [
        "capacities > twice the capacity has twice the tokens and about twice the partitions in placement %i",
      ],
    },
  },
  {
    id: "D51",
    from: "Dynamo 6.6; notes on Dynamo",
    title:
      "criticism: the whole table at each node, seeds that are not like the others, attacks on hash rings, an abstraction that leaks",
    verdict: "lesson",
    lesson:
      "All of it holds here: the table limits a cluster to hundreds of nodes, the demo's server is the seed, a member that lies is believed, and siblings reach the application. What is done about it: everything runs on without the seed, outsiders must prove that they know the secret, and positions come from keys, not from nodes.",
    source: ["README.md"],
    tests: {
      "src/wire/handshake.test.ts": ["another cluster is called so, not just a wrong proof"],
      "src/browser/webrtc-transport.test.ts": [
        "without the server > links stay, and new ones are made through a common neighbour, whoever asks",
      ],
    },
  },

  {
    id: "E1",
    from: "DynamoDB 3",
    title: "tables, items with a partition key and a sort key, secondary indexes, transactions",
    verdict: "out",
    why: "Another data model, and coordination across keys, which a store that is always writable cannot promise. Keys under one bucket name are as near as it comes.",
  },
  {
    id: "E2",
    from: "DynamoDB 3",
    title:
      "a partition is a consensus group over three zones: Multi-Paxos, a leader with a lease, strong reads at the leader",
    verdict: "out",
    why: "Consensus is what Dynamo does without: no leader, no lease, a write is taken by any W of the nodes that can be reached. The price is siblings; with a leader it is the time without one.",
  },
  {
    id: "E3",
    from: "DynamoDB 4",
    title: "provisioned read and write units, dealt to partitions",
    verdict: "out",
    why: "Throughput that is sold in advance needs an owner who sells it. Tabs share what their machines have.",
  },
  {
    id: "E4",
    from: "DynamoDB 4.1.1",
    title: "bursting: what was not used is kept for a while, in token buckets",
    verdict: "works",
    source: ["src/base/token-bucket.ts", "src/core/peer-limits.ts"],
    tests: {
      "src/base/token-bucket.test.ts": [
        "a burst is free, then each token costs its time",
        "in no stretch of time does it give more than the burst and what was refilled, and it refuses nothing less than that",
      ],
      "src/core/peer-limits.test.ts": [
        "a burst is admitted, then so many a second, and what is refused is noted",
        "each peer has its own, and requests are not refused for background work, nor the other way round",
      ],
      "src/core/node.test.ts": [
        "a peer that asks for too much > is refused at once, goes on to the next node, and at last does the work itself: no request fails",
      ],
    },
    points: ["peer limited"],
    limits: "A bucket for each peer, not for each partition.",
  },
  {
    id: "E5",
    from: "DynamoDB 4.1.2",
    title: "adaptive capacity: partitions that are throttled get more, by proportional control",
    verdict: "lesson",
    lesson:
      "It mends limits that were dealt out in advance and too evenly. Where nothing is dealt out there is nothing to adapt; what is left is feedback, which here governs background work (halve when callers are late, grow in steps).",
    source: ["src/core/admission.ts"],
    tests: {
      "src/core/admission.test.ts": [
        "the share > is halved as long as requests are late, down to the least, and grows in steps when they are not",
      ],
    },
  },
  {
    id: "E6",
    from: "DynamoDB 4.2",
    title:
      "global admission control: tokens held and refilled locally, servers that may start anew at any time, a second line behind them",
    verdict: "works",
    source: ["src/core/peer-limits.ts"],
    tests: {
      "src/core/peer-limits.test.ts": [
        "a burst is admitted, then so many a second, and what is refused is noted",
        "what a coordinator needs of a replica is never limited, and neither is what membership and liveness rest on",
        "buckets are kept for so many peers and no more; those of the longest silent go",
      ],
      "src/base/token-bucket.test.ts": ["it never holds more than the burst, and time that goes back gives nothing"],
      "src/core/node.test.ts": [
        "a peer that asks for too much > delays its background work, and nothing of it is lost",
      ],
    },
    points: ["peer limited"],
    limits:
      "No account over all nodes: each refills by its own clock and asks nobody, so a peer may ask each node for its full share. The second line is `requestsMax` of a node.",
  },
  {
    id: "E7",
    from: "DynamoDB 4.4",
    title: "a hot partition is split where its keys are asked for; of no use for one hot key or a scan",
    verdict: "lesson",
    lesson:
      "Partitions here are Q equal parts for good: that is what makes a place of a key a matter of its hash alone. With skewed keys the owners of the first few are hot whatever the placement, as the figure shows; no split mends one hot key either.",
    source: ["src/sim/paper-balance.ts"],
    tests: {
      [BALANCE]: [
        "nodes out of balance: none to speak of in placement 3 with even keys, many in 1 and 2, and most everywhere with skewed ones",
      ],
    },
    commands: ["paper:balance"],
  },
  {
    id: "E8",
    from: "DynamoDB 4.5",
    title: "on-demand provisioning: at once up to twice the former peak",
    verdict: "out",
    why: "As E3: nothing is provisioned.",
  },
  {
    id: "E9",
    from: "DynamoDB 3, 5.1",
    title: "a log of writes at each replica, bounded, beside the data",
    verdict: "works",
    source: ["src/core/write-log.ts", "src/core/recent-writes.ts"],
    tests: {
      "src/core/write-log.test.ts": [
        "whatever happens > $name, the log tells all that changed since a position, or says that it cannot",
        "each partition has its share: one that is written all the time takes nothing from the others",
        "bytes of keys are bounded, and one key always has room",
      ],
    },
    points: ["log did not cover"],
    invariants: ["catch-up"],
    limits:
      "Keys and digests, not values, in memory: a restart begins a new log, and says so. Nothing is archived by itself; an export is.",
  },
  {
    id: "E10",
    from: "DynamoDB 5.1",
    title: "whoever was away for a short while is healed from the recent log, before any whole copy",
    verdict: "works",
    source: ["src/core/recent-writes.ts", "src/core/anti-entropy.ts"],
    tests: {
      "src/core/recent-writes.test.ts": [
        "a short absence > is caught up with from the log, in a question and an answer for keys and one for records",
        "a short absence > survives a reload: what was remembered is on disk",
        "whatever happens, a position says what is so",
      ],
      "src/core/anti-entropy.test.ts": [
        "a peer that is back > is caught up with first, soon, and compared with after a rest",
      ],
      "src/wire/recent-writes-bytes.test.ts": [
        "an absence of 10 s with 50 changed keys of 100,000 costs less by the log than by the trees",
        "whoever was away long enough for the log to overflow is told so, and the trees do it",
      ],
    },
    points: ["caught up from the log", "log told what was missing", "log did not cover"],
    faults: ["closed-tabs", "long-absences"],
    invariants: ["catch-up"],
  },
  {
    id: "E11",
    from: "DynamoDB 5.2",
    title: "checksums on every record, message and file; gaps in a sequence are noticed",
    verdict: "works",
    source: ["src/base/crc32.ts", "src/wire/record.ts", "src/wire/frame.ts", "src/wire/archive.ts"],
    tests: {
      "src/wire/record.test.ts": ["every flipped bit and every truncation is damage"],
      "src/wire/codec.test.ts": [
        "fuzz > every flipped bit of a put",
        "refused > a value that does not match its checksum is damaged",
      ],
      "src/wire/frame.test.ts": ["a lane > a repeated or missing frame is malformed"],
      "src/wire/archive.test.ts": [
        "a flipped bit anywhere is noticed",
        "chunks that are left out, repeated, moved, or of another archive are noticed",
      ],
      "src/driver/driver.test.ts": [
        "driver > a record whose bytes are damaged on the disk is not served, whichever bit it is, by a read or after a new start",
      ],
      "signaling/file-storage.test.ts": [
        "FileStorage, damage in the middle > any flipped bit in front of a whole entry is refused with its offset, and the file is left as it is",
      ],
    },
    points: ["damaged record found", "read mended"],
    faults: ["flipped-bits"],
    limits:
      "Of messages, values and records have checksums of their own; the rest is covered by DTLS, or by the seal of a relayed link.",
  },
  {
    id: "E12",
    from: "DynamoDB 5.3",
    title: "scrub: data at rest is read all the time, and held against its sums and against other replicas",
    verdict: "works",
    source: ["src/core/scrub.ts", "src/core/anti-entropy.ts"],
    tests: {
      "src/core/scrub.test.ts": [
        "a round > over a disk that tells the truth reads every record and corrects nothing",
        "a round > finds what was lost or damaged, sums that are wrong, and leaves that are counted and empty",
        "a damaged record > that is in memory is written anew, and the sums stay right",
      ],
      "src/core/tree-exchange.test.ts": ["damage > that was found is mended from the other side, on either"],
      "src/core/damaged-doors.test.ts": [
        "a damaged record > is replaced by what another replica sends, whole, and read again from then on",
      ],
    },
    points: ["leaf corrected", "damaged record found"],
    faults: ["lost-records", "flipped-bits"],
    invariants: ["convergence"],
    limits: "The check against a copy that was rebuilt from an archived log has no counterpart.",
  },
  {
    id: "E13",
    from: "DynamoDB 5.4",
    title: "models are checked exhaustively, failures are injected, and all code is stressed",
    verdict: "works",
    source: ["src/sim/explorer.ts", "src/sim/explored-worlds.ts", "src/sim/swarm.ts", "src/sim/mutants.ts"],
    tests: {
      "src/sim/small-world.test.ts": [
        "every explored world > has a name of its own, and asks something",
        "every explored world > %s is gone through, and all is well",
        "a planted bug is found > acknowledged before it is durable",
        "a planted bug is found > a hint that is acknowledged and not kept",
      ],
      "src/sim/explorer.test.ts": ["a search > visits each state once, whatever the ways to it"],
      "src/sim/swarm.test.ts": [
        "seeds hold every invariant",
        "a seed writes the same transcript each time, and another seed another one",
      ],
      "src/sim/mutants.test.ts": ["a mutant is caught where the source as it is passes"],
    },
    commands: ["sim", "sim:explore", "sim:mutants", "sim:explore:mutants"],
    limits: "The code itself is explored, in small worlds, instead of a model in TLA+.",
  },
  {
    id: "E14",
    from: "DynamoDB 5.5",
    title: "backup of a cluster at work, and restore to a moment, into a new place",
    verdict: "works",
    source: ["src/archive.ts", "src/rewind.ts", "src/core/archive-gather.ts", "src/core/history-keeper.ts"],
    tests: {
      "src/archive.test.ts": [
        "what a cluster has goes into another one, siblings as siblings, with other parameters, and once is as good as twice",
        "nothing is restored from an archive that is not whole and sound",
        "with too few who answer it says which writes may be missing, or refuses",
      ],
      "src/rewind.test.ts": [
        "what was changed goes back, what was deleted comes back, what is younger goes, and that can be rewound",
        "a moment that is not covered is refused, with the earliest that is",
        "a write that comes while it rewinds is not overwritten unseen",
      ],
      "src/core/look-back.test.ts": ["what all replicas had together at any moment is what is found of it later"],
    },
    points: ["archive finished", "looked back at an acknowledged put", "past not covered"],
    invariants: ["archive", "look-back"],
    limits:
      "Consistent for each partition, not across them; the past goes by the clocks of those who wrote. A rewind is in place, a restore into any bucket or cluster.",
  },
  {
    id: "E15",
    from: "DynamoDB 6",
    title: "power-off tests of random nodes, then everything is checked",
    verdict: "works",
    source: ["e2e/power-off.e2e.ts", "src/sim/saboteur.ts", "src/sim/virtual-storage.ts", "src/sim/audit.ts"],
    tests: {
      "src/sim/virtual-storage.test.ts": [
        "commits > that a crash meets are kept as a prefix and never acknowledged",
        "commits > all vanish when the profile says so, and an acknowledged one never does",
        "a power failure > takes what is not flushed, the latest first, sums of leaves with it, and a crash alone takes nothing",
        "a power failure > takes nothing that came before a strict commit",
      ],
      "src/sim/simulator.test.ts": [
        "a crash ends callers' hopes, keeps what was durable, and loses what was not; a restart reads it",
      ],
      "src/sim/swarm.test.ts": ["seeds hold every invariant"],
      "signaling/file-storage.test.ts": [
        "FileStorage, the end of the log > torn at every possible byte: the whole entries stay, the rest is cut off and can be written again",
      ],
      "e2e/power-off.e2e.ts": [
        "tabs are killed in the middle of their writes, at last all at once: nothing acknowledged is missing, nothing is torn",
      ],
    },
    faults: ["crashes", "power-cuts", "closed-tabs"],
    invariants: ["no-lost-write", "durable-before-ack", "disk-monotonic"],
    commands: ["sim"],
    limits:
      "A tab that is killed loses its memory and its unfinished transactions, not what the operating system has in its caches: that is lost in the simulator alone.",
  },
  {
    id: "E16",
    from: "DynamoDB 6.2",
    title: "gray failures: ask others before you accuse",
    verdict: "works",
    source: ["src/core/failure-detector.ts", "src/core/slow-peers.ts"],
    tests: {
      "src/core/failure-detector.test.ts": [
        "opinions > nobody is suspected before those asked have answered, or had their time",
        "opinions > a peer that others hear is a gray failure: its link is dialled anew at once",
        "a node whom nobody answers stretches its own patience, up to three times",
        "hidden tabs > are given twice the time",
      ],
      "src/core/slow-peers.test.ts": [
        "a peer > that leaves requests unanswered while others answer is slow, and is pinged",
        "local health > where nobody answers nobody is blamed",
      ],
    },
    scenarios: ["gray-failure", "gray-node", "hidden-tab"],
    points: ["gray failure", "peer slow"],
    faults: ["gray-nodes", "one-way-cuts", "hidden-tabs"],
    invariants: ["accusation"],
  },
  {
    id: "E17",
    from: "DynamoDB 6.3",
    title: "availability as clients see it, with canaries beside the real traffic",
    verdict: "works",
    source: ["src/canary.ts", "src/core/statistics.ts"],
    tests: {
      "src/canary.test.ts": [
        "each round puts over what the last one left and gets it back",
        "a failure counts against availability, whichever half fails, and the next round goes on",
        "a get that does not show the put is stale, and its context is not used",
      ],
      [STORE]: [
        "a canary sees the store as a caller does, in a bucket that callers are refused",
        "a store tells what its callers saw, and what those of the whole cluster saw",
      ],
      "src/core/statistics.test.ts": [
        "figures > a time-out is not in time, a refusal for too many siblings is an answer",
      ],
    },
    invariants: ["statistics"],
    limits: "In minutes and since the start, not by customer and day; alarms are the caller's.",
  },
  {
    id: "E18",
    from: "DynamoDB 6.4",
    title: "upgrade and downgrade in a mixed ring: readers of a new format first, then writers",
    verdict: "works",
    source: ["src/core/versions.ts", "src/core/membership.ts", "src/wire/handshake.ts", "src/wire/codec.ts"],
    tests: {
      "src/sim/older-builds.test.ts": [
        "a recorded build of version 1 in a ring of today's nodes > joins, holds its share, reads what was there and is read",
        "a recorded build of version 1 in a ring of today's nodes > hints flow both ways, and trees even out the rest",
        "a recorded build of version 1 in a ring of today's nodes > leaves, and everything is with the others",
        "upgrades and the way back > a ring of the recorded build is upgraded one by one, from the same disks, and nothing is lost",
        "upgrades and the way back > while not all read version 2 the state on a disk stays one that the recorded build reads; then no more",
        "upgrades and the way back > an operator who holds version 2 back keeps the way back open",
      ],
      "src/core/versions.test.ts": [
        "forms > the form written is one that the reader knows, and the newest of those",
        "what needs everybody goes by what all read who belong, and never beyond the ceiling",
      ],
      "src/driver/mixed-versions.test.ts": [
        "an older build is sent forms that it reads, the others the newest, over real links",
        "builds without a version in common refuse each other, and each names both",
      ],
      "src/sim/mixed-versions.test.ts": [
        "whatever build comes when: all see the newest that all may write, nobody is sent what he does not read, and nothing is lost",
      ],
    },
    scenarios: ["old-tab-and-new-ones"],
    points: ["mixed ring served", "upgraded", "downgraded", "fell back for an older peer"],
    invariants: ["protocol"],
    commands: ["sim"],
    limits:
      "The recorded build runs in simulated and in linked worlds of one process; two builds side by side in real tabs are not tested.",
  },
  {
    id: "E19",
    from: "DynamoDB 6.5",
    title: "static stability: when what one depends on is down, what runs goes on",
    verdict: "works",
    source: ["src/browser/member-signaling.ts", "src/browser/signaling-client.ts", "src/browser/webrtc-transport.ts"],
    tests: {
      "src/browser/webrtc-transport.test.ts": [
        "without the server > links stay, and new ones are made through a common neighbour, whoever asks",
        "without the server > also when the server is there but does not know the peer",
      ],
      "src/browser/signaling-client.test.ts": [
        "a lost server is tried again after 250 ms, doubling to 10 s; joining starts over",
      ],
      "e2e/seed-loss.e2e.ts": [
        "without the server reads and writes go on, lost links are made anew, and a sixth tab joins after its return",
      ],
    },
    scenarios: ["two-members-without-the-seed"],
    faults: ["seed-outages"],
    invariants: ["served"],
  },
  {
    id: "E20",
    from: "DynamoDB 6.6",
    title: "routing metadata is cached at clients and refreshed at a constant rate, so that misses never surge",
    verdict: "works",
    source: ["src/core/view-refresh.ts", "src/core/peer-limits.ts"],
    tests: {
      "src/core/view-refresh.test.ts": [
        "turns come at the same rate whether anything changes or not",
        "one that is busy or silent is replaced by another, each time after a longer wait",
        "property: it never goes back, never asks too often, and catches up",
      ],
      [LIGHT]: [
        "fifty light clients > ask at a constant rate, spread over the members and over time, in a few bytes, whatever they are asked",
        "fifty light clients > who all find their view stale at one moment ask no member more than its bucket holds, and all catch up",
      ],
      "src/core/peer-limits.test.ts": [
        "questions of light clients draw on a bucket of each and on one of all, whatever each of them does",
      ],
    },
    points: ["light client told that it is stale", "light client learned what changed"],
  },
  {
    id: "E21",
    from: "DynamoDB 3, 4.3",
    title: "the service is split: metadata, routers, automatic administration, storage nodes",
    verdict: "lesson",
    lesson:
      "Here each tab is all of these at once, and none can be asked to mind the others. A light client is a router without storage; repair and placement are each node's own; who is out of balance is told to people.",
    source: ["src/core/node.ts", "src/core/light-client.ts"],
    tests: {
      "src/tidy.test.ts": ["imports > inside the core: values know values, mechanisms know values, the node knows all"],
      "src/core/statistics.test.ts": ["balance > a node more than 15 percent off its share is out of it"],
    },
  },
  {
    id: "E22",
    from: "DynamoDB 7",
    title: "limits on sizes; measured with YCSB A and B on items of 900 bytes",
    verdict: "works",
    source: ["e2e/bench/closed-loop.ts", "e2e/bench/run.ts", "src/driver/request.ts"],
    tests: {
      "e2e/bench/closed-loop.test.ts": [
        "the load > half of workload A are reads, 95 of 100 of workload B",
        "the load > an update writes a whole item of 900 bytes, and every key is as likely as any other",
        "the load > so many requests are under way at a time, and no more",
      ],
      "e2e/bad-input.e2e.ts": ["from a caller > a value over 1 MiB"],
    },
    commands: ["bench"],
    limits:
      "Three tabs of one machine beside a floor that was written by hand: ratios, not operations a second of a fleet. Keys are uniform. There is no batch get.",
  },
];

/** Rows that are not there yet: a row may leave this list, none may come to it unseen. */
export const rowsKnownToBeMissing: readonly string[] = [];
