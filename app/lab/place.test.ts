import { expect, test } from "vitest";
import { type LabPlace, fragmentBig, fragmentOfPlace, isBig, labPlaceIn } from "./place.ts";

test("each place has an address that leads back to it", () => {
  const places: LabPlace[] = [
    { page: "free", run: undefined },
    { page: "free", run: "1.abc-_" },
    { page: "tabs", cluster: undefined },
    { page: "tabs", cluster: "shop-a_B1" },
    { page: "lessons" },
    { page: "paper" },
    { page: "seed", seed: 337, variant: { without: ["crashes"], dropActions: [1], callersMax: undefined }, at: 5_000 },
    { page: "lesson", id: "vector-clocks" },
    { page: "assignment", id: "owners", seed: 7, answers: false },
    { page: "assignment", id: "owners", seed: 0, answers: true },
  ];
  for (const place of places) {
    const fragment = fragmentOfPlace(place);
    expect(labPlaceIn(fragment)).toEqual(place);
    // In big type it is the same place.
    const big = fragmentBig(fragment, true);
    expect(labPlaceIn(big)).toEqual(place);
    expect([isBig(fragment), isBig(big)]).toEqual([false, true]);
    expect(fragmentBig(big, true)).toBe(big);
    expect(fragmentBig(big, false)).toBe(fragment);
  }
});

test("other addresses are no places of the lab", () => {
  for (const fragment of [
    "",
    "#/",
    "#/shop?cluster=a",
    "#/laboratory",
    "#/lab/lesson/",
    "#/lab/lesson/A b",
    "#/lab/other",
    "#/lab/tabs/",
    "#/lab/tabs/a b",
    `#/lab/tabs/${"a".repeat(65)}`,
    "#/lab/assignment/",
    "#/lab/assignment/owners?seed=-1",
    "#/lab/assignment/owners?seed=x",
    "#/lab/assignment/owners?seed=99999",
  ])
    expect(labPlaceIn(fragment)).toBeUndefined();
});
