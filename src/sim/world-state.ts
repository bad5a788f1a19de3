/**
 * The words of a small world (`small-world.ts`): what its clients do, what may go wrong, what may happen next, and what a state of it is made of.
 * All of it is immutable, so that states share what they have in common.
 */

import { unreachable } from "../base/assert.ts";
import type { ClusterParameters, Config } from "../core/config.ts";
import type { Clock } from "../core/dvvset.ts";
import type { Lane } from "../core/effect.ts";
import type { Epoch, Key, Millis, NodeId, OperationId, RequestId } from "../core/identifiers.ts";
import type { ClientResult, Message } from "../core/message.ts";
import type { NodeOptions } from "../core/node.ts";
import type { History } from "./history.ts";
import type { ExploredNode, LocalState, LocalStep } from "./local-states.ts";
import type { Load, LoadLeaves, Scan, SmallDisk, Store } from "./small-disk.ts";

/** Members are numbered from 0 and called a, b, c, … */
export type Place = number;

/** What a client does next. */
export interface ClientStep {
  readonly do: "put" | "delete" | "get";
  readonly at: Place;
  readonly key: string;
  /** Replaces what the client's last answer for this key showed it; else a blind put. */
  readonly replacing?: boolean;
  /** Steps of the same operation are one put and its retries. By default each put is its own. */
  readonly operation?: string;
  readonly r?: number;
  readonly w?: number;
  /** As many owners of their own: a get that asks for some sees every put that did, faults or not, when they overlap. */
  readonly pr?: number;
  readonly pw?: number;
}

/** What may go wrong, once, at any point. */
export type Fault =
  /** The node ends and starts again at any later point. */
  | { readonly kind: "crash"; readonly node: Place }
  /** The node ends and its disk is gone for good. */
  | { readonly kind: "wipe"; readonly node: Place }
  /** These links die; each comes up anew at any later point. */
  | { readonly kind: "cut"; readonly links: readonly (readonly [Place, Place])[] }
  /** The first commit in the line of the disk fails; it is on the disk nevertheless, or not. */
  | { readonly kind: "fail-commit"; readonly node: Place }
  | { readonly kind: "fail-load"; readonly node: Place }
  /** The network keeps a copy of the message that is delivered next on some lane of this link, and delivers it once more at any later time. */
  | { readonly kind: "repeat"; readonly from: Place; readonly to: Place }
  | { readonly kind: "time-passes"; readonly ms: Millis };

export interface SmallWorldOptions {
  readonly members: number;
  readonly parameters: ClusterParameters;
  /** Start when all is prepared and do not hold the partitions of the keys yet; all others hold everything. */
  readonly joining?: readonly Place[];
  /** Done one after another, each settled before the next, before anything is explored. */
  readonly prepared?: readonly ClientStep[];
  /** These end and start again when all is prepared, so that nothing is in their memory. */
  readonly restarted?: readonly Place[];
  readonly clients: readonly (readonly ClientStep[])[];
  readonly faults?: readonly Fault[];
  /** What is not as usual at a node. */
  readonly configOf?: (place: Place) => Partial<Config>;
  /** Commits of membership wait like any other. */
  readonly exploresMembershipCommits?: boolean;
  /** Stops with an error beyond so many states of single nodes. */
  readonly localStatesMax?: number;
  /** Checks that what nodes show of their memory is all that they remember. */
  readonly verifiesMemory?: boolean;
  makeNode(options: NodeOptions): ExploredNode;
}

export type Action =
  | { readonly kind: "begin"; readonly client: number }
  | { readonly kind: "deliver"; readonly from: Place; readonly to: Place; readonly lane: Lane }
  | { readonly kind: "commit"; readonly node: Place }
  | { readonly kind: "load"; readonly node: Place; readonly load: number }
  /** `node` notices that its link to `peer` is dead. */
  | { readonly kind: "notice"; readonly node: Place; readonly peer: Place }
  | { readonly kind: "link"; readonly between: readonly [Place, Place] }
  | { readonly kind: "restart"; readonly node: Place }
  /** `fault` is its number in the world's list. `kept`: how many commits in line survive a crash. */
  | { readonly kind: "crash"; readonly fault: number; readonly node: Place; readonly kept: number }
  | { readonly kind: "wipe"; readonly fault: number; readonly node: Place }
  | { readonly kind: "cut"; readonly fault: number; readonly links: readonly (readonly [Place, Place])[] }
  | { readonly kind: "fail-commit"; readonly fault: number; readonly node: Place; readonly applied: boolean }
  | { readonly kind: "fail-load"; readonly fault: number; readonly node: Place; readonly load: number }
  | {
      readonly kind: "repeat";
      readonly fault: number;
      readonly from: Place;
      readonly to: Place;
      readonly lane: Lane;
    }
  /** A copy that the network kept arrives, however late. */
  | { readonly kind: "deliver-late"; readonly late: number }
  | { readonly kind: "time-passes"; readonly fault: number; readonly ms: Millis };

