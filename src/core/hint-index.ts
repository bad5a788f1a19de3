/** Which hints lie in this node's hint store: by owed node, in the order in which they came, and by key. Bounded by the one who adds. */

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
    if (this.has(key, target)) return;
    this.#size++;
    (this.#byTarget.get(target) ?? this.#byTarget.set(target, new Set()).get(target)!).add(key);
    (this.#byKey.get(key) ?? this.#byKey.set(key, new Set()).get(key)!).add(target);
  }

  remove(key: Key, target: NodeId): void {
    if (!this.has(key, target)) return;
    this.#size--;
    const keys = this.#byTarget.get(target)!;
    keys.delete(key);
    if (keys.size === 0) this.#byTarget.delete(target);
    const targets = this.#byKey.get(key)!;
    targets.delete(target);
    if (targets.size === 0) this.#byKey.delete(key);
  }

  targets(): NodeId[] {
    return [...this.#byTarget.keys()];
  }

  /** The nodes for which a hint of this key is kept. */
  targetsOf(key: Key): ReadonlySet<NodeId> {
    return this.#byKey.get(key) ?? NONE;
  }

  keysFor(target: NodeId): Iterable<Key> {
    return this.#byTarget.get(target) ?? [];
  }

  count(target: NodeId): number {
    return this.#byTarget.get(target)?.size ?? 0;
  }
}

const NONE: ReadonlySet<NodeId> = new Set();
