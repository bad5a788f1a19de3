import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ClusterParameters, parametersFrom } from "../core/config.ts";
import { crc32 } from "../base/crc32.ts";
import { BUCKETS_MAX, type BucketEntry, type BucketProperties } from "../core/buckets.ts";
import type { Dot, DvvSet, Sibling } from "../core/dvvset.ts";
import {
  MalformedMessageError,
  OversizedError,
  ProtocolVersionError,
  TabringError,
  UnknownMessageError,
} from "../core/errors.ts";
import type { Actor, Key, NodeId, OperationId } from "../core/identifiers.ts";
import { allHolders, type Claim, type Member, unclaimed } from "../core/membership.ts";
import type { GossipNews, Message, ReplicaPut } from "../core/message.ts";
import { FORMS, PROTOCOL_VERSION, formOf, reads } from "../core/versions.ts";
import { HOPS_MAX } from "../core/handing.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { MESSAGE_BYTES_MAX } from "./frame.ts";
import { message, messageOfKind, mutated } from "./message-arbitraries.ts";
import { finishEncoding, startEncoding, writeByte, writeRaw, writeUint } from "./primitives.ts";
import { writeNodeId, writeParameters, writeView } from "./values.ts";

const alice = "a".repeat(32) as NodeId;
const bob = "b".repeat(32) as NodeId;
const actor = (digit: string) => digit.repeat(48) as Actor;
const operation = (digit: string) => digit.repeat(32) as OperationId;
const dot = (digit: string, counter: number): Dot => ({ actor: actor(digit), counter });
const milk = Uint8Array.of(1, 2, 3);

function sibling(changes: Partial<Sibling> = {}): Sibling {
  return { dots: [dot("1", 2)], operation: operation("5"), at: 1_000, value: milk, checksum: crc32(milk), ...changes };
}
function put(changes: Partial<ReplicaPut> = {}): ReplicaPut {
  const set: DvvSet = { clock: [dot("1", 2), dot("2", 7)], siblings: [sibling()] };
  const key = "carts/ada" as Key;
  return {
    kind: "replica-put",
    request: 7,
    ring: 0xdeadbeef,
    ttlMs: 5_000,
    purpose: "write",
    key,
    set,
    hintFor: bob,
    durability: "relaxed",
    ...changes,
  };
}
function putOf(clock: readonly Dot[], ...siblings: readonly Sibling[]): ReplicaPut {
  return put({ set: { clock, siblings } });
}
const parameters = parametersFrom({ n: 3, r: 2, w: 2, partitions: 4 });
const first = parametersFrom({ ...parameters, placement: 1, tokensPerNode: 2 });
const second = parametersFrom({ ...parameters, placement: 2, tokensPerNode: 2 });
function member(changes: Partial<Member> = {}): Member {
  const versions = { protocolMin: 1, protocolMax: 1 };
  return {
    node: alice,
    incarnation: 1,
    version: 1,
    capacity: 1,
    zone: "z",
    holders: allHolders(4),
    tokens: [],
    ...versions,
    hidden: false,
    ...changes,
  };
}
function news(changes: Partial<GossipNews> = {}): GossipNews {
  return {
    kind: "gossip-news",
    parameters,
    members: [member()],
    claims: undefined,
    buckets: undefined,
    wanted: [],
    wantsClaims: false,
    wantsBuckets: false,
    ...changes,
  };
}

