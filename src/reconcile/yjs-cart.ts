/**
 * The cart as a Yjs document: one Y.Map, item to quantity. Merging applies every sibling's update to one document. A general-purpose CRDT off the
 * shelf: items added on both sides all stay and removed ones stay removed, but a quantity is a plain register, so that of two concurrent
 * changes of one item one wins as a whole (by client id), and a change of the quantity outlives a concurrent removal with all its copies.
 *
 * Limits: a document remembers each writer and a few bytes of each change; the encoded size is bounded in `cart.ts`. The only file that
 * imports Yjs, so that it can be loaded when the first cart is.
 */

import * as Y from "yjs";
import { sortedMap, type Quantities } from "./quantities.ts";
import { pairwise, type Reconcile } from "./strategy.ts";
import type { Writer } from "./writer.ts";

const ITEMS = "items";
/** Hexadecimal digits of a writer id that make the Yjs client id: 48 bits, exact in a number. */
const CLIENT_DIGITS = 12;

function open(bytes: Uint8Array): Y.Doc {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, bytes);
  return doc;
}

/** The update of a document in which nothing was ever done. */
export const EMPTY_YJS: Uint8Array = Y.encodeStateAsUpdate(new Y.Doc());

/** The quantities in a cart document; undefined when the bytes are no such document. */
export function yjsQuantities(bytes: Uint8Array): Quantities | undefined {
  try {
    const doc = open(bytes);
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) return undefined;
    for (const name of doc.share.keys()) if (name !== ITEMS) return undefined;
    const entries = [...doc.getMap<unknown>(ITEMS).entries()];
    const quantities = entries.filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1]));
    return quantities.length === entries.length ? sortedMap(quantities) : undefined;
  } catch {
    return undefined; // Yjs throws plain errors on bytes that are no update
  }
}

/** The document with its quantities changed to `target`, touching only what differs. */
export function setYjsQuantities(bytes: Uint8Array, target: Quantities, writer: Writer): Uint8Array {
  const doc = open(bytes);
  const clientOf = (id: string): number => Number.parseInt(id.slice(0, CLIENT_DIGITS), 16);
  doc.clientID = clientOf(writer.idOver((id) => Y.getState(doc.store, clientOf(id))));
  const items = doc.getMap<number>(ITEMS);
  doc.transact(() => {
    for (const item of [...items.keys()].sort()) if (!target.has(item)) items.delete(item);
    for (const [item, copies] of target) if (items.get(item) !== copies) items.set(item, copies);
  });
  writer.wrote(Y.getState(doc.store, doc.clientID));
  return Y.encodeStateAsUpdate(doc);
}

/** Through one document rather than `Y.mergeUpdates`, which keeps what others deleted. */
export const mergeYjsCarts: Reconcile<Uint8Array> = pairwise((a, b) => {
  const doc = open(a);
  Y.applyUpdate(doc, b);
  return Y.encodeStateAsUpdate(doc);
});
