import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { InvariantViolation } from "./checkers.ts";
import { ScenarioError, ScenarioFailure, fileOf, partsOf, runScenario } from "./scenario.ts";

const folder = fileURLToPath(new URL("./scenarios/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".txt"));

// `UPDATE=1 npx vitest run src/sim/scenario.test.ts` writes the transcripts anew; read the difference before keeping it.
describe("scenario", () => {
  for (const file of files) {
    test(file.replace(".txt", "").replaceAll("-", " "), () => {
      const { script, transcript: expected } = partsOf(readFileSync(folder + file, "utf8"));
      const transcript = runScenario(script);
      if (process.env["UPDATE"] === "1") writeFileSync(folder + file, fileOf(script, transcript));
      else expect(transcript).toBe(expected);
    });
  }

  test("each says what the danger is, and checks something", () => {
    expect(files.length).toBeGreaterThanOrEqual(24);
    for (const file of files) {
      const text = readFileSync(folder + file, "utf8");
      expect(text, file).toMatch(/^# /);
      expect(text, file).toMatch(/^(check|seed) /m);
    }
  });
});

const calm = "cluster a b c n=3 r=2 w=2\nshow answers\n";

describe("the language", () => {
  test("a line that is no command names its number", () => {
    expect(() => runScenario("cluster a\n\na dance")).toThrow(ScenarioError);
    expect(() => runScenario("cluster a\n\na dance")).toThrow(/^line 3: /);
    expect(() => runScenario("heal")).toThrow(/no cluster/);
    expect(() => runScenario("cluster a b\nwait 3")).toThrow(/no duration/);
    expect(() => runScenario("cluster a b\nslow a 3")).toThrow(/no factor/);
    expect(() => runScenario("cluster a b\ncut a z")).toThrow(/no node z/);
    expect(() => runScenario("cluster a b\njoin a")).toThrow(/no name for a new node/);
    expect(() => runScenario("cluster a b\ncheck a weather = fine")).toThrow(/check what of a/);
    expect(() => runScenario("cluster a b\ndrop a b smalltalk")).toThrow(/no kind of message/);
    expect(() => runScenario("cluster a b\na put x y seen")).toThrow(/no context/);
  });

  test("a seed is replayed with what it leaves out", () => {
    const transcript = runScenario("# a story\nseed 3 without=crashes,loss callers=1");
    expect(transcript).toMatch(/^> seed 3 without=crashes,loss callers=1\n/);
    expect(transcript).toMatch(/holds; \d+ puts acknowledged, transcript [0-9a-f]{8}\n$/);
    expect(() => runScenario("seed 3 with=everything")).toThrow(/no options/);
  });

  test("the same script gives the same transcript", () => {
    const script = `${calm}a put carts/bob milk\nshow messages\ncheck b get carts/bob = milk`;
    expect(runScenario(script)).toBe(runScenario(script));
  });

  test("the ring is a matter of names, whatever else is drawn", () => {
    for (const seed of [1, 2, 3])
      runScenario(`cluster a b c d n=3 r=2 w=2 seed=${seed}\ncheck owners carts/bob = a b c`);
  });

  test("a check that is not so ends the scenario and shows what led to it", () => {
    const put = `${calm}a put carts/bob milk\na put carts/bob eggs\n`;
    for (const check of [
      "a get carts/bob = milk",
      "a get carts/bob = milk, eggs, tea",
      "a get carts/cyd = milk",
      "a disk carts/bob = nothing",
      "a answer = quorum",
      "a hints = 1",
      "a tokens >= 7",
      "a members = 4",
      "copies carts/bob milk >= 4",
      "owners carts/bob = c b a",
    ]) {
      expect(() => runScenario(`${put}check ${check}`), check).toThrow(ScenarioFailure);
      expect(() => runScenario(`${put}check ${check}`), check).toThrow(/^line 5, check .*: not so: /);
    }
    expect(() => runScenario(`${put}check a answer = none`)).toThrow(/a put carts\/bob eggs/);
    const so = "a get carts/bob = eggs, milk\ncheck a answer = ok\ncheck a hints = 0\ncheck copies carts/bob milk >= 2";
    expect(() => runScenario(`${put}check ${so}\ncheck lost nothing`)).not.toThrow();
  });

  test("an acknowledged write that is gone ends the scenario", () => {
    // Both disks with the two copies that were promised: beyond the budget.
    const cluster = "cluster s:0 a b c n=3 r=2 w=2\nshow answers\ncheck owners carts/bob = a b c\n";
    const script = `${cluster}drop a c replica-put\na put carts/bob milk\nwipe a x\nwipe b y\n`;
    expect(() => runScenario(`${script}check lost nothing`)).toThrow(/no-lost-write: put 0 of carts\/bob/);
    expect(() => runScenario(`${script}check copies carts/bob milk >= 1`)).toThrow(/not so: 0/);
  });

  test("a broken invariant is the cause of the failure", () => {
    let cause: unknown;
    try {
      runScenario(`${calm}a put carts/bob milk w=1\ncut a b\ncut a c\ncheck lost nothing`);
    } catch (error) {
      cause = (error as Error).cause;
    }
    expect(cause).toBeInstanceOf(InvariantViolation);
  });

  test("rest that does not come ends the scenario", () => {
    expect(() => runScenario(`${calm}partition a | b c\nwait 8s\na put carts/bob milk w=1\nsettle`)).toThrow(
      /no rest within/,
    );
  });

  test("only what is named is lost, held or failed", () => {
    const lost = runScenario(
      `${calm}drop a c replica-get\na put carts/bob milk\nwait 100ms\ncheck c disk carts/bob = milk`,
    );
    expect(lost).toContain("put ok");
    runScenario(`${calm}drop a c replica-put\na put carts/bob milk\nwait 100ms\ncheck c disk carts/bob = nothing`);
    runScenario(
      `${calm}hold a c replica-put\na put carts/bob milk\nwait 100ms\ncheck c disk carts/bob = nothing\nrelease a c\nwait 100ms\ncheck c disk carts/bob = milk`,
    );
    runScenario(`${calm}fail a commits 1 hints\na put carts/bob milk\ncheck a disk carts/bob = milk`);
    runScenario(`${calm}fail a commits 1 records\na put carts/bob milk\ncheck a disk carts/bob = nothing`);
    runScenario(`${calm}fail a commits 1 applied\na put carts/bob milk\ncheck a disk carts/bob = milk`);
    runScenario(`${calm}fail a reads 1\na get carts/bob r=3\ncheck a answer = quorum`);
  });

  test("mute, cut and heal", () => {
    const write = "wait 8s\na put carts/bob milk w=3\ncheck a answer =";
    runScenario(`${calm}mute c\n${write} quorum\nheal\nsettle\ncheck c get carts/bob r=3 = milk`);
    runScenario(`${calm}cut a c\n${write} quorum\nb put carts/bob eggs w=3\ncheck b answer = ok`);
    runScenario(`${calm}cut a c\nheal\n${write} ok`);
  });

  test("wrong clocks order sessions, and nothing else", () => {
    const puts = (key: string): string => `a put ${key} late\nb put ${key} early`;
    runScenario(`${calm}clock b -1h\n${puts("sessions/x")}\ncheck c get sessions/x = late`);
    runScenario(`${calm}clock b -1h\n${puts("carts/bob")}\ncheck c get carts/bob = late, early`);
  });
});
