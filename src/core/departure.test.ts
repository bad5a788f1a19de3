/** A node goes when it has nothing left that others lack, and when others know. */

import { describe, expect, test } from "vitest";
import { Departure } from "./departure.ts";
import type { RequestId } from "./identifiers.ts";
import { type Departure as Word, type View, goneEntry, memberOf, mergeView } from "./membership.ts";
import { Ring } from "./ring.ts";
import { StubSurroundings, nodeNamed, viewOf } from "./stub-surroundings.ts";

const self = nodeNamed(1);
const TICK_MS = 500;

class Fixture {
  readonly surroundings: StubSurroundings;
  readonly departure: Departure;
  readonly departed: string[] = [];
  remaining = { partitions: 2, hints: 1 };
  durable = true;
  said = 0;

  constructor(word?: Word) {
    const view = viewOf({ nodes: 3, n: 2, r: 1, w: 1 });
    this.surroundings = new StubSurroundings(self, word === undefined ? view : withWord(view, word));
    this.departure = new Departure(this.surroundings, {
      remaining: () => this.remaining,
      isDurable: () => this.durable,
      left: () => {
        this.said++;
        const { view: now } = this.surroundings.ring!;
        const gone = goneEntry(memberOf(now, self)!, "left", self, 7);
        this.surroundings.ring = new Ring(mergeView(now, [gone], undefined));
      },
      departed: (standing) => this.departed.push(standing),
    });
    this.departure.onRing();
  }

  tick(times = 1): this {
    for (let i = 0; i < times; i++)
      for (const name of this.surroundings.pass(TICK_MS)) if (name === "departure") this.departure.onTimer();
    return this;
  }

  /** Whom it has asked since, by node. */
  asked(): Map<number, RequestId> {
    return new Map(
      this.surroundings.takeSent().flatMap(({ to, message }) => {
        if (message.kind !== "known-request") return [];
        return [[Number.parseInt(to, 16), message.request]];
      }),
    );
  }

  answer(node: number, request: RequestId, known: boolean): this {
    this.departure.onReply(nodeNamed(node), { kind: "known-reply", request, known, unopened: [] });
    return this;
  }
}

function withWord(view: View, word: Word): View {
  const own = memberOf(view, self)!;
  const entry =
    word.standing === "leaving"
      ? { ...own, version: own.version + 1, departure: word }
      : goneEntry(own, word.standing, word.by, word.at);
  return mergeView(view, [entry], undefined);
}

const leaving: Word = { standing: "leaving", by: self, at: 7 };
const removed: Word = { standing: "removed", by: nodeNamed(2), at: 7 };

test("who means to stay does nothing", () => {
  const fixture = new Fixture();
  expect(fixture.departure.progress).toBeUndefined();
  expect(fixture.surroundings.timers.size).toBe(0);
});

describe("who leaves", () => {
  test("stays as long as something is here that others may lack, or is not written down", () => {
    const fixture = new Fixture(leaving).tick(3);
    fixture.remaining = { partitions: 0, hints: 1 };
    fixture.tick();
    fixture.remaining = { partitions: 1, hints: 0 };
    fixture.tick();
    fixture.remaining = { partitions: 0, hints: 0 };
    fixture.durable = false;
    expect(fixture.tick(3).said).toBe(0);
    expect(fixture.departure.progress).toEqual({
      standing: "leaving",
      by: self,
      partitions: 0,
      hints: 0,
      departed: false,
    });
    fixture.durable = true;
    expect(fixture.tick().said).toBe(1);
  });

  test("is gone when somebody knows it durably; asks all, again and again, until then", () => {
    const fixture = new Fixture(leaving);
    fixture.remaining = { partitions: 0, hints: 0 };
    fixture.tick();
    expect([...fixture.asked().keys()]).toEqual([]);
    fixture.tick();
    const first = fixture.asked();
    expect([...first.keys()]).toEqual([2, 3]);
    fixture.answer(2, first.get(2)!, false);
    expect(fixture.departed).toEqual([]);
    const second = fixture.tick().asked();
    // An answer to an earlier question, or of somebody else, says nothing.
    fixture.answer(3, first.get(3)!, true).answer(2, second.get(3)!, true);
    expect(fixture.departed).toEqual([]);
    fixture.answer(3, second.get(3)!, true).answer(2, second.get(2)!, true);
    expect(fixture.departed).toEqual(["left"]);
    expect(fixture.tick(3).asked().size).toBe(0);
    expect(fixture.departed).toEqual(["left"]);
  });
});

describe("who was removed", () => {
  test("gives what it has, and is gone without a word, for others have said it", () => {
    const fixture = new Fixture(removed).tick(2);
    expect(fixture.departed).toEqual([]);
    fixture.remaining = { partitions: 0, hints: 0 };
    expect(fixture.tick().departed).toEqual(["removed"]);
    expect(fixture.said).toBe(0);
    expect(fixture.asked().size).toBe(0);
  });
});
