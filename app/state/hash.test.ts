import { expect, test } from "vitest";
import { md5Hex, randomHex, tokenOf } from "./hash.ts";

test("MD5 as in RFC 1321", () => {
  expect(md5Hex("")).toBe("d41d8cd98f00b204e9800998ecf8427e");
  expect(md5Hex("abc")).toBe("900150983cd24fb0d6963f7d28e17f72");
});

test("a key falls where the top bits of its MD5 say", () => {
  expect(tokenOf("abc", 256)).toBe(0x90);
  expect(tokenOf("abc", 1)).toBe(0);
});

test("random names have their length and differ", () => {
  expect(randomHex(16)).toMatch(/^[0-9a-f]{32}$/);
  expect(randomHex(16)).not.toBe(randomHex(16));
});
