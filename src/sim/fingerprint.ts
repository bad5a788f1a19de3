/**
 * Sixty-four bits over plain data, so that states can be compared by a number: two that are equal have equal fingerprints, two that differ have
 * equal ones with a chance of 2^-64. With m states the chance that any two of them are confused is about m^2 / 2^65: for ten million states one in
 * four hundred thousand.
 *
 * Maps and sets are taken in their order, because a mechanism may go through them in it; the properties of an object in the order of their names,
 * and one that is undefined like one that is not there.
 */

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

/** Murmur's finish: every bit of the input changes half of the bits of the output. */
function mixed(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Stands before each value, so that values of different kinds never look alike. */
const MARK = {
  undefined: 1,
  null: 2,
  false: 3,
  true: 4,
  number: 5,
  string: 6,
  bytes: 7,
  list: 8,
  map: 9,
  set: 10,
  object: 11,
} as const;

const float = new Float64Array(1);
const words = new Int32Array(float.buffer);

export class Fingerprint {
  #a = 0;
  #b = 0;
  #count = 0;

  /** Starts anew. */
  reset(): this {
    this.#a = 0x2f0b4c5d;
    this.#b = 0x1b56c4e9;
    this.#count = 0;
    return this;
  }

  /** Feeds a whole number of 32 bits. */
  word(x: number): void {
    const k = Math.imul(rotateLeft(Math.imul(x, 0xcc9e2d51), 15), 0x1b873593);
    const l = Math.imul(rotateLeft(Math.imul(x, 0x239b961b), 16), 0xab0e9789);
    this.#a = (Math.imul(rotateLeft(this.#a ^ k, 13), 5) + 0xe6546b64) | 0;
    this.#b = (Math.imul((rotateLeft(this.#b ^ l, 17) + this.#a) | 0, 5) + 0x0bcaa747) | 0;
    this.#count++;
  }

  /** Feeds plain data: numbers, texts, bytes, lists, maps, sets and objects of such. No circles. */
  value(value: unknown): this {
    switch (typeof value) {
      case "undefined":
        this.word(MARK.undefined);
        break;
      case "boolean":
        this.word(value ? MARK.true : MARK.false);
        break;
      case "number":
        this.word(MARK.number);
        float[0] = value;
        this.word(words[0]!);
        this.word(words[1]!);
        break;
      case "string":
        this.word(MARK.string);
        this.#text(value);
        break;
      case "object":
        this.#object(value);
        break;
      default:
        throw new TypeError(`a ${typeof value} is no plain data`);
    }
    return this;
  }

  /** The high half, unsigned. */
  get high(): number {
    return mixed(this.#a ^ this.#count) >>> 0;
  }

  /** The low half, unsigned. */
  get low(): number {
    return mixed((this.#b + Math.imul(this.#a, 0x9e3779b1)) ^ this.#count) >>> 0;
  }

  /** All 64 bits as a short text, to be the key of a map. */
  get name(): string {
    const { high, low } = this;
    return String.fromCharCode(high >>> 16, high & 0xffff, low >>> 16, low & 0xffff);
  }

  #text(text: string): void {
    this.word(text.length);
    for (let i = 0; i < text.length; i += 2) this.word(text.charCodeAt(i) | ((text.charCodeAt(i + 1) || 0) << 16));
  }

  #object(value: object | null): void {
    if (value === null) this.word(MARK.null);
    else if (Array.isArray(value)) {
      this.word(MARK.list);
      this.word(value.length);
      for (const item of value) this.value(item);
    } else if (value instanceof Map) {
      this.word(MARK.map);
      this.word(value.size);
      for (const [key, item] of value) this.value(key).value(item);
    } else if (value instanceof Set) {
      this.word(MARK.set);
      this.word(value.size);
      for (const item of value) this.value(item);
    } else if (value instanceof Uint8Array) {
      this.word(MARK.bytes);
      this.word(value.length);
      for (const byte of value) this.word(byte);
    } else {
      const properties = value as Readonly<Record<string, unknown>>;
      this.word(MARK.object);
      for (const name of Object.keys(properties).sort()) {
        if (properties[name] === undefined) continue;
        this.#text(name);
        this.value(properties[name]);
      }
      this.word(MARK.object);
    }
  }
}

const shared = new Fingerprint();

/** The fingerprint of plain data, as a short text. */
export function fingerprintOf(value: unknown): string {
  return shared.reset().value(value).name;
}

/** Numbers data: equal data gets equal numbers, from 0 in the order in which it comes. What was numbered must not change. */
export class Numbering {
  readonly #byObject = new WeakMap<object, number>();
  readonly #byName = new Map<string, number>();

  /** How many different ones came. */
  get size(): number {
    return this.#byName.size;
  }

  of(data: object): number {
    let number = this.#byObject.get(data);
    if (number === undefined) this.#byObject.set(data, (number = this.ofText(fingerprintOf(data))));
    return number;
  }

  ofText(text: string): number {
    let number = this.#byName.get(text);
    if (number === undefined) this.#byName.set(text, (number = this.#byName.size));
    return number;
  }
}
