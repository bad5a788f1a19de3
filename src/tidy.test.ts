/**
 * The fences of the house, checked by a machine so that they survive: who may import whom, no circles, nothing impure below the driver, names,
 * dead files, the grammar page, and nothing that names the machine it was written on. `eslint.config.js` has the rules about single lines.
 *
 * Every rule is a function from files to findings, and is shown to find something before it is run over the real tree.
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { posix } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

/** Path from the repository's root, with `/` between, to content. */
type Files = ReadonlyMap<string, string>;

// ---------------------------------------------------------------------------------------------------------------- the tables

/** A file imports its own floor or a lower one. The longest prefix that fits counts. */
const FLOORS: readonly (readonly [prefix: string, floor: number])[] = [
  ["src/base/", 0],
  ["src/core/", 1],
  ["src/reconcile/", 1],
  ["src/wire/", 2],
  ["src/driver/", 3],
  ["src/sim/", 3],
  ["src/browser/", 4],
  ["src/lab/", 4],
  ["src/", 5],
  ["app/", 6],
  ["signaling/", 6],
  ["e2e/", 6],
];

/** Walls within and between floors: what stands at `from` sees nothing of `to`. */
const WALLS: readonly { readonly from: string; readonly to: readonly string[]; readonly but?: string }[] = [
  { from: "src/sim/", to: ["src/driver/"] },
  { from: "src/driver/", to: ["src/sim/"] },
  { from: "src/core/", to: ["src/reconcile/"] },
  { from: "src/reconcile/", to: ["src/core/"], but: "src/core/errors.ts" },
  { from: "src/browser/", to: ["src/sim/", "src/lab/"] },
  { from: "src/lab/", to: ["src/driver/", "src/browser/"] },
  { from: "app/", to: ["signaling/", "e2e/"] },
  { from: "signaling/", to: ["app/", "e2e/"] },
];

/** The top floor goes in by the front door: all that these folders see of `src`, and of what they see the types only. */
const DOORS: readonly { readonly from: string; readonly may: readonly string[]; readonly types: readonly string[] }[] =
  [
    {
      from: "app/",
      may: [
        "src/index.ts",
        "src/store.ts",
        "src/api.ts",
        "src/reconcile/",
        "src/sim/",
        "src/lab/",
        "src/core/errors.ts",
        "src/core/identifiers.ts",
        "src/base/assert.ts",
      ],
      types: ["src/core/"],
    },
    { from: "signaling/", may: ["src/wire/", "src/driver/", "src/core/", "src/base/"], types: [] },
  ];

/** The tiers of the core: values know only values, a mechanism knows values and no other mechanism, the node knows all. */
const CORE_VALUES = [
  "address",
  "buckets",
  "config",
  "dvvset",
  "effect",
  "errors",
  "event",
  "gathering",
  "handing",
  "hedging",
  "hint-index",
  "history-ledger",
  "identifiers",
  "leaf-reading",
  "load",
  "load-plan",
  "look-back",
  "membership",
  "membership-change",
  "membership-plan",
  "merkle-forest",
  "message",
  "placement",
  "quorum",
  "refusals",
  "reply-times",
  "request-defaults",
  "ring",
  "statistics",
  "surroundings",
  "write-buffer",
  "timers",
  "token-claims",
  "token-spacing",
  "vector-clock",
  "versions",
  "view-news",
  "write-log",
];
const CORE_MECHANISMS = [
  "admission",
  "anti-entropy",
  "archive-gather",
  "archive-source",
  "belonging",
  "bookkeeping",
  "callers",
  "departure",
  "failure-detector",
  "forwarding",
  "get-coordinator",
  "gossip",
  "grace",
  "hand-over",
  "hinted-handoff",
  "history-keeper",
  "load-gossip",
  "opening",
  "partition-sizes",
  "peer-limits",
  "put-coordinator",
  "reap-watch",
  "reaping",
  "recent-writes",
  "replica",
  "replica-answers",
  "scrub",
  "slow-peers",
  "survey",
  "transfer",
  "transfer-source",
  "tree-exchange",
  "tree-source",
  "view-refresh",
];
/** What mechanisms are put together to. */
const CORE_NODES = ["light-client", "node"];
/** What tests of the core share: they see all of it, and only tests, and each other, see them. */
const CORE_TEST_AIDS = ["exchange-pair", "stub-surroundings"];

