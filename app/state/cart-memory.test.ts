import { describe, expect, test } from "vitest";
import type { OperationId } from "../../src/core/identifiers.ts";
import { CartMemory, type ReadSibling } from "./cart-memory.ts";

const context = (n: number) => new Uint8Array([n]);
function version(name: string): ReadSibling {
  return { operation: name as OperationId, dots: [], at: 0, value: new Uint8Array() };
}
const names = (memory: CartMemory) => memory.siblings.map((sibling) => sibling.operation).join(" ");

describe("a page that put a version while it was cut off", () => {
  function after(): CartMemory {
    const memory = new CartMemory();
    memory.read({ siblings: [version("old")], context: context(1) }, true);
    memory.wrote(version("mine"), context(2));
    return memory;
  }

  test("is not thrown back by a replica that has nothing, or only what it overwrote", () => {
    const memory = after();
    expect(memory.read({ siblings: [], context: context(9) }, false)).toBe(false);
    expect(memory.read({ siblings: [version("old")], context: context(1) }, true)).toBe(false);
    expect(names(memory)).toBe("mine");
    expect(memory.context).toEqual(context(2));
  });

  test("sees what others wrote meanwhile, with the context of that read", () => {
    const memory = after();
    expect(memory.read({ siblings: [version("mine"), version("theirs")], context: context(3) }, false)).toBe(true);
    expect(names(memory)).toBe("mine theirs");
    expect(memory.context).toEqual(context(3));
  });

  test("finds its own version again beside another after having read the other alone", () => {
    const memory = after();
    memory.read({ siblings: [version("theirs")], context: context(3) }, false);
    expect(memory.read({ siblings: [version("mine"), version("theirs")], context: context(4) }, false)).toBe(true);
    expect(names(memory)).toBe("mine theirs");
  });
});

test("a single replica that lacks a known version and has nothing new is behind", () => {
  const memory = new CartMemory();
  memory.read({ siblings: [version("a"), version("b")], context: context(1) }, true);
  expect(memory.read({ siblings: [version("a")], context: context(2) }, false)).toBe(false);
  expect(memory.read({ siblings: [version("a")], context: context(2) }, true)).toBe(true);
});

test("a put of unknown outcome keeps the context that it answered", () => {
  const memory = new CartMemory();
  memory.read({ siblings: [version("a")], context: context(1) }, true);
  memory.wrote(version("mine"), undefined);
  expect(names(memory)).toBe("mine");
  expect(memory.context).toEqual(context(1));
});

test("repeating a put does not make it overwritten", () => {
  const memory = new CartMemory();
  memory.wrote(version("mine"), undefined);
  memory.wrote(version("mine"), context(5));
  expect(memory.read({ siblings: [version("mine")], context: context(6) }, true)).toBe(true);
});
