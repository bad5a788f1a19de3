/**
 * Which caller's request a message belongs to. Nodes do not say: on the wire a request has another number at each node that takes part. So this follows it
 * from the caller's event on, through what each step of a node sends: by the operation id of a put, by the record that the coordinator sends to all its
 * replicas, by the answer that made a coordinator ask somebody else, and from a question to its answer by the number that the asker gave it.
 *
 * What a timer makes a node ask names nothing: then it is taken to belong to the oldest get of that key under way there that has not asked this peer yet.
 * Two gets of one key through one coordinator at one time may so be taken for each other; nothing else can.
 *
 * Limits: THREADS_MAX requests and EXCHANGES_MAX questions are remembered, the latest.
 */

import { type Dot, type DvvSet, covers } from "../core/dvvset.ts";
import type { Effect, Note } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, NodeId, OperationId, RequestId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import { LatestMap } from "./latest-map.ts";

export const THREADS_MAX = 1_000;
export const EXCHANGES_MAX = 20_000;

interface Thread {
  readonly request: RequestId;
  readonly what: "get" | "put";
  readonly key: Key;
  /** The caller's node, and those that were asked to coordinate. */
  readonly at: Set<NodeId>;
  /** What it was asked for, by whom and of whom, apart by spaces. */
  readonly asked: Set<string>;
  answered: boolean;
}

export class RequestThreads {
  readonly #threads = new LatestMap<RequestId, Thread>(THREADS_MAX);
  readonly #byOperation = new LatestMap<OperationId, RequestId>(THREADS_MAX);
  /** By asker and the number that it gave its question. */
  readonly #exchanges = new LatestMap<string, RequestId>(EXCHANGES_MAX);
  /** By keeper, key and target. */
  readonly #hints = new LatestMap<string, RequestId>(EXCHANGES_MAX);
  /** A coordinator sends one and the same record to all. */
  readonly #sets = new WeakMap<DvvSet, RequestId>();
  readonly #messages = new WeakMap<Message, RequestId>();

  /** A caller asks for something, before its node hears of it. */
  began(request: RequestId, node: NodeId, what: "get" | "put", key: Key, operation: OperationId | undefined): void {
    this.#threads.set(request, { request, what, key, at: new Set([node]), asked: new Set(), answered: false });
    if (operation !== undefined) this.#byOperation.set(operation, request);
  }

  /** A node took an event; its effects are not performed yet. */
  stepped(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    const cause = this.#causeOf(node, event);
    if (cause !== undefined && event.kind === "message-received" && event.message.kind.startsWith("coordinate-"))
      this.#threads.get(cause)?.at.add(node);
    const minted = effects.flatMap((effect) =>
      effect.kind === "note" && effect.note.what === "minted" ? [effect.note] : [],
    );
    for (const effect of effects) {
      if (effect.kind !== "send") continue;
      const request = this.#requestOf(node, cause, effect.to, effect.message, minted);
      if (request !== undefined) this.#messages.set(effect.message, request);
    }
  }

  /** Of a message that `stepped` has seen, or of one that a node received. */
  ofSent(message: Message): RequestId | undefined {
    return this.#messages.get(message);
  }

  /** What the step of this event was about. */
  ofNote(node: NodeId, event: NodeEvent, note: Note): RequestId | undefined {
    switch (note.what) {
      case "hint-kept":
      case "hint-delivered":
      case "hint-refused":
        return (
          this.#hints.get(`${node} ${note.key} ${note.target}`) ??
          this.#oldest(node, note.key, "put", () => true)?.request
        );
      case "minted":
        return this.#causeOf(node, event) ?? this.#oldest(node, note.key, "put", () => true)?.request;
      case "read-repair":
      case "hedged":
      case "forwarded":
      case "stand-in":
      case "handed-on":
      case "coordinator-preferred":
      case "owners-unreachable":
        return this.#causeFor(this.#causeOf(node, event), note.key) ?? this.#oldest(node, note.key)?.request;
      default:
        return undefined;
    }
  }

  /** The put that brought what is new in a record. */
  ofStored(before: DvvSet | undefined, after: DvvSet | undefined): RequestId | undefined {
    for (const { operation } of after?.siblings ?? []) {
      if (before?.siblings.some((sibling) => sibling.operation === operation) === true) continue;
      const request = this.#byOperation.get(operation);
      if (request !== undefined) return request;
    }
    return undefined;
  }

  answered(request: RequestId): void {
    const thread = this.#threads.get(request);
    if (thread !== undefined) thread.answered = true;
  }

