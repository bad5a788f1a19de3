/**
 * A judge of what nodes say of themselves: counts in the plainest way what callers asked of each node and were told, and compares with what the node
 * has counted (core/bookkeeping.ts), since its last start. At the end of a run one node asks all others, and must get the same.
 *
 * It also keeps an account of what each peer may ask of a node (core/peer-limits.ts): nothing is refused for which there was room, and no more than that
 * is done.
 */

import { Histogram, VALUE_MAX } from "../base/histogram.ts";
import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Millis, NodeId, RequestId } from "../core/identifiers.ts";
import type { Message } from "../core/message.ts";
import {
  FAILURE_CODES,
  type FailureCode,
  type OperationStatistics,
  type StatisticsSnapshot,
  VERSIONS_SEEN,
  answeredShare,
  mergeStatistics,
  requestsOf,
} from "../core/statistics.ts";
import { InvariantViolation } from "./checkers.ts";
import { noted } from "./noted.ts";
import type { Simulator } from "./simulator.ts";

const MINUTE_MS = 60_000;

interface Asked {
  readonly kind: "get" | "put";
  readonly at: Millis;
  readonly timeoutMs: Millis;
}

interface Told {
  readonly kind: "get" | "put";
  readonly at: Millis;
  /** Undefined when it was answered. */
  readonly failure: FailureCode | undefined;
  readonly timedOut: boolean;
  readonly versions: number | undefined;
  /** Undefined when it was turned away at once. */
  readonly micros: number | undefined;
}

interface Book {
  readonly open: Map<RequestId, Asked>;
  readonly told: Told[];
  abandoned: number;
  /** It is past its start: until then it answers nobody. */
  isAwake: boolean;
  /** What each peer may still ask, by peer and kind of work. */
  readonly allowances: Map<string, { left: number; at: Millis }>;
  /** The node's own clock. */
  now: Millis;
}

function newBook(now: Millis): Book {
  return { open: new Map(), told: [], abandoned: 0, isAwake: false, allowances: new Map(), now };
}

/** On which account a peer draws with a message; undefined: it is never limited. */
function accountOf(message: Message): "requests" | "background" | "views" | undefined {
  if (message.kind === "coordinate-get" || message.kind === "coordinate-put") return "requests";
  if (message.kind === "view-request") return "views";
  return isBackgroundWork(message) ? "background" : undefined;
}

function isBackgroundWork(message: Message): boolean {
  const { kind } = message;
  return (
    kind === "transfer-request" ||
    kind === "archive-request" ||
    kind === "statistics-request" ||
    kind === "sizes-request" ||
    (kind === "replica-put" && message.purpose !== "write")
  );
}

