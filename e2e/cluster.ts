/**
 * Real tabs, a real server: what the tests in tabs stand on. The server is its own process, as `npm start` runs it; the tabs are pages of one
 * browser profile on disk, so that IndexedDB, Web Locks and WebRTC are the browser's own. Nothing here waits a fixed time.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, expect, type Page } from "@playwright/test";
import type { GetOptions, NodeInfo, PreferenceEntry, PutOptions, Store, StoreStatus } from "../src/api.ts";
import type { NodeId } from "../src/core/identifiers.ts";
import type { RequestReport } from "../src/core/message.ts";
import { chromiumLaunch } from "./browser.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const READY_MS = 30_000;

declare global {
  interface Window {
    /** Set by the shop while a store is open. */
    tabring?: { readonly store: Store } | undefined;
    /** Refusals that the store told of, since {@link Tab.listenForRefusals}. */
    refusals?: Refusal[];
  }
}

/** Polls until the condition holds; fails with `what` it waited for. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { what, timeoutMs = READY_MS }: { readonly what: string; readonly timeoutMs?: number },
): Promise<void> {
  await expect.poll(condition, { message: what, timeout: timeoutMs, intervals: [50, 100, 250] }).toBe(true);
}

// ---------------------------------------------------------------------------------------------------------------- the server

export class ServerProcess {
  readonly port: number;
  /** The plain address: `http://localhost:port/`. */
  readonly address: string;
  /** The invite link of the server's own cluster. */
  readonly invite: string;
  readonly #data: string;
  readonly #process: ChildProcess;
  readonly #output: string[];

  private constructor(process: ChildProcess, data: string, output: string[], address: string, invite: string) {
    this.#process = process;
    this.#data = data;
    this.#output = output;
    this.address = address;
    this.invite = invite;
    this.port = Number(new URL(address).port);
  }

  /** Resolves when the server has printed its address and its invite link. */
  static async start(port: number, data: string): Promise<ServerProcess> {
    if (!existsSync(join(ROOT, "app", "dist", "index.html")))
      throw new Error('The demo is not built: run "npm run build" first ("npm test -- e2e" does both).');
    const process = spawn(
      globalThis.process.execPath,
      ["--import", "tsx", "signaling/main.ts", "--port", String(port), "--data", data],
      { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
    );
    // A run that is broken off does not come to its `close`.
    const kill = (): void => void process.kill("SIGKILL");
    globalThis.process.once("exit", kill);
    process.once("exit", () => globalThis.process.off("exit", kill));
    const output: string[] = [];
    process.stderr.setEncoding("utf8").on("data", (text: string) => output.push(text));
    const found = await new Promise<{ address: string; invite: string }>((resolve, reject) => {
      let address: string | undefined;
      createInterface({ input: process.stdout }).on("line", (line) => {
        output.push(`${line}\n`);
        const invite = /Invite: (\S+)/.exec(line)?.[1];
        address ??= /Tabring is at (\S+)/.exec(line)?.[1];
        if (address !== undefined && invite !== undefined) resolve({ address, invite });
      });
      process.once("exit", (code) =>
        reject(new Error(`The server ended with code ${code} before it was up. It said:\n${output.join("")}`)),
      );
    });
    return new ServerProcess(process, data, output, found.address, found.invite);
  }

  /** What it printed so far. */
  get output(): string {
    return this.#output.join("");
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill(): Promise<void> {
    if (!this.running) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exit;
  }

  /** A new process on the same port and data; this one must be killed. */
  restart(): Promise<ServerProcess> {
    return ServerProcess.start(this.port, this.#data);
  }
}

/** The cluster and secret of an invite link. */
export function inviteParts(invite: string): { readonly cluster: string; readonly secret: string } {
  const fields = new URLSearchParams(new URL(invite).hash.replace(/^[^?]*\?/, ""));
  return { cluster: fields.get("cluster") ?? "", secret: fields.get("secret") ?? "" };
}

// ---------------------------------------------------------------------------------------------------------------- tabs

/** A named error of the store, as it came out of the page. */
export interface Refusal {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly peer?: string | undefined;
}

/** Thrown where the store in the page threw. */
export class StoreRefusal extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(`${refusal.name} (${refusal.code}): ${refusal.message}`);
    this.refusal = refusal;
  }
}

