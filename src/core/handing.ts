/** A caller's request on its way to whoever coordinates it, and how it is handed over. */

import type { Key, NodeId } from "./identifiers.ts";
import type { ClientWrite } from "./message.ts";

/** So many nodes may hand a caller's request on. */
export const HOPS_MAX = 2;

export type ForwardedRequest =
  | {
      readonly kind: "get";
      readonly key: Key;
      readonly r: number | undefined;
      readonly pr: number | undefined;
    }
  | { readonly kind: "put"; readonly key: Key; readonly write: ClientWrite };

/** How a request is handed over. */
export interface Handing {
  /** Asked first, if it counts. */
  readonly prefer?: NodeId | undefined;
  /** Not to be asked again. */
  readonly tried?: readonly NodeId[];
  /** This node counts as well: it asks `prefer` alone, and else coordinates itself. */
  readonly countsHere?: boolean;
  /** How many nodes have handed it on, this one included; a light client is none. */
  readonly hops: number;
}
