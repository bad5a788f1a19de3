/** The placements of the paper side by side: what is drawn is what the pure comparison says of the very world on the page. */

import { type Page, expect } from "@playwright/test";
import { defaultLabOptions } from "../src/lab/options.ts";
import { comparePlacements, evenKeys } from "../src/lab/placement-comparison.ts";
import { SimulatedWorld } from "../src/lab/simulated-world.ts";
import { look, test } from "./lab-page.ts";

let page: Page;
test.beforeEach(async ({ openLab }) => {
  page = await openLab();
});

test("shares, balance and what a newcomer moves are those of the nodes, for stated keys", async () => {
  // The same options make the same world here and there.
  const world = new SimulatedWorld(defaultLabOptions);
  const { view } = world.viewOf(world.idOf("a"))!;
  const expected = comparePlacements({
    view: view!,
    keys: evenKeys(500, 20),
    newcomer: { capacity: 1, zone: "new" },
    seed: defaultLabOptions.seed,
  });
  await look(page, "Placements");
  await page.getByTestId("lab-compare-from").selectOption("stated");
  await page.getByTestId("lab-compare-keys").fill("500");
  await page.getByTestId("lab-compare-bytes").fill("20");
  await page.getByTestId("lab-compare").click();
  await expect(page.getByTestId("lab-compared")).toContainText("500 keys of 20 bytes");
  for (const { placement, isPresent, worst, newcomer, firsts } of expected) {
    const card = page.getByTestId(`lab-placement-${placement}`);
    await expect(card).toHaveAttribute("data-present", String(isPresent));
    await expect(card).toHaveAttribute("data-worst", String(worst));
    await expect(card).toHaveAttribute("data-copies", String(newcomer.copies));
    await expect(card).toHaveAttribute("data-keys", String(newcomer.keys));
    await expect(card).toHaveAttribute("data-bytes", String(newcomer.bytes));
    const arcs = await card
      .locator("[data-owner]")
      .evaluateAll((all) => all.map((arc) => arc.getAttribute("data-owner")));
    expect(arcs).toEqual(firsts.filter((owner, i) => owner !== firsts[i - 1]));
  }
  const planned = await page.evaluate(() => {
    const lab = window.tabringLab!;
    return lab.scene.world.planAt(lab.idOf("a")!, { kind: "join", capacity: 1, zone: "new" })!.moves.length;
  });
  await expect(page.getByTestId("lab-placement-3")).toHaveAttribute("data-copies", String(planned));
  for (const [i, { name, id }] of world.nodes.entries()) {
    const cells = await page.locator(`[data-node-share="${name}"] td`).allInnerTexts();
    expect(cells.slice(1)).toEqual(
      expected.map(({ shares }) => {
        expect(shares[i]!.node).toBe(id);
        return `${(100 * shares[i]!.held).toFixed(1)}% (${(100 * shares[i]!.first).toFixed(1)}%)`;
      }),
    );
  }
});

test("keys on the disks are counted, and a world begins with the placement that was chosen", async () => {
  await page.getByTestId("lab-put").click();
  await page.getByTestId("lab-skip").click();
  await look(page, "Placements");
  await page.getByTestId("lab-compare").click();
  await expect(page.getByTestId("lab-compared")).toContainText("1 key on the disks");
  for (const placement of [1, 2, 3]) {
    const card = page.getByTestId(`lab-placement-${placement}`);
    if ((await card.getAttribute("data-present")) !== "true")
      await page.getByTestId(`lab-begin-placement-${placement}`).click();
    await expect(card).toHaveAttribute("data-present", "true");
    expect(
      await page.evaluate(() => {
        const lab = window.tabringLab!;
        return lab.scene.world.viewOf(lab.idOf("a")!)!.view!.parameters.placement;
      }),
    ).toBe(placement);
  }
});