/** A data message on its way. */
export interface Parcel {
  readonly number: number;
  readonly from: Place;
  readonly to: Place;
  readonly lane: Lane;
  readonly epoch: Epoch;
  readonly message: Message;
}

/** What a client may replace. */
export interface Seen {
  readonly number: number;
  readonly key: Key;
  readonly clock: Clock;
  readonly operations: readonly OperationId[];
  /** The node that answered its get first. */
  readonly prefer: NodeId | undefined;
}

export interface ClientState {
  /** The step that is under way, or comes next. */
  readonly step: number;
  readonly waits: boolean;
  readonly seen: Seen | undefined;
  /** Puts that were acknowledged when the get under way began. */
  readonly mustSee: readonly OperationId[];
}

/** What is known of the puts: never changed once it is numbered. */
export interface Known {
  readonly number: number;
  readonly history: History;
  /** What it becomes by something that leads to the same whenever it happens. */
  readonly after: Map<string | number, Known>;
}

/** A link has an end at each of its two nodes; an end is up until it notices that the link is dead. */
export const LOWER_END = 1;
export const HIGHER_END = 2;
/** What is sent arrives. */
export const WHOLE = 4;

export interface WorldState {
  readonly now: Millis;
  /** undefined: down or wiped. */
  readonly nodes: readonly (LocalState | undefined)[];
  /** How often each node started. */
  readonly starts: readonly number[];
  readonly disks: readonly SmallDisk[];
  /** One bit each. */
  readonly wiped: number;
  readonly faultsUsed: number;
  /** For each pair of nodes. */
  readonly links: readonly number[];
  /** For each direction of each pair and each lane. */
  readonly lanes: readonly (readonly Parcel[])[];
  /** Copies that will arrive late. */
  readonly late: readonly Parcel[];
  readonly clients: readonly ClientState[];
  readonly known: Known;
}

/** A step of a node, taken apart. */
export interface Move {
  readonly step: LocalStep;
  readonly deeds: readonly Deed[];
  /** It stores or sends records. */
  readonly shows: boolean;
}

export type Deed =
  | { readonly kind: "post"; readonly parcel: Parcel }
  | { readonly kind: "tell"; readonly parcel: Parcel }
  | { readonly kind: "ask-disk"; readonly operation: Store | Scan | LoadLeaves | Load }
  | { readonly kind: "reply"; readonly request: RequestId; readonly result: ClientResult }
  | { readonly kind: "hang-up"; readonly peer: Place };

export function letterOf(place: Place): string {
  return String.fromCharCode(97 + place);
}

export const LANES: readonly Lane[] = ["foreground", "background"];

/** What happens, in words. */
export function describe(action: Action): string {
  const link = ([a, b]: readonly [Place, Place]): string => `${letterOf(a)}-${letterOf(b)}`;
  switch (action.kind) {
    case "begin":
      return `client ${action.client + 1} begins its next step`;
    case "deliver":
      return `deliver ${letterOf(action.from)} to ${letterOf(action.to)}${action.lane === "background" ? " (background)" : ""}`;
    case "commit":
      return `the first in the line of ${letterOf(action.node)}'s disk completes`;
    case "load":
      return `a load at ${letterOf(action.node)} completes`;
    case "notice":
      return `${letterOf(action.node)} notices that its link to ${letterOf(action.peer)} is dead`;
    case "link":
      return `link ${link(action.between)} comes up`;
    case "restart":
      return `${letterOf(action.node)} starts again`;
    case "crash":
      return `crash of ${letterOf(action.node)}, ${action.kept} commits in line survive`;
    case "wipe":
      return `${letterOf(action.node)} and its disk are gone for good`;
    case "cut":
      return `cut: ${action.links.map(link).join(" and ")}`;
    case "fail-commit":
      return `the first commit in line fails at ${letterOf(action.node)}${action.applied ? ", but is on disk" : ""}`;
    case "fail-load":
      return `a load fails at ${letterOf(action.node)}`;
    case "repeat":
      return `the network keeps a copy of what ${letterOf(action.from)} sent to ${letterOf(action.to)}${action.lane === "background" ? " (background)" : ""}`;
    case "deliver-late":
      return `the copy that the network kept arrives`;
    case "time-passes":
      return `${action.ms} ms pass`;
    default:
      return unreachable(action);
  }
}
