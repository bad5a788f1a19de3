/** The log of messages: filters alone and together, what they count, what they show, by keyboard, and the way from a message to its bytes. */

import { type Page, expect } from "@playwright/test";
import { decodeMessage } from "../src/wire/codec.ts";
import { demandAccessible, look, numbersOf, pass, test } from "./lab-page.ts";

interface Told {
  readonly id: number;
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly role: string | undefined;
  readonly key: string | undefined;
  readonly fate: string;
}

/** What the world itself says of its messages. */
async function told(page: Page): Promise<Told[]> {
  return page.evaluate(() => {
    const { world, nodes } = window.tabringLab!.scene;
    const names = new Map(nodes.map(({ id, name }) => [id, name]));
    return world.flights.map(({ id, from, to, kind, role, key, fate }) => {
      return { id, from: names.get(from)!, to: names.get(to)!, kind, role, key, fate };
    });
  });
}

/** Exactly these are counted, and listed up to the end of the first page. */
async function demandShown(page: Page, fits: (flight: Told) => boolean): Promise<readonly Told[]> {
  const all = await told(page);
  const wanted = all.filter(fits);
  await expect(page.getByTestId("lab-wire-count")).toHaveAttribute("data-fitting", String(wanted.length));
  await expect(page.getByTestId("lab-wire-count")).toHaveAttribute("data-total", String(all.length));
  const shown = await numbersOf(page, "[data-testid=lab-flights] button", "data-message");
  expect(shown).toHaveLength(Math.min(40, wanted.length));
  expect(shown.every((id) => wanted.some((flight) => flight.id === id))).toBe(true);
  return wanted;
}

/** A put that arrives, one of which a message is dropped, and one while the link of two nodes is cut. */
async function makeHistory(page: Page): Promise<void> {
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await page.getByTestId("lab-key").fill("carts/bob");
  await page.getByTestId("lab-put").click();
  await page.getByTestId("lab-step").click();
  await page.locator("[data-flight]").first().click();
  await look(page, "Messages");
  await page.locator('[data-act="drop"]').click();
  await pass(page, 1);
  await look(page, "Key");
  await page.getByTestId("lab-put").click();
  await page.getByTestId("lab-step").click();
  await page.locator("#ring-node-c").focus();
  await page.keyboard.press("x");
  await pass(page, 3);
}

test("filters by fate, kind, node and key count and show what the world says, alone and together", async ({
  openLab,
}) => {
  const page = await openLab();
  await makeHistory(page);
  await look(page, "Messages");
  const isLoud = ({ kind }: Told): boolean => !/^(ping|pong|probe|gossip|load|light|view|statistics)/.test(kind);
  await page.getByTestId("lab-wire-fate").selectOption("any");
  await demandShown(page, isLoud);
  await page.getByTestId("lab-draw-all").check();
  await demandShown(page, () => true);
  await page.getByTestId("lab-draw-all").uncheck();
  for (const fate of ["lost", "dropped", "arrived", "late"] as const) {
    await page.getByTestId("lab-wire-fate").selectOption(fate);
    const found = await demandShown(page, (flight) => isLoud(flight) && flight.fate === fate);
    if (fate === "dropped" || fate === "arrived") expect(found.length).toBeGreaterThan(0);
  }
  await page.getByTestId("lab-wire-fate").selectOption("any");
  await page.getByTestId("lab-wire-key").fill("BOB");
  await demandShown(page, ({ key }) => key === "carts/bob");
  await page.getByText("By kind and node").click();
  const isWrite = ({ kind, role }: Told): boolean =>
    kind === "replica-put-reply" ||
    (kind === "replica-put" && role !== "hint" && role !== "handoff" && role !== "repair");
  await page.getByTestId("lab-wire").getByRole("button", { name: "write", exact: true }).click();
  const writes = await demandShown(page, (flight) => flight.key === "carts/bob" && isWrite(flight));
  const { from } = writes[0]!;
  await page.getByTestId("lab-wire-from").selectOption({ label: from });
  const sent = await demandShown(
    page,
    (flight) => flight.key === "carts/bob" && isWrite(flight) && flight.from === from,
  );
  await page.getByTestId("lab-wire-either").check();
  const both = await demandShown(
    page,
    (flight) => flight.key === "carts/bob" && isWrite(flight) && (flight.from === from || flight.to === from),
  );
  expect(both.length).toBeGreaterThanOrEqual(sent.length);
  await page.getByTestId("lab-wire-key").fill("no such key");
  await demandShown(page, () => false);
  await expect(page.getByTestId("lab-wire")).toContainText("No message fits");
  await page.getByTestId("lab-wire-clear").click();
  await demandShown(page, (flight) => isLoud(flight) && (flight.fate === "under-way" || flight.fate === "held"));
  await page.getByTestId("lab-wire-fate").selectOption("any");
  const all = await demandShown(page, isLoud);
  await demandAccessible(page);
  for (let shown = 40; shown < all.length; shown += 40) await page.getByTestId("lab-wire-more").click();
  await expect(page.locator("[data-testid=lab-flights] button")).toHaveCount(all.length);
  await expect(page.getByTestId("lab-wire-more")).toHaveCount(0);
});

test("by keyboard alone: a filter, a message, its bytes, and back to the same filter", async ({ openLab }) => {
  const page = await openLab();
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await look(page, "Messages");
  await page.getByTestId("lab-wire-fate").focus();
  await page.keyboard.press("ArrowDown");
  await expect(page.getByTestId("lab-wire-fate")).toHaveValue("any");
  await page.keyboard.press("Tab");
  await page.keyboard.type("ada");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const write = page.getByTestId("lab-wire").getByRole("button", { name: "write", exact: true });
  for (let tabs = 0; tabs < 12 && !(await write.evaluate((node) => node === document.activeElement)); tabs++)
    await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await expect(write).toHaveAttribute("aria-pressed", "true");
  const first = page.locator("[data-testid=lab-flights] button").first();
  await first.focus();
  await page.keyboard.press("Enter");
  const [id] = await numbersOf(page, "[data-testid=lab-flights] [aria-pressed=true]", "data-message");
  await page.getByTestId("lab-open-bytes").focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("tab", { name: "Bytes", exact: true })).toBeFocused();
  await expect(page.locator("[data-testid=lab-message-bytes] [data-testid=lab-dump]")).toBeVisible();
  const hex = await page
    .locator("[data-testid=lab-message-bytes] [data-testid=lab-dump] [data-hex]")
    .evaluateAll((all) => all.map((each) => each.getAttribute("data-hex")).join(" "));
  const { message } = decodeMessage(Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16)));
  expect(message.kind).toBe((await told(page)).find((flight) => flight.id === id)!.kind);
  expect(message.kind).toMatch(/^replica-put/);
  await look(page, "Messages");
  await expect(page.getByTestId("lab-wire-fate")).toHaveValue("any");
  await expect(page.getByTestId("lab-wire-key")).toHaveValue("ada");
  await expect(write).toHaveAttribute("aria-pressed", "true");
});
