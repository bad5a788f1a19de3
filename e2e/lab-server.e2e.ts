/** A simulated world with a server: outside of the ring, stopped and started again, with newcomers that wait for it and others that do not. Added latency, too. */

import { expect } from "@playwright/test";
import { demandAccessible, look, pass, test } from "./lab-page.ts";

test("the server stops: puts go on, a newcomer joins through a member, one that knows the server alone waits until it is back", async ({
  openLab,
}) => {
  const page = await openLab();
  const stateOf = (name: string) => page.locator(`[data-node="${name}"]`);
  const act = (name: string): Promise<void> => page.locator(`[data-act="${name}"]`).click();
  const membersSeenBy = (name: string): Promise<number> =>
    page.evaluate((name) => {
      const { world, nodes } = window.tabringLab!.scene;
      const id = nodes.find((node) => node.name === name)?.id;
      return (id === undefined ? undefined : world.viewOf(id)?.view?.members.length) ?? 0;
    }, name);
  await look(page, "World");
  await expect(page.getByTestId("lab-server")).toHaveCount(0);
  await page.getByTestId("lab-with-server").check();
  await page.getByTestId("lab-begin").click();
  await expect(stateOf("srv")).toHaveAttribute("data-state", "running");
  await expect(stateOf("srv")).toHaveAttribute("aria-label", /^Server srv: running, .*, 0 tokens$/);
  await page.getByTestId("lab-server").click();
  await expect(stateOf("srv")).toHaveAttribute("data-state", "down");

  await look(page, "Key");
  await page.getByTestId("lab-value").fill("without the server");
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await look(page, "Request");
  await expect(page.getByTestId("lab-outcome")).toHaveAttribute("data-outcome", "ok");
  await look(page, "Node");
  await act("join");
  await act("join-by-member");
  await pass(page, 20);
  expect([await membersSeenBy("n1"), await membersSeenBy("n2")]).toEqual([0, 7]);
  await look(page, "World");
  await expect(page.getByTestId("lab-server")).toHaveText("Server back");
  await demandAccessible(page);
  await page.getByTestId("lab-server").click();
  await pass(page, 20);
  expect([await membersSeenBy("n1"), await membersSeenBy("n2")]).toEqual([8, 8]);

  await look(page, "Node");
  await stateOf("a").click();
  await act("latency");
  await expect(page.getByTestId("lab-node-state")).toContainText("its messages take 300 ms longer each way");
  await demandAccessible(page);
  await act("latency");
  await expect(page.getByTestId("lab-node-state")).not.toContainText("longer each way");
});
