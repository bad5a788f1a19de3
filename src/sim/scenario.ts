/**
 * Scenarios: short scripts that read like a story, run on the real node in a calm world, with what happened as their transcript. Each file in
 * `scenarios/` is a script, a rule of dashes, and the transcript that it must give. The checkers watch as in any simulation: a broken invariant
 * ends the scenario, and so does a `check` that is not true, so that a wrong transcript cannot be accepted by mistake. Times in the transcript
 * count from the moment when the cluster stands.
 *
 *   # a remark
 *
 *   The cluster
 *   cluster a b c d n=3 r=2 w=2     nodes in the order of joining, one after the other; the first founds. `s:0` has capacity 0, `a@east` is in
 *                                   the zone east, else each node is a zone of its own. Also partitions=16, seed=1; hints=2 (kept for others at
 *                                   most), cache=1 (records in memory at most), log=16 (recent writes
 *                                   kept at most), placement=1 tokens=4 (random tokens of a node), reap=2 (tombstones are reaped
 *                                   after so many seconds), grace=10000 (silent for so many ms, removed), history=60 (carts keep what was
 *                                   replaced for so many seconds); `a/1` has an older build, which reads up to version 1 of the protocol
 *   join d e                        at the same moment, introduced by the first node;  join e via c   introduced by c
 *   light l via a b links=2         a light client, which knows these two, and is linked to two members at most
 *
 *   Callers
 *   a put carts/ada milk            a shopper at node a; keys in sessions/ are of the bucket where the last write wins
 *     seen, seen=b                  with the context of the last get of the key at a, or at b
 *     own, own=b                    with the context of the last put of the key at a, or at b
 *     w=1   pw=2   dw=1   op=x   later     op: the same name is the same operation; later: do not wait for the answer
 *     times=100                     so often, each after the answer to the one before; `#` in the value is its number
 *   a delete carts/ada              a put of a tombstone
 *   a get carts/ada                 also r=1, pr=2, later, times=100
 *   a bucket carts siblings w=1     what the bucket defaults to, from now on; also last-write-wins, merge:NAME, and any of r, w, pr, pw, dw, buffered.
 *                                   Puts of a bucket that was set leave the policy to it
 *
 *   The network
 *   partition a b | c d             only nodes of one side reach each other
 *   cut a b                         nothing passes between these two, all others hear both
 *   mute a                          what a sends is lost, what is sent to it arrives
 *   heal                            ends all of these
 *   hold a c [replica-put]          keeps back what a sends to c, all or of one kind;  release a c  lets it out, late
 *   drop a c replica-put [2]        the next one, or so many, of a kind from a to c are lost
 *   slow a 50x                      messages to and from a take so much longer; 1x ends it
 *
 *   Nodes, disks, clocks
 *   crash c d                       without a word; what was not durable is gone.  restart c d
 *   power-cut a b c                 they crash at once, and what their disks have not flushed is gone, too
 *   wipe c d                        c and its disk are gone for good; d is the new node on that computer
 *   leave c d                       each gives all that it has to others, and goes for good
 *   freeze c 10s                    a background tab that gets no time
 *   disk c 1000x                    reads and writes at c take so much longer; 1x ends it
 *   gray c 600ms, gray c never      c answers pings, but what it replies to requests of its replica comes so much later, or never; 0ms ends it
 *   hide c 60s                      its tab is in the background, where timers fire at whole multiples of so much.  unhide c
 *   fail c commits 2 [hints] [applied]
 *                                   the next commits at c fail, all or those that write records, hints or meta; applied: on disk nevertheless
 *   fail c reads 1                  the next reads at c fail
 *   clock c +1h, clock c -5min      the wall clock at c is wrong by so much
 *
 *   build c 2                       its tab is closed, and opened again with a build that reads up to version 2; the disk stays. One that cannot read its
 *                                   disk refuses it, and the build from before is opened again
 *
 *   Time
 *   wait 3s                         also 200ms, 5min, 1h
 *   settle                          until the cluster is at rest and agrees, and nothing acknowledged is lost
 *
 *   Looking
 *   owners carts/ada                disk carts/ada   (every node's record and hints)
 *   show notes                      what is written besides the answers: answers (nothing), notes (at first), partitions (also who holds which),
 *                                   or messages (also those about keys)
 *   check a get carts/ada = milk, eggs       reads (also r=1) and expects exactly these siblings; `deleted` is a tombstone, `nothing` no sibling
 *   check a disk carts/ada = milk            the record on a's disk
 *   check a answer = ok                      a's last answer: ok, none, or the code of the failure
 *   check a bucket carts = siblings w=1      what a has heard of a bucket, or nothing
 *   check a hints = 1                        hints on a's disk
 *   check a hints carts/ada = 1              those of one key
 *   check a tokens >= 5                      tokens of a
 *   check a members = 4                      whom a knows
 *   check a protocol = 2                     the newest version that all read, as a sees it
 *   check a share = 50                       how much of its speed a leaves to background work, in percent
 *   check a slow c = yes                     whether a takes c for slow;  check a hidden c = yes  whether it knows that c's tab is hidden
 *   check a past carts/ada 3s = complete     whether a finds all that was there then of the key's partition: else `2 of w`: puts that two or more have
 *                                            acknowledged
 *   check copies carts/ada milk >= 2         disks with this value, as a record or as a hint
 *   check owners carts/ada = b c a           likewise counted, joining, fallbacks: the preference list, as the first node sees it
 *   check lost nothing                       every acknowledged put is at every owner, or was replaced by one that had seen it
 *
 * A script may also be one line, a seed of the swarm that once failed, made small:
 *
 *   seed 5073 without=loss,jitter drop=3,4 callers=1
 *
 * Limits: a request is waited for WAIT_MS_MAX, rest SETTLE_MS_MAX, in virtual time.
 */