/** Bytes on their way into and out of the page. */
export type Bytes = readonly number[];

export interface TabGet {
  /** Live values as text, sorted. */
  readonly values: readonly string[];
  /** One for each sibling, sorted: who wrote it when, whatever is in it. */
  readonly operations: readonly string[];
  readonly context: Bytes;
  readonly report: RequestReport;
}

export interface TabPut {
  readonly context: Bytes;
  readonly siblings: number;
  readonly report: RequestReport;
}

type Answer<Result> = { readonly result: Result } | { readonly refusal: Refusal };

function unwrap<Result>(answer: Answer<Result>): Result {
  if ("refusal" in answer) throw new StoreRefusal(answer.refusal);
  return answer.result;
}

/** The named error with which the store refuses; fails when it does not. */
export async function refusalOf(attempt: Promise<unknown>): Promise<Refusal> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof StoreRefusal) return error.refusal;
    throw error;
  }
  throw new Error("The store accepted what it should have refused.");
}

/** One page of the shop, and the store in it. */
export class Tab {
  readonly page: Page;
  /** Errors that nobody in the page caught, and what it logged as errors. */
  readonly uncaught: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.uncaught.push(error.stack ?? String(error)));
  }

  /** Undefined as long as the shop has opened no store. */
  status(): Promise<StoreStatus | undefined> {
    return this.page.evaluate(() => window.tabring?.store.status);
  }

  /** Waits for the store to be open; who this tab is does not change while it is. */
  async node(): Promise<NodeId> {
    await this.opened();
    return this.page.evaluate(() => window.tabring!.store.status.node);
  }

  /** Until the shop has opened its store; it may still wait for its cluster. */
  async opened(): Promise<void> {
    await this.page.waitForFunction(() => window.tabring !== undefined, undefined, { timeout: READY_MS });
  }

  nodes(): Promise<readonly NodeInfo[]> {
    return this.page.evaluate(() => window.tabring!.store.nodes());
  }

  /** How this tab is linked to that node. */
  async linkTo(node: NodeId): Promise<NodeInfo["link"]> {
    return (await this.nodes()).find((info) => info.node === node)?.link;
  }

  preferenceList(key: string): Promise<readonly PreferenceEntry[]> {
    return this.page.evaluate((name) => window.tabring!.store.preferenceList(name), key);
  }

  async get(key: string, options: Pick<GetOptions, "r" | "timeoutMs"> = {}): Promise<TabGet> {
    const answer = await this.page.evaluate(
      async ({ key, options }): Promise<Answer<TabGet>> => {
        try {
          const { values, siblings, context, report } = await window.tabring!.store.get(key, options);
          const texts = values.map((value) => new TextDecoder().decode(value)).sort();
          const operations = siblings.map((sibling) => sibling.operation).sort();
          return { result: { values: texts, operations, context: Array.from(context), report } };
        } catch (error) {
          const { name, code, message } = error as Refusal;
          return { refusal: { name, code, message } };
        }
      },
      { key, options },
    );
    return unwrap(answer);
  }

  /** `context` as a get or put gave it. */
  async put(
    key: string,
    text: string,
    options: Pick<PutOptions, "w" | "timeoutMs" | "operation"> & { readonly context?: Bytes } = {},
  ): Promise<TabPut> {
    const answer = await this.page.evaluate(
      async ({ key, text, options: { context, ...rest } }): Promise<Answer<TabPut>> => {
        try {
          const seen = context === undefined ? undefined : Uint8Array.from(context);
          const value = new TextEncoder().encode(text);
          const result = await window.tabring!.store.put(key, value, { ...rest, context: seen });
          return {
            result: { context: Array.from(result.context), siblings: result.siblings, report: result.report },
          };
        } catch (error) {
          const { name, code, message } = error as Refusal;
          return { refusal: { name, code, message } };
        }
      },
      { key, text, options },
    );
    return unwrap(answer);
  }

  cutOff(): Promise<void> {
    return this.page.evaluate(() => window.tabring!.store.faults.cutOff());
  }

  cut(nodes: readonly NodeId[]): Promise<void> {
    return this.page.evaluate((others) => window.tabring!.store.faults.cut(others), nodes);
  }

  heal(): Promise<void> {
    return this.page.evaluate(() => window.tabring!.store.faults.heal());
  }

  /** Hints that this tab keeps for others. */
  async hints(): Promise<number> {
    return (await this.status())?.hintsOwed ?? 0;
  }

  /** From now on {@link refusals} says what the store refused at its edge. */
  async listenForRefusals(): Promise<void> {
    await this.page.evaluate(() => {
      const refusals: Refusal[] = [];
      window.refusals = refusals;
      window.tabring!.store.on("refused", ({ error, peer }) => {
        const { name, code, message } = error as Error & { code?: string };
        refusals.push({ name, code: code ?? "", message, peer });
      });
    });
  }

  refusals(): Promise<readonly Refusal[]> {
    return this.page.evaluate(() => window.refusals ?? []);
  }

  /** Closes the tab as a user does. */
  close(): Promise<void> {
    return this.page.close({ runBeforeUnload: false });
  }

  /** The renderer crashes: nobody says goodbye. The page is closed then, as a browser's "restore" would not come. */
  async kill(): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page);
    const crashed = this.page.waitForEvent("crash");
    // The answer dies with the page.
    void session.send("Page.crash").catch(() => undefined);
    await crashed;
    await this.page.close();
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }
}

