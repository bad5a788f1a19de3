/**
 * Scenarios: short scripts that read like a story, run on the real node in a calm world, with what happened as their transcript. Each file in
 * `scenarios/` is a script, a rule of dashes, and the transcript that it must give.
 *
 *   # a remark
 *   cluster a b c d n=3 r=2 w=2     nodes in the order of joining, the first founds; `s:0` has capacity 0; also partitions=16, seed=1
 *   a put carts/ada milk [seen] [own] [w=1] [op=x] [lww] [later]
 *                                   seen: with the context of a's last get of the key; own: of a's last put; op: the same name is the same
 *                                   operation; later: do not wait for the answer
 *   a delete carts/ada [seen] ...   the same with a tombstone
 *   a get carts/ada [r=1] [later]
 *   partition a b | c d             heal
 *   hold a c                        keeps back what a sends to c;  release a c  lets it out, late
 *   crash c   restart c             wipe c d   (d is the new node)   join e   freeze c 10s
 *   wait 3s                         settle     (until the cluster is at rest and agrees; says so when it does not)
 *   owners carts/ada                disk carts/ada                   (every node's record and hints)
 *   show notes | messages | answers (what is written besides the answers; notes at first)
 *
 * Limits: a request is waited for WAIT_MS_MAX, rest SETTLE_MS_MAX, in virtual time.
 */

import { Prng } from "../base/prng.ts";
import { utf8Encode } from "../base/bytes.ts";
import { hintAddress, parseHintAddress, partitionOf, positionOf, recordAddress } from "../core/address.ts";
import { type ClusterParameters, defaultConfig, defaultParameters } from "../core/config.ts";
import type { Clock } from "../core/dvvset.ts";
import type { Effect } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import type { ClientResult } from "../core/message.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring } from "../core/ring.ts";
import { Checkers } from "./checkers.ts";
import { History, type OperationBits } from "./history.ts";
import { Simulator } from "./simulator.ts";
import {
  type Names,
  formatMessage,
  formatNote,
  formatResult,
  formatSet,
  formatTime,
  isAboutKeys,
  isTelling,
  namesOf,
} from "./transcript.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";

const WAIT_MS_MAX: Millis = 20_000;
const SETTLE_MS_MAX: Millis = 180_000;
/** Rest counts when it lasts this long: tokens are given away some seconds after a view has changed. */
const REST_MS: Millis = 6_000;

/** A script has a line that is no command; nothing ran beyond it. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

/** Runs a script and returns its transcript, lines ending in newlines. The same script always gives the same transcript. */
export function runScenario(script: string): string {
  const scenario = new Scenario();
  script.split("\n").forEach((line, i) => {
    try {
      scenario.command(line.trim());
    } catch (error) {
      if (error instanceof ScenarioError) throw new ScenarioError(`line ${i + 1}: ${error.message}`);
      throw error;
    }
  });
  return scenario.transcript;
}

interface Seen {
  readonly context: Clock;
  readonly seen: OperationBits;
  readonly prefer: NodeId | undefined;
}

class Scenario {
  readonly #lines: string[] = [];
  readonly #nodes = new Map<string, NodeId>();
  readonly #history = new History();
  readonly #checkers = new Checkers(this.#history);
  readonly #read = new Map<string, Seen>();
  readonly #put = new Map<string, Seen>();
  readonly #operations = new Map<string, OperationId>();
  readonly #drawn = Prng.fromNumber(1);
  readonly #names: Names = namesOf((node) => this.#world.nameOf(node));
  #simulator: Simulator | undefined;
  #first: NodeId | undefined;
  #shown: "answers" | "notes" | "messages" = "notes";

