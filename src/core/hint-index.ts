/**
 * Which hints lie in this node's hint store: by key, and, those that are still to be delivered, by owed node in the order in which they came.
 * A hint's life here: added; leaving, while its removal is on its way to the disk: it may still be there, and counts, but is not delivered again;
 * removed, or added again when the removal failed. Bounded by the one who adds.
 */

import type { Key, NodeId } from "./identifiers.ts";

export class HintIndex {
  readonly #byTarget = new Map<NodeId, Set<Key>>();
  readonly #byKey = new Map<Key, Set<NodeId>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory(): unknown {
    return { byTarget: this.#byTarget, byKey: this.#byKey };
  }

  has(key: Key, target: NodeId): boolean {
    return this.#byKey.get(key)?.has(target) ?? false;
  }

  add(key: Key, target: NodeId): void {
    (this.#byTarget.get(target) ?? this.#byTarget.set(target, new Set()).get(target)!).add(key);
    if (this.has(key, target)) return;
    this.#size++;
    (this.#byKey.get(key) ?? this.#byKey.set(key, new Set()).get(key)!).add(target);
  }

  /** It was delivered, and its removal is on its way to the disk. */
  leave(key: Key, target: NodeId): void {
    const keys = this.#byTarget.get(target);
    if (keys?.delete(key) === true && keys.size === 0) this.#byTarget.delete(target);
  }

  remove(key: Key, target: NodeId): void {
    if (!this.has(key, target)) return;
    this.leave(key, target);
    this.#size--;
    const targets = this.#byKey.get(key)!;
    targets.delete(target);
    if (targets.size === 0) this.#byKey.delete(key);
  }

  /** Who is owed something that is still to be delivered. */
  targets(): NodeId[] {
    return [...this.#byTarget.keys()];
  }

  /** The nodes for which a hint of this key is kept. */
  targetsOf(key: Key): ReadonlySet<NodeId> {
    return this.#byKey.get(key) ?? NONE;
  }

  /** What is still to be delivered. */
  keysFor(target: NodeId): Iterable<Key> {
    return this.#byTarget.get(target) ?? [];
  }

  count(target: NodeId): number {
    return this.#byTarget.get(target)?.size ?? 0;
  }
}

const NONE: ReadonlySet<NodeId> = new Set();
