/**
 * This tab's node as the page sees it: opening, open, refused or closed; its status, the other nodes, the trace, and the faults that are played.
 * The page shows snapshots; it takes a new one at each event of the store and once a second, because counts of hints change without an event.
 */

import type { NodeInfo, OpenStoreOptions, PreferenceEntry, Store, StoreStatus } from "../../src/api.ts";
import type { Note } from "../../src/core/effect.ts";
import type { NodeId } from "../../src/core/identifiers.ts";
import type { Invite } from "../invite.ts";
import { LabDoor } from "../lab/tabs/lab-door.ts";
import { rememberInvite, rememberTabFact, tabFact } from "../remembered.ts";
import { seedAddress } from "../server.ts";
import { FaultChannel } from "./fault-channel.ts";
import { setShopBuckets } from "./shop-buckets.ts";
import { pause } from "./waiting.ts";

export type OpenStore = (options: OpenStoreOptions) => Promise<Store>;

const REFRESH_MS = 1_000;
const TRACE_MAX = 60;
/** A tab of the demo that stays closed for longer is removed from its cluster. */
const REMOVE_AFTER_MS = 30 * 60_000;
const MEMBER_STATES: ReadonlySet<StoreStatus["state"]> = new Set(["joining", "leaving", "online", "degraded", "alone"]);

export interface TraceLine {
  readonly number: number;
  /** Wall-clock time; the trace itself counts from the start of the node. */
  readonly atMs: number;
  readonly note: Note;
}

/** opening: the store is being opened. open. failed: it could not be opened, or the cluster refused this tab; `error` says why. closed: stopped by hand. */
export type ClusterPhase = "opening" | "open" | "failed" | "closed";

export class ClusterState {
  readonly invite: Invite;
  readonly #openStore: OpenStore;
  readonly #faultChannel: FaultChannel;
  readonly #labDoor: LabDoor;
  #stop = new AbortController();
  #traced = 0;

  phase: ClusterPhase = $state("opening");
  error: unknown = $state.raw(undefined);
  /** The last one who was turned away at the door of this node while it was open. */
  refusal: { readonly error: Error; readonly peer: NodeId | undefined } | undefined = $state.raw(undefined);
  store: Store | undefined = $state.raw(undefined);
  status: StoreStatus | undefined = $state.raw(undefined);
  nodes: readonly NodeInfo[] = $state.raw([]);
  trace: readonly TraceLine[] = $state.raw([]);
  cuts: "none" | "all" | readonly NodeId[] = $state.raw("none");
  /** Grows with each snapshot: what depends on the ring or on preference lists is derived from it. */
  snapshot = $state(0);
  /** True once the store answers requests for the cluster. */
  ready = $state(false);

  constructor(openStore: OpenStore, invite: Invite) {
    this.#openStore = openStore;
    this.invite = invite;
    this.#faultChannel = new FaultChannel(invite.cluster, {
      split: (sides) => this.#applySplit(sides),
      heal: () => this.#applyHeal(),
    });
    this.#labDoor = new LabDoor(invite.cluster, this);
  }

  /** Opens the store, or opens it again after `close`. */
  async open(): Promise<void> {
    const stop = new AbortController();
    this.#stop.abort();
    this.#stop = stop;
    this.phase = "opening";
    this.error = undefined;
    this.refusal = undefined;
    this.ready = false;
    // One that failed still holds this tab's identity.
    await this.store?.close();
    const { cluster, secret, light = false, sameBrowser = false } = this.invite;
    const found = !light && tabFact(cluster, "founding") !== undefined;
    let store: Store | undefined;
    try {
      const seeds = [sameBrowser ? "same-browser" : seedAddress()];
      store = await this.#openStore({ cluster, secret, seeds, found, light, removeAfterMs: REMOVE_AFTER_MS });
      if (stop.signal.aborted) return void (await store.close());
      this.store = store;
      window.tabring = { store };
      this.phase = "open";
      void rememberInvite(this.invite);
      this.#listen(store, stop.signal);
      await store.ready({ signal: stop.signal });
      if (!stop.signal.aborted) this.#isReady();
    } catch (error) {
      if (stop.signal.aborted) return;
      this.error = error;
      this.phase = "failed";
    }
  }

  /** Stops the node. It stays a member and keeps its data; `open` takes it up again. */
  async close(): Promise<void> {
    this.#stop.abort();
    const store = this.store;
    await store?.close();
    this.phase = "closed";
    this.ready = false;
    if (store !== undefined) this.#take(store);
  }

  /** The page goes away. */
  dispose(): void {
    this.#stop.abort();
    this.#faultChannel.close();
    this.#labDoor.close();
    void this.store?.close();
    window.tabring = undefined;
  }

  preferenceList(key: string): readonly PreferenceEntry[] {
    return this.snapshot >= 0 ? (this.store?.preferenceList(key) ?? []) : [];
  }

  cutOff(): void {
    this.store?.faults.cutOff();
    this.#refresh();
  }

  /** Cuts all links between the two sides; every tab of this browser cuts its own. */
  split(sides: readonly [readonly NodeId[], readonly NodeId[]]): void {
    this.#faultChannel.split(sides);
    this.#applySplit(sides);
  }

  /** Undoes the cuts of every tab of this browser. */
  heal(): void {
    this.#faultChannel.heal();
    this.#applyHeal();
  }

  #applySplit(sides: readonly [readonly NodeId[], readonly NodeId[]]): void {
    const self = this.status?.node;
    if (self === undefined || this.store === undefined) return;
    const [own, other] = sides[0].includes(self) ? sides : [sides[1], sides[0]];
    if (!own.includes(self)) return;
    this.store.faults.heal();
    if (other.length > 0) this.store.faults.cut(other);
    this.#refresh();
  }

  #applyHeal(): void {
    this.store?.faults.heal();
    this.#refresh();
  }

  #listen(store: Store, signal: AbortSignal): void {
    store.on("status", () => this.#take(store), { signal });
    store.on("membership", () => this.#take(store), { signal });
    store.on("trace", ({ note }) => this.#note(note), { signal });
    store.on(
      "refused",
      (refusal) => {
        if (this.ready) this.refusal = refusal;
      },
      { signal },
    );
    this.#take(store);
    void this.#keepFresh(store, signal);
  }

  async #keepFresh(store: Store, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(REFRESH_MS, signal);
      if (!signal.aborted) this.#take(store);
    }
  }

  #refresh(): void {
    if (this.store !== undefined) this.#take(this.store);
  }

  #isReady(): void {
    this.phase = "open";
    this.error = undefined;
    this.ready = true;
    rememberTabFact(this.invite.cluster, "founding", undefined);
    if (this.store !== undefined) void setShopBuckets(this.store);
  }

  #take(store: Store): void {
    this.status = store.status;
    // One peer refused this tab and another one took it in: the first was the stranger.
    if (this.phase === "failed" && MEMBER_STATES.has(store.status.state)) this.#isReady();
    this.nodes = store.nodes();
    this.cuts = store.faults.current;
    this.snapshot += 1;
  }

  #note(note: Note): void {
    // Everyday merges that changed nothing would push out what is worth reading.
    if (note.what === "merged" && !note.changed) return;
    this.trace = [{ number: ++this.#traced, atMs: Date.now(), note }, ...this.trace].slice(0, TRACE_MAX);
  }
}
