import { expect, test } from "vitest";
import fc from "fast-check";
import type { NodeId } from "../../src/core/identifiers.ts";
import { FaultChannel, parseFaultMessage, type Sides } from "./fault-channel.ts";

const A = "a".repeat(32) as NodeId;
const B = "b".repeat(32) as NodeId;

test("the tabs of one cluster hear of a split and of its end, those of another do not", async () => {
  const heard: unknown[] = [];
  const elsewhere: unknown[] = [];
  const from = new FaultChannel("one", { split: () => {}, heal: () => {} });
  const healed = new Promise<void>((resolve) => {
    const to = new FaultChannel("one", {
      split: (sides: Sides) => heard.push(sides),
      heal: () => {
        to.close();
        resolve();
      },
    });
  });
  const other = new FaultChannel("two", { split: (sides) => elsewhere.push(sides), heal: () => {} });
  from.split([[A], [B]]);
  from.heal();
  await healed;
  from.close();
  other.close();
  expect(heard).toEqual([[[A], [B]]]);
  expect(elsewhere).toEqual([]);
});

test("whatever else is said on the channel is nothing", () => {
  const bad = [
    null,
    1,
    "heal",
    {},
    { kind: "split" },
    { kind: "split", sides: [[A]] },
    { kind: "split", sides: [[A], ["x"]] },
  ];
  for (const data of bad) expect(parseFaultMessage(data)).toBeUndefined();
  fc.assert(fc.property(fc.anything(), (data) => parseFaultMessage(data)?.kind !== "split"));
});
