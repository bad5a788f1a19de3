/**
 * What N, R and W promise, by counting: whether reads meet writes, how many failures each stands, and how likely a read misses a write when they need not meet.
 * Pure, and of strict quorums, where nobody stands in; `sloppy` says how far stand-ins carry.
 *
 * Limits: small numbers; nothing here knows of time (`staleness.ts` does).
 */

export interface QuorumChoice {
  readonly n: number;
  readonly r: number;
  readonly w: number;
}

export interface QuorumVerdict {
  /** Copies of each key: N, or all nodes where there are fewer. */
  readonly copies: number;
  /** R + W > N: whoever is read, somebody among them has acknowledged the write. */
  readonly overlaps: boolean;
  /** How many of the owners of a key may be down, whichever, while others do not stand in. */
  readonly readsStand: number;
  readonly writesStand: number;
  /** How many nodes of the cluster may be down, whichever, when others stand in: writes go on, and reads of what somebody left still has. */
  readonly sloppy: { readonly readsStand: number; readonly writesStand: number };
  /** Of an acknowledged write: so many disks may be lost at once, right then, and it is still there. */
  readonly disksStand: number;
  /** That a read of R owners, drawn at random, misses a write that W of them have and nobody else. */
  readonly missChance: number;
}

/** Ways to draw `k` of `n`; 0 when there are not so many. */
export function choose(n: number, k: number): number {
  if (k < 0 || k > n) return 0;
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = (ways * (n - k + i)) / i;
  return Math.round(ways);
}

/** `nodes`: in the cluster. With fewer than N a quorum is what there is. */
export function verdictOf({ n, r, w }: QuorumChoice, nodes: number): QuorumVerdict {
  const copies = Math.min(n, nodes);
  const [reads, writes] = [Math.min(r, copies), Math.min(w, copies)];
  return {
    copies,
    overlaps: reads + writes > copies,
    readsStand: copies - reads,
    writesStand: copies - writes,
    sloppy: { readsStand: nodes - reads, writesStand: nodes - writes },
    disksStand: writes - 1,
    missChance: choose(copies - writes, reads) / choose(copies, reads),
  };
}

/** The chance as a share, and how far off it may be (95 in 100 of such intervals hold the true one; after Wilson). */
export function shareOf(
  hits: number,
  of: number,
): { readonly share: number; readonly from: number; readonly to: number } {
  if (of === 0) return { share: 0, from: 0, to: 1 };
  const z = 1.96;
  const share = hits / of;
  const middle = (share + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const half = (z / (1 + (z * z) / of)) * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  return { share, from: Math.max(0, middle - half), to: Math.min(1, middle + half) };
}