/** No clock, no chance, nothing that waits: the simulator must be able to run it again and again. */
const PURE = ["src/base/", "src/core/", "src/reconcile/", "src/wire/", "src/sim/", "src/lab/"];
const IMPURE_NAMES = new Set(["Date", "Promise", "setTimeout", "setInterval", "queueMicrotask", "globalThis"]);
/** Command lines, and what runs before tests. */
const IMPURE_ALLOWED = /^src\/sim\/run(-[a-z]+)*\.ts$|\.setup\.ts$/;

/** Words that say nothing about what is inside. */
const EMPTY_NAMES = new Set(["util", "utils", "helper", "helpers", "common", "types", "manager", "service", "misc"]);

/** What is run or read from outside; everything else must be reached from here or from a test. */
const ENTRIES = [
  /^(start|test)\.mjs$/,
  /(^|\/)[a-z.-]+\.config\.[jt]s$/,
  /\.(test|bench|e2e|d)\.ts$/,
  /\.html$/,
  /^src\/(index|sim\/run[a-z-]*)\.ts$/,
  /\.setup\.ts$/,
  /^signaling\/main\.ts$/,
  /^tool\/record-build\.mjs$/,
  /^e2e\/bench\/run(-[a-z-]+)?\.ts$/,
];

const SKIPPED_FOLDERS = new Set([
  "node_modules",
  "dist",
  ".git",
  ".tabring",
  "test-results",
  "playwright-report",
  "coverage",
]);
const TEXT = /(\.(ts|js|mjs|svelte|html|css|json|md|yml|yaml|txt)|(^|\/)(\.[a-z]+|LICENSE|run))$/;
const SCRIPT = /\.(ts|js|mjs|svelte|html)$/;

// ---------------------------------------------------------------------------------------------------------------- the rules

const isTest = (path: string): boolean => /\.(test|bench)\.ts$/.test(path);

/** The TypeScript of a file: all of it, or what stands in a page's or a component's `<script>`. */
function scriptOf(path: string, text: string): string {
  if (!/\.(svelte|html)$/.test(path)) return text;
  const scripts = [...text.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g)];
  return scripts
    .map(([, attributes = "", body = ""]) => {
      const source = /\bsrc="([^"]+)"/.exec(attributes)?.[1];
      return source === undefined ? body : `import ${JSON.stringify(source.replace(/^\/(?!\/)/, "./"))};`;
    })
    .join("\n");
}

/** Every rule reads every file: each is parsed once. */
const parsed = new Map<string, ts.SourceFile>();

function parse(path: string, text: string): ts.SourceFile {
  const id = `${path}\n${text}`;
  const source =
    parsed.get(id) ?? ts.createSourceFile(path, scriptOf(path, text), ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
  parsed.set(id, source);
  return source;
}

function everyNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => everyNode(child, visit));
}

interface Import {
  readonly to: string;
  readonly typeOnly: boolean;
}

/** The files of ours that a file names: imports, exports, dynamic imports, `import()` types, workers. */
function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier) || !specifier.text.startsWith(".")) return;
    found.push({ to: posix.join(posix.dirname(path), specifier.text.replace(/\?.*$/, "")), typeOnly });
  };
  const allTypes = (names: readonly { readonly isTypeOnly: boolean }[]): boolean =>
    names.length > 0 && names.every((name) => name.isTypeOnly);
  everyNode(parse(path, text), (node) => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const bindings = clause?.namedBindings;
      const named = bindings !== undefined && ts.isNamedImports(bindings) && clause?.name === undefined;
      add(
        node.moduleSpecifier,
        clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || (named && allTypes(bindings.elements)),
      );
    } else if (ts.isExportDeclaration(node)) {
      const clause = node.exportClause;
      const named = clause !== undefined && ts.isNamedExports(clause);
      add(node.moduleSpecifier, node.isTypeOnly || (named && allTypes(clause.elements)));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true);
    } else if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
      const place = node.arguments?.[0];
      // A worker's script; a folder is none.
      if (place !== undefined && ts.isStringLiteralLike(place) && /\.[jt]s(\?|$)/.test(place.text)) add(place, false);
    }
  });
  return found;
}

