/**
 * Tells a lab what this tab's node does, and does what a lab asks of it. It has no timer of its own, because a tab in the background hardly gets any: whenever a
 * lab says that it listens, it tells all that happened since; when none has said so for LISTENING_MS it looks on no more.
 */

import type { Store } from "../../../src/api.ts";
import type { NodeId } from "../../../src/core/identifiers.ts";
import { TabringError } from "../../../src/core/errors.ts";
import { CATCHABLE_KINDS, type CatchableKind, type PutContext } from "../../../src/lab/acts.ts";
import { LatestMap } from "../../../src/lab/latest-map.ts";
import {
  HappeningWriter,
  NO_FAULTS,
  type LabCall,
  type TabAct,
  type TabFaults,
  type TabPhase,
  parseCall,
  sealAnswer,
  sealDone,
  sealReport,
  snapshotForm,
  viewBytes,
} from "../../../src/lab/tab-reports.ts";
import { commonNow } from "./shared-clock.ts";

const LISTENING_MS = 4_000;
const SNAPSHOT_MS = 500;
const LABS_MAX = 16;
const CONTEXTS_MAX = 1_000;

/** What the reporter needs of the shop. */
export interface ReporterHost {
  readonly store: Store | undefined;
  readonly phase: "opening" | "open" | "failed" | "closed";
  open(): Promise<void>;
  close(): Promise<void>;
}

/** The store under observation. */
interface Observed {
  readonly store: Store;
  readonly node: NodeId;
  readonly isLight: boolean;
  readonly stop: () => void;
  departed: boolean;
}

export class TabReporter {
  readonly #host: ReporterHost;
  readonly #post: (data: unknown) => void;
  readonly #writer = new HappeningWriter(commonNow);
  /** Those that were heard; a new one is told everything. */
  readonly #labs = new LatestMap<string, true>(LABS_MAX);
  /** What callers of labs last read and wrote, by key. */
  readonly #got = new LatestMap<string, Uint8Array>(CONTEXTS_MAX);
  readonly #put = new LatestMap<string, Uint8Array>(CONTEXTS_MAX);
  #observed: Observed | undefined;
  #heardAt = -Infinity;
  #snapshotAt = -Infinity;
  #toldView: Uint8Array | undefined;

  constructor(host: ReporterHost, post: (data: unknown) => void) {
    this.#host = host;
    this.#post = post;
  }

