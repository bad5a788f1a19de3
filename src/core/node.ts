/**
 * A Dynamo node: routes events to mechanisms and completions back, and owns nothing of the protocol but who it is and what ring it sees.
 *
 * **Calling contract.** The host calls `step` with one event at a time, `started` first; `at` never goes back. It performs the effects in order,
 * answers each storage effect with one event, persists every `meta` write with the rest, and calls `step` with `wake` when `wakeAt` is due. The
 * node never throws for anything that comes from outside, and an acknowledgement leaves only after the write that it promises is durable.
 *
 * **Phases.** starting: counts up its incarnation durably and looks through its hints; answers nobody. waiting: has no view; an empty newcomer
 * that took itself for the whole ring would turn absence into "not found". joining: a member, still copying partitions that it owns. member.
 */

import { crc32 } from "../base/crc32.ts";
import { Prng, type Seed } from "../base/prng.ts";
import { unreachable } from "../base/assert.ts";
import { partitionOf, positionOf } from "./address.ts";
import { Admission, type AdmissionStatus } from "./admission.ts";
import { AntiEntropy } from "./anti-entropy.ts";
import { ArchiveGather } from "./archive-gather.ts";
import { ArchiveSource } from "./archive-source.ts";
import { Belonging } from "./belonging.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import { Callers } from "./callers.ts";
import { type Config, durabilityOf } from "./config.ts";
import { Departure, type DepartureProgress } from "./departure.ts";
import type { DvvSet } from "./dvvset.ts";
import type { Effect, Lane, NodeMeta, NodePhase, Note, ReadRecord } from "./effect.ts";
import type { NodeEvent } from "./event.ts";
import { FailureDetector, type Reachability, ofOneStart } from "./failure-detector.ts";
import { Forwarding } from "./forwarding.ts";
import { GetCoordinator } from "./get-coordinator.ts";
import { Gossip } from "./gossip.ts";
import { Grace } from "./grace.ts";
import type { ForwardedRequest } from "./handing.ts";
import { HandOver } from "./hand-over.ts";
import { HistoryKeeper } from "./history-keeper.ts";
import { HistoryLedger } from "./history-ledger.ts";
import { Hedging } from "./hedging.ts";
import { HintIndex } from "./hint-index.ts";
import { HintedHandoff } from "./hinted-handoff.ts";
import type { Epoch, Key, Millis, NodeId, Partition, RequestId, RingDigest, Ticket } from "./identifiers.ts";
import type { LeafActions } from "./leaf-reading.ts";
import type { LoadEntry } from "./load.ts";
import { LoadGossip } from "./load-gossip.ts";
import { type View, isGone, memberOf } from "./membership.ts";
import { type Digest, type Leaf, MerkleForest, partitionOfLeaf } from "./merkle-forest.ts";
import type { ArchivePage, ClientResult, Message, ReplicaPutReply } from "./message.ts";
import { Opening } from "./opening.ts";
import { PartitionSizes } from "./partition-sizes.ts";
import { PeerLimits } from "./peer-limits.ts";
import { PutCoordinator } from "./put-coordinator.ts";
import { ReapWatch } from "./reap-watch.ts";
import { Reaping, type ReapingView } from "./reaping.ts";
import { RecentWrites } from "./recent-writes.ts";
import { refusalOf, refusedPage } from "./refusals.ts";
import { ReplicaAnswers } from "./replica-answers.ts";
import { Replica } from "./replica.ts";
import { getQuorum, putQuorum, underPolicy } from "./request-defaults.ts";
import type { PreferenceList } from "./ring.ts";
import { Scrub } from "./scrub.ts";
import { SlowPeers } from "./slow-peers.ts";
import type { StatisticsSnapshot } from "./statistics.ts";
import type { BackgroundWork, Completion, Surroundings } from "./surroundings.ts";
import { Survey } from "./survey.ts";
import { TimerTable } from "./timers.ts";
import { Transfer } from "./transfer.ts";
import { TransferSource } from "./transfer-source.ts";
import { type ExchangeEnd, TreeExchange } from "./tree-exchange.ts";
import { TreeSource } from "./tree-source.ts";
import { viewReplyTo } from "./view-news.ts";
import { PROTOCOL_VERSION, olderProtocol, reads, versionBetween } from "./versions.ts";
import { WriteLog } from "./write-log.ts";

const REQUESTS_FROM = 2 ** 32;
/** A peer whose ring differs is greeted at most this often. */
const GREET_AGAIN_MS = 250;
/** When nothing was buffered for so long it is written down that nothing is. */
const BUFFER_ENDED_AFTER_MS = 10_000;

export interface NodeOptions {
  readonly id: NodeId;
  readonly config: Config;
  /** What an earlier start left; undefined at the first. */
  readonly meta: NodeMeta | undefined;
  /** Chance for this start, unlike that of any other. */
  readonly seed: Seed;
  /** Seeds known from outside. */
  readonly seeds: readonly NodeId[];
}

