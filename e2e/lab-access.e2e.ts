/** The lab for everybody: in both themes, on a phone and on a desk, by keyboard alone, without moving pictures. */

import { expect } from "@playwright/test";
import { demandNoViolations, demandWidth, look, test } from "./lab-page.ts";

const PANELS = [
  "Key",
  "Request",
  "Versions",
  "Node",
  "Messages",
  "Hints",
  "Gossip",
  "Plan",
  "Trace",
  "World",
  "Quorum",
  "Placements",
  "Carts",
];

for (const width of [360, 1280])
  test(`axe finds nothing in either theme, and nothing sticks out: ${width} px`, async ({ openPage }) => {
    const page = await openPage("", { viewport: { width, height: 900 }, reducedMotion: "reduce" });
    const check = async (what: string) => {
      await demandNoViolations(page, what);
      await demandWidth(page, width, what);
    };
    await expect(page.getByTestId("to-lab")).toBeVisible();
    await check("start");
    await page.goto("/#/lab/lessons");
    await expect(page.getByTestId("lessons")).toBeVisible();
    await check("lessons");
    await page.goto("/#/lab");
    await expect(page.getByTestId("lab-clock")).toBeVisible();
    if (width === 360) await page.getByTestId("sheet-handle").click();
    await page.getByTestId("lab-put").click();
    await page.getByTestId("lab-step").click();
    for (const panel of PANELS) {
      await look(page, panel);
      await check(panel);
    }
    if (width === 360) await page.getByTestId("sheet-handle").click();
    await page.getByTestId("lab-as-list").click();
    await check("list");
    await page.goto("/#/lab/lesson/cart");
    await page.locator("[data-choice=both]").check();
    await page.getByTestId("lesson-do").click();
    // Who wants no motion is shown the end at once.
    await expect(page.getByTestId("lesson-outcome")).toBeVisible();
    await check("lesson");
  });

test("each panel says what is simplified in it, and the world what is simplified in all of it", async ({ openLab }) => {
  const page = await openLab();
  await page.getByTestId("lab-simplified").locator("summary").click();
  const said = new Map<string, string>();
  for (const tab of await page.getByRole("tab").all()) {
    await tab.click();
    const text = page.getByTestId("lab-simplified").locator("[data-of=panel]");
    await expect.poll(async () => [...said.values()].includes(await text.innerText())).toBe(false);
    said.set(await tab.innerText(), await text.innerText());
  }
  expect(said.size).toBe(16);
  expect(Math.min(...[...said.values()].map(({ length }) => length))).toBeGreaterThan(100);
  const ofWorld = page.getByTestId("lab-simplified").locator("[data-of=world]");
  await expect(ofWorld).toContainText("simulated in this page");
  await page.goto("/#/lab/seed/9");
  await page.getByTestId("lab-simplified").locator("summary").click();
  await expect(ofWorld).toContainText("npm run sim");
});

test("a whole lesson by keyboard alone", async ({ openPage }) => {
  const page = await openPage("#/lab/lesson/hinted-handoff", { reducedMotion: "reduce" });
  await expect(page.getByTestId("lesson")).toBeVisible();
  /** Tab, until this is focused. */
  const reach = async (selector: string) => {
    const target = page.locator(selector);
    for (let i = 0; i < 60; i++) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`${selector} cannot be reached by Tab`);
  };
  for (let round = 0; round < 2; round++) {
    await reach("[data-testid=lesson] input[type=radio]:first-of-type >> nth=0");
    await page.keyboard.press("Space");
    await reach("[data-testid=lesson-do]");
    await page.keyboard.press("Enter");
    await expect(page.getByTestId("lesson-outcome")).toBeVisible();
    await reach("[data-testid=lesson-go-on]");
    await page.keyboard.press("Enter");
  }
  await expect(page.getByTestId("lesson")).toHaveAttribute("data-step", "over");
  // The focus is where the text goes on, not lost.
  await expect(page.locator("#lesson-title")).toBeFocused();

  // The keys of the bench: step, a second, panels, the list of keys; and from node to node by arrows.
  const clock = () => page.getByTestId("lab-clock").innerText();
  const before = await clock();
  await page.keyboard.press("f");
  expect(await clock()).not.toBe(before);
  await page.keyboard.press("7");
  await expect(page.getByTestId("lab-beliefs")).toBeVisible();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByTestId("lab-preview")).toBeVisible();
  await page.keyboard.press("?");
  await expect(page.getByTestId("lab-keys")).toBeVisible();
  await page.locator("#ring-node-a").focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.locator("#ring-node-b")).toBeFocused();
  await expect(page.locator("#ring-node-b")).toHaveAttribute("aria-pressed", "true");
});
