/** Setting a bucket: written down before it is answered, refused by name, told to others as part of the view. */

import { describe, expect, test } from "vitest";
import { Belonging } from "./belonging.ts";
import { BUCKETS_MAX, type BucketProperties } from "./buckets.ts";
import { defaultParameters } from "./config.ts";
import type { BucketRefusal, NodeMeta, Write } from "./effect.ts";
import type { Key, OperationId, RequestId, Ticket } from "./identifiers.ts";
import type { View } from "./membership.ts";
import { getQuorum, putQuorum, underPolicy } from "./request-defaults.ts";
import { StubSurroundings, nodeNamed } from "./stub-surroundings.ts";

const self = nodeNamed(1);
const other = nodeNamed(2);
const properties = (changes: Partial<BucketProperties> = {}): BucketProperties => ({
  r: undefined,
  w: undefined,
  pr: undefined,
  pw: undefined,
  dw: undefined,
  buffered: false,
  policy: "siblings",
  ...changes,
});

class Fixture extends StubSurroundings {
  readonly stores: { ticket: Ticket; writes: readonly Write[] }[] = [];
  readonly answers = new Map<RequestId, BucketRefusal | undefined>();
  readonly belonging: Belonging;

  constructor(meta?: NodeMeta) {
    super(self);
    this.belonging = new Belonging(this, meta, {
      changed: () => {},
      countedOut: () => {},
      caughtUp: () => undefined,
      bucketSet: (request, refusal) => this.answers.set(request, refusal),
      changeMade: () => {},
    });
  }

  override store(ticket: Ticket, writes: readonly Write[]): void {
    this.stores.push({ ticket, writes });
  }

  started(): this {
    this.belonging.start();
    this.durable();
    return this;
  }

  founded(): this {
    this.started().belonging.found({ ...defaultParameters, partitions: 4 });
    this.belonging.persist();
    this.durable();
    return this;
  }

  set(request: RequestId, name: string, changes: Partial<BucketProperties> = {}): BucketRefusal | "waits" | "set" {
    this.belonging.setBucket(request, name, properties(changes));
    this.belonging.persist();
    return this.answerTo(request);
  }

  answerTo(request: RequestId): BucketRefusal | "waits" | "set" {
    return this.answers.has(request) ? (this.answers.get(request) ?? "set") : "waits";
  }

  durable(): void {
    for (const { ticket } of this.stores.splice(0)) this.belonging.onStored(ticket);
  }

  get view(): View {
    return this.belonging.ring!.view;
  }
}