/** What there is to look at: plain data, made anew at each call. */
export interface NodeView {
  readonly id: NodeId;
  readonly phase: NodePhase;
  readonly view: View | undefined;
  readonly ringDigest: RingDigest | undefined;
  readonly peers: readonly {
    readonly node: NodeId;
    readonly reachability: Reachability;
    readonly linked: boolean;
    /** Answers pings, but not requests. */
    readonly slow: boolean;
    /** The version in which this node talks to it. */
    readonly protocol: number;
  }[];
  /** How many times longer than configured this node waits before it blames others: 1 to 3. */
  readonly patience: number;
  readonly hints: readonly { readonly target: NodeId; readonly count: number }[];
  readonly hintsOwed: number;
  /** Partitions that are being copied here. */
  readonly transfers: Transfer["progress"];
  /** Partitions owned and not held yet. */
  readonly owed: number;
  /** Partitions held and not answered for yet. */
  readonly unopened: number;
  /** How far this node is with going; undefined while it means to stay. */
  readonly departure: DepartureProgress | undefined;
  /** Tombstones, and what keeps them from being reaped. */
  readonly reaping: ReapingView;
  /** How busy members are by their own word, by node; who is not named has hardly anything to do. */
  readonly loads: readonly LoadEntry[];
  /** Members that half of the others see answer late. */
  readonly slowByMost: readonly NodeId[];
  /** The newest version of the protocol that all members read, and this node may write. */
  readonly protocol: number;
  /** Requests under way here. */
  readonly requests: number;
  /** How background work gives way to callers. */
  readonly background: AdmissionStatus;
  /** How a light client stands; undefined at a member. */
  readonly light: LightState | undefined;
  /** Sizes of every queue, map and table, for the bounds test. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** How a light client stands with its view of the members. Counts are since it was opened. */
export interface LightState {
  /** Since a member last confirmed or renewed the view; undefined while there is none. */
  readonly viewAgeMs: Millis | undefined;
  /** Views confirmed or renewed by a member. */
  readonly refreshes: number;
  /** Of those: something had changed. */
  readonly changes: number;
  /** Answers by another view, after which the light client asks at once. */
  readonly toldStale: number;
}

export class DynamoNode {
  readonly #id: NodeId;
  readonly #config: Config;
  readonly #seeds: readonly NodeId[];
  readonly #random: Prng;
  readonly #timers = new TimerTable();
  readonly #hints = new HintIndex();
  readonly #forest = new MerkleForest();
  readonly #history: HistoryLedger;
  readonly #historyKeeper: HistoryKeeper;
  readonly #newborn: boolean;
  readonly #hedging: Hedging;
  readonly #belonging: Belonging;
  readonly #replica: Replica;
  readonly #replicaAnswers: ReplicaAnswers;
  readonly #puts: PutCoordinator;
  readonly #gets: GetCoordinator;
  readonly #forwarding: Forwarding;
  readonly #handoff: HintedHandoff;
  readonly #gossip: Gossip;
  readonly #detector: FailureDetector;
  readonly #transfer: Transfer;
  readonly #source: TransferSource;
  readonly #opening: Opening;
  readonly #handOver: HandOver;
  readonly #departure: Departure;
  readonly #grace: Grace;
  readonly #sizes: PartitionSizes;
  readonly #load: LoadGossip;
  readonly #exchange: TreeExchange;
  readonly #treeSource: TreeSource;
  readonly #antiEntropy: AntiEntropy;
  readonly #log: WriteLog;
  readonly #recent: RecentWrites;
  readonly #scrub: Scrub;
  readonly #reaping: Reaping;
  readonly #reapWatch: ReapWatch;
  readonly #bookkeeping: Bookkeeping;
  readonly #survey: Survey;
  readonly #gather: ArchiveGather;
  readonly #archiveSource: ArchiveSource;
  readonly #limits: PeerLimits;
  readonly #admission: Admission;
  readonly #slowPeers: SlowPeers;
  readonly #callers: Callers;
  readonly #greetedAt = new Map<NodeId, Millis>();

  #now: Millis = 0;
  /** The wall clock when this node's own was at zero. */
  #wallAtZero: Millis = 0;
  #phase: NodePhase = "starting";
  #effects: Effect[] = [];
  #completions: Completion[] = [];
  /** Pages that this node has given itself. */
  #ownPages: ArchivePage[] = [];
  #requests = 0;
  #tickets = 0;
  #ringChanged = false;
  /** What was last told of it. */
  #protocol = PROTOCOL_VERSION;

