/** What a caller hands in, checked before anything is sent: keys, values, quorums, operation ids. Each fault has a named error that says what to do. */

import { LoneSurrogateError, utf8Decode, utf8Length } from "../base/bytes.ts";
import { InvalidKeyError, InvalidOperationError, InvalidQuorumError, ValueTooLargeError } from "../core/errors.ts";
import { KEY_BYTES_MAX, type Key, type OperationId, VALUE_BYTES_MAX, isOperationId } from "../core/identifiers.ts";

/** The key as text; throws {@link InvalidKeyError} unless it has 1 to 1,024 bytes of UTF-8. */
export function parseKey(key: unknown): Key {
  const nothing = "Nothing was sent.";
  let text: string | undefined;
  if (typeof key === "string") text = key;
  else if (key instanceof Uint8Array) {
    if (key.length > KEY_BYTES_MAX) throw tooLong(key.length);
    text = utf8Decode(key);
    if (text === undefined)
      throw new InvalidKeyError(`The key's bytes are not UTF-8. ${nothing} Encode it as text, for example in base64.`);
  } else
    throw new InvalidKeyError(
      `A key is a string or bytes, but this is ${key === null ? "null" : typeof key}. ${nothing}`,
    );
  if (text === "")
    throw new InvalidKeyError(`The key is empty. ${nothing} Give it 1 to ${KEY_BYTES_MAX} bytes of UTF-8.`);
  let bytes: number;
  try {
    bytes = utf8Length(text);
  } catch (error) {
    if (!(error instanceof LoneSurrogateError)) throw error;
    throw new InvalidKeyError(
      `The key has half a surrogate pair, which no UTF-8 can say. ${nothing} Cut strings at whole characters.`,
    );
  }
  if (bytes > KEY_BYTES_MAX) throw tooLong(bytes);
  return text as Key;
}

function tooLong(bytes: number): InvalidKeyError {
  return new InvalidKeyError(
    `The key has ${bytes} bytes of UTF-8, over the limit of ${KEY_BYTES_MAX}. Nothing was sent. Shorten it, or use its hash.`,
  );
}

/** Throws {@link ValueTooLargeError} beyond 1 MiB. */
export function checkValue(value: Uint8Array | null): void {
  if (value !== null && value.length > VALUE_BYTES_MAX) throw new ValueTooLargeError(value.length, VALUE_BYTES_MAX);
}

/** Throws {@link InvalidQuorumError} unless `given` is left out or a whole number up to n: from 1 for r and w, from 0 for pr, pw and dw. */
export function checkQuorum(name: "r" | "w" | "pr" | "pw" | "dw", given: unknown, n: number): number | undefined {
  if (given === undefined) return undefined;
  const least = name === "r" || name === "w" ? 1 : 0;
  if (typeof given !== "number" || !Number.isInteger(given) || given < least || given > n)
    throw new InvalidQuorumError(name, given, n, least);
  return given;
}

/** Throws {@link InvalidOperationError} unless `given` is 32 lower-case hexadecimal digits. */
export function parseOperation(given: string): OperationId {
  if (!isOperationId(given)) throw new InvalidOperationError();
  return given;
}
