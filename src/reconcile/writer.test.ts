import { expect, test } from "vitest";
import { Writer } from "./writer.ts";

function numbered(): () => string {
  let drawn = 0;
  return () => `w${++drawn}`;
}

test("goes on under one id while the value has seen all that was written under it", () => {
  const writer = new Writer(numbered());
  const seen = new Map<string, number>();
  for (let i = 1; i <= 3; i++) {
    const id = writer.idOver((known) => seen.get(known) ?? 0);
    expect(id).toBe("w1");
    seen.set(id, i);
    writer.wrote(i);
  }
});

test("takes a fresh id over a value that lacks a write of unknown outcome", () => {
  const writer = new Writer(numbered());
  writer.idOver(() => 0);
  writer.wrote(1);
  expect(writer.idOver(() => 0)).toBe("w2");
});
