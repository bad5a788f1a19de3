/**
 * A class: a teacher and two pupils, each in a browser context of its own, the pupils by the link that the picture holds. The teacher stops them and lets
 * them go on, puts an assignment on, and sees who answered it right. Then big type and the steps of a presenter, and the answers for the teacher.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Page, expect } from "@playwright/test";
import { generate } from "lean-qr";
import { answerTo } from "../app/lab/assignments/assignment.ts";
import { assignmentNamed } from "../app/lab/assignments/index.ts";
import { lessonNamed } from "../app/lab/lessons/index.ts";
import { parseInvite } from "../app/invite.ts";
import { ServerProcess } from "./cluster.ts";
import { demandAccessible, test } from "./lab-page.ts";

/** Which squares of the drawn code are dark. */
async function drawnCode(page: Page): Promise<{ readonly size: number; readonly dark: ReadonlySet<string> }> {
  const qr = page.getByTestId("qr");
  const size = Number(await qr.getAttribute("data-size"));
  const path = (await qr.locator("path").getAttribute("d"))!;
  const dark = new Set<string>();
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
    for (let i = 0; i < Number(width); i++) dark.add(`${Number(x) - 4 + i} ${Number(y) - 4}`);
  return { size, dark };
}

/** The link beside the picture, once the picture is shown to be this link's. */
async function linkOfCode(page: Page): Promise<string> {
  const link = (await page.getByTestId("qr-link").getAttribute("href"))!;
  const code = generate(link);
  const { size, dark } = await drawnCode(page);
  expect(size).toBe(code.size);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) expect(dark.has(`${x} ${y}`), `${x} ${y}`).toBe(code.get(x, y));
  return link;
}

