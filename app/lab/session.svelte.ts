/**
 * One visit to the lab: a run of the simulated world, a seed of the simulator, or the recording of real tabs; the moment at which it stands, what is looked at, and whether time passes.
 *
 * `frame` is what moves, and new at each frame that is drawn; `scene` is the rest, and new SCENES_PER_SECOND times a second while time passes, and after each
 * step and act. Who draws from a world asks it only in what depends on one of them. What was refused is told in `refusal`, and nothing was done then.
 */

import type { Millis, NodeId, RequestId } from "../../src/core/identifiers.ts";
import type { LabAct } from "../../src/lab/acts.ts";
import { defaultLabOptions, type LabOptions } from "../../src/lab/options.ts";
import { requestsIn } from "../../src/lab/request-story.ts";
import { type RunLink, decodeRun, encodeRun } from "../../src/lab/run-text.ts";
import { Timeline } from "../../src/lab/timeline.ts";
import type { LabTime } from "../../src/lab/lab-time.ts";
import { LabError, type Flight, type LabNode, type LabWorld } from "../../src/lab/world.ts";
import type { Lesson, Move } from "./lessons/lesson.ts";
import type { SeedVisit } from "./seeds/seed-visit.ts";
import type { TabsVisit } from "./tabs/tabs-visit.ts";
import { OPEN_FILTER, type WireFilter } from "./wire-log.ts";

export const SCENES_PER_SECOND = 5;
/** Milliseconds of the world in one of ours. */
export const SPEEDS = [0.005, 0.02, 0.05, 0.2, 1, 5] as const;
/** A page that was in the background does not make up for it. */
const FRAME_MS_MAX: Millis = 100;
/** While a recording is held its growth is shown so often. */
const HELD_SCENES_MS: Millis = 1_000;

export interface Frame {
  readonly now: Millis;
  readonly flights: readonly Flight[];
}

export interface Scene {
  readonly number: number;
  readonly world: LabWorld;
  readonly now: Millis;
  readonly beginsAt: Millis;
  readonly endsAt: Millis;
  readonly nodes: readonly LabNode[];
  readonly cuts: readonly { readonly from: NodeId; readonly to: NodeId }[];
  /** Acts that are still to come, when this is the past. */
  readonly upcoming: number;
  readonly acts: number;
}

export class LabSession {
  /** The tabs, where they are the world; undefined in the simulated one. */
  readonly live: TabsVisit | undefined;
  /** The seed of the simulator that is looked at, where it is one. */
  readonly seeded: SeedVisit | undefined;
  /** Of the simulated world. */
  #run: Timeline | undefined;
  /** A request was asked of a tab, and is looked at as soon as the tab tells of it. */
  #awaited: { readonly node: string; readonly key: string; readonly after: RequestId } | undefined;
  /** What is still to be done of what `perform` was given, and when the wait under way is over. */
  #moves: Move[] = [];
  #waitsUntil: Millis | undefined;
  #animation: number | undefined;
  #drawnAt = 0;
  #sceneAt = 0;
  frame = $state.raw<Frame>({ now: 0, flights: [] });
  scene = $state.raw<Scene>() as Scene;
  playing = $state(false);
  speed = $state<number>(0.05);
  /** Pings and gossip are drawn, too. */
  drawsAll = $state(false);
  /** Which messages the log shows. */
  wire = $state.raw<WireFilter>(OPEN_FILTER);
  node = $state<string | undefined>();
  key = $state("carts/ada");
  request = $state<RequestId | undefined>();
  flight = $state<number | undefined>();
  refusal = $state("");
  /** Moves are being performed. */
  performing = $state(false);

