/** The inspector of bytes: what is drawn, put together again and decoded here, is the record on the disk and the message on its way. */

import { type Page, expect } from "@playwright/test";
import type { Key } from "../src/core/identifiers.ts";
import { decodeMessage } from "../src/wire/codec.ts";
import { decodeRecord } from "../src/wire/record.ts";
import { demandAccessible, look, numbersOf, pass, test } from "./lab-page.ts";

/** The bytes of a dump; its fields must follow one another and be all of them. */
async function drawnBytes(page: Page, section: string): Promise<Uint8Array> {
  const within = `[data-testid=${section}]`;
  await expect(page.locator(`${within} [data-testid=lab-fields]`)).toBeVisible();
  const starts = await numbersOf(page, `${within} [data-testid=lab-fields] tbody tr`, "data-start");
  const lengths = await numbersOf(page, `${within} [data-testid=lab-fields] tbody tr`, "data-length");
  const [total] = await numbersOf(page, `${within} [data-testid=lab-fields]`, "data-bytes");
  let at = 0;
  for (const [i, start] of starts.entries()) {
    expect(start).toBe(at);
    at += lengths[i]!;
  }
  expect(at).toBe(total);
  const hex = await page
    .locator(`${within} [data-testid=lab-dump] [data-hex]`)
    .evaluateAll((all) => all.map((each) => each.getAttribute("data-hex")).join(" "));
  return Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
}

test("the bytes of the record decode to what is on the disk", async ({ openLab }) => {
  const page = await openLab();
  await look(page, "Bytes");
  await expect(page.getByTestId("lab-record-bytes")).toContainText("No disk has a record");
  await look(page, "Key");
  await page.getByTestId("lab-value").fill("two books");
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await look(page, "Bytes");
  const keepers = await page.getByTestId("lab-keeper").locator("option").allInnerTexts();
  expect(keepers).toHaveLength(3);
  for (const keeper of keepers) {
    await page.getByTestId("lab-keeper").selectOption(keeper);
    const { set } = decodeRecord(await drawnBytes(page, "lab-record-bytes"));
    const there = await page.evaluate((name) => {
      const lab = window.tabringLab!;
      const { record } = lab.scene.world.recordsOf(lab.idOf(name)!, "carts/ada" as Key);
      return { clock: record!.clock, operations: record!.siblings.map(({ operation }) => operation) };
    }, keeper);
    expect(set.clock).toEqual(there.clock);
    expect(set.siblings.map(({ operation }) => operation)).toEqual(there.operations);
    expect(new TextDecoder().decode(set.siblings[0]!.value!)).toBe("two books");
    await expect(page.getByTestId("lab-record-bytes")).toContainText("“two books”");
  }
  await demandAccessible(page);
});

test("the bytes of a message decode to the message, and the list of messages says how many they are", async ({
  openLab,
}) => {
  const page = await openLab();
  await page.getByTestId("lab-put").click();
  await page.getByTestId("lab-step").click();
  await look(page, "Messages");
  const sizes = page.locator("[data-testid=lab-flights] [data-size]");
  await expect(sizes.first()).toBeVisible();
  const underWay = await page.evaluate(() =>
    window
      .tabringLab!.scene.world.flightsUnderWay.filter(({ kind }) => kind === "replica-put")
      .map(({ id, from, to }) => ({ id, from, to }))
      .reverse(),
  );
  expect(underWay.length).toBeGreaterThan(0);
  await expect(sizes).toHaveCount(underWay.length);
  const told = await numbersOf(page, "[data-testid=lab-flights] [data-size]", "data-size");
  for (const [i, { id }] of underWay.entries()) {
    await look(page, "Messages");
    await page.locator("[data-testid=lab-flights] button").nth(i).click();
    await look(page, "Bytes");
    const bytes = await drawnBytes(page, "lab-message-bytes");
    expect(bytes.length).toBe(told[i]);
    const { message, epoch } = decodeMessage(bytes);
    const letter = await page.evaluate((id) => {
      const { message, epoch } = window.tabringLab!.scene.world.letterOf(id)!;
      if (message.kind !== "replica-put") throw new Error(`a ${message.kind}`);
      const { kind, request, ring, key, purpose, hintFor, set } = message;
      return { kind, request, ring, key, purpose, hintFor, operation: set.siblings[0]!.operation, epoch };
    }, id);
    if (message.kind !== "replica-put") throw new Error(`a ${message.kind}`);
    const { kind, request, ring, key, purpose, hintFor, set } = message;
    expect({ kind, request, ring, key, purpose, hintFor, operation: set.siblings[0]!.operation, epoch }).toEqual(
      letter,
    );
  }
  await demandAccessible(page);
});

test("a damaged record is said to be one", async ({ openLab }) => {
  const page = await openLab();
  await page.getByTestId("lab-put").click();
  await pass(page, 1);
  await look(page, "Bytes");
  await expect(page.getByTestId("lab-keeper").locator("option")).toHaveCount(3);
  const [keeper] = await page.getByTestId("lab-keeper").locator("option").allInnerTexts();
  await page.locator(`[data-node="${keeper!}"]`).click();
  await look(page, "Node");
  await page.locator('[data-act="flip-bit"]').click();
  await look(page, "Bytes");
  await page.getByTestId("lab-keeper").selectOption(keeper!);
  await expect(page.getByTestId("lab-record-bytes")).toContainText("Damaged");
});
