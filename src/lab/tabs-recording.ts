/**
 * A recording of a cluster of real tabs, made of what they report: `SpeechReader` reads it, this puts it in order and keeps it, and `worldAt` is the world of
 * the lab at any moment of it. What tabs tell comes late and each for itself; it is held back until all who report have told up to there, HOLD_MS at most, and
 * then applied in the order of time, but a message never before its sending.
 *
 * A message is found again at its receiver by its bytes. One that is not received in LOST_MS is lost (CUT_LOST_MS where there is a cut), and one to a node that
 * reports nothing is `unseen`. What is known of a node that reports nothing is what others believe of it: hearsay.
 *
 * Times given to it are of the clock that the tabs share; moments of the recording are milliseconds since it began. A request of a caller gets a number of the
 * recording's own, because each node counts its own. Acts go out through the port and come back as what the tabs then do.
 *
 * Limits: RECORDED_MS_MAX of views; the recorder's of records, FLIGHTS_MAX of messages; STATES_MAX keys of nodes, and STATES_PER_KEY_MAX changes of each.
 */

import { utf8Decode } from "../base/bytes.ts";
import { unreachable } from "../base/assert.ts";
import { keyOfRecord, parseHintAddress } from "../core/address.ts";
import type { DvvSet } from "../core/dvvset.ts";
import type { Note } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, Millis, NodeId, RequestId } from "../core/identifiers.ts";
import { isGone } from "../core/membership.ts";
import type { ClientResult, Message } from "../core/message.ts";
import { type Names, formatMessage } from "../sim/transcript.ts";
import { type LabAct, actFault, describeAct } from "./acts.ts";
import { boundedNames } from "./actor-names.ts";
import { LatestMap } from "./latest-map.ts";
import { type Moment, addMoment, forgetBefore, momentAt } from "./moments.ts";
import { type KeyState, type KnownTab, RecordedWorld, type Recording } from "./recorded-world.ts";
import { RequestThreads } from "./request-threads.ts";
import { listIn } from "./rings.ts";
import {
  type Happening,
  type KeyAnswer,
  NO_FAULTS,
  type TabAct,
  type TabFaults,
  type TabSpeech,
} from "./tab-reports.ts";
import {
  roleOf,
  tellingOfAnswer,
  tellingOfAsked,
  tellingOfNote,
  tellingOfReceived,
  tellingOfSent,
  tellingOfStored,
} from "./tellings.ts";
import { TraceRecorder } from "./trace-recorder.ts";
import { type Flight, LabError, type TraceRecord } from "./world.ts";

export const HOLD_MS: Millis = 1_500;
export const LOST_MS: Millis = 5_000;
export const CUT_LOST_MS: Millis = 700;
/** So long after its last word a tab counts as silent. */
export const SILENT_MS: Millis = 4_000;
export const RECORDED_MS_MAX: Millis = 600_000;
export const FLIGHTS_MAX = 6_000;
export const STATES_MAX = 2_000;
export const STATES_PER_KEY_MAX = 200;
const REQUESTS_MAX = 10_000;
/** A key that somebody looks at is asked for again after so long, while an answer is missing. */
const LOOK_AGAIN_MS: Millis = 2_000;
const WANTED_MAX = 64;

/** What can be asked of real tabs. */
const ABILITIES: readonly LabAct["do"][] = [
  "put",
  "delete",
  "get",
  "bucket",
  "leave",
  "remove",
  "close",
  "restart",
  "cut",
  "cut-one-way",
  "heal",
  "loss",
  "latency",
  "freeze",
  "thaw",
  "disk-full",
  "skew",
  "catch",
  "server",
];

/** Why the rest cannot. */
const CANNOT: Partial<Readonly<Record<LabAct["do"], string>>> = {
  join: "Nobody but you can open a tab: open one more tab of this cluster",
  crash: "A page cannot make another one crash: close the tab by hand, or end it in the browser's task manager",
  wipe: "A page does not delete the disk of another one",
};

/** What goes out of the recording. */
export interface TabsPort {
  /** `number`: comes back in the tab's `done`. */
  ask(node: NodeId, number: number, act: TabAct): void;
  /** All tabs: what have you of this key? */
  look(key: Key): void;
  /** An act was done by nobody; why. */
  refused(message: string): void;
}