test("a class: the link in the picture, stop and go on, an assignment answered", async ({ browser }) => {
  const folder = await mkdtemp(join(tmpdir(), "tabring-data-"));
  const server = await ServerProcess.start(0, folder);
  const troubles: string[] = [];
  const pageIn = async (): Promise<Page> => {
    const page = await (await browser.newContext({ reducedMotion: "reduce" })).newPage();
    page.on("pageerror", (error) => troubles.push(String(error)));
    return page;
  };
  const pages: Page[] = [];
  try {
    const teacher = await pageIn();
    const [ada, ben] = [await pageIn(), await pageIn()];
    pages.push(teacher, ada, ben);
    await teacher.goto(server.invite);
    // The invite box has a picture of the plain link, too.
    await teacher.getByTestId("invite-code").click();
    expect(await linkOfCode(teacher)).toBe(await teacher.getByTestId("invite-link").inputValue());
    await teacher.getByTestId("invite-code").click();
    await teacher.getByTestId("teach").click();
    await expect(teacher.getByTestId("teach-panel")).toBeVisible();

    const link = await linkOfCode(teacher);
    expect(parseInvite(link)).toMatchObject({ class: "pupil", light: true });
    for (const [page, name] of [
      [ada, "ada"],
      [ben, "ben"],
    ] as const) {
      await page.goto(link);
      await expect(page.getByTestId("pupil")).toBeVisible();
      await page.evaluate((shopper) => {
        const cluster = new URLSearchParams(location.hash.split("?")[1]).get("cluster")!;
        sessionStorage.setItem(`tabring-shopper-${cluster}`, shopper);
      }, name);
      await page.reload();
      await expect(page.getByTestId("pupil")).toBeVisible();
    }
    await demandAccessible(teacher);
    await demandAccessible(ada);

    // Something half typed is not lost, and the keyboard comes back to it.
    const search = ada.getByTestId("search");
    await search.fill("half a wo");
    await search.focus();
    await teacher.getByTestId("teach-freeze").click();
    for (const page of [ada, ben]) await expect(page.getByTestId("pupil-stopped")).toBeVisible();
    await expect(ada.locator("#stopped-title")).toBeFocused();
    await demandAccessible(ada);
    for (const key of ["Escape", "Escape", "Tab", "Enter"]) await ada.keyboard.press(key);
    await expect(ada.getByTestId("pupil-stopped")).toBeVisible();
    await teacher.getByTestId("teach-freeze").click();
    for (const page of [ada, ben]) await expect(page.getByTestId("pupil-stopped")).toBeHidden();
    await expect(search).toHaveValue("half a wo");

    await teacher.getByTestId("teach-what").selectOption("assignment hint-keeper");
    await teacher.getByTestId("teach-seed").fill("5");
    await teacher.getByTestId("teach-put-on").click();
    const right = answerTo(assignmentNamed("hint-keeper")!.pose(5));
    for (const [page, isRight] of [
      [ada, true],
      [ben, false],
    ] as const) {
      await expect(page.getByTestId("pupil-on")).toBeVisible();
      const [lab] = await Promise.all([page.context().waitForEvent("page"), page.getByTestId("pupil-on").click()]);
      lab.on("pageerror", (error) => troubles.push(String(error)));
      await expect(lab.locator("[data-choice]").first()).toBeVisible();
      const choices = await lab
        .locator("[data-choice]")
        .evaluateAll((all) => all.map((each) => each.getAttribute("data-choice")!));
      const choice = choices.find((each) => right.includes(each) === isRight)!;
      await lab.locator(`[data-choice="${choice}"]`).check();
      await lab.getByTestId("assignment-check").click();
      await expect(lab.getByTestId("assignment-outcome")).toHaveAttribute("data-right", String(isRight));
      await expect(lab.getByTestId("assignment-kept")).toBeVisible();
      if (isRight) {
        await lab.getByTestId("assignment-see").click();
        const keeper = await lab.evaluate(() => {
          const { world, nodes } = window.tabringLab!.scene;
          return nodes.filter(({ id }) => (world.viewOf(id)?.hintsOwed ?? 0) > 0).map(({ name }) => name);
        });
        expect(keeper).toEqual(right);
      }
      await demandAccessible(lab);
      await lab.close();
    }
    await expect(teacher.getByTestId("teach-answers")).toHaveAttribute("data-answers", "2");
    await expect(teacher.getByTestId("teach-answers")).toHaveAttribute("data-right", "1");
    await expect(teacher.locator('[data-pupil="ada"]')).toHaveAttribute("data-right", "true");
    await expect(teacher.locator('[data-pupil="ben"]')).toHaveAttribute("data-right", "false");
    expect(troubles).toEqual([]);
  } finally {
    for (const page of pages) await page.context().close();
    await server.kill();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

test.describe("in the lab, without a server", () => {
  test("big type by a key and in the address; a presenter's keys go through a lesson, and back", async ({
    openPage,
  }) => {
    const page = await openPage("#/lab/lesson/hinted-handoff", {
      reducedMotion: "reduce",
      viewport: { width: 1280, height: 900 },
    });
    await expect(page.getByTestId("lesson")).toBeVisible();
    const sizeOf = () =>
      page.locator("#lesson-title + p").evaluate((part) => parseFloat(getComputedStyle(part).fontSize));
    const small = await sizeOf();
    await page.keyboard.press("b");
    await expect(page.getByTestId("lab-page")).toHaveAttribute("data-big", "true");
    expect(await sizeOf()).toBeGreaterThan(small * 1.3);
    expect(new URL(page.url()).hash).toContain("big");
    await expect(page.getByRole("tablist")).toBeHidden();
    await page.reload();
    await expect(page.getByTestId("lab-page")).toHaveAttribute("data-big", "true");
    await demandAccessible(page);

    const lesson = lessonNamed("hinted-handoff")!;
    const step = (name: string) => expect(page.getByTestId("lesson")).toHaveAttribute("data-step", name);
    await step("predict");
    const begun = await page.evaluate(() => window.tabringLab!.hash);
    await page.keyboard.press("PageDown");
    await step("compare");
    await page.keyboard.press("PageDown");
    await expect(page.getByText(lesson.rounds[1]!.question)).toBeVisible();
    await page.keyboard.press("PageUp");
    await expect(page.getByText(lesson.rounds[0]!.question)).toBeVisible();
    // Back is where it was: the same world.
    expect(await page.evaluate(() => window.tabringLab!.hash)).toBe(begun);
    for (const round of lesson.rounds) {
      await expect(page.getByText(round.question)).toBeVisible();
      await page.keyboard.press("PageDown");
      await step("compare");
      await page.keyboard.press("PageDown");
    }
    await step("over");
    await page.keyboard.press("b");
    await expect(page.getByTestId("lab-page")).toHaveAttribute("data-big", "false");
    await expect(page.getByRole("tablist")).toBeVisible();
  });

  test("an assignment is done in the world, and the teacher's table has the answers of its worlds", async ({
    openPage,
  }) => {
    const page = await openPage("#/lab/assignment/make-versions?seed=2");
    await page.getByTestId("assignment-check").click();
    await expect(page.getByTestId("assignment-outcome")).toHaveAttribute("data-right", "false");
    const posed = assignmentNamed("make-versions")!.pose(2);
    for (const move of posed.task.moves) {
      if (move.do === "wait") {
        for (let i = 0; i < move.forMs / 1_000; i++) await page.getByTestId("lab-skip").click();
        continue;
      }
      if (move.do !== "put") throw new Error(move.do);
      await page.locator(`[data-node="${move.node}"]`).click();
      await page.getByTestId("lab-context").selectOption("none");
      await page.getByTestId("lab-value").fill(move.value);
      await page.getByTestId("lab-put").click();
    }
    await page.getByTestId("assignment-check").click();
    await expect(page.getByTestId("assignment-outcome")).toHaveAttribute("data-right", "true");

    await page.goto("/#/lab/assignment/owners?seed=1&answers");
    await expect(page.getByTestId("answers")).toHaveAttribute("data-rows", "30");
    for (const seed of [1, 17, 30])
      await expect(page.locator(`[data-seed="${seed}"] strong`)).toHaveText(
        answerTo(assignmentNamed("owners")!.pose(seed)).join(", "),
      );
    await demandAccessible(page);
  });
});
