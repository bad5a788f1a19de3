import { describe, expect, test } from "vitest";
import {
  type ClusterParameters,
  defaultParameters,
  parametersDifference,
  parametersFault,
  parametersFrom,
} from "./config.ts";

describe("parameters", () => {
  test("are the defaults where nothing was asked, with tokens where the placement has some", () => {
    expect(parametersFrom({})).toEqual(defaultParameters);
    expect(parametersFrom({ n: 5 })).toEqual({ ...defaultParameters, n: 5 });
    expect(parametersFrom({ placement: 1 })).toEqual({ ...defaultParameters, placement: 1, tokensPerNode: 8 });
    expect(parametersFrom({ placement: 2, tokensPerNode: 3 })).toMatchObject({ placement: 2, tokensPerNode: 3 });
    for (const placement of [1, 2, 3] as const) expect(parametersFault(parametersFrom({ placement }))).toBeUndefined();
  });

  test.each<[Partial<ClusterParameters>, string]>([
    [{ placement: 4 as never }, "placement is 4, but must be 1, 2 or 3"],
    [{ placement: 3, tokensPerNode: 8 }, "tokensPerNode is 8, but placement 3 has none"],
    [{ placement: 2, tokensPerNode: 0 }, "tokensPerNode is 0, but must be a whole number from 1 to 256"],
    [{ placement: 2, tokensPerNode: 257 }, "tokensPerNode is 257"],
    [{ placement: 2, tokensPerNode: 1.5 }, "tokensPerNode is 1.5"],
    [{ placement: 1, partitions: 16, tokensPerNode: 17 }, "must be a whole number from 1 to 16"],
  ])("%o cannot be used", (asked, words) => {
    expect(parametersFault(parametersFrom(asked))).toContain(words);
  });

  test("that differ are named with both values; what is not asked for does not count", () => {
    expect(parametersDifference(defaultParameters, defaultParameters)).toBeUndefined();
    expect(parametersDifference({}, defaultParameters)).toBeUndefined();
    expect(parametersDifference({ r: 2, partitions: 64 }, defaultParameters)).toBe(
      "partitions is 64 here and 256 there",
    );
    expect(parametersDifference(defaultParameters, parametersFrom({ placement: 2 }))).toBe(
      "placement is 3 here and 2 there, tokensPerNode is 0 here and 8 there",
    );
  });
});
