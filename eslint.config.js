/** The lint. Layout is Prettier's; floors, circles and other rules about files among each other are `src/tidy.test.ts`. */

import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import svelte from "eslint-plugin-svelte";
import { defineConfig, globalIgnores } from "eslint/config";
import globals from "globals";
import tseslint from "typescript-eslint";

const NO_LOCAL_STORAGE = {
  name: "localStorage",
  message:
    "It outlives the database beside it, and an identity without its data loses acknowledged writes. Keep it in IndexedDB.",
};
const NO_LOCAL_STORAGE_PROPERTY = ["window", "globalThis", "self"].map((object) => ({
  object,
  property: "localStorage",
  message: NO_LOCAL_STORAGE.message,
}));
const NO_CLOCK = { name: "Date", message: "Below the driver time comes in with the event." };
const NO_CHANCE = {
  object: "Math",
  property: "random",
  message: "Below the driver and in the simulator chance comes from base/prng.ts, which the host seeds.",
};
const NO_SLEEP = {
  selector: "CallExpression[callee.property.name='waitForTimeout']",
  message: "Wait for a condition instead (waitUntil in cluster.ts).",
};

export default defineConfig(
  globalIgnores([
    "**/dist/",
    "test-results/",
    "playwright-report/",
    "coverage/",
    ".tabring/",
    // Recorded as they were.
    "src/sim/older-builds/*.js",
  ]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node },
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname, extraFileExtensions: [".svelte"] },
    },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      // The habit is a last `default: return unreachable(x)`: it holds at run time too, and the compiler checks it.
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // With noUncheckedIndexedAccess they are part of every loop over typed arrays.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Methods that keep a promise's shape without waiting for anything are what adapters in memory are made of.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/ban-ts-comment": ["error", { "ts-expect-error": true }],
      eqeqeq: ["error", "always"],
      // Playwright reads which fixtures a fixture wants from its pattern, and one may want none.
      "no-empty-pattern": ["error", { allowObjectPatternsAsParameters: true }],
      "no-restricted-globals": ["error", NO_LOCAL_STORAGE],
      "no-restricted-properties": ["error", ...NO_LOCAL_STORAGE_PROPERTY],
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: { "svelte/no-at-html-tags": "error" },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/sim/run.ts", "**/*.test.ts", "**/*.bench.ts"],
    rules: { "no-console": "error" },
  },
  {
    files: ["src/{base,core,reconcile,wire,sim,lab}/**/*.ts"],
    ignores: ["src/sim/run.ts", "**/*.test.ts", "**/*.bench.ts"],
    rules: {
      "no-restricted-globals": ["error", NO_LOCAL_STORAGE, NO_CLOCK],
      "no-restricted-properties": ["error", ...NO_LOCAL_STORAGE_PROPERTY, NO_CHANCE],
    },
  },
  { files: ["e2e/**/*.ts"], rules: { "no-restricted-syntax": ["error", NO_SLEEP] } },
  // The types of simple-peer's prebuilt bundle can only be named this way.
  { files: ["**/*.d.ts"], rules: { "@typescript-eslint/no-require-imports": "off" } },
  // Outside of every tsconfig.
  { files: ["**/*.{js,mjs}", "*.config.ts", "app/*.config.ts"], extends: [tseslint.configs.disableTypeChecked] },
  prettier,
  svelte.configs.prettier,
);