describe("setting a bucket", () => {
  test("is answered when it is durable, with the entry in what was written", () => {
    const f = new Fixture().founded();
    expect(f.set(1, "carts", { w: 3 })).toBe("waits");
    const [write] = f.stores[0]!.writes;
    expect(write).toMatchObject({ store: "meta", meta: { view: { buckets: [{ name: "carts", version: 1 }] } } });
    f.durable();
    expect(f.answerTo(1)).toBe("set");
    const meta = write?.store === "meta" ? write.meta : undefined;
    expect(new Fixture(meta).belonging.ring?.view.buckets).toEqual(f.view.buckets);
  });

  test("that could not be written is answered when it was, at last", () => {
    const f = new Fixture().founded();
    f.set(1, "carts", { w: 3 });
    expect(f.belonging.onFailed(f.stores.pop()!.ticket)).toBe(true);
    expect(f.answerTo(1)).toBe("waits");
    f.belonging.onPersistTimer();
    f.belonging.persist();
    f.durable();
    expect(f.answerTo(1)).toBe("set");
  });

  test("to what it is makes no new version, to anything else one more", () => {
    const f = new Fixture().founded();
    f.set(1, "carts", { w: 3 });
    f.set(2, "carts", { w: 3 });
    expect(f.answerTo(2)).toBe("waits");
    f.durable();
    expect([f.answerTo(1), f.answerTo(2)]).toEqual(["set", "set"]);
    expect(f.view.buckets).toEqual([{ name: "carts", version: 1, setBy: self, properties: properties({ w: 3 }) }]);
    f.set(3, "carts");
    expect(f.view.buckets).toEqual([{ name: "carts", version: 2, setBy: self, properties: properties() }]);
  });

  test("waits for the node to be a member that has started", () => {
    expect(new Fixture().started().set(1, "carts")).toEqual({ code: "not-ready" });
    const unstarted = new Fixture();
    unstarted.belonging.start();
    unstarted.belonging.found({ ...defaultParameters, partitions: 4 });
    expect(unstarted.set(1, "carts")).toEqual({ code: "not-ready" });
  });

  test("that cannot be changes nothing", () => {
    const f = new Fixture().founded();
    const before = f.view;
    expect(f.set(1, "a/b")).toMatchObject({ code: "invalid" });
    expect(f.set(2, "carts", { r: 4 })).toMatchObject({
      fault: "its r is 4, but must be a whole number from 1 to n = 3",
    });
    expect(f.set(3, "carts", { policy: "newest" as "siblings" })).toMatchObject({ code: "invalid" });
    expect(f.set(4, 7 as unknown as string)).toMatchObject({ code: "invalid" });
    expect([f.view, f.stores]).toEqual([before, []]);
  });

  test("is bounded: so many entries, and so many who wait", () => {
    const f = new Fixture().founded();
    for (let i = 0; i < BUCKETS_MAX; i++) f.set(i, `b${i}`);
    expect(f.set(1_000, "b0", { w: 1 })).toEqual({ code: "overloaded" });
    f.durable();
    expect(f.set(1_001, "one-more")).toMatchObject({ code: "invalid" });
    expect(f.set(1_002, "b0", { w: 1 })).toBe("waits");
    expect(f.view.buckets).toHaveLength(BUCKETS_MAX);
  });

  test("is noted where it is set and where it is heard of, once", () => {
    const f = new Fixture().founded();
    f.set(1, "carts");
    const news = [{ name: "sessions", version: 4, setBy: other, properties: properties() }];
    f.belonging.learn(undefined, [], undefined, news);
    f.belonging.learn(undefined, [], undefined, news);
    expect(f.notes).toEqual([
      { what: "bucket", bucket: "carts", version: 1, setBy: self },
      { what: "bucket", bucket: "sessions", version: 4, setBy: other },
    ]);
  });
});

describe("what a request asks for", () => {
  const write = { value: null, context: [], operation: "0".repeat(32) as OperationId, at: 1, w: undefined };
  const view = (changes: Partial<BucketProperties>): View => {
    const f = new Fixture().founded();
    f.set(1, "carts", changes);
    return f.view;
  };
  const ada = "carts/ada" as Key;

  test("is what its caller says, else its bucket, else the cluster", () => {
    const set = view({ r: 1, w: 3, pr: 1, pw: 2, dw: 1, buffered: true });
    expect(getQuorum(set, ada, 3, 0)).toEqual({ n: 3, replicas: 3, owners: 0 });
    expect(getQuorum(set, ada, undefined, undefined)).toEqual({ n: 3, replicas: 1, owners: 1 });
    expect(getQuorum(set, "other/ada" as Key, undefined, undefined)).toEqual({ n: 3, replicas: 2, owners: 0 });
    expect(putQuorum(set, ada, { ...write, w: 1, pw: 0, dw: 3 })).toEqual({
      n: 3,
      replicas: 1,
      owners: 0,
      strict: 3,
      buffered: true,
    });
    expect(putQuorum(set, ada, write)).toEqual({ n: 3, replicas: 3, owners: 2, strict: 1, buffered: true });
    expect(putQuorum(set, "ada" as Key, write)).toEqual({ n: 3, replicas: 2, owners: 0, strict: 0, buffered: false });
  });

  test("an explicit policy wins, a named merge is written as siblings", () => {
    const policy = (set: View, own?: "siblings" | "last-write-wins") =>
      underPolicy(set, ada, { ...write, policy: own }).policy;
    expect(policy(view({}))).toBe("siblings");
    expect(policy(view({ policy: "last-write-wins" }))).toBe("last-write-wins");
    expect(policy(view({ policy: "last-write-wins" }), "siblings")).toBe("siblings");
    expect(policy(view({ policy: "merge:cart" }))).toBe("siblings");
    expect(policy(view({ policy: "merge:cart" }), "last-write-wins")).toBe("last-write-wins");
  });
});
