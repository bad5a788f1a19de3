/**
 * One thing that happens to a small world, and all that follows from it at once: takes a state, performs what nodes, disks and links do, has the
 * judges look at every record, write and answer, and gives the state that it came to. States are never changed; a turn works on copies.
 */

import { assert, unreachable } from "../base/assert.ts";
import { utf8Encode } from "../base/bytes.ts";
import type { Config } from "../core/config.ts";
import type { Lane, Write } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, Millis, NodeId, OperationId, RequestId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { Checkers, InvariantViolation, type Watched } from "./checkers.ts";
import { OperationBits, promisedOf } from "./history.ts";
import type { HostState } from "./simulator.ts";
import { SmallDisk } from "./small-disk.ts";
import { type Ledger, STEPS_PER_CLIENT_MAX, copyOf } from "./world-ledger.ts";
import {
  type Action,
  type Deed,
  HIGHER_END,
  type Known,
  LANES,
  LOWER_END,
  type Parcel,
  type Place,
  type SmallWorldOptions,
  WHOLE,
  type WorldState,
  letterOf,
} from "./world-state.ts";

const NOTHING: readonly never[] = [];
/** Kinds of events, for the names of steps. */
const NAMES = {
  started: 0,
  stored: 1,
  failed: 2,
  loaded: 3,
  scanned: 4,
  lost: 5,
  connected: 6,
  message: 7,
  client: 8,
  wake: 9,
  leaves: 10,
} as const;
const TIMES_MAX = 131_072;
/** Request ids of reads at the end of the world, one for each key. */
const READS_FROM: RequestId = 1_000_000;

export class Turn implements Watched {
  readonly #ledger: Ledger;
  readonly #options: SmallWorldOptions;
  #nodes: WorldState["nodes"];
  #starts: WorldState["starts"];
  #disks: WorldState["disks"];
  #links: WorldState["links"];
  #lanes: WorldState["lanes"];
  #late: WorldState["late"];
  #clients: WorldState["clients"];
  #now: Millis;
  #wiped: number;
  #faultsUsed: number;
  #known: Known;
  /** Membership messages on their way; delivered before the turn is done. */
  readonly #told: Parcel[] = [];
  /** Reads at the end of the world that wait for their answer. */
  #reading = 0;

  constructor(ledger: Ledger, options: SmallWorldOptions, state: WorldState) {
    this.#ledger = ledger;
    this.#options = options;
    this.#now = state.now;
    this.#wiped = state.wiped;
    this.#faultsUsed = state.faultsUsed;
    this.#known = state.known;
    this.#nodes = state.nodes;
    this.#starts = state.starts;
    this.#disks = state.disks;
    this.#links = state.links;
    this.#lanes = state.lanes;
    this.#late = state.late;
    this.#clients = state.clients;
  }

  done(): WorldState {
    return {
      now: this.#now,
      nodes: this.#nodes,
      starts: this.#starts,
      disks: this.#disks,
      wiped: this.#wiped,
      faultsUsed: this.#faultsUsed,
      links: this.#links,
      lanes: this.#lanes,
      late: this.#late,
      clients: this.#clients,
      known: this.#known,
    };
  }

  act(action: Action): void {
    if ("fault" in action) this.#faultsUsed |= 1 << action.fault;
    switch (action.kind) {
      case "begin":
        this.#begin(action.client);
        break;
      case "deliver":
        this.#deliver(action.from, action.to, action.lane);
        break;
      case "commit":
        this.#complete(action.node);
        break;
      case "load":
        this.#load(action.node, action.load, false);
        break;
      case "notice":
        this.#notice(action.node, action.peer);
        break;
      case "link":
        this.#link(...action.between);
        break;
      case "restart":
        this.#start(action.node);
        break;
      case "crash":
        this.#crash(action.node, action.kept);
        break;
      case "wipe":
        this.#wipe(action.node);
        break;
      case "cut":
        for (const between of action.links) this.#mark(this.#ledger.pairOf(...between), WHOLE, false);
        break;
      case "fail-commit":
        this.#fail(action.node, action.applied);
        break;
      case "fail-load":
        this.#load(action.node, action.load, true);
        break;
      case "repeat":
        this.#late = [...this.#late, this.#lanes[this.#ledger.laneOf(action.from, action.to, action.lane)]![0]!];
        break;
      case "deliver-late":
        this.#receiveLate(action.late);
        break;
      case "time-passes":
        this.#pass(action.ms);
        break;
      default:
        unreachable(action);
    }
    this.#follow();
  }