function floorOf(path: string): number | undefined {
  const fitting = FLOORS.filter(([prefix]) => path.startsWith(prefix));
  return fitting.sort(([a], [b]) => b.length - a.length)[0]?.[1];
}

const eachImport = (
  files: Files,
  judge: (from: string, to: string, typeOnly: boolean) => string | undefined,
): string[] =>
  [...files].flatMap(([from, text]) =>
    SCRIPT.test(from)
      ? importsOf(from, text).flatMap(({ to, typeOnly }) => {
          const finding = judge(from, to, typeOnly);
          return finding === undefined ? [] : [`${from} imports ${to}: ${finding}`];
        })
      : [],
  );

function upwardImports(files: Files): string[] {
  return eachImport(files, (from, to) => {
    const [own, other] = [floorOf(from), floorOf(to)];
    return own !== undefined && other !== undefined && other > own ? `up from floor ${own} to ${other}` : undefined;
  });
}

function importsThroughWalls(files: Files): string[] {
  return eachImport(files, (from, to) => {
    const wall = WALLS.find((each) => from.startsWith(each.from) && each.to.some((prefix) => to.startsWith(prefix)));
    return wall === undefined || wall.but === to ? undefined : "there is a wall between them";
  });
}

function importsPastDoors(files: Files): string[] {
  return eachImport(files, (from, to, typeOnly) => {
    const door = DOORS.find((each) => from.startsWith(each.from));
    if (door === undefined || !to.startsWith("src/")) return undefined;
    const open = [...door.may, ...(typeOnly ? door.types : [])].some((prefix) => to.startsWith(prefix));
    return open ? undefined : `${door.from} goes in by ${door.may.join(", ")}`;
  });
}

type Tier = "value" | "mechanism" | "node" | "test aid";

/** Undefined for what is not of the core, its tests, and a file that no table names. */
function tierOf(path: string): Tier | undefined {
  const name = /^src\/core\/([^/.]+)\.ts$/.exec(path)?.[1];
  if (name === undefined) return undefined;
  return CORE_VALUES.includes(name)
    ? "value"
    : CORE_MECHANISMS.includes(name)
      ? "mechanism"
      : CORE_NODES.includes(name)
        ? "node"
        : CORE_TEST_AIDS.includes(name)
          ? "test aid"
          : undefined;
}

function importsAcrossTiers(files: Files): string[] {
  return eachImport(files, (from, to) => {
    const [own, other] = [tierOf(from), tierOf(to)];
    if (own === "test aid" || isTest(from) || other === undefined || other === "value") return undefined;
    if (other === "test aid") return "only tests see a test aid";
    return own === undefined || own === "node" ? undefined : `a ${own} sees a ${other}`;
  });
}

/** Files of the core without a tier, and names in the tables without a file. */
function tierlessFiles(files: Files): string[] {
  const wanted = [...CORE_VALUES, ...CORE_MECHANISMS, ...CORE_NODES, ...CORE_TEST_AIDS].map(
    (name) => `src/core/${name}.ts`,
  );
  const there = [...files.keys()].filter((path) => /^src\/core\/.*\.ts$/.test(path) && !isTest(path));
  return [...there.filter((path) => tierOf(path) === undefined), ...wanted.filter((path) => !files.has(path))];
}

/** Each circle once, as the path around it. */
function circles(files: Files): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(" -> "));
    if (start >= 0 || done.has(path) || !SCRIPT.test(path)) return;
    for (const { to } of importsOf(path, files.get(path) ?? "")) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of files.keys()) visit(path, []);
  return found;
}

/** True where the identifier names something of the host, and not a member of something else. */
function isFree(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  return !(
    (ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent)) &&
    parent.name === node
  );
}

