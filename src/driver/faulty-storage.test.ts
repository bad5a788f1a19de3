import { expect, test } from "vitest";
import fc from "fast-check";
import { StorageError } from "../core/errors.ts";
import { FaultyStorage } from "./faulty-storage.ts";
import { MemoryDisk, MemoryStorage, STORE_NAMES } from "./memory-storage.ts";
import type { StorageWrite } from "./ports.ts";
import { describeStorageContract } from "./storage-contract.ts";

describeStorageContract("in front of memory, with room", {
  persistent: true,
  makeDisk: () => {
    const disk = new MemoryDisk();
    return { storage: () => new FaultyStorage(new MemoryStorage({ disk })), remove: async () => {} };
  },
});

const write: fc.Arbitrary<StorageWrite> = fc.record({
  store: fc.constantFrom(...STORE_NAMES),
  key: fc.constantFrom("a", "b", "c"),
  value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 3 })),
});

test("full, nothing is put on it, all or nothing of a commit; what is removed goes; what is there is read", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ full: fc.boolean(), writes: fc.array(write, { minLength: 1, maxLength: 3 }) })),
      async (commits) => {
        const storage = new FaultyStorage(new MemoryStorage());
        await storage.open();
        const model = new Map<string, Uint8Array>();
        for (const { full, writes } of commits) {
          storage.isFull = full;
          const isRefused =
            full &&
            writes.some(({ store, value }) => value !== null && ["records", "hints", "history"].includes(store));
          if (isRefused) await expect(storage.commit(writes, "relaxed")).rejects.toBeInstanceOf(StorageError);
          else {
            await storage.commit(writes, "strict");
            for (const { store, key, value } of writes)
              if (value === null) model.delete(`${store} ${key}`);
              else model.set(`${store} ${key}`, value);
          }
          for (const store of STORE_NAMES) {
            const keys = ["a", "b", "c"];
            const found = await storage.read(keys.map((key) => ({ store, key })));
            expect(found).toEqual(keys.map((key) => model.get(`${store} ${key}`)));
            const scanned = await storage.scan(store, { after: "", before: "z", countMax: 9, bytesMax: 1_000 });
            expect(scanned.entries.map(([key]) => key)).toEqual(keys.filter((key) => model.has(`${store} ${key}`)));
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
