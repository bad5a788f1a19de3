/**
 * One cart as this page works with it: read, shown, changed, reconciled, checked out (bucket `carts`, siblings; paper, sections 4.4 and 6).
 *
 * Adding to a cart never fails because of the network. A change first reads with the cluster's r, then one replica, then goes by what the page knows;
 * it is put with the cluster's w, then w = 1 under the same operation id, and if even this node's own storage refuses, it stays on the page and is
 * put again until it is kept. What was kept how is said in `kept` and `notice`.
 *
 * Several versions (siblings) are a conflict: the page shows them, and the cart shown meanwhile is what the default strategy would make of them.
 * The shopper picks a strategy, or goes on shopping, which takes the default and says so. Either way one put with the context of the read
 * supersedes them all.
 *
 * Loaded when the shop is open, because it brings Yjs with it. Limits: one change at a time, the rest wait in order, at most {@link WAITING_MAX}.
 */

import type { Context, GetResult, Store } from "../../src/api.ts";
import type { Dot } from "../../src/core/dvvset.ts";
import type { OperationId } from "../../src/core/identifiers.ts";
import { compareStrategies, type Comparison } from "../../src/reconcile/cart-comparison.ts";
import { defaultCartStrategy, QUANTITY_MAX, type CartStrategy } from "../../src/reconcile/cart-names.ts";
import {
  CartWriter,
  decodeCart,
  EMPTY_CART,
  emptied,
  encodeCart,
  MalformedCartError,
  reconcileCarts,
  setCopies,
  type Cart,
} from "../../src/reconcile/cart.ts";
import type { Quantities } from "../../src/reconcile/quantities.ts";
import { withEdits, type Edit } from "./cart-edits.ts";
import { CartMemory, type ReadSibling } from "./cart-memory.ts";
import { enoughAnswer, keptPut } from "./kept-put.ts";
import { randomHex } from "./hash.ts";
import { pause } from "./waiting.ts";

const POLL_MS = 1_500;
const READ_TIMEOUT_MS = 1_500;
const WRITE_TIMEOUT_MS = 2_000;
const WAITING_MAX = 100;

/** One sibling, for people. */
export interface Version {
  readonly operation: string;
  /** Where it was minted; the node is in the first 32 digits of the actor. More than one after a retry through another node. */
  readonly dots: readonly Dot[];
  readonly atMs: number;
  /** Undefined when it cannot be read; `fault` says why. */
  readonly cart: Cart | undefined;
  readonly fault: MalformedCartError | undefined;
}

/**
 * How the last change of this page is kept. confirmed: by w replicas. one: by one, to spread later. page: nowhere but here, being tried again.
 * saving: being put.
 */
export type KeptAs = "nothing-yet" | "saving" | "confirmed" | "one" | "page";

interface Unsaved {
  readonly bytes: Uint8Array;
  readonly operation: string;
}

export class CartState {
  readonly #store: Store;
  readonly #shopper: () => string;
  readonly #signal: AbortSignal;
  readonly #draw = () => randomHex(8);
  #memory = new CartMemory();
  #writer = new CartWriter(this.#draw);
  #turn: Promise<void> = Promise.resolve();
  #unsaved: Unsaved | undefined;
  /** The latest put of this page for this cart: when it is read back by a quorum, it has spread. */
  #lastOperation: string | undefined;

  id: string = $state("");
  /** False until the cart was read once, or could not be. */
  opened = $state(false);
  versions: readonly Version[] = $state.raw([]);
  /** The version vector of the record that was read last. */
  clock: GetResult["clock"] = $state.raw([]);
  kept: KeptAs = $state("nothing-yet");
  /** How many nodes confirmed the last change. */
  keptOn = $state(0);
  /** Owners that were away at the last change and for whom another node keeps it. */
  hintedFor = $state(0);
  /** What was done last, in words that the page fills in. */
  notice: Notice | undefined = $state.raw(undefined);
  error: unknown = $state.raw(undefined);
  /** Changes asked for and not yet in `versions`, shown at once. */
  #waiting: readonly Edit[] = $state.raw([]);

