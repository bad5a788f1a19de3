/** Each lesson, taken by a learner: nothing happens before a prediction, and what happened is compared with it. */

import { expect } from "@playwright/test";
import { lessons } from "../app/lab/lessons/index.ts";
import { test } from "./lab-page.ts";

for (const lesson of lessons)
  test(`the lesson “${lesson.title}”`, async ({ openPage }) => {
    const page = await openPage(`#/lab/lesson/${lesson.id}`);
    for (const round of lesson.rounds) {
      await expect(page.getByTestId("lesson")).toHaveAttribute("data-step", "predict");
      await expect(page.getByText(round.question)).toBeVisible();
      await expect(page.getByTestId("lesson-do")).toBeDisabled();
      const choice = Object.keys(round.choices)[0]!;
      await page.locator(`[data-choice="${choice}"]`).check();
      await page.getByTestId("lesson-do").click();
      const outcome = page.getByTestId("lesson-outcome");
      await outcome.or(page.getByTestId("lesson-finish")).first().waitFor();
      if (await page.getByTestId("lesson-finish").isVisible()) await page.getByTestId("lesson-finish").click();
      const answer = (await outcome.getAttribute("data-answer"))!;
      expect(Object.keys(round.choices)).toContain(answer);
      await expect(outcome).toHaveAttribute("data-right", String(answer === choice));
      await page.getByTestId("lesson-go-on").click();
    }
    await expect(page.getByTestId("lesson")).toHaveAttribute("data-step", "over");
    // Resumed where it was left: at its end.
    await page.reload();
    await expect(page.getByTestId("lesson")).toHaveAttribute("data-step", "over");
    await page.goto("/#/lab/lessons");
    await expect(page.locator(`[data-lesson="${lesson.id}"]`)).toHaveAttribute("data-state", "done");
  });
