/**
 * A lab's ear for the tabs of one cluster in this browser: it says that it listens, hears what they report, and keeps the recording of it. It follows the
 * present LAG_MS behind, so that what is shown is complete.
 */

import type { Millis } from "../../../src/core/identifiers.ts";
import { defaultLabOptions, type LabOptions } from "../../../src/lab/options.ts";
import { RecordedTime } from "../../../src/lab/recorded-time.ts";
import { type LabCall, SpeechReader, sealCall } from "../../../src/lab/tab-reports.ts";
import { TabsRecording } from "../../../src/lab/tabs-recording.ts";
import type { Flight } from "../../../src/lab/world.ts";
import { commonNow } from "./shared-clock.ts";
import { openLabChannel } from "./lab-channel.ts";

const HEARTBEAT_MS = 150;
const LAG_MS: Millis = 350;

export class TabsVisit {
  readonly cluster: string;
  readonly recording: TabsRecording;
  readonly time: RecordedTime;
  readonly #channel: BroadcastChannel;
  readonly #reader = new SpeechReader();
  readonly #lab = crypto.randomUUID();
  readonly #startedAt = commonNow();
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");
  #timer: ReturnType<typeof setInterval> | undefined;
  #more: () => void = () => undefined;
  #refused: (message: string) => void = () => undefined;

  constructor(cluster: string) {
    this.cluster = cluster;
    this.recording = new TabsRecording(this.#startedAt, {
      ask: (node, number, act) => this.#say({ kind: "do", lab: this.#lab, number, node, act }),
      look: (key) => this.#say({ kind: "look", lab: this.#lab, key }),
      refused: (message) => this.#refused(message),
    });
    this.time = new RecordedTime(this.recording, () => commonNow() - this.#startedAt - LAG_MS);
    this.#channel = openLabChannel(cluster);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
  }

  /** Begins to listen. `more`: there is more to be shown. `refused`: nobody did what was asked; why. */
  listen(more: () => void, refused: (message: string) => void): void {
    this.#more = more;
    this.#refused = refused;
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#beat();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#channel.close();
  }

  /** What of the tabs can be said as of a simulated world: who they are, and the cluster's parameters. */
  get options(): LabOptions {
    const { world } = this.time;
    const parameters = world.nodes.flatMap(({ id }) => world.viewOf(id)?.view?.parameters ?? [])[0];
    const nodes = world.nodes.map(({ name, capacity, zone }) => ({ name, capacity, zone }));
    return { ...defaultLabOptions, nodes, parameters: parameters ?? defaultLabOptions.parameters };
  }

  get flightsShown(): readonly Flight[] {
    return this.time.flightsShown(this.#still.matches);
  }

  #beat(): void {
    this.recording.pump(commonNow());
    this.#say({ kind: "listening", lab: this.#lab });
    this.#more();
  }

  #hear(data: unknown): void {
    // What other labs say is none of this one's business.
    const speech = this.#reader.read(data);
    if (speech?.kind === "done" && speech.lab !== this.#lab) return;
    this.recording.take(speech, commonNow());
  }

  #say(call: LabCall): void {
    this.#channel.postMessage(sealCall(call));
  }
}
