/** The timer table against a naive list. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { TimerTable } from "./timers.ts";

test("fires every timer once, in the order of deadlines, like a sorted list", () => {
  const commands = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("set" as const), name: fc.nat(5), at: fc.nat(100) }),
      fc.record({ kind: fc.constant("clear" as const), name: fc.nat(5) }),
      fc.record({ kind: fc.constant("expire" as const), now: fc.nat(100) }),
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(commands, (script) => {
      const table = new TimerTable();
      const naive = new Map<string, number>();
      for (const command of script) {
        if (command.kind === "set") {
          table.set(`${command.name}`, command.at);
          naive.set(`${command.name}`, command.at);
        } else if (command.kind === "clear") {
          table.clear(`${command.name}`);
          naive.delete(`${command.name}`);
        } else {
          const due = Math.min(...naive.values(), Infinity);
          const fired = table.expire(command.now);
          if (due > command.now) expect(fired).toBeUndefined();
          else {
            expect(naive.get(fired!)).toBe(due);
            naive.delete(fired!);
          }
        }
        expect(table.size).toBe(naive.size);
        expect(table.earliest()).toBe(naive.size === 0 ? undefined : Math.min(...naive.values()));
      }
    }),
    { numRuns: 500 },
  );
});
