/**
 * Load balance as the paper measures it, on our own placements (section 6.2):
 *
 *   figure 8   efficiency (mean requests per node over requests of the hottest node) against the size of the membership metadata that every node keeps,
 *              for 30 nodes and N = 3. Requests are spread evenly over the ring, the limit of many keys, and each goes to the N owners of its key
 *   figure 6   nodes out of balance: the share of nodes whose load is more than 15% away from the mean, in windows of low load and of eight times as much
 *
 * A size is taken in two units. *Entries*: a token of placements 1 and 2, a partition of placement 3; nearest to the paper's abstract unit. *Bytes*: what
 * our codec spends on exactly that: the tokens in all members' entries, or the claims with their owners and versions. The rest of a view (ids, zones, a
 * bit for each partition held) is the same in all placements of as many partitions, and is not counted. At each size each placement has as many tokens or
 * partitions as fit.
 *
 * Placements 1 and 2 lie on RESOLUTION slots, the most that there may be. Where tokens are more than a quarter of the slots the slots show: ranges of
 * whole slots are more even than the paper's. Such figures are marked.
 */

import { Prng } from "../base/prng.ts";
import { partitionOf, positionOf } from "../core/address.ts";
import { type PlacementStrategy, parametersFrom } from "../core/config.ts";
import { type Key, type NodeId, PARTITIONS_MAX } from "../core/identifiers.ts";
import { type Member, type View, allHolders, mergeView, unclaimed } from "../core/membership.ts";
import { drawTokens, placementOf } from "../core/placement.ts";
import { claimsAfterJoin } from "../core/token-claims.ts";
import { finishEncoding, startEncoding } from "../wire/primitives.ts";
import { writeClaims, writeMembers } from "../wire/values.ts";
import { PROTOCOL_MIN, PROTOCOL_VERSION } from "../core/versions.ts";
import { keyChooser } from "./popular-keys.ts";

const NODES = 30;
const N = 3;
/** Slots of placements 1 and 2. */
const RESOLUTION = PARTITIONS_MAX;
/** With more tokens for a slot than this, whole slots show. */
const TOKENS_FOR_A_SLOT = 1 / 4;

export const ENTRIES = [32, 64, 128, 256, 512, 1_024, 2_048, 4_096] as const;
export const BYTES = [576, 640, 768, 1_024, 1_536, 2_560, 4_608, 8_704] as const;
const STRATEGIES = [1, 2, 3] as const;

/** Over the clusters of all seeds. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

export interface Point {
  /** At most so many entries or bytes. */
  readonly size: number;
  readonly placement: PlacementStrategy;
  readonly partitions: number;
  /** 0 in placement 3. */
  readonly tokensPerNode: number;
  readonly entries: number;
  /** Of the first seed's cluster. */
  readonly bytes: number;
  /** Whole slots show; see above. */
  readonly coarse: boolean;
  readonly efficiency: Spread;
}

export interface Figure8 {
  readonly seeds: number;
  /** By size, then by placement; a placement is missing where its least does not fit. */
  readonly byEntries: readonly Point[];
  readonly byBytes: readonly Point[];
}

/** What the paper says of figure 8, and at which sizes it came out so. */
export interface Verdict {
  readonly strategy3Best: readonly number[];
  readonly strategy2Worst: readonly number[];
  /** Sizes at which all three could be compared. */
  readonly sizes: readonly number[];
}

/** A cluster into which 30 nodes came one after the other, all of one capacity. */
export function clusterOf(placement: PlacementStrategy, partitions: number, tokensPerNode: number, seed: number): View {
  const parameters = parametersFrom({ n: N, partitions, placement, tokensPerNode });
  const random = Prng.fromNumber(seed);
  let view: View = { parameters, members: [], claims: unclaimed(partitions), buckets: [] };
  for (let i = 0; i < NODES; i++) {
    const node = random.hex(16) as NodeId;
    const entry: Member = {
      node,
      incarnation: 1,
      version: 1,
      capacity: 1,
      zone: node.slice(0, 8),
      holders: allHolders(partitions),
      tokens: drawTokens(parameters, 1, view.members, random),
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_VERSION,
      hidden: false,
    };
    if (placement === 3 && i === 0) view = { ...view, claims: view.claims.map(() => ({ owner: node, version: 1 })) };
    view = mergeView(view, [entry], undefined);
    if (placement === 3 && i > 0) view = { ...view, claims: claimsAfterJoin(view, node) };
  }
  return view;
}

