/**
 * Who counts. A replicated counter or set numbers what each writer did: (id, 1), (id, 2), … A value that says "I have seen n of id" claims all
 * of the first n. So an id must never be used over a value that lacks some of what was written under it: a put that failed with an unknown
 * outcome, an older version read back, a cart picked up after a reload. The rule is that of the store's own actors: go on under the same id only
 * while the value in hand has seen everything written under it, else take a fresh one.
 *
 * Limit: a value remembers each id that ever wrote it; one page makes few.
 */

/** One writer of one value (or of one cart), for as long as the page lives. */
export class Writer {
  readonly #draw: () => string;
  #id: string;
  #written = 0;

  /** @param draw gives a fresh id, unlike any other ever drawn anywhere */
  constructor(draw: () => string) {
    this.#draw = draw;
    this.#id = draw();
  }

  /** The id to write under over a value that has seen `seenOf(id)` of each id. */
  idOver(seenOf: (id: string) => number): string {
    if (seenOf(this.#id) !== this.#written) {
      this.#id = this.#draw();
      this.#written = 0;
    }
    return this.#id;
  }

  /** Must be told after each write: how many were written under the present id by now. */
  wrote(upTo: number): void {
    this.#written = upTo;
  }
}
