import { expect, test } from "vitest";
import { type LabPlace, fragmentOfPlace, labPlaceIn } from "./place.ts";

test("each place has an address that leads back to it", () => {
  const places: LabPlace[] = [
    { page: "free", run: undefined },
    { page: "free", run: "1.abc-_" },
    { page: "tabs", cluster: undefined },
    { page: "tabs", cluster: "shop-a_B1" },
    { page: "lessons" },
    { page: "paper" },
    { page: "lesson", id: "vector-clocks" },
  ];
  for (const place of places) expect(labPlaceIn(fragmentOfPlace(place))).toEqual(place);
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
  ])
    expect(labPlaceIn(fragment)).toBeUndefined();
});
