/**
 * Who shops in this tab. The session is the paper's timestamp-based bucket (section 6): replaced as a whole, and the latest write wins. Two tabs
 * with one name share one session. Storing it is a courtesy: when it fails, the shop goes on.
 */

import type { Bucket, Store } from "../../src/api.ts";
import { isShopperName } from "../../src/reconcile/cart-names.ts";
import { lastWriteWins } from "../../src/reconcile/last-write-wins.ts";
import { rememberTabFact, tabFact } from "../remembered.ts";
import { sessionCodec, type Session } from "./records.ts";

const NAMES = ["ada", "bela", "chidi", "dora", "emil", "fatma", "goran", "hana", "ines", "jonas", "kofi", "lena", "mina", "nils", "olga", "pavel", "rosa", "sana", "tomas", "yuki"]; // prettier-ignore

export class SessionState {
  readonly #sessions: Bucket<Session>;
  readonly #cluster: string;

  name: string = $state("");
  /** The book last looked at, under this name, in any tab. */
  lastBook: string | undefined = $state(undefined);
  /** What was stored before this tab came, to greet with. */
  greeting: Session | undefined = $state.raw(undefined);

  constructor(store: Store, cluster: string) {
    this.#cluster = cluster;
    this.#sessions = store.bucket("sessions", {
      codec: sessionCodec,
      reconcile: lastWriteWins(
        (session) => session.at,
        (session) => JSON.stringify(session),
      ),
      policy: "last-write-wins",
    });
    this.name = shopperOf(cluster);
  }

  /** Takes up what is stored under this name. */
  async open(): Promise<void> {
    try {
      const { value } = await this.#sessions.get(this.name);
      this.greeting = value;
      this.lastBook = value?.lastBook;
      if (value === undefined) await this.#store();
    } catch (error) {
      console.warn("The session could not be read; shopping goes on without it.", error);
    }
  }

  /** False when no shopper can be called that. */
  async rename(name: string): Promise<boolean> {
    if (!isShopperName(name)) return false;
    this.name = name;
    rememberTabFact(this.#cluster, "shopper", name);
    await this.open();
    return true;
  }

  async looked(book: string): Promise<void> {
    this.lastBook = book;
    await this.#store();
  }

  async #store(): Promise<void> {
    const { name, lastBook } = this;
    const session = lastBook === undefined ? { name, at: Date.now() } : { name, lastBook, at: Date.now() };
    try {
      await this.#sessions.put(name, session);
    } catch (error) {
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
