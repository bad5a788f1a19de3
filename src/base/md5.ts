/** MD5 (RFC 1321), synchronous: the ring's hash (paper, section 4.2: 128 bits). Places keys; protects nothing. */

import { md5 } from "@noble/hashes/legacy.js";

/** The 16 bytes of MD5 over `bytes`. */
export function md5Of(bytes: Uint8Array): Uint8Array {
  return md5(bytes);
}
