/** Whatever comes in, from a caller, a peer or a stranger: a named error to whom it concerns, nothing stored, nobody crashes. */

import { expect, test } from "@playwright/test";
import { FRAME_BYTES_MIN } from "../src/wire/frame.ts";
import { SIGNALING_PROTOCOL, TEXT_BYTES_MAX } from "../src/wire/signaling.ts";
import { type Cluster, inviteParts, openCluster, refusalOf, type Tab, waitUntil } from "./cluster.ts";
import { Stranger, type StrangerLink } from "./stranger.ts";

const VALUE_BYTES_MAX = 1_048_576;

let cluster: Cluster;
/** Who is troubled, and who looks on. */
let victim: Tab;
let witness: Tab;
let strangers: Stranger[] = [];

test.beforeAll(async () => {
  cluster = await openCluster({ tabs: 5 });
  [victim, witness] = cluster.tabs as [Tab, Tab, ...Tab[]];
});
test.afterAll(() => cluster.close());

test.beforeEach(() => victim.listenForRefusals());
/** Everybody is still there and serves. */
test.afterEach(async () => {
  for (const stranger of strangers) stranger.close();
  strangers = [];
  await cluster.settled();
  const key = `carts/after-${test.info().title.replaceAll(/\W+/g, "-")}`;
  await victim.put(key, "still here");
  expect((await witness.get(key)).values).toEqual(["still here"]);
  expect(cluster.server.running).toBe(true);
  for (const tab of cluster.tabs) expect(tab.uncaught).toEqual([]);
});

async function stranger(): Promise<Stranger> {
  const one = await Stranger.connect(cluster.server.port);
  strangers.push(one);
  return one;
}

/** A link to the victim's tab by somebody who knows the secret. */
async function linkToVictim(): Promise<StrangerLink> {
  const one = await stranger();
  const parts = inviteParts(cluster.server.invite);
  await one.join(parts.cluster);
  const link = one.dial({ ...parts, to: await victim.node() });
  await waitUntil(() => link.up, { what: "the relayed link is up" });
  return link;
}

async function victimRefuses(name: string, code: string): Promise<void> {
  await waitUntil(
    async () => (await victim.refusals()).some((refusal) => refusal.name === name && refusal.code === code),
    { what: `the victim tells of ${name}` },
  );
}

test.describe("from a caller", () => {
  test("an empty or over-long key", async () => {
    for (const key of ["", "k".repeat(1_025), "ü".repeat(513)]) {
      expect(await refusalOf(victim.put(key, "x"))).toMatchObject({ name: "InvalidKeyError", code: "invalid-key" });
      expect(await refusalOf(victim.get(key))).toMatchObject({ name: "InvalidKeyError", code: "invalid-key" });
    }
    const longest = "k".repeat(1_024);
    await victim.put(longest, "x");
    expect((await witness.get(longest)).values).toEqual(["x"]);
  });

  test("a value over 1 MiB", async () => {
    const refusal = await refusalOf(victim.put("carts/large", "x".repeat(VALUE_BYTES_MAX + 1)));
    expect(refusal).toMatchObject({ name: "ValueTooLargeError", code: "value-too-large" });
    expect((await witness.get("carts/large")).values).toEqual([]);
    await victim.put("carts/large", "x".repeat(VALUE_BYTES_MAX));
    expect((await witness.get("carts/large")).values[0]).toHaveLength(VALUE_BYTES_MAX);
  });

  test("r or w outside of 1 to n", async () => {
    for (const count of [0, 4, -1, 1.5]) {
      const name = { name: "InvalidQuorumError", code: "invalid-quorum" };
      expect(await refusalOf(victim.put("carts/quorum", "x", { w: count }))).toMatchObject(name);
      expect(await refusalOf(victim.get("carts/quorum", { r: count }))).toMatchObject(name);
    }
    expect((await witness.get("carts/quorum")).values).toEqual([]);
  });

  test("a context of another key, or none at all", async () => {
    await victim.put("carts/one", "x");
    const { context } = await victim.get("carts/one");
    for (const wrong of [context, [1, 2, 3], [...context, 0]])
      expect(await refusalOf(victim.put("carts/other", "x", { context: wrong }))).toMatchObject({
        name: "InvalidContextError",
        code: "invalid-context",
      });
    expect((await witness.get("carts/other")).values).toEqual([]);
  });
});