  constructor(of: RunLink | TabsVisit | SeedVisit = { run: { options: defaultLabOptions, acts: [] }, position: 0 }) {
    if ("run" in of) {
      this.#run = new Timeline(of.run);
      this.#run.seek(of.position);
    } else if ("seedTime" in of) {
      this.seeded = of;
      this.key = of.key;
    } else {
      this.live = of;
      this.speed = 1;
      of.listen(
        () => this.#heard(),
        (refusal) => (this.refusal = refusal),
      );
    }
    this.refresh();
  }

  /** Throws `LabError` when the text is no run. */
  static fromText(text: string): LabSession {
    return new LabSession(decodeRun(text));
  }

  /** At the beginning of a round: all before it has been done. */
  static forLesson(lesson: Pick<Lesson, "options" | "key" | "before" | "rounds">, roundsDone: number): LabSession {
    const session = new LabSession({ run: { options: lesson.options, acts: [] }, position: 0 });
    session.key = lesson.key;
    session.perform([...lesson.before, ...lesson.rounds.slice(0, roundsDone).flatMap(({ moves }) => moves)]);
    session.finish();
    return session;
  }

  /** Of tabs: what can be said of them in these terms, the parameters above all. */
  get options(): LabOptions {
    return this.#run?.run.options ?? this.live?.options ?? this.seeded?.options ?? defaultLabOptions;
  }

  /** This run, at this moment; empty where there is none. */
  get text(): string {
    return this.#run === undefined ? "" : encodeRun({ run: this.#run.run, position: this.#run.now });
  }

  /** Equal at equal moments of equal runs. */
  get hash(): string {
    return this.#run?.hash ?? "";
  }