export class Audit {
  readonly #simulator: Simulator;
  readonly #books = new Map<NodeId, Book>();

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    if (event.kind === "started") this.#books.set(node, newBook(event.at));
    const book = this.#books.get(node);
    if (book === undefined) return;
    book.now = Math.max(book.now, event.at);
    if (event.kind === "client-get" || event.kind === "client-put") {
      const timeoutMs = event.timeoutMs ?? this.#simulator.configOf(node).requestTimeoutMs;
      const kind = event.kind === "client-get" ? "get" : "put";
      book.open.set(event.request, { kind, at: book.now, timeoutMs });
    } else if (event.kind === "client-abandoned" && book.open.delete(event.request)) book.abandoned++;
    else if (event.kind === "message-received") this.#checkAllowance(node, book, event, effects);
    for (const effect of effects) if (effect.kind === "reply") this.#onReply(book, event, effect);
  }

  #checkAllowance(
    node: NodeId,
    book: Book,
    { from, message }: NodeEvent & { kind: "message-received" },
    effects: readonly Effect[],
  ): void {
    const refused = noted(effects, "peer-limited");
    const account = accountOf(message);
    if (account === undefined) {
      if (refused) this.#complain(node, `refused a ${message.kind}, which is never limited, of`, from);
      return;
    }
    if (noted(effects, "late-dropped")) return;
    book.isAwake ||= this.#simulator.inspect(node)?.phase !== "starting";
    if (!book.isAwake) return;
    const config = this.#simulator.configOf(node);
    const limits = {
      requests: [config.peerRequestsPerSecond, config.peerRequestsBurst],
      background: [config.peerBackgroundPerSecond, config.peerBackgroundBurst],
      views: [config.peerViewsPerSecond, config.peerViewsBurst],
    } as const;
    const own = this.#allowance(book, `${from} ${account}`, ...limits[account]);
    const ofAll = this.#allowance(book, "views of all", config.viewsPerSecond, config.viewsBurst);
    if (account !== "views") {
      if (refused && own.left >= 1 + 1e-6)
        this.#complain(node, `refused a ${message.kind}, though it had room for it, of`, from);
      if (!refused) own.left -= 1;
    } else {
      if (refused && own.left >= 1 + 1e-6 && ofAll.left >= 1 + 1e-6)
        this.#complain(node, "refused a question about the view, though it had room for it, of", from);
      // What the one bucket gave is gone, though the other one had nothing.
      if (own.left >= 1 - 1e-6) own.left = Math.max(0, own.left - 1);
      else if (!refused) own.left -= 1;
      if (!refused) ofAll.left -= 1;
    }
    if (own.left < -1e-6 || ofAll.left < -1e-6) this.#complain(node, `did more ${account} than it may for`, from);
  }

  #complain(node: NodeId, what: string, from: NodeId): never {
    throw new InvariantViolation("bounded", `${this.#simulator.nameOf(node)} ${what} ${this.#simulator.nameOf(from)}`);
  }

  #allowance(book: Book, name: string, perSecond: number, burst: number): { left: number; at: Millis } {
    const allowance = book.allowances.get(name) ?? { left: burst, at: book.now };
    book.allowances.set(name, allowance);
    allowance.left = Math.min(burst, allowance.left + ((book.now - allowance.at) * perSecond) / 1_000);
    allowance.at = book.now;
    return allowance;
  }

  #onReply(book: Book, event: NodeEvent, { request, result }: Effect & { kind: "reply" }): void {
    const asked = book.open.get(request);
    if (asked === undefined) return;
    book.open.delete(request);
    const failure = result.outcome === "failed" ? result.failure.code : undefined;
    const atOnce = (event.kind === "client-get" || event.kind === "client-put") && event.request === request;
    const turnedAway = atOnce && (failure === "not-ready" || failure === "overloaded");
    book.told.push({
      kind: asked.kind,
      at: book.now,
      failure,
      timedOut: failure === "quorum" && book.now >= asked.at + asked.timeoutMs,
      versions: result.outcome === "got" ? result.set.siblings.length : undefined,
      micros: turnedAway ? undefined : Math.min(VALUE_MAX, Math.floor((book.now - asked.at) * 1_000)),
    });
  }

  /** What every running node has counted is what its callers saw. */
  check(): void {
    for (const node of [...this.#simulator.running, ...this.#simulator.lights]) {
      const statistics = this.#simulator.statisticsOf(node);
      if (statistics !== undefined) this.#checkNode(node, statistics);
    }
  }

  /** One running node asks all members, and they say together what all callers saw. To be called when all is settled. */
  checkSurvey(node: NodeId): void {
    const simulator = this.#simulator;
    let report: Parameters<Parameters<Simulator["survey"]>[1]>[0] | undefined;
    simulator.survey(node, (answer) => (report = answer));
    simulator.runUntil(simulator.now + 2 * simulator.configOf(node).requestTimeoutMs);
    const running = [...simulator.running].sort();
    const demand = (holds: boolean, what: string): void => {
      if (!holds) throw new InvariantViolation("statistics", `asked by ${simulator.nameOf(node)}, ${what}`);
    };
    demand(report !== undefined, "the cluster gave no statistics");
    const { members, silent } = report!;
    demand(
      members.map((member) => member.node).join() === running.join(),
      `${members.length} of ${running.length} nodes gave theirs`,
    );
    demand(
      silent.every((other) => simulator.stateOf(other) === "wiped"),
      "a running node was called silent",
    );
    const merged = members.map((member) => member.statistics).reduce(mergeStatistics);
    const told = running.flatMap((other) => this.#books.get(other)?.told ?? []);
    demand(
      requestsOf(merged.gets) + requestsOf(merged.puts) === told.length,
      `they counted ${requestsOf(merged.gets) + requestsOf(merged.puts)} requests, but callers asked for ${told.length}`,
    );
    const answered = told.filter(({ failure }) => failure === undefined || failure === "too-many-siblings").length;
    demand(
      told.length === 0 || answeredShare(merged.gets, merged.puts) === answered / told.length,
      `they say that a share of ${answeredShare(merged.gets, merged.puts)} was answered, but it is ${answered / told.length}`,
    );
  }

  #checkNode(node: NodeId, statistics: StatisticsSnapshot): void {
    const { told, abandoned, now } = this.#books.get(node)!;
    const same = (what: string, counted: number, seen: number): void => {
      if (counted === seen) return;
      throw new InvariantViolation(
        "statistics",
        `${this.#simulator.nameOf(node)} has counted ${counted} ${what}, but there were ${seen}`,
      );
    };
    const within = (what: string, counted: number, least: number, most: number): void => {
      same(what, counted, Math.min(most, Math.max(least, counted)));
    };
    const after = (ended: readonly Told[], ms: Millis): number => ended.filter(({ at }) => at > now - ms).length;
    const operations = [
      ["get", statistics.gets],
      ["put", statistics.puts],
    ] as const;
    for (const [kind, counted] of operations) {
      const ended = told.filter((each) => each.kind === kind);
      this.#checkOperations(kind, ended, counted, same);
      const measured = ended.filter(({ micros }) => micros !== undefined);
      const recent = new Histogram().include(counted.recentMicros).count;
      within(`${kind}s of the last minute`, recent, after(measured, MINUTE_MS), after(measured, MINUTE_MS + 10_000));
    }
    for (let versions = 0; versions < VERSIONS_SEEN; versions++) {
      const seen = told.filter((each) => each.versions !== undefined && Math.min(each.versions, 4) === versions);
      same(`gets with ${versions} versions`, statistics.versionsSeen[versions] ?? 0, seen.length);
    }
    same("requests abandoned", statistics.counts.abandoned, abandoned);
    const thisMinute = told.filter(({ at }) => Math.floor(at / MINUTE_MS) === Math.floor(now / MINUTE_MS)).length;
    const ofMinutes = statistics.minutes.reduce((sum, minute) => sum + minute.requests, 0);
    within("requests of the last half hour", ofMinutes, after(told, 30 * MINUTE_MS), after(told, 31 * MINUTE_MS));
    within("requests of this minute", statistics.minutes[0]?.requests ?? 0, thisMinute, thisMinute);
  }

  #checkOperations(
    kind: "get" | "put",
    ended: readonly Told[],
    counted: OperationStatistics,
    same: (what: string, counted: number, seen: number) => void,
  ): void {
    const failed = (code: FailureCode | undefined) => ended.filter(({ failure }) => failure === code).length;
    same(`${kind}s answered`, counted.answered, failed(undefined));
    for (const code of FAILURE_CODES) same(`${kind}s failed (${code})`, counted.failed[code], failed(code));
    same(`${kind}s out of time`, counted.timedOut, ended.filter(({ timedOut }) => timedOut).length);
    const micros = ended.flatMap((each) => each.micros ?? []);
    const latency = new Histogram().include(counted.latencyMicros);
    same(`latencies of ${kind}s`, latency.count, micros.length);
    same(
      `microseconds in ${kind}s`,
      latency.sum,
      micros.reduce((sum, each) => sum + each, 0),
    );
    same(`microseconds in the slowest ${kind}`, latency.max, Math.max(0, ...micros));
  }
}
