/**
 * The titles of the tests of a file, read from its source without running it: `describe > describe > title`, as a runner joins them. Understood are
 * `test`, `it`, `describe`, `test.describe`, their `.each`, local shorthands that pass a title on to one of these, and suites that another file exports as
 * a function. A part of a title that only a run knows is HOLE; the placeholders of `.each` stay as they stand in the source.
 *
 * Limits: a test that is made in any other way is not seen, so that naming it fails. A skipped test is seen like any other: whether a test runs is seen by
 * running it.
 */

import ts from "typescript";

/** The text of a file, by its path from the repository's root; undefined when there is none. */
export type ReadText = (path: string) => string | undefined;

export const HOLE = "*";
const SEPARATOR = " > ";
/** Suites that import suites end somewhere. */
const DEPTH_MAX = 4;

type Callable = ts.ArrowFunction | ts.FunctionExpression | ts.FunctionDeclaration;
/** What names stand for, where that is known: texts of parameters, and functions that make tests. */
interface Scope {
  readonly texts: ReadonlyMap<string, string>;
  readonly functions: ReadonlyMap<string, { readonly declaration: Callable; readonly path: string }>;
}
type Maker = "test" | "describe" | undefined;

export function testTitles(path: string, read: ReadText): string[] {
  const source = read(path);
  if (source === undefined) return [];
  const titles: string[] = [];
  const file = parse(path, source);
  collect(file, [], { texts: new Map(), functions: functionsOf(file, path, read) }, path, read, titles, 0);
  return titles;
}

/** A title of the source as a pattern for what a run calls it: placeholders and holes stand for anything. */
export function titlePattern(title: string): RegExp {
  const parts = title.split(/(%[a-z#$]|\$[a-zA-Z_][\w.]*|\*)/);
  return new RegExp(`^${parts.map((part, i) => (i % 2 === 0 ? escape(part) : ".*")).join("")}$`, "s");
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

function collect(
  node: ts.Node,
  trail: readonly string[],
  scope: Scope,
  path: string,
  read: ReadText,
  titles: string[],
  depth: number,
): void {
  if (ts.isCallExpression(node)) {
    const maker = makerOf(node.expression);
    const [first] = node.arguments;
    if (maker !== undefined && first !== undefined && node.arguments.length > 1) {
      const title = [...trail, textOf(first, scope.texts)];
      if (maker === "test") titles.push(title.join(SEPARATOR));
      else for (const argument of node.arguments) collect(argument, title, scope, path, read, titles, depth);
      return;
    }
    const called = ts.isIdentifier(node.expression) ? scope.functions.get(node.expression.text) : undefined;
    if (called !== undefined && depth < DEPTH_MAX) {
      const texts = new Map(called.path === path ? scope.texts : []);
      called.declaration.parameters.forEach(({ name }, i) => {
        const argument = node.arguments[i];
        if (ts.isIdentifier(name) && argument !== undefined) texts.set(name.text, textOf(argument, scope.texts));
      });
      const functions =
        called.path === path
          ? scope.functions
          : functionsOf(called.declaration.getSourceFile(), called.path, read, depth);
      collect(called.declaration.body!, trail, { texts, functions }, called.path, read, titles, depth + 1);
      return;
    }
  }
  // A function's body counts where it is called, not where it stands.
  if (isShorthand(node)) return;
  ts.forEachChild(node, (child) => collect(child, trail, scope, path, read, titles, depth));
}

function isShorthand(node: ts.Node): boolean {
  if (ts.isFunctionDeclaration(node)) return makesTests(node);
  return (
    ts.isVariableDeclaration(node) &&
    node.initializer !== undefined &&
    isCallable(node.initializer) &&
    makesTests(node.initializer)
  );
}

function isCallable(node: ts.Node): node is ts.ArrowFunction | ts.FunctionExpression {
  return ts.isArrowFunction(node) || ts.isFunctionExpression(node);
}

function makesTests(callable: Callable): boolean {
  let found = false;
  const visit = (node: ts.Node): void => {
    found ||= ts.isCallExpression(node) && makerOf(node.expression) !== undefined && node.arguments.length > 1;
    if (!found) ts.forEachChild(node, visit);
  };
  if (callable.body !== undefined) visit(callable.body);
  return found;
}

/** All functions of a file that make tests, wherever they stand, and those that it imports. */
function functionsOf(file: ts.SourceFile, path: string, read: ReadText, depth = 0): Scope["functions"] {
  const functions = new Map<string, { declaration: Callable; path: string }>();
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionDeclaration(node) && node.name !== undefined && makesTests(node))
      functions.set(node.name.text, { declaration: node, path });
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer !== undefined)
      if (isCallable(node.initializer) && makesTests(node.initializer))
        functions.set(node.name.text, { declaration: node.initializer, path });
    ts.forEachChild(node, visit);
  };
  visit(file);
  if (depth >= DEPTH_MAX) return functions;
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const from = resolve(path, statement.moduleSpecifier.text);
    const bindings = statement.importClause?.namedBindings;
    if (from === undefined || bindings === undefined || !ts.isNamedImports(bindings)) continue;
    const names = bindings.elements.filter(({ name }) => /^(describe|test)[A-Z]/.test(name.text));
    const text = names.length === 0 ? undefined : read(from);
    if (text === undefined) continue;
    const exported = functionsOf(parse(from, text), from, read, DEPTH_MAX);
    for (const { name, propertyName } of names) {
      const found = exported.get((propertyName ?? name).text);
      if (found !== undefined) functions.set(name.text, found);
    }
  }
  return functions;
}

/** `./b.ts` seen from `src/a.ts` is `src/b.ts`. */
function resolve(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** `test`, `test.each(…)`, `test.describe`, `describe.each(…)`, and nothing like `test.use` or `expect`. */
function makerOf(callee: ts.Expression): Maker {
  if (ts.isIdentifier(callee))
    return callee.text === "test" || callee.text === "it"
      ? "test"
      : callee.text === "describe"
        ? "describe"
        : undefined;
  if (ts.isCallExpression(callee) || ts.isTaggedTemplateExpression(callee)) {
    const each = ts.isCallExpression(callee) ? callee.expression : callee.tag;
    return ts.isPropertyAccessExpression(each) && each.name.text === "each" ? makerOf(each.expression) : undefined;
  }
  if (!ts.isPropertyAccessExpression(callee)) return undefined;
  const own = makerOf(callee.expression);
  if (own === undefined) return undefined;
  if (callee.name.text === "describe") return "describe";
  return ["skip", "only", "concurrent", "sequential", "fails", "todo"].includes(callee.name.text) ? own : undefined;
}

function textOf(node: ts.Expression, texts: ReadonlyMap<string, string>): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isIdentifier(node)) return texts.get(node.text) ?? HOLE;
  if (!ts.isTemplateExpression(node)) return HOLE;
  return node.head.text + node.templateSpans.map((span) => textOf(span.expression, texts) + span.literal.text).join("");
}