import { Prng } from "../base/prng.ts";
import { toHex, utf8Encode } from "../base/bytes.ts";
import { type BucketPolicy, bucketNameOf, bucketNamed } from "../core/buckets.ts";
import { hintAddress, parseHintAddress, partitionOf, positionOf, recordAddress } from "../core/address.ts";
import {
  type ClusterParameters,
  type Config,
  type PlacementStrategy,
  defaultConfig,
  defaultParameters,
  parametersFault,
  parametersFrom,
} from "../core/config.ts";
import type { Clock, DvvSet } from "../core/dvvset.ts";
import type { Effect, Note, Write } from "../core/effect.ts";
import type { NodeEvent } from "../core/event.ts";
import type { Key, Millis, NodeId, OperationId } from "../core/identifiers.ts";
import type { ClientResult, Message } from "../core/message.ts";
import { LightClient } from "../core/light-client.ts";
import { isGone } from "../core/membership.ts";
import { DynamoNode } from "../core/node.ts";
import { Ring, tokenCounts } from "../core/ring.ts";
import { Budget } from "./budget.ts";
import { Checkers, InvariantViolation, setsOnDisk } from "./checkers.ts";
import { HedgeJudge } from "./hedge-judge.ts";
import { History, type OperationBits, promisedOf } from "./history.ts";
import { canGoBack, olderConfig } from "./mixed-versions.ts";
import { parseOptions } from "./shrink.ts";
import { Simulator } from "./simulator.ts";
import { runSeed } from "./swarm.ts";
import {
  type Names,
  formatBucket,
  formatMessage,
  formatNote,
  formatPlainValue,
  formatResult,
  formatSet,
  formatTime,
  isAboutKeys,
  isTelling,
  namesOf,
} from "./transcript.ts";
import { calmNetwork } from "./virtual-network.ts";
import { calmStorage } from "./virtual-storage.ts";
import { isSessionKey } from "./workload.ts";

const WAIT_MS_MAX: Millis = 20_000;
const SETTLE_MS_MAX: Millis = 180_000;
/** Rest counts when it lasts this long: tokens are given away some seconds after a view has changed. */
const REST_MS: Millis = 6_000;
const LINES_IN_FAILURE = 40;

/** A script has a line that is no command; nothing ran beyond it. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

/** A check was not true, the cluster did not come to rest, or an invariant broke (then that is the `cause`). Carries the end of the transcript. */
export class ScenarioFailure extends Error {
  override readonly name = "ScenarioFailure";
}

const RULE = "\n----\n";

/** A file of `scenarios/`: its script, and the transcript that it must give. */
export function partsOf(file: string): { readonly script: string; readonly transcript: string } {
  const [script = "", transcript = ""] = file.split(RULE);
  return { script: script.trimEnd(), transcript };
}

export function fileOf(script: string, transcript: string): string {
  return `${script}${RULE}${transcript}`;
}

/** Runs a script and returns its transcript, lines ending in newlines. The same script always gives the same transcript. */
export function runScenario(script: string): string {
  const seed = /^seed (\d+) ?(.*)$/m.exec(script);
  if (seed !== null)
    return replaySeed(
      Number(seed[1]),
      seed[2]!.split(/\s+/).filter((word) => word !== ""),
    );
  const scenario = new Scenario();
  script.split("\n").forEach((text, i) => {
    const line = text.trim();
    try {
      scenario.command(line);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      if (error instanceof ScenarioError) throw new ScenarioError(`line ${i + 1}: ${what}`);
      const end = scenario.transcript.split("\n").slice(-LINES_IN_FAILURE).join("\n");
      throw new ScenarioFailure(`line ${i + 1}, ${line}: ${what}\n${end}`, { cause: error });
    }
  });
  return scenario.transcript;
}

