/** What stands behind a command: whole numbers by name, each with a limit, and `--json`. Anything else ends the process with how to use it. */

export type Numbers<Name extends string> = Readonly<Record<Name, number>>;

/** `defaults` in the order in which they are told; names without their dashes. */
export function readFlags<Name extends string>(
  command: string,
  defaults: Numbers<Name>,
  limits: Numbers<Name>,
): { readonly json: boolean; readonly numbers: Numbers<Name> } {
  const names = Object.keys(defaults) as Name[];
  const usage = (problem: string): never => {
    const options = names.map((name) => `[--${name} ${defaults[name]}]`).join(" ");
    process.stderr.write(`${problem}\nusage: npm run ${command} -- [--json] ${options}\n`);
    process.exit(2);
  };
  const numbers: Record<Name, number> = { ...defaults };
  let json = false;
  const words = process.argv.slice(2);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const name = names.find((each) => word === `--${each}`);
    if (word === "--json") json = true;
    else if (name === undefined) usage(`unknown option ${word}`);
    else {
      const value = Number(words[++i]);
      if (!Number.isInteger(value) || value < 1 || value > limits[name])
        usage(`${word} wants a whole number from 1 to ${limits[name]}, not ${words[i] ?? "nothing"}`);
      numbers[name] = value;
    }
  }
  return { json, numbers };
}
