/**
 * Sealing of frames on channels that have no DTLS of their own between the two ends (WebSocket, relay): ChaCha20-Poly1305 (RFC 8439), one
 * key per direction, the frame's number in that direction as the nonce. The number does not travel: the channel keeps order, so a frame that
 * was changed, dropped, repeated or sent back does not open, and the link is closed.
 *
 * Limits: a key belongs to one link and one direction, so a number never comes twice under one key. Whoever learns the cluster's secret can
 * read what was recorded earlier; on WebRTC links DTLS prevents that.
 */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

/** What sealing adds to a frame. */
export const SEAL_BYTES = 16;

class FrameNumber {
  readonly #nonce = new Uint8Array(12);
  #next = 0;

  /** The nonce of the next frame: 32 zero bits, then its number, 64 bits, low byte first. */
  take(): Uint8Array {
    let rest = this.#next++;
    for (let i = 4; i < 12; i++) {
      this.#nonce[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return this.#nonce;
  }
}

/** Seals this side's frames, in the order in which they go out. */
export class FrameSealer {
  readonly #key: Uint8Array;
  readonly #number = new FrameNumber();

  /** `key`: 32 bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(frame: Uint8Array): Uint8Array {
    return chacha20poly1305(this.#key, this.#number.take()).encrypt(frame);
  }
}

/** Opens the other side's frames, in the order in which they came. */
export class FrameOpener {
  readonly #key: Uint8Array;
  readonly #number = new FrameNumber();

  /** `key`: 32 bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Undefined when the frame is not the next one that the other side sealed. */
  open(sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < SEAL_BYTES) return undefined;
    try {
      return chacha20poly1305(this.#key, this.#number.take()).decrypt(sealed);
    } catch {
      return undefined;
    }
  }
}
