/** A light client beside three members: it shops as they do, is none of them, and goes on when one of them is closed (paper, section 6.4). */

import { expect, test } from "@playwright/test";
import { type Cluster, idsOf, openCluster, waitUntil } from "./cluster.ts";

const KEYS = 6;

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 3 });
});
test.afterEach(() => cluster.close());

test("a light tab puts and gets, is no member, and survives the close of one", async () => {
  const members = [...cluster.tabs];
  const ids = await idsOf(members);
  const [first, second, third] = [members[0]!, members[1]!, members[2]!];
  const light = await cluster.openTab(`${cluster.server.invite}&light`);
  await light.opened();
  await waitUntil(async () => (await light.status())?.reachable === 3, { what: "the light tab reaches the members" });
  await expect(light.page.getByTestId("status-light")).toBeVisible();
  expect(await light.status()).toMatchObject({ role: "light", members: 3, partitionsHeld: 0, hintsOwed: 0 });

  // To and fro: what one side acknowledged the other reads, and may replace by the context of that read.
  for (let i = 0; i < KEYS; i++) {
    const put = await light.put(`carts/light-${i}`, "by the light tab");
    expect(ids).toContain(put.report.coordinator);
    const read = await second.get(`carts/light-${i}`);
    expect(read.values).toEqual(["by the light tab"]);
    await second.put(`carts/light-${i}`, "by a member", { context: read.context });
    expect((await light.get(`carts/light-${i}`)).values).toEqual(["by a member"]);
  }

  const lightId = await light.node();
  for (const tab of [...members, light]) {
    const holders = (await tab.nodes()).filter((info) => info.capacity > 0).map((info) => info.node);
    expect(holders.sort()).toEqual(ids);
    expect((await tab.nodes()).map((info) => info.node)).not.toContain(lightId);
  }

  const gone = await third.node();
  await cluster.closeTab(third);
  for (let i = 0; i < KEYS; i++) {
    const read = await light.get(`carts/light-${i}`);
    expect(read.values).toEqual(["by a member"]);
    await light.put(`carts/light-${i}`, "after the close", { context: read.context });
    expect((await first.get(`carts/light-${i}`)).values).toEqual(["after the close"]);
  }
  await waitUntil(async () => (await light.nodes()).find((info) => info.node === gone)?.reachability === "down", {
    what: "the light tab knows who is away",
  });
  expect(await light.status()).toMatchObject({ role: "light", state: "degraded", members: 3, reachable: 2 });
  expect(light.uncaught).toEqual([]);
});