/** What decoding throws; fails when it throws anything but an error of ours, or nothing. */
function refusal(bytes: Uint8Array): TabringError {
  try {
    decodeMessage(bytes);
  } catch (error) {
    if (error instanceof TabringError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

/** Decodes to a message of the same bytes, or throws one of the four named errors. */
function expectTotal(bytes: Uint8Array): void {
  let decoded;
  try {
    decoded = decodeMessage(bytes);
  } catch (error) {
    expect(error instanceof MalformedMessageError || error instanceof ProtocolVersionError, String(error)).toBe(true);
    return;
  }
  expect(encodeMessage(decoded.message, decoded.epoch, bytes[0])).toEqual(bytes);
}

describe("round trip", () => {
  for (const [kind, arbitrary] of Object.entries<fc.Arbitrary<Message>>(messageOfKind)) {
    test(kind, () => {
      fc.assert(
        fc.property(arbitrary, fc.maxSafeNat(), (original, epoch) => {
          const bytes = encodeMessage(original, epoch);
          const decoded = decodeMessage(bytes);
          expect(decoded).toStrictEqual({ epoch, message: original });
          expect(encodeMessage(decoded.message, decoded.epoch)).toEqual(bytes);
          expect(bytes.buffer.byteLength).toBe(bytes.length);
        }),
      );
    });
  }

  test("each kind has a byte of its own", () => {
    const samples = Object.values<fc.Arbitrary<Message>>(messageOfKind).map((arbitrary) => fc.sample(arbitrary, 1)[0]!);
    const kinds = samples.map((sample) => encodeMessage(sample, 1)[1]);
    expect(new Set(kinds).size).toBe(samples.length);
  });

  test("the bytes of version 1 stay as they are", () => {
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    expect(hex(encodeMessage({ kind: "ping", sequence: 300, epoch: 5 }, 1))).toBe("010101ac0205");
    expect(hex(encodeMessage(put(), 9, 1))).toBe(
      "010809" +
        "07efbeadde8827" +
        "00" +
        "0963617274732f616461" +
        "02" +
        "1".repeat(48) +
        "02" +
        "2".repeat(48) +
        "07" +
        "01" +
        "01" +
        "1".repeat(48) +
        "02" +
        "5".repeat(32) +
        "e807" +
        "0103010203" +
        "1d80bc55" +
        "01" +
        "b".repeat(32),
    );
  });

  test("fractions of a millisecond are cut off, and no time left is 0", () => {
    const ttlOf = (ttlMs: number) => (decodeMessage(encodeMessage(put({ ttlMs }), 1)).message as ReplicaPut).ttlMs;
    expect([ttlOf(12.9), ttlOf(0.5), ttlOf(-3)]).toEqual([12, 0, 0]);
  });

  test("members and wanted nodes are put in order", () => {
    const given = news({ members: [member({ node: bob }), member()], wanted: [bob, alice] });
    const decoded = decodeMessage(encodeMessage(given, 1)).message as GossipNews;
    expect(decoded.members.map(({ node }) => node)).toEqual([alice, bob]);
    expect(decoded.wanted).toEqual([alice, bob]);
  });

  test("what is decoded shares no memory with its frame, be it a Buffer", () => {
    const large = new Uint8Array(2_000).fill(7);
    for (const value of [milk, large]) {
      const message = putOf([dot("1", 2)], sibling({ value, checksum: crc32(value) }));
      const bytes = encodeMessage(message, 1);
      const frame = Buffer.concat([Buffer.alloc(10), bytes, Buffer.alloc(10)]).subarray(10, 10 + bytes.length);
      const decoded = decodeMessage(frame).message as ReplicaPut;
      frame.fill(0);
      const copy = decoded.set.siblings[0]!.value!;
      expect(copy).toStrictEqual(value);
      expect(copy.buffer.byteLength).toBe(value.length);
    }
  });

  test("the largest value and the longest key pass", () => {
    const value = new Uint8Array(1_048_576).fill(3);
    const message = put({
      key: "é".repeat(512) as Key,
      set: { clock: [dot("1", 2)], siblings: [sibling({ value, checksum: crc32(value) })] },
    });
    const decoded = decodeMessage(encodeMessage(message, 1)).message as ReplicaPut;
    expect(decoded.key).toBe(message.key);
    expect(Buffer.compare(decoded.set.siblings[0]!.value!, value)).toBe(0);
  });

  test("a message over the limit is refused by name, not sent", () => {
    const value = new Uint8Array(1_048_576);
    const siblings = Array.from("0123456789abcdef", (digit) => sibling({ operation: operation(digit), value }));
    expect(() => encodeMessage(putOf([dot("1", 2)], ...siblings), 1)).toThrow(OversizedError);
  });
});

describe("fuzz", () => {
  test("changed messages are refused by name or are another message's very bytes", () => {
    const changed = message.chain((original) => mutated(encodeMessage(original, 3)));
    fc.assert(fc.property(changed, expectTotal), { numRuns: 3_000 });
  });

  test("random bytes behind a known kind", () => {
    const random = fc.tuple(fc.integer({ min: 0, max: 18 }), fc.uint8Array({ maxLength: 80 }));
    fc.assert(
      fc.property(random, ([kind, rest]) =>
        expectTotal(Uint8Array.of(1 + (rest.length % PROTOCOL_VERSION), kind, 0, ...rest)),
      ),
      { numRuns: 3_000 },
    );
  });

  test("random bytes of small numbers, which parse further", () => {
    const random = fc.tuple(fc.integer({ min: 1, max: 16 }), fc.array(fc.nat(4), { maxLength: 120 }));
    fc.assert(
      fc.property(random, ([kind, rest]) =>
        expectTotal(Uint8Array.of(1 + (rest.length % PROTOCOL_VERSION), kind, 0, ...rest)),
      ),
      { numRuns: 3_000 },
    );
  });

  test("every truncation and every addition is malformed", () => {
    fc.assert(
      fc.property(message, (original) => {
        const bytes = encodeMessage(original, 300);
        for (let end = 0; end < bytes.length; end++) {
          expect(refusal(bytes.subarray(0, end))).toBeInstanceOf(MalformedMessageError);
        }
        expect(refusal(Uint8Array.of(...bytes, 0)).message).toContain("left over");
      }),
      { numRuns: 60 },
    );
  });

  test("every flipped bit of a put", () => {
    const bytes = encodeMessage(put(), 3);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expectTotal(flipped);
    }
  });
});

describe("refused", () => {
  const long = "x".repeat(1_025) as Key;
  const big = new Uint8Array(1_048_577);
  const get = { kind: "replica-get", request: 1, ring: 1, ttlMs: 1, counts: true } as const;
  const cases: Record<string, [Message, RegExp]> = {
    "an empty key": [{ ...get, key: "" as Key }, /key is empty/],
    "a key over 1,024 bytes": [{ ...get, key: long }, /1025, over/],
    "a value over 1 MiB": [putOf([dot("1", 2)], sibling({ value: big, checksum: 0 })), /1048577, over/],
    "an unsorted clock": [putOf([dot("2", 1), dot("1", 1)]), /clock is unsorted/],
    "a repeated actor": [putOf([dot("1", 1), dot("1", 2)]), /repeats an actor/],
    "counter 0": [putOf([dot("1", 0)]), /counter is 0/],
    "a sibling without a dot": [putOf([dot("1", 2)], sibling({ dots: [] })), /no dot/],
    "unsorted dots": [putOf([dot("1", 2)], sibling({ dots: [dot("1", 2), dot("1", 1)] })), /dots of a sibling/],
    "a repeated dot": [putOf([dot("1", 2)], sibling({ dots: [dot("1", 2), dot("1", 2)] })), /dots of a sibling/],
    "a dot ahead of the clock": [putOf([dot("1", 1)], sibling()), /does not cover/],
    "a dot of a stranger to the clock": [putOf([dot("2", 9)], sibling()), /does not cover/],
    "a dot on two siblings": [putOf([dot("1", 2)], sibling(), sibling({ operation: operation("6") })), /same dot/],
    "unsorted siblings": [
      putOf([dot("1", 2)], sibling(), sibling({ operation: operation("4"), dots: [dot("1", 1)] })),
      /siblings are unsorted/,
    ],
    "a repeated operation": [putOf([dot("1", 2)], sibling(), sibling({ dots: [dot("1", 1)] })), /repeat an operation/],
    "a capacity of 1,001": [news({ members: [member({ capacity: 1_001 })] }), /capacity is 1001/],
    "incarnation 0": [news({ members: [member({ incarnation: 0 })] }), /incarnation is 0/],
    "version 0": [news({ members: [member({ version: 0 })] }), /version of a member is 0/],
    "an empty zone": [news({ members: [member({ zone: "" })] }), /zone is empty/],
    "a zone of 65 characters": [news({ members: [member({ zone: "z".repeat(65) })] }), /zone has more/],
    "a holder's bit beyond the partitions": [
      news({ members: [member({ holders: Uint8Array.of(16) })] }),
      /no partition/,
    ],
    "protocol versions that are no range": [news({ members: [member({ protocolMin: 2 })] }), /no range/],
    "protocol version 0": [news({ members: [member({ protocolMin: 0 })] }), /no range/],
    "a repeated member": [news({ members: [member(), member()] }), /repeats one/],
    "a repeated wish": [news({ wanted: [alice, alice] }), /repeats one/],
    "more tokens of a node than slots": [
      news({ parameters: { ...first, tokensPerNode: 5 }, members: [] }),
      /tokensPerNode is 5/,
    ],
    "r over n": [news({ parameters: { ...parameters, r: 4 } }), /r is 4/],
    "n of 17": [news({ parameters: { ...parameters, n: 17 } }), /n is 17/],
    "a token off the ring": [
      news({ parameters: first, members: [member({ tokens: [4] })] }),
      /lies at 4, off the ring/,
    ],
    "a token twice": [news({ parameters: second, members: [member({ tokens: [7, 7] })] }), /unsorted or repeat/],
    "partitions that are no power of two": [
      news({ parameters: { ...parameters, partitions: 6 }, members: [] }),
      /partitions is 6/,
    ],
    "a request with r of 0": [{ ...get, kind: "coordinate-get", hops: 0, key: "k" as Key, r: 0 }, /quorum is 0/],
    "a request with r of 17": [{ ...get, kind: "coordinate-get", hops: 0, key: "k" as Key, r: 17 }, /quorum is 17/],
    "partition 4,096": [
      { kind: "transfer-request", request: 1, partition: 4_096, after: "", bytesMax: 1 },
      /partition is 4096/,
    ],
    "a page of no size": [{ kind: "transfer-request", request: 1, partition: 1, after: "", bytesMax: 0 }, /page is 0/],
  };
  for (const [name, [bad, words]] of Object.entries(cases)) {
    test(name, () => {
      const error = refusal(encodeMessage(bad, 1));
      expect(error).toBeInstanceOf(MalformedMessageError);
      expect(error.message).toMatch(words);
    });
  }

  test("lengths over a limit are told apart from other faults", () => {
    expect(refusal(encodeMessage({ ...get, key: long }, 1))).toBeInstanceOf(OversizedError);
    expect(refusal(encodeMessage({ ...get, key: "" as Key }, 1))).not.toBeInstanceOf(OversizedError);
    expect(refusal(new Uint8Array(MESSAGE_BYTES_MAX + 1))).toBeInstanceOf(OversizedError);
  });

  test("a value that does not match its checksum is damaged", () => {
    const error = refusal(encodeMessage(putOf([dot("1", 2)], sibling({ checksum: 5 })), 1));
    expect(error.code).toBe("damaged");
  });

  const raw: Record<string, [readonly number[], RegExp]> = {
    "nothing at all": [[], /protocol version/],
    "a number in a longer form": [[1, 1, 0x80, 0, 5, 5], /shortest form/],
    "a number of 2^53": [[1, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 5], /must be from 0/],
    "a number without end": [[1, 1, ...Array<number>(200).fill(0x80), 0], /shortest form|too large/],
    "a number of only ones": [[1, 1, ...Array<number>(200).fill(0xff), 1], /too large/],
    "a boolean of 2": [[1, 5, 0, 2], /must be 0 or 1/],
    "a choice that is none": [[2, 8, 0, 7, 1, 2, 3, 4, 1, 6], /must be below 6/],
    "a way to keep a write that is none": [[2, 9, 0, 7, 1, 2, 3, 4, 12], /must be from 0 to 11/],
    "a key that is no UTF-8": [[1, 10, 0, 7, 1, 2, 3, 4, 9, 2, 0xc3, 0x28], /UTF-8/],
    "a list longer than the bytes": [[1, 6, 0, 0xff, 7, 1, 2, 3], /end within the list of members/],
    "a list over its limit": [[1, 6, 0, 0x81, 8, 1, 2, 3], /1025, over/],
    "a value longer than the bytes": [
      [2, 13, 0, 7, 1, 2, 3, 4, 9, 1, 1, 65, 1, 0xff, 0xff, 3, 1],
      /end within a value/,
    ],
  };
  for (const [name, [bytes, words]] of Object.entries(raw)) {
    test(name, () => {
      const error = refusal(Uint8Array.from(bytes));
      expect(error).toBeInstanceOf(MalformedMessageError);
      expect(error.message).toMatch(words);
    });
  }

  test("other protocol versions and unknown kinds", () => {
    expect(refusal(Uint8Array.of(0, 1, 0, 0, 0))).toBeInstanceOf(ProtocolVersionError);
    expect(refusal(Uint8Array.of(PROTOCOL_VERSION + 1, 1, 0, 0, 0)).message).toContain(
      `protocol ${PROTOCOL_VERSION + 1}`,
    );
    for (const kind of [0, 99, 255]) expect(refusal(Uint8Array.of(1, kind, 0))).toBeInstanceOf(UnknownMessageError);
  });
});

describe("forms", () => {
  const kinds = Object.entries<fc.Arbitrary<Message>>(messageOfKind);

  test("a message is written in the newest form that its receiver reads, and in no other", () => {
    for (const [, arbitrary] of kinds)
      fc.assert(
        fc.property(arbitrary, (original) => {
          for (let version = 1; version <= PROTOCOL_VERSION; version++) {
            if (reads(version, original.kind))
              expect(encodeMessage(original, 7, version)[0]).toBe(formOf(original.kind, version));
            else expect(() => encodeMessage(original, 7, version)).toThrow(/reads up to version/);
          }
        }),
        { numRuns: 10 },
      );
  });

  test("bytes of an older form decode, and encode to the same bytes in it", () => {
    for (const [, arbitrary] of kinds)
      fc.assert(
        fc.property(arbitrary, (original) => {
          for (const form of FORMS[original.kind]) {
            const bytes = encodeMessage(original, 7, form);
            const { message: decoded } = decodeMessage(bytes);
            expect(encodeMessage(decoded, 7, form)).toEqual(bytes);
          }
        }),
        { numRuns: 20 },
      );
  });

  test("whoever reads a request in form 1 hands it on no more", () => {
    fc.assert(
      fc.property(messageOfKind["coordinate-get"], (original) => {
        const { message: decoded } = decodeMessage(encodeMessage(original, 7, 1));
        expect(decoded.kind === "coordinate-get" && decoded.hops).toBeGreaterThanOrEqual(HOPS_MAX);
      }),
    );
  });

  test("what is counted since version 2 is 0 in a form 1", () => {
    fc.assert(
      fc.property(messageOfKind["statistics-reply"], ({ kind, request, statistics }) => {
        const counts = { ...statistics.counts, "tombstones-reaped": 0 };
        const { message: decoded } = decodeMessage(encodeMessage({ kind, request, statistics }, 7, 1));
        expect(decoded).toEqual({ kind, request, statistics: { ...statistics, counts } });
      }),
    );
  });

  test("a kind under a version in which it had no form is malformed", () => {
    for (const [, arbitrary] of kinds) {
      const [original] = fc.sample(arbitrary, 1);
      const bytes = encodeMessage(original!, 7);
      for (let version = 1; version <= PROTOCOL_VERSION; version++) {
        if (FORMS[original!.kind].includes(version)) continue;
        bytes[0] = version;
        expect(refusal(bytes)).toBeInstanceOf(MalformedMessageError);
      }
    }
  });
});

describe("placements", () => {
  const bytesOf = (cluster: ClusterParameters, tokens: readonly number[]) => {
    const encoder = startEncoding();
    writeParameters(encoder, cluster);
    const written = finishEncoding(encoder).length;
    const whole = startEncoding();
    writeView(whole, { parameters: cluster, members: [member({ tokens })], claims: unclaimed(4), buckets: [] }, 2);
    const bytes = finishEncoding(whole);
    return { cluster: [...bytes.subarray(0, written)], rest: bytes.subarray(written) };
  };

  test("3 stands in no byte, so that older builds read what they always read", () => {
    const encoder = startEncoding();
    writeParameters(encoder, parameters);
    expect([...finishEncoding(encoder)]).toEqual([3, 2, 2, 4]);
  });

  test("1 and 2 stand beside n, which an older build then refuses, and tokens at the end of a member, before the buckets", () => {
    expect(bytesOf(first, [])).toMatchObject({ cluster: [32 + 3, 2, 2, 4, 2] });
    expect(bytesOf(second, [])).toMatchObject({ cluster: [64 + 3, 2, 2, 4, 2] });
    expect([...bytesOf(first, [0, 1, 3]).rest.subarray(-5)]).toEqual([3, 0, 0, 1, 0]);
    expect([...bytesOf(second, [1, 0x0102_0304]).rest.subarray(-10)]).toEqual([2, 1, 0, 0, 0, 4, 3, 2, 1, 0]);
  });

  test("a placement that there is not is refused", () => {
    const bytes = encodeMessage(news({ members: [] }), 0);
    bytes[3]! |= 96;
    expect(refusal(bytes).message).toContain("placement is written as 3");
  });
});

describe("claims", () => {
  const carol = "c".repeat(32) as NodeId;

  /** A gossip-news for four partitions whose claims are these owners and these (owner, version) pairs. */
  function claimsOf(owners: readonly NodeId[], pairs: readonly (readonly [number, number])[]): Uint8Array {
    const encoder = startEncoding();
    writeRaw(encoder, Uint8Array.of(2, 7, 0));
    writeParameters(encoder, parameters);
    writeRaw(encoder, Uint8Array.of(0, 1));
    writeUint(encoder, owners.length);
    for (const owner of owners) writeNodeId(encoder, owner);
    for (const [place, version] of pairs) {
      writeUint(encoder, place);
      writeUint(encoder, version);
    }
    for (const byte of [0, 0, 1, 0]) writeByte(encoder, byte);
    return finishEncoding(encoder);
  }
  const one = (...places: number[]) => places.map((place) => [place, 1] as const);

  test("name each owner once", () => {
    const claims: Claim[] = [carol, alice, carol, bob].map((owner, version) => ({ owner, version }));
    const bytes = encodeMessage(news({ members: [], claims, wantsClaims: true }), 0);
    expect(bytes).toEqual(
      claimsOf(
        [carol, alice, bob],
        [
          [0, 0],
          [1, 1],
          [0, 2],
          [2, 3],
        ],
      ),
    );
    expect((decodeMessage(bytes).message as GossipNews).claims).toStrictEqual(claims);
  });

  test("are refused in any other spelling", () => {
    expect(refusal(claimsOf([alice, bob], one(1, 0, 1, 0))).message).toContain("out of order");
    expect(refusal(claimsOf([alice], one(0, 1, 0, 0))).message).toContain("out of order");
    expect(refusal(claimsOf([alice, bob], one(0, 0, 0, 0))).message).toContain("no claim");
    expect(refusal(claimsOf([alice, alice], one(0, 1, 0, 1))).message).toContain("twice");
    expect(refusal(claimsOf([], one(0, 0, 0, 0)))).toBeInstanceOf(MalformedMessageError);
    expect(refusal(claimsOf([alice], one(0, 0, 0)))).toBeInstanceOf(MalformedMessageError);
  });
});

describe("buckets", () => {
  const entry = (name: string, changes: Partial<BucketProperties> = {}): BucketEntry => ({
    name,
    version: 1,
    setBy: alice,
    properties: { r: 1, w: 3, pr: undefined, pw: 0, dw: undefined, buffered: false, policy: "siblings", ...changes },
  });
  const sent = (...buckets: BucketEntry[]) => encodeMessage(news({ members: [], buckets }), 0);

  test("have one spelling", () => {
    const bytes = sent(entry("carts", { policy: "merge:union" }));
    const spelled =
      "0563617274730" + "1" + "a".repeat(32) + "0101" + "0103" + "00" + "0100" + "00" + "00" + "0205756e696f6e";
    expect(Buffer.from(bytes).toString("hex")).toContain(spelled);
    expect((decodeMessage(bytes).message as GossipNews).buckets).toStrictEqual([
      entry("carts", { policy: "merge:union" }),
    ]);
  });

  test("are refused when they are out of order, doubled, too many, or what no node would set", () => {
    expect(refusal(sent(entry("b"), entry("a"))).message).toContain("unsorted");
    expect(refusal(sent(entry("a"), entry("a"))).message).toContain("repeated");
    expect(refusal(sent(entry("a/b"))).message).toContain('"/"');
    expect(refusal(sent(entry("a", { r: 4 }))).message).toContain("r is 4");
    expect(refusal(sent(entry("a", { policy: "merge:NO" }))).message).toContain("policy");
    expect(refusal(sent({ ...entry("a"), version: 0 }))).toBeInstanceOf(MalformedMessageError);
    const many = Array.from({ length: BUCKETS_MAX + 1 }, (_, i) => entry(`b${String(i).padStart(3, "0")}`));
    expect(refusal(sent(...many))).toBeInstanceOf(OversizedError);
    expect(decodeMessage(sent(...many.slice(1))).message).toMatchObject({ buckets: { length: BUCKETS_MAX } });
  });

  test("of the longest names, as many as may be, fit into a message many times", () => {
    const many = Array.from({ length: BUCKETS_MAX }, (_, i) =>
      entry(`${"\u20ac".repeat(60)}${String(i).padStart(4, "0")}`, { policy: `merge:${"x".repeat(32)}` }),
    );
    expect(8 * sent(...many).length).toBeLessThan(MESSAGE_BYTES_MAX);
  });
});
