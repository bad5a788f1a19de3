import { expect, test } from "vitest";
import type { Actor } from "../core/identifiers.ts";
import { ACTORS_NAMED_MAX, boundedNames } from "./actor-names.ts";

test("actors are numbered as they are met, and anew when there are too many", () => {
  const names = boundedNames((node) => node.slice(0, 1));
  const actor = (i: number): Actor => `${"a".padEnd(32, "0")}${i.toString(16).padStart(16, "0")}` as Actor;
  expect([names.actor(actor(1)), names.actor(actor(2)), names.actor(actor(1))]).toEqual(["a.1", "a.2", "a.1"]);
  for (let i = 3; i <= ACTORS_NAMED_MAX; i++) names.actor(actor(i));
  expect(names.actor(actor(1))).toBe("a.1");
  expect(names.actor(actor(ACTORS_NAMED_MAX + 1))).toBe("a.1");
});