  constructor(options: NodeOptions) {
    this.#id = options.id;
    this.#config = options.config;
    this.#seeds = options.seeds;
    this.#random = new Prng(options.seed);
    // An answer to an earlier start must not look like one to this: requests are counted on from a random place.
    if (options.meta !== undefined) this.#requests = this.#random.below(REQUESTS_FROM);

    this.#hedging = new Hedging(options.config.hedges);
    const surroundings = this.#surroundings();
    this.#bookkeeping = new Bookkeeping(surroundings);
    this.#limits = new PeerLimits(surroundings);
    this.#admission = new Admission(surroundings, { resume: (work) => this.#resume(work) });
    this.#survey = new Survey(surroundings, { own: () => this.#bookkeeping.snapshot() });
    this.#history = new HistoryLedger(options.config);
    this.#historyKeeper = new HistoryKeeper(surroundings, this.#history);
    this.#newborn = options.meta === undefined;
    this.#gather = new ArchiveGather(surroundings, {
      readOwn: (asked) => this.#archiveSource.onRequest(this.#id, asked),
      gathered: (request, what) => this.#effects.push({ kind: "gathered", request, what }),
    });
    this.#archiveSource = new ArchiveSource(surroundings, {
      answersFor: (partition) => this.#answersFor(partition),
      coveredFrom: () => this.#history.coveredFrom,
      reply: (to, page, epoch) => {
        if (to === this.#id) this.#ownPages.push(page);
        else this.#send(to, page, "background", epoch);
      },
    });
    this.#belonging = new Belonging(surroundings, options.meta, {
      changed: () => (this.#ringChanged = true),
      countedOut: (partitions) => this.#handOver.onCountedOut(partitions),
      caughtUp: () => this.#recent.caughtUp,
      bucketSet: (request, refusal) => this.#effects.push({ kind: "bucket-set", request, refusal }),
      changeMade: (request, refusal) => this.#effects.push({ kind: "report-change", request, refusal }),
    });
    const { recentWritesMax, recentWriteBytesMax } = this.#config;
    this.#log = new WriteLog(this.#random.hex(8), recentWritesMax, recentWriteBytesMax);
    const touched = (key: Key) => this.#reapWatch.touched(key);
    this.#replica = new Replica(surroundings, this.#hints, this.#forest, this.#log, touched, this.#history, {
      begin: () => {
        this.#timers.clear("buffer-ended");
        return this.#belonging.beginBuffering();
      },
      ended: () => this.#timers.set("buffer-ended", this.#now + BUFFER_ENDED_AFTER_MS),
    });
    this.#replicaAnswers = new ReplicaAnswers(surroundings, {
      merge: (key, set, purpose, origin, durability) => this.#replica.merge(key, set, purpose, origin, durability),
      keepHint: (key, target, set, origin, durability) => this.#replica.keepHint(key, target, set, origin, durability),
      read: (key, origin) => this.#replica.read(key, origin),
      hasHints: (key) => this.#hints.targetsOf(key).size > 0,
      isUnopened: (partition) => this.#belonging.unopened.has(partition),
      remembers: (node) => this.#belonging.remembers(node),
      answer: (to, message, asked) => this.#answerTo(to, message, asked),
    });
    this.#callers = new Callers(surroundings, {
      isReady: (key) =>
        this.#listOf(key) !== undefined && this.#belonging.self !== undefined && this.#phase !== "starting",
      mayCoordinate: (what) => this.#mayCoordinate(what),
      coordinate: (request, what, timeoutMs) => this.#coordinate(request, what, timeoutMs),
      forward: (request, what, handing, timeoutMs) => this.#forwarding.start(request, what, handing, timeoutMs),
      drop: () => undefined,
      reply: (request, result) => this.#effects.push({ kind: "reply", request, result }),
      answerPeer: (to, message, asked) => this.#answerTo(to, message, asked),
      taken: () => this.#admission.onForeground(),
      turnedAway: (kind, result) => this.#bookkeeping.onTurnedAway(kind, result),
      forwarded: () => this.#bookkeeping.count("forwarded"),
      abandoned: () => this.#bookkeeping.count("abandoned"),
      served: (tookMs) => this.#admission.onTook("requests", tookMs),
      ended: (call, result) => this.#bookkeeping.onEnded(call, result),
    });
    const answer = (request: RequestId, result: ClientResult) => this.#callers.onAnswer(request, result);
    this.#puts = new PutCoordinator(surroundings, this.#hedging, {
      mint: (key, write, place, request, durability) => {
        this.#onServed(key);
        const checksum = write.value === null ? 0 : crc32(write.value);
        this.#replica.mint(key, write, checksum, place, { kind: "put", request }, durability);
      },
      keepHint: (key, target, set, durability) =>
        this.#replica.keepHint(key, target, set, { kind: "nobody" }, durability),
      answer,
    });
    this.#gets = new GetCoordinator(surroundings, this.#hedging, {
      read: (key, request) => {
        this.#onServed(key);
        this.#replicaAnswers.readOwn(key, request);
      },
      repair: (key, set) => this.#replica.merge(key, set, "repair", { kind: "nobody" }),
      answer,
    });
    this.#forwarding = new Forwarding(surroundings, this.#hedging, {
      answer,
      exhausted: (request, what, timeoutMs) => this.#coordinate(request, what, timeoutMs),
    });
    this.#handoff = new HintedHandoff(surroundings, this.#hints, {
      readHint: (key, target) => this.#replica.readHint(key, target, { kind: "handoff", target, key }),
      dropHint: (key, target, set) => this.#replica.dropHint(key, target, set),
      keepHint: (key, target, set, owner) => this.#replica.keepHint(key, owner, set, { kind: "handoff", target, key }),
      mergeHere: (key, target, set) => this.#replica.merge(key, set, "hint", { kind: "handoff", target, key }),
    });
    this.#gossip = new Gossip(surroundings, {
      peers: () => this.#detector.up(),
      seeds: () => this.#reachableSeeds(),
      learn: (news) => this.#belonging.learn(news.view, news.members, news.claims, news.buckets),
    });
    this.#detector = new FailureDetector(surroundings, this.#belonging.incarnation, {
      up: (peer) => this.#peerUp(peer),
      down: (peer) => this.#peerDown(peer),
      renewed: () => this.#reapWatch.onRenewed(),
      wanted: () =>
        (this.#belonging.ring?.view.members ?? [])
          .filter((member) => member.node !== this.#id && !isGone(member))
          .map((member) => member.node),
    });
    this.#slowPeers = new SlowPeers(surroundings, {
      patienceWith: (peer) => this.#detector.patienceWith(peer),
      overdue: (peer) => this.#detector.onOverdue(peer),
    });
    this.#transfer = new Transfer(surroundings, this.#forest, {
      merge: (key, set, request) => this.#replica.merge(key, set, "transfer", { kind: "transfer", request }),
      exchange: (peer, partition) => this.#exchange.start(peer, [partition], "pull", { kind: "transfer" }),
      held: (partitions) => this.#belonging.hold(partitions),
    });
    this.#opening = new Opening(surroundings, this.#forest, {
      unopened: () => this.#belonging.unopened,
      exchange: (peer, partitions, serial) =>
        this.#exchange.start(peer, partitions, "pull", { kind: "opening", serial }),
      opened: (partitions) => this.#belonging.opened(partitions),
    });
    this.#source = new TransferSource(surroundings);
    this.#handOver = new HandOver(surroundings, {
      isOpen: (partition) => !this.#belonging.unopened.has(partition),
      countOut: (partitions) => this.#belonging.countOut(partitions),
      exchange: (owner, partitions, round) =>
        this.#exchange.start(owner, partitions, "push", { kind: "hand-over", round }),
      dropRecord: (key, set) => this.#replica.dropRecord(key, set),
      dropDamaged: (key) => this.#replica.dropDamaged(key),
    });
    this.#load = new LoadGossip(surroundings, {
      peers: () => this.#detector.up(),
      incarnation: () => this.#belonging.incarnation,
    });
    this.#sizes = new PartitionSizes(surroundings, {
      servedPerMinute: (partition) => this.#load.servedPerMinute(partition),
    });
    this.#departure = new Departure(surroundings, {
      remaining: () => ({ partitions: this.#handOver.remaining, hints: this.#hints.size }),
      isDurable: () => this.#belonging.durable,
      left: () => this.#belonging.left(Math.max(1, Math.round(this.#wallAtZero + this.#now))),
      departed: (standing, by) => this.#effects.push({ kind: "departed", standing, by }),
    });
    this.#grace = new Grace(surroundings, {
      isFullMember: () => this.#phase === "member",
      isSeed: (node) => this.#seeds.includes(node),
      refusal: (node) => this.#belonging.refusal({ kind: "remove", node, force: false, planned: undefined }),
      remove: (node, at) => this.#belonging.removeSilent(node, at),
    });
    const ofLeaves: LeafActions = {
      corrected: (leaf, digest) => this.#correct(leaf, digest),
      mendDamaged: (key) => this.#replica.mendDamaged(key),
    };
    this.#exchange = new TreeExchange(surroundings, this.#forest, {
      readRecord: (key, session) => this.#replica.readRecord(key, { kind: "exchange", session, key }),
      merge: (key, set, purpose, session) => this.#replica.merge(key, set, purpose, { kind: "exchange", session, key }),
      ...ofLeaves,
      ended: (end) => this.#onExchanged(end),
    });
    this.#treeSource = new TreeSource(surroundings, this.#forest, {
      readRecord: (key, ticket) => this.#replica.readRecord(key, { kind: "fetch", ticket, key }),
      ...ofLeaves,
    });
    this.#recent = new RecentWrites(surroundings, this.#forest, this.#log, options.meta?.caughtUp ?? [], {
      readRecord: (key) => this.#replica.readRecord(key, { kind: "recent", key }),
      exchange: (peer, keys) => this.#exchange.startWith(peer, keys, { kind: "recent-writes" }),
      advanced: () => this.#belonging.onCaughtUp(),
      served: (peer) => this.#antiEntropy.onServed(peer),
      ended: (peer, outcome) => this.#antiEntropy.onCaughtUp(peer, outcome === "covered"),
    });
    this.#antiEntropy = new AntiEntropy(surroundings, {
      catchUp: (peer, partitions, changes) => this.#recent.start(peer, partitions, changes),
      exchange: (peer, partitions) => this.#exchange.start(peer, partitions, "both", { kind: "anti-entropy" }),
    });
    this.#scrub = new Scrub(surroundings, this.#forest, {
      ...ofLeaves,
    });
    this.#reapWatch = new ReapWatch(surroundings, {
      readRecord: (key, watch) => this.#replica.readRecord(key, { kind: "reap-watch", watch, key }),
      isIdle: (key) => this.#isIdle(key),
      renewEpochs: () => this.#detector.renewEpochs(),
      reap: ({ key, digest }) => this.#replica.reap(key, digest),
      answer: (to, message, asked) => {
        if (to !== this.#id) this.#answerTo(to, message, asked, "background");
        else if (message.kind === "reap-watch-reply") this.#reaping.onWatchReply(to, message);
        else this.#reaping.onProofReply(to, message);
      },
    });
    this.#reaping = new Reaping(surroundings, {
      ask: (to, message) => {
        if (to !== this.#id) this.#send(to, message, "background");
        else if (message.kind === "reap-watch-request") this.#reapWatch.onWatchRequest(to, message);
        else if (message.kind === "reap-proof-request") this.#reapWatch.onProofRequest(to, message);
        else this.#reapWatch.onDrop(message);
      },
    });
  }

  /** Takes in one event and returns what is to be done, in order. */
  step(event: NodeEvent): Effect[] {
    this.#beginStep(event.at);
    this.#onEvent(event);
    this.#settle();
    for (let name = this.#timers.expire(this.#now); name !== undefined; name = this.#timers.expire(this.#now)) {
      this.#onTimer(name);
      this.#settle();
    }
    if (this.#hints.size > 0) this.#handoff.arm();
    if (this.#forest.doubts > 0) this.#scrub.arm();
    this.#belonging.persist();
    this.#historyKeeper.persist();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** When the host must call `step` at the latest; undefined before `started`. */
  wakeAt(): Millis | undefined {
    return this.#timers.earliest();
  }

  /** What this node sees of the cluster; undefined until it has met it. */
  get view(): View | undefined {
    return this.#belonging.ring?.view;
  }

  /** What this start of the node has counted; made anew at each call. */
  get statistics(): StatisticsSnapshot {
    return this.#bookkeeping.snapshot();
  }

  /** What it has acknowledged from memory and not on its disk yet, for those who judge. */
  buffered(): Iterable<readonly [Key, DvvSet]> {
    return this.#replica.buffered();
  }

  inspect(): NodeView {
    const { keys, loads, stores } = this.#replica.sizes;
    return {
      id: this.#id,
      phase: this.#phase,
      view: this.#belonging.ring?.view,
      ringDigest: this.#belonging.ring?.digest,
      peers: this.#detector.peers().map((peer) => ({
        ...peer,
        slow: this.#slowPeers.slow(peer.node),
        protocol: this.#versionWith(peer.node),
      })),
      patience: this.#detector.patience,
      hints: this.#hints.targets().map((target) => ({ target, count: this.#hints.count(target) })),
      hintsOwed: this.#hints.size,
      transfers: this.#transfer.progress,
      owed: this.#transfer.owed().length,
      unopened: this.#belonging.unopened.size,
      departure: this.#departure.progress,
      reaping: this.#reaping.view,
      loads: this.#load.entries,
      slowByMost: this.#load.slow,
      protocol: this.#belonging.protocol,
      requests: this.#callers.size,
      background: this.#admission.status,
      light: undefined,
      sizes: {
        keys,
        loads,
        stores,
        hints: this.#hints.size,
        peers: this.#detector.size,
        puts: this.#puts.size,
        gets: this.#gets.size,
        forwarded: this.#forwarding.size,
        deliveries: this.#handoff.size,
        pages: this.#source.size,
        forest: this.#forest.size,
        exchanges: this.#exchange.size,
        openings: this.#opening.size,
        listings: this.#treeSource.size,
        turns: this.#antiEntropy.size,
        recentWrites: this.#log.size,
        positions: this.#recent.size,
        corrections: this.#scrub.size,
        tombstones: this.#reaping.size,
        watches: this.#reapWatch.size,
        handOvers: this.#handOver.size,
        surveys: this.#survey.size,
        sizes: this.#sizes.size,
        awaited: this.#grace.size,
        busy: this.#load.size,
        gatherings: this.#gather.size,
        archivePages: this.#archiveSource.size,
        limited: this.#limits.size,
        watched: this.#slowPeers.size,
        metaStores: this.#belonging.size,
        timers: this.#timers.size,
        greeted: this.#greetedAt.size,
      },
    };
  }

  /**
   * Everything that it remembers, as plain data: equal states have equal ones, and only they. What it has counted is left out: it decides nothing, and
   * with it hardly two ways would ever lead to one state.
   */
  get memory(): unknown {
    return {
      now: this.#now,
      wallAtZero: this.#wallAtZero,
      phase: this.#phase,
      requests: this.#requests,
      protocol: this.#protocol,
      tickets: this.#tickets,
      callers: this.#callers.memory,
      greetedAt: this.#greetedAt,
      random: this.#random.memory,
      timers: this.#timers.memory,
      hints: this.#hints.memory,
      hedging: this.#hedging.memory,
      belonging: this.#belonging.memory,
      replica: this.#replica.memory,
      history: this.#history.isOn ? [this.#history.memory, this.#historyKeeper.memory] : [],
      puts: this.#puts.memory,
      gets: this.#gets.memory,
      forwarding: this.#forwarding.memory,
      handoff: this.#handoff.memory,
      detector: this.#detector.memory,
      transfer: this.#transfer.memory,
      source: this.#source.memory,
      opening: this.#opening.memory,
      handOver: this.#handOver.memory,
      departure: this.#departure.memory,
      grace: this.#grace.memory,
      sizes: this.#sizes.memory,
      load: this.#load.memory,
      forest: this.#forest.memory,
      exchange: this.#exchange.memory,
      treeSource: this.#treeSource.memory,
      antiEntropy: this.#antiEntropy.memory,
      recent: this.#recent.memory,
      scrub: this.#scrub.memory,
      reaping: this.#reaping.memory,
      reapWatch: this.#reapWatch.memory,
      survey: this.#survey.memory,
      gather: this.#gather.memory,
      archiveSource: this.#archiveSource.memory,
      limits: this.#limits.memory,
      admission: this.#admission.memory,
      slowPeers: this.#slowPeers.memory,
    };
  }

  #surroundings(): Surroundings {
    const now = () => this.#now;
    const ring = () => this.#belonging.ring;
    const protocol = () => this.#belonging.protocol;
    return {
      self: this.#id,
      config: this.#config,
      random: this.#random,
      timers: this.#timers,
      get now() {
        return now();
      },
      get ring() {
        return ring();
      },
      reachable: (peer) => this.#detector.reachable(peer),
      slow: (peer) => this.#slowPeers.slow(peer),
      reads: (peer, kind) => reads(this.#versionWith(peer), kind),
      get protocol() {
        return protocol();
      },
      mayWork: (work, slices) => this.#admission.mayWork(work, slices),
      mayStore: (key) => this.#mayStore(key),
      mayAnswer: (key) => this.#mayAnswer(key),
      listOf: (key) => this.#listOf(key),
      nextRequest: () => ++this.#requests,
      nextTicket: () => ++this.#tickets,
      epochOf: (peer) => this.#epochOf(peer),
      send: (to, message, lane, asked) => this.#send(to, message, lane, asked),
      emit: (effect) => {
        if (effect.kind === "load") this.#admission.onDiskAsked(effect.ticket);
        // It sees every store that was emitted before it, and must not miss what is in the buffer.
        if (effect.kind === "scan" || effect.kind === "load-leaves") this.#replica.flush();
        this.#effects.push(effect);
      },
      store: (ticket, writes, asked) => {
        this.#replica.flush();
        this.#admission.onDiskAsked(ticket);
        const durability = durabilityOf(this.#config) === "strict" ? "strict" : asked;
        this.#effects.push({ kind: "store", ticket, writes, durability });
      },
      complete: (completion) => this.#completions.push(completion),
      note: (note) => this.#note(note),
    };
  }

  // Steps

  #beginStep(at: Millis): void {
    const due = this.#timers.earliest();
    this.#now = Math.max(this.#now, at);
    const gapMs = due === undefined ? 0 : this.#now - due;
    // The timers of a hidden tab are late whatever it does.
    if (gapMs >= 0 && due !== undefined && !this.#belonging.hidden) this.#admission.onTook("queue", gapMs);
    if (gapMs <= this.#config.clockJumpMs) return;
    this.#note({ what: "clock-jump", gapMs });
    this.#detector.onClockJump();
    this.#grace.onClockJump();
  }

  #onEvent(event: NodeEvent): void {
    switch (event.kind) {
      case "started":
        this.#wallAtZero = (event.wall ?? event.at) - event.at;
        this.#bookkeeping.start();
        this.#grace.start(event.wall ?? event.at);
        this.#historyKeeper.start(event.wall ?? event.at, this.#belonging.incarnation, this.#newborn);
        this.#start();
        break;
      case "found-cluster":
        this.#belonging.found(event.parameters);
        break;
      case "client-get":
        this.#callers.onClient(
          event.request,
          { kind: "get", key: event.key, r: event.r, pr: event.pr },
          undefined,
          event.timeoutMs,
        );
        break;
      case "client-put":
        this.#callers.onClient(
          event.request,
          { kind: "put", key: event.key, write: event.write },
          event.prefer,
          event.timeoutMs,
        );
        break;
      case "client-sizes":
        this.#sizes.start(event.request, event.partitions, event.timeoutMs);
        break;
      case "change-membership":
        this.#belonging.change(event.request, event.change, event.wallMs);
        break;
      case "client-gather":
        this.#gather.start(event.request, event.wanted);
        break;
      case "client-gather-more":
        this.#gather.more(event.request);
        break;
      case "set-bucket":
        if (this.#phase === "starting")
          this.#effects.push({ kind: "bucket-set", request: event.request, refusal: { code: "not-ready" } });
        else this.#belonging.setBucket(event.request, event.name, event.properties);
        break;
      case "client-statistics":
        this.#survey.start(event.request, event.timeoutMs ?? this.#config.requestTimeoutMs);
        break;
      case "closing":
        this.#replica.flush();
        break;
      case "client-abandoned":
        this.#callers.onAbandoned(event.request);
        this.#survey.onAbandoned(event.request);
        this.#gather.onAbandoned(event.request);
        break;
      case "message-received":
        this.#onMessage(event.from, event.epoch, event.message);
        break;
      case "peer-connected":
        if (event.peer !== this.#id) this.#detector.onConnected(event.peer, event.protocol);
        break;
      case "peer-lost":
        this.#detector.onLost(event.peer);
        break;
      case "loaded":
        this.#admission.onDiskAnswered(event.ticket, event.records.includes("failed"));
        if (this.#historyKeeper.onLoaded(event.ticket, event.records)) this.#maybeReady();
        else this.#replica.onLoaded(event.ticket, event.records);
        break;
      case "stored":
        this.#admission.onDiskAnswered(event.ticket, false);
        this.#belonging.onStored(event.ticket);
        this.#replica.onStored(event.ticket);
        this.#scrub.onStored(event.ticket);
        this.#historyKeeper.onStored(event.ticket);
        this.#maybeReady();
        break;
      case "storage-failed":
        this.#onStorageFailed(event.ticket, event.reason);
        break;
      case "scanned":
        this.#onScanned(event.ticket, event.entries, event.done);
        break;
      case "leaves-loaded":
        this.#scrub.onLeavesLoaded(event.ticket, event.leaves);
        this.#maybeReady();
        break;
      case "wake":
        break;
      case "visibility":
        this.#belonging.setHidden(event.hidden);
        break;
      default:
        unreachable(event);
    }
  }

  #onTimer(name: string): void {
    const colon = name.indexOf(":");
    const request = colon < 0 ? 0 : Number(name.slice(colon + 1));
    switch (colon < 0 ? name : name.slice(0, colon)) {
      case "put-timeout":
        return this.#puts.onTimeout(request);
      case "put-slow":
        return this.#puts.onSlow(request);
      case "get-timeout":
        return this.#gets.onTimeout(request);
      case "get-slow":
        return this.#gets.onSlow(request);
      case "forward-timeout":
        return this.#forwarding.onTimeout(request);
      case "forward-slow":
        return this.#forwarding.onSlow(request);
      case "sizes-timeout":
        return this.#sizes.onTimeout(request);
      case "survey-timeout":
        return this.#survey.onTimeout(request);
      case "history":
        return this.#historyKeeper.onTimer();
      case "gather":
        return this.#gather.onTimer();
      case "hint-scan":
        return this.#handoff.onScanTimer();
      case "slow-peers":
        return this.#slowPeers.onTimer();
      case "admission":
        return this.#admission.onTimer();
      case "gossip":
        this.#gossip.onTimer();
        return this.#load.onRound();
      case "gossip-soon":
        return this.#gossip.onSoonTimer();
      case "detector":
        return this.#detector.onTimer();
      case "transfer":
        return this.#transfer.onTimer();
      case "opening":
        return this.#opening.onTimer();
      case "announce":
        return this.#transfer.onAnnounceTimer();
      case "hand-over":
        return this.#handOver.onTimer();
      case "departure":
        return this.#departure.onTimer();
      case "grace":
        return this.#grace.onTimer();
      case "exchange":
        return this.#exchange.onTimer();
      case "anti-entropy":
        return this.#antiEntropy.onTimer();
      case "catch-up":
        return this.#recent.onTimer();
      case "scrub":
        return this.#scrub.onTimer();
      case "reap":
        return this.#reaping.onTimer();
      case "scrub-doubt":
        return this.#scrub.onDoubtTimer();
      case "rebalance":
        return this.#belonging.onRebalanceTimer();
      case "start":
        return this.#start();
      case "persist":
        return this.#belonging.onPersistTimer();
      case "buffer":
        return this.#replica.flush();
      case "buffer-ended":
        return this.#belonging.endBuffering();
    }
  }

  /** Background work that waited for a slice goes on. */
  #resume(work: BackgroundWork): void {
    switch (work) {
      case "hints":
        return this.#handoff.onSlice();
      case "transfer":
        return this.#transfer.onSlice();
      case "exchange":
        return this.#exchange.onSlice();
      case "hand-over":
        return this.#handOver.onSlice();
      case "scrub":
        return this.#scrub.onSlice();
      case "pages":
        return this.#source.onSlice();
      case "listings":
        return this.#treeSource.onSlice();
      default:
        unreachable(work);
    }
  }

  /** Carries completions to their mechanisms and a changed ring to everybody, until nothing is left to carry. */
  #settle(): void {
    for (;;) {
      const completion = this.#completions.shift();
      const page = completion === undefined ? this.#ownPages.shift() : undefined;
      if (completion !== undefined) this.#onCompletion(completion);
      else if (page !== undefined) this.#gather.onPage(this.#id, page);
      else if (this.#ringChanged) this.#onRingChanged();
      else return;
    }
  }

  #onCompletion(completion: Completion): void {
    const { origin } = completion;
    if (completion.kind === "stored" && completion.durability === "buffered") this.#bookkeeping.count("buffered");
    switch (origin.kind) {
      case "put":
        this.#puts.onCompletion(completion);
        break;
      case "get":
        this.#gets.onCompletion(completion);
        break;
      case "peer":
        this.#replicaAnswers.onCompletion(origin, completion);
        break;
      case "handoff":
        this.#handoff.onCompletion(completion);
        break;
      case "transfer":
        this.#transfer.onCompletion(completion);
        break;
      case "exchange":
        this.#exchange.onCompletion(completion);
        break;
      case "fetch":
        this.#treeSource.onCompletion(completion);
        break;
      case "buffer":
        this.#replica.onRetried(completion.key);
        if (completion.kind === "refused") this.#note({ what: "buffer-lost", key: completion.key });
        break;
      case "recent":
        this.#recent.onCompletion(completion);
        break;
      case "reap-watch":
        this.#reapWatch.onCompletion(completion);
        break;
      case "nobody":
        break;
      default:
        unreachable(origin);
    }
  }

  // Starting, founding, joining

  #start(): void {
    if (this.#phase !== "starting") return;
    this.#belonging.start();
    this.#handoff.start();
    this.#scrub.start();
  }

  #onScanned(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): void {
    const known =
      this.#handoff.onScanned(ticket, entries, done) ||
      this.#source.onScanned(ticket, entries, done) ||
      this.#archiveSource.onScanned(ticket, entries, done) ||
      this.#historyKeeper.onScanned(ticket, entries, done) ||
      this.#treeSource.onScanned(ticket, entries, done) ||
      this.#exchange.onScanned(ticket, entries, done) ||
      this.#sizes.onScanned(ticket, entries, done) ||
      this.#onScrubbed(ticket, entries, done) ||
      this.#handOver.onScanned(ticket, entries, done);
    if (known) this.#maybeReady();
  }

  #onScrubbed(
    ticket: Ticket,
    entries: readonly { readonly address: string; readonly record: ReadRecord }[],
    done: boolean,
  ): boolean {
    const scrubbed = this.#scrub.onScanned(ticket, entries, done);
    if (scrubbed) this.#reaping.onSeen(entries);
    return scrubbed;
  }

  #onStorageFailed(ticket: Ticket, reason: string): void {
    this.#note({ what: "storage-failed", reason });
    this.#admission.onDiskAnswered(ticket, true);
    const known =
      this.#belonging.onFailed(ticket) ||
      this.#handoff.onScanFailed(ticket) ||
      this.#source.onFailed(ticket) ||
      this.#archiveSource.onFailed(ticket) ||
      this.#historyKeeper.onFailed(ticket) ||
      this.#treeSource.onFailed(ticket) ||
      this.#exchange.onFailed(ticket) ||
      this.#sizes.onFailed(ticket) ||
      this.#scrub.onFailed(ticket) ||
      this.#handOver.onFailed(ticket);
    if (!known) this.#replica.onStorageFailed(ticket);
  }

  #maybeReady(): void {
    const known =
      this.#belonging.started && this.#handoff.started && this.#scrub.started && this.#historyKeeper.started;
    if (this.#phase !== "starting" || !known) return;
    this.#setPhase("waiting");
    this.#antiEntropy.start();
    this.#timers.set("scrub", this.#now + this.#random.below(this.#config.scrubMs));
    this.#timers.set("gossip", this.#now + this.#random.below(this.#config.gossipMs));
    this.#timers.set("detector", this.#now);
    if (this.#belonging.ring !== undefined) {
      this.#handOver.onStarted();
      this.#ringChanged = true;
    }
  }

  // The ring

  #onRingChanged(): void {
    this.#ringChanged = false;
    const ring = this.#belonging.ring;
    if (ring === undefined || this.#phase === "starting") return;
    this.#note({ what: "view", members: ring.view.members.length });
    this.#onProtocol(this.#belonging.protocol);
    this.#puts.onRing(ring, (key) => this.#partitionOf(key));
    this.#gets.onRing(ring, (key) => this.#partitionOf(key));
    this.#transfer.onRing();
    this.#opening.onRing();
    this.#handOver.onRing();
    this.#departure.onRing();
    this.#recent.onRing();
    this.#gather.onRing();
    this.#gossip.onChange();
    this.#timers.set("rebalance", this.#now + this.#config.rebalanceAfterMs);
    this.#setPhase(this.#phaseOf(ring.view));
  }

  #onProtocol(version: number): void {
    if (version !== this.#protocol) this.#note({ what: "protocol-shared", version });
    this.#protocol = version;
  }

  #phaseOf(view: View): NodePhase {
    const own = memberOf(view, this.#id);
    if (own === undefined) return "waiting";
    if (own.departure !== undefined) return isGone(own) ? "gone" : "leaving";
    return this.#transfer.owed().length > 0 || this.#belonging.unopened.size > 0 ? "joining" : "member";
  }

  #setPhase(phase: NodePhase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#note({ what: "phase", phase });
  }

  // Callers

  /** Whether a request is coordinated here as by one who counts, and not as by a stand-in. */
  #mayCoordinate({ kind, key }: ForwardedRequest): boolean {
    if (this.#listOf(key)?.counted.includes(this.#id) !== true || !this.#mayStore(key)) return false;
    return kind === "put" || this.#mayAnswer(key);
  }

  #coordinate(request: RequestId, what: ForwardedRequest, timeoutMs: Millis): void {
    const list = this.#listOf(what.key);
    const view = this.#belonging.ring?.view;
    if (list === undefined || view === undefined || this.#phase === "gone") {
      this.#callers.onAnswer(request, { outcome: "failed", failure: { code: "not-ready" }, report: undefined });
      return;
    }
    if (what.kind === "get") this.#reapWatch.touched(what.key);
    this.#bookkeeping.count("coordinated");
    const { key } = what;
    if (!list.counted.includes(this.#id) && !list.owners.includes(this.#id)) this.#bookkeeping.count("stood-in");
    if (what.kind === "get") this.#gets.start(request, key, getQuorum(view, key, what.r, what.pr), list, timeoutMs);
    else {
      const write = underPolicy(view, key, what.write);
      this.#puts.start(request, key, write, list, putQuorum(view, key, write), timeoutMs);
    }
  }

  // Peers

  #onMessage(from: NodeId, epoch: Epoch, message: Message): void {
    if (this.#phase === "starting") return;
    if (message.kind === "ping") {
      this.#detector.onPing(from, epoch, message);
      return;
    }
    if (message.kind === "pong") {
      this.#detector.onPong(from, epoch, message);
      return;
    }
    if (!this.#detector.accepts(from, epoch)) {
      this.#note({ what: "late-dropped", from, message: message.kind });
      return;
    }
    this.#detector.heard(from);
    this.#slowPeers.onReceived(from, message);
    if ("ring" in message && message.kind !== "gossip-digest") this.#compareRings(from, message.ring);
    if (!this.#limits.admits(from, message)) {
      this.#refuse(from, message);
      return;
    }
    switch (message.kind) {
      case "probe":
        this.#detector.onProbe(from, message);
        break;
      case "probe-reply":
        this.#detector.onProbeReply(message);
        this.#grace.onReply(from, message);
        break;
      case "gossip-digest":
        this.#gossip.onDigest(from, message);
        break;
      case "gossip-versions":
        this.#gossip.onVersions(from, message);
        break;
      case "gossip-news":
        this.#gossip.onNews(from, message);
        break;
      case "load-news":
        this.#load.onNews(message);
        break;
      case "light-hello":
        this.#detector.onLightHello(from);
        break;
      case "view-request":
        this.#send(from, viewReplyTo(this.#belonging.ring, message), "foreground");
        break;
      case "view-reply":
        // For light clients.
        break;
      case "replica-put":
        if (message.purpose === "write") {
          this.#onServed(message.key);
          this.#admission.onForeground();
        }
        this.#replicaAnswers.onPut(from, message);
        break;
      case "replica-put-reply":
        this.#onReplicaPutReply(from, message);
        break;
      case "replica-get":
        this.#onServed(message.key);
        this.#admission.onForeground();
        this.#replicaAnswers.onGet(from, message);
        break;
      case "replica-get-reply":
        this.#gets.onReply(from, message);
        break;
      case "coordinate-get":
      case "coordinate-put":
        this.#callers.onCoordinate(from, message);
        break;
      case "coordinate-reply":
        this.#forwarding.onReply(from, message.request, message.result);
        break;
      case "transfer-request":
        if (this.#replicaAnswers.isStranger(from)) this.#send(from, refusedPage(message), "background");
        else this.#source.onRequest(from, message);
        break;
      case "transfer-page":
        this.#transfer.onPage(from, message);
        break;
      case "archive-request":
        this.#archiveSource.onRequest(from, message);
        break;
      case "archive-page":
        this.#gather.onPage(from, message);
        break;
      case "release-request":
        this.#handOver.onRequest(from, message);
        break;
      case "release-reply":
        this.#handOver.onReleaseReply(from, message);
        break;
      case "known-request": {
        const known = this.#belonging.knows(from, message.incarnation, message.version);
        const unopened = [...this.#belonging.unopened.keys()].sort((a, b) => a - b);
        this.#send(from, { kind: "known-reply", request: message.request, known, unopened }, "background");
        if (!known) this.#greet(from);
        break;
      }
      case "known-reply":
        this.#opening.onReply(from, message);
        this.#departure.onReply(from, message);
        break;
      case "tree-request":
        this.#treeSource.onTreeRequest(from, message);
        break;
      case "tree-reply":
        this.#exchange.onTreeReply(from, message);
        break;
      case "leaf-request":
        this.#treeSource.onLeafRequest(from, message);
        break;
      case "leaf-reply":
        this.#exchange.onLeafReply(from, message);
        break;
      case "fetch-request":
        this.#treeSource.onFetchRequest(from, message);
        break;
      case "fetch-reply":
        this.#exchange.onFetchReply(from, message);
        break;
      case "sizes-request":
        this.#sizes.onRequest(from, message);
        break;
      case "sizes-reply":
        this.#sizes.onReply(from, message);
        break;
      case "recent-request":
        this.#recent.onRequest(from, message);
        break;
      case "recent-reply":
        this.#recent.onReply(from, message);
        break;
      case "reap-watch-request":
        this.#reapWatch.onWatchRequest(from, message);
        break;
      case "reap-watch-reply":
        this.#reaping.onWatchReply(from, message);
        break;
      case "reap-proof-request":
        this.#reapWatch.onProofRequest(from, message);
        break;
      case "reap-proof-reply":
        this.#reaping.onProofReply(from, message);
        break;
      case "reap-drop":
        this.#reapWatch.onDrop(message);
        break;
      case "statistics-request": {
        const statistics = this.#bookkeeping.snapshot();
        this.#send(from, { kind: "statistics-reply", request: message.request, statistics }, "background");
        break;
      }
      case "statistics-reply":
        this.#survey.onReply(from, message);
        break;
      default:
        unreachable(message);
    }
  }

  /** The peer has asked for too much. */
  #refuse(from: NodeId, message: Message): void {
    const refusal = refusalOf(message, this.#belonging.ring?.digest ?? 0);
    if (refusal !== undefined) this.#send(from, refusal.message, refusal.lane);
  }

  /** Nothing is under way here that could have a record of the key in hand, and no hint of it is kept; see `reap-watch.ts`. */
  #isIdle(key: Key): boolean {
    return (
      this.#replica.isIdle(key) &&
      !this.#puts.concerns(key) &&
      !this.#gets.concerns(key) &&
      !this.#handoff.concerns(key) &&
      !this.#treeSource.concerns(key) &&
      !this.#source.concerns(this.#partitionOf(key))
    );
  }

  /** Whether records of the key may change here; see `Surroundings`. */
  #mayStore(key: Key): boolean {
    const list = this.#listOf(key);
    if (list === undefined || this.#handOver.isClosing(this.#partitionOf(key))) return false;
    return list.owners.includes(this.#id) || list.counted.includes(this.#id);
  }

  /** Whether what this node has of the key counts for a reader. */
  #mayAnswer(key: Key): boolean {
    return this.#answersFor(this.#partitionOf(key));
  }

  #answersFor(partition: Partition): boolean {
    const counts = this.#belonging.ring?.preferenceList(partition).counted.includes(this.#id) === true;
    return counts && !this.#handOver.isClosing(partition) && !this.#belonging.unopened.has(partition);
  }

  #onReplicaPutReply(from: NodeId, message: ReplicaPutReply): void {
    const { request, outcome } = message;
    const merged = outcome === "stored" || outcome === "early" ? "stored" : "refused";
    this.#puts.onReply(from, message);
    this.#handoff.onReply(from, request, merged);
    this.#exchange.onReply(from, request, merged);
  }

  #onServed(key: Key): void {
    this.#bookkeeping.onServed();
    this.#load.onServed(this.#partitionOf(key));
  }

  /** Where rings differ, the two gossip first; meanwhile both serve by what they see, and a write passes on to whom only one of them knows. */
  #compareRings(peer: NodeId, ring: RingDigest): void {
    if (ring !== this.#belonging.ring?.digest && !this.#detector.isLight(peer)) this.#greet(peer);
  }

  #greet(peer: NodeId): void {
    const last = this.#greetedAt.get(peer);
    if (last !== undefined && this.#now - last < GREET_AGAIN_MS) return;
    this.#greetedAt.set(peer, this.#now);
    this.#note({ what: "rings-differ", peer });
    this.#gossip.greet(peer);
  }

  #peerUp(peer: NodeId): void {
    if (this.#detector.isLight(peer)) return;
    this.#gossip.greet(peer);
    this.#grace.onPeerUp(peer);
    this.#handoff.onPeerUp(peer);
    this.#transfer.onPeerUp(peer);
    this.#antiEntropy.onPeerUp(peer);
  }

  #peerDown(peer: NodeId): void {
    this.#greetedAt.delete(peer);
    this.#puts.onPeerDown(peer);
    this.#gets.onPeerDown(peer);
    this.#forwarding.onPeerDown(peer);
    this.#handoff.onPeerDown(peer);
    this.#transfer.onPeerDown(peer);
    this.#opening.onPeerDown(peer);
    this.#reaping.onPeerDown(peer);
    this.#reapWatch.onPeerDown(peer);
    this.#antiEntropy.onPeerDown(peer);
    this.#recent.onPeerDown(peer);
    this.#exchange.onPeerDown(peer);
    this.#survey.onPeerDown(peer);
    this.#sizes.onPeerDown(peer);
    this.#slowPeers.onPeerDown(peer);
    this.#load.onPeerDown(peer);
    this.#gather.onPeerDown(peer);
  }

  #onExchanged({ peer, purpose, partitions, outcome, differing }: ExchangeEnd): void {
    const settled = outcome === "settled";
    switch (purpose.kind) {
      case "anti-entropy":
        this.#recent.onCompared(peer, partitions, settled);
        this.#antiEntropy.onEnded(peer);
        break;
      case "recent-writes":
        this.#recent.onExchanged(peer, settled);
        break;
      case "transfer":
        for (const partition of partitions) this.#transfer.onExchanged(peer, partition, settled, differing);
        break;
      case "opening":
        this.#opening.onExchanged(peer, purpose.serial, settled);
        break;
      case "hand-over":
        this.#handOver.onExchanged(peer, partitions, purpose.round, settled);
        break;
      default:
        unreachable(purpose);
    }
  }

  #correct(leaf: Leaf, digest: Digest): void {
    this.#scrub.correct(leaf, digest);
    this.#recent.forget(partitionOfLeaf(leaf));
    this.#replica.reread(leaf);
  }

  #reachableSeeds(): NodeId[] {
    const tokenless = (this.#belonging.ring?.view.members ?? [])
      .filter((member) => member.capacity === 0)
      .map((member) => member.node);
    return [...new Set([...this.#seeds, ...tokenless])].filter(
      (node) => node !== this.#id && this.#detector.reachable(node),
    );
  }

  #epochOf(peer: NodeId): Epoch {
    return this.#detector.epochOf(peer) ?? 0;
  }

  /**
   * Answers what somebody waits for. Epochs that were renewed since it was asked are no reason to leave it without an answer; a new start is,
   * which may count its requests alike.
   */
  #answerTo(to: NodeId, message: Message, asked: Epoch, lane: Lane = "foreground"): void {
    if (ofOneStart(this.#epochOf(to), asked)) this.#send(to, message, lane);
  }

  #send(to: NodeId, message: Message, lane: Lane, asked?: Epoch): boolean {
    const epoch = this.#detector.epochOf(to);
    if (epoch === undefined || !this.#detector.reachable(to) || (asked !== undefined && asked !== epoch)) return false;
    const version = this.#versionWith(to);
    if (!reads(version, message.kind)) {
      this.#note({ what: "not-read", by: to, message: message.kind });
      return false;
    }
    if (bringsRecords(message) && this.#replicaAnswers.isStranger(to)) return false;
    this.#effects.push({ kind: "send", to, epoch, lane, message, ...olderProtocol(version) });
    this.#slowPeers.onSent(to, message);
    return true;
  }

  #versionWith(peer: NodeId): number {
    return versionBetween(this.#config.protocolMax, this.#detector.readsOf(peer), this.view, peer);
  }

  #partitionOf(key: Key): Partition {
    return partitionOf(positionOf(key), this.#belonging.ring?.view.claims.length ?? 1);
  }

  #listOf(key: Key): PreferenceList | undefined {
    return this.#belonging.ring?.preferenceList(this.#partitionOf(key));
  }

  #note(note: Note): void {
    this.#bookkeeping.onNote(note);
    this.#effects.push({ kind: "note", note });
  }
}

/** Whether whoever receives it will have records that it had not. */
function bringsRecords(message: Message): boolean {
  switch (message.kind) {
    case "replica-put":
      return true;
    case "replica-get-reply":
      return message.set !== undefined;
    case "transfer-page":
    case "fetch-reply":
      return message.records.length > 0;
    default:
      return false;
  }
}