  get transcript(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  command(line: string): void {
    if (line === "" || line.startsWith("#")) return;
    this.#lines.push(`> ${line}`);
    const [verb = "", ...rest] = line.split(/\s+/);
    switch (verb) {
      case "cluster":
        return this.#cluster(rest);
      case "partition":
        return this.#world.partition(
          rest
            .join(" ")
            .split("|")
            .map((group) =>
              group
                .trim()
                .split(/\s+/)
                .map((name) => this.#node(name)),
            ),
        );
      case "heal":
        return this.#world.heal();
      case "hold":
        return this.#world.network.hold(this.#node(rest[0]), this.#node(rest[1]));
      case "release":
        return this.#world.network.release(this.#node(rest[0]), this.#node(rest[1]));
      case "crash":
        return this.#world.crash(this.#node(rest[0]));
      case "restart":
        return this.#world.restart(this.#node(rest[0]));
      case "wipe":
        return this.#wipe(rest);
      case "join":
        return this.#join(rest[0] ?? "", []);
      case "freeze":
        return this.#world.freeze(this.#node(rest[0]), duration(rest[1]));
      case "wait":
        return this.#world.runUntil(this.#world.now + duration(rest[0]));
      case "settle":
        return this.#settle();
      case "owners":
        return this.#owners(rest[0] as Key);
      case "disk":
        return this.#disk(rest[0] as Key);
      case "show":
        if (rest[0] !== "answers" && rest[0] !== "notes" && rest[0] !== "messages")
          throw new ScenarioError(`show what?`);
        this.#shown = rest[0];
        return;
      default:
        return this.#request(verb, rest);
    }
  }

  get #world(): Simulator {
    if (this.#simulator === undefined) throw new ScenarioError("there is no cluster yet");
    return this.#simulator;
  }

  #cluster(words: readonly string[]): void {
    const numbers = numbersOf(words);
    const parameters: ClusterParameters = {
      n: numbers.get("n") ?? defaultParameters.n,
      r: numbers.get("r") ?? defaultParameters.r,
      w: numbers.get("w") ?? defaultParameters.w,
      partitions: numbers.get("partitions") ?? 16,
    };
    this.#simulator = new Simulator(numbers.get("seed") ?? 1, {
      makeNode: (options) => new DynamoNode(options),
      network: calmNetwork,
      storage: calmStorage,
      observer: {
        stepped: (node, event, effects) => this.#onStep(node, event, effects),
        applied: (node, store, address, before, after) => this.#checkers.onApplied(node, store, address, before, after),
      },
    });
    this.#checkers.watch(this.#simulator);
    const shown = this.#shown;
    this.#shown = "answers";
    words.filter((word) => !word.includes("=")).forEach((word, i) => this.#join(word, i === 0 ? [parameters] : []));
    this.#settle();
    this.#shown = shown;
  }

  #join(word: string, found: readonly ClusterParameters[]): void {
    const [name = "", capacity] = word.split(":");
    if (!/^[a-z][a-z0-9]*$/.test(name)) throw new ScenarioError(`${word} is no name for a node`);
    const config = { ...defaultConfig, capacity: capacity === undefined ? 1 : Number(capacity), zone: name };
    const seeds = this.#first === undefined ? [] : [this.#first];
    const node = this.#world.add({ name, config, found: found[0], seeds });
    this.#first ??= node;
    this.#nodes.set(name, node);
  }

  #wipe(words: readonly string[]): void {
    const [name = "", successor = ""] = words;
    const node = this.#node(name);
    this.#checkers.onWipe(node);
    this.#nodes.set(successor, this.#world.wipe(node, successor));
  }

  #settle(): void {
    const world = this.#world;
    const until = world.now + SETTLE_MS_MAX;
    let missing: string | undefined;
    while (world.now < until) {
      world.runUntil(world.now + 500);
      const rest = this.#checkers.rest();
      missing = rest.missing;
      if (rest.sinceMs < REST_MS) continue;
      this.#checkers.checkNothingLost();
      return;
    }
    this.#lines.push(`  not settled: ${missing ?? "no rest"}`);
  }

  #request(nodeName: string, words: readonly string[]): void {
    const node = this.#node(nodeName);
    const [verb, keyText = "", ...rest] = words;
    if (verb !== "put" && verb !== "get" && verb !== "delete")
      throw new ScenarioError(`${nodeName} ${verb ?? ""} is no command`);
    const key = keyText as Key;
    const place = `${node} ${key}`;
    const value = verb === "put" ? rest.shift() : undefined;
    if (verb === "put" && value === undefined) throw new ScenarioError("put what?");
    const numbers = numbersOf(rest);
    let answered = false;
    const done = (result: ClientResult | undefined): void => {
      answered = true;
      this.#line(node, `= ${result === undefined ? "no answer" : formatResult(result, this.#names)}`);
      if (result?.outcome === "got") {
        this.#checkers.judge(key, result.set, node, "answers with");
        this.#read.set(place, {
          context: result.set.clock,
          seen: this.#history.of(key).seenIn(result.set),
          prefer: result.first,
        });
      }
    };
    if (verb === "get") this.#world.get(node, key, { r: numbers.get("r") }, done);
    else this.#write(node, key, value === undefined ? null : utf8Encode(value), rest, done);
    if (rest.includes("later")) return;
    const until = this.#world.now + WAIT_MS_MAX;
    while (!answered && this.#world.now < until) this.#world.step();
    if (!answered) this.#lines.push("  no answer yet");
  }

  #write(
    node: NodeId,
    key: Key,
    value: Uint8Array | null,
    words: readonly string[],
    done: (result: ClientResult | undefined) => void,
  ): void {
    const place = `${node} ${key}`;
    const base = words.includes("own")
      ? this.#put.get(place)
      : words.includes("seen")
        ? this.#read.get(place)
        : undefined;
    if ((words.includes("own") || words.includes("seen")) && base === undefined)
      throw new ScenarioError(`${this.#world.nameOf(node)} has no context for ${key}`);
    const name = words.find((word) => word.startsWith("op="));
    const operation =
      (name === undefined ? undefined : this.#operations.get(name)) ?? (this.#drawn.hex(16) as OperationId);
    if (name !== undefined) this.#operations.set(name, operation);
    const history = this.#history.of(key);
    const put =
      history.byId.get(operation) ??
      this.#history.put(key, { operation, value, context: base?.context ?? [], seen: base?.seen });
    const w = numbersOf(words).get("w");
    const policy = words.includes("lww") ? "last-write-wins" : "siblings";
    const write = {
      value: put.value,
      context: put.context,
      operation,
      at: this.#world.wallAt(node),
      w,
      policy,
    } as const;
    this.#world.put(node, key, write, { prefer: base?.prefer }, (result) => {
      done(result);
      if (result?.outcome !== "put") return;
      const { needed, coordinator } = result.report;
      this.#checkers.onAcknowledged(put, needed);
      put.acknowledged = { needed, at: this.#world.now, coordinator };
      const seen = put.past.copy();
      seen.add(put.index);
      this.#put.set(place, { context: result.clock, seen, prefer: undefined });
    });
  }

  #owners(key: Key): void {
    const view = this.#first === undefined ? undefined : this.#world.inspect(this.#first)?.view;
    if (view === undefined) throw new ScenarioError("the first node does not run");
    const list = new Ring(view).preferenceList(partitionOf(positionOf(key), view.claims.length));
    const named = (nodes: readonly NodeId[]): string => nodes.map((node) => this.#world.nameOf(node)).join(" ") || "-";
    this.#lines.push(
      `  owners ${named(list.owners)}; counted ${named(list.counted)}; fallbacks ${named(list.fallbacks)}`,
    );
  }

  #disk(key: Key): void {
    const position = positionOf(key);
    for (const [name, node] of this.#nodes) {
      if (this.#world.stateOf(node) === "wiped") continue;
      const disk = this.#world.diskOf(node);
      const parts: string[] = [];
      const record = disk.get("records", recordAddress(key, position));
      if (record !== undefined) parts.push(formatSet(record.set, this.#names));
      const lowest = hintAddress(key, position, "" as NodeId);
      for (const address of disk.addresses("hints", lowest, `${lowest}g`)) {
        const { target } = parseHintAddress(address);
        parts.push(`hint for ${this.#world.nameOf(target)} ${formatSet(disk.get("hints", address)!.set, this.#names)}`);
      }
      this.#lines.push(`  ${name}: ${parts.join("; ") || "nothing"}`);
    }
  }

  #onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    this.#checkers.onStep(node, event, effects);
    if (this.#shown === "answers") return;
    if (this.#shown === "messages" && event.kind === "message-received" && isAboutKeys(event.message))
      this.#line(node, `< ${this.#names.node(event.from)}: ${formatMessage(event.message, this.#names)}`);
    for (const effect of effects) {
      if (effect.kind === "note" && isTelling(effect.note))
        this.#line(node, `* ${formatNote(effect.note, this.#names)}`);
      else if (this.#shown === "messages" && effect.kind === "send" && isAboutKeys(effect.message))
        this.#line(node, `> ${this.#names.node(effect.to)}: ${formatMessage(effect.message, this.#names)}`);
    }
  }

  #line(node: NodeId, text: string): void {
    this.#lines.push(`  ${formatTime(this.#world.now)} ${this.#world.nameOf(node)} ${text}`);
  }

  #node(name: string | undefined): NodeId {
    const node = this.#nodes.get(name ?? "");
    if (node === undefined) throw new ScenarioError(`there is no node ${name ?? ""}`);
    return node;
  }
}

/** `3s` or `200ms`, in milliseconds. */
function duration(word: string | undefined): Millis {
  const match = /^(\d+)(ms|s)$/.exec(word ?? "");
  if (match === null) throw new ScenarioError(`${word ?? "nothing"} is no duration; 3s and 200ms are`);
  return Number(match[1]) * (match[2] === "s" ? 1_000 : 1);
}

/** `n=3 w=2` as numbers by name. */
function numbersOf(words: readonly string[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const word of words) {
    const match = /^([a-z]+)=(\d+)$/.exec(word);
    if (match !== null) numbers.set(match[1]!, Number(match[2]));
  }
  return numbers;
}