/** A seed that failed once, made small by `npm run sim -- --shrink`: it must hold. */
function replaySeed(seed: number, words: readonly string[]): string {
  const options = parseOptions(words);
  if (options === undefined) throw new ScenarioError(`seed ${seed}: ${words.join(" ")} are no options`);
  const { failure, shape, actions, acknowledged, transcriptHash, timeline } = runSeed(seed, {
    ...options,
    trace: true,
  });
  if (failure !== undefined) throw new ScenarioFailure(`seed ${seed}: ${failure.message}\n${timeline.join("\n")}`);
  const lines = [`> seed ${[seed, ...words].join(" ")}`, `  ${shape}`, ...actions.map((action) => `  ${action}`)];
  return `${[...lines, `  holds; ${acknowledged} puts acknowledged, transcript ${transcriptHash ?? ""}`].join("\n")}\n`;
}

type Shown = "answers" | "notes" | "partitions" | "messages";

interface Seen {
  readonly context: Clock;
  readonly seen: OperationBits;
  readonly prefer: NodeId | undefined;
}

class Scenario {
  readonly #lines: string[] = [];
  readonly #nodes = new Map<string, NodeId>();
  readonly #history = new History(isSessionKey);
  readonly #checkers = new Checkers(this.#history);
  readonly #hedgeJudge = new HedgeJudge();
  /** By node and key. */
  readonly #read = new Map<string, Seen>();
  readonly #put = new Map<string, Seen>();
  readonly #operations = new Map<string, OperationId>();
  readonly #bucketsSet = new Set<string>();
  /** "ok", or the code of the failure. */
  readonly #answers = new Map<NodeId, string>();
  readonly #clocks = new Map<NodeId, Millis>();
  readonly #drawn = Prng.fromNumber(1);
  readonly #names: Names = namesOf((node) => this.#world.nameOf(node));
  #config: Config = defaultConfig;
  #simulator: Simulator | undefined;
  #first: NodeId | undefined;
  #standsAt: Millis = 0;
  #shown: Shown = "notes";
  /** Nothing is written down. */
  #quiet = false;

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
      case "join":
        return this.#joinNow(rest);
      case "light":
        return this.#light(rest);
      case "partition":
        return this.#world.partition(
          rest
            .join(" ")
            .split("|")
            .map((side) => this.#several(side.trim().split(/\s+/))),
        );
      case "cut":
        return this.#world.network.cut(this.#node(rest[0]), this.#node(rest[1]));
      case "mute":
        return this.#world.mute(this.#several(rest));
      case "heal":
        return this.#world.heal();
      case "hold":
        return this.#world.network.hold(this.#node(rest[0]), this.#node(rest[1]), kindOf(rest[2]));
      case "release":
        return this.#world.network.release(this.#node(rest[0]), this.#node(rest[1]));
      case "drop":
        return this.#drop(rest);
      case "slow":
        return this.#world.network.slow(this.#node(rest[0]), factor(rest[1]));
      case "power-cut": {
        const nodes = this.#several(rest);
        for (const node of nodes) this.#world.crash(node);
        new Budget(this.#world, this.#history, this.#checkers).losePower(nodes, 0, (what) => {
          if (what === "put lost with the power")
            this.#lines.push("  an acknowledged put was on no disk that was flushed");
        });
        return;
      }
      case "crash":
        return this.#several(rest).forEach((node) => this.#world.crash(node));
      case "restart":
        return this.#several(rest).forEach((node) => this.#world.restart(node));
      case "wipe":
        return this.#wipe(rest);
      case "leave":
        return this.#several(rest).forEach((node) => this.#leave(node));
      case "freeze":
        return this.#world.freeze(this.#node(rest[0]), duration(rest[1]));
      case "gray":
        return this.#world.network.makeGray(this.#node(rest[0]), rest[1] === "never" ? Infinity : duration(rest[1]));
      case "hide":
        return this.#world.setVisibility(this.#node(rest[0]), true, duration(rest[1]));
      case "unhide":
        return this.#world.setVisibility(this.#node(rest[0]), false);
      case "fail":
        return this.#fail(rest);
      case "clock":
        return this.#setClock(rest);
      case "build":
        return this.#build(rest);
      case "wait":
        return this.#world.runUntil(this.#world.now + duration(rest[0]));
      case "settle":
        return this.#settle();
      case "owners":
        return this.#owners(rest[0] as Key);
      case "disk":
        if (rest[1] !== undefined) return this.#world.diskOf(this.#node(rest[0])).slow(factor(rest[1]));
        return this.#disk(rest[0] as Key);
      case "show":
        return this.#show(rest[0]);
      case "check":
        return this.#check(rest);
      default:
        return this.#request(verb, rest);
    }
  }

  get #world(): Simulator {
    if (this.#simulator === undefined) throw new ScenarioError("there is no cluster yet");
    return this.#simulator;
  }

  // The cluster

  #cluster(words: readonly string[]): void {
    const numbers = numbersOf(words);
    const asked: Partial<ClusterParameters> = {
      n: numbers.get("n") ?? defaultParameters.n,
      r: numbers.get("r") ?? defaultParameters.r,
      w: numbers.get("w") ?? defaultParameters.w,
      partitions: numbers.get("partitions") ?? 16,
      // What is no placement is refused below.
      placement: (numbers.get("placement") ?? defaultParameters.placement) as PlacementStrategy,
    };
    const tokensPerNode = numbers.get("tokens");
    const parameters = parametersFrom(tokensPerNode === undefined ? asked : { ...asked, tokensPerNode });
    const fault = parametersFault(parameters);
    if (fault !== undefined) throw new ScenarioError(fault);
    this.#config = {
      ...defaultConfig,
      hintsMax: numbers.get("hints") ?? defaultConfig.hintsMax,
      removeAfterMs: numbers.get("grace") ?? defaultConfig.removeAfterMs,
      reapAfterMs: (numbers.get("reap") ?? Infinity) * 1_000,
      recentWritesMax: numbers.get("log") ?? defaultConfig.recentWritesMax,
      cachedRecordsMax: numbers.get("cache") ?? defaultConfig.cachedRecordsMax,
      history: numbers.has("history") ? { carts: { keepMs: numbers.get("history")! * 1_000 } } : {},
    };
    this.#simulator = new Simulator(numbers.get("seed") ?? 1, {
      makeNode: (options, light) => (light ? new LightClient(options) : new DynamoNode(options)),
      network: calmNetwork,
      storage: calmStorage,
      observer: {
        stepped: (node, event, effects) => this.#onStep(node, event, effects),
        applied: (node, store, address, before, after) => this.#checkers.onApplied(node, store, address, before, after),
        unread: (node, from, kind) => {
          throw new InvariantViolation(
            "protocol",
            `${this.#names.node(from)} sent ${this.#names.node(node)} a ${kind}`,
          );
        },
        ended: (node, buffered) => this.#checkers.onEnded(node, buffered),
      },
    });
    this.#checkers.watch(this.#simulator);
    this.#quiet = true;
    // One after the other: who owns what is then a matter of names alone, and no chance can change the story.
    words
      .filter((word) => !word.includes("="))
      .forEach((word, i) => {
        this.#join(word, i === 0 ? parameters : undefined, this.#first);
        this.#settle();
      });
    this.#quiet = false;
    this.#standsAt = this.#world.now;
  }

  #joinNow(words: readonly string[]): void {
    const via = words.indexOf("via");
    const seed = via < 0 ? this.#first : this.#node(words[via + 1]);
    for (const word of via < 0 ? words : words.slice(0, via)) this.#join(word, undefined, seed);
  }

  #join(word: string, found: ClusterParameters | undefined, seed: NodeId | undefined): void {
    const [, name, capacity, zone, version] =
      /^([a-z][a-z0-9]*)(?::(\d+))?(?:@([a-z]+))?(?:\/([12]))?$/.exec(word) ?? [];
    if (name === undefined || name.length > 16 || this.#nodes.has(name))
      throw new ScenarioError(`${word} is no name for a new node`);
    const own = { ...this.#config, capacity: Number(capacity ?? 1), zone: zone ?? name };
    const config = version === "1" ? olderConfig(own) : own;
    const node = this.#world.add({ name, id: idOf(name), config, found, seeds: seed === undefined ? [] : [seed] });
    this.#first ??= node;
    this.#nodes.set(name, node);
  }

  #light([name = "", via, ...rest]: readonly string[]): void {
    if (!/^[a-z][a-z0-9]{0,15}$/.test(name) || this.#nodes.has(name) || via !== "via")
      throw new ScenarioError(`${name} is no name for a new light client`);
    const config = { ...this.#config, linksMax: numbersOf(rest).get("links") ?? this.#config.linksMax };
    const seeds = this.#several(rest.filter((word) => !word.includes("=")));
    this.#nodes.set(name, this.#world.add({ name, id: idOf(name), config, seeds, light: true }));
  }

  #wipe(words: readonly string[]): void {
    const [name = "", successor = ""] = words;
    const node = this.#node(name);
    const forgiven = this.#checkers.onWipe(node);
    if (forgiven > 0) this.#lines.push(`  ${forgiven} acknowledged with one copy, and that copy is gone`);
    this.#nodes.set(successor, this.#world.wipe(node, successor, idOf(successor)));
  }

  #leave(node: NodeId): void {
    this.#world.changeMembership(node, { kind: "leave", planned: undefined }, (refusal) => {
      if (refusal !== undefined) this.#line(node, `= does not leave: ${refusal.code}`, true);
    });
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
    throw new Error(`no rest within ${SETTLE_MS_MAX} ms: ${missing ?? "it changes all the time"}`);
  }

  // Faults

  #drop(words: readonly string[]): void {
    const [from, to, word, count = "1"] = words;
    const kind = kindOf(word);
    if (kind === undefined || !/^\d+$/.test(count)) throw new ScenarioError("drop what?");
    this.#world.network.drop(this.#node(from), this.#node(to), kind, Number(count));
  }

  #fail(words: readonly string[]): void {
    const [name, what, count = "", ...how] = words;
    const disk = this.#world.diskOf(this.#node(name));
    if (!/^\d+$/.test(count)) throw new ScenarioError("fail how many?");
    if (what === "reads") return disk.failReads(Number(count));
    if (what !== "commits") throw new ScenarioError("fail reads or commits?");
    const stores: readonly Write["store"][] = ["records", "hints", "meta", "leaves"];
    const store = stores.find((one) => how.includes(one));
    disk.failCommits(Number(count), store, how.includes("applied"));
  }

  #build(words: readonly string[]): void {
    const [name, version] = words;
    const node = this.#node(name);
    if (version !== "1" && version !== "2") throw new ScenarioError("build which version?");
    const { capacity, zone } = this.#world.configOf(node);
    const newer = { ...this.#config, capacity, zone };
    this.#world.close(node);
    const refused = version === "1" && !canGoBack(this.#world.diskOf(node).meta);
    if (refused) this.#lines.push("  refused: what is on its disk was written by a newer build, and stays as it is");
    this.#world.reconfigure(node, version === "1" && !refused ? olderConfig(newer) : newer);
    this.#world.restart(node);
  }

  #setClock(words: readonly string[]): void {
    const [name, wrong = ""] = words;
    const sign = wrong.startsWith("-") ? -1 : 1;
    this.#clocks.set(this.#node(name), sign * duration(wrong.slice(1)));
  }

  // Callers

  #request(nodeName: string, words: readonly string[]): void {
    const node = this.#node(nodeName);
    const [verb, keyText = "", ...rest] = words;
    if (verb === "bucket") return this.#setBucket(node, keyText, rest);
    if (verb !== "put" && verb !== "get" && verb !== "delete")
      throw new ScenarioError(`${nodeName} ${verb ?? ""} is no command`);
    const key = keyText as Key;
    const value = verb === "put" ? rest.shift() : undefined;
    if (verb === "put" && value === undefined) throw new ScenarioError("put what?");
    const times = numbersOf(rest).get("times") ?? 1;
    for (let i = 1; i <= times; i++) {
      this.#quiet = i < times;
      if (verb === "get") {
        this.#get(node, key, rest);
        continue;
      }
      const bytes = value === undefined ? null : utf8Encode(times === 1 ? value : value.replace("#", String(i)));
      this.#ask(node, rest.includes("later"), (done) => this.#write(node, key, bytes, rest, done));
    }
  }

  #setBucket(node: NodeId, name: string, [policy = "", ...rest]: readonly string[]): void {
    const numbers = numbersOf(rest);
    const buffered = rest.includes("buffered");
    const [r, w, pr, pw, dw] = ["r", "w", "pr", "pw", "dw"].map((quorum) => numbers.get(quorum));
    this.#bucketsSet.add(name);
    this.#await(node, false, (answer) =>
      this.#world.setBucket(node, name, { r, w, pr, pw, dw, buffered, policy: policy as BucketPolicy }, (refusal) => {
        const fault = refusal?.code === "invalid" ? refusal.fault : refusal?.code;
        answer(refusal?.code ?? "ok", fault === undefined ? "bucket set" : `bucket refused: ${fault}`);
      }),
    );
  }

  #get(node: NodeId, key: Key, words: readonly string[]): DvvSet | undefined {
    let set: DvvSet | undefined;
    const numbers = numbersOf(words);
    this.#ask(node, words.includes("later"), (done) =>
      this.#world.get(node, key, { r: numbers.get("r"), pr: numbers.get("pr") }, (result) => {
        done(result);
        if (result?.outcome !== "got") return;
        set = result.set;
        this.#checkers.judge(key, result.set, node, "answers with");
        this.#read.set(`${node} ${key}`, {
          context: result.set.clock,
          seen: this.#history.of(key).seenIn(result.set),
          prefer: result.first,
        });
      }),
    );
    return set;
  }

  /** Asks and, unless `later`, waits for the answer. */
  #ask(node: NodeId, later: boolean, ask: (done: (result: ClientResult | undefined) => void) => void): void {
    this.#await(node, later, (answer) =>
      ask((result) => {
        if (result === undefined) answer("none", "no answer");
        else answer(result.outcome === "failed" ? result.failure.code : "ok", formatResult(result, this.#names));
      }),
    );
  }

  #await(node: NodeId, later: boolean, ask: (answer: (outcome: string, text: string) => void) => void): void {
    let answered = false;
    this.#answers.delete(node);
    ask((outcome, text) => {
      answered = true;
      this.#answers.set(node, outcome);
      this.#line(node, `= ${text}`);
    });
    if (later) return;
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
    const base = this.#baseOf(node, key, words);
    const name = words.find((word) => word.startsWith("op="));
    const operation =
      (name === undefined ? undefined : this.#operations.get(name)) ?? (this.#drawn.hex(16) as OperationId);
    if (name !== undefined) this.#operations.set(name, operation);
    const history = this.#history.of(key);
    const put =
      history.byId.get(operation) ??
      this.#history.put(key, { operation, value, context: base?.context ?? [], seen: base?.seen });
    const write = {
      value: put.value,
      context: put.context,
      operation,
      at: this.#world.wallAt(node) + (this.#clocks.get(node) ?? 0),
      w: numbersOf(words).get("w"),
      pw: numbersOf(words).get("pw"),
      dw: numbersOf(words).get("dw"),
      policy: this.#bucketsSet.has(bucketNameOf(key) ?? "")
        ? undefined
        : history.lastWriteWins
          ? "last-write-wins"
          : "siblings",
    } as const;
    this.#world.put(node, key, write, { prefer: base?.prefer }, (result) => {
      done(result);
      if (result?.outcome !== "put") return;
      const { coordinator } = result.report;
      this.#checkers.onAcknowledged(put, result.report.needed, 0, result.report.strictAnswered);
      const needed = promisedOf(result.report, this.#world.viewOf(coordinator)?.parameters.n ?? Infinity);
      if (put.acknowledged === undefined || put.acknowledged.needed < needed)
        put.acknowledged = { needed, at: this.#world.now, coordinator, flushed: result.report.strictNeeded };
      const seen = put.past.copy();
      seen.add(put.index);
      this.#put.set(`${node} ${key}`, { context: result.clock, seen, prefer: undefined });
    });
  }

  /** The context that `seen` or `own` asks for; undefined for a blind put. */
  #baseOf(node: NodeId, key: Key, words: readonly string[]): Seen | undefined {
    for (const word of words) {
      const [what, whose] = word.split("=");
      if (what !== "seen" && what !== "own") continue;
      const from = whose === undefined ? node : this.#node(whose);
      const base = (what === "seen" ? this.#read : this.#put).get(`${from} ${key}`);
      if (base === undefined) throw new ScenarioError(`${this.#world.nameOf(from)} has no context for ${key}`);
      // With the context of another node's read the put stays where the scenario puts it.
      return from === node ? base : { ...base, prefer: undefined };
    }
    return undefined;
  }

  // Looking

  #list(key: Key): Record<"owners" | "counted" | "joining" | "fallbacks", string> {
    const view = this.#first === undefined ? undefined : this.#world.inspect(this.#first)?.view;
    if (view === undefined) throw new ScenarioError("the first node does not run");
    const list = new Ring(view).preferenceList(partitionOf(positionOf(key), view.claims.length));
    const named = (nodes: readonly NodeId[]): string => nodes.map((node) => this.#world.nameOf(node)).join(" ") || "-";
    return {
      owners: named(list.owners),
      counted: named(list.counted),
      joining: named(list.joining),
      fallbacks: named(list.fallbacks),
    };
  }

  #owners(key: Key): void {
    const { owners, counted, fallbacks } = this.#list(key);
    this.#lines.push(`  owners ${owners}; counted ${counted}; fallbacks ${fallbacks}`);
  }

  #disk(key: Key): void {
    for (const [name, node] of this.#nodes) {
      if (this.#world.stateOf(node) === "wiped") continue;
      const record = this.#recordOf(node, key);
      const parts = record === undefined ? [] : [formatSet(record, this.#names)];
      const disk = this.#world.diskOf(node);
      for (const address of this.#hintsOf(node, key))
        parts.push(
          `hint for ${this.#world.nameOf(parseHintAddress(address).target)} ${formatSet(disk.get("hints", address)!.set, this.#names)}`,
        );
      this.#lines.push(`  ${name}: ${parts.join("; ") || "nothing"}`);
    }
  }

  #recordOf(node: NodeId, key: Key): DvvSet | undefined {
    return this.#world.diskOf(node).get("records", recordAddress(key, positionOf(key)))?.set;
  }

  #hintsOf(node: NodeId, key: Key): string[] {
    const lowest = hintAddress(key, positionOf(key), "" as NodeId);
    return [...this.#world.diskOf(node).addresses("hints", lowest, `${lowest}g`)];
  }

  #check(words: readonly string[]): void {
    if (words.join(" ") === "lost nothing") return this.#checkers.checkNothingLost();
    const at = words.findIndex((word) => word === "=" || word === ">=");
    if (at < 0) throw new ScenarioError("check what?");
    const subject = words.slice(0, at);
    const expected = words.slice(at + 1).join(" ");
    const actual = this.#look(subject);
    const so =
      words[at] === ">="
        ? Number(actual) >= Number(expected)
        : typeof actual === "object"
          ? sameValues(actual, expected.split(","))
          : String(actual) === expected;
    if (!so) throw new Error(`not so: ${typeof actual === "object" ? actual.join(", ") : actual}`);
  }

  /** What a check asks about: a word, a number, or the values of siblings. */
  #look([subject = "", ...rest]: readonly string[]): string | number | readonly string[] {
    if (subject === "owners" || subject === "counted" || subject === "joining" || subject === "fallbacks")
      return this.#list(rest[0] as Key)[subject];
    if (subject === "copies") return this.#copies(rest[0] as Key, rest[1] ?? "");
    const node = this.#node(subject);
    const [what, word, ...more] = rest;
    const key = word as Key;
    const view = this.#world.inspect(node)?.view;
    switch (what) {
      case "get":
        return valuesOf(this.#get(node, key, more));
      case "disk":
        return valuesOf(this.#recordOf(node, key));
      case "answer":
        return this.#answers.get(node) ?? "none";
      case "bucket": {
        const entry = bucketNamed(view?.buckets ?? [], word ?? "");
        return entry === undefined ? "nothing" : formatBucket(entry.properties);
      }
      case "hints":
        return word === undefined ? this.#world.diskOf(node).count("hints") : this.#hintsOf(node, key).length;
      case "past":
        return this.#past(node, key, duration(more[0]));
      case "tokens":
        return view === undefined ? 0 : (tokenCounts(view).get(node) ?? 0);
      case "members":
        return view?.members.filter((member) => !isGone(member)).length ?? 0;
      case "protocol":
        return this.#world.inspect(node)?.protocol ?? 0;
      case "share":
        return Math.round((this.#world.inspect(node)?.background.share ?? 0) * 100);
      case "slow": {
        const peer = this.#node(word);
        return this.#world.inspect(node)?.peers.some((one) => one.node === peer && one.slow) === true ? "yes" : "no";
      }
      case "hidden": {
        const member = this.#node(word);
        return view?.members.some((one) => one.node === member && one.hidden) === true ? "yes" : "no";
      }
      default:
        throw new ScenarioError(`check what of ${subject}?`);
    }
  }

  /** What a look back covers, by its own word. */
  #past(node: NodeId, key: Key, at: Millis): string {
    const world = this.#world;
    const { w, partitions } = world.viewOf(node)!.parameters;
    const moment = world.wallAt(node) - Math.floor(world.now - this.#standsAt - at);
    const wanted = { stores: ["hints", "records", "history"], prefix: "carts/", w: undefined } as const;
    let told: string | undefined;
    const request = world.gather(
      node,
      { ...wanted, partition: partitionOf(positionOf(key), partitions), moment, timeoutMs: WAIT_MS_MAX },
      (what) => {
        if (what?.outcome === "page") world.after(0, () => world.gatherMore(node, request));
        else if (what?.outcome !== "done") told = "nothing";
        else told = what.part.coversW <= w ? "complete" : `${what.part.coversW} of ${w}`;
      },
    );
    const until = world.now + 2 * WAIT_MS_MAX;
    while (told === undefined && world.now < until && world.step());
    return told ?? "nothing";
  }

  #copies(key: Key, value: string): number {
    return [...this.#nodes.values()].filter(
      (node) =>
        this.#world.stateOf(node) !== "wiped" &&
        setsOnDisk(this.#world.diskOf(node), key).some((set) => valuesOf(set).includes(value)),
    ).length;
  }

  // Telling

  #onStep(node: NodeId, event: NodeEvent, effects: readonly Effect[]): void {
    this.#checkers.onStep(node, event, effects);
    this.#hedgeJudge.onStep(node, event, effects, this.#config.slowReplyMs, this.#names.node(node));
    if (this.#shown === "answers") return;
    if (this.#shown === "messages" && event.kind === "message-received" && isAboutKeys(event.message))
      this.#line(node, `< ${this.#names.node(event.from)}: ${formatMessage(event.message, this.#names)}`);
    for (const effect of effects) {
      if (effect.kind === "note" && this.#tells(effect.note))
        this.#line(node, `* ${formatNote(effect.note, this.#names)}`, effect.note.what === "admission");
      else if (this.#shown === "messages" && effect.kind === "send" && isAboutKeys(effect.message))
        this.#line(node, `> ${this.#names.node(effect.to)}: ${formatMessage(effect.message, this.#names)}`);
    }
  }

  #show(word: string | undefined): void {
    const shown = (["answers", "notes", "partitions", "messages"] as const).find((one) => one === word);
    if (shown === undefined) throw new ScenarioError("show what?");
    this.#shown = shown;
  }

  #tells(note: Note): boolean {
    return (
      isTelling(note) ||
      (this.#shown === "partitions" && (note.what === "partition-held" || note.what === "partition-dropped"))
    );
  }

  #line(node: NodeId, text: string, evenIfQuiet = false): void {
    if (this.#quiet && !evenIfQuiet) return;
    this.#lines.push(`  ${formatTime(this.#world.now - this.#standsAt)} ${this.#world.nameOf(node)} ${text}`);
  }

  #several(names: readonly string[]): NodeId[] {
    return names.map((name) => this.#node(name));
  }

  #node(name: string | undefined): NodeId {
    const node = this.#nodes.get(name ?? "");
    if (node === undefined) throw new ScenarioError(`there is no node ${name ?? ""}`);
    return node;
  }
}

/** The name, in hexadecimal: nodes are in the order of their names, and the ring is the same whatever else is drawn. */
function idOf(name: string): NodeId {
  return toHex(utf8Encode(name)).padEnd(32, "0") as NodeId;
}

/** What the siblings say, or that there are none. */
function valuesOf(set: DvvSet | undefined): readonly string[] {
  const values = (set?.siblings ?? []).map((sibling) => formatPlainValue(sibling.value));
  return values.length === 0 ? ["nothing"] : values;
}

function sameValues(actual: readonly string[], expected: readonly string[]): boolean {
  const sorted = (values: readonly string[]): string =>
    values
      .map((value) => value.trim())
      .sort()
      .join("\n");
  return sorted(actual) === sorted(expected);
}

/** Kinds of messages that a script may hold or drop. */
const kinds: readonly Message["kind"][] = [
  "ping",
  "pong",
  "gossip-digest",
  "gossip-versions",
  "gossip-news",
  "replica-put",
  "replica-put-reply",
  "replica-get",
  "replica-get-reply",
  "coordinate-get",
  "coordinate-put",
  "coordinate-reply",
  "transfer-request",
  "transfer-page",
  "release-request",
  "release-reply",
  "tree-request",
  "tree-reply",
  "leaf-request",
  "leaf-reply",
  "fetch-request",
  "fetch-reply",
  "recent-request",
  "recent-reply",
];

function kindOf(word: string | undefined): Message["kind"] | undefined {
  const kind = kinds.find((one) => one === word);
  if (word !== undefined && kind === undefined) throw new ScenarioError(`${word} is no kind of message`);
  return kind;
}

/** `3s` or `200ms`, in milliseconds. */
function duration(word: string | undefined): Millis {
  const match = /^(\d+)(ms|s|min|h)$/.exec(word ?? "");
  if (match === null) throw new ScenarioError(`${word ?? "nothing"} is no duration; 3s and 200ms are`);
  const unit = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }[match[2] as "ms" | "s" | "min" | "h"];
  return Number(match[1]) * unit;
}

/** `50x` */
function factor(word: string | undefined): number {
  const match = /^(\d+)x$/.exec(word ?? "");
  if (match === null) throw new ScenarioError(`${word ?? "nothing"} is no factor; 50x is`);
  return Number(match[1]);
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
