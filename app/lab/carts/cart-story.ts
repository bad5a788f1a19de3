/**
 * The known conflict: a cart with two books; while the network is cut, a laptop adds a third and a phone takes one out; then the network heals and somebody
 * reads. The three values are carts as the shop writes them, as texts, so that a lesson can tell the story without Yjs; the test beside this makes them anew.
 */

import type { Move } from "../lessons/lesson.ts";

/** Dune and Emma. */
export const BOTH_HAVE =
  '[1,"ada",[["dune",1],["emma",1]],[["aaaaaaaaaaaaaaa0",2]],[["dune",[["aaaaaaaaaaaaaaa0",1,1]]],["emma",[["aaaaaaaaaaaaaaa0",2,2]]]],"0102aad5aad5aad52a002801056974656d730464756e65017d012801056974656d7304656d6d61017d0100"]';
/** Ulysses came. */
export const LAPTOP_HAS =
  '[1,"laptop",[["dune",1],["emma",1],["ulysses",1]],[["aaaaaaaaaaaaaaa0",2],["bbbbbbbbbbbbbbb0",1]],[["dune",[["aaaaaaaaaaaaaaa0",1,1]]],["emma",[["aaaaaaaaaaaaaaa0",2,2]]],["ulysses",[["bbbbbbbbbbbbbbb0",1,1]]]],"0201bbf7eeddbbf72e002801056974656d7307756c7973736573017d0102aad5aad5aad52a002801056974656d730464756e65017d012801056974656d7304656d6d61017d0100"]';
/** Emma went. */
export const PHONE_HAS =
  '[1,"phone",[["dune",1]],[["aaaaaaaaaaaaaaa0",2]],[["dune",[["aaaaaaaaaaaaaaa0",1,1]]]],"0102aad5aad5aad52a002801056974656d730464756e65017d012101056974656d7304656d6d610101aad5aad5aad52a010101"]';

const wait = (forMs: number): Move => ({ do: "wait", forMs });

/** Who is on which side, and at which nodes the phone and the laptop are. Undefined for fewer than three nodes. */
export function rolesAmong(names: readonly string[]):
  | {
      readonly reader: string;
      readonly phone: string;
      readonly laptop: string;
      readonly side: readonly string[];
      readonly other: readonly string[];
    }
  | undefined {
  const [reader, phone] = names;
  const laptop = names.at(-1);
  if (reader === undefined || phone === undefined || laptop === undefined || names.length < 3) return undefined;
  const side = names.slice(1, 1 + Math.floor((names.length - 1) / 2));
  return { reader, phone, laptop, side, other: names.filter((name) => !side.includes(name)) };
}

/** Up to the cut: both shoppers have read the cart. */
export function storyBegins(names: readonly string[], key: string): readonly Move[] {
  const roles = rolesAmong(names);
  if (roles === undefined) return [];
  const { reader, phone, laptop, side, other } = roles;
  return [
    { do: "get", node: reader, key },
    wait(500),
    { do: "put", node: reader, key, value: BOTH_HAVE, context: "seen" },
    wait(500),
    { do: "get", node: phone, key },
    { do: "get", node: laptop, key },
    wait(500),
    { do: "cut", side, other },
    wait(3_000),
  ];
}

/** Both write, the laptop first; the network heals; the reader reads. */
export function storyGoesOn(names: readonly string[], key: string): readonly Move[] {
  const roles = rolesAmong(names);
  if (roles === undefined) return [];
  const { reader, phone, laptop } = roles;
  return [
    { do: "put", node: laptop, key, value: LAPTOP_HAS, context: "seen", w: 1 },
    wait(2_000),
    { do: "put", node: phone, key, value: PHONE_HAS, context: "seen", w: 1 },
    wait(2_000),
    { do: "heal" },
    wait(20_000),
    { do: "get", node: reader, key },
    wait(1_000),
  ];
}
