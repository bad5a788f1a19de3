/**
 * One request as a waterfall, from the trace: who was asked when and why, who answered when, when the quorum was met and the caller had its answer, what came
 * too late for it, who keeps hints because of it, and whom it repaired. Pure: a trace and the number of a request in, plain data out.
 *
 * A leg is one question from one node to another. Its times are filled in as the trace tells them: sent, arrived, stored there, answer sent, answer back.
 */

import type { Key, Millis, NodeId, RequestId } from "../core/identifiers.ts";
import type { RequestReport } from "../core/message.ts";
import type { Role, TraceRecord } from "./world.ts";

export interface RequestLeg {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly role: Exclude<Role, "reply">;
  /** Whom the receiver keeps the write for. */
  readonly hintFor: NodeId | undefined;
  readonly flight: number;
  readonly sentAt: Millis;
  readonly arrivedAt: Millis | undefined;
  /** When a write was on the receiver's disk. */
  readonly storedAt: Millis | undefined;
  readonly replySentAt: Millis | undefined;
  readonly repliedAt: Millis | undefined;
  /** What the answer said: "stored", "found", "missing", ... */
  readonly outcome: string | undefined;
  /** Why the question, or else its answer, was lost. */
  readonly lostBy: string | undefined;
  readonly replyLostBy: string | undefined;
  /** A replica's answer that came after its coordinator had answered. */
  readonly isLate: boolean;
}

export interface KeptHint {
  readonly keeper: NodeId;
  readonly target: NodeId;
  readonly keptAt: Millis;
  readonly deliveredAt: Millis | undefined;
}

export interface RequestStory {
  readonly request: RequestId;
  readonly operation: "get" | "put";
  readonly key: Key;
  /** Where the caller is. */
  readonly node: NodeId;
  readonly askedAt: Millis;
  readonly answeredAt: Millis | undefined;
  /** ok, none, or the code of the failure; undefined while it is under way. */
  readonly outcome: string | undefined;
  readonly values: readonly (string | undefined)[];
  readonly report: RequestReport | undefined;
  /** Who asked the replicas. More than one after a retry or a hedge. */
  readonly coordinators: readonly NodeId[];
  /** When the coordinator whose answer counted had R or W. */
  readonly quorumAt: Millis | undefined;
  /** When a coordinator had the write on its own disk. */
  readonly ownCopies: readonly {
    readonly node: NodeId;
    readonly storedAt: Millis;
    readonly hintFor: NodeId | undefined;
  }[];
  /** In the order in which they were sent. */
  readonly legs: readonly RequestLeg[];
  readonly hints: readonly KeptHint[];
  /** What nodes noted on the way: forwarded, hedged, stand-in, read-repair, ... */
  readonly notes: readonly { readonly at: Millis; readonly node: NodeId; readonly label: string }[];
}

/** A leg while it is written. */
type Draft = { -readonly [Name in keyof RequestLeg]: RequestLeg[Name] };