interface Reporter {
  readonly queue: (Happening | { readonly what: "heard"; readonly at: Millis; readonly apply: () => void })[];
  heardAt: Millis;
  /** All before this was told. */
  toldTo: Millis;
  untold: number;
  /** The numbers that this recording gives to its callers' requests. */
  readonly requests: LatestMap<RequestId, { readonly number: RequestId; readonly key: Key }>;
}

export class TabsRecording implements Recording {
  readonly abilities: ReadonlySet<LabAct["do"]> = new Set(ABILITIES);
  readonly #port: TabsPort;
  readonly #startedAt: Millis;
  readonly #recorder: TraceRecorder;
  readonly #threads = new RequestThreads();
  readonly #names: Names;
  readonly #tabs = new Map<NodeId, KnownTab>();
  readonly #reporters = new Map<NodeId, Reporter>();
  /** By node and key; a space apart. */
  readonly #states = new LatestMap<string, { isWhole: boolean; readonly moments: Moment<KeyState>[] }>(STATES_MAX);
  /** When each was asked for last. */
  readonly #wanted = new LatestMap<Key, Millis>(WANTED_MAX);
  /** Sent and not received: by sender, receiver and the sum of the bytes, in their order. */
  readonly #carried = new Map<string, number[]>();
  /** Where each of those stands. */
  readonly #carriedAt = new Map<number, string>();
  /** Messages that were delayed alone, by how much. */
  readonly #delayed = new LatestMap<number, Millis>(REQUESTS_MAX);
  readonly #acts = new LatestMap<number, LabAct>(REQUESTS_MAX);
  /** The same record in two messages is one, as at its sender: by that a write is followed. */
  readonly #sets = new LatestMap<string, DvvSet>(STATES_MAX);
  #flights = 0;
  #requests = 0;
  #actsDone = 0;
  /** The moment that is being recorded. */
  #at: Millis = 0;
  #version = 0;
  /** The recorder makes new ones at each question, and they are asked for at each frame. */
  #copied: { readonly version: number; readonly flights: readonly Flight[] } | undefined;
  #strange = 0;
  #unreadable = 0;

  constructor(startedAt: Millis, port: TabsPort) {
    this.#startedAt = startedAt;
    this.#port = port;
    this.#recorder = new TraceRecorder(() => this.#at, FLIGHTS_MAX);
    this.#recorder.begin(0);
    this.#names = boundedNames((node) => this.nameOf(node));
  }

  /** Up to here it is recorded. */
  get now(): Millis {
    return this.#at;
  }

