/**
 * Vector clocks over the trace: one count for each node, in the order in which nodes came to the world. A node's own count ticks at each record of it; at a
 * received message its clock is joined with that of the sending record (Fidge 1988, Mattern 1989). So one record happened before another exactly when its
 * clock is less. These are clocks of the lab about the whole system; the clocks of versions are in `core/dvvset.ts`.
 */

/** A missing entry is 0. */
export type CausalClock = readonly number[];

/** The next record of the node at `place`, which knows `own` and has just learnt `heard`. */
export function tick(own: CausalClock, place: number, heard: CausalClock = []): CausalClock {
  const clock = own.slice();
  for (let i = 0; i < heard.length; i++) if (heard[i]! > (clock[i] ?? 0)) setCount(clock, i, heard[i]!);
  setCount(clock, place, (clock[place] ?? 0) + 1);
  return clock;
}

function setCount(clock: number[], place: number, count: number): void {
  while (clock.length < place) clock.push(0);
  clock[place] = count;
}

export type CausalOrder = "before" | "after" | "same" | "concurrent";

export function compareCausally(a: CausalClock, b: CausalClock): CausalOrder {
  let less = false;
  let more = false;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? 0, b[i] ?? 0];
    if (left < right) less = true;
    else if (left > right) more = true;
  }
  return less ? (more ? "concurrent" : "before") : more ? "after" : "same";
}
