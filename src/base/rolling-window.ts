/**
 * The latest stretch of time, cut into slices of equal length, so that what is older is forgotten slice by slice. Somebody fills the slice of now;
 * the oldest go when their time is over. Slices that nobody filled are not there. The caller passes the time in; it never goes back.
 *
 * Limits: `slicesMax` slices.
 */

export class RollingWindow<Slice> {
  readonly #sliceMs: number;
  readonly #slicesMax: number;
  readonly #make: () => Slice;
  /** By number since time 0, ascending. */
  readonly #slices = new Map<number, Slice>();

  /** The slice of now, not yet over, is one of the `slicesMax`. */
  constructor(sliceMs: number, slicesMax: number, make: () => Slice) {
    this.#sliceMs = sliceMs;
    this.#slicesMax = slicesMax;
    this.#make = make;
  }

  /** The slice to fill now. */
  at(nowMs: number): Slice {
    const number = this.#forget(nowMs);
    let slice = this.#slices.get(number);
    if (slice === undefined) this.#slices.set(number, (slice = this.#make()));
    return slice;
  }

  /** Those that are left, newest first; `age` 0 is the one under way. */
  recent(nowMs: number): { readonly age: number; readonly slice: Slice }[] {
    const now = this.#forget(nowMs);
    return [...this.#slices].reverse().map(([number, slice]) => ({ age: now - number, slice }));
  }

  /** How much time lies within the window, of `sinceMs` until now. */
  coveredMs(nowMs: number, sinceMs: number): number {
    const from = (Math.floor(nowMs / this.#sliceMs) - this.#slicesMax + 1) * this.#sliceMs;
    return Math.max(0, nowMs - Math.max(from, sinceMs));
  }

  #forget(nowMs: number): number {
    const now = Math.floor(nowMs / this.#sliceMs);
    for (const number of this.#slices.keys()) {
      if (number > now - this.#slicesMax) break;
      this.#slices.delete(number);
    }
    return now;
  }
}
