/** What the recorded build has for a test: a node, and its bytes. It was made from the types of its time; these are today's, where they still fit. */

import type { Config } from "../../core/config.ts";
import type { NodeMeta, StoredRecord } from "../../core/effect.ts";
import type { Epoch } from "../../core/identifiers.ts";
import type { Message } from "../../core/message.ts";
import type { NodeOptions } from "../../core/node.ts";
import type { ProtocolRange } from "../../core/versions.ts";
import type { HandshakeOptions, HandshakeStep } from "../../wire/handshake.ts";
import type { SimulatedNode } from "../simulator.ts";

export const DynamoNode: new (options: NodeOptions) => SimulatedNode;
export const defaultConfig: Config;
export const LINK_PROTOCOL: ProtocolRange;
export function encodeMessage(message: Message, epoch: Epoch): Uint8Array;
export function decodeMessage(bytes: Uint8Array): { readonly message: Message; readonly epoch: Epoch };
export function encodeRecord(record: StoredRecord): Uint8Array;
export function decodeRecord(bytes: Uint8Array): StoredRecord;
export function encodeMeta(meta: NodeMeta): Uint8Array;
export function decodeMeta(bytes: Uint8Array): NodeMeta;
/** It does not say what the other side reads. */
export class Handshake {
  constructor(options: HandshakeOptions);
  readonly hello: Uint8Array;
  receive(frame: Uint8Array): HandshakeStep;
}
