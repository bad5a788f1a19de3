/** What operators do with a cluster, in the words of callers: plans of membership changes, and why one is refused. `store.ts` carries them out. */

import { unreachable } from "./base/assert.ts";
import { TabringError } from "./core/errors.ts";
import type { NodeId } from "./core/identifiers.ts";
import type { LoadPlan } from "./core/load-plan.ts";
import type { ChangeRefusal } from "./core/membership-change.ts";
import type { PartitionSize } from "./core/message.ts";
import type { MembershipPlan, OperatorChange } from "./api.ts";
import type { Plan } from "./core/membership-plan.ts";

/** A membership change was refused; nothing was changed. `reason` is stable, the text is for people. */
export class MembershipChangeError extends TabringError {
  override readonly name: string = "MembershipChangeError";
  readonly reason: ChangeRefusal["code"];
  constructor(refusal: ChangeRefusal) {
    super("membership-change", textOf(refusal));
    this.reason = refusal.code;
  }
}

/** This node has left its cluster, or was removed from it. */
export class DepartedError extends TabringError {
  override readonly name: string = "DepartedError";
  constructor(why: string) {
    super(
      "departed",
      `This node belongs to its cluster no more: ${why}. Nothing was sent; the others have all that it had. Open the store again to come back as a new node.`,
    );
  }
}

const short = (node: NodeId): string => node.slice(0, 6);

function textOf(refusal: ChangeRefusal): string {
  const nothing = "Nothing was changed and nothing is lost.";
  switch (refusal.code) {
    case "not-ready":
      return `This node is no member of its cluster (yet, or any more). ${nothing} Ask at a node that is.`;
    case "unknown-node":
      return `There is no member ${short(refusal.node)} in this cluster. ${nothing} See nodes() for those that there are.`;
    case "already-departed":
      return `The node ${short(refusal.node)} has left already, or was removed. ${nothing}`;
    case "drawn-tokens":
      return `In this cluster's placement tokens are drawn by chance and for good: none can move. ${nothing} Placement 3 can.`;
    case "last-member":
      return `No other member could take over the data: the last copy would go. ${nothing} Let another node join first.`;
    case "too-few-copies": {
      const { partitions, holders, needed } = refusal;
      return (
        `Without that node ${partitions} partition${partitions === 1 ? "" : "s"} would have too few copies: ${holders} other node${holders === 1 ? "" : "s"} hold${holders === 1 ? "s" : ""} the one that is worst off, and ${needed} must. ${nothing} ` +
        "Wait until the others have copied what they owe, or bring the node back and let it leave. With `force`, what only it holds is given up."
      );
    }
    case "still-reachable":
      return `The node ${short(refusal.node)} answers: it can leave by itself, and lose nothing. ${nothing} Call leave() there, or remove it with \`force\`.`;
    case "outdated":
      return `The ring has changed since the plan was made. ${nothing} Make the plan anew.`;
    default:
      return unreachable(refusal);
  }
}

export function membershipPlan(
  change: OperatorChange,
  plan: Plan,
  sizes: readonly PartitionSize[],
  refusal: ChangeRefusal | undefined,
  { swaps, load }: LoadPlan = { swaps: [], load: [] },
): MembershipPlan {
  const sizeOf = new Map(sizes.map((size) => [size.partition, size]));
  const moves = plan.moves.map(({ partition, to }) => ({ partition, to, size: sizeOf.get(partition) }));
  const told = moves.flatMap(({ size }) => size ?? []);
  return {
    change,
    planned: plan.planned,
    moves: moves.map(({ partition, to, size }) => ({ partition, to, keys: size?.keys, bytes: size?.bytes })),
    tokens: plan.tokens,
    swaps,
    load,
    partitions: moves.length,
    keys: told.reduce((sum, size) => sum + size.keys, 0),
    bytes: told.reduce((sum, size) => sum + size.bytes, 0),
    untold: moves.length - told.length,
    refusal: refusal === undefined ? undefined : new MembershipChangeError(refusal),
  };
}