function impurities(files: Files): string[] {
  return [...files].flatMap(([path, text]) => {
    if (!PURE.some((prefix) => path.startsWith(prefix)) || !/\.ts$/.test(path) || isTest(path)) return [];
    if (IMPURE_ALLOWED.test(path)) return [];
    const found: string[] = [];
    const source = parse(path, text);
    const report = (node: ts.Node, what: string): void => {
      found.push(`${path}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${what}`);
    };
    everyNode(source, (node) => {
      if (ts.isIdentifier(node) && IMPURE_NAMES.has(node.text) && isFree(node)) report(node, node.text);
      if (node.kind === ts.SyntaxKind.AsyncKeyword || node.kind === ts.SyntaxKind.AwaitKeyword) report(node, "async");
      if (ts.isAwaitExpression(node)) report(node, "await");
      if (ts.isPropertyAccessExpression(node) && node.getText() === "Math.random") report(node, "Math.random");
    });
    return found;
  });
}

function badNames(files: Files): string[] {
  return [...files.keys()].flatMap((path) => {
    const words = path.split(/[/.-]/).map((word) => word.toLowerCase());
    const empty = words.find((word) => EMPTY_NAMES.has(word));
    if (empty !== undefined) return [`${path}: "${empty}" says nothing about what is inside`];
    return /^src\/.*\.ts$/.test(path) && /[^a-z0-9./-]/.test(path) ? [`${path}: not kebab-case`] : [];
  });
}

function unusedFiles(files: Files): string[] {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    const text = files.get(path);
    if (text !== undefined && SCRIPT.test(path)) for (const { to } of importsOf(path, text)) visit(to);
  };
  for (const path of files.keys()) if (ENTRIES.some((entry) => entry.test(path))) visit(path);
  return [...files.keys()].filter((path) => SCRIPT.test(path) && !reached.has(path));
}

/** The `kind` of every member of the union `Message`. */
function messageKinds(text: string): string[] {
  const source = parse("message.ts", text);
  const members = new Set<string>();
  const kinds = new Map<string, string>();
  everyNode(source, (node) => {
    if (ts.isTypeAliasDeclaration(node) && node.name.text === "Message" && ts.isUnionTypeNode(node.type))
      for (const member of node.type.types) members.add(member.getText());
    if (ts.isInterfaceDeclaration(node))
      for (const member of node.members)
        if (ts.isPropertySignature(member) && member.name.getText() === "kind" && member.type !== undefined)
          kinds.set(node.name.text, member.type.getText().replaceAll('"', ""));
  });
  return [...members].map((name) => kinds.get(name) ?? `no kind: ${name}`);
}

function kindsWithoutGrammar(message: string, grammar: string): string[] {
  return messageKinds(message).filter((kind) => !new RegExp(`(^|[^a-z-])${kind}([^a-z-]|$)`, "m").test(grammar));
}

function workplaceNames(files: Files): string[] {
  return [...files].flatMap(([path, text]) =>
    text.split("\n").flatMap((line, at) => {
      const place = /(?<![\w.:/-])\/(work|root|home|tmp|Users)\/\w+/.exec(line)?.[0];
      if (place !== undefined) return [`${path}:${at + 1}: ${place} is a folder of somebody's machine`];
      const resolved =
        posix.basename(path) === "package-lock.json" && /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/.test(line);
      return resolved ? [`${path}:${at + 1}: resolved from a registry of somebody's own`] : [];
    }),
  );
}

// ---------------------------------------------------------------------------------------------------------------- the tests

function readTree(): Files {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const files = new Map<string, string>();
  const read = (folder: string): void => {
    for (const entry of readdirSync(root + folder, { withFileTypes: true })) {
      const path = folder + entry.name;
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) read(`${path}/`);
      else if (entry.isFile() && TEXT.test(path)) files.set(path, readFileSync(root + path, "utf8"));
    }
  };
  read("");
  return files;
}

const tree = readTree();
const files = (texts: Record<string, string>): Files => new Map(Object.entries(texts));

test("the tree is there", () => {
  for (const path of ["package-lock.json", "src/core/message.ts", "src/api.ts", ".ci/run", "src/tidy.test.ts"])
    expect(tree.has(path), path).toBe(true);
});

