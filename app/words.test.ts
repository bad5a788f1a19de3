import { expect, test } from "vitest";
import { QuorumError, StorageError, WrongSecretError } from "../src/core/errors.ts";
import { count, errorCode, errorWords, listed, refusalWords, shortNode, versionName } from "./words.ts";

test("counts and lists as people write them", () => {
  expect(count(1, "hint")).toBe("1 hint");
  expect(count(0, "hint")).toBe("0 hints");
  expect(listed([])).toBe("");
  expect(listed(["a"])).toBe("a");
  expect(listed(["a", "b", "c"])).toBe("a, b and c");
  expect([0, 25, 26].map(versionName)).toEqual(["A", "Z", "27"]);
  expect(shortNode("0123456789")).toBe("012345");
});

test("an error is told by its code, with what is safe; nothing unknown is hidden", () => {
  expect(errorWords(new StorageError("quota"))).toContain("What was kept before is safe");
  expect(errorWords(new QuorumError("put", 2, ["a"], ["b"]))).toContain("Only 1 node of 2 confirmed");
  expect(errorWords(new QuorumError("get", 2, [], ["b"]))).toContain("Nothing was changed");
  const owners = new QuorumError("put", 2, ["a", "d"], ["b"], { needed: 2, answered: 1 });
  expect(errorWords(owners)).toContain("Only 1 owner of 2 confirmed");
  expect(errorWords(new TypeError("odd"))).toContain("odd");
  expect(errorCode(new TypeError("odd"))).toBe("unexpected");
});

test("a stranger at the door is told apart from a wrong link of one’s own", () => {
  const error = new WrongSecretError("…");
  expect(errorWords(error)).not.toBe(refusalWords(error));
  expect(refusalWords(error)).toContain("turned away");
});
