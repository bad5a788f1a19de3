/**
 * A survey: one node asks all members what they have counted, for a view of the whole cluster. States of each survey, in order:
 *
 *   asking   every member that can be reached was asked; answers come in
 *   told     all have answered, or the time is over: the caller gets what came, and the names of those who were silent
 *
 * Nothing rests on an answer, so nobody is asked twice, and a member that lies spoils a figure, not data. Answers travel in the background lane.
 *
 * Limits: SURVEYS_MAX at once, beyond which a caller is told of this node alone, all others silent; each ends after its time bound.
 */

import type { Millis, NodeId, RequestId } from "./identifiers.ts";
import { isGone } from "./membership.ts";
import type { StatisticsReply } from "./message.ts";
import type { StatisticsSnapshot } from "./statistics.ts";
import type { Surroundings } from "./surroundings.ts";

const SURVEYS_MAX = 8;

export interface SurveyActions {
  /** What this node itself has counted. */
  own(): StatisticsSnapshot;
}

interface Open {
  /** The caller's. */
  readonly request: RequestId;
  readonly answers: Map<NodeId, StatisticsSnapshot>;
  readonly waiting: Set<NodeId>;
  readonly silent: Set<NodeId>;
}

export class Survey {
  readonly #in: Surroundings;
  readonly #do: SurveyActions;
  /** By the request id under which members were asked. */
  readonly #surveys = new Map<RequestId, Open>();

  constructor(surroundings: Surroundings, actions: SurveyActions) {
    this.#in = surroundings;
    this.#do = actions;
  }

  get size(): number {
    return this.#surveys.size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return this.#surveys;
  }

  start(request: RequestId, timeoutMs: Millis): void {
    const { self, ring, now } = this.#in;
    const own = this.#in.nextRequest();
    const survey: Open = { request, answers: new Map(), waiting: new Set(), silent: new Set() };
    const full = this.#surveys.size >= SURVEYS_MAX;
    for (const member of ring?.view.members ?? []) {
      const { node } = member;
      if (node === self || isGone(member)) continue;
      const asked = !full && this.#in.send(node, { kind: "statistics-request", request: own }, "background");
      (asked ? survey.waiting : survey.silent).add(node);
    }
    this.#surveys.set(own, survey);
    this.#in.timers.set(`survey-timeout:${own}`, now + timeoutMs);
    this.#judge(own, survey);
  }

  onReply(from: NodeId, { request, statistics }: StatisticsReply): void {
    const survey = this.#surveys.get(request);
    if (survey?.waiting.delete(from) !== true) return;
    survey.answers.set(from, statistics);
    this.#judge(request, survey);
  }

  onPeerDown(peer: NodeId): void {
    for (const [own, survey] of this.#surveys) {
      if (!survey.waiting.delete(peer)) continue;
      survey.silent.add(peer);
      this.#judge(own, survey);
    }
  }

  onTimeout(own: RequestId): void {
    const survey = this.#surveys.get(own);
    if (survey === undefined) return;
    for (const node of survey.waiting) survey.silent.add(node);
    survey.waiting.clear();
    this.#judge(own, survey);
  }

  /** The caller is no longer interested. */
  onAbandoned(request: RequestId): void {
    for (const [own, survey] of this.#surveys) if (survey.request === request) this.#end(own);
  }

  #judge(own: RequestId, { request, answers, waiting, silent }: Open): void {
    if (waiting.size > 0) return;
    this.#end(own);
    const all = new Map(answers).set(this.#in.self, this.#do.own());
    this.#in.emit({
      kind: "report-statistics",
      request,
      members: [...all].map(([node, statistics]) => ({ node, statistics })).sort((a, b) => (a.node < b.node ? -1 : 1)),
      silent: [...silent].sort(),
    });
  }

  #end(own: RequestId): void {
    this.#surveys.delete(own);
    this.#in.timers.clear(`survey-timeout:${own}`);
  }
}
