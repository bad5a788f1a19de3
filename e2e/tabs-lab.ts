/** The lab on the real tabs of a cluster, for tests: opened beside them, asked to do things, and asked what it sees. */

import { type Page, expect } from "@playwright/test";
import type { Key } from "../src/core/identifiers.ts";
import type { LabAct } from "../src/lab/acts.ts";
import { type Cluster, type Tab, inviteParts, openCluster } from "./cluster.ts";

export class TabsLab {
  readonly cluster: Cluster;
  readonly lab: Page;
  readonly #troubles: string[] = [];

  private constructor(cluster: Cluster, lab: Page) {
    this.cluster = cluster;
    this.lab = lab;
    lab.on("pageerror", (error) => this.#troubles.push(String(error)));
  }

  /** A new cluster with so many tabs, and the lab when all of them report. */
  static async open(tabs: number): Promise<TabsLab> {
    const cluster = await openCluster({ tabs });
    const opened = new TabsLab(cluster, await cluster.context.newPage());
    const { lab } = opened;
    await lab.goto(`${cluster.server.address}#/lab/tabs/${inviteParts(cluster.server.invite).cluster}`);
    await expect(lab.getByTestId("lab-tabs-status")).toHaveAttribute("data-reporting", String(tabs));
    return opened;
  }

  /** Fails when the lab's page has thrown anything. */
  async close(): Promise<void> {
    await this.cluster.close();
    expect(this.#troubles).toEqual([]);
  }

  async look(panel: string): Promise<void> {
    await this.lab.getByRole("tab", { name: panel, exact: true }).click();
  }

  /** Of the tabs, in the order of `cluster.tabs`. */
  async names(): Promise<string[]> {
    const ids = await Promise.all(this.cluster.tabs.map((tab) => tab.node()));
    return this.lab.evaluate(
      (ids) => ids.map((id) => window.tabringLab!.scene.nodes.find((node) => node.id === id)?.name ?? ""),
      ids,
    );
  }

  async nameOf(tab: Tab): Promise<string> {
    return (await this.names())[this.cluster.tabs.indexOf(tab)] ?? "";
  }
}

/** What `window.tabringLab` is here; `lab.e2e.ts` declares its world and its nodes. */
interface Acting {
  act(act: LabAct): boolean;
}

export function act(page: Page, what: LabAct): Promise<boolean> {
  return page.evaluate((what) => (window.tabringLab as unknown as Acting).act(what), what);
}

/** What each of these nodes has of the key on its disk, as the world on the page knows it: values, sorted; undefined for no record. */
export function held(page: Page, names: readonly string[], key: string): Promise<(readonly string[] | undefined)[]> {
  return page.evaluate(
    ({ names, key }) => {
      const { world, nodes } = window.tabringLab!.scene;
      return names.map((name) => {
        const id = nodes.find((node) => node.name === name)?.id;
        const record = id === undefined ? undefined : world.recordsOf(id, key as Key).record;
        return record?.siblings
          .map(({ value }) => (value === null ? "deleted" : new TextDecoder().decode(value)))
          .sort();
      });
    },
    { names, key },
  );
}
