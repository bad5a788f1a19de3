/** A map of a stated size, which lets go of what it got first. */
export class LatestMap<Name, Value> {
  readonly #max: number;
  readonly #values = new Map<Name, Value>();

  constructor(max: number) {
    this.#max = max;
  }

  get(name: Name): Value | undefined {
    return this.#values.get(name);
  }

  set(name: Name, value: Value): void {
    this.#values.delete(name);
    this.#values.set(name, value);
    if (this.#values.size <= this.#max) return;
    for (const first of this.#values.keys()) {
      this.#values.delete(first);
      return;
    }
  }

  delete(name: Name): void {
    this.#values.delete(name);
  }

  get size(): number {
    return this.#values.size;
  }

  /** As they are now. */
  entries(): readonly (readonly [Name, Value])[] {
    return [...this.#values];
  }

  values(): Iterable<Value> {
    return this.#values.values();
  }
}