  /** The node is gone; its disk has what was durable. */
  end(place: Place): void {
    this.#crash(place, 0);
  }

  // The end of the world

  /** Whatever can run runs, and every link is a new one, so that hints move. */
  reunite(without: readonly Place[] = NOTHING): void {
    // What may still happen plays no part any more: so more states come to one end.
    this.#faultsUsed = -1;
    this.#nodes.forEach((local, place) => {
      if (local === undefined && !this.#isWiped(place) && !without.includes(place)) this.#start(place);
    });
    this.#follow();
    for (const [a, b] of this.#ledger.pairs) {
      this.#mark(this.#ledger.pairOf(a, b), WHOLE, false);
      for (const [node, peer] of [[a, b] as const, [b, a] as const])
        if (this.#isUp(node, peer)) this.#notice(node, peer);
      this.#follow();
      if (this.#nodes[a] !== undefined && this.#nodes[b] !== undefined) this.#link(a, b);
      this.#follow();
    }
  }

  /** Delivers and completes everything, in a fixed order. */
  drain(): void {
    for (;;) {
      const lane = this.#lanes.find((parcels) => parcels.length > 0);
      if (lane !== undefined) this.#deliver(lane[0]!.from, lane[0]!.to, lane[0]!.lane);
      else {
        const place = this.#disks.findIndex((disk) => disk.line.length > 0 || disk.loads.length > 0);
        if (place < 0) return;
        if (this.#disks[place]!.loads.length > 0) this.#load(place, 0, false);
        else this.#complete(place);
      }
      this.#follow();
    }
  }

  /** Reads a key, so that whoever is behind is repaired. */
  read(place: Place, number: number): void {
    if (this.#nodes[place] === undefined) return;
    this.#reading++;
    const key = this.#ledger.keys[number]!;
    this.#step(place, NAMES.client, this.#ledger.numbering.ofText(`read ${number}`), (at) => ({
      at,
      kind: "client-get",
      request: READS_FROM + number,
      key,
      r: 1,
      timeoutMs: undefined,
    }));
    this.#follow();
    this.drain();
  }

