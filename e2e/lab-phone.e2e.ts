/** The lab on a phone of 360 by 740 px, by touch: the ring on top, a sheet for the rest, fingers' room for all that can be pressed. */

import { expect, type Page } from "@playwright/test";
import { demandNoViolations, demandWidth, look, test } from "./lab-page.ts";

const TARGET_PX = 44;
const PHONE = {
  viewport: { width: 360, height: 740 },
  hasTouch: true,
  isMobile: true,
  reducedMotion: "reduce",
} as const;

/** What can be pressed and is too small for a finger. Links within a sentence are as high as its lines; a box has the room of its label. */
async function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate((least) => {
    const pressed = "button, a[href], input, select, textarea, summary, [role=button], [role=tab]";
    return [...document.querySelectorAll(pressed)].flatMap((element) => {
      if (!element.checkVisibility()) return [];
      const inSentence =
        element.tagName === "A" &&
        getComputedStyle(element).display === "inline" &&
        element.parentElement?.textContent.trim() !== element.textContent.trim();
      // Those on the ring are tried by touching beside them.
      if (inSentence || element instanceof SVGElement) return [];
      const isBox = element instanceof HTMLInputElement && ["checkbox", "radio"].includes(element.type);
      const { width, height } = ((isBox ? element.closest("label") : null) ?? element).getBoundingClientRect();
      if (Math.min(width, height) >= least - 0.5) return [];
      return [`${element.outerHTML.slice(0, 120)}: ${width.toFixed(0)} x ${height.toFixed(0)}`];
    });
  }, TARGET_PX);
}

/** Nothing sticks out, everything has the room of a finger, and the ring with all its nodes stands above the sheet. */
async function demandPhone(page: Page, what: string): Promise<void> {
  expect(await smallTargets(page), what).toEqual([]);
  await demandWidth(page, 360, what);
  await demandRing(page, what);
}

async function demandRing(page: Page, what: string): Promise<void> {
  const hidden = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("[data-testid=lab-ring] [data-node]")].flatMap((node) => {
        const { left, top, width, height } = node.getBoundingClientRect();
        const seen = document.elementFromPoint(left + width / 2, top + height / 2);
        return seen !== null && node.contains(seen) ? [] : [node.getAttribute("data-node")];
      }),
    );
  // The ring makes room for the sheet, and is scrolled to, when the sheet has its height.
  await expect.poll(hidden, { message: `${what}: nodes of the ring that are covered` }).toEqual([]);
}

const height = (page: Page) => page.getByTestId("sheet").getAttribute("data-height");
const top = async (page: Page) => (await page.getByTestId("sheet").boundingBox())!.y;

test("all panels in the sheet, the ring above it", async ({ openLab }) => {
  const page = await openLab(PHONE);
  await demandPhone(page, "at first");
  await page.getByTestId("sheet-handle").tap();
  await page.getByTestId("lab-put").tap();
  await page.getByTestId("lab-skip").tap();
  const panels = await page.getByRole("tab").allInnerTexts();
  expect(panels).toHaveLength(16);
  for (const panel of panels.map((each) => each.trim())) {
    await look(page, panel);
    await expect(page.getByRole("tabpanel").getByText("Opening…")).toHaveCount(0);
    await demandPhone(page, panel);
  }
  await demandNoViolations(page, "half");
  await page.getByTestId("sheet-full").tap();
  await demandPhone(page, "full height");
  await demandNoViolations(page, "full");
  await page.getByTestId("sheet-handle").tap();
  await demandNoViolations(page, "low");
  await page.getByTestId("lab-as-list").tap();
  expect(await smallTargets(page)).toEqual([]);
});

