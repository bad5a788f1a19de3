/**
 * Who shops in this tab. The session is the paper's timestamp-based bucket (section 6; `shop-buckets.ts`): replaced as a whole, and the latest write
 * wins. Two tabs with one name share one session. Storing it is a courtesy: when it fails, the shop goes on.
 */

import type { Bucket, Store } from "../../src/api.ts";
import { QuorumError } from "../../src/core/errors.ts";
import { isShopperName } from "../../src/reconcile/cart-names.ts";
import { lastWriteWins } from "../../src/reconcile/last-write-wins.ts";
import { rememberTabFact, tabFact } from "../remembered.ts";
import { pause } from "./waiting.ts";
import { sessionCodec, type Session } from "./records.ts";

const RETRY_MS = 1_000;
const NAMES = ["ada", "bela", "chidi", "dora", "emil", "fatma", "goran", "hana", "ines", "jonas", "kofi", "lena", "mina", "nils", "olga", "pavel", "rosa", "sana", "tomas", "yuki"]; // prettier-ignore

export class SessionState {
  readonly #sessions: Bucket<Session>;
  readonly #cluster: string;
  readonly #signal: AbortSignal;

  name: string = $state("");
  /** The book last looked at, under this name, in any tab. */
  lastBook: string | undefined = $state(undefined);
  /** What was stored before this tab came, to greet with. */
  greeting: Session | undefined = $state.raw(undefined);

  constructor(store: Store, cluster: string, signal: AbortSignal) {
    this.#signal = signal;
    this.#cluster = cluster;
    this.#sessions = store.bucket("sessions", {
      codec: sessionCodec,
      reconcile: lastWriteWins(
        (session) => session.at,
        (session) => JSON.stringify(session),
      ),
    });
    this.name = shopperOf(cluster);
  }

  /** Takes up what is stored under this name; tries again while too few nodes answer. Never rejects. */
  async open(): Promise<void> {
    const { name } = this;
    while (!this.#signal.aborted && this.name === name) {
      try {
        const { value } = await this.#sessions.get(name, { signal: this.#signal });
        this.greeting = value;
        this.lastBook ??= value?.lastBook;
        if (value === undefined) await this.#put();
        return;
      } catch (error) {
        if (!(error instanceof QuorumError) && !this.#signal.aborted)
          console.warn("The session could not be read; shopping goes on without it.", error);
        await pause(RETRY_MS, this.#signal);
      }
    }
  }

  /** False when no shopper can be called that. */
  rename(name: string): boolean {
    if (!isShopperName(name)) return false;
    this.name = name;
    this.greeting = undefined;
    this.lastBook = undefined;
    rememberTabFact(this.#cluster, "shopper", name);
    void this.open();
    return true;
  }

  async looked(book: string): Promise<void> {
    this.lastBook = book;
    await this.#put();
  }

  async #put(): Promise<void> {
    const { name, lastBook } = this;
    const session = lastBook === undefined ? { name, at: Date.now() } : { name, lastBook, at: Date.now() };
    try {
      await this.#sessions.put(name, session, { signal: this.#signal });
    } catch (error) {
      if (this.#signal.aborted) return;
      console.warn("The session could not be stored; shopping goes on without it.", error);
    }
  }
}

/** The name that this tab had before, or a made-up one. */
export function shopperOf(cluster: string): string {
  const known = tabFact(cluster, "shopper");
  if (known !== undefined && isShopperName(known)) return known;
  const name = NAMES[Math.floor(Math.random() * NAMES.length)] ?? "ada";
  rememberTabFact(cluster, "shopper", name);
  return name;
}