/** Undefined when the trace does not tell of its beginning (any more). */
export function storyOf(trace: readonly TraceRecord[], request: RequestId): RequestStory | undefined {
  const asked = trace.find((record) => record.request === request && record.event.what === "asked");
  if (asked?.event.what !== "asked" || asked.node === undefined || asked.key === undefined) return undefined;
  const operation = asked.event.write?.operation;
  /** One commit may bring several writes to a disk; of each disk the first with this one in it counts. */
  const isOn = new Set<string>();
  const stores = ({ event, key, node }: TraceRecord): boolean => {
    if (event.what !== "stored" || operation === undefined || key !== asked.key) return false;
    const place = `${node ?? ""} ${event.target ?? ""}`;
    if (isOn.has(place) || event.set?.siblings.some((sibling) => sibling.operation === operation) !== true)
      return false;
    isOn.add(place);
    return true;
  };
  const records = trace.filter((record) =>
    record.event.what === "stored" ? stores(record) : record.request === request,
  );
  const legs = new Map<string, Draft>();
  const byFlight = new Map<number, Draft>();
  const replies = new Map<number, Draft>();
  const coordinators: NodeId[] = [];
  const ownCopies: { node: NodeId; storedAt: Millis; hintFor: NodeId | undefined }[] = [];
  const hints: { keeper: NodeId; target: NodeId; keptAt: Millis; deliveredAt: Millis | undefined }[] = [];
  const notes: { at: Millis; node: NodeId; label: string }[] = [];
  const handedBack = new Map<NodeId, Millis>();
  let answered: TraceRecord | undefined;

  const isCoordinator = (node: NodeId): void => {
    if (!coordinators.includes(node)) coordinators.push(node);
  };

  for (const record of records) {
    const { event, at, node } = record;
    switch (event.what) {
      case "sent": {
        if (node === undefined || event.role === undefined) break;
        if (event.role === "reply") {
          const leg = legs.get(`${event.peer} ${node} ${event.exchange ?? ""}`);
          if (leg !== undefined) {
            leg.replySentAt ??= at;
            replies.set(event.flight, leg);
          }
          if (event.kind === "coordinate-reply" && event.outcome !== "failed") handedBack.set(node, at);
          break;
        }
        const leg: Draft = {
          from: node,
          to: event.peer,
          role: event.role,
          hintFor: event.hintFor,
          flight: event.flight,
          sentAt: at,
          arrivedAt: undefined,
          storedAt: undefined,
          replySentAt: undefined,
          repliedAt: undefined,
          outcome: undefined,
          lostBy: undefined,
          replyLostBy: undefined,
          isLate: false,
        };
        if (isReplicaRole(event.role)) isCoordinator(node);
        legs.set(`${node} ${event.peer} ${event.exchange ?? ""}`, leg);
        byFlight.set(event.flight, leg);
        break;
      }
      case "received": {
        if (node === undefined) break;
        if (event.role !== "reply") {
          const leg = legs.get(`${event.peer} ${node} ${event.exchange ?? ""}`);
          if (leg !== undefined) leg.arrivedAt ??= at;
          break;
        }
        const leg = legs.get(`${node} ${event.peer} ${event.exchange ?? ""}`);
        if (leg === undefined || leg.repliedAt !== undefined) break;
        leg.repliedAt = at;
        leg.outcome = event.outcome;
        const over = handedBack.get(node) ?? (node === asked.node ? answered?.at : undefined);
        leg.isLate = over !== undefined && isReplicaRole(leg.role);
        break;
      }
      case "lost": {
        const leg = byFlight.get(event.flight);
        if (leg !== undefined) leg.lostBy = event.why;
        const answer = replies.get(event.flight);
        if (answer !== undefined) answer.replyLostBy = event.why;
        break;
      }
      case "stored": {
        if (node === undefined) break;
        const leg = [...legs.values()].find(
          ({ to, role, hintFor, arrivedAt, storedAt }) =>
            to === node &&
            role !== "coordinator" &&
            hintFor === event.target &&
            arrivedAt !== undefined &&
            storedAt === undefined,
        );
        if (leg !== undefined) leg.storedAt = at;
        else if (coordinators.includes(node)) ownCopies.push({ node, storedAt: at, hintFor: event.target });
        break;
      }
      case "note": {
        if (node === undefined) break;
        notes.push({ at, node, label: record.label });
        if (event.note === "minted") isCoordinator(node);
        if (event.peer === undefined) break;
        if (event.note === "hint-kept")
          hints.push({ keeper: node, target: event.peer, keptAt: at, deliveredAt: undefined });
        const hint = hints.find(({ keeper, target }) => keeper === node && target === event.peer);
        if (event.note === "hint-delivered" && hint !== undefined) hint.deliveredAt ??= at;
        break;
      }
      case "answered":
        answered = record;
        break;
      case "asked":
      case "world":
        break;
    }
  }

  const answer = answered?.event.what === "answered" ? answered.event : undefined;
  const by = answer?.report?.coordinator;
  return {
    request,
    operation: asked.event.operation,
    key: asked.key,
    node: asked.node,
    askedAt: asked.at,
    answeredAt: answered?.at,
    outcome: answer?.outcome,
    values: answer?.values ?? [],
    report: answer?.report,
    coordinators,
    quorumAt:
      answer?.outcome !== "ok" || by === undefined ? undefined : by === asked.node ? answered?.at : handedBack.get(by),
    ownCopies,
    legs: [...legs.values()],
    hints,
    notes,
  };
}

/** The numbers of the requests whose beginning the trace tells of, the earliest first. */
export function requestsIn(trace: readonly TraceRecord[]): RequestId[] {
  return trace.flatMap(({ event, request }) => (event.what === "asked" && request !== undefined ? [request] : []));
}

/** Asked for the sake of the quorum. */
function isReplicaRole(role: Role): boolean {
  return role === "counted" || role === "joining" || role === "fallback" || role === "hint";
}