  /** From here on it can be looked at. */
  get beginsAt(): Millis {
    const met = Math.min(...[...this.#tabs.values()].map(({ metAt }) => metAt));
    const [first] = this.#recorder.trace;
    const letGo = first === undefined || first.number === 1 ? 0 : first.at;
    return Math.max(met === Infinity ? 0 : met, this.#at - RECORDED_MS_MAX, letGo);
  }

  /** Another one whenever there is more. */
  get version(): number {
    return this.#version;
  }

  get actsDone(): number {
    return this.#actsDone;
  }

  /** Pages of other builds that spoke, happenings that were too many or could not be read: how much of the truth is missing. */
  get missing(): { readonly strange: number; readonly untold: number } {
    const untold = [...this.#reporters.values()].reduce((sum, reporter) => sum + reporter.untold, 0);
    return { strange: this.#strange, untold: untold + this.#unreadable };
  }

  get tabs(): readonly KnownTab[] {
    return [...this.#tabs.values()];
  }

  get trace(): readonly TraceRecord[] {
    return this.#recorder.trace;
  }

  get flights(): readonly Flight[] {
    if (this.#copied?.version !== this.#version)
      this.#copied = { version: this.#version, flights: this.#recorder.flights };
    return this.#copied.flights;
  }

  nameOf(node: NodeId): string {
    return this.#tabs.get(node)?.name ?? node.slice(0, 6);
  }

  /** Who tells of itself now, whatever its node does. */
  reports(node: NodeId): boolean {
    const phase = this.#tabs.get(node)?.phases.at(-1)?.what;
    return phase === "opening" || phase === "open" || phase === "closed";
  }

  worldAt(at: Millis): RecordedWorld {
    return new RecordedWorld(this, Math.max(0, Math.min(at, this.#at)));
  }

  // What comes in

  take(speech: TabSpeech | { readonly kind: "strange" } | undefined, now: Millis): void {
    if (speech === undefined) return;
    switch (speech.kind) {
      case "strange":
        this.#strange++;
        this.#version++;
        return;
      case "report":
        this.#report(speech, now);
        return;
      case "has": {
        const { node, at, answer } = speech;
        this.#reporters.get(node)?.queue.push({ what: "heard", at, apply: () => this.#answered(node, answer) });
        return;
      }
      case "done": {
        const act = this.#acts.get(speech.number);
        if (act === undefined || speech.fault === undefined) return;
        const message = `${describeAct(act)}: ${speech.fault.message}`;
        // What a request came to is told as its answer.
        if (act.do !== "put" && act.do !== "get" && act.do !== "delete") this.#tellWorld(message);
        this.#port.refused(message);
        return;
      }
      default:
        unreachable(speech);
    }
  }

  #report(report: TabSpeech & { kind: "report" }, now: Millis): void {
    const { node, at, phase, happenings, snapshot, faults, untold } = report;
    let reporter = this.#reporters.get(node);
    if (reporter === undefined) {
      const requests = new LatestMap<RequestId, { number: RequestId; key: Key }>(REQUESTS_MAX);
      reporter = { queue: [], heardAt: now, toldTo: at, untold: 0, requests };
      this.#reporters.set(node, reporter);
    }
    this.#meet(node).isLight = report.isLight;
    reporter.heardAt = now;
    reporter.toldTo = Math.max(reporter.toldTo, at);
    reporter.untold += untold;
    reporter.queue.push(...happenings);
    reporter.queue.push({
      what: "heard",
      at,
      apply: () => {
        const tab = this.#meet(node);
        const before = tab.phases.at(-1)?.what;
        // Who has gone comes back as another node.
        if (before !== phase && before !== "gone") addMoment(tab.phases, this.#at, phase);
        if (!sameFaults(tab.faults.at(-1)?.what, faults)) addMoment(tab.faults, this.#at, faults);
        if (snapshot === undefined) return;
        addMoment(tab.snapshots, this.#at, snapshot);
        forgetBefore(tab.snapshots, this.#at - RECORDED_MS_MAX);
        for (const member of snapshot.view.view?.members ?? []) if (!isGone(member)) this.#meet(member.node);
      },
    });
  }

  /** Records what is complete by now. */
  pump(now: Millis): void {
    for (const [node, reporter] of this.#reporters) {
      const tab = this.#meet(node);
      if (now - reporter.heardAt > SILENT_MS && this.reports(node)) addMoment(tab.phases, this.#at, "silent");
    }
    const told = [...this.#reporters].flatMap(([node, { toldTo }]) => (this.reports(node) ? [toldTo] : []));
    const upTo = Math.max(now - HOLD_MS, Math.min(...told, now));
    for (;;) {
      let next: NodeId | undefined;
      let nextAt = upTo;
      for (const [node, { queue }] of this.#reporters) {
        const [head] = queue;
        if (head === undefined || head.at > nextAt || (next !== undefined && head.at === nextAt)) continue;
        next = node;
        nextAt = head.at;
      }
      if (next === undefined) break;
      this.#applyNext(next);
    }
    this.#reach(upTo);
    this.#giveUp();
    for (const [key, askedAt] of this.#wanted.entries())
      if (now - askedAt >= LOOK_AGAIN_MS) {
        this.#wanted.set(key, now);
        this.#port.look(key);
      }
    this.#version++;
  }

  /** Time never goes back here, whatever the clocks of the tabs say. */
  #reach(at: Millis): void {
    this.#at = Math.max(this.#at, at - this.#startedAt);
  }

  #applyNext(node: NodeId): void {
    const reporter = this.#reporters.get(node);
    const happening = reporter?.queue.shift();
    if (reporter === undefined || happening === undefined) return;
    if (happening.what === "step" && happening.sum !== undefined && happening.event.kind === "message-received")
      this.#sendFirst(happening.event.from, node, happening.sum);
    this.#reach(happening.at);
    try {
      if (happening.what === "step") this.#step(node, reporter, happening);
      else if (happening.what === "stored") this.#stored(node, happening);
      else if (happening.what === "caught") this.#caught(node, happening);
      else happening.apply();
    } catch {
      // A note or an answer of another build: the rest is good.
      this.#unreadable++;
    }
  }

  /** Clocks of two tabs may be apart by more than a message takes. */
  #sendFirst(from: NodeId, to: NodeId, sum: string): void {
    const queue = this.#reporters.get(from)?.queue ?? [];
    const isSending = (each: (typeof queue)[number]): boolean =>
      each.what === "step" && each.sent.some((sending) => sending.to === to && sending.sum === sum);
    while (!this.#carried.has(`${from} ${to} ${sum}`) && queue.some(isSending)) this.#applyNext(from);
    // What became of it at once is told right after it.
    while (queue[0]?.what === "caught") this.#applyNext(from);
  }

  #meet(node: NodeId): KnownTab {
    let tab = this.#tabs.get(node);
    if (tab === undefined) {
      const place = this.#tabs.size;
      const name = place < 26 ? String.fromCharCode(97 + place) : `n${place + 1}`;
      tab = { id: node, name, metAt: this.#at, phases: [], snapshots: [], faults: [], isLight: false };
      this.#tabs.set(node, tab);
      this.#recorder.added(node);
    }
    return tab;
  }

  // What happened at a node

  #step(node: NodeId, reporter: Reporter, { event: told, sum, sent, effects }: Happening & { what: "step" }): void {
    const event = this.#numbered(node, reporter, told);
    const sends = sent.map(({ to, message: carried, sum: sentSum }) => {
      const message = this.#asOne(carried);
      return {
        to,
        sum: sentSum,
        message,
        effect: { kind: "send", to, epoch: 0, lane: "foreground", message } as const,
      };
    });
    this.#threads.stepped(node, event, [...effects, ...sends.map(({ effect }) => effect)]);
    if (event.kind === "message-received" && sum !== undefined) this.#received(node, event.from, event.message, sum);
    for (const effect of effects) {
      if (effect.kind === "departed") addMoment(this.#meet(node).phases, this.#at, "gone");
      else if (effect.kind === "reply") this.#answer(node, reporter, effect.request, effect.result);
      else if (effect.kind === "note") this.#note(node, event, effect.note);
    }
    for (const { to, message, sum: sentSum } of sends) this.#sent(node, to, message, sentSum);
  }

  /** A caller's request gets its number here. */
  #numbered(node: NodeId, reporter: Reporter, event: NodeEvent): NodeEvent {
    if (event.kind !== "client-get" && event.kind !== "client-put") return event;
    const number = ++this.#requests;
    const { key } = event;
    reporter.requests.set(event.request, { number, key });
    const write =
      event.kind === "client-get"
        ? undefined
        : {
            value:
              event.write.value === null
                ? undefined
                : (utf8Decode(event.write.value) ?? `${event.write.value.length} bytes`),
            context: event.write.context,
            operation: event.write.operation,
          };
    const operation = write === undefined ? "get" : "put";
    this.#threads.began(number, node, operation, key, write?.operation);
    this.#recorder.record(node, tellingOfAsked(key, number, operation, write));
    return { ...event, request: number };
  }

  #answer(node: NodeId, reporter: Reporter, request: RequestId, result: ClientResult): void {
    const asked = reporter.requests.get(request);
    if (asked === undefined) return;
    reporter.requests.delete(request);
    this.#threads.answered(asked.number);
    this.#recorder.record(node, tellingOfAnswer(asked.key, asked.number, result, this.#names));
  }

  #note(node: NodeId, event: NodeEvent, note: Note): void {
    this.#recorder.record(node, tellingOfNote(note, this.#threads.ofNote(node, event, note), this.#names));
  }

  #sent(from: NodeId, to: NodeId, message: Message, sum: string): void {
    this.#meet(to);
    const flight = ++this.#flights;
    const request = this.#threads.ofSent(message);
    const view = this.#tabs.get(from)?.snapshots.at(-1)?.what.view.view;
    const role = request === undefined ? undefined : roleOf(message, to, (key) => listIn(view, key));
    const label = formatMessage(message, this.#names);
    const telling = tellingOfSent({ to, flight, message, request, role, label }, this.#names);
    this.#recorder.sent(flight, from, to, { kind: message.kind, letter: undefined, label, role }, Infinity, telling);
    this.#carry(flight, `${from} ${to} ${sum}`);
  }

  #carry(flight: number, place: string): void {
    const waiting = this.#carried.get(place);
    if (waiting === undefined) this.#carried.set(place, [flight]);
    else waiting.push(flight);
    this.#carriedAt.set(flight, place);
  }

  #caught(from: NodeId, { fault, sum }: Happening & { what: "caught" }): void {
    const { to, how, byMs } = fault;
    const place = `${from} ${to} ${sum}`;
    const id = this.#carried.get(place)?.at(-1);
    const flight = id === undefined ? undefined : this.#recorder.flight(id);
    if (flight === undefined) return;
    if (how === "drop") {
      this.#uncarry(flight.id);
      this.#recorder.lost(flight.id, "dropped", (node) => this.nameOf(node));
      return;
    }
    if (how === "delay") this.#delayed.set(flight.id, byMs);
    else {
      const copy = ++this.#flights;
      this.#recorder.doubled(copy, flight.id, Infinity);
      this.#carry(copy, place);
    }
    const what = how === "delay" ? `delayed by ${byMs} ms` : "doubled";
    const { label, key, request } = flight;
    const told = `${what}: ${this.nameOf(from)} > ${this.nameOf(to)} ${label}`;
    this.#recorder.record(undefined, { label: told, key, request, event: { what: "world" } });
  }

  #received(node: NodeId, from: NodeId, message: Message, sum: string): void {
    this.#meet(from);
    const flight = this.#carried.get(`${from} ${node} ${sum}`)?.[0];
    if (flight !== undefined) {
      this.#uncarry(flight);
      this.#recorder.arrived(flight, this.#delayed.get(flight) !== undefined);
      this.#recorder.received(node, (kept) => tellingOfReceived(from, message, kept, this.#names));
      return;
    }
    const label = formatMessage(message, this.#names);
    const facts = { kind: message.kind, letter: undefined, label, role: undefined };
    this.#recorder.heard(++this.#flights, from, node, facts, (kept) => ({
      ...tellingOfReceived(from, message, kept, this.#names),
      key: "key" in message ? message.key : undefined,
    }));
  }

  #stored(node: NodeId, { store, address, set }: Happening & { what: "stored" }): void {
    const hint = store === "hints" ? parseHintAddress(address) : undefined;
    const key = hint?.key ?? keyOfRecord(address);
    const { moments } = this.#stateOf(node, key);
    const before = moments.at(-1)?.what ?? { record: undefined, damaged: false, hints: new Map<NodeId, DvvSet>() };
    const was = hint === undefined ? before.record : before.hints.get(hint.target);
    this.#recorder.record(node, tellingOfStored(store, address, set, this.#threads.ofStored(was, set), this.#names));
    if (hint === undefined) return this.#keep(moments, { ...before, record: set, damaged: false });
    const hints = new Map(before.hints);
    if (set === undefined) hints.delete(hint.target);
    else hints.set(hint.target, set);
    this.#keep(moments, { ...before, hints });
  }

  #answered(node: NodeId, { key, record, damaged, hints }: KeyAnswer): void {
    const state = this.#stateOf(node, key);
    const first = state.moments.length === 0;
    state.isWhole = true;
    this.#keep(state.moments, { record, damaged, hints: new Map(hints.map(({ target, set }) => [target, set])) });
    // Nothing of this key had come to its disk since this began: so it was before.
    if (first && state.moments[0] !== undefined) state.moments[0] = { ...state.moments[0], at: 0 };
  }

  #keep(moments: Moment<KeyState>[], what: KeyState): void {
    addMoment(moments, this.#at, what);
    if (moments.length > STATES_PER_KEY_MAX) moments.shift();
  }

  #stateOf(node: NodeId, key: Key): { isWhole: boolean; readonly moments: Moment<KeyState>[] } {
    const place = `${node} ${key}`;
    const known = this.#states.get(place);
    if (known !== undefined) return known;
    const state = { isWhole: false, moments: [] };
    this.#states.set(place, state);
    return state;
  }

  /** What its disk had of a key then. When not all of it is known it is asked for. */
  stateAt(node: NodeId, key: Key, at: Millis): KeyState | undefined {
    const state = this.#states.get(`${node} ${key}`);
    if (state?.isWhole !== true && this.reports(node) && this.#wanted.get(key) === undefined)
      this.#wanted.set(key, -Infinity);
    return state === undefined ? undefined : momentAt(state.moments, at);
  }

  // Messages that do not arrive

  #giveUp(): void {
    for (const flight of this.#recorder.flightsUnderWay) {
      const ageMs = this.#at - flight.sentAt;
      if (!this.reports(flight.to)) {
        if (ageMs < CUT_LOST_MS) continue;
        this.#uncarry(flight.id);
        this.#recorder.unseen(flight.id);
        continue;
      }
      // What waits at a frozen node is not lost, and what it takes when it thaws is told after that.
      if (this.#at - this.#frozenLastAt(flight.to) < LOST_MS) continue;
      const isCut = this.isCut(flight.from, flight.to, flight.sentAt);
      if (ageMs < (isCut ? CUT_LOST_MS : LOST_MS + this.#lateBy(flight))) continue;
      this.#uncarry(flight.id);
      this.#recorder.lost(flight.id, isCut ? "cut" : "not received", (node) => this.nameOf(node));
    }
  }

  /** When it was frozen last; minus infinity when it never was. */
  #frozenLastAt(node: NodeId): Millis {
    const faults = this.#tabs.get(node)?.faults ?? [];
    for (let i = faults.length - 1; i >= 0; i--) if (faults[i]!.what.frozen) return faults[i + 1]?.at ?? this.#at;
    return -Infinity;
  }

  /** So much later than usual it may come, by what its ends tell of themselves. */
  #lateBy({ id, from, to, sentAt }: Flight): Millis {
    const latencyAt = (node: NodeId): Millis => this.#faultsAt(node, sentAt).addedLatencyMs;
    return latencyAt(from) + latencyAt(to) + (this.#delayed.get(id) ?? 0);
  }

  #uncarry(flight: number): void {
    const place = this.#carriedAt.get(flight);
    if (place === undefined) return;
    this.#carriedAt.delete(flight);
    const left = (this.#carried.get(place) ?? []).filter((each) => each !== flight);
    if (left.length === 0) this.#carried.delete(place);
    else this.#carried.set(place, left);
  }

  /** What one said to the other then could not pass, by what either of them tells of its own faults. */
  isCut(from: NodeId, to: NodeId, at: Millis): boolean {
    const cuts = (node: NodeId, other: NodeId): boolean => {
      const { cut } = this.#faultsAt(node, at);
      return cut === "all" || (cut !== "none" && cut.includes(other));
    };
    return cuts(from, to) || cuts(to, from) || this.#faultsAt(from, at).muted.includes(to);
  }

  #faultsAt(node: NodeId, at: Millis): TabFaults {
    return momentAt(this.#tabs.get(node)?.faults ?? [], at) ?? NO_FAULTS;
  }

  /** Records that stand in several messages are one and the same object from here on. */
  #asOne(message: Message): Message {
    if (message.kind !== "replica-put") return message;
    const { set } = message;
    const dots = (list: DvvSet["clock"]): string => list.map(({ actor, counter }) => `${actor}:${counter}`).join();
    const siblings = set.siblings.map((sibling) => `${sibling.operation} ${dots(sibling.dots)}`).join("|");
    const place = `${message.key} ${dots(set.clock)} ${siblings}`;
    const known = this.#sets.get(place);
    if (known !== undefined) return { ...message, set: known };
    this.#sets.set(place, set);
    return message;
  }

  // Acts

  act(act: LabAct): void {
    const fault = actFault(act);
    if (fault !== undefined) throw new LabError("invalid", `This cannot be done: ${fault}. Nothing was done.`);
    if (!this.abilities.has(act.do)) throw new LabError("not-able", `${whyNot(act.do)}. Nothing was done.`);
    const asked = this.#asked(act);
    if (act.do !== "put" && act.do !== "get" && act.do !== "delete") this.#tellWorld(describeAct(act));
    for (const [node, what] of asked) {
      this.#acts.set(++this.#actsDone, act);
      this.#port.ask(node, this.#actsDone, what);
    }
  }

  /** Who is asked for what. Everything that can speak against it from here has spoken. */
  #asked(act: LabAct): readonly (readonly [node: NodeId, act: TabAct])[] {
    switch (act.do) {
      case "put": {
        const { key, value, context, w } = act;
        return [[this.#open(act.node), { do: "put", key, value, context, w }]];
      }
      case "delete":
        return [[this.#open(act.node), { do: "delete", key: act.key, context: act.context, w: act.w }]];
      case "get":
        return [[this.#open(act.node), { do: "get", key: act.key, r: act.r }]];
      case "bucket": {
        const { bucket, policy, r, w } = act;
        return [[this.#open(act.node), { do: "bucket", bucket, policy, r, w }]];
      }
      case "leave":
        return [[this.#open(act.node), { do: "leave", planned: act.planned }]];
      case "remove": {
        const { force, planned } = act;
        return [[this.#open(act.node), { do: "remove", target: this.#named(act.target), force, planned }]];
      }
      case "close":
        return [[this.#open(act.node), { do: "close" }]];
      case "restart": {
        const node = this.#reporting(act.node);
        if (this.#tabs.get(node)?.phases.at(-1)?.what !== "closed") throw notSo(act.node, "is not closed");
        return [[node, { do: "restart" }]];
      }
      case "cut": {
        const [side, other] = [act.side, act.other].map((names) => names.map((name) => this.#named(name)));
        return this.#atLeastOne([
          ...side!.map((node) => [node, { do: "cut", nodes: other! }] as const),
          ...other!.map((node) => [node, { do: "cut", nodes: side! }] as const),
        ]);
      }
      case "cut-one-way": {
        const to = act.to.map((name) => this.#named(name));
        return act.from.map((name) => [this.#reporting(name), { do: "mute", nodes: to }] as const);
      }
      case "heal":
        return this.#atLeastOne([...this.#reporters.keys()].map((node) => [node, { do: "heal" }] as const));
      case "loss":
        return this.#atLeastOne(
          [...this.#reporters.keys()].map((node) => [node, { do: "lose", perMille: act.perMille }] as const),
        );
      case "freeze":
        return [[this.#open(act.node), { do: "freeze", forMs: act.forMs }]];
      case "thaw": {
        const node = this.#open(act.node);
        if (!this.#faultsAt(node, this.#at).frozen) throw notSo(act.node, "is not frozen");
        return [[node, { do: "thaw" }]];
      }
      case "catch": {
        const { kind, how, byMs } = act;
        return [[this.#open(act.from), { do: "catch", to: this.#named(act.to), kind, how, byMs }]];
      }
      case "server":
        return this.#atLeastOne(
          [...this.#reporters.keys()].map((node) => [node, { do: "server", down: act.down }] as const),
        );
      case "disk-full":
        return [[this.#open(act.node), { do: "disk-full", full: act.full }]];
      case "skew":
        return [[this.#open(act.node), { do: "skew", byMs: act.byMs }]];
      case "latency":
        return this.#atLeastOne(
          act.nodes.map((name) => [this.#named(name), { do: "latency", byMs: act.byMs }] as const),
        );
      default:
        throw new LabError("not-able", `${whyNot(act.do)}. Nothing was done.`);
    }
  }

  /** A cut at one end is a cut: those that report make it. */
  #atLeastOne(asked: readonly (readonly [NodeId, TabAct])[]): readonly (readonly [NodeId, TabAct])[] {
    const heard = asked.filter(([node]) => this.reports(node));
    if (heard.length > 0) return heard;
    throw new LabError("not-so", "No tab of this browser that this concerns reports. Nothing was done.");
  }

  #named(name: string): NodeId {
    for (const tab of this.#tabs.values()) if (tab.name === name) return tab.id;
    throw new LabError("unknown-node", `There is no node ${name}. Nothing was done.`);
  }

  #reporting(name: string): NodeId {
    const node = this.#named(name);
    if (!this.reports(node)) throw notSo(name, "is in no tab of this browser that reports: nobody here can ask it");
    return node;
  }

  #open(name: string): NodeId {
    const node = this.#reporting(name);
    if (this.#tabs.get(node)?.phases.at(-1)?.what !== "open") throw notSo(name, "is closed");
    return node;
  }

  #tellWorld(label: string): void {
    this.#recorder.record(undefined, { label, key: undefined, request: undefined, event: { what: "world" } });
    this.#version++;
  }
}

function whyNot(what: LabAct["do"]): string {
  return CANNOT[what] ?? "This can be done to simulated nodes, not to real tabs";
}

function notSo(name: string, why: string): LabError {
  return new LabError("not-so", `${name} ${why}. Nothing was done.`);
}

function sameFaults(a: TabFaults | undefined, b: TabFaults): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
