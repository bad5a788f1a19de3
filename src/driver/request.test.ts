import { describe, expect, test } from "vitest";
import { InvalidQuorumError } from "../core/errors.ts";
import { checkQuorum } from "./request.ts";

describe("a quorum", () => {
  test("r and w are whole numbers from 1 to n, pr and pw from 0", () => {
    for (const name of ["r", "w", "pr", "pw"] as const) {
      expect(checkQuorum(name, undefined, 3)).toBeUndefined();
      expect(checkQuorum(name, 3, 3)).toBe(3);
      for (const given of [4, -1, 1.5, NaN, "2", null])
        expect(() => checkQuorum(name, given, 3)).toThrow(InvalidQuorumError);
    }
    expect(checkQuorum("pr", 0, 3)).toBe(0);
    expect(checkQuorum("pw", 0, 3)).toBe(0);
    expect(() => checkQuorum("r", 0, 3)).toThrow(/^r is 0, but must be a whole number from 1 to n = 3/);
    expect(() => checkQuorum("pw", 4, 3)).toThrow(/^pw is 4, but must be a whole number from 0 to n = 3/);
  });
});
