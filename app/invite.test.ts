import { expect, test } from "vitest";
import fc from "fast-check";
import { fragmentOf, newInvite, parseInvite } from "./invite.ts";

test("a new invite survives being put into a link and pasted with words around it", () => {
  const invite = newInvite();
  expect(parseInvite(fragmentOf(invite))).toEqual(invite);
  const shared = { ...invite, cart: "family" };
  expect(parseInvite(`Join me: http://localhost:8787/${fragmentOf(shared)} !`)).toEqual(shared);
  const light = { ...shared, light: true } as const;
  expect(parseInvite(`http://localhost:8787/${fragmentOf(light)}`)).toEqual(light);
  const near = { ...light, sameBrowser: true } as const;
  expect(parseInvite(`http://localhost:8787/${fragmentOf(near)}`)).toEqual(near);
  for (const role of ["pupil", "teacher"] as const) {
    const inClass = { ...light, class: role };
    expect(parseInvite(`http://localhost:8787/${fragmentOf(inClass)}`)).toEqual(inClass);
  }
  expect(newInvite()).not.toEqual(invite);
});

test("all of it stands in the fragment", () => {
  const url = new URL(`http://localhost/${fragmentOf(newInvite())}`);
  expect(url.search).toBe("");
  expect(url.pathname).toBe("/");
});

test("what is no whole invite is none", () => {
  const { cluster, secret } = newInvite();
  const bad = [
    "",
    "#/shop",
    `#/shop?cluster=${cluster}`,
    `#/shop?cluster=${cluster}&secret=${secret.slice(1)}`,
    `#/shop?cluster=a b&secret=${secret}`,
    `#/shop?cluster=${"a".repeat(65)}&secret=${secret}`,
    `/shop?cluster=${cluster}&secret=${secret}`,
    `#/shop?cluster=${cluster}&secret=${secret}${" ".repeat(2_000)}`,
  ];
  for (const text of bad) expect(parseInvite(text), text.slice(0, 90)).toBeUndefined();
  expect(parseInvite(`#/shop?cluster=${cluster}&secret=${secret}&cart=<b>`)).toEqual({ cluster, secret });
  fc.assert(fc.property(fc.string(), (text) => parseInvite(text) === undefined));
});
