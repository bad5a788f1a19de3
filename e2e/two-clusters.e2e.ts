/** Two clusters on one origin have nothing in common: no node, no link, no database, no value; and a link without the right secret opens neither. */

import { expect, test } from "@playwright/test";
import { type Cluster, idsOf, inviteParts, openCluster, refusalOf, type Tab, waitUntil } from "./cluster.ts";

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 3 });
});
test.afterEach(() => cluster.close());

/** Names of this origin's databases that belong to a cluster. */
function databasesOf(tab: Tab, name: string): Promise<string[]> {
  return tab.page.evaluate(async (name) => {
    const databases = await indexedDB.databases();
    return databases.flatMap((database) => (database.name?.includes(name) === true ? [database.name] : [])).sort();
  }, name);
}

test("two clusters of one origin share nothing", async () => {
  const first = cluster.tabs.slice();
  const { cluster: firstName } = inviteParts(cluster.server.invite);
  await first[0]!.put("carts/ada", "of the first");

  // The plain address offers to start a new cluster; its address is the invite of that cluster.
  const founder = await cluster.openTab(cluster.server.address);
  await founder.page.getByTestId("start-cluster").click();
  await waitUntil(async () => (await founder.status())?.state === "online", { what: "the new cluster is founded" });
  const { cluster: secondName, secret } = inviteParts(founder.page.url());
  expect(secondName).not.toBe(firstName);
  expect(secret).toHaveLength(43);
  const others = [await cluster.openTab(founder.page.url()), await cluster.openTab(founder.page.url())];
  const second = [founder, ...others];
  const membersOf = async (tab: Tab): Promise<string[]> =>
    (await tab.nodes())
      .filter((info) => info.capacity > 0)
      .map((info) => info.node)
      .sort();
  for (const [tabs, what] of [
    [first, "first"],
    [second, "second"],
  ] as const)
    await waitUntil(
      async () => {
        const ids = (await idsOf(tabs)).join();
        return (await Promise.all(tabs.map(membersOf))).every((members) => members.join() === ids);
      },
      { what: `the members of the ${what} cluster are its three tabs`, timeoutMs: 60_000 },
    );

  for (const tab of second) expect((await tab.get("carts/ada")).values).toEqual([]);
  await founder.put("carts/ada", "of the second");
  for (const tab of first) expect((await tab.get("carts/ada")).values).toEqual(["of the first"]);
  for (const tab of second) expect((await tab.get("carts/ada")).values).toEqual(["of the second"]);

  // One database for each node, named after its cluster.
  expect(await databasesOf(founder, firstName)).toHaveLength(3);
  expect(await databasesOf(founder, secondName)).toHaveLength(3);
});

test("without the right secret: a named error, no data", async () => {
  const { cluster: name, secret } = inviteParts(cluster.server.invite);
  await cluster.tabs[0]!.put("carts/ada", "private");

  const wrong = secret.replace(/^./, (first) => (first === "A" ? "B" : "A"));
  const outsider = await cluster.openTab(cluster.server.invite.replace(secret, wrong));
  await outsider.opened();
  const refusal = await outsider.page.evaluate(async () => {
    try {
      await window.tabring!.store.ready();
      return undefined;
    } catch (error) {
      const { name, code } = error as Error & { code: string };
      return { name, code };
    }
  });
  expect(refusal).toEqual({ name: "WrongSecretError", code: "wrong-secret" });
  expect(await refusalOf(outsider.get("carts/ada"))).toMatchObject({ code: "not-ready" });
  expect(await outsider.nodes()).toEqual([]);
  await expect(outsider.page.getByTestId("cluster-error")).toHaveAttribute("data-code", "wrong-secret");

  // Missing: the page asks for an invite, and opens nothing.
  const secretless = await cluster.openTab(`${cluster.server.address}#/shop?cluster=${name}`);
  await expect(secretless.page.getByTestId("invite-broken")).toBeVisible();
  await expect(secretless.page.getByTestId("start-cluster")).toBeVisible();
  expect(await secretless.status()).toBeUndefined();
  expect(cluster.server.output).not.toContain(wrong);
});