  readonly readable: readonly Cart[] = $derived(this.versions.flatMap((version) => version.cart ?? []));
  readonly conflicted = $derived(
    this.versions.length > 1 || this.versions.some((version) => version.fault !== undefined),
  );
  readonly comparison: Comparison | undefined = $derived(
    this.conflicted && this.readable.length > 0 ? compareStrategies(this.readable) : undefined,
  );
  /** What is in the cart, as shown: the default's preview while there is a conflict, waiting changes included. */
  readonly items: Quantities = $derived.by(() => {
    const preview = this.comparison?.outcomes.find((outcome) => outcome.strategy === defaultCartStrategy)?.quantities;
    return withEdits(preview ?? this.readable[0]?.items ?? EMPTY_CART.items, this.#waiting);
  });
  readonly copies = $derived([...this.items.values()].reduce((sum, copies) => sum + copies, 0));

  constructor(store: Store, id: string, shopper: () => string, signal: AbortSignal) {
    this.#store = store;
    this.#shopper = shopper;
    this.#signal = signal;
    this.id = id;
  }

  get key(): string {
    return `carts/${this.id}`;
  }

  /** Looks for what others did, until the signal is aborted. Never rejects. */
  async follow(): Promise<void> {
    while (!this.#signal.aborted) {
      if (!document.hidden || !this.opened) await this.#inTurn(() => this.#look());
      await pause(POLL_MS, this.#signal);
    }
  }

  /** Another cart. What is not kept yet of this one is tried once more. */
  async switchTo(id: string): Promise<void> {
    if (id === this.id) return;
    await this.#inTurn(async () => {
      await this.#saveAgain();
      this.id = id;
      this.#memory = new CartMemory();
      this.#writer = new CartWriter(this.#draw);
      this.#unsaved = undefined;
      this.#lastOperation = undefined;
      this.versions = [];
      this.opened = false;
      this.kept = "nothing-yet";
      this.notice = undefined;
      this.error = undefined;
      await this.#look();
    });
  }

  add(book: string): Promise<void> {
    return this.#edit({ book, change: (copies) => Math.min(copies + 1, Math.max(copies, QUANTITY_MAX)) });
  }

  set(book: string, copies: number): Promise<void> {
    const wanted = Math.max(0, Math.min(QUANTITY_MAX, Math.trunc(copies)));
    return this.#edit({ book, change: () => wanted });
  }

  /** One fewer or one more, from whatever there is by then. */
  step(book: string, by: number): Promise<void> {
    return this.#edit({ book, change: (copies) => Math.max(0, Math.min(copies + by, Math.max(copies, QUANTITY_MAX))) });
  }

  remove(book: string): Promise<void> {
    return this.set(book, 0);
  }

