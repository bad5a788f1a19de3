/** In Node: what is refused by name. That locks keep tabs apart is tested in a real browser. */

import { afterEach, describe, expect, test, vi } from "vitest";
import "fake-indexeddb/auto";
import { claimIdentity, forgetCluster, InsecureContextError, InvalidClusterError, knownClusters } from "./identity.ts";

const locks = { request: () => Promise.reject(new Error("not asked")) } as unknown as LockManager;

afterEach(() => vi.unstubAllGlobals());

describe("a page that cannot be a node says why and what to do", () => {
  test("no Web Locks", async () => {
    await expect(claimIdentity({ cluster: "shop", locks: undefined })).rejects.toThrow(/no Web Locks.*https:/s);
  });
  test("no WebCrypto: an insecure origin", async () => {
    const claim = claimIdentity({ cluster: "shop", locks, subtle: undefined });
    await expect(claim).rejects.toBeInstanceOf(InsecureContextError);
    await expect(claim).rejects.toMatchObject({ code: "insecure-context", name: "InsecureContextError" });
  });
  test("no IndexedDB", async () => {
    vi.stubGlobal("indexedDB", undefined);
    await expect(claimIdentity({ cluster: "shop", locks })).rejects.toThrow(/no IndexedDB/);
    await expect(knownClusters({ locks })).rejects.toBeInstanceOf(InsecureContextError);
    await expect(forgetCluster("shop", { locks })).rejects.toBeInstanceOf(InsecureContextError);
  });
});

test.each(["", "a/b", "ü", "a".repeat(65), "shop 1", "../shop"])("%j is no cluster id", async (cluster) => {
  await expect(claimIdentity({ cluster, locks })).rejects.toBeInstanceOf(InvalidClusterError);
});
