/**
 * One visit to the lab: a run, the moment at which it stands, what is looked at, and whether time passes.
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
import type { SimulatedWorld } from "../../src/lab/simulated-world.ts";
import { LabError, type Flight, type LabNode } from "../../src/lab/world.ts";
import type { Lesson, Move } from "./lessons/lesson.ts";

export const SCENES_PER_SECOND = 5;
/** Milliseconds of the world in one of ours. */
export const SPEEDS = [0.005, 0.02, 0.05, 0.2, 1, 5] as const;
/** A page that was in the background does not make up for it. */
const FRAME_MS_MAX: Millis = 100;

export interface Frame {
  readonly now: Millis;
  readonly flights: readonly Flight[];
}

export interface Scene {
  readonly number: number;
  readonly world: SimulatedWorld;
  readonly now: Millis;
  readonly endsAt: Millis;
  readonly nodes: readonly LabNode[];
  readonly cuts: readonly { readonly from: NodeId; readonly to: NodeId }[];
  /** Acts that are still to come, when this is the past. */
  readonly upcoming: number;
  readonly acts: number;
}

export class LabSession {
  #timeline: Timeline;
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
  node = $state<string | undefined>();
  key = $state("carts/ada");
  request = $state<RequestId | undefined>();
  flight = $state<number | undefined>();
  refusal = $state("");
  /** Moves are being performed. */
  performing = $state(false);

  constructor(link: RunLink = { run: { options: defaultLabOptions, acts: [] }, position: 0 }) {
    this.#timeline = new Timeline(link.run);
    this.#timeline.seek(link.position);
    this.node = this.#timeline.world.nodes[0]?.name;
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

  get options(): LabOptions {
    return this.#timeline.run.options;
  }

  /** This run, at this moment. */
  get text(): string {
    return encodeRun({ run: this.#timeline.run, position: this.#timeline.now });
  }

  /** Equal at equal moments of equal runs. */
  get hash(): string {
    return this.#timeline.hash;
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
    this.#timeline.stepRecord();
    this.refresh();
  }

  /** So many milliseconds of the world, at once. */
  skip(byMs: Millis): void {
    this.#timeline.playTo(this.#timeline.now + byMs);
    this.refresh();
  }

  seek(at: Millis): void {
    this.pause();
    this.#timeline.seek(at);
    this.refresh();
  }

  /** True when it was done. In the past, what came after is forgotten. */
  act(act: LabAct): boolean {
    try {
      this.#timeline.act(act);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.refusal = error.message;
      return false;
    }
    this.refusal = "";
    this.refresh();
    if (act.do === "put" || act.do === "get" || act.do === "delete")
      this.request = requestsIn(this.scene.world.trace).at(-1);
    return true;
  }

  /** A new run in the place of this one. True when there is such a world. */
  begin(options: LabOptions): boolean {
    try {
      this.#timeline = new Timeline({ options, acts: [] });
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.refusal = error.message;
      return false;
    }
    this.pause();
    this.refusal = "";
    this.request = undefined;
    this.flight = undefined;
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
      this.#timeline.playTo(this.#waitsUntil);
      this.#goOn();
    }
    this.pause();
  }

  /** The next moves, up to one that waits; the wait under way is over. */
  #goOn(): void {
    this.#waitsUntil = undefined;
    for (let move = this.#moves.shift(); move !== undefined; move = this.#moves.shift()) {
      if (move.do === "wait") {
        this.#waitsUntil = this.#timeline.now + move.forMs;
        return;
      }
      this.act(move);
    }
    this.performing = false;
  }

  refresh(): void {
    const { world, now, endsAt, upcoming, run } = this.#timeline;
    const number = ((this.scene as Scene | undefined)?.number ?? 0) + 1;
    const { nodes, cuts } = world;
    this.scene = { number, world, now, endsAt, nodes, cuts, upcoming: upcoming.length, acts: run.acts.length };
    this.frame = { now, flights: world.flightsUnderWay };
  }

  #draw(at: number): void {
    const spanMs = Math.min(FRAME_MS_MAX, Math.max(0, at - this.#drawnAt)) * this.speed;
    this.#drawnAt = at;
    this.#timeline.playTo(Math.min(this.#timeline.now + spanMs, this.#waitsUntil ?? Infinity));
    if (this.#waitsUntil !== undefined && this.#timeline.now >= this.#waitsUntil) {
      this.#goOn();
      if (!this.performing) {
        this.pause();
        return;
      }
    }
    if (at - this.#sceneAt >= 1_000 / SCENES_PER_SECOND) {
      this.#sceneAt = at;
      this.refresh();
    } else this.frame = { now: this.#timeline.now, flights: this.#timeline.world.flightsUnderWay };
    if (this.playing) this.#animation = requestAnimationFrame((next) => this.#draw(next));
  }
}