/** What our codec spends on tokens and claims. */
export function metadataBytes({ parameters, members, claims }: View): number {
  const length = (tokens: boolean, claimed: boolean) => {
    const encoder = startEncoding();
    writeMembers(encoder, tokens ? members : members.map((member) => ({ ...member, tokens: [] })), parameters);
    if (claimed) writeClaims(encoder, claims, parameters);
    return finishEncoding(encoder).length;
  };
  return length(true, true) - length(false, false);
}

/** The mean load over the highest, when every partition gets as many requests and each goes to N nodes. */
export function efficiencyOf(view: View): number {
  const placement = placementOf(view);
  const loads = new Map<NodeId, number>();
  view.claims.forEach((_, partition) => {
    for (const node of placement.walk(partition, N)) loads.set(node, (loads.get(node) ?? 0) + 1);
  });
  return (N * view.claims.length) / view.members.length / Math.max(...loads.values());
}

function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values) };
}

interface Setting {
  readonly placement: PlacementStrategy;
  readonly partitions: number;
  readonly tokensPerNode: number;
}

const entriesOf = ({ placement, partitions, tokensPerNode }: Setting) =>
  placement === 3 ? partitions : NODES * tokensPerNode;

/** From the smallest to the largest. */
function settingsOf(placement: PlacementStrategy): Setting[] {
  if (placement === 3) {
    const all = [32, 64, 128, 256, 512, 1_024, 2_048, PARTITIONS_MAX];
    return all.map((partitions) => ({ placement, partitions, tokensPerNode: 0 }));
  }
  const most = Math.floor(RESOLUTION / NODES);
  return Array.from({ length: most }, (_, i) => ({ placement, partitions: RESOLUTION, tokensPerNode: i + 1 }));
}

export function measureFigure8(seeds: number): Figure8 {
  const measured = new Map<string, Spread>();
  const efficiency = (setting: Setting): Spread => {
    const { placement, partitions, tokensPerNode } = setting;
    const name = `${placement} ${partitions} ${tokensPerNode}`;
    let spread = measured.get(name);
    if (spread === undefined) {
      const clusters = Array.from({ length: seeds }, (_, i) => clusterOf(placement, partitions, tokensPerNode, i + 1));
      measured.set(name, (spread = spreadOf(clusters.map(efficiencyOf))));
    }
    return spread;
  };
  const sizes = STRATEGIES.flatMap((placement) =>
    settingsOf(placement).map((setting) => ({
      setting,
      entries: entriesOf(setting),
      bytes: metadataBytes(clusterOf(placement, setting.partitions, setting.tokensPerNode, 1)),
    })),
  );
  const points = (unit: "entries" | "bytes", budgets: readonly number[]): Point[] =>
    budgets.flatMap((size) =>
      STRATEGIES.flatMap((placement) => {
        const best = sizes.filter((one) => one.setting.placement === placement && one[unit] <= size).at(-1);
        if (best === undefined) return [];
        const { setting, entries, bytes } = best;
        const coarse = placement !== 3 && entries > TOKENS_FOR_A_SLOT * RESOLUTION;
        return [{ size, ...setting, entries, bytes, coarse, efficiency: efficiency(setting) }];
      }),
    );
  return { seeds, byEntries: points("entries", ENTRIES), byBytes: points("bytes", BYTES) };
}

export function verdictOf(points: readonly Point[]): Verdict {
  const at = (size: number) => points.filter((point) => point.size === size);
  const sizes = [...new Set(points.map((point) => point.size))].filter((size) => at(size).length === STRATEGIES.length);
  const mean = (size: number, placement: PlacementStrategy) =>
    at(size).find((point) => point.placement === placement)!.efficiency.mean;
  return {
    sizes,
    strategy3Best: sizes.filter((size) => mean(size, 3) > Math.max(mean(size, 1), mean(size, 2))),
    strategy2Worst: sizes.filter((size) => mean(size, 2) < Math.min(mean(size, 1), mean(size, 3))),
  };
}

// Figure 6

