import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { NodeId } from "../src/core/identifiers.ts";
import { decodeRelay, encodeRelay, parseServerMessage, type ServerMessage } from "../src/wire/signaling.ts";
import { PortTakenError, type RunningServer, type ServerOptions, startServer } from "./server.ts";

const [ada, bob, eve, seed] = ["a", "b", "e", "5"].map((digit) => digit.repeat(32)) as [NodeId, NodeId, NodeId, NodeId];

const running: RunningServer[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({ port: 0, ...options });
  running.push(server);
  return server;
}

/** A client that takes what comes in order, and waits where nothing has come yet. */
class Client {
  readonly socket: WebSocket;
  readonly #came: (
    ServerMessage | { type: "relay"; from: NodeId; bytes: number[] } | { type: "closed"; code: number }
  )[] = [];
  #wake: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "nodebuffer";
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) this.#came.push(parseServerMessage(data.toString()));
      else {
        const { node, bytes } = decodeRelay(data);
        this.#came.push({ type: "relay", from: node, bytes: [...bytes] });
      }
      this.#wake();
    });
    socket.on("close", (code) => {
      this.#came.push({ type: "closed", code });
      this.#wake();
    });
    socket.on("error", () => {});
  }

  static async open(server: RunningServer): Promise<Client> {
    const client = new Client(new WebSocket(server.signalAddress));
    await new Promise((resolve, reject) => client.socket.once("open", resolve).once("error", reject));
    return client;
  }

  static async joined(server: RunningServer, node: NodeId, cluster = "shop"): Promise<Client> {
    const client = await Client.open(server);
    client.join(node, cluster);
    expect(await client.next()).toMatchObject({ type: "joined", node });
    return client;
  }

  join(node: NodeId, cluster = "shop", protocol = 1): void {
    this.say({ type: "join", protocol, cluster, node });
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  async next(): Promise<unknown> {
    while (this.#came.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#came.shift();
  }
}

const error = (code: string): unknown => expect.objectContaining({ type: "error", code });
const closed = { type: "closed", code: 1008 };

describe("signaling", () => {
  test("joining tells who is there; coming and going is told to the others of the room alone", async () => {
    const server = await start();
    const one = await Client.joined(server, ada);
    const elsewhere = await Client.joined(server, eve, "another-cluster");
    const two = await Client.open(server);
    two.join(bob);
    expect(await two.next()).toEqual({ type: "joined", node: bob, members: [ada], seed: null });
    expect(await one.next()).toEqual({ type: "present", node: bob });
    two.say({ type: "leave" });
    expect(await one.next()).toEqual({ type: "absent", node: bob });
    expect(await two.next()).toEqual({ type: "closed", code: 1000 });
    elsewhere.say({ type: "signal", to: ada, session: "1", payload: "x" });
    expect(await elsewhere.next()).toEqual({ type: "undeliverable", to: ada, session: "1" });
  });

  test("a signal reaches its target with the sender's true id, and nothing but the known fields", async () => {
    const server = await start();
    const one = await Client.joined(server, ada);
    const two = await Client.joined(server, bob);
    await one.next();
    two.say({ type: "signal", to: ada, session: "7", payload: "offer" });
    expect(await one.next()).toEqual({ type: "signal", from: bob, session: "7", payload: "offer" });
    two.say({ type: "signal", to: ada, session: "7", payload: "offer", from: eve });
    expect(await two.next()).toEqual(error("malformed"));
  });

  test("relay envelopes reach their target, stamped, also the largest; without relay they do not", async () => {
    for (const relay of [true, false]) {
      const server = await start({ relay });
      const one = await Client.joined(server, ada);
      const two = await Client.joined(server, bob);
      await one.next();
      two.socket.send(encodeRelay(ada, new Uint8Array(65_536)));
      two.socket.send(encodeRelay(ada, new Uint8Array([1, 2, 3])));
      two.say({ type: "signal", to: ada, session: "1", payload: "after" });
      if (relay) {
        expect(await one.next()).toMatchObject({ type: "relay", from: bob, bytes: { length: 65_536 } });
        expect(await one.next()).toEqual({ type: "relay", from: bob, bytes: [1, 2, 3] });
      }
      expect(await one.next()).toMatchObject({ type: "signal", payload: "after" });
      two.socket.send(encodeRelay(eve, new Uint8Array([1])));
      expect(await two.next()).toEqual({ type: "undeliverable", to: eve, session: "relay" });
    }
  });

  test("a second socket of the same node replaces the first", async () => {
    const server = await start();
    const watcher = await Client.joined(server, bob);
    const first = await Client.joined(server, ada);
    await watcher.next();
    const second = await Client.joined(server, ada);
    expect(await first.next()).toEqual(error("duplicate-node"));
    expect(await first.next()).toEqual(closed);
    expect(await watcher.next()).toEqual({ type: "present", node: ada });
    // The end of the first does not take the second out of the room.
    watcher.say({ type: "signal", to: ada, session: "1", payload: "hello" });
    expect(await second.next()).toMatchObject({ type: "signal", from: bob });
  });

  test("the seed is named, hears envelopes, answers, and its id is nobody else's", async () => {
    const server = await start();
    const early = await Client.joined(server, bob);
    const room = server.attachSeed("shop", seed);
    const heard: unknown[] = [];
    room.listen({
      present: (node) => heard.push(["present", node]),
      absent: (node) => heard.push(["absent", node]),
      relay: (from, payload) => {
        heard.push([from, [...payload]]);
        room.send(from, new Uint8Array([9]));
      },
      drained: () => {},
    });
    expect(await early.next()).toEqual({ type: "joined", node: bob, members: [], seed });
    const client = await Client.open(server);
    client.join(ada);
    expect(await client.next()).toEqual({ type: "joined", node: ada, members: [bob], seed });
    client.socket.send(encodeRelay(seed, new Uint8Array([4, 2])));
    expect(await client.next()).toEqual({ type: "relay", from: seed, bytes: [9] });
    client.say({ type: "leave" });
    expect(await client.next()).toEqual({ type: "closed", code: 1000 });
    expect(heard).toEqual([
      ["present", ada],
      [ada, [4, 2]],
      ["absent", ada],
    ]);
    expect(room.send(ada, new Uint8Array([1]))).toBe(false);
    const thief = await Client.open(server);
    thief.join(seed);
    expect(await thief.next()).toEqual(error("duplicate-node"));
  });
});

describe("bad input", () => {
  test.each([
    ["no JSON", "}{", "malformed"],
    ["an unknown type", JSON.stringify({ type: "obey" }), "malformed"],
    ["a bad node id", JSON.stringify({ type: "join", protocol: 1, cluster: "shop", node: "me" }), "malformed"],
    ["a bad cluster name", JSON.stringify({ type: "join", protocol: 1, cluster: "../etc", node: ada }), "malformed"],
    ["a text over 64 KiB", JSON.stringify({ type: "leave", more: "x".repeat(70_000) }), "oversized"],
    ["a prototype", '{"type":"leave","__proto__":{"admin":true}}', "malformed"],
    ["half an envelope", new Uint8Array([1, 2, 3]), "malformed"],
    ["a signal before the join", JSON.stringify({ type: "signal", to: ada, session: "1", payload: "" }), "not-joined"],
  ])("%s: told by name, and closed after the third time", async (_, data, code) => {
    const server = await start();
    const witness = await Client.joined(server, bob);
    const client = await Client.open(server);
    for (let i = 0; i < 3; i++) client.socket.send(data);
    for (let i = 0; i < 3; i++) expect(await client.next()).toEqual(error(code));
    expect(await client.next()).toEqual(closed);
    witness.say({ type: "signal", to: eve, session: "1", payload: "" });
    expect(await witness.next()).toMatchObject({ type: "undeliverable" });
  });

  test("a good message between bad ones does not hide them; two are forgiven", async () => {
    const server = await start();
    const client = await Client.open(server);
    client.socket.send("rubbish");
    client.socket.send("rubbish");
    client.join(ada);
    for (const wanted of [error("malformed"), error("malformed"), expect.objectContaining({ type: "joined" })])
      expect(await client.next()).toEqual(wanted);
    client.join(ada);
    expect(await client.next()).toEqual(error("malformed"));
    expect(await client.next()).toEqual(closed);
  });

  test("another protocol version is refused by name, at once", async () => {
    const client = await Client.open(await start());
    client.join(ada, "shop", 99);
    expect(await client.next()).toEqual(error("protocol-version"));
    expect(await client.next()).toEqual(closed);
  });

  test("a frame over 128 KiB ends the socket and nothing else", async () => {
    const server = await start();
    const client = await Client.joined(server, ada);
    client.socket.send(new Uint8Array(131_073));
    expect(await client.next()).toMatchObject({ type: "closed", code: 1009 });
    await Client.joined(server, bob);
  });

  test("a full room, and as many rooms as there may be", async () => {
    const server = await start({ limits: { membersMax: 2, roomsMax: 2 } });
    await Client.joined(server, ada);
    await Client.joined(server, bob);
    const third = await Client.open(server);
    third.join(eve);
    expect(await third.next()).toEqual(error("room-full"));
    expect(await third.next()).toEqual(closed);
    await Client.joined(server, eve, "second");
    const fourth = await Client.open(server);
    fourth.join(eve, "third");
    expect(await fourth.next()).toEqual(error("too-many-rooms"));
    // A node that is in the full room already may come again.
    await Client.joined(server, ada);
  });

  test("who does not join in time is closed", async () => {
    const client = await Client.open(await start({ limits: { joinWithinMs: 20 } }));
    expect(await client.next()).toEqual(error("not-joined"));
    expect(await client.next()).toEqual(closed);
  });

  test("a little over the rate is slowed down and loses nothing; far over it is closed by name", async () => {
    const slow = await start({ limits: { textsPerSecond: 500, textsBurst: 10 } });
    const patient = await Client.joined(slow, ada);
    for (let i = 0; i < 60; i++) patient.say({ type: "signal", to: bob, session: `${i + 1}`, payload: "" });
    for (let i = 0; i < 60; i++)
      expect(await patient.next()).toEqual({ type: "undeliverable", to: bob, session: `${i + 1}` });

    const strict = await start({ limits: { textsPerSecond: 1, textsBurst: 10, pauseMsMax: 20 } });
    const flooding = await Client.joined(strict, ada);
    for (let i = 0; i < 60; i++) flooding.say({ type: "signal", to: bob, session: "1", payload: "" });
    let last = await flooding.next();
    while ((last as ServerMessage).type === "undeliverable") last = await flooding.next();
    expect(last).toEqual(error("rate-limited"));
    expect(await flooding.next()).toEqual(closed);
  });

  test("a socket that answers no pings is given up", async () => {
    const server = await start({ limits: { pingMs: 20 } });
    const witness = await Client.joined(server, bob);
    const dead = new WebSocket(server.signalAddress, { autoPong: false });
    dead.on("open", () => dead.send(JSON.stringify({ type: "join", protocol: 1, cluster: "shop", node: ada })));
    dead.on("error", () => {});
    expect(await witness.next()).toEqual({ type: "present", node: ada });
    expect(await witness.next()).toEqual({ type: "absent", node: ada });
  });

  test("a socket that does not read is given up before its backlog grows", async () => {
    const server = await start({ limits: { bufferedBytesMax: 200_000 } });
    const lazy = await Client.joined(server, ada);
    const busy = await Client.joined(server, bob);
    lazy.socket.pause();
    // Far more than the kernel buffers between the two.
    const sending = setInterval(() => {
      for (let i = 0; i < 16; i++) busy.socket.send(encodeRelay(ada, new Uint8Array(65_536)));
    }, 1);
    try {
      expect(await busy.next()).toEqual({ type: "absent", node: ada });
    } finally {
      clearInterval(sending);
    }
  });
});

describe("the server itself", () => {
  test("a taken port is an error that says so", async () => {
    const server = await start();
    const second = startServer({ port: server.port });
    await expect(second).rejects.toThrow(PortTakenError);
    await expect(second).rejects.toThrow(`Port ${server.port} is in use`);
  });

  test("close ends every connection and can be called again; its port is free then", async () => {
    const server = await start();
    const client = await Client.joined(server, ada);
    await Promise.all([server.close(), server.close()]);
    expect(await client.next()).toMatchObject({ type: "closed" });
    const again = await start({ port: server.port });
    expect(again.port).toBe(server.port);
  });

  test("files of the folder are served, with their types and the content security policy", async () => {
    const { server } = await withFiles();
    expect(await get(server, "/")).toMatchObject({
      status: 200,
      type: "text/html; charset=utf-8",
      body: "<h1>shop</h1>",
    });
    expect(await get(server, "/assets/app.js?v=1")).toMatchObject({
      status: 200,
      type: "text/javascript; charset=utf-8",
    });
    expect(await get(server, "/lab/")).toMatchObject({ status: 200, body: "lab" });
    const { headers } = await get(server, "/");
    expect(headers["content-security-policy"]).toContain("script-src 'self'; connect-src 'self' ws: wss:");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(await get(server, "/health")).toMatchObject({ status: 200, body: "ok\n" });
  });

  test.each([
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets/../../secret.txt",
    "/assets/..%5c..%5csecret.txt",
    "//secret.txt",
    "/link.txt",
    "/%00",
    "/%zz",
    "/assets",
    "/nothing.js",
  ])("nothing outside of the folder is served: %s", async (path) => {
    const { server } = await withFiles();
    const answer = await get(server, path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.body).not.toContain("secret words");
  });

  test("only GET and HEAD, and only /signal takes WebSockets", async () => {
    const { server } = await withFiles();
    expect(await get(server, "/", "POST")).toMatchObject({ status: 405 });
    expect(await get(server, "/", "HEAD")).toMatchObject({ status: 200, body: "" });
    const elsewhere = new WebSocket(server.signalAddress.replace("/signal", "/elsewhere"));
    await expect(new Promise((_, reject) => elsewhere.once("error", reject))).rejects.toThrow("404");
  });
});

async function withFiles(): Promise<{ server: RunningServer }> {
  const parent = await mkdtemp(join(tmpdir(), "tabring-static-"));
  folders.push(parent);
  const folder = join(parent, "built");
  await mkdir(join(folder, "assets"), { recursive: true });
  await mkdir(join(folder, "lab"));
  await writeFile(join(parent, "secret.txt"), "secret words");
  await writeFile(join(folder, "index.html"), "<h1>shop</h1>");
  await writeFile(join(folder, "lab", "index.html"), "lab");
  await writeFile(join(folder, "assets", "app.js"), "1");
  await symlink(join(parent, "secret.txt"), join(folder, "link.txt"));
  return { server: await start({ staticFolder: folder }) };
}

/** Sends the path as it stands: `fetch` would tidy it up. */
function get(
  server: RunningServer,
  path: string,
  method = "GET",
): Promise<{ status: number; type: string | undefined; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    request({ port: server.port, path, method }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"],
          headers: response.headers,
          body,
        }),
      );
    })
      .on("error", reject)
      .end();
  });
}
