/** The server introduces and serves the page; it is not needed for anything that runs. */

import { expect, test } from "@playwright/test";
import { type Cluster, openCluster, waitUntil } from "./cluster.ts";

let cluster: Cluster;
test.beforeEach(async () => {
  cluster = await openCluster({ tabs: 5 });
});
test.afterEach(() => cluster.close());

test("without the server reads and writes go on, lost links are made anew, and a sixth tab joins after its return", async () => {
  const [first, second] = [cluster.tabs[0]!, cluster.tabs[1]!];
  await first.put("carts/seed-loss", "before");
  await cluster.server.kill();
  await waitUntil(async () => (await first.status())?.seed !== "connected", { what: "the tabs miss the server" });

  for (const [at, tab] of cluster.tabs.entries()) await tab.put(`carts/without-seed-${at}`, `by tab ${at}`);
  for (const tab of cluster.tabs) {
    for (const at of cluster.tabs.keys())
      expect((await tab.get(`carts/without-seed-${at}`)).values).toEqual([`by tab ${at}`]);
    expect((await tab.get("carts/seed-loss")).values).toEqual(["before"]);
  }

  // A link dies, and only members can negotiate the next one.
  const [here, there] = [await first.node(), await second.node()];
  await first.cut([there]);
  await second.cut([here]);
  await waitUntil(async () => (await first.linkTo(there)) === undefined && (await second.linkTo(here)) === undefined, {
    what: "the two lost their link",
  });
  await first.heal();
  await second.heal();
  await waitUntil(async () => (await first.linkTo(there)) === "webrtc" && (await second.linkTo(here)) === "webrtc", {
    what: "the two have a new link",
    timeoutMs: 60_000,
  });

  cluster.server = await cluster.server.restart();
  await waitUntil(
    async () =>
      (await Promise.all(cluster.tabs.map((tab) => tab.status()))).every((status) => status?.seed === "connected"),
    { what: "the tabs find the restarted server", timeoutMs: 60_000 },
  );
  const sixth = await cluster.openTab();
  await cluster.settled({ members: 6 });
  expect((await sixth.get("carts/seed-loss")).values).toEqual(["before"]);
  for (const at of [0, 1, 2, 3, 4])
    expect((await sixth.get(`carts/without-seed-${at}`)).values).toEqual([`by tab ${at}`]);
});
