/**
 * What the server is between its starts: its node's key pair and its cluster's id and secret. They lie in the same storage as its data and
 * membership, so that they vanish together: a seed that kept its name without its memory would be somebody else under the same name.
 */

import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import * as v from "valibot";
import { StorageError } from "../src/core/errors.ts";
import type { NodeId } from "../src/core/identifiers.ts";
import type { Storage } from "../src/driver/ports.ts";

const KEY = "seed";

const stored = v.strictObject({
  cluster: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/)),
  secret: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  /** Ed25519, PKCS #8 and SPKI, base64. */
  privateKey: v.pipe(v.string(), v.base64()),
  publicKey: v.pipe(v.string(), v.base64()),
});

export interface SeedIdentity {
  /** The first 128 bits of the SHA-256 of the raw public key, as in a tab. */
  readonly node: NodeId;
  readonly cluster: string;
  /** 32 bytes in base64url. */
  readonly secret: string;
  /** True when it was made just now: the cluster is to be founded. */
  readonly fresh: boolean;
}

/** Reads the identity from an open storage, or makes one and waits until it is durable. Throws StorageError when what is there is damaged. */
export async function seedIdentity(storage: Storage): Promise<SeedIdentity> {
  const [bytes] = await storage.read([{ store: "meta", key: KEY }]);
  if (bytes !== undefined) {
    let found: unknown;
    try {
      found = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      found = undefined;
    }
    const parsed = v.safeParse(stored, found);
    if (!parsed.success)
      throw new StorageError(
        "The seed's identity in the data folder is damaged. Nothing was changed. Restore the folder from a copy, or move it away to start a new cluster.",
      );
    return {
      node: idOf(Buffer.from(parsed.output.publicKey, "base64")),
      cluster: parsed.output.cluster,
      secret: parsed.output.secret,
      fresh: false,
    };
  }
  const pair = generateKeyPairSync("ed25519");
  const publicKey = pair.publicKey.export({ type: "spki", format: "der" });
  const made: v.InferOutput<typeof stored> = {
    cluster: randomBytes(8).toString("hex"),
    secret: randomBytes(32).toString("base64url"),
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
    publicKey: publicKey.toString("base64"),
  };
  await storage.commit([{ store: "meta", key: KEY, value: new TextEncoder().encode(JSON.stringify(made)) }], "strict");
  return { node: idOf(publicKey), cluster: made.cluster, secret: made.secret, fresh: true };
}

/** SPKI wraps the 32 raw bytes of an Ed25519 key in a fixed head. */
function idOf(spki: Buffer): NodeId {
  return createHash("sha256").update(spki.subarray(-32)).digest("hex").slice(0, 32) as NodeId;
}