  /** Makes one cart of the versions as last shown, by the strategy, and puts it. */
  reconcile(strategy: CartStrategy): Promise<void> {
    return this.#inTurn(async () => {
      const carts = this.readable;
      if (!this.conflicted) return;
      const versions = this.versions.length;
      const base = carts.length === 0 ? [EMPTY_CART] : carts;
      await this.#put(reconcileCarts(base, strategy, this.#writer, this.#shopper()));
      this.notice = { kind: "reconciled", strategy, versions, chosen: true };
    });
  }

  /** Empties the cart; gives what was in it, or undefined when it was not emptied (a conflict to settle first, or nothing in it). */
  async checkOut(): Promise<Quantities | undefined> {
    let bought: Quantities | undefined;
    await this.#inTurn(async () => {
      await this.#read();
      const [cart] = this.readable;
      if (this.conflicted || cart === undefined || cart.items.size === 0) return;
      await this.#put(emptied(cart, this.#writer, this.#shopper()));
      bought = cart.items;
      this.notice = { kind: "checked-out", copies: [...bought.values()].reduce((sum, copies) => sum + copies, 0) };
    });
    return bought;
  }

  #edit(edit: Edit): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) return Promise.resolve();
    this.#waiting = [...this.#waiting, edit];
    this.notice = undefined;
    return this.#inTurn(async () => {
      try {
        await this.#read();
        const carts = this.readable;
        const merged = this.conflicted;
        const versions = this.versions.length;
        const base =
          merged && carts.length > 0
            ? reconcileCarts(carts, defaultCartStrategy, this.#writer, this.#shopper())
            : (carts[0] ?? EMPTY_CART);
        const copies = edit.change(base.items.get(edit.book) ?? 0);
        const next = setCopies(base, edit.book, copies, this.#writer, this.#shopper());
        await this.#put(next, edit);
        if (merged) this.notice = { kind: "reconciled", strategy: defaultCartStrategy, versions, chosen: false };
      } finally {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== edit);
      }
    });
  }

  /** One after the other; a failure is shown and the next one goes on. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      try {
        await work();
      } catch (error) {
        if (!this.#signal.aborted) this.error = error;
      }
    });
    return this.#turn;
  }

  async #look(): Promise<void> {
    await this.#saveAgain();
    await this.#read();
    this.opened = true;
  }

  /** Takes in what the store has now, if it can be asked. */
  async #read(): Promise<void> {
    const options = { timeoutMs: READ_TIMEOUT_MS, signal: this.#signal };
    let quorum = enoughAnswer(this.#store.status, this.#store.status.parameters?.r ?? 1);
    let result: GetResult | undefined;
    try {
      if (quorum) result = await this.#store.get(this.key, options);
    } catch (error) {
      if (this.#signal.aborted) throw error;
      quorum = false;
    }
    try {
      result ??= await this.#store.get(this.key, { ...options, r: 1 });
    } catch (error) {
      if (this.#signal.aborted) throw error; // otherwise the page goes by what it knows
    }
    if (result === undefined || this.#unsaved !== undefined) return;
    if (!this.#memory.read(result, quorum)) return;
    this.clock = result.clock;
    const spread = quorum && result.siblings.some((sibling) => sibling.operation === this.#lastOperation);
    if (spread && this.kept === "one" && result.report.answered.length > 1) {
      this.kept = "confirmed";
      this.keptOn = result.report.answered.length;
    }
    this.#show();
  }

  /** Puts what the page alone has, if there is something. */
  async #saveAgain(): Promise<void> {
    const unsaved = this.#unsaved;
    if (unsaved === undefined) return;
    try {
      await this.#send(unsaved);
    } catch {
      // Still only on the page; the next look tries again.
    }
  }

  async #put(cart: Cart, edit?: Edit): Promise<void> {
    const unsaved: Unsaved = { bytes: encodeCart(cart), operation: randomHex(16) };
    this.#unsaved = unsaved;
    this.#lastOperation = unsaved.operation;
    this.kept = "saving";
    this.error = undefined;
    const context = this.#memory.context;
    this.#memory.wrote(versionOf(unsaved), undefined);
    this.#show();
    // From here on the change is in `versions`.
    this.#waiting = this.#waiting.filter((waiting) => waiting !== edit);
    try {
      await this.#send(unsaved, context);
    } catch (error) {
      this.kept = "page";
      throw error;
    }
  }

  async #send(unsaved: Unsaved, context: Context | undefined = this.#memory.context): Promise<void> {
    const { bytes, operation } = unsaved;
    const { result, confirmed } = await keptPut(this.#store, this.key, bytes, {
      context,
      operation,
      timeoutMs: WRITE_TIMEOUT_MS,
    });
    this.#unsaved = undefined;
    this.#memory.wrote(versionOf(unsaved), result.context);
    this.kept = confirmed ? "confirmed" : "one";
    this.keptOn = Math.max(1, result.report.answered.length);
    this.hintedFor = result.report.hintedFor.length;
    this.error = undefined;
    // Somebody wrote at the same time: show it.
    if (result.siblings > 1) await this.#read();
    else this.#show();
  }

  #show(): void {
    const next = this.#memory.siblings
      .filter((sibling) => sibling.value !== null)
      .map((sibling): Version => {
        const before = this.versions.find((version) => version.operation === sibling.operation);
        if (before === undefined) return decoded(sibling);
        return before.dots.length === sibling.dots.length ? before : { ...before, dots: sibling.dots };
      })
      .sort((a, b) => a.atMs - b.atMs || (a.operation < b.operation ? -1 : 1));
    const same = next.length === this.versions.length && next.every((version, i) => version === this.versions[i]);
    if (!same) this.versions = next; // a poll that brought nothing draws nothing anew
  }
}

/** What happened last, for the page to say. */
export type Notice =
  | {
      readonly kind: "reconciled";
      readonly strategy: CartStrategy;
      readonly versions: number;
      /** False: the default did it, because the shopper went on. */
      readonly chosen: boolean;
    }
  | { readonly kind: "checked-out"; readonly copies: number };

function decoded(sibling: ReadSibling): Version {
  const { operation, dots, at: atMs, value } = sibling;
  try {
    return { operation, dots, atMs, cart: decodeCart(value ?? new Uint8Array()), fault: undefined };
  } catch (error) {
    if (!(error instanceof MalformedCartError)) throw error;
    return { operation, dots, atMs, cart: undefined, fault: error };
  }
}

/** This page's own version before it was read back: its dot is not known yet. */
function versionOf(unsaved: Unsaved): ReadSibling {
  return { operation: unsaved.operation as OperationId, dots: [], at: Date.now(), value: unsaved.bytes };
}