describe("imports", () => {
  test("are found in every form", () => {
    const text = `
      import a from "./a.ts"; import type { B } from "../b.ts"; import { type C } from "./c.ts"; import "./d.ts"; import e from "yjs";
      export * from "./f.ts"; export type { G } from "./g.ts"; const h = import("./h.ts"); type I = import("./i.ts").I;
      new Worker(new URL("./j.ts?worker", import.meta.url)); new URL("../k", import.meta.url); // import "./comment.ts"
      const text = 'import "./text.ts"';`;
    const types = new Set(["b", "c", "g", "i"]);
    const expected = ["a", "c", "d", "f", "g", "h", "i", "j"].map((name) => ({
      to: `x/y/${name}.ts`,
      typeOnly: types.has(name),
    }));
    expect(importsOf("x/y/z.ts", text)).toEqual(expected.toSpliced(1, 0, { to: "x/b.ts", typeOnly: true }));
    expect(importsOf("app/index.html", `<script type="module" src="/main.ts"></script>`)).toEqual([
      { to: "app/main.ts", typeOnly: false },
    ]);
    const component = `<script lang="ts">import A from "./A.svelte";</script><p>import "./b.ts"</p>`;
    expect(importsOf("app/B.svelte", component)).toEqual([{ to: "app/A.svelte", typeOnly: false }]);
  });

  test("go to the same floor or down", () => {
    expect(upwardImports(files({ "src/base/a.ts": `import type { X } from "../core/x.ts";` }))).toHaveLength(1);
    expect(upwardImports(files({ "src/browser/a.ts": `import "../store.ts";` }))).toHaveLength(1);
    expect(upwardImports(files({ "src/store.ts": `import "./browser/a.ts";` }))).toEqual([]);
    expect(upwardImports(tree)).toEqual([]);
  });

  test("do not go through the walls", () => {
    expect(importsThroughWalls(files({ "src/sim/a.ts": `import "../driver/b.ts";` }))).toHaveLength(1);
    expect(importsThroughWalls(files({ "src/driver/b.ts": `import type { A } from "../sim/a.ts";` }))).toHaveLength(1);
    expect(importsThroughWalls(files({ "src/sim/a.ts": `import "../wire/b.ts";` }))).toEqual([]);
    expect(importsThroughWalls(files({ "src/reconcile/a.ts": `import "../core/ring.ts";` }))).toHaveLength(1);
    expect(importsThroughWalls(files({ "src/reconcile/a.ts": `import "../core/errors.ts";` }))).toEqual([]);
    expect(importsThroughWalls(tree)).toEqual([]);
  });

  test("of the top floor go in by the front door", () => {
    expect(importsPastDoors(files({ "app/a.ts": `import "../src/driver/driver.ts";` }))).toHaveLength(1);
    expect(importsPastDoors(files({ "app/a.ts": `import { x } from "../src/core/x.ts";` }))).toHaveLength(1);
    expect(
      importsPastDoors(
        files({ "app/A.svelte": `<script lang="ts">import type { X } from "../src/core/x.ts";</script>` }),
      ),
    ).toEqual([]);
    expect(importsPastDoors(files({ "signaling/a.ts": `import "../src/browser/b.ts";` }))).toHaveLength(1);
    expect(importsPastDoors(tree)).toEqual([]);
  });

  test("inside the core: values know values, mechanisms know values, the node knows all", () => {
    expect(importsAcrossTiers(files({ "src/core/gossip.ts": `import "./replica.ts";` }))).toHaveLength(1);
    expect(importsAcrossTiers(files({ "src/core/gossip.ts": `import "./node.ts";` }))).toHaveLength(1);
    expect(importsAcrossTiers(files({ "src/core/ring.ts": `import type { G } from "./gossip.ts";` }))).toHaveLength(1);
    expect(importsAcrossTiers(files({ "src/core/node.ts": `import "./gossip.ts"; import "./ring.ts";` }))).toEqual([]);
    expect(importsAcrossTiers(files({ "src/core/node.ts": `import "./exchange-pair.ts";` }))).toHaveLength(1);
    expect(importsAcrossTiers(files({ "src/wire/a.ts": `import "../core/exchange-pair.ts";` }))).toHaveLength(1);
    expect(importsAcrossTiers(files({ "src/wire/a.test.ts": `import "../core/exchange-pair.ts";` }))).toEqual([]);
    expect(importsAcrossTiers(files({ "src/core/exchange-pair.ts": `import "./replica.ts";` }))).toEqual([]);
    expect(importsAcrossTiers(tree)).toEqual([]);
  });

  test("make no circle", () => {
    const circle = {
      "src/a.ts": `import "./b.ts";`,
      "src/b.ts": `import type { C } from "./c.ts";`,
      "src/c.ts": `import "./a.ts";`,
    };
    expect(circles(files(circle))).toEqual(["src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts"]);
    expect(circles(files({ ...circle, "src/c.ts": "" }))).toEqual([]);
    expect(circles(tree)).toEqual([]);
  });
});

