/**
 * The lab, from plain files, for the tests of one page at a time. `test` has three things more than Playwright's: the built pages on a server that knows
 * nothing but files (one for all tests of a process), pages of a browser context of their own, and the lab on one. When a test is over its pages are closed;
 * one of them that wrote an error or a warning, or threw, fails it.
 */

import AxeBuilder from "@axe-core/playwright";
import { type BrowserContextOptions, expect, type Page, test as plainTest } from "@playwright/test";
import { type StaticFiles, serveStaticFiles } from "./static-files.ts";

/** What the first page asks to learn whether there is a server. Plain files have none, and the browser writes that down. */
const HEALTH_PATH = "/health";

/** The place is what stands after the address: "#/lab", or nothing. */
export type OpenPage = (place: string, options?: BrowserContextOptions) => Promise<Page>;

interface Fixtures {
  readonly openPage: OpenPage;
  /** Until its clock is there. */
  readonly openLab: (options?: BrowserContextOptions) => Promise<Page>;
}

export const test = plainTest.extend<Fixtures, { readonly files: StaticFiles }>({
  files: [
    async ({}, use) => {
      const files = await serveStaticFiles();
      await use(files);
      await files.close();
    },
    { scope: "worker" },
  ],
  openPage: async ({ browser, files }, use) => {
    const troubles: string[] = [];
    const opened: Page[] = [];
    await use(async (place, options) => {
      const context = await browser.newContext({ baseURL: files.address, ...options });
      context.on("weberror", (error) => troubles.push(String(error.error())));
      context.on("console", (message) => {
        const isTrouble = message.type() === "error" || message.type() === "warning";
        if (isTrouble && message.location().url !== new URL(HEALTH_PATH, files.address).href)
          troubles.push(message.text());
      });
      const page = await context.newPage();
      opened.push(page);
      await page.goto(`/${place}`);
      return page;
    });
    for (const page of opened) await page.context().close();
    expect(troubles).toEqual([]);
  },
  openLab: async ({ openPage }, use) => {
    await use(async (options) => {
      const page = await openPage("#/lab", options);
      await expect(page.getByTestId("lab-clock")).toBeVisible();
      return page;
    });
  },
});

/** Opens a panel. */
export async function look(page: Page, panel: string): Promise<void> {
  await page.getByRole("tab", { name: panel, exact: true }).click();
}

/** Lets seconds of the world pass. */
export async function pass(page: Page, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) await page.getByTestId("lab-skip").click();
}

/** All that another theme can change: it sets other colours, and the other rules look at what the page is made of. */
const RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"];

/** As it stands now, in both themes: axe finds nothing, on all of it or within one part. It is light afterwards, and moves nothing. */
export async function demandNoViolations(page: Page, what: string, within = "html"): Promise<void> {
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    // The pages have no frames; without them axe can be run in one go.
    const axe = new AxeBuilder({ page })
      .setLegacyMode()
      .include(within)
      .options({ resultTypes: ["violations"] });
    if (colorScheme === "dark") axe.withRules(RULES_OF_COLOUR);
    const { violations } = await axe.analyze();
    expect(violations.map(({ id, nodes }) => `${what}, ${colorScheme}: ${id}: ${nodes[0]?.html ?? ""}`)).toEqual([]);
  }
}

/** The page is no wider than this window. */
export async function demandWidth(page: Page, width: number, what?: string): Promise<void> {
  expect(await page.evaluate(() => document.documentElement.scrollWidth), what).toBeLessThanOrEqual(width);
}

/** As it stands now, in both themes and at both widths: axe finds nothing, and nothing sticks out. */
export async function demandAccessible(page: Page, within?: string): Promise<void> {
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    await demandNoViolations(page, `${width} px`, within);
    await demandWidth(page, width);
  }
}

export async function numbersOf(page: Page, selector: string, attribute: string): Promise<number[]> {
  return page
    .locator(selector)
    .evaluateAll((all, name) => all.map((each) => Number(each.getAttribute(name))), attribute);
}