  hear(data: unknown): void {
    const call = parseCall(data);
    if (call === undefined) return;
    switch (call.kind) {
      case "listening":
        this.#listen(call.lab);
        break;
      case "look":
        void this.#look(call.key);
        break;
      case "do":
        if (call.node === this.#observed?.node) void this.#do(call);
        break;
    }
  }

  /** The page goes. */
  leave(): void {
    if (this.#observed !== undefined) this.#report("away");
    this.#observed?.stop();
    this.#observed = undefined;
  }

  #listen(lab: string): void {
    this.#heardAt = performance.now();
    if (this.#labs.get(lab) === undefined) {
      this.#toldView = undefined;
      this.#snapshotAt = -Infinity;
    }
    this.#labs.set(lab, true);
    this.#attach();
    if (this.#observed !== undefined) this.#report(this.#phaseOf(this.#observed));
  }

  /** A tab that is opened again has another store. */
  #attach(): void {
    const { store } = this.#host;
    if (store === undefined || this.#observed?.store === store) return;
    this.#observed?.stop();
    const { node, role } = store.status;
    const unobserve = store.inspector.observe({
      stepped: (event, effects) => {
        if (!this.#isAlone()) this.#writer.stepped(event, effects);
      },
      stored: (kind, address, record) => {
        if (!this.#isAlone()) this.#writer.stored(kind, address, record);
      },
    });
    const observed: Observed = {
      store,
      node,
      isLight: role === "light",
      departed: false,
      stop: () => {
        unobserve();
        offDeparted();
        offCaught();
      },
    };
    const offDeparted = store.on("departed", () => (observed.departed = true));
    const offCaught = store.on("caught", ({ fault, message }) => {
      const { kind } = fault;
      if (!this.#isAlone() && isCatchable(kind)) this.#writer.caught({ ...fault, kind }, message);
    });
    this.#observed = observed;
    this.#toldView = undefined;
  }

  /** No lab listens any more: nothing is kept for it. */
  #isAlone(): boolean {
    if (performance.now() - this.#heardAt <= LISTENING_MS) return false;
    this.#observed?.stop();
    this.#observed = undefined;
    this.#writer.take();
    return true;
  }

  #phaseOf({ store, departed }: Observed): TabPhase {
    if (departed) return "gone";
    if (this.#host.phase === "closed" || store.status.state === "closed") return "closed";
    return store.status.state === "starting" ? "opening" : "open";
  }

  #report(phase: TabPhase): void {
    const observed = this.#observed;
    if (observed === undefined) return;
    const { store, node, isLight } = observed;
    const faults = phase === "open" ? faultsOf(store) : NO_FAULTS;
    const snapshot = phase === "open" ? this.#snapshot(store) : undefined;
    this.#post(sealReport({ node, at: commonNow(), phase, isLight, faults, snapshot, ...this.#writer.take() }));
  }

  #snapshot(store: Store): unknown {
    const now = performance.now();
    if (now - this.#snapshotAt < SNAPSHOT_MS) return undefined;
    const { view, statistics } = store.inspector;
    if (view === undefined) return undefined;
    this.#snapshotAt = now;
    const bytes = view.view === undefined ? undefined : viewBytes(view.view);
    const isNews = bytes !== undefined && !sameBytes(bytes, this.#toldView);
    this.#toldView = bytes;
    return snapshotForm(view, isNews ? bytes : undefined, statistics);
  }

  async #look(key: string): Promise<void> {
    if (this.#observed === undefined) return;
    const { store, node } = this.#observed;
    try {
      const disk = await store.inspector.recordsOf(key);
      this.#post(sealAnswer(node, commonNow(), key, disk));
    } catch (error) {
      // The lab asks again; a disk that is closed just has nothing to say.
      if (!(error instanceof TabringError)) throw error;
    }
  }

  async #do({ lab, number, node, act }: LabCall & { kind: "do" }): Promise<void> {
    const fault = await this.#perform(act).then(
      () => undefined,
      (error: unknown) => ({
        code: error instanceof TabringError ? error.code : "unexpected",
        message: error instanceof Error ? error.message : String(error),
      }),
    );
    this.#post(sealDone(node, lab, number, fault));
  }

  async #perform(act: TabAct): Promise<void> {
    if (act.do === "restart") return this.#host.open();
    if (act.do === "close") return this.#host.close();
    const store = this.#observed?.store;
    if (store === undefined) return;
    const { faults } = store;
    switch (act.do) {
      case "put": {
        const context = this.#contextOf(act.context, act.key);
        const { w, key } = act;
        const put = await store.put(key, new TextEncoder().encode(act.value), { context, ...(w && { w }) });
        this.#put.set(key, put.context);
        return;
      }
      case "delete": {
        const { w, key } = act;
        const put = await store.delete(key, { context: this.#contextOf(act.context, key), ...(w && { w }) });
        this.#put.set(key, put.context);
        return;
      }
      case "get": {
        const got = await store.get(act.key, act.r === undefined ? {} : { r: act.r });
        this.#got.set(act.key, got.context);
        return;
      }
      case "bucket": {
        const { bucket, policy, r, w } = act;
        return store.setBucket(bucket, { policy, ...(r && { r }), ...(w && { w }) });
      }
      case "leave":
        if (act.planned === undefined) return store.leave();
        return store.commit({ ...(await store.plan({ kind: "leave" })), planned: act.planned });
      case "remove": {
        const { target, force, planned } = act;
        if (planned === undefined) return store.remove(target, { force });
        return store.commit({ ...(await store.plan({ kind: "remove", node: target })), planned }, { force });
      }
      case "cut":
        if (faults.current !== "all") faults.cut(union(faults.current === "none" ? [] : faults.current, act.nodes));
        return;
      case "mute":
        return faults.mute(union(faults.muted, act.nodes));
      case "heal":
        return faults.heal();
      case "lose":
        return faults.lose(act.perMille);
      case "latency":
        return faults.addLatency(act.byMs);
      case "skew":
        return faults.skewClock(act.byMs);
      case "freeze":
        return faults.freeze(act.forMs);
      case "thaw":
        return faults.thaw();
      case "catch": {
        const { to, kind, how, byMs } = act;
        return faults.catchNext({ to, kind, how, byMs });
      }
      case "server":
        return faults.cutServer(act.down);
      case "disk-full":
        return faults.fillDisk(act.full);
    }
  }

  #contextOf(context: PutContext, key: string): Uint8Array | undefined {
    return context === "none" ? undefined : (context === "seen" ? this.#got : this.#put).get(key);
  }
}

function faultsOf({ faults }: Store): TabFaults {
  const { current: cut, muted, perMilleLost, addedLatencyMs, frozen, diskFull, clockSkewMs, serverCut } = faults;
  const toCatch = faults.toCatch.flatMap(({ kind, ...rest }) => (isCatchable(kind) ? [{ ...rest, kind }] : []));
  return { cut, muted, perMilleLost, addedLatencyMs, toCatch, frozen, diskFull, clockSkewMs, serverCut };
}

/** The lab offers some of the kinds. */
function isCatchable(kind: string): kind is CatchableKind {
  return CATCHABLE_KINDS.some((each) => each === kind);
}

function union(some: readonly NodeId[], more: readonly NodeId[]): readonly NodeId[] {
  return [...new Set([...some, ...more])];
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}
