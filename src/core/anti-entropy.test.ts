import { describe, expect, test } from "vitest";
import { AntiEntropy } from "./anti-entropy.ts";
import type { NodeId } from "./identifiers.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const [self, b, c] = [nodeNamed(1), nodeNamed(2), nodeNamed(3)];
const EVERY_MS = 10_000;

class Fixture {
  readonly surroundings = new StubSurroundings(self, viewOf({ nodes: 3, n: 3, r: 2, w: 2 }), {
    antiEntropyMs: EVERY_MS,
  });
  /** What was begun, in order. */
  readonly begun: string[] = [];
  begins = true;
  readonly antiEntropy = new AntiEntropy(this.surroundings, {
    catchUp: (peer, _, changes) => this.#begin(`${changes ? "catch up" : "ask"} ${nameOf(peer)}`),
    exchange: (peer) => this.#begin(`compare ${nameOf(peer)}`),
  });

  constructor() {
    this.antiEntropy.start();
  }

  #begin(what: string): boolean {
    if (this.begins) this.begun.push(what);
    return this.begins;
  }

  pass(spanMs: number): string[] {
    for (let passed = 0; passed < spanMs; passed += 100)
      if (this.surroundings.pass(100).includes("anti-entropy")) this.antiEntropy.onTimer();
    return this.begun.splice(0);
  }
}

function nameOf(node: NodeId): string {
  return node === b ? "b" : "c";
}

describe("a peer in its turn", () => {
  test("is asked for the position of its log, and then compared with", () => {
    const f = new Fixture();
    expect(f.pass(EVERY_MS)).toEqual(["ask b"]);
    f.antiEntropy.onCaughtUp(b, false);
    expect(f.pass(0)).toEqual(["compare b"]);
    f.antiEntropy.onEnded(b);
    expect(f.pass(EVERY_MS)).toEqual(["ask c"]);
  });

  test("keeps the others waiting until its comparison is over", () => {
    const f = new Fixture();
    f.pass(EVERY_MS);
    expect(f.pass(3 * EVERY_MS)).toEqual([]);
    f.antiEntropy.onCaughtUp(b, false);
    expect(f.pass(3 * EVERY_MS)).toEqual(["compare b"]);
    f.antiEntropy.onEnded(b);
    expect(f.pass(EVERY_MS)).toEqual(["ask c"]);
  });

  test("leaves its turn to the next when nothing can begin", () => {
    const f = new Fixture();
    f.begins = false;
    expect(f.pass(EVERY_MS)).toEqual([]);
    f.begins = true;
    expect(f.pass(EVERY_MS)).toHaveLength(1);
  });
});

describe("a peer that is back", () => {
  test("is caught up with first, soon, and compared with after a rest", () => {
    const f = new Fixture();
    f.antiEntropy.onPeerUp(c);
    expect(f.pass(2_000)).toEqual(["catch up c"]);
    f.antiEntropy.onCaughtUp(c, true);
    expect(f.pass(900)).toEqual([]);
    expect(f.pass(100)).toEqual(["compare c"]);
  });

  test("is followed at once by the next one that is back, as long as logs are enough", () => {
    const f = new Fixture();
    f.antiEntropy.onPeerUp(c);
    f.antiEntropy.onPeerUp(b);
    expect(f.pass(2_000)).toEqual(["catch up b"]);
    f.antiEntropy.onCaughtUp(b, true);
    expect(f.pass(1_000)).toEqual(["compare b"]);
    f.antiEntropy.onEnded(b);
    expect(f.pass(100)).toEqual(["catch up c"]);
    f.antiEntropy.onCaughtUp(c, false);
    expect(f.pass(1_000)).toEqual(["compare c"]);
    f.antiEntropy.onEnded(c);
    expect(f.pass(EVERY_MS - 100)).toEqual([]);
    expect(f.pass(100)).toEqual(["ask b"]);
  });

  test("is left to compare with us when it catches up from our log, and ours could not from its", () => {
    const f = new Fixture();
    f.antiEntropy.onPeerUp(c);
    f.pass(2_000);
    f.antiEntropy.onCaughtUp(c, false);
    f.antiEntropy.onServed(c);
    expect(f.pass(EVERY_MS)).toEqual([]);
    // In its next turn it is compared with like any other.
    expect(f.pass(2_000)).toEqual(["ask b"]);
    f.antiEntropy.onCaughtUp(b, false);
    f.antiEntropy.onEnded(b);
    expect(f.pass(EVERY_MS)).toEqual(["compare b", "ask c"]);
  });

  test("and is gone again while we rest has no comparison, and keeps nobody waiting", () => {
    const f = new Fixture();
    f.antiEntropy.onPeerUp(c);
    f.pass(2_000);
    f.antiEntropy.onCaughtUp(c, true);
    f.surroundings.down.add(c);
    f.antiEntropy.onPeerDown(c);
    expect(f.pass(EVERY_MS)).toEqual(["ask b"]);
  });
});
