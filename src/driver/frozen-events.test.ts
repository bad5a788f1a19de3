import { expect, test } from "vitest";
import type { NodeId } from "../core/identifiers.ts";
import { FrozenEvents, HELD_BYTES_MAX, HELD_MAX, type Happening } from "./frozen-events.ts";

const message: Happening = {
  kind: "message-received",
  from: "a".repeat(32) as NodeId,
  epoch: 1,
  message: { kind: "ping", sequence: 1, epoch: 1 },
};

test("what is held stays in its order, and only messages are counted", () => {
  const held = new FrozenEvents();
  const all: Happening[] = [message, { kind: "wake" }, { kind: "stored", ticket: 1 }, message];
  for (const each of all) held.hold(each, 0);
  expect(held.all).toEqual(all);
});

test("there is room for so many messages, and for so many bytes of them", () => {
  const many = new FrozenEvents();
  for (let i = 0; i < HELD_MAX; i++) {
    many.hold({ kind: "wake" }, 0);
    expect(many.hasRoom(1)).toBe(true);
    many.hold(message, 1);
  }
  expect(many.hasRoom(1)).toBe(false);

  const large = new FrozenEvents();
  large.hold(message, HELD_BYTES_MAX - 5);
  expect([large.hasRoom(5), large.hasRoom(6)]).toEqual([true, false]);
});