test("the sheet by touch: pressed, dragged and let go; what it covers can be scrolled out from under it", async ({
  openLab,
}) => {
  const page = await openLab(PHONE);
  const handle = page.getByTestId("sheet-handle");
  expect(await height(page)).toBe("low");
  await expect(handle).toHaveAttribute("aria-expanded", "false");
  // Time is always at hand.
  await page.getByTestId("lab-step").tap();
  await expect(page.getByRole("tablist")).toBeHidden();

  await handle.tap();
  expect(await height(page)).toBe("half");
  await expect(handle).toHaveAttribute("aria-expanded", "true");
  await expect(page.getByRole("tablist")).toBeVisible();
  await handle.tap();
  expect(await height(page)).toBe("low");
  await page.getByTestId("lab-as-list").scrollIntoViewIfNeeded();
  await page.getByTestId("lab-as-list").tap();
  await expect(page.getByTestId("lab-list")).toBeVisible();
  await page.getByTestId("lab-as-list").tap();

  // Last: for some milliseconds after a drag the browser takes a tap for the end of it.
  const session = await page.context().newCDPSession(page);
  /** A finger that takes the handle to this height of the window. */
  const drag = async (to: number) => {
    const box = (await handle.boundingBox())!;
    const at = (y: number) => ({ touchPoints: [{ x: box.x + 40, y }] });
    const from = box.y + box.height / 2;
    await session.send("Input.dispatchTouchEvent", { type: "touchStart", ...at(from) });
    for (let i = 1; i <= 5; i++)
      await session.send("Input.dispatchTouchEvent", { type: "touchMove", ...at(from + ((to - from) * i) / 5) });
    await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };
  await drag(380);
  await expect(page.getByTestId("sheet")).toHaveAttribute("data-height", "half");
  await drag(100);
  await expect(page.getByTestId("sheet")).toHaveAttribute("data-height", "full");
  expect(await top(page)).toBeLessThan(200);
  await demandRing(page, "full");
  await drag(420);
  await expect(page.getByTestId("sheet")).toHaveAttribute("data-height", "half");
  await drag(720);
  await expect(page.getByTestId("sheet")).toHaveAttribute("data-height", "low");
});

test("the sheet by keyboard: arrows, digits and Escape; the focus is never lost", async ({ openLab }) => {
  const page = await openLab(PHONE);
  const handle = page.getByTestId("sheet-handle");
  await handle.focus();
  for (const [key, then] of [
    ["ArrowUp", "half"],
    ["ArrowUp", "full"],
    ["ArrowUp", "full"],
    ["ArrowDown", "half"],
    ["Enter", "low"],
    ["Enter", "half"],
  ] as const) {
    await page.keyboard.press(key);
    expect(await height(page)).toBe(then);
    await expect(handle).toBeFocused();
  }
  await page.getByTestId("lab-key").focus();
  await page.keyboard.press("Escape");
  expect(await height(page)).toBe("low");
  await expect(handle).toBeFocused();
  // A digit opens the panel where it can be seen.
  await page.keyboard.press("9");
  expect(await height(page)).toBe("half");
  await expect(page.locator("#tab-trace")).toBeFocused();
  await expect(page.getByTestId("lab-trace")).toBeVisible();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Escape");
  await expect(handle).toBeFocused();
});

test("a node of the ring has the room of a finger, and can be dragged out of the ring", async ({ openLab }) => {
  const page = await openLab(PHONE);
  await page.getByTestId("sheet-handle").tap();
  const centre = async (node: string) => {
    const box = (await page.locator(`#ring-node-${node} .body`).boundingBox())!;
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  for (const node of ["a", "b", "c", "d", "e"]) {
    const { x, y } = await centre(node);
    for (const [dx, dy] of [
      [-21, 0],
      [21, 0],
      [0, -21],
      [0, 21],
    ] as const) {
      const hit = await page.evaluate(
        ([left, above]) => document.elementFromPoint(left, above)?.closest("[data-node]")?.getAttribute("data-node"),
        [x + dx, y + dy] as const,
      );
      expect(hit, `beside ${node}`).toBe(node);
    }
    await page.touchscreen.tap(x, y + 20);
    await expect(page.locator(`#ring-node-${node}`)).toHaveAttribute("aria-pressed", "true");
  }
});

test("a lesson stands in the sheet, with the ring above it", async ({ openPage }) => {
  const page = await openPage("#/lab/lesson/cart", PHONE);
  await expect(page.getByTestId("lesson")).toBeVisible();
  expect(await height(page)).toBe("half");
  await demandPhone(page, "lesson");
  await page.locator("[data-choice=both]").check();
  await page.getByTestId("lesson-do").tap();
  await expect(page.getByTestId("lesson-outcome")).toBeVisible();
  await demandPhone(page, "outcome");
});

test("the other pages of the lab and the start have room for fingers", async ({ openPage }) => {
  for (const [place, seen] of [
    ["", "to-lab"],
    ["#/lab/lessons", "lessons"],
    ["#/lab/tabs", "lab-tabs-chooser"],
    ["#/lab/tabs/nobody", "lab-tabs-status"],
  ] as const) {
    const page = await openPage(place, PHONE);
    await expect(page.getByTestId(seen)).toBeVisible();
    expect(await smallTargets(page), place).toEqual([]);
    await demandWidth(page, 360, place);
  }
});

test("a window too low for a sheet has none: all of it scrolls", async ({ openLab }) => {
  const page = await openLab({ ...PHONE, viewport: { width: 320, height: 256 } });
  await expect(page.getByTestId("sheet-handle")).toBeHidden();
  await page.getByTestId("lab-put").tap();
  await expect(page.getByTestId("lab-key")).toBeVisible();
  await demandWidth(page, 320);
});