  /** Whatever is late arrives. False when nothing was. */
  receiveLate(): boolean {
    if (this.#late.length === 0) return false;
    while (this.#late.length > 0) {
      this.#receiveLate(0);
      this.#follow();
    }
    this.drain();
    return true;
  }

  pass(ms: Millis): void {
    this.#pass(ms);
    this.#follow();
    this.drain();
  }

  unsettled(): string | undefined {
    const open = this.#clients.findIndex((client) => client.waits);
    if (open >= 0) return `client ${open + 1} has no answer`;
    if (this.#reading > 0) return "a read has no answer";
    return this.#checkers().unsettled();
  }

  checkNothingLost(): void {
    this.#checkers().checkNothingLost();
  }

  // What the judges look at

  get now(): Millis {
    return this.#now;
  }

  get nodes(): readonly NodeId[] {
    return this.#ledger.ids;
  }

  get running(): readonly NodeId[] {
    return this.#ledger.ids.filter((_, place) => this.#nodes[place] !== undefined);
  }

  nameOf(node: NodeId): string {
    return this.#ledger.nameOf(node);
  }

  stateOf(node: NodeId): HostState {
    const place = this.#ledger.ids.indexOf(node);
    return this.#isWiped(place) ? "wiped" : this.#nodes[place] === undefined ? "down" : "running";
  }

  configOf(node: NodeId): Config {
    return this.#ledger.configOf(this.#ledger.ids.indexOf(node));
  }

  diskOf(node: NodeId): SmallDisk {
    return this.#disks[this.#ledger.ids.indexOf(node)]!;
  }

  inspect(node: NodeId): ReturnType<Watched["inspect"]> {
    const local = this.#nodes[this.#ledger.ids.indexOf(node)];
    return local === undefined ? undefined : this.#ledger.locals.viewOf(local);
  }

  viewOf(node: NodeId): ReturnType<Watched["viewOf"]> {
    return this.inspect(node)?.view;
  }

  // Clients

  #begin(client: number): void {
    const state = this.#clients[client]!;
    const { step } = state;
    const script = this.#ledger.scriptOf(client);
    const next = script[step]!;
    const key = next.key as Key;
    const request = client * STEPS_PER_CLIENT_MAX + step;
    if (next.do === "get") {
      const mustSee = this.#mustSee(key, next.pr !== undefined);
      this.#clients = replaced(this.#clients, client, { ...state, waits: true, mustSee });
      this.#step(next.at, NAMES.client, this.#ledger.numbering.ofText(`get ${request}`), (at) => ({
        at,
        kind: "client-get",
        request,
        key,
        r: next.r,
        pr: next.pr,
        timeoutMs: undefined,
      }));
      return;
    }
    this.#clients = replaced(this.#clients, client, { ...state, waits: true, mustSee: NOTHING });
    const seen = next.replacing === true && state.seen?.key === key ? state.seen : undefined;
    const operation = this.#ledger.operationOf(client, step);
    const value = next.do === "delete" ? null : utf8Encode(next.operation ?? `${client + 1}.${step + 1}`);
    const context = seen?.clock ?? NOTHING;
    this.#known = this.#ledger.knownAfter(this.#known, `put ${operation} ${seen?.number ?? -1}`, (history) => {
      const ofKey = history.of(key);
      if (ofKey.byId.has(operation)) return;
      const past = new OperationBits();
      for (const id of seen?.operations ?? NOTHING) past.add(ofKey.byId.get(id)!.index);
      history.put(key, { operation, value, context, seen: past });
    });
    this.#step(next.at, NAMES.client, this.#ledger.numbering.ofText(`put ${request} ${seen?.number ?? -1}`), (at) => ({
      at,
      kind: "client-put",
      request,
      key,
      write: { value, context, operation, at: 1, w: next.w, pw: next.pw, policy: "siblings" },
      prefer: seen?.prefer,
      timeoutMs: undefined,
    }));
  }

  /** Without faults a get sees every put that was acknowledged before it, when their quorums overlap; with faults, when those of owners do. */
  #mustSee(key: Key, ofOwners: boolean): readonly OperationId[] {
    const faultless = (this.#options.faults?.length ?? 0) === 0;
    if (!faultless && !ofOwners) return NOTHING;
    const operations = this.#known.history.keys.get(key)?.operations ?? [];
    return operations
      .filter(({ acknowledged }) => (faultless ? acknowledged : acknowledged?.byOwners) !== undefined)
      .map(({ operation }) => operation);
  }

  #answered(place: Place, request: RequestId, result: ClientResult): void {
    const node = this.#ledger.ids[place]!;
    if (request >= READS_FROM) {
      this.#reading--;
      if (result.outcome === "got") this.#judge(node, this.#ledger.keys[request - READS_FROM]!, result);
      return;
    }
    const client = Math.floor(request / STEPS_PER_CLIENT_MAX);
    const step = request % STEPS_PER_CLIENT_MAX;
    const state = this.#clients[client]!;
    const asked = this.#ledger.scriptOf(client)[step]!;
    const key = asked.key as Key;
    if (!state.waits || state.step !== step)
      throw new InvariantViolation("answered", `${letterOf(place)} answered client ${client + 1} twice`);
    let { seen } = state;
    if (result.outcome === "got") {
      this.#judge(node, key, result);
      const ofKey = this.#known.history.of(key);
      const bits = ofKey.seenIn(result.set);
      const { needed, counted, ownersAnswered } = result.report;
      const faultless = (this.#options.faults?.length ?? 0) === 0;
      for (const id of state.mustSee) {
        const operation = ofKey.byId.get(id)!;
        const overlap =
          (faultless && operation.acknowledged!.needed + needed > counted) ||
          (operation.acknowledged!.byOwners?.answered ?? 0) + ownersAnswered > this.#options.parameters.n;
        if (overlap && !operation.reaped && !ofKey.shows(result.set, operation))
          throw new InvariantViolation(
            "read-your-writes",
            `a get of ${key} does not show a put acknowledged before it`,
          );
      }
      const operations = ofKey.operations.filter(({ index }) => bits.has(index)).map(({ operation }) => operation);
      seen = this.#ledger.seenAs({ key, clock: result.set.clock, operations: operations.sort(), prefer: result.first });
    } else if (result.outcome === "put") {
      const id = this.#ledger.operationOf(client, step);
      const { needed, answered, ownersAnswered, coordinator } = result.report;
      const byOwners = asked.pw === undefined ? undefined : { owners: "", answered: ownersAnswered };
      if (answered.length < needed)
        throw new InvariantViolation("answered", `a put that needed ${needed} was answered after ${answered.length}`);
      // Judged by the disks as they are now, and each time.
      const judged = copyOf(this.#known.history);
      const promised = judged.of(key).byId.get(id)!;
      this.#checkers(judged).onAcknowledged(promised, needed, byOwners?.answered);
      const kept = promisedOf(result.report, this.#options.parameters.n);
      const name = `acknowledged ${id} ${kept} ${coordinator} ${promised.forgiven} ${byOwners?.answered ?? 0}`;
      this.#known = this.#ledger.knownAfter(this.#known, name, (history) => {
        const operation = history.of(key).byId.get(id)!;
        operation.forgiven = promised.forgiven;
        // A retry may be acknowledged with more copies than the first attempt: the promise grows.
        if (operation.acknowledged === undefined || operation.acknowledged.needed < kept)
          operation.acknowledged = { needed: kept, at: 0, coordinator, byOwners };
      });
      const ofKey = this.#known.history.of(key);
      const own = ofKey.byId.get(id)!;
      const operations = ofKey.operations.filter(({ index }) => own.past.has(index) || index === own.index);
      seen = this.#ledger.seenAs({
        key,
        clock: result.clock,
        operations: operations.map(({ operation }) => operation).sort(),
        prefer: undefined,
      });
    }
    this.#clients = replaced(this.#clients, client, { step: step + 1, waits: false, seen, mustSee: NOTHING });
  }

  #judge(node: NodeId, key: Key, { set }: ClientResult & { readonly outcome: "got" }): void {
    this.#known = this.#ledger.knownAfter(this.#known, `got ${key} ${this.#ledger.numbering.of(set)}`, (history) => {
      this.#checkers(history).judge(key, set, node, "answers with");
    });
  }

  // Nodes

  #step(place: Place, kind: number, detail: number, event: (at: Millis) => NodeEvent): void {
    const local = this.#nodes[place];
    if (local === undefined) return;
    const name = (detail * 16 + kind) * TIMES_MAX + this.#now;
    const move = this.#ledger.move(place, local, name, () => event(this.#now));
    this.#nodes = replaced(this.#nodes, place, move.step.after);
    if (move.shows)
      this.#known = this.#ledger.knownAfter(this.#known, move.step.number, (history) => {
        this.#checkers(history).onStep(this.#ledger.ids[place]!, move.step.event, move.step.effects);
      });
    for (const deed of move.deeds) this.#perform(place, deed);
  }

  #perform(place: Place, deed: Deed): void {
    switch (deed.kind) {
      case "post": {
        const { from, to, lane } = deed.parcel;
        if (!this.#isWhole(from, to)) return;
        const number = this.#ledger.laneOf(from, to, lane);
        this.#lanes = replaced(this.#lanes, number, [...this.#lanes[number]!, deed.parcel]);
        break;
      }
      case "tell":
        this.#told.push(deed.parcel);
        break;
      case "ask-disk":
        this.#disks = replaced(this.#disks, place, this.#disks[place]!.asked(deed.operation));
        break;
      case "reply":
        this.#answered(place, deed.request, deed.result);
        break;
      case "hang-up": {
        const pair = this.#ledger.pairOf(place, deed.peer);
        if (this.#isUp(place, deed.peer)) this.#down(place, deed.peer);
        this.#mark(pair, WHOLE, false);
        break;
      }
      default:
        unreachable(deed);
    }
  }

  /** What is not explored follows at once: membership messages, and commits of membership alone. */
  #follow(): void {
    for (;;) {
      const parcel = this.#told.shift();
      if (parcel !== undefined) {
        if (this.#isWhole(parcel.from, parcel.to)) this.#receive(parcel);
        continue;
      }
      const place = this.#disks.findIndex((disk) => this.#completesAtOnce(disk));
      if (place < 0) return;
      this.#complete(place);
    }
  }

  #completesAtOnce(disk: SmallDisk): boolean {
    const first = disk.line[0];
    return (
      first?.kind === "store" &&
      this.#options.exploresMembershipCommits !== true &&
      first.writes.every((write) => write.store === "meta")
    );
  }

  #start(place: Place): void {
    const disk = this.#disks[place]!;
    const start = this.#starts[place]! + 1;
    this.#starts = replaced(this.#starts, place, start);
    this.#nodes = replaced(this.#nodes, place, this.#ledger.start(place, start, disk.meta));
    this.#step(place, NAMES.started, 0, (at) => ({ at, kind: "started" }));
    while (this.#disks[place]!.line.length > 0) this.#complete(place);
  }

  #crash(place: Place, kept: number): void {
    let left = kept;
    for (const waiting of this.#disks[place]!.line) {
      if (left === 0) break;
      if (waiting.kind !== "store") continue;
      left--;
      this.#write(place, waiting.writes);
    }
    this.#disks = replaced(this.#disks, place, this.#disks[place]!.dropped());
    this.#nodes = replaced(this.#nodes, place, undefined);
    this.#ledger.pairs.forEach(([a, b], pair) => {
      if (a !== place && b !== place) return;
      const peer = a === place ? b : a;
      this.#mark(pair, WHOLE, false);
      this.#down(place, peer);
      if (!this.#isUp(peer, place)) this.#empty(place, peer);
    });
    this.#clients.forEach((client, i) => {
      if (client.waits && this.#ledger.scriptOf(i)[client.step]?.at === place)
        this.#clients = replaced(this.#clients, i, {
          ...client,
          step: client.step + 1,
          waits: false,
          mustSee: NOTHING,
        });
    });
  }

  #wipe(place: Place): void {
    // What is forgiven depends on the disks: no name tells that.
    const history = copyOf(this.#known.history);
    this.#checkers(history).onWipe(this.#ledger.ids[place]!);
    this.#known = this.#ledger.knownAs(history);
    this.#crash(place, 0);
    this.#wiped |= 1 << place;
    this.#disks = replaced(this.#disks, place, SmallDisk.fresh(undefined));
  }

  #pass(ms: Millis): void {
    this.#now += ms;
    for (let place = 0; place < this.#nodes.length; place++) {
      this.#step(place, NAMES.wake, 0, (at) => ({ at, kind: "wake" }));
      this.#follow();
    }
  }

  // Links

  #isWhole(a: Place, b: Place): boolean {
    return (this.#links[this.#ledger.pairOf(a, b)]! & WHOLE) !== 0;
  }

  #isUp(node: Place, peer: Place): boolean {
    return (this.#links[this.#ledger.pairOf(node, peer)]! & (node < peer ? LOWER_END : HIGHER_END)) !== 0;
  }

  #mark(pair: number, bits: number, on: boolean): void {
    const link = this.#links[pair]!;
    this.#links = replaced(this.#links, pair, on ? link | bits : link & ~bits);
  }

  #isWiped(place: Place): boolean {
    return (this.#wiped & (1 << place)) !== 0;
  }

  /** This end takes nothing any more. */
  #down(node: Place, peer: Place): void {
    this.#mark(this.#ledger.pairOf(node, peer), node < peer ? LOWER_END : HIGHER_END, false);
    this.#empty(peer, node);
  }

  /** What is on its way is lost. */
  #empty(from: Place, to: Place): void {
    for (const lane of LANES) {
      const number = this.#ledger.laneOf(from, to, lane);
      if (this.#lanes[number]!.length > 0) this.#lanes = replaced(this.#lanes, number, NOTHING);
    }
  }

  #notice(node: Place, peer: Place): void {
    this.#down(node, peer);
    this.#step(node, NAMES.lost, peer, (at) => ({ at, kind: "peer-lost", peer: this.#ledger.ids[peer]! }));
  }

  #link(a: Place, b: Place): void {
    for (const [node, peer] of [[a, b] as const, [b, a] as const]) if (this.#isUp(node, peer)) this.#notice(node, peer);
    this.#mark(this.#ledger.pairOf(a, b), LOWER_END | HIGHER_END | WHOLE, true);
    for (const [node, peer] of [[a, b] as const, [b, a] as const])
      this.#step(node, NAMES.connected, peer, (at) => ({
        at,
        kind: "peer-connected",
        peer: this.#ledger.ids[peer]!,
      }));
  }

  #deliver(from: Place, to: Place, lane: Lane): void {
    const number = this.#ledger.laneOf(from, to, lane);
    const [parcel, ...rest] = this.#lanes[number]!;
    assert(parcel !== undefined, "there is nothing to deliver");
    this.#lanes = replaced(this.#lanes, number, rest.length === 0 ? NOTHING : rest);
    this.#receive(parcel);
  }

  #receive({ number, from, to, epoch, message }: Parcel): void {
    this.#step(to, NAMES.message, number, (at) => ({
      at,
      kind: "message-received",
      from: this.#ledger.ids[from]!,
      epoch,
      message,
    }));
  }

  #receiveLate(late: number): void {
    const parcel = this.#late[late]!;
    this.#late = this.#late.filter((_, i) => i !== late);
    this.#receive(parcel);
  }

  // Disks

  /** The first in line completes. */
  #complete(place: Place): void {
    const disk = this.#disks[place]!;
    const first = disk.line[0];
    assert(first !== undefined, "nothing waits for this disk");
    this.#disks = replaced(this.#disks, place, disk.advanced());
    if (first.kind === "store") {
      this.#write(place, first.writes);
      this.#step(place, NAMES.stored, first.ticket, (at) => ({ at, kind: "stored", ticket: first.ticket }));
      return;
    }
    if (first.kind === "load-leaves") {
      const { ticket } = first;
      const { leaves } = disk;
      const name = this.#ledger.numbering.ofText(`leaves ${ticket} ${this.#ledger.numbering.of(leaves)}`);
      this.#step(place, NAMES.leaves, name, (at) => ({ at, kind: "leaves-loaded", ticket, leaves }));
      return;
    }
    const { ticket, store } = first;
    const addresses = disk.addresses(store, first.after, first.before);
    const entries = addresses
      .slice(0, first.countMax)
      .map((address) => ({ address, record: disk.get(store, address)! }));
    const done = entries.length === addresses.length;
    const { numbering } = this.#ledger;
    const name = numbering.ofText(`scan ${ticket} ${entries.map(({ record }) => numbering.of(record)).join()}`);
    this.#step(place, NAMES.scanned, name, (at) => ({ at, kind: "scanned", ticket, entries, done }));
  }

  #fail(place: Place, applied: boolean): void {
    const disk = this.#disks[place]!;
    const first = disk.line[0];
    assert(first?.kind === "store", "no commit waits for this disk");
    this.#disks = replaced(this.#disks, place, disk.advanced());
    if (applied) this.#write(place, first.writes);
    const { ticket } = first;
    this.#step(place, NAMES.failed, ticket, (at) => ({
      at,
      kind: "storage-failed",
      ticket,
      reason: "the transaction failed",
    }));
  }

  #load(place: Place, number: number, fails: boolean): void {
    const disk = this.#disks[place]!;
    const load = disk.loads[number]!;
    const { ticket } = load;
    this.#disks = replaced(this.#disks, place, disk.loaded(load));
    const records = load.reads.map(({ store, address }) => (fails ? "failed" : disk.get(store, address)));
    const { numbering } = this.#ledger;
    const found = records.map((record) => (typeof record === "object" ? numbering.of(record) : (record ?? "none")));
    const name = numbering.ofText(`load ${ticket} ${found.join()}`);
    this.#step(place, NAMES.loaded, name, (at) => ({ at, kind: "loaded", ticket, records }));
  }

  #write(place: Place, writes: readonly Write[]): void {
    for (const write of writes) {
      const disk = this.#disks[place]!;
      this.#disks = replaced(this.#disks, place, disk.written(write));
      if (write.store === "meta" || write.store === "leaves") continue;
      const before = disk.get(write.store, write.address) ?? null;
      if (before !== null)
        this.#checkers().onApplied(this.#ledger.ids[place]!, write.store, write.address, before, write.record);
    }
  }

  #checkers(history = this.#known.history): Checkers {
    const checkers = new Checkers(history);
    checkers.watch(this);
    return checkers;
  }
}

/** The list with one item changed; the list itself stays as it is. */
function replaced<T>(list: readonly T[], at: number, item: T): readonly T[] {
  const copy = list.slice();
  copy[at] = item;
  return copy;
}