  get #time(): LabTime {
    const time = this.#run ?? this.live?.time ?? this.seeded?.seedTime;
    if (time === undefined) throw new Error("A visit to the lab is to a run, to tabs or to a seed.");
    return time;
  }

  idOf(name: string): NodeId | undefined {
    return this.scene.nodes.find((node) => node.name === name)?.id;
  }

  nameOf(id: NodeId): string {
    return this.scene.nodes.find((node) => node.id === id)?.name ?? id.slice(0, 6);
  }

  start(): void {
    if (this.playing) return;
    this.playing = true;
    this.#drawnAt = performance.now();
    this.#animation = requestAnimationFrame((at) => this.#draw(at));
  }

  pause(): void {
    this.live?.time.hold();
    this.playing = false;
    if (this.#animation !== undefined) cancelAnimationFrame(this.#animation);
    this.#animation = undefined;
    this.refresh();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.start();
  }

  /** To the next thing that the trace tells of. */
  step(): void {
    this.pause();
    this.#time.stepRecord();
    this.refresh();
  }

  /** So many milliseconds of the world, at once. */
  skip(byMs: Millis): void {
    if (this.live !== undefined) this.pause();
    this.#time.playTo(this.#time.now + byMs);
    this.refresh();
  }

  seek(at: Millis): void {
    this.pause();
    this.#time.seek(at);
    this.refresh();
  }

  /** True when it was done, or asked of a tab. In the past of a run, what came after is forgotten; tabs have only the present, which is shown again. */
  act(act: LabAct): boolean {
    const before = this.live === undefined ? 0 : (requestsIn(this.live.recording.trace).at(-1) ?? 0);
    try {
      this.#time.act(act);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.refusal = error.message;
      return false;
    }
    this.refusal = "";
    const isRequest = act.do === "put" || act.do === "get" || act.do === "delete";
    if (this.live !== undefined) {
      if (isRequest) this.#awaited = { node: act.node, key: act.key, after: before };
      this.live.time.follow();
      this.start();
      this.refresh();
      return true;
    }
    this.refresh();
    if (isRequest) this.request = requestsIn(this.scene.world.trace).at(-1);
    return true;
  }

  /** A new run in the place of this one. True when there is such a world. */
  begin(options: LabOptions): boolean {
    if (this.#run === undefined) return false;
    try {
      this.#run = new Timeline({ options, acts: [] });
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.refusal = error.message;
      return false;
    }
    this.pause();
    this.refusal = "";
    this.request = undefined;
    this.flight = undefined;
    this.wire = OPEN_FILTER;
    this.node = options.nodes[0]?.name;
    this.refresh();
    return true;
  }

  /** Does these one after the other, and lets time pass where they wait. */
  perform(moves: readonly Move[]): void {
    this.#moves = [...moves];
    this.#waitsUntil = undefined;
    this.performing = true;
    this.#goOn();
    if (this.performing) this.start();
  }

  /** Lets all the time pass that moves wait for, at once. */
  finish(): void {
    while (this.#waitsUntil !== undefined) {
      this.#time.playTo(this.#waitsUntil);
      this.#goOn();
    }
    this.pause();
  }

  /** The next moves, up to one that waits; the wait under way is over. */
  #goOn(): void {
    this.#waitsUntil = undefined;
    for (let move = this.#moves.shift(); move !== undefined; move = this.#moves.shift()) {
      if (move.do === "wait") {
        this.#waitsUntil = this.#time.now + move.forMs;
        return;
      }
      this.act(move);
    }
    this.performing = false;
  }

  refresh(): void {
    const { world, now, beginsAt, endsAt, upcoming } = this.#time;
    const number = ((this.scene as Scene | undefined)?.number ?? 0) + 1;
    const { nodes, cuts } = world;
    const acts = this.#run?.run.acts.length ?? this.live?.recording.actsDone ?? 0;
    this.scene = { number, world, now, beginsAt, endsAt, nodes, cuts, upcoming: upcoming.length, acts };
    this.node ??= nodes[0]?.name;
    this.#find();
    this.#drawFrame();
  }

  #drawFrame(): void {
    const { now, world } = this.#time;
    this.frame = { now, flights: this.live?.flightsShown ?? world.flightsUnderWay };
  }

  /** The tabs have told more. What is held stays; only its end is further away. */
  #heard(): void {
    if (this.playing) return;
    const at = performance.now();
    if (at - this.#sceneAt < HELD_SCENES_MS) return;
    this.#sceneAt = at;
    this.refresh();
  }

  /** Looks at the request that was asked of a tab; at a slow pace, from its beginning. */
  #find(): void {
    if (this.#awaited === undefined || this.live === undefined) return;
    const { node, key, after } = this.#awaited;
    const id = this.idOf(node);
    const { trace } = this.live.recording;
    for (let i = trace.length - 1; i >= 0; i--) {
      const record = trace[i]!;
      // What is told late of an earlier request stands between.
      if (record.event.what !== "asked") continue;
      if (record.request !== undefined && record.request <= after) return;
      if (record.node !== id || record.key !== key) continue;
      this.request = record.request;
      this.#awaited = undefined;
      if (this.playing && this.speed < 1) this.live.time.seek(record.at);
      return;
    }
  }

  /** A slow pace plays the recording on from where it stands; the usual one shows the present. */
  #pass(spanMs: Millis): void {
    const { live } = this;
    if (live === undefined) this.#time.playTo(Math.min(this.#time.now + spanMs, this.#waitsUntil ?? Infinity));
    else if (this.speed < 1) live.time.playTo(live.time.now + spanMs);
    else live.time.follow();
  }

  #draw(at: number): void {
    const spanMs = Math.min(FRAME_MS_MAX, Math.max(0, at - this.#drawnAt)) * this.speed;
    this.#drawnAt = at;
    this.#pass(spanMs);
    if (this.#waitsUntil !== undefined && this.#time.now >= this.#waitsUntil) {
      this.#goOn();
      if (!this.performing) {
        this.pause();
        return;
      }
    }
    if (at - this.#sceneAt >= 1_000 / SCENES_PER_SECOND) {
      this.#sceneAt = at;
      this.refresh();
    } else this.#drawFrame();
    if (this.playing) this.#animation = requestAnimationFrame((next) => this.#draw(next));
  }
}