const KEYS = 20_000;
const WINDOWS = 12;
/** Requests of a window of low load; the paper's is an eighth of the peak. */
const LOW_REQUESTS = 4_000;
const PEAK = 8;
/** A node is out of balance when its load is further from the mean than this share of it. */
const OUT_OF_BALANCE = 0.15;
/** Bytes of metadata at which the placements are compared. */
const COMPARED_BYTES = 1_024;

export interface Imbalance {
  readonly placement: PlacementStrategy;
  readonly partitions: number;
  readonly tokensPerNode: number;
  readonly keys: "uniform" | "zipf";
  /** Share of nodes out of balance, over all windows of a cluster; spread over clusters. */
  readonly low: Spread;
  readonly high: Spread;
}

/** The share of nodes whose load is more than 15% away from the mean. */
export function outOfBalance(loads: readonly number[]): number {
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  return loads.filter((load) => Math.abs(load - mean) > OUT_OF_BALANCE * mean).length / loads.length;
}

export function measureImbalance(seeds: number): Imbalance[] {
  const positions = Array.from({ length: KEYS }, (_, i) => positionOf(`carts/${i}` as Key));
  return STRATEGIES.flatMap((placement) => {
    const fits = ({ partitions, tokensPerNode }: Setting) =>
      metadataBytes(clusterOf(placement, partitions, tokensPerNode, 1)) <= COMPARED_BYTES;
    const { partitions, tokensPerNode } = settingsOf(placement).filter(fits).at(-1)!;
    const clusters = Array.from({ length: seeds }, (_, i) => clusterOf(placement, partitions, tokensPerNode, i + 1));
    return (["uniform", "zipf"] as const).map((keys): Imbalance => {
      const shares = (requests: number) =>
        spreadOf(
          clusters.map((view, i) => {
            const ring = placementOf(view);
            const owners = view.claims.map((_, partition) => ring.walk(partition, N));
            const ownersOfKeys = positions.map((position) => owners[partitionOf(position, partitions)]!);
            const choose = keyChooser(keys, KEYS, Prng.fromNumber(1_000 + i));
            let sum = 0;
            for (let window = 0; window < WINDOWS; window++) {
              const loads = new Map(view.members.map((member) => [member.node, 0]));
              for (let request = 0; request < requests; request++)
                for (const node of ownersOfKeys[choose()]!) loads.set(node, loads.get(node)! + 1);
              sum += outOfBalance([...loads.values()]);
            }
            return sum / WINDOWS;
          }),
        );
      return {
        placement,
        partitions,
        tokensPerNode,
        keys,
        low: shares(LOW_REQUESTS),
        high: shares(PEAK * LOW_REQUESTS),
      };
    });
  });
}

// Telling

const PLOT_ROWS = 15;
const PLOT_LEAST = 0.3;
const COLUMN_WIDTH = 7;

/** Efficiency upwards, sizes to the right; a figure is the placement's number, `=` where two fall together. */
export function plotOf(points: readonly Point[]): string[] {
  const sizes = [...new Set(points.map((point) => point.size))];
  const rows = Array.from({ length: PLOT_ROWS }, () => sizes.map(() => " "));
  for (const { size, placement, efficiency } of points) {
    const height = Math.round(((efficiency.mean - PLOT_LEAST) / (1 - PLOT_LEAST)) * (PLOT_ROWS - 1));
    const row = rows[PLOT_ROWS - 1 - Math.max(0, height)]!;
    const column = sizes.indexOf(size);
    row[column] = row[column] === " " ? `${placement}` : "=";
  }
  const cell = (text: string) => text.padStart(COLUMN_WIDTH);
  return [
    ...rows.map((row, i) => {
      const value = 1 - (i * (1 - PLOT_LEAST)) / (PLOT_ROWS - 1);
      return `  ${value.toFixed(2)} |${row.map(cell).join("")}`;
    }),
    `       +${"-".repeat(COLUMN_WIDTH * sizes.length)}`,
    `        ${sizes.map((size) => cell(`${size}`)).join("")}`,
  ];
}

