/** Groups by dragging: a node that is pulled out of the ring is cut off, one that is pulled back is healed, and the picture is what the world says. */

import { type Page, devices, expect } from "@playwright/test";
import { test } from "./lab-page.ts";

/** The groups as drawn, and whether each pair of nodes is cut in the world exactly when it stands in two groups. */
async function picture(page: Page): Promise<Record<string, string>> {
  const drawn = Object.fromEntries(
    await page
      .locator("[data-node]")
      .evaluateAll((all) => all.map((each) => [each.getAttribute("data-node"), each.getAttribute("data-group")])),
  ) as Record<string, string>;
  const cuts = await page.evaluate(() => {
    const { cuts, nodes } = window.tabringLab!.scene;
    const names = new Map<string, string>(nodes.map(({ id, name }) => [id, name]));
    return (cuts as readonly { from: string; to: string }[]).map(
      ({ from, to }) => `${names.get(from)} ${names.get(to)}`,
    );
  });
  const expected = Object.keys(drawn).flatMap((from) =>
    Object.keys(drawn).flatMap((to) => (drawn[from] === drawn[to] ? [] : [`${from} ${to}`])),
  );
  expect([...cuts].sort()).toEqual(expected.sort());
  return drawn;
}

/** Where the shelf is, and the middle of the ring, on the screen. */
async function spots(page: Page) {
  const box = (await page.getByTestId("lab-ring").boundingBox())!;
  const scale = Math.min(box.width / 620, box.height / 740);
  const left = box.x + (box.width - 620 * scale) / 2;
  const top = box.y + (box.height - 740 * scale) / 2;
  return {
    shelf: { x: left + 310 * scale, y: top + 690 * scale },
    ring: { x: left + 310 * scale, y: top + 310 * scale },
  };
}

async function middleOf(page: Page, node: string) {
  const box = (await page.locator(`[data-node="${node}"]`).boundingBox())!;
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

async function drag(page: Page, node: string, where: "shelf" | "ring"): Promise<void> {
  await page.getByTestId("lab-ring").scrollIntoViewIfNeeded();
  const [from, to] = [await middleOf(page, node), (await spots(page))[where]];
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 4 });
  await page.mouse.move(to.x, to.y, { steps: 4 });
  await page.mouse.up();
}

test("dragged out, two nodes are one group of their own; dragged back, all hear each other", async ({ openLab }) => {
  const page = await openLab({ viewport: { width: 1280, height: 1000 } });
  expect(new Set(Object.values(await picture(page)))).toEqual(new Set(["0"]));
  await drag(page, "b", "shelf");
  expect(await picture(page)).toEqual({ a: "0", b: "1", c: "0", d: "0", e: "0" });
  await drag(page, "d", "shelf");
  expect(await picture(page)).toEqual({ a: "0", b: "1", c: "0", d: "1", e: "0" });
  await expect(page.locator('[data-node="d"]')).toHaveAccessibleName(/cut off from the ring/);
  // What is dragged is not chosen by that.
  expect(await page.locator('[data-node="d"]').getAttribute("aria-pressed")).toBe("false");
  await drag(page, "b", "ring");
  expect(await picture(page)).toEqual({ a: "0", b: "0", c: "0", d: "1", e: "0" });
  await drag(page, "d", "ring");
  expect(await page.evaluate(() => window.tabringLab!.scene.cuts.length)).toBe(0);
  // A click still chooses.
  await page.locator('[data-node="c"]').click();
  await expect(page.locator('[data-node="c"]')).toHaveAttribute("aria-pressed", "true");
});

test("by the key x on a node, there and back", async ({ openLab }) => {
  const page = await openLab();
  await page.locator("#ring-node-c").focus();
  await page.keyboard.press("x");
  expect(await picture(page)).toEqual({ a: "0", b: "0", c: "1", d: "0", e: "0" });
  await expect(page.locator("#ring-node-c")).toBeFocused();
  await page.keyboard.press("x");
  expect(await picture(page)).toEqual({ a: "0", b: "0", c: "0", d: "0", e: "0" });
});

test("by a finger on a phone", async ({ openLab }) => {
  const { defaultBrowserType: _, ...phone } = devices["Pixel 7"];
  const page = await openLab({ ...phone, viewport: { width: 360, height: 740 } });
  await page.getByTestId("lab-ring").scrollIntoViewIfNeeded();
  const client = await page.context().newCDPSession(page);
  const [from, to] = [await middleOf(page, "e"), (await spots(page)).shelf];
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", at?: { x: number; y: number }) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: at === undefined ? [] : [at] });
  await touch("touchStart", from);
  for (const share of [0.25, 0.5, 0.75, 1])
    await touch("touchMove", { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) });
  await touch("touchEnd");
  await expect.poll(async () => (await picture(page))["e"]).toBe("1");
});