  #causeOf(node: NodeId, event: NodeEvent): RequestId | undefined {
    if (event.kind === "client-get" || event.kind === "client-put") return this.#threads.get(event.request)?.request;
    if (event.kind !== "message-received") return undefined;
    const asked = questionOf(event.message);
    if (asked !== undefined) return this.#exchanges.get(`${event.from} ${asked}`);
    const answers = answerTo(event.message);
    return answers === undefined ? undefined : this.#exchanges.get(`${node} ${answers}`);
  }

  #causeFor(cause: RequestId | undefined, key: Key): RequestId | undefined {
    return cause !== undefined && this.#threads.get(cause)?.key === key ? cause : undefined;
  }

  #requestOf(
    node: NodeId,
    cause: RequestId | undefined,
    to: NodeId,
    message: Message,
    minted: readonly { readonly key: Key; readonly actor: Dot["actor"]; readonly counter: number }[],
  ): RequestId | undefined {
    const answers = answerTo(message);
    if (answers !== undefined) return this.#exchanges.get(`${to} ${answers}`);
    const thread = this.#threadOf(node, cause, to, message, minted);
    if (thread === undefined) return undefined;
    const { request } = thread;
    const asked = questionOf(message);
    if (asked !== undefined) this.#exchanges.set(`${node} ${asked}`, request);
    if (message.kind === "replica-get" || message.kind === "coordinate-get")
      thread.asked.add(`${message.kind} ${node} ${to}`);
    if (message.kind === "replica-put" && message.hintFor !== undefined)
      this.#hints.set(`${to} ${message.key} ${message.hintFor}`, request);
    return request;
  }

  #threadOf(
    node: NodeId,
    cause: RequestId | undefined,
    to: NodeId,
    message: Message,
    minted: readonly { readonly key: Key; readonly actor: Dot["actor"]; readonly counter: number }[],
  ): Thread | undefined {
    const of = (request: RequestId | undefined): Thread | undefined =>
      request === undefined ? undefined : this.#threads.get(request);
    switch (message.kind) {
      case "coordinate-put":
        return of(this.#byOperation.get(message.write.operation));
      case "coordinate-get":
      case "replica-get":
        return (
          of(this.#causeFor(cause, message.key)) ??
          this.#oldest(node, message.key, "get", ({ asked }) => !asked.has(`${message.kind} ${node} ${to}`))
        );
      case "replica-put": {
        if (message.purpose === "repair")
          return (
            of(this.#causeFor(cause, message.key)) ??
            this.#oldest(node, message.key, "get", ({ answered }) => answered, true)
          );
        if (message.purpose === "hint") return of(this.#hints.get(`${node} ${message.key} ${to}`));
        if (message.purpose !== "write") return undefined;
        let request = this.#sets.get(message.set);
        if (request === undefined) {
          request = this.#writerOf(message.set, message.key, minted);
          if (request !== undefined) this.#sets.set(message.set, request);
        }
        return of(request);
      }
      default:
        return undefined;
    }
  }

  /** The put that made this record: by the dot that was minted for it in this step, else the latest of those in it. */
  #writerOf(
    set: DvvSet,
    key: Key,
    minted: readonly { readonly key: Key; readonly actor: Dot["actor"]; readonly counter: number }[],
  ): RequestId | undefined {
    // Of several in one step each covers those before it.
    for (const dot of [...minted].reverse()) {
      if (dot.key !== key || !covers(set.clock, dot)) continue;
      const sibling = set.siblings.find(({ dots }) =>
        dots.some((own) => own.actor === dot.actor && own.counter === dot.counter),
      );
      const request = sibling === undefined ? undefined : this.#byOperation.get(sibling.operation);
      if (request !== undefined) return request;
    }
    const requests = set.siblings.flatMap(({ operation }) => this.#byOperation.get(operation) ?? []);
    return requests.length === 0 ? undefined : Math.max(...requests);
  }

  #oldest(
    node: NodeId,
    key: Key,
    what?: "get" | "put",
    fits: (thread: Thread) => boolean = ({ answered }) => !answered,
    latest = false,
  ): Thread | undefined {
    let found: Thread | undefined;
    for (const thread of this.#threads.values()) {
      if (thread.key !== key || !thread.at.has(node) || (what !== undefined && thread.what !== what)) continue;
      if (!fits(thread)) continue;
      // What is over long ago is still remembered: of those that are not answered the oldest, else the latest.
      if (found === undefined || latest || found.answered) found = thread;
    }
    return found;
  }
}

/** The number that its sender gave a question. */
export function questionOf(message: Message): RequestId | undefined {
  switch (message.kind) {
    case "coordinate-get":
    case "coordinate-put":
    case "replica-get":
    case "replica-put":
      return message.request;
    default:
      return undefined;
  }
}

/** The number of the question that this answers. */
export function answerTo(message: Message): RequestId | undefined {
  switch (message.kind) {
    case "coordinate-reply":
    case "replica-get-reply":
    case "replica-put-reply":
      return message.request;
    default:
      return undefined;
  }
}
