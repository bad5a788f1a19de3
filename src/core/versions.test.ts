import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { goneEntry } from "./membership.ts";
import type { Message } from "./message.ts";
import { nodeNamed, viewOf } from "./stub-surroundings.ts";
import { FORMS, PROTOCOL_VERSION, formOf, olderProtocol, reads, sharedVersion, versionBetween } from "./versions.ts";

const kinds = Object.keys(FORMS) as Message["kind"][];
const version = fc.integer({ min: 1, max: 9 });

describe("forms", () => {
  test("ascend, begin in a version that there is, and end in one", () => {
    for (const kind of kinds) {
      const forms = FORMS[kind];
      expect([...forms].sort((a, b) => a - b)).toEqual(forms);
      expect(new Set(forms).size).toBe(forms.length);
      expect(forms[0]).toBeGreaterThanOrEqual(1);
      expect(forms.at(-1)).toBeLessThanOrEqual(PROTOCOL_VERSION);
    }
  });

  test("each version adds something", () => {
    const versions = new Set(kinds.flatMap((kind) => FORMS[kind]));
    expect([...versions].sort()).toEqual(Array.from({ length: PROTOCOL_VERSION }, (_, i) => i + 1));
  });

  test("what greets and gossips is in the first version, so that builds of any age can tell each other which they are", () => {
    for (const kind of ["ping", "pong", "gossip-digest", "gossip-versions", "gossip-news"] as const)
      expect(FORMS[kind][0]).toBe(1);
  });

  test("the form written is one that the reader knows, and the newest of those", () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), version, (kind, most) => {
        const known = FORMS[kind].filter((form) => form <= most);
        expect(formOf(kind, most)).toBe(known.length === 0 ? undefined : Math.max(...known));
        expect(reads(most, kind)).toBe(known.length > 0);
      }),
    );
  });
});

describe("between two", () => {
  const view = { ...viewOf({ nodes: 1, n: 1, r: 1, w: 1 }) };
  const gossiping = (protocolMax: number) => ({
    ...view,
    members: view.members.map((member) => ({ ...member, protocolMax })),
  });

  test("is the older of both; a greeting is believed before gossip", () => {
    fc.assert(
      fc.property(version, fc.option(version, { nil: undefined }), version, (own, greeted, gossiped) => {
        const between = versionBetween(own, greeted, gossiping(gossiped), nodeNamed(1));
        expect(between).toBe(Math.min(PROTOCOL_VERSION, own, greeted ?? gossiped));
      }),
    );
  });

  test("with a stranger it is this build's own", () => {
    expect(versionBetween(Infinity, undefined, undefined, nodeNamed(1))).toBe(PROTOCOL_VERSION);
    expect(versionBetween(Infinity, undefined, gossiping(1), nodeNamed(2))).toBe(PROTOCOL_VERSION);
  });

  test("is said where it is not this build's own", () => {
    expect(olderProtocol(1)).toEqual({ protocol: 1 });
    expect(olderProtocol(PROTOCOL_VERSION)).toEqual({});
  });
});

test("what needs everybody goes by what all read who belong, and never beyond the ceiling", () => {
  const member = fc.record({ protocolMax: version, gone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(member, { minLength: 1, maxLength: 6 }), version, (drawn, ceiling) => {
      const view = viewOf({ nodes: drawn.length, n: 1, r: 1, w: 1 });
      const members = view.members.map((entry, i) => {
        const told = { ...entry, protocolMax: drawn[i]!.protocolMax };
        return drawn[i]!.gone ? goneEntry(told, "removed", entry.node, 1) : told;
      });
      const remaining = drawn.filter(({ gone }) => !gone).map(({ protocolMax }) => protocolMax);
      expect(sharedVersion({ ...view, members }, ceiling)).toBe(Math.min(ceiling, ...remaining));
    }),
  );
});
