/** The panels of the bench, in the order of their tabs. Each is loaded when it is first opened: some bring codecs, exchanges or Yjs with them. */

import type { Component } from "svelte";
import type { LabNode } from "../../src/lab/world.ts";
import type { LabSession } from "./session.svelte.ts";

interface PanelModule {
  readonly default: Component<{ session: LabSession; seenBy: LabNode | undefined; open: (panel: Panel) => void }>;
}

export const ALL_PANELS = [
  ["key", "Key", (): Promise<PanelModule> => import("./KeyPanel.svelte")],
  ["request", "Request", (): Promise<PanelModule> => import("./RequestPanel.svelte")],
  ["versions", "Versions", (): Promise<PanelModule> => import("./VersionsPanel.svelte")],
  ["node", "Node", (): Promise<PanelModule> => import("./NodePanel.svelte")],
  ["messages", "Messages", (): Promise<PanelModule> => import("./MessagesPanel.svelte")],
  ["hints", "Hints", (): Promise<PanelModule> => import("./HintsPanel.svelte")],
  ["beliefs", "Gossip", (): Promise<PanelModule> => import("./BeliefsPanel.svelte")],
  ["plan", "Plan", (): Promise<PanelModule> => import("./PlanPanel.svelte")],
  ["trace", "Trace", (): Promise<PanelModule> => import("./TracePanel.svelte")],
  ["world", "World", (): Promise<PanelModule> => import("./WorldPanel.svelte")],
  ["trees", "Trees", (): Promise<PanelModule> => import("./TreesPanel.svelte")],
  ["bytes", "Bytes", (): Promise<PanelModule> => import("./BytesPanel.svelte")],
  ["figures", "Figures", (): Promise<PanelModule> => import("./FiguresPanel.svelte")],
  ["quorum", "Quorum", (): Promise<PanelModule> => import("./QuorumPanel.svelte")],
  ["placements", "Placements", (): Promise<PanelModule> => import("./PlacementsPanel.svelte")],
  ["carts", "Carts", (): Promise<PanelModule> => import("./CartsPanel.svelte")],
] as const;

export type Panel = (typeof ALL_PANELS)[number][0];
/** They begin worlds, or let time pass at once. */
export const OF_RUNS: ReadonlySet<Panel> = new Set<Panel>(["quorum", "placements", "carts"]);
