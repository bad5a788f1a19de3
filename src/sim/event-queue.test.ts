import fc from "fast-check";
import { expect, test } from "vitest";
import { EventQueue } from "./event-queue.ts";

test("pops by time, and by order of scheduling within one time", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant("pop" as const)), { maxLength: 200 }),
      (script) => {
        const queue = new EventQueue();
        const model: { time: number; label: number }[] = [];
        const ran: number[] = [];
        const expected: number[] = [];
        const pop = (): void => {
          model.sort((a, b) => a.time - b.time || a.label - b.label);
          const next = model.shift();
          expect(queue.nextTime).toBe(next?.time);
          queue.pop()?.run();
          if (next !== undefined) expected.push(next.label);
        };
        script.forEach((entry, label) => {
          if (entry === "pop") return pop();
          queue.push(entry, () => ran.push(label));
          model.push({ time: entry, label });
          return undefined;
        });
        while (model.length > 0) pop();
        expect(queue.size).toBe(0);
        expect(queue.pop()).toBeUndefined();
        expect(ran).toEqual(expected);
      },
    ),
  );
});
