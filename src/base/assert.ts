/** Assertions that stay on in production: a broken promise of our own is a bug, and a bug must not go on quietly. */

/** Raised when the code breaks a promise that it made to itself. Never raised for bad input. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws {@link AssertionError} unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The end of an exhaustive `switch`: compiles only when every case of the union was handled. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