test.describe("from a peer", () => {
  test("a malformed frame", async () => {
    const link = await linkToVictim();
    link.sendFrame(new Uint8Array([4, 255, 255, 255, 255]));
    await victimRefuses("MalformedMessageError", "malformed-message");
    await waitUntil(() => link.ended !== undefined, { what: "the link is closed" });
  });

  test("an oversized frame", async () => {
    const link = await linkToVictim();
    link.sendFrame(new Uint8Array(FRAME_BYTES_MIN + 1));
    await victimRefuses("OversizedError", "oversized");
    await waitUntil(() => link.ended !== undefined, { what: "the link is closed" });
  });

  test("a malformed message in a sound frame", async () => {
    const link = await linkToVictim();
    link.sendMessage(new Uint8Array([1, 1, 255]));
    await victimRefuses("MalformedMessageError", "malformed-message");
    await waitUntil(() => link.ended !== undefined, { what: "the link is closed" });
  });

  test("an unknown message kind is named and dropped, and the link lives on", async () => {
    const link = await linkToVictim();
    link.sendMessage(new Uint8Array([1, 255, 0]));
    await victimRefuses("UnknownMessageError", "unknown-message");
    expect(link.ended).toBeUndefined();
  });

  test("another protocol version: both sides are told", async () => {
    const one = await stranger();
    const parts = inviteParts(cluster.server.invite);
    await one.join(parts.cluster);
    const link = one.dial({ ...parts, to: await victim.node(), protocol: { min: 99, max: 99 } });
    await victimRefuses("ProtocolVersionError", "protocol-version");
    await waitUntil(() => link.ended?.error !== undefined, { what: "the other side is told, too" });
    expect(link.ended?.error?.code).toBe("protocol-version");
  });

  test("somebody without the secret: both sides are told, no data", async () => {
    const one = await stranger();
    const { cluster: name } = inviteParts(cluster.server.invite);
    await one.join(name);
    const link = one.dial({ cluster: name, secret: "A".repeat(43), to: await victim.node() });
    await waitUntil(() => link.ended?.error !== undefined, { what: "the stranger is refused" });
    expect(link.ended?.error?.code).toBe("wrong-secret");
    expect(link.up).toBe(false);
    await victimRefuses("WrongSecretError", "wrong-secret");
    expect((await witness.nodes()).map((info) => info.node)).not.toContain(one.node);
  });
});

test("rubbish on a data channel closes that link only, and it is made anew", async () => {
  // The page that opens next keeps hold of its data channels, as only the page itself can.
  await cluster.context.addInitScript(() => {
    const channels = new Set<RTCDataChannel>();
    Object.assign(window, { channels });
    const prototype = RTCDataChannel.prototype as { send: (this: RTCDataChannel, data: unknown) => void };
    const { send } = prototype;
    prototype.send = function (data) {
      channels.add(this);
      send.call(this, data);
    };
  });
  const rude = await cluster.openTab();
  await cluster.settled();
  const node = await rude.node();
  await waitUntil(async () => (await victim.linkTo(node)) === "webrtc", { what: "the victim is linked with it" });
  await rude.page.evaluate(() => {
    const { channels } = window as unknown as { channels: Set<RTCDataChannel> };
    for (const channel of channels) if (channel.readyState === "open") channel.send(new Uint8Array([255, 1, 2, 3]));
  });
  await victimRefuses("MalformedMessageError", "malformed-message");
  await waitUntil(async () => (await victim.linkTo(node)) === "webrtc", {
    what: "it is linked anew",
    timeoutMs: 60_000,
  });
});

test("malformed signaling: the sender is told, and shown the door the third time", async () => {
  const cases: readonly (readonly [said: string | Uint8Array, code: string])[] = [
    ["no json", "malformed"],
    ['{"type":"join","protocol":1,"cluster":"../x","node":"1"}', "malformed"],
    ['{"__proto__":{"x":1},"type":"shout"}', "malformed"],
    [JSON.stringify({ type: "join", protocol: SIGNALING_PROTOCOL + 1, cluster: "x", node: "1" }), "protocol-version"],
    [JSON.stringify({ type: "signal", payload: "x".repeat(TEXT_BYTES_MAX) }), "oversized"],
    [new Uint8Array([SIGNALING_PROTOCOL, 1, 2]), "malformed"],
  ];
  for (const [said, code] of cases) {
    const one = await stranger();
    one.say(said);
    expect((await one.hear("error")).code).toBe(code);
  }
  const stubborn = await stranger();
  for (let i = 0; i < 3; i++) stubborn.say("no json");
  await waitUntil(() => stubborn.closed, { what: "the server closes the socket" });

  // What is addressed to a tab is the tab's to judge.
  const one = await stranger();
  const parts = inviteParts(cluster.server.invite);
  await one.join(parts.cluster);
  const to = await victim.node();
  one.say(JSON.stringify({ type: "signal", to, session: "1", payload: '{"sequence":1,"signal":{"type":"offer"}}' }));
  one.say(JSON.stringify({ type: "signal", to, session: "x".repeat(64), payload: "\u0000" }));
});
