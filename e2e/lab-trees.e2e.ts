/** Two Merkle trees side by side: what is open is what differs, the keys are those of a full diff of the two disks, and the exchange is the real one. */

import { expect } from "@playwright/test";
import { demandAccessible, look, numbersOf, pass, test } from "./lab-page.ts";

test("what differs is open, its keys are those of a full diff, and after healing nothing differs", async ({
  openLab,
}) => {
  const page = await openLab();
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await look(page, "Trees");
  await expect(page.getByTestId("lab-trees")).toHaveAttribute("data-keys", "0");

  /** Both disks, record for record and sum for sum, with no tree at all. */
  const fullDiff = async () => {
    const [left, right, partition] = await Promise.all([
      page.getByTestId("lab-tree-left").inputValue(),
      page.getByTestId("lab-tree-right").inputValue(),
      page.getByTestId("lab-tree-partition").inputValue(),
    ]);
    return page.evaluate(
      ([left, right, partition]) => {
        const lab = window.tabringLab!;
        const trees = [left!, right!].map((name) => lab.scene.world.treeOf(lab.idOf(name)!, Number(partition))!);
        const [mine, theirs] = trees.map(
          ({ records }) =>
            new Map(
              records.map(({ key, set }) => [
                key as string,
                JSON.stringify([set!.clock, set!.siblings.map(({ operation, dots }) => [operation, dots])]),
              ]),
            ),
        );
        const [own, other] = trees.map(({ leaves }) => new Map(leaves.map(({ leaf, digest }) => [leaf, digest])));
        const keys = [...new Set([...mine!.keys(), ...theirs!.keys()])];
        const leaves = [...new Set([...own!.keys(), ...other!.keys()])];
        return {
          keys: keys.filter((key) => mine!.get(key) !== theirs!.get(key)).sort(),
          leaves: leaves.filter((leaf) => own!.get(leaf) !== other!.get(leaf)).sort((a, b) => a - b),
          records: trees.map(({ records }) => records.length),
        };
      },
      [left, right, partition],
    );
  };
  const drawnKeys = () =>
    page
      .locator("[data-tree-key]")
      .evaluateAll((all) => all.map((each) => each.getAttribute("data-tree-key") ?? "").sort());

  expect((await fullDiff()).keys).toEqual([]);
  await page.getByTestId("lab-tree-part").click();
  await expect(page.getByTestId("lab-trees")).toHaveAttribute("data-keys", "4");
  const { keys, leaves, records } = await fullDiff();
  expect(keys).toHaveLength(4);
  expect(records).toEqual([5, 1]);
  expect(await drawnKeys()).toEqual(keys);
  for (const side of ["left", "right"]) {
    const picture = `[data-testid=lab-tree-${side}-picture]`;
    const differing = `${picture} [data-level="3"][data-differs=true]`;
    expect((await numbersOf(page, differing, "data-index")).sort((a, b) => a - b)).toEqual(leaves);
    // Below an equal branch nothing is drawn: each level has the children of the differing branches above it, and no others.
    for (const level of [1, 2, 3]) {
      const above = await page.locator(`${picture} [data-level="${level - 1}"][data-differs=true]`).count();
      await expect(page.locator(`${picture} [data-level="${level}"]`)).toHaveCount(8 * above);
    }
  }

  const costs = page.getByTestId("lab-tree-costs");
  await expect(costs).toHaveAttribute("data-outcome", "settled");
  await expect(costs).toHaveAttribute("data-evened", "true");
  const bytesOf = async (cost: string) => (await numbersOf(page, `[data-cost="${cost}"]`, "data-bytes"))[0]!;
  expect(await bytesOf("trees")).toBe(
    (await bytesOf("walking")) + (await bytesOf("listing")) + (await bytesOf("moving")),
  );
  await demandAccessible(page);

  // A key at a leaf becomes that of the visit.
  await page.locator(`[data-tree-key="${keys[0]!}"]`).click();
  await look(page, "Key");
  await expect(page.getByTestId("lab-key")).toHaveValue(keys[0]!);
  await look(page, "Trees");
  await expect(page.locator(`[data-tree-key="${keys[0]!}"]`)).toHaveAttribute("aria-pressed", "true");

  await page.getByTestId("lab-tree-heal").click();
  await expect(page.getByTestId("lab-trees")).toHaveAttribute("data-keys", "0");
  expect((await fullDiff()).leaves).toEqual([]);
  const [left, right] = [
    await page.getByTestId("lab-tree-left").inputValue(),
    await page.getByTestId("lab-tree-right").inputValue(),
  ];
  const said = await page.evaluate(
    ([left, right]) => {
      const lab = window.tabringLab!;
      const pair = [lab.idOf(left!)!, lab.idOf(right!)!];
      return lab.scene.world.flights
        .filter(({ from, to, request }) => request === undefined && pair.includes(from) && pair.includes(to))
        .flatMap(({ kind }) => (/^(tree|leaf|fetch|recent|replica)-/.test(kind) ? [kind] : []));
    },
    [left, right],
  );
  expect(said).toContain("leaf-reply");
  const told = await numbersOf(page, "[data-testid=lab-tree-talks] > li", "data-messages");
  expect(told.reduce((sum, messages) => sum + messages, 0)).toBe(said.length);
  for (const bytes of await numbersOf(page, "[data-testid=lab-tree-talks] > li", "data-bytes"))
    expect(bytes).toBeGreaterThan(0);
});

test("with many keys of which few differ the trees cost less than sending everything", async ({ openLab }) => {
  const page = await openLab();
  await look(page, "Trees");
  await page.getByTestId("lab-tree-fill").click();
  await expect(page.getByTestId("lab-trees")).toHaveAttribute("data-keys", "0");
  await page.getByTestId("lab-tree-part").click();
  await expect(page.getByTestId("lab-trees")).toHaveAttribute("data-keys", "4");
  const bytesOf = async (cost: string) => (await numbersOf(page, `[data-cost="${cost}"]`, "data-bytes"))[0]!;
  expect(await bytesOf("trees")).toBeLessThan(await bytesOf("sending-all"));
  await expect(page.getByTestId("lab-tree-saved")).toContainText("The trees save");
});