test("every file of the core has its tier", () => {
  const added = new Map([...tree, ["src/core/clairvoyance.ts", ""]]);
  added.delete("src/core/gossip.ts");
  expect(tierlessFiles(added)).toEqual(["src/core/clairvoyance.ts", "src/core/gossip.ts"]);
  expect(tierlessFiles(tree)).toEqual([]);
});

test("below the driver, and in the simulator, nothing reads a clock, draws, waits or touches the host", () => {
  for (const line of [
    "Date.now();",
    "Math.random();",
    "async function f() {}",
    "let p: Promise<void>;",
    "setTimeout(f);",
    "globalThis.x;",
  ])
    expect(impurities(files({ "src/core/a.ts": line })), line).toHaveLength(1);
  expect(impurities(files({ "src/sim/a.ts": "const g = async () => { await x; };" }))).not.toEqual([]);
  expect(
    impurities(files({ "src/core/a.ts": "x.Date; const y = { Date: 1 }; // Date.now()\nconst z = 'Promise';" })),
  ).toEqual([]);
  expect(impurities(files({ "src/driver/a.ts": "Date.now();", "src/core/a.test.ts": "Date.now();" }))).toEqual([]);
  expect(impurities(tree)).toEqual([]);
});

test("names say what is inside", () => {
  for (const path of [
    "src/core/utils.ts",
    "src/helpers/a.ts",
    "app/cart-manager.ts",
    "src/core/types.ts",
    "src/core/MyRing.ts",
  ])
    expect(badNames(files({ [path]: "" })), path).toHaveLength(1);
  expect(badNames(files({ "src/core/hinted-handoff.test.ts": "", "app/CartPanel.svelte": "" }))).toEqual([]);
  expect(badNames(tree)).toEqual([]);
});

test("every file is used by an entry point or a test", () => {
  expect(unusedFiles(files({ "src/a.ts": "", "src/index.ts": "" }))).toEqual(["src/a.ts"]);
  expect(
    unusedFiles(files({ "src/a.ts": "", "src/b.ts": `import "./a.ts";`, "src/index.ts": `export * from "./b.ts";` })),
  ).toEqual([]);
  expect(unusedFiles(tree)).toEqual([]);
});

test("every message stands in the grammar of core/README.md", () => {
  const message = `interface A { readonly kind: "replica-put"; } interface B { readonly kind: "ping" } interface C { kind: "x" } type Message = A | B;`;
  expect(kindsWithoutGrammar(message, "ping")).toEqual(["replica-put"]);
  expect(kindsWithoutGrammar(message, "`ping` and replica-put-reply")).toEqual(["replica-put"]);
  expect(kindsWithoutGrammar(message, "`ping` and `replica-put`")).toEqual([]);
  expect(kindsWithoutGrammar(tree.get("src/core/message.ts") ?? "", tree.get("src/core/README.md") ?? "")).toEqual([]);
});

test("nothing names the machine that it was written on", () => {
  const folder = ["", "home", "ada"].join("/");
  expect(workplaceNames(files({ "a.ts": `const x = "${folder}/x.ts";` }))).toHaveLength(1);
  expect(workplaceNames(files({ "a.md": `https://example.org${folder}` }))).toEqual([]);
  expect(
    workplaceNames(files({ "package-lock.json": `"resolved": "https://registry.example.org/a.tgz"` })),
  ).toHaveLength(1);
  expect(workplaceNames(files({ "package-lock.json": `"resolved": "https://registry.npmjs.org/a.tgz"` }))).toEqual([]);
  expect(workplaceNames(tree)).toEqual([]);
});
