import fc from "fast-check";
import { generate } from "lean-qr";
import { expect, test } from "vitest";
import { newInvite, fragmentOf } from "../invite.ts";
import { QUIET, qrPath, type Squares } from "./qr-path.ts";

/** Which squares the path covers, as the page's test reads it back. */
function covered(path: string, size: number): string {
  const rows = Array.from({ length: size }, () => Array.from({ length: size }, () => " "));
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
    for (let i = 0; i < Number(width); i++) rows[Number(y) - QUIET]![Number(x) - QUIET + i] = "#";
  return rows.map((row) => row.join("")).join("\n");
}

function drawn({ size, get }: Squares): string {
  return Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) => (get(x, y) ? "#" : " ")).join(""),
  ).join("\n");
}

test("the path covers the dark squares and no others", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), { minLength: 6, maxLength: 6 }),
      (rows) => {
        const squares = { size: 6, get: (x: number, y: number) => rows[y]![x]! };
        expect(covered(qrPath(squares), 6)).toBe(drawn(squares));
      },
    ),
  );
});

test("an invite link fits into a code that a phone reads from a wall", () => {
  const code = generate(`https://books.example.org/${fragmentOf({ ...newInvite(), light: true, class: "pupil" })}`);
  expect(code.size).toBeLessThanOrEqual(57);
  expect(covered(qrPath({ size: code.size, get: (x, y) => code.get(x, y) }), code.size)).toBe(drawn(code));
});