function tableOf(points: readonly Point[]): string[] {
  const sizes = [...new Set(points.map((point) => point.size))];
  const cell = (size: number, placement: PlacementStrategy): string => {
    const point = points.find((one) => one.size === size && one.placement === placement);
    if (point === undefined) return "none fits".padStart(30);
    const { efficiency, tokensPerNode, partitions, coarse } = point;
    const what = placement === 3 ? `Q=${partitions}` : `T=${tokensPerNode}${coarse ? "*" : ""}`;
    const { mean, least, most } = efficiency;
    return `${what} ${mean.toFixed(3)} (${least.toFixed(2)}-${most.toFixed(2)})`.padStart(30);
  };
  return [
    `${"size".padStart(8)}${STRATEGIES.map((placement) => `placement ${placement}`.padStart(30)).join("")}`,
    ...sizes.map((size) => `${`${size}`.padStart(8)}${STRATEGIES.map((placement) => cell(size, placement)).join("")}`),
  ];
}

function verdictLines(unit: string, { sizes, strategy3Best, strategy2Worst }: Verdict): string[] {
  const line = (what: string, where: readonly number[]) => {
    const missing = sizes.filter((size) => !where.includes(size));
    const came =
      missing.length === 0
        ? "yes, at every size"
        : `at ${where.length} of ${sizes.length} sizes, not at ${missing.join(", ")}`;
    return `  ${what}: ${came}`;
  };
  return [
    `in ${unit}:`,
    line("strategy 3 is the best", strategy3Best),
    line("strategy 2 is the worst", strategy2Worst),
  ];
}

export function formatFigure8({ seeds, byEntries, byBytes }: Figure8): string {
  return [
    `Figure 8: efficiency (mean requests per node / requests of the hottest node), S=${NODES}, N=${N}, ${seeds} clusters each: mean (least-most)`,
    "",
    "Unit of metadata: bytes at every node, as our codec encodes the tokens of all members (1, 2) or all claims with owners and versions (3).",
    `At each size as many tokens (T a node) or partitions (Q) as fit. Placements 1 and 2 lie on ${RESOLUTION} slots; * more than a quarter of them taken,`,
    "so that ranges of whole slots are more even than the paper's.",
    "",
    ...tableOf(byBytes),
    "",
    ...plotOf(byBytes),
    "        bytes of metadata",
    "",
    "Unit of metadata: entries. A token (1, 2) or a partition (3), the nearest to the paper's abstract unit.",
    "",
    ...tableOf(byEntries),
    "",
    ...plotOf(byEntries),
    "        entries of metadata",
    "",
    'The paper: "strategy 3 achieves the best load balancing efficiency and strategy 2 has the worst load balancing efficiency". Here:',
    ...verdictLines("bytes", verdictOf(byBytes)),
    ...verdictLines("entries", verdictOf(byEntries)),
    "Strategy 3 is not at its best with hardly more than a partition for each node: 32 partitions cannot be dealt evenly to 30, and the names of their",
    "owners alone take 480 bytes. 1 and 2 are alike in entries, but for chance: as long as there are many more partitions than tokens, whole partitions",
    "hardly differ from ranges. 2 falls behind where several tokens share a partition, and in bytes, because its tokens take 4 each.",
  ].join("\n");
}

export function formatImbalance(rows: readonly Imbalance[]): string {
  const percent = ({ mean, least, most }: Spread) =>
    `${(100 * mean).toFixed(0)}% (${(100 * least).toFixed(0)}-${(100 * most).toFixed(0)})`.padStart(16);
  return [
    `Nodes out of balance (more than ${100 * OUT_OF_BALANCE}% from the mean), S=${NODES}, N=${N}, ${KEYS} keys, ${COMPARED_BYTES} bytes of metadata; windows of ${LOW_REQUESTS} requests`,
    `(low) and of ${PEAK} times as many (high). The paper, in production and over 30 minutes: 20% at low load, 10% at high load.`,
    "",
    `${"".padEnd(24)}${"keys".padStart(10)}${"low load".padStart(16)}${"high load".padStart(16)}`,
    ...rows.map(({ placement, partitions, tokensPerNode, keys, low, high }) => {
      const what = placement === 3 ? `Q=${partitions}` : `T=${tokensPerNode}`;
      return `${`placement ${placement}, ${what}`.padEnd(24)}${keys.padStart(10)}${percent(low)}${percent(high)}`;
    }),
    "",
    "Keys of rank k asked for in proportion to 1/k (zipf): the owners of the first few keys are hot, whatever the placement; no placement of the paper mends that.",
  ].join("\n");
}
