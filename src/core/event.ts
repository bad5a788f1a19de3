/** What enters a node. The host delivers events one at a time; `at` never goes back. */

import type { BucketProperties } from "./buckets.ts";
import type { ClusterParameters } from "./config.ts";
import type { ReadRecord } from "./effect.ts";
import type { Gathering } from "./gathering.ts";
import type { Epoch, Key, Millis, NodeId, Partition, RequestId, Ticket } from "./identifiers.ts";
import type { MembershipChange } from "./membership-change.ts";
import type { Digest, Leaf } from "./merkle-forest.ts";
import type { ClientWrite, Message } from "./message.ts";
import type { ProtocolRange } from "./versions.ts";

export type NodeEvent = { readonly at: Millis } & (
  | /** The first event. The node looks through its hints before it answers anybody. `wall`: the wall clock now; only history and departures need it. */ {
      readonly kind: "started";
      readonly wall?: Millis;
    } /** The one explicit act that makes a cluster: this node alone, holding everything. Ignored by a node that has a view. */
  | { readonly kind: "found-cluster"; readonly parameters: ClusterParameters }
  | {
      readonly kind: "client-get";
      readonly request: RequestId;
      readonly key: Key;
      readonly r: number | undefined;
      readonly pr?: number | undefined;
      readonly timeoutMs: Millis | undefined;
    } /** `prefer`: the node that answered the preceding read first coordinates, when it can (paper, section 5). */
  | {
      readonly kind: "client-put";
      readonly request: RequestId;
      readonly key: Key;
      readonly write: ClientWrite;
      readonly prefer: NodeId | undefined;
      readonly timeoutMs: Millis | undefined;
    }
  | /** The sizes of these partitions are wanted, for a preview; ascending. */ {
      readonly kind: "client-sizes";
      readonly request: RequestId;
      readonly partitions: readonly Partition[];
      readonly timeoutMs: Millis;
    }
  | /** An operator's act at this node. `wallMs`: milliseconds since 1970. */ {
      readonly kind: "change-membership";
      readonly request: RequestId;
      readonly change: MembershipChange;
      readonly wallMs: Millis;
    }
  | /** What the cluster knows of a partition is wanted, page by page; see `archive-gather.ts`. */ {
      readonly kind: "client-gather";
      readonly request: RequestId;
      readonly wanted: Gathering;
    }
  | /** The next page of it. */ { readonly kind: "client-gather-more"; readonly request: RequestId }
  | /** The explicit act that sets what a bucket's requests default to; answered by the effect `bucket-set`. */ {
      readonly kind: "set-bucket";
      readonly request: RequestId;
      readonly name: string;
      readonly properties: BucketProperties;
    }
  | /** What all members have counted is wanted; see `survey.ts`. */ {
      readonly kind: "client-statistics";
      readonly request: RequestId;
      readonly timeoutMs: Millis | undefined;
    }
  | /** The host will end this node soon: what is in memory alone goes to the disk. */ { readonly kind: "closing" }
  | /** The caller is no longer interested; what was sent may still take effect. */ {
      readonly kind: "client-abandoned";
      readonly request: RequestId;
    } /** `epoch`: the receiver's epoch that the sender addressed; 0 when it knew none. */
  | { readonly kind: "message-received"; readonly from: NodeId; readonly epoch: Epoch; readonly message: Message }
  | /** `protocol`: what its greeting said that it reads; when it is not there, the same as this build. */ {
      readonly kind: "peer-connected";
      readonly peer: NodeId;
      readonly protocol?: ProtocolRange;
    }
  | {
      readonly kind: "peer-lost";
      readonly peer: NodeId;
    } /** One entry for each read of the effect, in its order; see `ReadRecord`. */
  | {
      readonly kind: "loaded";
      readonly ticket: Ticket;
      readonly records: readonly (ReadRecord | undefined)[];
    }
  | /** The transaction is complete: durable. */ { readonly kind: "stored"; readonly ticket: Ticket }
  | /** Whether anything of it is on disk is not known. */ {
      readonly kind: "storage-failed";
      readonly ticket: Ticket;
      readonly reason: string;
    }
  | {
      readonly kind: "scanned";
      readonly ticket: Ticket;
      readonly entries: readonly { readonly address: string; readonly record: ReadRecord }[];
      readonly done: boolean;
    }
  | /** Leaves that are not in it are 0. Those of a store that was lost or is damaged are left out: they are set right in time. */ {
      readonly kind: "leaves-loaded";
      readonly ticket: Ticket;
      readonly leaves: readonly { readonly leaf: Leaf; readonly digest: Digest }[];
    }
  | /** A deadline named by `wakeAt` has passed (or the host felt like it: harmless). */ { readonly kind: "wake" }
  | /** The page went to the background or came back. */ { readonly kind: "visibility"; readonly hidden: boolean }
);