// ---------------------------------------------------------------------------------------------------------------- clusters

/** The tabs of one browser profile. */
export class Tabs {
  readonly tabs: Tab[] = [];
  readonly context: BrowserContext;
  readonly #folders: readonly string[];

  constructor(context: BrowserContext, folders: readonly string[]) {
    this.context = context;
    this.#folders = folders;
  }

  /** One more tab at an address; not yet waited for. */
  async openTab(address: string): Promise<Tab> {
    const tab = new Tab(await this.context.newPage());
    this.tabs.push(tab);
    await tab.page.goto(address);
    return tab;
  }

  /** Takes a page that the browser opened itself into the list. */
  adopt(page: Page): Tab {
    const tab = new Tab(page);
    this.tabs.push(tab);
    return tab;
  }

  async killTab(tab: Tab): Promise<void> {
    await tab.kill();
    this.#forget(tab);
  }

  async closeTab(tab: Tab): Promise<void> {
    await tab.close();
    this.#forget(tab);
  }

  #forget(tab: Tab): void {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
  }

  /** The tab of that node. */
  async tabOf(node: NodeId): Promise<Tab> {
    for (const tab of this.tabs) if ((await tab.node()) === node) return tab;
    throw new Error(`No tab is ${node}.`);
  }

  /**
   * Until every open tab is a member that holds all that it should, all of them see each other, linked or not, as up, and all see the same tokens,
   * evenly dealt: tabs that joined at the same moment claim the same ones, and give away what is too much only when the view has settled. `members`
   * with data, by default as many as tabs are open.
   */
  async settled({ members = this.tabs.length, timeoutMs = READY_MS * 2 } = {}): Promise<void> {
    let last = "";
    const isSettled = async (): Promise<boolean> => {
      const views = await Promise.all(
        this.tabs.map(async (tab) => {
          const status = await tab.status();
          return status === undefined ? undefined : { status, nodes: await tab.nodes() };
        }),
      );
      const tokensOf = (view: (typeof views)[number]): readonly number[] =>
        (view?.nodes ?? []).filter((info) => info.capacity > 0).map((info) => info.tokens);
      const agreed = tokensOf(views[0]);
      const share = agreed.reduce((sum, tokens) => sum + tokens, 0) / agreed.length;
      const even = agreed.every((tokens) => tokens >= Math.floor(share) && tokens <= Math.ceil(share));
      last = views
        .map((view) =>
          view === undefined
            ? "no store"
            : `${view.status.node.slice(0, 6)} ${view.status.reason} Tokens: ${tokensOf(view).join(" ")}`,
        )
        .join("\n  ");
      return views.every((view) => {
        if (view === undefined || !even) return false;
        const withData = view.nodes.filter((info) => info.capacity > 0);
        return (
          tokensOf(view).join() === agreed.join() &&
          (view.status.state === "online" || view.status.state === "degraded") &&
          view.status.partitionsJoining === 0 &&
          withData.length === members &&
          withData.filter((info) => info.self || info.reachability === "up").length >= this.tabs.length
        );
      });
    };
    try {
      await waitUntil(isSettled, { what: `${this.tabs.length} tabs form one cluster of ${members}`, timeoutMs });
    } catch (error) {
      throw new Error(`${String(error)}\nThe tabs said last:\n  ${last}`, { cause: error });
    }
  }

  /** Cuts every tab of the first group off from every tab of the second, both ways. */
  async partition(first: readonly Tab[], second: readonly Tab[]): Promise<void> {
    const idsOf = (tabs: readonly Tab[]): Promise<NodeId[]> => Promise.all(tabs.map((tab) => tab.node()));
    const [left, right] = [await idsOf(first), await idsOf(second)];
    await Promise.all([...first.map((tab) => tab.cut(right)), ...second.map((tab) => tab.cut(left))]);
  }

  async heal(): Promise<void> {
    await Promise.all(this.tabs.map((tab) => tab.heal()));
  }

  /** Hints kept by all open tabs together. */
  async hints(): Promise<number> {
    return (await Promise.all(this.tabs.map((tab) => tab.hints()))).reduce((sum, hints) => sum + hints, 0);
  }

  /** Ends everything and removes its files. */
  async close(): Promise<void> {
    await this.context.close();
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The same, and the server beside them. */
export class Cluster extends Tabs {
  server: ServerProcess;

  constructor(server: ServerProcess, context: BrowserContext, folders: readonly string[]) {
    super(context, folders);
    this.server = server;
  }

  /** At the invite link, or at another address. */
  override openTab(address = this.server.invite): Promise<Tab> {
    return super.openTab(address);
  }

  override async settled(options: { members?: number; timeoutMs?: number } = {}): Promise<void> {
    try {
      await super.settled(options);
    } catch (error) {
      throw new Error(`${String(error)}\nThe server said:\n${this.server.output}`, { cause: error });
    }
  }

  override async close(): Promise<void> {
    await this.context.close();
    await this.server.kill();
    await super.close();
  }
}

/** A browser with a fresh profile and no server of ours: it starts with one empty page, which stays; without any page left the browser would go. */
export async function openTabs(): Promise<Tabs> {
  const profile = await mkdtemp(join(tmpdir(), "tabring-profile-"));
  return new Tabs(await chromium.launchPersistentContext(profile, chromiumLaunch()), [profile]);
}

/** A server on a free port and a browser with a fresh profile, without any tab yet. */
export async function openBrowser(): Promise<Cluster> {
  const data = await mkdtemp(join(tmpdir(), "tabring-data-"));
  const profile = await mkdtemp(join(tmpdir(), "tabring-profile-"));
  const server = await ServerProcess.start(0, data);
  const context = await chromium.launchPersistentContext(profile, chromiumLaunch());
  // It starts with one empty page, which stays: without any page left the browser would go.
  return new Cluster(server, context, [data, profile]);
}

/** The same with so many tabs at the server's invite link, perhaps with one shared cart, all members of one settled cluster. */
export async function openCluster(options: { readonly tabs: number; readonly cart?: string }): Promise<Cluster> {
  const cluster = await openBrowser();
  const cart = options.cart === undefined ? "" : `&cart=${options.cart}`;
  try {
    for (let i = 0; i < options.tabs; i++) await cluster.openTab(`${cluster.server.invite}${cart}`);
    await cluster.settled();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** The keys that `node` owns, `count` of them, by the preference list that `tab` sees. */
export async function keysOwnedBy(tab: Tab, node: NodeId, count: number, prefix = "keys/"): Promise<string[]> {
  return tab.page.evaluate(
    ({ node, count, prefix }) => {
      const keys: string[] = [];
      for (let i = 0; keys.length < count && i < 100_000; i++) {
        const key = `${prefix}${i}`;
        const owners = window.tabring!.store.preferenceList(key).filter((entry) => entry.role === "owner");
        if (owners.some((entry) => entry.node === node)) keys.push(key);
      }
      if (keys.length < count) {
        const { store } = window.tabring!;
        const seen = { status: store.status, nodes: store.nodes(), list: store.preferenceList(`${prefix}0`) };
        throw new Error(`${node} owns only ${keys.length} of 100,000 keys: ${JSON.stringify(seen)}`);
      }
      return keys;
    },
    { node, count, prefix },
  );
}

/** All tabs' ids, sorted. */
export async function idsOf(tabs: readonly Tab[]): Promise<NodeId[]> {
  return (await Promise.all(tabs.map((tab) => tab.node()))).sort();
}
