/**
 * A few values by name that this browser keeps between visits, in an IndexedDB of their own. A convenience of the pages, never data of a cluster: where
 * storage is blocked or full nothing is kept, and nothing fails. Each call opens the database and closes it again, so that no tab is in another's way.
 */

import { openDB, type IDBPDatabase } from "idb";

export class KeptMap<Value> {
  readonly #database: string;
  readonly #store: string;

  constructor(database: string, store: string) {
    this.#database = database;
    this.#store = store;
  }

  /** In the order of their names. */
  all(): Promise<readonly (readonly [name: string, value: Value])[]> {
    const store = this.#store;
    return this.#with(async (database) => {
      const [names, values] = await Promise.all([database.getAllKeys(store), database.getAll(store)]);
      return names.map((name, i) => [name as string, values[i] as Value] as const);
    }, []);
  }

  async keep(name: string, value: Value): Promise<void> {
    await this.#with((database) => database.put(this.#store, value, name), undefined);
  }

  async forget(name: string): Promise<void> {
    await this.#with((database) => database.delete(this.#store, name), undefined);
  }

  async #with<T>(work: (database: IDBPDatabase) => Promise<T>, otherwise: T): Promise<T> {
    try {
      const store = this.#store;
      const database = await openDB(this.#database, 1, {
        upgrade(upgraded) {
          upgraded.createObjectStore(store);
        },
      });
      try {
        return await work(database);
      } finally {
        database.close();
      }
    } catch {
      return otherwise; // storage is blocked or full
    }
  }
}
