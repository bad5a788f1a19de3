/** Hashes and random names as lower-case hexadecimal. */

import { md5 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** `bytes` random bytes. */
export function randomHex(bytes: number): string {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(bytes)));
}

export function md5Hex(text: string): string {
  return bytesToHex(md5(utf8ToBytes(text)));
}

/** Where a key falls among so many equal parts of the ring: by the first 32 bits of its MD5 (paper, sections 4.2 and 6.2). */
export function tokenOf(key: string, tokens: number): number {
  return Math.floor((Number.parseInt(md5Hex(key).slice(0, 8), 16) / 2 ** 32) * tokens);
}
