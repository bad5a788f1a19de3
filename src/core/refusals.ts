/**
 * What a peer that has asked for too much is told (`peer-limits.ts`): a refusal for each question whose answer it waits for. What it does not wait for is
 * not answered.
 */

import type { Lane } from "./effect.ts";
import type { RequestId, RingDigest } from "./identifiers.ts";
import type { CoordinateReply, Message, TransferPage, TransferRequest } from "./message.ts";

export interface Refusal {
  readonly message: Message;
  readonly lane: Lane;
}

/** Undefined: it is not answered. */
export function refusalOf(message: Message, ring: RingDigest): Refusal | undefined {
  switch (message.kind) {
    case "coordinate-get":
    case "coordinate-put":
      return { lane: "foreground", message: overloaded(message.request, ring) };
    case "replica-put": {
      const { request } = message;
      const refused = { outcome: "refused", owner: false, durability: "relaxed", counted: [] } as const;
      return { lane: "background", message: { kind: "replica-put-reply", request, ring, ...refused } };
    }
    case "view-request": {
      const busy = { request: message.request, digest: ring, outcome: "busy", news: undefined } as const;
      return { lane: "foreground", message: { kind: "view-reply", ...busy } };
    }
    case "transfer-request":
      return { lane: "background", message: refusedPage(message) };
    case "archive-request": {
      const page = {
        outcome: "refused",
        counted: [],
        records: [],
        damaged: 0,
        next: undefined,
        coveredFrom: 0,
      } as const;
      return { lane: "background", message: { kind: "archive-page", request: message.request, ring, ...page } };
    }
    default:
      return undefined;
  }
}

export function refusedPage({ request, partition }: TransferRequest): TransferPage {
  return { kind: "transfer-page", request, partition, outcome: "refused", records: [], next: undefined };
}

function overloaded(request: RequestId, ring: RingDigest): CoordinateReply {
  const result = { outcome: "failed", failure: { code: "overloaded" }, report: undefined } as const;
  return { kind: "coordinate-reply", request, ring, result };
}
