/**
 * A recorded build: the node as it stood at commit 6d84fb5ac99b (2026-11-21).
 * It is never changed. To make it again: node tool/record-build.mjs 6d84fb5ac99b FILE
 */
// src/base/crc32.ts
var TABLES = (() => {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 3988292384 ^ value >>> 1 : value >>> 1;
    tables[0][i] = value;
  }
  for (let k = 1; k < 8; k++) {
    for (let i = 0; i < 256; i++) {
      const previous = tables[k - 1][i];
      tables[k][i] = tables[0][previous & 255] ^ previous >>> 8;
    }
  }
  return tables;
})();
var [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;
function crc32(bytes, seed = 0) {
  let crc = ~seed;
  let i = 0;
  const eights = bytes.length - bytes.length % 8;
  while (i < eights) {
    const low = crc ^ (bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24);
    crc = T7[low & 255] ^ T6[low >>> 8 & 255] ^ T5[low >>> 16 & 255] ^ T4[low >>> 24] ^ T3[bytes[i + 4]] ^ T2[bytes[i + 5]] ^ T1[bytes[i + 6]] ^ T0[bytes[i + 7]];
    i += 8;
  }
  while (i < bytes.length) crc = T0[(crc ^ bytes[i++]) & 255] ^ crc >>> 8;
  return ~crc >>> 0;
}

// src/base/prng.ts
function rotateLeft(x, k) {
  return x << k | x >>> 32 - k;
}
var Prng = class _Prng {
  #a;
  #b;
  #c;
  #d;
  constructor(seed) {
    [this.#a, this.#b, this.#c, this.#d] = seed.map((word) => word | 0);
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#d = 1;
  }
  /** Where it stands: equal ones draw equal numbers from here on. */
  get memory() {
    return [this.#a, this.#b, this.#c, this.#d];
  }
  /** A generator from one number, spread over the whole state by splitmix32. */
  static fromNumber(seed) {
    let state = seed ^ Math.floor(seed / 2 ** 32) * 2654435769 | 0;
    const word = () => {
      state = state + 2654435769 | 0;
      let z = state;
      z = Math.imul(z ^ z >>> 16, 2246822507);
      z = Math.imul(z ^ z >>> 13, 3266489909);
      return z ^ z >>> 16;
    };
    return new _Prng([word(), word(), word(), word()]);
  }
  /** Uniform over the unsigned 32-bit integers. */
  uint32() {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }
  /** Uniform over 0 (inclusive) to `below` (exclusive); `below` at most 2^32. */
  below(below) {
    return Math.floor(this.uint32() / 4294967296 * below);
  }
  /** Uniform over `from` to `to`, both inclusive. */
  between(from, to) {
    return from + this.below(to - from + 1);
  }
  /** True with the given probability, 0 to 1. */
  chance(probability) {
    return this.uint32() / 4294967296 < probability;
  }
  /** One of the items; undefined when there are none. */
  pick(items) {
    return items.length === 0 ? void 0 : items[this.below(items.length)];
  }
  /** A new array with the same items in random order (Fisher and Yates). */
  shuffled(items) {
    const result = items.slice();
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }
  /** `bytes` random bytes as lower-case hexadecimal. */
  hex(bytes) {
    let text = "";
    for (let i = 0; i < bytes; i++) text += (this.uint32() & 255).toString(16).padStart(2, "0");
    return text;
  }
  /** An independent generator, so that one consumer's draws do not shift another's. */
  fork() {
    return new _Prng([this.uint32(), this.uint32(), this.uint32(), this.uint32()]);
  }
};

// src/base/assert.ts
var AssertionError = class extends Error {
  name = "AssertionError";
};
function assert(condition, message) {
  if (!condition) throw new AssertionError(message);
}
function unreachable(value) {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}

// @noble/hashes/_u64.js
var fromNumH = (n) => n / 2 ** 32 | 0;
var fromNumL = (n) => n >>> 0;
function setU64FromNum(view, byteOffset, n, isLE) {
  const h = fromNumH(n);
  const l = fromNumL(n);
  view.setUint32(byteOffset, isLE ? l : h, isLE);
  view.setUint32(byteOffset + 4, isLE ? h : l, isLE);
}

// @noble/hashes/utils.js
function isBytes(a) {
  return a instanceof Uint8Array || ArrayBuffer.isView(a) && a.constructor.name === "Uint8Array" && "BYTES_PER_ELEMENT" in a && a.BYTES_PER_ELEMENT === 1;
}
var atitle = (title) => title ? `"${title}" ` : "";
function anumber(n, title = "") {
  if (typeof n !== "number")
    throw new TypeError(atitle(title) + "expected number, got " + typeof n);
  if (!Number.isSafeInteger(n) || n < 0)
    throw new RangeError(atitle(title) + "expected integer >= 0, got " + n);
  return n;
}
function abytes(value, length2, title = "") {
  if (isBytes(value) && (length2 === void 0 || value.length === length2))
    return value;
  if (length2 !== void 0)
    anumber(length2, "length");
  const bytes = isBytes(value);
  const ofLen = length2 !== void 0 ? ` of length ${length2}` : "";
  const got = bytes ? `length=${value.length}` : `type=${typeof value}`;
  const message = atitle(title) + "expected Uint8Array" + ofLen + ", got " + got;
  if (!bytes)
    throw new TypeError(message);
  throw new RangeError(message);
}
function ahash(h) {
  if (typeof h !== "function" || typeof h.create !== "function")
    throw new TypeError("expected hash wrapped by utils.createHasher");
  anumber(h.outputLen);
  anumber(h.blockLen);
  if (h.outputLen < 1 || h.blockLen < 1)
    throw new Error("hash blockLen / outputLen must be >= 1");
}
var aobject = (value, label) => {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw new TypeError((label === "object" ? "" : `"${label}" `) + "expected object, got type=" + typeof value);
};
var aopts = (value, label) => {
  aobject(value, label);
  const proto = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null)
    throw new TypeError(`"${label}" expected plain object`);
  if (Object.hasOwn(value, "__proto__"))
    throw new TypeError(`"${label}.__proto__" is not allowed`);
};
function aexists(instance, checkFinished = true) {
  if (instance.destroyed)
    throw new Error("hash was destroyed");
  if (checkFinished && instance.finished)
    throw new Error("digest() was already called");
}
function aoutput(out, instance) {
  abytes(out, void 0, "output");
  const min2 = instance.outputLen;
  if (!(out.length >= min2)) {
    throw new RangeError('"output" expected length >= ' + min2);
  }
}
function clean(...arrays) {
  for (let i = 0; i < arrays.length; i++) {
    arrays[i].fill(0);
  }
}
function createView(arr) {
  return new DataView(arr.buffer, arr.byteOffset, arr.byteLength);
}
function rotr(word, shift) {
  return word << 32 - shift | word >>> shift;
}
function rotl(word, shift) {
  return word << shift | word >>> 32 - shift >>> 0;
}
function checkOpts(defaults, opts, title = "opts") {
  aopts(defaults, "defaults");
  if (opts !== void 0)
    aopts(opts, title);
  const merged = Object.assign(/* @__PURE__ */ Object.create(null), defaults, opts);
  return merged;
}
function createHasher(hashCons, info = {}) {
  if (typeof hashCons !== "function")
    throw new TypeError('"hashCons" expected function, got type=' + typeof hashCons);
  info = checkOpts({}, info, "info");
  const hashC = (msg, opts) => hashCons(opts).update(msg).digest();
  const tmp = hashCons(void 0);
  hashC.outputLen = tmp.outputLen;
  hashC.blockLen = tmp.blockLen;
  hashC.canXOF = tmp.canXOF;
  hashC.create = (opts) => hashCons(opts);
  Object.assign(hashC, info);
  return Object.freeze(hashC);
}
var oidNist = (suffix) => ({
  // Current NIST hashAlgs suffixes used here fit in one DER subidentifier octet.
  // Larger suffix values would need base-128 OID encoding and a different length byte.
  oid: Uint8Array.from([6, 9, 96, 134, 72, 1, 101, 3, 4, 2, suffix])
});

// @noble/hashes/_md.js
function Chi(a, b, c) {
  return a & b ^ ~a & c;
}
function Maj(a, b, c) {
  return a & b ^ a & c ^ b & c;
}
var HashMD = class {
  blockLen;
  outputLen;
  canXOF = false;
  padOffset;
  isLE;
  // For partial updates less than block size
  buffer;
  view;
  finished = false;
  length = 0;
  pos = 0;
  destroyed = false;
  constructor(blockLen, outputLen, padOffset, isLE) {
    this.blockLen = blockLen;
    this.outputLen = outputLen;
    this.padOffset = padOffset;
    this.isLE = isLE;
    this.buffer = new Uint8Array(blockLen);
    this.view = createView(this.buffer);
  }
  update(data) {
    aexists(this);
    abytes(data);
    const { view, buffer, blockLen } = this;
    const len = data.length;
    let processed = false;
    for (let pos = 0; pos < len; ) {
      const take = Math.min(blockLen - this.pos, len - pos);
      if (take === blockLen) {
        const dataView = createView(data);
        for (; blockLen <= len - pos; pos += blockLen)
          this.process(dataView, pos);
        processed = true;
        continue;
      }
      buffer.set(pos === 0 && take === len ? data : data.subarray(pos, pos + take), this.pos);
      this.pos += take;
      pos += take;
      if (this.pos === blockLen) {
        this.process(view, 0);
        this.pos = 0;
        processed = true;
      }
    }
    this.length += data.length;
    if (processed)
      this.roundClean();
    return this;
  }
  digestInto(out) {
    aexists(this);
    aoutput(out, this);
    this.finished = true;
    const { buffer, view, blockLen, isLE } = this;
    let { pos } = this;
    buffer[pos++] = 128;
    buffer.fill(0, pos);
    if (this.padOffset > blockLen - pos) {
      this.process(view, 0);
      buffer.fill(0);
    }
    setU64FromNum(view, blockLen - 8, this.length * 8, isLE);
    this.process(view, 0);
    this.roundClean();
    const oview = out === buffer ? view : createView(out);
    const len = this.outputLen;
    const outLen = len / 4;
    const state = this.get();
    if (len % 4 || outLen > state.length)
      throw new Error("invalid outputLen");
    for (let i = 0; i < outLen; i++)
      oview.setUint32(4 * i, state[i], isLE);
  }
  digest() {
    const { buffer, outputLen } = this;
    this.digestInto(buffer);
    const res = buffer.slice(0, outputLen);
    this.destroy();
    return res;
  }
  _cloneIntoMeta(to) {
    const { buffer, length: length2, finished, destroyed, pos } = this;
    to.destroyed = destroyed;
    to.finished = finished;
    to.length = length2;
    to.pos = pos;
    if (pos)
      to.buffer.set(buffer);
    return to;
  }
  clone() {
    return this._cloneInto();
  }
};
var SHA256_IV = /* @__PURE__ */ Uint32Array.from([
  1779033703,
  3144134277,
  1013904242,
  2773480762,
  1359893119,
  2600822924,
  528734635,
  1541459225
]);

// @noble/hashes/legacy.js
var SHA1_IV = /* @__PURE__ */ Uint32Array.from([
  1732584193,
  4023233417,
  2562383102,
  271733878,
  3285377520
]);
var p32 = /* @__PURE__ */ Math.pow(2, 32);
var K = /* @__PURE__ */ Array.from({ length: 64 }, (_, i) => Math.floor(p32 * Math.abs(Math.sin(i + 1))));
var MD5_IV = /* @__PURE__ */ SHA1_IV.slice(0, 4);
var MD5_W = /* @__PURE__ */ new Uint32Array(16);
var MD5_SHIFTS = /* @__PURE__ */ (() => {
  const S = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21]
  ];
  return Uint8Array.from({ length: 64 }, (_, i) => S[Math.floor(i / 16)][i % 4]);
})();
var _MD5 = class extends HashMD {
  A = MD5_IV[0] | 0;
  B = MD5_IV[1] | 0;
  C = MD5_IV[2] | 0;
  D = MD5_IV[3] | 0;
  constructor() {
    super(64, 16, 8, true);
  }
  get() {
    const { A, B, C, D } = this;
    return [A, B, C, D];
  }
  set(A, B, C, D) {
    this.A = A | 0;
    this.B = B | 0;
    this.C = C | 0;
    this.D = D | 0;
  }
  _cloneInto(to) {
    (to ||= new this.constructor()).set(...this.get());
    return this._cloneIntoMeta(to);
  }
  process(view, offset) {
    for (let i = 0; i < 16; i++, offset += 4)
      MD5_W[i] = view.getUint32(offset, true);
    let { A, B, C, D } = this;
    for (let i = 0; i < 64; i++) {
      let F, g;
      if (i < 16) {
        F = Chi(B, C, D);
        g = i;
      } else if (i < 32) {
        F = Chi(D, B, C);
        g = (5 * i + 1) % 16;
      } else if (i < 48) {
        F = B ^ C ^ D;
        g = (3 * i + 5) % 16;
      } else {
        F = C ^ (B | ~D);
        g = 7 * i % 16;
      }
      F = F + A + K[i] + MD5_W[g];
      A = D;
      D = C;
      C = B;
      B = B + rotl(F, MD5_SHIFTS[i]);
    }
    A = A + this.A | 0;
    B = B + this.B | 0;
    C = C + this.C | 0;
    D = D + this.D | 0;
    this.set(A, B, C, D);
  }
  roundClean() {
    clean(MD5_W);
  }
  destroy() {
    this.destroyed = true;
    this.set(0, 0, 0, 0);
    clean(this.buffer);
  }
};
var md5 = /* @__PURE__ */ createHasher(() => new _MD5());

// src/base/md5.ts
function md5Of(bytes) {
  return md5(bytes);
}

// src/base/bytes.ts
var LoneSurrogateError = class extends Error {
  name = "LoneSurrogateError";
};
function utf8Length(text) {
  let length2 = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128) length2 += 1;
    else if (unit < 2048) length2 += 2;
    else if (unit < 55296 || unit > 57343) length2 += 3;
    else {
      const next = text.charCodeAt(i + 1);
      if (unit > 56319 || !(next >= 56320 && next <= 57343)) throw new LoneSurrogateError("lone surrogate");
      length2 += 4;
      i++;
    }
  }
  return length2;
}
function utf8Encode(text) {
  const bytes = new Uint8Array(utf8Length(text));
  let at2 = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128) bytes[at2++] = unit;
    else if (unit < 2048) {
      bytes[at2++] = 192 | unit >> 6;
      bytes[at2++] = 128 | unit & 63;
    } else if (unit < 55296 || unit > 57343) {
      bytes[at2++] = 224 | unit >> 12;
      bytes[at2++] = 128 | unit >> 6 & 63;
      bytes[at2++] = 128 | unit & 63;
    } else {
      const point = 65536 + (unit - 55296 << 10) + (text.charCodeAt(++i) - 56320);
      bytes[at2++] = 240 | point >> 18;
      bytes[at2++] = 128 | point >> 12 & 63;
      bytes[at2++] = 128 | point >> 6 & 63;
      bytes[at2++] = 128 | point & 63;
    }
  }
  return bytes;
}
function utf8Decode(bytes) {
  let text = "";
  let i = 0;
  while (i < bytes.length) {
    const first = bytes[i++];
    if (first < 128) {
      text += String.fromCharCode(first);
      continue;
    }
    const more = first >= 194 && first < 224 ? 1 : first >= 224 && first < 240 ? 2 : first >= 240 && first < 245 ? 3 : 0;
    if (more === 0 || i + more > bytes.length) return void 0;
    let point = first & 63 >> more;
    for (let k = 0; k < more; k++) {
      const next = bytes[i++];
      if ((next & 192) !== 128) return void 0;
      point = point << 6 | next & 63;
    }
    if (more === 2 && (point < 2048 || point >= 55296 && point <= 57343) || more === 3 && (point < 65536 || point > 1114111))
      return void 0;
    text += String.fromCodePoint(point);
  }
  return text;
}
var HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));
function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
function fromHex(text) {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return void 0;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

// src/core/address.ts
var POSITION_DIGITS = 8;
var NODE_DIGITS = 32;
var positions = /* @__PURE__ */ new Map();
var POSITIONS_KEPT_MAX = 65536;
function positionOf(key) {
  let position = positions.get(key);
  if (position === void 0) {
    position = toHex(md5Of(utf8Encode(key)));
    if (positions.size >= POSITIONS_KEPT_MAX) positions.clear();
    positions.set(key, position);
  }
  return position;
}
function partitionOf(position, partitions) {
  return Math.floor(Number.parseInt(position.slice(0, POSITION_DIGITS), 16) / 4294967296 * partitions);
}
function recordAddress(key, position) {
  return position.slice(0, POSITION_DIGITS) + key;
}
function hintAddress(key, position, target) {
  return position.slice(0, POSITION_DIGITS) + key + target;
}
function keyOfRecord(address) {
  return address.slice(POSITION_DIGITS);
}
function parseHintAddress(address) {
  const end = address.length - NODE_DIGITS;
  return { key: address.slice(POSITION_DIGITS, end), target: address.slice(end) };
}
function partitionRange(partition, partitions) {
  const bound = (p) => p >= partitions ? "g" : Math.round(p / partitions * 4294967296).toString(16).padStart(POSITION_DIGITS, "0");
  return { after: bound(partition), before: bound(partition + 1) };
}

// src/base/histogram.ts
var STEPS = 32;
var STEP_BITS = 5;
var VALUE_MAX = 4294967295;
var BUCKETS_MAX = STEPS * (32 - STEP_BITS + 1);
var PERCENTILE_ERROR_MAX = 1 / (2 * STEPS);
var EMPTY_HISTOGRAM = { sum: 0, max: 0, buckets: [] };
function bucketOf(value) {
  if (value < STEPS) return value;
  const shift = 31 - Math.clz32(value) - STEP_BITS;
  return STEPS * shift + (value >>> shift);
}
function middleOf(bucket) {
  if (bucket < 2 * STEPS) return bucket;
  const shift = (bucket >>> STEP_BITS) - 1;
  const width = 2 ** shift;
  return (bucket - STEPS * shift) * width + (width - 1) / 2;
}
var Histogram = class {
  #counts = /* @__PURE__ */ new Map();
  #count = 0;
  #sum = 0;
  #max = 0;
  get count() {
    return this.#count;
  }
  get sum() {
    return this.#sum;
  }
  get max() {
    return this.#max;
  }
  /** 0 when nothing was counted. */
  get mean() {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }
  get data() {
    const buckets = [...this.#counts].map(([bucket, count]) => ({ bucket, count }));
    return { sum: this.#sum, max: this.#max, buckets: buckets.sort((a, b) => a.bucket - b.bucket) };
  }
  add(value) {
    const whole = Math.min(VALUE_MAX, Math.max(0, Math.floor(value)));
    this.#into(bucketOf(whole), 1);
    this.#sum += whole;
    this.#max = Math.max(this.#max, whole);
  }
  /** Takes in all that another one has counted. Returns this. */
  include({ sum, max: max2, buckets }) {
    for (const { bucket, count } of buckets) this.#into(bucket, count);
    this.#sum += sum;
    this.#max = Math.max(this.#max, max2);
    return this;
  }
  /**
   * The least number that at least `percent` of all are not above (nearest rank), to within PERCENTILE_ERROR_MAX; the largest one exactly. 0 when nothing
   * was counted. `percent` counts to its third decimal place.
   */
  percentile(percent) {
    const rank = Math.max(1, Math.ceil(Math.round(percent * 1e3) * this.#count / 1e5));
    if (rank >= this.#count) return this.#max;
    let below = 0;
    for (const { bucket, count } of this.data.buckets) {
      below += count;
      if (below >= rank) return Math.min(this.#max, middleOf(bucket));
    }
    return this.#max;
  }
  #into(bucket, count) {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    this.#count += count;
  }
};

// src/base/rolling-window.ts
var RollingWindow = class {
  #sliceMs;
  #slicesMax;
  #make;
  /** By number since time 0, ascending. */
  #slices = /* @__PURE__ */ new Map();
  /** The slice of now, not yet over, is one of the `slicesMax`. */
  constructor(sliceMs, slicesMax, make) {
    this.#sliceMs = sliceMs;
    this.#slicesMax = slicesMax;
    this.#make = make;
  }
  /** The slice to fill now. */
  at(nowMs) {
    const number = this.#forget(nowMs);
    let slice = this.#slices.get(number);
    if (slice === void 0) this.#slices.set(number, slice = this.#make());
    return slice;
  }
  /** Those that are left, newest first; `age` 0 is the one under way. */
  recent(nowMs) {
    const now = this.#forget(nowMs);
    return [...this.#slices].reverse().map(([number, slice]) => ({ age: now - number, slice }));
  }
  /** How much time lies within the window, of `sinceMs` until now. */
  coveredMs(nowMs, sinceMs) {
    const from = (Math.floor(nowMs / this.#sliceMs) - this.#slicesMax + 1) * this.#sliceMs;
    return Math.max(0, nowMs - Math.max(from, sinceMs));
  }
  #forget(nowMs) {
    const now = Math.floor(nowMs / this.#sliceMs);
    for (const number of this.#slices.keys()) {
      if (number > now - this.#slicesMax) break;
      this.#slices.delete(number);
    }
    return now;
  }
};

// src/core/admission.ts
var JUDGE_MS = 2e3;
var SHARE_STEP = 0.1;
var IDLE_MS = 1e3;
var BURST_MS = 50;
var SAMPLES_MIN = 20;
var SLICE_MS = 1e4;
var SLICES = 7;
var SIGNALS = ["requests", "disk", "queue"];
var Admission = class {
  #in;
  #do;
  #signals = freshSignals();
  /** What the disk has not answered yet. It answers everything once. */
  #asked = /* @__PURE__ */ new Map();
  /** When storage failed last, unless it was judged already. */
  #failedAt = Number.NEGATIVE_INFINITY;
  #share = 1;
  #why = "steady";
  #judgedAt = Number.NEGATIVE_INFINITY;
  #servedAt = Number.NEGATIVE_INFINITY;
  /** Slices that can be granted now, and since when. */
  #slices = 1;
  #filledAt = 0;
  #waiting = /* @__PURE__ */ new Set();
  /** Whose turn it is among those that wait. */
  #turn;
  #granted = 0;
  #grantedIdle = 0;
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return {
      signals: SIGNALS.map(
        (signal) => this.#signals[signal].recent(this.#in.now).map(({ age, slice }) => [age, slice.data])
      ),
      asked: this.#asked,
      failedAt: this.#failedAt,
      share: this.#share,
      why: this.#why,
      judgedAt: this.#judgedAt,
      servedAt: this.#servedAt,
      slices: this.#slices,
      filledAt: this.#filledAt,
      waiting: this.#waiting,
      granted: this.#granted,
      grantedIdle: this.#grantedIdle
    };
  }
  get status() {
    const idle2 = this.#idle;
    return {
      share: this.#share,
      perSecond: idle2 ? Number.POSITIVE_INFINITY : this.#perSecond,
      why: idle2 ? "idle" : this.#why,
      waiting: [...this.#waiting],
      granted: this.#granted,
      grantedIdle: this.#grantedIdle
    };
  }
  // What it watches
  /** A caller, here or at a peer, wants something of this node. */
  onForeground() {
    if (this.#watches) this.#servedAt = this.#in.now;
  }
  /** A request, a read or write of the disk, or a timer took so long. */
  onTook(signal, ms) {
    if (this.#watches) this.#signals[signal].at(this.#in.now).add(ms * 1e3);
  }
  /** The disk was asked to read or write something that a caller may wait for. */
  onDiskAsked(ticket) {
    if (this.#watches) this.#asked.set(ticket, this.#in.now);
  }
  onDiskAnswered(ticket, failed) {
    const since = this.#asked.get(ticket);
    if (since === void 0) return;
    this.#asked.delete(ticket);
    if (failed) this.#failedAt = this.#in.now;
    else this.onTook("disk", this.#in.now - since);
  }
  // What it grants
  /** Whether a piece of background work may begin now; if not, `resume` follows. */
  mayWork(work, slices = 1) {
    if (this.#idle) {
      this.#grantedIdle += slices;
      return true;
    }
    this.#judge();
    this.#fill();
    const otherFirst = this.#waiting.size > 0 && this.#turn !== work;
    if (otherFirst || this.#slices < Math.min(1, slices)) {
      this.#waiting.add(work);
      this.#arm();
      return false;
    }
    this.#turn = void 0;
    this.#slices -= slices;
    this.#granted += slices;
    return true;
  }
  onTimer() {
    this.#judge();
    this.#fill();
    for (const work of [...this.#waiting]) {
      if (!this.#idle && this.#slices < 1) break;
      this.#waiting.delete(work);
      this.#turn = work;
      this.#do.resume(work);
      this.#turn = void 0;
    }
    this.#arm();
  }
  get #watches() {
    return this.#in.config.foregroundTargetMs !== Number.POSITIVE_INFINITY;
  }
  get #idle() {
    return !this.#watches || this.#in.now - this.#servedAt >= IDLE_MS;
  }
  get #perSecond() {
    return this.#share * this.#in.config.backgroundPerSecond;
  }
  #fill() {
    const { now } = this.#in;
    const most = Math.max(1, this.#perSecond * BURST_MS / 1e3);
    this.#slices = Math.min(most, this.#slices + (now - this.#filledAt) * this.#perSecond / 1e3);
    this.#filledAt = now;
  }
  /** While somebody waits: when the next slice is there. */
  #arm() {
    if (this.#waiting.size === 0) return;
    const { now, timers } = this.#in;
    timers.set("admission", now + Math.max(1, (1 - this.#slices) * 1e3 / this.#perSecond));
  }
  #judge() {
    const { now, config } = this.#in;
    if (now - this.#judgedAt < JUDGE_MS) return;
    this.#judgedAt = now;
    const why = this.#bad();
    this.#failedAt = Number.NEGATIVE_INFINITY;
    const least = Math.min(1, config.backgroundPerSecondMin / config.backgroundPerSecond);
    const before2 = this.#share;
    this.#share = why === "steady" ? Math.min(1, Math.round((before2 + SHARE_STEP) * 1e3) / 1e3) : Math.max(least, before2 / 2);
    this.#why = why;
    if (why !== "steady") this.#signals = freshSignals();
    if (this.#share !== before2) this.#in.note({ what: "admission", share: this.#share, why });
  }
  #bad() {
    const { now, config } = this.#in;
    if (now - this.#failedAt < SLICE_MS) return "failures";
    for (const signal of SIGNALS) {
      const minute = new Histogram();
      for (const { slice } of this.#signals[signal].recent(now)) minute.include(slice.data);
      if (minute.count >= SAMPLES_MIN && minute.percentile(99) > config.foregroundTargetMs * 1e3) return signal;
    }
    return "steady";
  }
};
function freshSignals() {
  const fresh = () => new RollingWindow(SLICE_MS, SLICES, () => new Histogram());
  return { requests: fresh(), disk: fresh(), queue: fresh() };
}

// src/core/buckets.ts
var BUCKETS_MAX2 = 256;
var BUCKET_NAME_CHARACTERS_MAX = 64;
var BUCKET_VERSION_MAX = 2 ** 32;
function bucketNameOf(key) {
  const slash = key.indexOf("/");
  return slash > 0 ? key.slice(0, slash) : void 0;
}
function bucketFault(name, properties, n) {
  const { r, w, pr, pw, dw, policy } = properties;
  return nameFault(name) ?? quorumFault("r", r, 1, n) ?? quorumFault("w", w, 1, n) ?? quorumFault("pr", pr, 0, n) ?? quorumFault("pw", pw, 0, n) ?? quorumFault("dw", dw, 0, n) ?? (isBucketPolicy(policy) ? void 0 : `its policy is ${JSON.stringify(policy)}, but must be "siblings", "last-write-wins" or "merge:" and a name of 1 to 32 characters of a-z, 0-9 and "-"`);
}
function nameFault(name) {
  if (typeof name !== "string") return `its name is a ${typeof name}, but must be text`;
  if (name.length < 1 || name.length > BUCKET_NAME_CHARACTERS_MAX)
    return `its name has ${name.length} characters, but must have 1 to ${BUCKET_NAME_CHARACTERS_MAX}`;
  if (name.includes("/"))
    return `its name ${JSON.stringify(name)} has a "/" in it: a key's bucket ends at the first one`;
  try {
    utf8Length(name);
  } catch (error) {
    if (!(error instanceof LoneSurrogateError)) throw error;
    return "its name has half a surrogate pair, which no UTF-8 can say";
  }
  return void 0;
}
function quorumFault(what, given, least, n) {
  if (given === void 0) return void 0;
  if (typeof given === "number" && Number.isInteger(given) && given >= least && given <= n) return void 0;
  return `its ${what} is ${JSON.stringify(given)}, but must be a whole number from ${least} to n = ${n}`;
}
function isBucketPolicy(policy) {
  return policy === "siblings" || policy === "last-write-wins" || typeof policy === "string" && /^merge:[a-z0-9-]{1,32}$/.test(policy);
}
function mergeNameOf(policy) {
  return policy.startsWith("merge:") ? policy.slice("merge:".length) : void 0;
}
function bucketNamed(buckets, name) {
  let low = 0;
  let high = buckets.length - 1;
  while (low <= high) {
    const middle = low + high >> 1;
    const entry = buckets[middle];
    if (entry.name === name) return entry;
    if (entry.name < name) low = middle + 1;
    else high = middle - 1;
  }
  return void 0;
}
function bucketOf2(buckets, key) {
  if (buckets.length === 0) return void 0;
  const name = bucketNameOf(key);
  return name === void 0 ? void 0 : bucketNamed(buckets, name);
}
function mergeBuckets(buckets, news) {
  const merged = new Map(buckets.map((entry) => [entry.name, entry]));
  for (const entry of news) {
    const known2 = merged.get(entry.name);
    if (known2 === void 0 || wins(entry, known2)) merged.set(entry.name, entry);
  }
  const kept = [...merged.values()].sort((a, b) => a.name < b.name ? -1 : 1).slice(0, BUCKETS_MAX2);
  return kept.length === buckets.length && kept.every((entry, i) => entry === buckets[i]) ? buckets : kept;
}
function wins(a, b) {
  if (a.version !== b.version) return a.version > b.version;
  if (a.setBy !== b.setBy) return a.setBy > b.setBy;
  return contentOf(a.properties) > contentOf(b.properties);
}
function sameProperties(a, b) {
  return contentOf(a) === contentOf(b);
}
function contentOf({ r, w, pr, pw, dw, policy }) {
  return JSON.stringify([r, w, pr, pw, dw, policy]);
}
var digests = /* @__PURE__ */ new WeakMap();
function bucketsDigest(buckets) {
  let digest = digests.get(buckets);
  if (digest === void 0) {
    const lines = buckets.map(
      ({ name, version, setBy, properties }) => `${JSON.stringify(name)} ${version} ${setBy} ${contentOf(properties)}`
    );
    digest = crc32(utf8Encode(lines.join("\n")));
    digests.set(buckets, digest);
  }
  return digest;
}

// src/core/identifiers.ts
var KEY_BYTES_MAX = 1024;
var VALUE_BYTES_MAX = 1048576;
var SIBLINGS_WARN = 25;
var SIBLINGS_MAX = 100;
var SIBLINGS_DECODED_MAX = 4096;
var CLOCK_ENTRIES_WARN = 64;
var CLOCK_ENTRIES_MAX = 65536;
var MEMBERS_MAX = 1024;
var DEPARTED_MAX = 512;
var PARTITIONS_MAX = 4096;
var TOKENS_MAX = 1024;

// src/core/membership.ts
var LEFT_INCARNATION = 2 ** 50;
var REMOVED_INCARNATION = 2 ** 51;
var NOBODY = "0".repeat(32);
function unclaimed(partitions) {
  return new Array(partitions).fill({ owner: NOBODY, version: 0 });
}
function newer(a, b) {
  return a.incarnation > b.incarnation || a.incarnation === b.incarnation && a.version > b.version;
}
function claimWins(a, b) {
  return a.version > b.version || a.version === b.version && a.owner > b.owner;
}
function memberOf(view, node) {
  let low = 0;
  let high = view.members.length - 1;
  while (low <= high) {
    const middle = low + high >> 1;
    const member = view.members[middle];
    if (member.node === node) return member;
    if (member.node < node) low = middle + 1;
    else high = middle - 1;
  }
  return void 0;
}
function stays(member) {
  return member.departure === void 0;
}
function isGone({ departure }) {
  return departure !== void 0 && departure.standing !== "leaving";
}
function goneEntry(member, standing, by, at2) {
  return {
    ...member,
    incarnation: standing === "left" ? LEFT_INCARNATION : REMOVED_INCARNATION,
    version: Math.max(1, at2),
    holders: new Uint8Array(member.holders.length),
    tokens: [],
    departure: { standing, by, at: at2 }
  };
}
function holds(member, partition) {
  return ((member.holders[partition >> 3] ?? 0) & 1 << (partition & 7)) !== 0;
}
function noHolders(partitions) {
  return new Uint8Array(Math.max(1, partitions >> 3));
}
function allHolders(partitions) {
  const holders = noHolders(partitions);
  for (let p = 0; p < partitions; p++) holders[p >> 3] |= 1 << (p & 7);
  return holders;
}
function withHolder(holders, partition, held) {
  const copy = holders.slice();
  if (held) copy[partition >> 3] |= 1 << (partition & 7);
  else copy[partition >> 3] &= ~(1 << (partition & 7));
  return copy;
}
function mergeView(view, members, claims, buckets = []) {
  let changed2 = false;
  const merged = new Map(view.members.map((member) => [member.node, member]));
  for (const member of members) {
    const known2 = merged.get(member.node);
    if (known2 !== void 0 && !newer(member, known2)) continue;
    merged.set(member.node, member);
    changed2 = true;
  }
  let mergedClaims = view.claims;
  if (claims?.length === view.claims.length) {
    claims.forEach((claim, partition) => {
      if (!claimWins(claim, mergedClaims[partition])) return;
      if (mergedClaims === view.claims) mergedClaims = view.claims.slice();
      mergedClaims[partition] = claim;
      changed2 = true;
    });
  }
  const mergedBuckets = mergeBuckets(view.buckets, buckets);
  if (!changed2 && mergedBuckets === view.buckets) return view;
  return {
    parameters: view.parameters,
    members: withoutLongGone([...merged.values()]).sort((a, b) => a.node < b.node ? -1 : 1),
    claims: mergedClaims,
    buckets: mergedBuckets
  };
}
function withoutLongGone(members) {
  const gone = members.filter(isGone);
  if (gone.length <= DEPARTED_MAX) return members;
  gone.sort((a, b) => b.version - a.version || (a.node < b.node ? -1 : 1));
  const forgotten = new Set(gone.slice(DEPARTED_MAX));
  return members.filter((member) => !forgotten.has(member));
}

// src/core/anti-entropy.ts
var AFTER_LINK_UP_MS = 2e3;
var AntiEntropy = class {
  #in;
  #do;
  /** Peers to compare with, the next one first; those without a turn yet are behind all others. */
  #turns = /* @__PURE__ */ new Set();
  #comparing;
  #dueAt = Infinity;
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { turns: this.#turns, comparing: this.#comparing, dueAt: this.#dueAt };
  }
  get size() {
    return this.#turns.size;
  }
  /** The node is about to answer. */
  start() {
    this.#arm(this.#in.now + this.#in.random.below(this.#in.config.antiEntropyMs));
  }
  onPeerUp(peer) {
    const others = [...this.#turns].filter((other) => other !== peer);
    this.#turns.clear();
    for (const node of [peer, ...others]) this.#turns.add(node);
    const soon = this.#in.now + AFTER_LINK_UP_MS;
    if (this.#dueAt > soon) this.#arm(soon);
  }
  onPeerDown(peer) {
    this.#turns.delete(peer);
  }
  onTimer() {
    this.#arm(this.#in.now + this.#in.config.antiEntropyMs);
    if (this.#comparing !== void 0) return;
    for (const peer of this.#inTurn()) {
      const partitions = this.#inCommon(peer);
      if (partitions.length === 0) continue;
      this.#comparing = peer;
      if (this.#do.exchange(peer, partitions)) return;
      this.#comparing = void 0;
    }
  }
  onEnded(peer) {
    if (this.#comparing === peer) this.#comparing = void 0;
  }
  #arm(at2) {
    this.#dueAt = at2;
    this.#in.timers.set("anti-entropy", at2);
  }
  /** Other holders that answer, each in turn: the one chosen goes behind. */
  *#inTurn() {
    for (const { node } of this.#in.ring?.view.members ?? [])
      if (node !== this.#in.self && this.#in.reachable(node)) this.#turns.add(node);
    for (const node of [...this.#turns]) {
      this.#turns.delete(node);
      if (!this.#in.reachable(node)) continue;
      this.#turns.add(node);
      yield node;
    }
  }
  #inCommon(peer) {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    const theirs = ring === void 0 ? void 0 : memberOf(ring.view, peer);
    if (ring === void 0 || own === void 0 || theirs === void 0) return [];
    const common = [];
    for (let p = 0; p < ring.view.claims.length; p++) if (holds(own, p) && holds(theirs, p)) common.push(p);
    return common;
  }
};

// src/core/config.ts
var defaultParameters = {
  n: 3,
  r: 2,
  w: 2,
  partitions: 256,
  placement: 3,
  tokensPerNode: 0
};
var TOKENS_PER_NODE_MAX = 256;
function parametersFault(parameters) {
  const { n, r, w, partitions, placement, tokensPerNode } = parameters;
  if (!Number.isInteger(n) || n < 1 || n > 16) return `n is ${n}, but must be a whole number from 1 to 16`;
  if (!Number.isInteger(r) || r < 1 || r > n) return `r is ${r}, but must be a whole number from 1 to n = ${n}`;
  if (!Number.isInteger(w) || w < 1 || w > n) return `w is ${w}, but must be a whole number from 1 to n = ${n}`;
  if (!Number.isInteger(Math.log2(partitions)) || partitions < 1 || partitions > PARTITIONS_MAX)
    return `partitions is ${partitions}, but must be a power of two up to ${PARTITIONS_MAX}`;
  if (![1, 2, 3].includes(placement)) return `placement is ${placement}, but must be 1, 2 or 3`;
  if (placement === 3 && tokensPerNode !== 0)
    return `tokensPerNode is ${tokensPerNode}, but placement 3 has none: leave it out`;
  const tokensMax = placement === 1 ? Math.min(partitions, TOKENS_PER_NODE_MAX) : TOKENS_PER_NODE_MAX;
  if (placement !== 3 && (!Number.isInteger(tokensPerNode) || tokensPerNode < 1 || tokensPerNode > tokensMax))
    return `tokensPerNode is ${tokensPerNode}, but must be a whole number from 1 to ${tokensMax}`;
  return void 0;
}
function parametersDifference(ours, theirs) {
  const names = Object.keys(defaultParameters);
  const differing = names.filter((name) => ours[name] !== void 0 && ours[name] !== theirs[name]);
  if (differing.length === 0) return void 0;
  return differing.map((name) => `${name} is ${ours[name]} here and ${theirs[name]} there`).join(", ");
}
function tokensOf({ tokensPerNode }, capacity) {
  return Math.min(TOKENS_MAX, tokensPerNode * capacity);
}
var defaultConfig = {
  capacity: 1,
  zone: "default",
  expects: {},
  requestTimeoutMs: 5e3,
  slowReplyMs: 400,
  hedges: true,
  readRepairMs: 2e3,
  gossipMs: 1e3,
  pingMs: 1e3,
  suspectAfterMs: 2e3,
  downAfterMs: 3500,
  indirectProbes: 3,
  clockJumpMs: 3e3,
  redialMs: 1e3,
  redialMaxMs: 3e4,
  hintScanMs: 5e3,
  hintsInFlightMax: 16,
  hintsMax: 5e4,
  transferTimeoutMs: 4e3,
  transferPageBytesMax: 65536,
  transfersInFlightMax: 8,
  rebalanceAfterMs: 1e3,
  antiEntropyMs: 1e4,
  scrubMs: 1e4,
  foregroundTargetMs: 50,
  backgroundPerSecond: 1e3,
  backgroundPerSecondMin: 20,
  linksMax: 64,
  requestsMax: 1e4,
  peerRequestsPerSecond: 1e4,
  peerRequestsBurst: 5e4,
  peerBackgroundPerSecond: 5e3,
  peerBackgroundBurst: 5e4,
  cachedRecordsMax: 65536,
  cachedBytesMax: 64 * 1048576
};

// src/core/placement.ts
var TOKEN_PLACES = 2 ** 32;
function placementOf(view) {
  const { placement, partitions } = view.parameters;
  switch (placement) {
    case 1:
      return new RandomTokens(view.members, (partition) => partition);
    case 2:
      return new RandomTokens(
        view.members,
        (partition) => (partition + 1) % partitions * TOKEN_PLACES / partitions
      );
    case 3:
      return new ClaimedTokens(view);
    default:
      return unreachable(placement);
  }
}
var ClaimedTokens = class {
  tokens;
  #owners;
  constructor({ claims, members }) {
    const going = new Set(members.filter((member) => !stays(member)).map((member) => member.node));
    this.#owners = claims.map(({ owner }) => going.has(owner) ? void 0 : owner);
    this.tokens = counted(this.#owners);
  }
  walk(partition, nodesMax = Infinity) {
    return walkFrom(this.#owners, partition, Math.min(nodesMax, this.tokens.size));
  }
};
var RandomTokens = class {
  tokens;
  #owners;
  #places;
  #placeOf;
  constructor(members, placeOf) {
    const having = members.filter((member) => member.tokens.length > 0 && stays(member));
    const willing = having.filter((member) => member.capacity > 0);
    const all = (willing.length > 0 ? willing : having).flatMap(
      ({ node, tokens }) => tokens.map((place2) => ({ place: place2, node }))
    );
    all.sort((a, b) => a.place - b.place);
    this.#owners = all.map((token) => token.node);
    this.#places = all.map((token) => token.place);
    this.#placeOf = placeOf;
    this.tokens = counted(this.#owners);
  }
  walk(partition, nodesMax = Infinity) {
    const first = firstFrom(this.#places, this.#placeOf(partition));
    return walkFrom(this.#owners, first, Math.min(nodesMax, this.tokens.size));
  }
};
function counted(owners) {
  const counts = /* @__PURE__ */ new Map();
  for (const owner of owners) if (owner !== void 0) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}
function walkFrom(owners, first, nodes) {
  const met = /* @__PURE__ */ new Set();
  for (let step = 0; met.size < nodes; step++) {
    const owner = owners[(first + step) % owners.length];
    if (owner !== void 0) met.add(owner);
  }
  return [...met];
}
function firstFrom(places, from) {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (places[middle] < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
function drawTokens(parameters, capacity, others, random) {
  const { placement, partitions } = parameters;
  const count = tokensOf(parameters, others.length === 0 ? Math.max(1, capacity) : capacity);
  const drawn = /* @__PURE__ */ new Set();
  switch (placement) {
    case 1: {
      const taken = new Set(others.flatMap((member) => member.tokens));
      const slots = Array.from({ length: partitions }, (_, slot) => slot);
      const free = slots.filter((slot) => !taken.has(slot));
      for (const slot of random.shuffled(free.length > 0 ? free : slots).slice(0, count)) drawn.add(slot);
      break;
    }
    case 2:
      while (drawn.size < count) drawn.add(random.uint32());
      break;
    case 3:
      break;
    default:
      return unreachable(placement);
  }
  return [...drawn].sort((a, b) => a - b);
}
function tokensFault(tokens, { placement, partitions }) {
  if (placement === 3 && tokens.length > 0) return "a member has tokens of its own in placement 3";
  if (tokens.length > TOKENS_MAX) return `a member has ${tokens.length} tokens, over the limit of ${TOKENS_MAX}`;
  const places = placement === 1 ? partitions : TOKEN_PLACES;
  for (const [i, token] of tokens.entries()) {
    if (!(Number.isInteger(token) && token >= 0 && token < places)) return `a token lies at ${token}, off the ring`;
    if (i > 0 && token <= tokens[i - 1]) return "the tokens of a member are unsorted or repeat";
  }
  return void 0;
}

// src/core/ring.ts
var Ring = class {
  view;
  digest;
  /** From the view alone. */
  placement;
  #members;
  #lists;
  /** `before`: the ring that this one follows; lists that cannot differ are taken over. */
  constructor(view, before2) {
    this.view = view;
    this.digest = digestOf(view);
    this.#members = new Map(view.members.map((member) => [member.node, member]));
    const same = before2 !== void 0 && sameTokens(before2.view, view);
    this.placement = same ? before2.placement : placementOf(view);
    this.#lists = same ? this.#taken(before2) : new Array(view.claims.length);
  }
  preferenceList(partition) {
    return this.#lists[partition] ??= this.#list(partition);
  }
  /** True when the node is one of the partition's first N. */
  owns(node, partition) {
    return this.preferenceList(partition).owners.includes(node);
  }
  #taken(before2) {
    const { claims, members } = this.view;
    if (before2.#members.size !== members.length) return new Array(claims.length);
    const lists = before2.#lists.slice();
    for (const member of members) {
      const old = before2.#members.get(member.node);
      if (old === member) continue;
      if (old?.zone !== member.zone || old.capacity > 0 !== member.capacity > 0 || stays(old) !== stays(member))
        return new Array(claims.length);
      for (let p = 0; p < claims.length; p++) if (holds(old, p) !== holds(member, p)) lists[p] = void 0;
    }
    return lists;
  }
  #holds(node, partition) {
    const member = this.#members.get(node);
    return member !== void 0 && holds(member, partition);
  }
  #list(partition) {
    const met = this.placement.walk(partition);
    const n = Math.min(this.view.parameters.n, met.length);
    const owners = [];
    const zones = /* @__PURE__ */ new Set();
    for (const node of met) {
      const zone = this.#members.get(node)?.zone ?? node;
      if (owners.length >= n || zones.has(zone)) continue;
      zones.add(zone);
      owners.push(node);
    }
    for (const node of met) if (owners.length < n && !owners.includes(node)) owners.push(node);
    const others = met.filter((node) => !owners.includes(node));
    const tokenless = this.view.members.filter((member) => !met.includes(member.node));
    const present = owners.filter((node) => this.#holds(node, partition));
    for (const node of [...others, ...tokenless.map((member) => member.node)])
      if (this.#holds(node, partition)) present.push(node);
    const counted2 = present.length > 0 ? present : owners;
    const joining = owners.filter((node) => !counted2.includes(node));
    const willing = tokenless.filter((member) => member.capacity > 0 && stays(member)).map((member) => member.node);
    const fallbacks = [...others, ...willing].filter((node) => !counted2.includes(node));
    return { owners, counted: counted2, joining, fallbacks };
  }
};
var memberDigests = /* @__PURE__ */ new WeakMap();
var claimsDigests = /* @__PURE__ */ new WeakMap();
function memberDigest(member) {
  let digest = memberDigests.get(member);
  if (digest === void 0) {
    digest = crc32(utf8Encode(`${member.node} ${member.incarnation} ${member.version}`));
    memberDigests.set(member, digest);
  }
  return digest;
}
function claimsDigest(claims) {
  let digest = claimsDigests.get(claims);
  if (digest === void 0) {
    digest = crc32(utf8Encode(claims.map((claim) => `${claim.owner} ${claim.version}`).join("\n")));
    claimsDigests.set(claims, digest);
  }
  return digest;
}
function digestOf(view) {
  let sum = (claimsDigest(view.claims) ^ bucketsDigest(view.buckets)) >>> 0;
  for (const member of view.members) sum = Math.imul(sum, 16777619) + memberDigest(member) >>> 0;
  return sum;
}
function placementDigest(view) {
  const claims = claimsDigest(view.claims);
  const going = view.members.filter((member) => !stays(member)).map((member) => member.node);
  if (view.parameters.placement === 3)
    return going.length === 0 ? claims : crc32(utf8Encode(JSON.stringify([claims, going])));
  const tokens = view.members.map(({ node, capacity, zone, tokens: tokens2 }) => [node, capacity > 0, zone, tokens2]);
  return crc32(utf8Encode(JSON.stringify([claims, tokens, going])));
}
function tokenCounts(view) {
  const counts = new Map(view.members.map((member) => [member.node, 0]));
  for (const [node, tokens] of placementOf(view).tokens) counts.set(node, tokens);
  return counts;
}
function sameTokens(a, b) {
  if (a.claims !== b.claims) return false;
  if (a.members === b.members) return true;
  if (b.parameters.placement === 3) {
    const going = ({ members }) => members.filter((member) => !stays(member)).map((member) => member.node);
    return going(a).join() === going(b).join();
  }
  return a.members.length === b.members.length && b.members.every((member, i) => {
    const other = a.members[i];
    if (other === member) return true;
    return other.node === member.node && other.capacity > 0 === member.capacity > 0 && stays(other) === stays(member) && (other.tokens === member.tokens || other.tokens.join() === member.tokens.join());
  });
}

// src/core/membership-change.ts
function changeRefusal(ring, self, change, reachable) {
  const node = change.kind === "leave" ? self : change.node;
  const member = memberOf(ring.view, node);
  if (member === void 0) return { code: "unknown-node", node };
  if (isGone(member) || change.kind === "leave" && !stays(member)) return { code: "already-departed", node };
  if (change.planned !== void 0 && change.planned !== placementDigest(ring.view)) return { code: "outdated" };
  const takers = ring.view.members.filter((other) => other !== member && stays(other) && other.capacity > 0);
  if (takers.length === 0) return { code: "last-member" };
  if (change.kind === "leave" || change.force) return void 0;
  if (node === self || reachable(node)) return { code: "still-reachable", node };
  return copiesRefusal(ring, member);
}
function copiesRefusal(ring, leaver) {
  const { parameters, claims } = ring.view;
  const others = ring.view.members.filter((member) => member !== leaver && !isGone(member));
  const takers = others.filter((member) => stays(member) && member.capacity > 0).length;
  const needed = Math.min(parameters.w, takers);
  let partitions = 0;
  let fewest = Infinity;
  for (let partition = 0; partition < claims.length; partition++) {
    if (!holds(leaver, partition)) continue;
    const holders = others.filter((member) => holds(member, partition)).length;
    if (holders >= needed) continue;
    partitions++;
    fewest = Math.min(fewest, holders);
  }
  return partitions === 0 ? void 0 : { code: "too-few-copies", partitions, holders: fewest, needed };
}

// src/core/token-spacing.ts
var SWAPS_LOOKED_AT = 2 ** 20;
var REST_SWAPS = 10;
function crowdsAt(owners, position, node, n, except = -1) {
  const total = owners.length;
  let crowds2 = 0;
  for (let d = 1; d < n; d++) {
    const ahead = position + d < total ? position + d : position + d - total;
    const behind = position < d ? position - d + total : position - d;
    if (ahead !== except && owners[ahead] === node) crowds2++;
    if (behind !== ahead && behind !== except && owners[behind] === node) crowds2++;
  }
  return crowds2;
}
function crowds(owners, n) {
  return owners.reduce((sum, node, position) => sum + crowdsAt(owners, position, node, n), 0) / 2;
}
function spaced(owners, node, position, n) {
  return crowdsAt(owners, position, node, n) === 0;
}
function listsOf(owners, n) {
  const size = Math.min(n, new Set(owners).size);
  return owners.map((_, first) => {
    const list = [];
    for (let step = 0; list.length < size; step++) {
      const node = owners[(first + step) % owners.length];
      if (!list.includes(node)) list.push(node);
    }
    return list;
  });
}
function copiesForOthers(before2, after, joiner) {
  const gained = (list, p) => list.filter((node) => node !== joiner && !before2[p].includes(node)).length;
  return after.reduce((sum, list, p) => sum + gained(list, p), 0);
}
function dealSpaced(targets, total, n) {
  const nodes = [...targets].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const groups = nodes[0]?.[1] ?? 0;
  if (groups === 0 || groups > Math.floor(total / n)) return void 0;
  const size = Math.floor(total / groups);
  const larger = total % groups;
  const owners = new Array(total);
  let group = 0;
  let place2 = 0;
  for (const [node, count] of nodes) {
    for (let i = 0; i < count; i++) {
      owners[group * size + Math.min(group, larger) + place2] = node;
      if (++group < groups) continue;
      group = 0;
      place2++;
    }
  }
  return owners;
}
function mendSpacing(before2, dealt, joiner, n, copiesMax) {
  let left = crowds(dealt, n);
  if (left === 0) return dealt;
  const total = dealt.length;
  const names = [.../* @__PURE__ */ new Set([...before2, ...dealt])];
  const numbers = new Map(names.map((name, i) => [name, i]));
  const was = before2.map((name) => numbers.get(name));
  const owners = Int32Array.from(dealt, (name) => numbers.get(name));
  const newcomer = numbers.get(joiner);
  const named = () => Array.from(owners, (owner) => names[owner]);
  const lists = listsOf(before2, n);
  const copies = (deal) => copiesForOthers(lists, listsOf(deal, n), joiner);
  const copiesAllowed = Math.max(copiesMax, copies(dealt));
  let best = { crowds: left, deal: dealt };
  const strange = (owner, position2) => owner === newcomer || owner === was[position2] ? 0 : 1;
  const restsUntil = new Int32Array(total);
  let position = 0;
  for (let round = 0; round < SWAPS_LOOKED_AT / total && left > 0; round++) {
    while (crowdsAt(owners, position, owners[position], n) === 0) position = (position + 1) % total;
    const own = owners[position];
    const here = crowdsAt(owners, position, own, n);
    let chosen;
    for (let other = 0; other < total; other++) {
      const its = owners[other];
      if (its === own) continue;
      const most = here + crowdsAt(owners, other, its, n) - crowdsAt(owners, position, its, n, other);
      if (most < (chosen?.gain ?? 0)) continue;
      const gain = most - crowdsAt(owners, other, own, n, position);
      if (gain < 0 || gain === 0 && Math.max(restsUntil[other], restsUntil[position]) > round) continue;
      if (chosen !== void 0 && gain < chosen.gain) continue;
      const cost = strange(its, position) + strange(own, other) - strange(own, position) - strange(its, other);
      const apart = Math.abs(position - other);
      const far = Math.min(apart, total - apart);
      if (chosen === void 0 || gain > chosen.gain || cost < chosen.cost || cost === chosen.cost && far < chosen.far)
        chosen = { other, gain, cost, far };
    }
    if (chosen !== void 0) {
      owners[position] = owners[chosen.other];
      owners[chosen.other] = own;
      left -= chosen.gain;
      restsUntil[position] = restsUntil[chosen.other] = round + REST_SWAPS;
      if (left < best.crowds) {
        const deal = named();
        if (copies(deal) <= copiesAllowed) best = { crowds: left, deal };
      }
    }
    if (chosen === void 0 || chosen.gain === 0) position = (position + 1) % total;
  }
  return best.deal;
}

// src/core/token-claims.ts
var COPIES_FOR_OTHERS = 0.25;
var ROOM = 15 / 16;
var ROUNDING = 1e-9;
function tokenShares(members, total, n = Infinity) {
  const shares = /* @__PURE__ */ new Map();
  let open = members.filter((member) => member.capacity > 0);
  const bounded = n > 1 && open.length > n;
  const most = bounded ? Math.max(Math.ceil(total / (n + 1)), Math.floor(ROOM * total / n)) : total;
  let left = total;
  for (; ; ) {
    const capacity = open.reduce((sum, member) => sum + member.capacity, 0);
    const share = (member) => left * member.capacity / capacity;
    const over = open.filter((member) => share(member) > most);
    if (over.length === 0) {
      for (const member of open) shares.set(member.node, share(member));
      return shares;
    }
    for (const { node } of over) shares.set(node, most);
    left -= over.length * most;
    open = open.filter((member) => !over.includes(member));
  }
}
function tokenTargets(members, total, n = Infinity) {
  const shares = [...tokenShares(members, total, n)].map(([node, exact]) => {
    return { node, whole: Math.floor(exact), rest: exact - Math.floor(exact) };
  });
  let left = total - shares.reduce((sum, share) => sum + share.whole, 0);
  shares.sort((a, b) => b.rest - a.rest || (a.node < b.node ? -1 : 1));
  return new Map(shares.map((share) => [share.node, share.whole + (left-- > 0 ? 1 : 0)]));
}
function changed(view, owners) {
  return view.claims.map(
    (claim, i) => claim.owner === owners[i] ? claim : { owner: owners[i], version: claim.version + 1 }
  );
}
function claimsAfterJoin(view, joiner) {
  const { n } = view.parameters;
  const total = view.claims.length;
  const takers = view.members.filter(stays);
  const targets = tokenTargets(takers, total, n);
  if ((targets.get(joiner) ?? 0) === 0) return [...view.claims];
  if (targets.size <= n) return changed(view, dealInTurn(targets, total, n));
  const shares = tokenShares(takers, total, n);
  const before2 = view.claims.map((claim) => claim.owner);
  const now = tokenCounts(view);
  const kept = [...targets].map(([node, target]) => [
    node,
    node === joiner ? target : Math.min(target, now.get(node))
  ]);
  const plain = steal(before2, new Map(kept), joiner, n);
  if (isEven(plain, shares) && crowds(plain, n) === 0) return changed(view, plain);
  const counts = countsAfterJoin(view, joiner, shares);
  const copiesMax = Math.floor(COPIES_FOR_OTHERS * n * counts.get(joiner));
  const mended = mendSpacing(before2, steal(before2, counts, joiner, n), joiner, n, copiesMax);
  const good = targets.size > n + 1 || isEven(mended, shares) && crowds(mended, n) === 0;
  return changed(view, good ? mended : dealSpaced(targets, total, n) ?? mended);
}
function claimsAfterDepartures(view) {
  const { n } = view.parameters;
  const total = view.claims.length;
  const members = new Map(view.members.map((member) => [member.node, member]));
  const isOrphan = (owner) => {
    const member = members.get(owner);
    return member !== void 0 && !stays(member);
  };
  if (!view.claims.some(({ owner }) => isOrphan(owner))) return view.claims;
  const takers = view.members.filter(stays);
  const targets = tokenTargets(takers, total, n);
  if (targets.size === 0) return view.claims;
  if (targets.size <= n) return changed(view, dealInTurn(targets, total, n));
  const shares = tokenShares(takers, total, n);
  const owners = view.claims.map((claim) => claim.owner);
  const counts = tokenCounts(view);
  const lacks = (node) => shares.get(node) - (counts.get(node) ?? 0);
  const nodes = [...shares.keys()].sort();
  const most = (among) => among.reduce(
    (best, node) => best === void 0 || lacks(node) > lacks(best) + ROUNDING ? node : best,
    void 0
  );
  owners.forEach((owner, place2) => {
    if (!isOrphan(owner)) return;
    const apart = nodes.filter((node) => spaced(owners, node, place2, n));
    const taker = most(apart.filter((node) => lacks(node) > ROUNDING)) ?? most(nodes);
    owners[place2] = taker;
    counts.set(taker, (counts.get(taker) ?? 0) + 1);
  });
  return changed(view, owners);
}
function isEven(owners, shares) {
  const counts = /* @__PURE__ */ new Map();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return [.../* @__PURE__ */ new Set([...owners, ...shares.keys()])].every(
    (node) => Math.abs((counts.get(node) ?? 0) - (shares.get(node) ?? 0)) < 1
  );
}
function countsAfterJoin(view, joiner, shares) {
  const own = shares.get(joiner);
  const plans = [Math.floor(own), Math.ceil(own)].filter((count) => count > 0).map(planFor);
  return plans.reduce(
    (a, b) => b.gifts < a.gifts || b.gifts === a.gifts && Math.abs(b.own - own) < Math.abs(a.own - own) ? b : a
  ).counts;
  function planFor(count) {
    const counts = tokenCounts(view);
    const before2 = counts.get(joiner) ?? 0;
    counts.delete(joiner);
    const over = (node) => counts.get(node) - (shares.get(node) ?? 0);
    const add = (node, tokens) => counts.set(node, counts.get(node) + tokens);
    const nodes = [...counts.keys()].sort();
    const most = () => nodes.reduce((best, node) => over(node) > over(best) + ROUNDING ? node : best);
    const least = () => nodes.filter((node) => shares.has(node)).reduce((best, node) => over(node) < over(best) - ROUNDING ? node : best);
    for (let i = before2; i < count; i++) add(most(), -1);
    let gifts = 0;
    for (; gifts < Math.max(1, COPIES_FOR_OTHERS * count); gifts++) {
      const [from, to] = [most(), least()];
      if (over(from) < 1 - ROUNDING && over(to) > ROUNDING - 1) break;
      add(from, -1);
      add(to, 1);
    }
    counts.set(joiner, count);
    return { counts, gifts, own: count };
  }
}
function dealInTurn(targets, total, n) {
  const dealt = /* @__PURE__ */ new Map();
  const owners = [];
  const nodes = [...targets.keys()].sort();
  const apart = Math.min(nodes.length, n) - 1;
  for (let i = 0; i < total; i++) {
    const recent = owners.slice(Math.max(0, i - apart));
    const behind = (node) => targets.get(node) * (i + 1) / total - (dealt.get(node) ?? 0);
    const open = nodes.filter((node) => (dealt.get(node) ?? 0) < targets.get(node));
    const free = open.filter((node) => !recent.includes(node));
    const next = (free.length > 0 ? free : open).reduce(
      (best, node) => behind(node) > behind(best) + 1e-9 ? node : best
    );
    owners.push(next);
    dealt.set(next, (dealt.get(next) ?? 0) + 1);
  }
  return owners;
}
function steal(before2, counts, joiner, n) {
  const owners = before2.slice();
  const total = owners.length;
  const surplus = /* @__PURE__ */ new Map();
  for (const owner of owners) surplus.set(owner, (surplus.get(owner) ?? 0) + 1);
  for (const [node, count] of counts) surplus.set(node, (surplus.get(node) ?? 0) - count);
  const take = (position, taker) => {
    const owner = owners[position];
    surplus.set(owner, surplus.get(owner) - 1);
    surplus.set(taker, surplus.get(taker) + 1);
    owners[position] = taker;
  };
  const best = (candidates) => candidates.filter((position) => surplus.get(owners[position]) > 0).reduce(
    (chosen, position) => chosen === void 0 || surplus.get(owners[position]) > surplus.get(owners[chosen]) ? position : chosen,
    void 0
  );
  const places = -surplus.get(joiner);
  const stride = total / Math.max(1, places);
  const slack = Math.max(0, Math.floor((stride - n) / 2));
  for (let k = 0; k < places; k++) {
    const ideal = Math.floor(k * stride);
    const near = [];
    for (let d = -slack; d <= slack; d++) near.push((ideal + d + total) % total);
    const position = best(near.filter((place2) => spaced(owners, joiner, place2, n)));
    if (position !== void 0) take(position, joiner);
  }
  const everywhere = owners.map((_, i) => i);
  for (const taker of [joiner, ...counts.keys()]) {
    while (surplus.get(taker) < 0) {
      const position = best(everywhere.filter((place2) => spaced(owners, taker, place2, n))) ?? best(everywhere);
      if (position === void 0) break;
      take(position, taker);
    }
  }
  return owners;
}
function claimsAfterGiving(view, giver) {
  const share = tokenShares(view.members.filter(stays), view.claims.length, view.parameters.n);
  if (share.size === 0) return view.claims;
  const counts = tokenCounts(view);
  const owners = view.claims.map((claim) => claim.owner);
  const over = (node) => (counts.get(node) ?? 0) - (share.get(node) ?? 0);
  let given = false;
  for (; ; ) {
    const nodes = [...counts.keys()].filter((node) => share.has(node) || counts.get(node) > 0).sort();
    const most = nodes.reduce((best, node) => over(node) > over(best) ? node : best);
    const least = nodes.filter((node) => share.has(node)).reduce((best, node) => over(node) < over(best) ? node : best);
    const tooMany = over(giver) > 0 && counts.get(giver) > Math.ceil(share.get(giver) ?? 0);
    const tooFew = giver === most && counts.get(least) < Math.floor(share.get(least));
    if (least === giver || !(tooMany || tooFew)) break;
    const own = owners.flatMap((owner, i) => owner === giver ? [i] : []);
    const place2 = own.find((i) => !spaced(owners, giver, i, view.parameters.n) && spaced(owners, least, i, view.parameters.n)) ?? own.find((i) => spaced(owners, least, i, view.parameters.n)) ?? own[0];
    owners[place2] = least;
    counts.set(giver, counts.get(giver) - 1);
    counts.set(least, counts.get(least) + 1);
    given = true;
  }
  return given ? changed(view, owners) : view.claims;
}

// src/core/belonging.ts
var PROTOCOL = { min: 1, max: 1 };
var FIRST_VERSIONS = 2 ** 20;
var WRITE_AGAIN_MS = 1e3;
var Belonging = class {
  #in;
  #do;
  #incarnation;
  #ring;
  #hidden = false;
  #changed = false;
  /** The first write of this start, until it is durable. */
  #startStore;
  /** What is to be done when the next meta write is durable, and what waits for those under way. */
  #onceDurable = [];
  #stores = /* @__PURE__ */ new Map();
  /** The view as it is on the disk. */
  #durableView;
  /** Held, but not to be answered for yet, with the version of the own entry that first told of each; Infinity until one has. */
  #unopened = /* @__PURE__ */ new Map();
  /** Partitions whose copy is complete, but not written down yet. */
  #holding = /* @__PURE__ */ new Set();
  /** Callers who have set a bucket that is not durable yet. */
  #settingBuckets = 0;
  constructor(surroundings, meta, actions) {
    this.#in = surroundings;
    this.#do = actions;
    const view = meta?.view;
    const before2 = view === void 0 ? void 0 : memberOf(view, surroundings.self);
    const known2 = before2 === void 0 || isGone(before2) ? 0 : before2.incarnation;
    this.#incarnation = Math.max(meta?.incarnation ?? 0, known2) + 1;
    if (view === void 0) return;
    this.#durableView = view;
    if (before2 !== void 0 && isGone(before2)) {
      this.#ring = new Ring(view);
      return;
    }
    const departure = before2?.departure;
    const kept = { holders: before2?.holders ?? noHolders(view.parameters.partitions), ...departure && { departure } };
    const entry = before2 === void 0 ? [] : [{ ...this.#newEntry(view), ...kept }];
    this.#ring = new Ring(mergeView(view, entry, void 0));
    for (const partition of meta?.unopened ?? []) this.#unopened.set(partition, this.self?.version ?? Infinity);
  }
  get incarnation() {
    return this.#incarnation;
  }
  get ring() {
    return this.#ring;
  }
  /** This node's entry; undefined until it is a member, and when it is one no more. */
  get self() {
    const own = this.#ring === void 0 ? void 0 : memberOf(this.#ring.view, this.#in.self);
    return own === void 0 || isGone(own) ? void 0 : own;
  }
  /** True when this node's meta write with this view's entries is on the disk. */
  get durable() {
    return !this.#changed && this.#stores.size === 0 && this.#durableView === this.#ring?.view;
  }
  /** Partitions that this node holds and does not answer for yet, with the version of its entry that first told of each. */
  get unopened() {
    return this.#unopened;
  }
  /** True when what `node` says of itself up to this version is on this node's disk. */
  knows(node, incarnation, version) {
    const known2 = this.#durableView === void 0 ? void 0 : memberOf(this.#durableView, node);
    return known2 !== void 0 && (known2.incarnation > incarnation || known2.incarnation === incarnation && known2.version >= version);
  }
  /** Meta writes under way. */
  get size() {
    return this.#stores.size;
  }
  /** True when the incarnation of this start is durable. */
  get started() {
    return this.#startStore === void 0;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return {
      incarnation: this.#incarnation,
      view: this.#ring?.view,
      hidden: this.#hidden,
      changed: this.#changed,
      startStore: this.#startStore,
      onceDurable: this.#onceDurable,
      stores: this.#stores,
      holding: this.#holding,
      durableView: this.#durableView,
      unopened: this.#unopened,
      settingBuckets: this.#settingBuckets
    };
  }
  /** Writes down that this is another start. */
  start() {
    this.#startStore = this.#in.nextTicket();
    this.#in.store(this.#startStore, [{ store: "meta", meta: this.#meta() }]);
  }
  found(parameters) {
    if (this.#ring !== void 0 || parametersFault(parameters) !== void 0) return;
    const { partitions, placement } = parameters;
    const claims = placement === 3 ? Array.from({ length: partitions }, () => ({ owner: this.#in.self, version: 1 })) : unclaimed(partitions);
    const founded = { parameters, members: [], claims, buckets: [] };
    this.#setView({ ...founded, members: [{ ...this.#newEntry(founded), holders: allHolders(partitions) }] });
  }
  /** Sets a bucket's entry; see `set-bucket`. The same as is known makes no new version, but is answered only when it is durable, too. */
  setBucket(request, name, properties) {
    const view = this.#ring?.view;
    const refuse = (refusal) => this.#do.bucketSet(request, refusal);
    if (view === void 0 || this.self === void 0 || !this.started) return refuse({ code: "not-ready" });
    if (this.#settingBuckets >= BUCKETS_MAX2) return refuse({ code: "overloaded" });
    const fault = bucketFault(name, properties, view.parameters.n) ?? roomFault(view.buckets, name);
    if (fault !== void 0) return refuse({ code: "invalid", fault });
    const known2 = bucketNamed(view.buckets, name);
    const { r, w, pr, pw, dw, policy } = properties;
    const entry = {
      name,
      version: (known2?.version ?? 0) + 1,
      setBy: this.#in.self,
      properties: { r, w, pr, pw, dw, policy }
    };
    if (known2 === void 0 || !sameProperties(known2.properties, properties))
      this.#setView(mergeView(view, [], void 0, [entry]));
    this.#changed = true;
    this.#settingBuckets++;
    this.#onceDurable.push({ what: "bucket-set", request });
  }
  /** News from gossip; `whole` when it is a complete view, which makes a newcomer join. */
  learn(whole, members, claims, buckets) {
    const view = this.#ring?.view;
    if (view === void 0) {
      if (whole !== void 0 && this.started) this.#join(whole);
      return;
    }
    const own = this.self;
    const rumour = members.find((member) => member.node === this.#in.self);
    const others = members.filter((member) => member !== rumour || isGone(member));
    this.#setView(mergeView(view, others, claims, buckets));
    if (rumour !== void 0 && isGone(rumour)) {
      this.#unopened.clear();
      return;
    }
    if (rumour === void 0 || own === void 0 || !newer(rumour, own)) return;
    this.#incarnation = rumour.incarnation + 1;
    this.#updateSelf({ incarnation: this.#incarnation, version: 0 });
    const version = this.self?.version ?? Infinity;
    for (const [partition, told] of this.#unopened) if (told < Infinity) this.#unopened.set(partition, version);
  }
  /** An operator's act. What speaks against it; undefined when it is done. `at`: by the wall clock. */
  change(change, at2) {
    const ring = this.#ring;
    const own = this.self;
    if (ring === void 0 || own === void 0) return { code: "not-ready" };
    const refusal = changeRefusal(ring, this.#in.self, change, (node) => this.#in.reachable(node));
    if (refusal !== void 0) return refusal;
    const { self } = this.#in;
    switch (change.kind) {
      case "leave":
        this.#updateSelf({ departure: { standing: "leaving", by: self, at: at2 } });
        break;
      case "remove": {
        const member = memberOf(ring.view, change.node);
        if (member !== void 0)
          this.#setView(mergeView(ring.view, [goneEntry(member, "removed", self, at2)], void 0));
        break;
      }
      default:
        unreachable(change);
    }
    this.#dealOrphans();
    return void 0;
  }
  /** All that was here is with others: this node is a member no more. */
  left() {
    const own = this.self;
    const { ring } = this;
    if (ring === void 0 || own?.departure === void 0) return;
    this.#setView(mergeView(ring.view, [goneEntry(own, "left", this.#in.self, own.departure.at)], void 0));
  }
  /** This node's tab is in the background. */
  get hidden() {
    return this.#hidden;
  }
  setHidden(hidden) {
    this.#hidden = hidden;
    this.#updateSelf({ hidden });
  }
  /** All data of these partitions is here. */
  hold(partitions) {
    for (const partition of partitions) {
      this.#holding.add(partition);
      this.#unopened.set(partition, Infinity);
    }
    this.#changed = true;
    this.#onceDurable.push({ what: "held", partitions });
  }
  /** This node answers for these from now on. */
  opened(partitions) {
    for (const partition of partitions) {
      this.#unopened.delete(partition);
      this.#in.note({ what: "partition-opened", partition });
    }
    this.#changed = true;
    this.#do.changed();
  }
  /** These partitions belong to others now, who have all of them. */
  countOut(partitions) {
    for (const partition of partitions) this.#unopened.delete(partition);
    this.#setHolders(partitions, false);
    this.#onceDurable.push({ what: "counted-out", partitions });
  }
  /** The view has settled: give away what is too much. */
  onRebalanceTimer() {
    this.#dealOrphans();
    const view = this.#ring?.view;
    if (view === void 0 || this.self === void 0 || view.parameters.placement !== 3) return;
    const claims = claimsAfterGiving(view, this.#in.self);
    if (claims !== view.claims) this.#setView({ ...view, claims });
  }
  onPersistTimer() {
    this.#changed = true;
  }
  /** At the end of each step: writes down what changed in it. */
  persist() {
    if (!this.#changed) return;
    this.#changed = false;
    const ticket = this.#in.nextTicket();
    this.#stores.set(ticket, { announcements: this.#onceDurable.splice(0), view: this.#ring?.view });
    this.#in.store(ticket, [{ store: "meta", meta: this.#meta() }]);
  }
  onStored(ticket) {
    if (ticket === this.#startStore) this.#startStore = void 0;
    const writing = this.#stores.get(ticket);
    if (writing === void 0) return;
    this.#stores.delete(ticket);
    this.#durableView = writing.view;
    for (const announcement of writing.announcements) this.#announce(announcement);
  }
  /** True when the write was one of this mechanism's. */
  onFailed(ticket) {
    if (ticket === this.#startStore) {
      this.#in.timers.set("start", this.#in.now + WRITE_AGAIN_MS);
      return true;
    }
    const writing = this.#stores.get(ticket);
    if (writing === void 0) return false;
    this.#stores.delete(ticket);
    this.#onceDurable.unshift(...writing.announcements);
    this.#in.timers.set("persist", this.#in.now + WRITE_AGAIN_MS);
    return true;
  }
  #announce(announcement) {
    if (announcement.what === "bucket-set") {
      this.#settingBuckets--;
      this.#do.bucketSet(announcement.request, void 0);
      return;
    }
    const { partitions } = announcement;
    if (announcement.what === "counted-out") {
      this.#do.countedOut(partitions);
      return;
    }
    for (const partition of partitions) {
      this.#holding.delete(partition);
      this.#in.note({ what: "partition-held", partition });
    }
    this.#setHolders(partitions, true);
    const version = this.self?.version ?? Infinity;
    for (const partition of partitions) if (this.#unopened.has(partition)) this.#unopened.set(partition, version);
  }
  /** An entry for this start, as it is before anything is held. Tokens that were ever drawn are drawn for good. */
  #newEntry(view) {
    const { capacity, zone } = this.#in.config;
    const { parameters } = view;
    const before2 = memberOf(view, this.#in.self)?.tokens ?? [];
    const others = view.members.filter((member) => member.node !== this.#in.self);
    return {
      node: this.#in.self,
      incarnation: this.#incarnation,
      version: 1 + this.#in.random.below(FIRST_VERSIONS),
      capacity,
      zone,
      holders: noHolders(parameters.partitions),
      tokens: before2.length > 0 ? before2 : drawTokens(parameters, capacity, others, this.#in.random),
      protocolMin: PROTOCOL.min,
      protocolMax: PROTOCOL.max,
      hidden: this.#hidden
    };
  }
  #join(view) {
    const before2 = memberOf(view, this.#in.self);
    if (before2 !== void 0 && isGone(before2)) {
      this.#setView(view);
      return;
    }
    if (before2 !== void 0 && before2.incarnation >= this.#incarnation) this.#incarnation = before2.incarnation + 1;
    const joined2 = mergeView(view, [this.#newEntry(view)], void 0);
    this.#setView(
      view.parameters.placement === 3 ? { ...joined2, claims: claimsAfterJoin(joined2, this.#in.self) } : joined2
    );
  }
  /** Tokens of those who are gone or going get other owners. */
  #dealOrphans() {
    const view = this.#ring?.view;
    if (view === void 0 || this.self === void 0 || view.parameters.placement !== 3) return;
    const claims = claimsAfterDepartures(view);
    if (claims !== view.claims) this.#setView({ ...view, claims });
  }
  #updateSelf(change) {
    const view = this.#ring?.view;
    const own = this.self;
    if (view === void 0 || own === void 0) return;
    const entry = { ...own, ...change };
    this.#setView(mergeView(view, [{ ...entry, version: entry.version + 1 }], void 0));
  }
  #setHolders(partitions, held) {
    const own = this.self;
    if (own !== void 0) this.#updateSelf({ holders: holdersWith(own.holders, partitions, held) });
  }
  #setView(view) {
    const before2 = this.#ring?.view;
    if (view === before2) return;
    if (view.buckets !== before2?.buckets) {
      for (const entry of view.buckets)
        if (before2 === void 0 || bucketNamed(before2.buckets, entry.name) !== entry)
          this.#in.note({ what: "bucket", bucket: entry.name, version: entry.version, setBy: entry.setBy });
    }
    this.#ring = new Ring(view, this.#ring);
    this.#changed = true;
    this.#do.changed();
  }
  /** What the next start must know: as it is told, and what is about to be. */
  #meta() {
    const view = this.#ring?.view;
    const own = this.self;
    const incarnation = this.#incarnation;
    const unopened = [...this.#unopened.keys()].sort((a, b) => a - b);
    if (view === void 0 || own === void 0 || this.#holding.size === 0) return { incarnation, view, unopened };
    const entry = { ...own, holders: holdersWith(own.holders, [...this.#holding], true) };
    const members = view.members.map((member) => member === own ? entry : member);
    return { incarnation, view: { ...view, members }, unopened };
  }
};
function roomFault(buckets, name) {
  const known2 = bucketNamed(buckets, name);
  if (known2 === void 0 && buckets.length >= BUCKETS_MAX2)
    return `there are ${BUCKETS_MAX2} buckets with an entry already, the most that a cluster keeps`;
  if (known2 !== void 0 && known2.version >= BUCKET_VERSION_MAX)
    return `it was set ${BUCKET_VERSION_MAX} times already, the most that can be counted`;
  return void 0;
}
function holdersWith(holders, partitions, held) {
  return partitions.reduce((bits, partition) => withHolder(bits, partition, held), holders);
}

// src/core/statistics.ts
var STATISTICS_MINUTES = 31;
var VERSIONS_SEEN = 5;
var COUNTED = [
  /** Requests coordinated here, for callers of this node and for others. */
  "coordinated",
  /** Requests of this node's callers that were handed to another node to coordinate. */
  "forwarded",
  /** Of those coordinated: for a key that this node neither owns nor counts for. */
  "stood-in",
  /** Requests that their callers gave up; counted nowhere else. */
  "abandoned",
  /** Reads and writes of this node's own records for callers, its own and others'. Its load, as the placement deals it out. */
  "served",
  "hints-kept",
  "hints-delivered",
  "hints-refused",
  "read-repairs",
  "damaged-records",
  "late-messages",
  /** Requests and background work of peers that asked for too much; see `peer-limits.ts`. */
  "limited"
];
var FAILURE_CODES = ["quorum", "too-many-siblings", "not-ready", "overloaded", "storage"];
function noCounts(names) {
  return Object.fromEntries(names.map((name) => [name, 0]));
}
var NO_OPERATIONS = {
  answered: 0,
  failed: noCounts(FAILURE_CODES),
  timedOut: 0,
  latencyMicros: EMPTY_HISTOGRAM,
  recentMicros: EMPTY_HISTOGRAM
};
var NO_STATISTICS = {
  upMs: 0,
  gets: NO_OPERATIONS,
  puts: NO_OPERATIONS,
  versionsSeen: Array.from({ length: VERSIONS_SEEN }, () => 0),
  counts: noCounts(COUNTED),
  minutes: [],
  minutesMs: 0
};

// src/core/bookkeeping.ts
var MINUTE_MS = 6e4;
var RECENT_SLICE_MS = 1e4;
var RECENT_SLICES = 7;
var Operations = class {
  answered = 0;
  timedOut = 0;
  failed = noCounts(FAILURE_CODES);
  latencyMicros = new Histogram();
  recentMicros = new RollingWindow(RECENT_SLICE_MS, RECENT_SLICES, () => new Histogram());
  snapshot(now) {
    const recent = new Histogram();
    for (const { slice } of this.recentMicros.recent(now)) recent.include(slice.data);
    return {
      answered: this.answered,
      failed: { ...this.failed },
      timedOut: this.timedOut,
      latencyMicros: this.latencyMicros.data,
      recentMicros: recent.data
    };
  }
};
var Bookkeeping = class {
  #in;
  #gets = new Operations();
  #puts = new Operations();
  #versionsSeen = Array.from({ length: VERSIONS_SEEN }, () => 0);
  #counts = noCounts(COUNTED);
  #minutes = new RollingWindow(MINUTE_MS, STATISTICS_MINUTES, () => ({ requests: 0, answered: 0, served: 0 }));
  #startedAt;
  constructor(surroundings) {
    this.#in = surroundings;
  }
  /** Time is counted from here on. */
  start() {
    this.#startedAt ??= this.#in.now;
  }
  /** Everything that it remembers, as plain data. */
  get memory() {
    return { startedAt: this.#startedAt, snapshot: this.snapshot() };
  }
  snapshot() {
    const { now } = this.#in;
    const since = this.#startedAt ?? now;
    const minutes = [];
    for (const { age, slice } of this.#minutes.recent(now)) {
      while (minutes.length < age) minutes.push({ requests: 0, answered: 0, served: 0 });
      minutes.push({ ...slice });
    }
    return {
      upMs: now - since,
      gets: this.#gets.snapshot(now),
      puts: this.#puts.snapshot(now),
      versionsSeen: [...this.#versionsSeen],
      counts: { ...this.#counts },
      minutes,
      minutesMs: this.#minutes.coveredMs(now, since)
    };
  }
  count(what) {
    this.#counts[what]++;
  }
  /** This node read or wrote a record of its own for somebody's request. */
  onServed() {
    this.count("served");
    this.#minutes.at(this.#in.now).served++;
  }
  /** A caller of this node was answered, or told that it will not be. */
  onEnded({ kind, startedAt, deadline }, result) {
    const { now } = this.#in;
    const micros = (now - startedAt) * 1e3;
    const operations = this.#tell(kind, result);
    if (result.outcome === "failed" && result.failure.code === "quorum" && now >= deadline) operations.timedOut++;
    operations.latencyMicros.add(micros);
    operations.recentMicros.at(now).add(micros);
  }
  /** A caller's request was not even begun. */
  onTurnedAway(kind, result) {
    this.#tell(kind, result);
  }
  onNote(note) {
    switch (note.what) {
      case "hint-kept":
        return this.count("hints-kept");
      case "hint-delivered":
        return this.count("hints-delivered");
      case "hint-refused":
        return this.count("hints-refused");
      case "read-repair":
        return this.count("read-repairs");
      case "damaged":
        return this.count("damaged-records");
      case "late-dropped":
        return this.count("late-messages");
      case "peer-limited":
        return this.count("limited");
      default:
    }
  }
  #tell(kind, result) {
    const operations = kind === "get" ? this.#gets : this.#puts;
    const minute = this.#minutes.at(this.#in.now);
    minute.requests++;
    if (result.outcome === "failed") {
      operations.failed[result.failure.code]++;
      if (result.failure.code === "too-many-siblings") minute.answered++;
      return operations;
    }
    operations.answered++;
    minute.answered++;
    if (result.outcome === "got") this.#versionsSeen[Math.min(result.set.siblings.length, VERSIONS_SEEN - 1)]++;
    return operations;
  }
};

// src/core/departure.ts
var ASK_MS = 500;
var Departure = class {
  #in;
  #do;
  #asked = /* @__PURE__ */ new Map();
  #departed = false;
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  /** Undefined while this node means to stay. */
  get progress() {
    const { ring, self } = this.#in;
    const departure = ring === void 0 ? void 0 : memberOf(ring.view, self)?.departure;
    if (departure === void 0) return void 0;
    const { standing, by } = departure;
    return { standing, by, ...this.#do.remaining(), departed: this.#departed };
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { asked: this.#asked, departed: this.#departed };
  }
  onRing() {
    this.#arm();
  }
  onTimer() {
    this.#advance();
    this.#arm();
  }
  onReply(from, { request, known: known2 }) {
    if (this.#asked.get(request) !== from) return;
    this.#asked.delete(request);
    if (known2) this.#depart();
  }
  #advance() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    if (ring === void 0 || own?.departure === void 0 || this.#departed) return;
    const { partitions, hints } = this.#do.remaining();
    if (partitions > 0 || hints > 0 || !this.#do.isDurable()) return;
    if (!isGone(own)) {
      this.#do.left();
      return;
    }
    if (own.departure.standing === "removed") {
      this.#depart();
      return;
    }
    this.#asked.clear();
    const { incarnation, version } = own;
    for (const { node } of ring.view.members.filter((member) => member !== own && stays(member))) {
      const request = this.#in.nextRequest();
      if (this.#in.send(node, { kind: "known-request", request, incarnation, version }, "background"))
        this.#asked.set(request, node);
    }
  }
  #depart() {
    const { progress } = this;
    if (progress === void 0 || progress.standing === "leaving" || this.#departed) return;
    this.#departed = true;
    this.#asked.clear();
    this.#do.departed(progress.standing, progress.by);
  }
  #arm() {
    const { progress } = this;
    if (progress === void 0 || progress.departed || this.#in.timers.has("departure")) return;
    this.#in.timers.set("departure", this.#in.now + ASK_MS);
  }
};

// src/core/dvvset.ts
var EMPTY = { clock: [], siblings: [] };
function compareText(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
function compareDots(a, b) {
  return compareText(a.actor, b.actor) || a.counter - b.counter;
}
function counterOf(clock, actor) {
  for (const entry of clock) if (entry.actor === actor) return entry.counter;
  return 0;
}
function covers(clock, dot) {
  return counterOf(clock, dot.actor) >= dot.counter;
}
function joinClocks(a, b) {
  if (a === b || b.length === 0) return a;
  if (a.length === 0) return b;
  const joined2 = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (right === void 0 || left !== void 0 && left.actor < right.actor) {
      joined2.push(left);
      i++;
    } else if (left === void 0 || right.actor < left.actor) {
      joined2.push(right);
      j++;
    } else {
      joined2.push(left.counter >= right.counter ? left : right);
      i++;
      j++;
    }
  }
  return joined2;
}
function clocksEqual(a, b) {
  return a === b || a.length === b.length && a.every((dot, i) => dot.actor === b[i].actor && dot.counter === b[i].counter);
}
function hasDot(sibling, dot) {
  return sibling.dots.some((own) => own.actor === dot.actor && own.counter === dot.counter);
}
function withDots(a, b, dots) {
  const chosen = b !== void 0 && (b.checksum - a.checksum || b.at - a.at) < 0 ? b : a;
  return chosen.dots.length === dots.length && chosen.dots.every((dot, i) => compareDots(dot, dots[i]) === 0) ? chosen : { ...chosen, dots };
}
function sync(a, b) {
  if (a === b || equal(a, b)) return a;
  const clock = joinClocks(a.clock, b.clock);
  const siblings = [];
  let i = 0;
  let j = 0;
  while (i < a.siblings.length || j < b.siblings.length) {
    const left = a.siblings[i];
    const right = b.siblings[j];
    const order = left === void 0 ? 1 : right === void 0 ? -1 : compareText(left.operation, right.operation);
    const mine = order <= 0 ? left : void 0;
    const theirs = order >= 0 ? right : void 0;
    if (mine !== void 0) i++;
    if (theirs !== void 0) j++;
    const dots = [
      ...(mine?.dots ?? []).filter((dot) => theirs !== void 0 && hasDot(theirs, dot) || !covers(b.clock, dot)),
      ...(theirs?.dots ?? []).filter((dot) => !(mine !== void 0 && hasDot(mine, dot)) && !covers(a.clock, dot))
    ].sort(compareDots);
    if (dots.length > 0) siblings.push(withDots(mine ?? theirs, mine && theirs, dots));
  }
  return { clock, siblings };
}
function update(set, context, actor, version) {
  const seen = joinClocks(set.clock, context);
  const dot = { actor, counter: counterOf(seen, actor) + 1 };
  const kept = set.siblings.flatMap((sibling) => {
    const dots = sibling.dots.filter((own) => !covers(context, own));
    return dots.length === 0 ? [] : [dots.length === sibling.dots.length ? sibling : { ...sibling, dots }];
  });
  const siblings = [...kept, { ...version, dots: [dot] }].sort((a, b) => compareText(a.operation, b.operation));
  return { set: { clock: joinClocks(seen, [dot]), siblings }, dot };
}
function equal(a, b) {
  if (a === b) return true;
  return a.siblings.length === b.siblings.length && clocksEqual(a.clock, b.clock) && a.siblings.every((sibling, i) => {
    const other = b.siblings[i];
    return sibling.operation === other.operation && sibling.dots.length === other.dots.length && sibling.dots.every((dot, k) => compareDots(dot, other.dots[k]) === 0);
  });
}

// src/core/failure-detector.ts
var PINGED_ALL = 8;
var EPOCHS_PER_INCARNATION = 2 ** 20;
var HEALTH_MAX = 4;
var ANSWER_MS = 1e3;
var DOUBTED = 0.75;
var HIDDEN_PATIENCE = 2;
var JUMPS_MAX = 3;
var FailureDetector = class {
  #in;
  #do;
  #peers = /* @__PURE__ */ new Map();
  #lastEpoch;
  #sequence = 0;
  #health = 0;
  #tickDueAt;
  constructor(surroundings, incarnation, actions) {
    this.#in = surroundings;
    this.#do = actions;
    this.#lastEpoch = incarnation * EPOCHS_PER_INCARNATION + surroundings.random.below(EPOCHS_PER_INCARNATION / 2);
  }
  reachable(node) {
    return node === this.#in.self || this.#peers.get(node)?.state === "up";
  }
  /** The epoch to address a peer by; undefined when nothing can be sent to it. A suspect still gets pings and what is sent to it. */
  epochOf(node) {
    const peer = this.#peers.get(node);
    return peer?.linked === true && peer.theirEpoch > 0 ? peer.theirEpoch : void 0;
  }
  peers() {
    return [...this.#peers.values()].map(({ node, state, linked }) => ({ node, reachability: state, linked }));
  }
  /** Peers that answer. */
  up() {
    return [...this.#peers.values()].filter((peer) => peer.state === "up").map((peer) => peer.node);
  }
  get size() {
    return this.#peers.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return {
      peers: this.#peers,
      lastEpoch: this.#lastEpoch,
      sequence: this.#sequence,
      health: this.#health,
      tickDueAt: this.#tickDueAt
    };
  }
  onConnected(node) {
    const peer = this.#peer(node);
    if (peer.linked) this.#lose(peer);
    peer.linked = true;
    peer.theirEpoch = 0;
    peer.ourEpoch = this.#nextEpoch();
    trust(peer);
    this.#ping(peer);
  }
  onLost(node) {
    const peer = this.#peers.get(node);
    if (peer?.linked !== true) return;
    this.#lose(peer);
    peer.redialAt = this.#in.now + peer.redialWaitMs;
  }
  /** True when a message may be believed: it is addressed to the present epoch. Pings and pongs are always welcome. */
  accepts(from, epoch) {
    const peer = this.#peers.get(from);
    return peer?.linked === true && peer.ourEpoch === epoch;
  }
  /** Any believed message is a sign of life. */
  heard(from) {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true) return;
    peer.heardAt = this.#in.now;
    trust(peer);
    if (peer.theirEpoch > 0 && peer.state !== "up") {
      peer.state = "up";
      peer.redialWaitMs = this.#in.config.redialMs;
      this.#in.note({ what: "peer-up", peer: from });
      this.#do.up(from);
    }
  }
  onPing(from, message) {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true) return;
    this.#adopt(peer, message.epoch);
    this.#emit(peer, { kind: "pong", sequence: message.sequence, epoch: peer.ourEpoch });
    this.heard(from);
  }
  onPong(from, message) {
    const peer = this.#peers.get(from);
    if (peer?.linked !== true) return;
    this.#adopt(peer, message.epoch);
    if (this.#health > 0) this.#health--;
    this.heard(from);
  }
  onProbe(from, message) {
    const target = this.#peers.get(message.target);
    const alive = message.target === this.#in.self || target?.state === "up" && this.#in.now - target.heardAt < this.#in.config.suspectAfterMs;
    this.#in.send(
      from,
      { kind: "probe-reply", sequence: message.sequence, target: message.target, alive },
      "foreground"
    );
  }
  onProbeReply(message) {
    const peer = this.#peers.get(message.target);
    if (peer === void 0 || peer.asked === 0) return;
    peer.answers++;
    if (!message.alive || peer.gray) return;
    peer.gray = true;
    if (peer.state === "suspect") this.#in.note({ what: "peer-gray", peer: peer.node });
  }
  /** A request to this peer is overdue: do not wait for the next round of pings. */
  onOverdue(node) {
    const peer = this.#peers.get(node);
    if (peer?.linked === true && peer.overdueSince === void 0) this.#ping(peer);
  }
  /** Our own time jumped: everything that was sent to us meanwhile is late. Nobody is blamed for the silence. */
  onClockJump() {
    this.#health = HEALTH_MAX;
    for (const peer of this.#peers.values()) {
      if (!peer.linked) continue;
      const silent = peer.overdueSince !== void 0;
      const jumps = silent ? peer.jumps + 1 : 0;
      if (jumps > JUMPS_MAX) {
        this.#giveUp(peer);
        continue;
      }
      trust(peer);
      peer.jumps = jumps;
      peer.ourEpoch = this.#nextEpoch();
      this.#ping(peer);
    }
  }
  onTimer() {
    const { now, config } = this.#in;
    if (this.#tickDueAt !== void 0 && now - this.#tickDueAt > config.pingMs) this.#worsen();
    this.#judge();
    this.#pingSome();
    this.#redial();
    const tickMs = config.pingMs / 2;
    this.#tickDueAt = now + tickMs;
    this.#in.timers.set("detector", this.#tickDueAt);
  }
  /** How much longer than configured this node waits before it blames others: 1 to 3. */
  get patience() {
    return 1 + this.#health / 2;
  }
  /** The same for one peer: hidden tabs are slow without being sick. */
  patienceWith(node) {
    const { ring } = this.#in;
    const hidden = ring !== void 0 && memberOf(ring.view, node)?.hidden === true;
    return hidden ? this.patience * HIDDEN_PATIENCE : this.patience;
  }
  #judge() {
    const { now, config } = this.#in;
    for (const peer of this.#peers.values()) {
      if (!peer.linked || peer.overdueSince === void 0) continue;
      const silentMs = (now - peer.overdueSince) / this.patienceWith(peer.node);
      if (peer.state === "up") {
        if (peer.asked === 0 && silentMs >= config.suspectAfterMs * DOUBTED) this.#askOthers(peer);
        if (silentMs >= config.suspectAfterMs && this.#haveAnswered(peer)) this.#suspect(peer);
      } else if (silentMs >= config.downAfterMs) this.#giveUp(peer);
    }
  }
  #suspect(peer) {
    peer.state = "suspect";
    if (peer.answers === 0 && !this.#hearsSomebody(peer.askedAt)) this.#worsen();
    this.#in.note({ what: "peer-suspect", peer: peer.node });
    if (peer.gray) this.#in.note({ what: "peer-gray", peer: peer.node });
    this.#do.down(peer.node);
  }
  #askOthers(doubted) {
    const others = this.up().filter((node) => node !== doubted.node);
    for (const node of this.#in.random.shuffled(others).slice(0, this.#in.config.indirectProbes)) {
      this.#in.send(node, { kind: "probe", sequence: ++this.#sequence, target: doubted.node }, "foreground");
      doubted.asked++;
    }
    doubted.askedAt = this.#in.now;
  }
  /** All that were asked have answered, or had the time for it; or there was nobody to ask. */
  #haveAnswered({ asked, askedAt, answers }) {
    return answers >= asked || this.#in.now - askedAt >= ANSWER_MS;
  }
  #hearsSomebody(since) {
    return [...this.#peers.values()].some((peer) => peer.linked && peer.heardAt > since);
  }
  #worsen() {
    this.#health = Math.min(HEALTH_MAX, this.#health + 1);
  }
  #giveUp(peer) {
    const { gray } = peer;
    this.#lose(peer);
    this.#in.emit({ kind: "disconnect", peer: peer.node });
    peer.redialAt = this.#in.now + (gray ? 0 : peer.redialWaitMs);
  }
  #lose(peer) {
    const before2 = peer.state;
    peer.linked = false;
    peer.state = "down";
    peer.theirEpoch = 0;
    peer.ourEpoch = this.#nextEpoch();
    trust(peer);
    if (before2 === "down") return;
    this.#in.note({ what: "peer-down", peer: peer.node });
    if (before2 === "up") this.#do.down(peer.node);
  }
  #pingSome() {
    const linked = [...this.#peers.values()].filter((peer) => peer.linked);
    const chosen = linked.length <= PINGED_ALL ? linked : this.#in.random.shuffled(linked).slice(0, PINGED_ALL);
    for (const peer of linked) {
      const due = this.#in.now - peer.heardAt >= this.#in.config.pingMs;
      if (due && chosen.includes(peer) || peer.overdueSince !== void 0 || peer.theirEpoch === 0) this.#ping(peer);
    }
  }
  #redial() {
    const { now, config } = this.#in;
    let links = [...this.#peers.values()].filter((peer) => peer.linked).length;
    for (const node of this.#do.wanted()) {
      if (links >= config.linksMax) return;
      const peer = this.#peer(node);
      if (peer.linked || now < peer.redialAt) continue;
      links++;
      peer.redialAt = now + peer.redialWaitMs + this.#in.random.below(peer.redialWaitMs);
      peer.redialWaitMs = Math.min(2 * peer.redialWaitMs, config.redialMaxMs);
      this.#in.emit({ kind: "connect", peer: node });
    }
  }
  #ping(peer) {
    peer.overdueSince ??= this.#in.now;
    this.#emit(peer, { kind: "ping", sequence: ++this.#sequence, epoch: peer.ourEpoch });
  }
  /** Greetings go out before the peer has greeted, too. */
  #emit(peer, message) {
    this.#in.emit({ kind: "send", to: peer.node, epoch: peer.theirEpoch, lane: "foreground", message });
  }
  #adopt(peer, epoch) {
    if (epoch > peer.theirEpoch) peer.theirEpoch = epoch;
  }
  #nextEpoch() {
    return ++this.#lastEpoch;
  }
  #peer(node) {
    let peer = this.#peers.get(node);
    if (peer === void 0) {
      peer = {
        node,
        linked: false,
        state: "down",
        theirEpoch: 0,
        ourEpoch: 0,
        heardAt: this.#in.now,
        overdueSince: void 0,
        asked: 0,
        askedAt: 0,
        answers: 0,
        gray: false,
        jumps: 0,
        redialAt: 0,
        redialWaitMs: this.#in.config.redialMs
      };
      this.#peers.set(node, peer);
    }
    return peer;
  }
};
function trust(peer) {
  peer.overdueSince = void 0;
  peer.asked = 0;
  peer.answers = 0;
  peer.gray = false;
  peer.jumps = 0;
}

// src/core/reply-times.ts
var BUCKETS = 64;
var SAMPLES_MIN2 = 64;
var WEIGHT_MAX = 1024;
var BOUNDS = (() => {
  const bounds = [1, 1.189, 1.414, 1.682];
  while (bounds.length < BUCKETS) bounds.push(2 * bounds[bounds.length - 4]);
  return bounds;
})();
var ReplyTimes = class {
  #counts = new Array(BUCKETS).fill(0);
  #weight = 0;
  /** Samples, those that have been halved away left out. */
  get weight() {
    return this.#weight;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return this.#counts;
  }
  record(elapsedMs) {
    const at2 = BOUNDS.findIndex((bound) => elapsedMs <= bound);
    this.#counts[at2 < 0 ? BUCKETS - 1 : at2]++;
    if (++this.#weight < WEIGHT_MAX) return;
    this.#weight = 0;
    this.#counts.forEach((count, i) => {
      this.#counts[i] = count >> 1;
      this.#weight += count >> 1;
    });
  }
  /** The time within which this share of the replies came, rounded up to a bucket's bound; undefined as long as too few are known. */
  percentile(share) {
    if (this.#weight < SAMPLES_MIN2) return void 0;
    let left = Math.ceil(share * this.#weight);
    const at2 = this.#counts.findIndex((count) => (left -= count) <= 0);
    return BOUNDS[at2 < 0 ? BUCKETS - 1 : at2];
  }
};

// src/core/hedging.ts
var SHARE = 0.99;
var HEDGE_AFTER_MS_MIN = 10;
var HEDGED_ONE_IN = 20;
var SAVED_MAX = 8;
var Hedging = class {
  #times = {
    "replica-get": new ReplyTimes(),
    "replica-put": new ReplyTimes(),
    "coordinate-get": new ReplyTimes()
  };
  #on;
  /** Gets that have not been spent on a hedge. */
  #saved = 0;
  /** Off: nothing is kept, no hedge is ever open, and patience is what it is while nothing is known. */
  constructor(on) {
    this.#on = on;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { saved: this.#saved, times: Object.values(this.#times).map((times) => times.memory) };
  }
  /** A reply came. What never comes is not recorded: it is what hedges are for, and the budget looks after the rest. */
  record(kind, elapsedMs) {
    if (this.#on) this.#times[kind].record(elapsedMs);
  }
  /** How long to wait for a reply before something is done: the 99th percentile within these bounds; `unknownMs` as long as too few are known. */
  patienceMs(kind, leastMs, mostMs, unknownMs) {
    const usualMs = this.#times[kind].percentile(SHARE);
    return usualMs === void 0 ? unknownMs : Math.min(mostMs, Math.max(leastMs, usualMs));
  }
  /** A get began here. */
  earn() {
    if (this.#on) this.#saved = Math.min(HEDGED_ONE_IN * SAVED_MAX, this.#saved + 1);
  }
  /** True when a hedge is left. */
  get open() {
    return this.#saved >= HEDGED_ONE_IN;
  }
  spend() {
    this.#saved -= HEDGED_ONE_IN;
  }
};

// src/core/forwarding.ts
var Forwarding = class {
  #in;
  #do;
  #hedging;
  #requests = /* @__PURE__ */ new Map();
  #bySent = /* @__PURE__ */ new Map();
  constructor(surroundings, hedging, actions) {
    this.#in = surroundings;
    this.#do = actions;
    this.#hedging = hedging;
  }
  get size() {
    return this.#requests.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return this.#requests;
  }
  /** `prefer` is asked first, if it counts. `tried` are not asked again. */
  start(request, what, prefer, tried, timeoutMs) {
    const forwarded = {
      request,
      what,
      deadline: this.#in.now + timeoutMs,
      tried: /* @__PURE__ */ new Set([this.#in.self, ...tried]),
      sent: /* @__PURE__ */ new Map(),
      slowAt: Infinity,
      hedged: false,
      relayed: false
    };
    this.#requests.set(request, forwarded);
    if (what.kind === "get") this.#hedging.earn();
    this.#in.timers.set(`forward-timeout:${request}`, forwarded.deadline);
    this.#next(forwarded, prefer);
  }
  onReply(from, sent, result) {
    const forwarded = this.#bySent.get(sent);
    const asked = forwarded?.sent.get(sent);
    if (forwarded === void 0 || asked?.node !== from) return;
    if (result.outcome === "got") this.#hedging.record("coordinate-get", this.#in.now - asked.at);
    forwarded.sent.delete(sent);
    this.#bySent.delete(sent);
    const retry = result.outcome === "failed" && (result.failure.code === "not-ready" || result.failure.code === "storage" || result.failure.code === "overloaded");
    if (retry) this.#next(forwarded, void 0);
    else {
      this.#end(forwarded);
      this.#do.answer(forwarded.request, result);
    }
  }
  onPeerDown(peer) {
    for (const forwarded of [...this.#requests.values()])
      for (const [sent, { node }] of forwarded.sent) {
        if (node !== peer) continue;
        forwarded.sent.delete(sent);
        this.#bySent.delete(sent);
        if (forwarded.sent.size === 0) this.#next(forwarded, void 0);
      }
  }
  /** The one asked last is slow: ask another beside it. */
  onSlow(request) {
    const forwarded = this.#requests.get(request);
    if (forwarded === void 0) return;
    const hedges = this.#in.now < forwarded.slowAt;
    if (!hedges) this.#next(forwarded, void 0);
    else {
      this.#in.timers.set(`forward-slow:${request}`, forwarded.slowAt);
      if (this.#hedging.open) this.#hedge(forwarded);
    }
  }
  onTimeout(request) {
    const forwarded = this.#requests.get(request);
    if (forwarded === void 0) return;
    this.#end(forwarded);
    this.#do.answer(request, { outcome: "failed", failure: { code: "quorum" }, report: void 0 });
  }
  #next(forwarded, prefer) {
    const counted2 = this.#in.listOf(forwarded.what.key)?.counted ?? [];
    const wanted = prefer !== void 0 && counted2.includes(prefer) ? [prefer, ...counted2] : counted2;
    const inOrder = [...wanted.filter((node) => !this.#isSluggish(node)), ...wanted];
    for (const node of inOrder) if (this.#ask(forwarded, node)) return;
    if (forwarded.sent.size > 0) return;
    if (forwarded.what.kind === "get" && !forwarded.relayed) {
      forwarded.relayed = true;
      for (const { node } of this.#in.ring?.view.members ?? []) if (this.#ask(forwarded, node)) return;
    }
    this.#end(forwarded);
    this.#do.exhausted(forwarded.request, forwarded.what, Math.max(1, forwarded.deadline - this.#in.now));
  }
  #isSluggish(node) {
    const { ring } = this.#in;
    return this.#in.slow(node) || ring !== void 0 && memberOf(ring.view, node)?.hidden === true;
  }
  #hedge(forwarded) {
    forwarded.hedged = true;
    const { key } = forwarded.what;
    const to = (this.#in.listOf(key)?.counted ?? []).find((node) => this.#ask(forwarded, node));
    if (to === void 0) return;
    this.#hedging.spend();
    this.#in.note({ what: "hedged", key, to });
  }
  #ask(forwarded, node) {
    const { ring, now, config } = this.#in;
    const { what, tried, deadline } = forwarded;
    if (ring === void 0 || tried.has(node) || !this.#in.reachable(node)) return false;
    tried.add(node);
    const request = this.#in.nextRequest();
    const addressed = { request, ring: ring.digest, ttlMs: Math.max(1, deadline - now), key: what.key };
    const sent = this.#in.send(
      node,
      what.kind === "get" ? { kind: "coordinate-get", ...addressed, r: what.r, pr: what.pr } : { kind: "coordinate-put", ...addressed, write: what.write },
      "foreground"
    );
    if (!sent) return false;
    this.#in.note({ what: "forwarded", key: what.key, to: node });
    forwarded.sent.set(request, { node, at: now });
    this.#bySent.set(request, forwarded);
    const slowMs = 3 * config.slowReplyMs;
    forwarded.slowAt = now + slowMs;
    const patienceMs = what.kind === "put" || forwarded.hedged ? slowMs : this.#hedging.patienceMs("coordinate-get", HEDGE_AFTER_MS_MIN, slowMs, slowMs);
    this.#in.timers.set(`forward-slow:${forwarded.request}`, now + patienceMs);
    return true;
  }
  #end(forwarded) {
    for (const sent of forwarded.sent.keys()) this.#bySent.delete(sent);
    this.#requests.delete(forwarded.request);
    this.#in.timers.clear(`forward-timeout:${forwarded.request}`);
    this.#in.timers.clear(`forward-slow:${forwarded.request}`);
  }
};

// src/core/quorum.ts
function quorumOf(asked, n, holders) {
  return holders <= n ? Math.min(asked, holders) : asked + holders - n;
}
function bothOf(a, b) {
  if (a === "unreachable" || b === "unreachable") return "unreachable";
  return a === "met" && b === "met" ? "met" : "pending";
}
var Tally = class {
  #needed;
  #asked = /* @__PURE__ */ new Map();
  constructor(needed) {
    this.#needed = needed;
  }
  get needed() {
    return this.#needed;
  }
  /** Fewer have to do. */
  lower(needed) {
    this.#needed = Math.min(this.#needed, needed);
  }
  /** More are needed than was thought. */
  raise(needed) {
    this.#needed = Math.max(this.#needed, needed);
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { needed: this.needed, asked: this.#asked };
  }
  /** Counts `node` among those that may answer. Asking it again after a refusal gives it another chance. */
  ask(node) {
    if (this.#asked.get(node) !== "answered") this.#asked.set(node, "waiting");
  }
  answer(node) {
    if (this.#asked.has(node)) this.#asked.set(node, "answered");
  }
  refuse(node) {
    if (this.#asked.get(node) === "waiting") this.#asked.set(node, "refused");
  }
  /** As if it had never been asked, unless it has answered: where nobody can answer in its place, it makes no difference which. */
  withdraw(node) {
    if (this.#asked.get(node) !== "answered") this.#asked.delete(node);
  }
  was(node) {
    return this.#asked.get(node);
  }
  outcome() {
    let answered = 0;
    let waiting = 0;
    for (const state of this.#asked.values()) {
      if (state === "answered") answered++;
      else if (state === "waiting") waiting++;
    }
    return answered >= this.needed ? "met" : answered + waiting < this.needed ? "unreachable" : "pending";
  }
  /** True when nobody is left who may still answer. */
  complete() {
    for (const state of this.#asked.values()) if (state === "waiting") return false;
    return true;
  }
  in(state) {
    return [...this.#asked].filter(([, own]) => own === state).map(([node]) => node);
  }
};

// src/core/get-coordinator.ts
var GetCoordinator = class {
  #in;
  #do;
  #hedging;
  #gets = /* @__PURE__ */ new Map();
  #bySent = /* @__PURE__ */ new Map();
  constructor(surroundings, hedging, actions) {
    this.#in = surroundings;
    this.#hedging = hedging;
    this.#do = actions;
  }
  get size() {
    return this.#gets.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return [...this.#gets.values()].map((get) => ({ ...get, tally: get.tally.memory, owners: get.owners.memory }));
  }
  /** Starts to coordinate. `request` is one of this node's own; the answer comes through the actions, once. */
  start(request, key, quorum, list, timeoutMs) {
    const { self, now } = this.#in;
    const { slowReplyMs } = this.#in.config;
    const { n, replicas: r } = quorum;
    const get = {
      request,
      key,
      startedAt: now,
      deadline: now + timeoutMs,
      r,
      n,
      tally: new Tally(quorumOf(r, n, list.counted.length)),
      counted: new Set(list.counted),
      owners: new Tally(Math.min(quorum.owners, list.owners.length)),
      asked: /* @__PURE__ */ new Set(),
      reserve: /* @__PURE__ */ new Map(),
      sent: /* @__PURE__ */ new Map(),
      replies: /* @__PURE__ */ new Map(),
      merged: EMPTY,
      first: void 0,
      heard: false,
      moved: false,
      answered: false
    };
    this.#gets.set(request, get);
    this.#in.timers.set(`get-timeout:${request}`, get.deadline);
    const patienceMs = this.#hedging.patienceMs("replica-get", HEDGE_AFTER_MS_MIN, slowReplyMs, slowReplyMs);
    this.#in.timers.set(`get-slow:${request}`, now + patienceMs);
    this.#hedging.earn();
    for (const node of list.counted) {
      if (!this.#ask(get, node)) {
        this.#askFallback(get, list);
        continue;
      }
      if (list.owners.includes(node)) get.owners.ask(node);
      if (this.#in.slow(node)) this.#askReserve(get, list);
    }
    if (!list.owners.includes(self) && !get.asked.has(self) && get.tally.outcome() === "unreachable")
      this.#ask(get, self);
    this.#judge(get);
  }
  onCompletion(completion) {
    const { origin } = completion;
    const get = origin.kind === "get" ? this.#gets.get(origin.request) : void 0;
    if (get === void 0 || completion.kind !== "read") return;
    this.#take(get, this.#in.self, completion.outcome, true, completion.set);
  }
  onReply(from, { request, outcome, owner, set, counted: counted2 }) {
    const get = this.#bySent.get(request);
    const sent = get?.sent.get(request);
    if (get === void 0 || sent?.node !== from) return;
    this.#hedging.record("replica-get", this.#in.now - sent.at);
    get.sent.delete(request);
    this.#bySent.delete(request);
    if (!get.answered) this.#extend(get, counted2);
    this.#take(get, from, outcome, owner, set ?? EMPTY);
  }
  onPeerDown(peer) {
    for (const get of [...this.#gets.values()]) {
      if (get.reserve.get(peer) === false) get.reserve.delete(peer);
      if (get.tally.was(peer) !== "waiting") continue;
      get.tally.refuse(peer);
      get.owners.withdraw(peer);
      this.#askFallback(get, this.#in.listOf(get.key));
      this.#judge(get);
    }
  }
  /** The ring changed under way: ask those who count now, too. */
  onRing(ring, partitionOfKey) {
    for (const get of this.#gets.values()) {
      if (get.answered) continue;
      this.#extend(get, ring.preferenceList(partitionOfKey(get.key)).counted);
    }
  }
  /** These count as well. */
  #extend(get, counted2) {
    for (const node of counted2) get.counted.add(node);
    get.tally.raise(quorumOf(get.r, get.n, get.counted.size));
    for (const node of counted2) {
      if (get.reserve.has(node)) this.#forget(get, node);
      if (get.asked.has(node)) continue;
      if (this.#ask(get, node)) get.owners.ask(node);
      else this.#askFallback(get, this.#in.listOf(get.key));
    }
  }
  /** As if this one in reserve had never been asked. */
  #forget(get, node) {
    get.reserve.delete(node);
    get.asked.delete(node);
    for (const [request, sent] of get.sent) {
      if (sent.node !== node) continue;
      get.sent.delete(request);
      this.#bySent.delete(request);
    }
  }
  onSlow(request) {
    const get = this.#gets.get(request);
    if (get === void 0 || get.answered) return;
    const slowAt = get.startedAt + this.#in.config.slowReplyMs;
    if (this.#in.now < slowAt) {
      this.#hedge(get);
      this.#in.timers.set(`get-slow:${request}`, slowAt);
      return;
    }
    get.moved = false;
    for (const node of get.tally.in("waiting"))
      if (get.counted.has(node) && get.tally.outcome() !== "met") this.#askFallback(get, this.#in.listOf(get.key));
    this.#judge(get);
  }
  onTimeout(request) {
    const get = this.#gets.get(request);
    if (get === void 0) return;
    if (!get.answered) this.#fail(get, { code: "quorum" });
    else this.#repair(get);
  }
  #ask(get, node) {
    if (!this.#askQuietly(get, node)) return false;
    get.tally.ask(node);
    return true;
  }
  /** Asks a node whose answer does not count yet. */
  #askQuietly(get, node) {
    if (get.asked.has(node)) return false;
    if (node === this.#in.self) {
      get.asked.add(node);
      this.#do.read(get.key, get.request);
      return true;
    }
    const { ring, now } = this.#in;
    if (ring === void 0) return false;
    const request = this.#in.nextRequest();
    const ttlMs = Math.max(1, get.deadline - now);
    if (!this.#in.send(
      node,
      { kind: "replica-get", request, ring: ring.digest, ttlMs, key: get.key, counts: get.counted.has(node) },
      "foreground"
    ))
      return false;
    get.asked.add(node);
    get.sent.set(request, { node, at: now });
    this.#bySent.set(request, get);
    return true;
  }
  /** Has somebody stand in: one in reserve, else the next who can be asked. False when nobody is left. */
  #askFallback(get, list) {
    const [reserve] = get.reserve;
    if (reserve === void 0) return standInsOf(list).some((node2) => this.#ask(get, node2));
    const [node, answered] = reserve;
    get.reserve.delete(node);
    get.tally.ask(node);
    if (answered) {
      get.first ??= node;
      get.tally.answer(node);
    }
    return true;
  }
  /** Asks one more, for when a slow one stays silent. */
  #askReserve(get, list) {
    const node = standInsOf(list).find((each) => !get.counted.has(each) && this.#askQuietly(get, each));
    if (node !== void 0) get.reserve.set(node, false);
  }
  /** Asks as many stand-ins as answers are missing, as far as the budget goes. */
  #hedge(get) {
    let missing = get.tally.needed - get.tally.in("answered").length;
    for (const node of standInsOf(this.#in.listOf(get.key))) {
      if (missing <= 0 || !this.#hedging.open) return;
      if (get.counted.has(node) || !this.#askQuietly(get, node)) continue;
      this.#hedging.spend();
      get.reserve.set(node, false);
      this.#in.note({ what: "hedged", key: get.key, to: node });
      missing--;
    }
  }
  #take(get, node, outcome, isOwner, set) {
    const inReserve = get.reserve.has(node);
    if (inReserve && (outcome === "moved" || outcome === "failed")) get.reserve.delete(node);
    else if (outcome === "moved") {
      get.tally.refuse(node);
      get.owners.withdraw(node);
      get.moved = true;
    } else if (outcome === "failed") {
      get.tally.refuse(node);
      get.owners.withdraw(node);
      get.replies.set(node, EMPTY);
      this.#askFallback(get, this.#in.listOf(get.key));
    } else {
      if (inReserve) get.reserve.set(node, true);
      else get.first ??= node;
      get.heard ||= get.counted.has(node) || this.#in.listOf(get.key)?.counted.includes(node) === true;
      get.tally.answer(node);
      if (isOwner) get.owners.answer(node);
      else get.owners.withdraw(node);
      get.replies.set(node, set);
      get.merged = sync(get.merged, set);
    }
    this.#judge(get);
  }
  #judge(get) {
    if (this.#gets.get(get.request) !== get) return;
    const ownersLost = get.owners.outcome() === "unreachable";
    if (!get.answered && !get.moved && !ownersLost) {
      while (get.tally.outcome() === "unreachable")
        if (!this.#askFallback(get, this.#in.listOf(get.key))) {
          get.tally.lower(Math.min(get.r, get.counted.size));
          break;
        }
      while (outcomeOf(get) === "unreachable" && this.#askFallback(get, this.#in.listOf(get.key))) ;
    }
    const outcome = outcomeOf(get);
    if (!get.answered) {
      if (outcome === "met") {
        get.answered = true;
        this.#do.answer(get.request, {
          outcome: "got",
          set: get.merged,
          first: get.first ?? this.#in.self,
          report: this.#report(get)
        });
        this.#in.timers.set(
          `get-timeout:${get.request}`,
          Math.min(get.deadline, this.#in.now + this.#in.config.readRepairMs)
        );
      } else if (outcome === "unreachable" && !get.moved) {
        if (ownersLost) this.#in.note({ what: "owners-unreachable", key: get.key });
        this.#fail(get, { code: "quorum" });
        return;
      }
    }
    if (get.answered && get.tally.complete()) this.#repair(get);
  }
  #repair(get) {
    for (const [node, set] of get.replies) {
      if (!get.counted.has(node) || equal(set, get.merged)) continue;
      this.#in.note({ what: "read-repair", key: get.key, to: node });
      if (node === this.#in.self) this.#do.repair(get.key, get.merged);
      else if (this.#in.ring !== void 0) {
        const request = this.#in.nextRequest();
        const { digest } = this.#in.ring;
        const ttlMs = this.#in.config.requestTimeoutMs;
        this.#in.send(
          node,
          {
            kind: "replica-put",
            request,
            ring: digest,
            ttlMs,
            purpose: "repair",
            key: get.key,
            set: get.merged,
            hintFor: void 0
          },
          "background"
        );
      }
    }
    this.#end(get);
  }
  /** Ends before it answers: the answer may start the same request anew elsewhere. */
  #fail(get, failure) {
    const report = this.#report(get);
    get.answered = true;
    this.#repair(get);
    this.#do.answer(get.request, { outcome: "failed", failure, report });
  }
  #end(get) {
    for (const request of get.sent.keys()) this.#bySent.delete(request);
    this.#gets.delete(get.request);
    this.#in.timers.clear(`get-timeout:${get.request}`);
    this.#in.timers.clear(`get-slow:${get.request}`);
  }
  #report(get) {
    return {
      coordinator: this.#in.self,
      needed: Math.max(get.tally.needed, get.owners.needed),
      counted: get.counted.size,
      ownersNeeded: get.owners.needed,
      ownersAnswered: get.owners.in("answered").length,
      answered: get.tally.in("answered"),
      silent: [...get.counted].filter((node) => get.tally.was(node) !== "answered"),
      hintedFor: [],
      elapsedMs: this.#in.now - get.startedAt
    };
  }
};
function standInsOf(list) {
  return [...list?.fallbacks ?? [], ...list?.joining ?? []];
}
function outcomeOf({ tally, owners, merged, heard }) {
  const outcome = bothOf(tally.outcome(), owners.outcome());
  if (outcome !== "met" || heard || merged !== EMPTY) return outcome;
  return tally.complete() ? "unreachable" : "pending";
}

// src/core/gossip.ts
var EAGER_PEERS = 3;
var EAGER_MS = 50;
var SEED_CHANCE = 0.1;
var Gossip = class {
  #in;
  #do;
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  onTimer() {
    this.#in.timers.set("gossip", this.#in.now + this.#in.config.gossipMs);
    const seeds = this.#do.seeds();
    const peer = seeds.length > 0 && this.#in.random.chance(SEED_CHANCE) ? this.#in.random.pick(seeds) : this.#in.random.pick(this.#do.peers());
    if (peer !== void 0) this.greet(peer);
  }
  /** The view changed here: tell a few peers soon. */
  onChange() {
    if (!this.#in.timers.has("gossip-soon")) this.#in.timers.set("gossip-soon", this.#in.now + EAGER_MS);
  }
  onSoonTimer() {
    for (const peer of this.#in.random.shuffled(this.#do.peers()).slice(0, EAGER_PEERS)) this.greet(peer);
  }
  /** Opens a round with a peer. */
  greet(peer) {
    this.#in.send(peer, { kind: "gossip-digest", ring: this.#in.ring?.digest }, "foreground");
  }
  onDigest(from, message) {
    const { ring } = this.#in;
    if (ring?.digest === message.ring) return;
    this.#sendVersions(from);
  }
  onVersions(from, message) {
    const { ring } = this.#in;
    if (ring === void 0) {
      if (message.claims !== void 0) this.#sendVersions(from);
      return;
    }
    const { view } = ring;
    const theirs = new Map(message.members.map((entry) => [entry.node, entry]));
    const news = view.members.filter((member) => {
      const known2 = theirs.get(member.node);
      return known2 === void 0 || laterThan(member, known2);
    });
    const wanted = message.members.flatMap((entry) => {
      const known2 = memberOf(view, entry.node);
      return known2 === void 0 || laterThan(entry, known2) ? [entry.node] : [];
    });
    const claimsDiffer = message.claims !== claimsDigest(view.claims);
    const bucketsDiffer = message.buckets !== bucketsDigest(view.buckets);
    if (news.length === 0 && wanted.length === 0 && !claimsDiffer && !bucketsDiffer) return;
    this.#send(from, {
      kind: "gossip-news",
      parameters: view.parameters,
      members: news,
      claims: claimsDiffer ? view.claims : void 0,
      buckets: bucketsDiffer ? view.buckets : void 0,
      wanted,
      wantsClaims: claimsDiffer && message.claims !== void 0,
      wantsBuckets: bucketsDiffer && message.buckets !== void 0
    });
  }
  onNews(from, message) {
    const { members, claims, parameters, buckets = [] } = message;
    const whole = claims?.length === parameters.partitions;
    const own = this.#in.ring?.view;
    const difference = parametersDifference(own?.parameters ?? this.#in.config.expects, parameters);
    if (difference !== void 0) {
      this.#in.note({ what: "parameters-differ", peer: from, difference });
      return;
    }
    this.#do.learn({
      view: whole ? { parameters, members: sorted(members), claims, buckets: mergeBuckets([], buckets) } : void 0,
      members,
      claims,
      buckets
    });
    const view = this.#in.ring?.view;
    if (view === void 0 || message.wanted.length === 0 && !message.wantsClaims && !message.wantsBuckets) return;
    this.#send(from, {
      kind: "gossip-news",
      parameters: view.parameters,
      members: message.wanted.flatMap((node) => memberOf(view, node) ?? []),
      claims: message.wantsClaims ? view.claims : void 0,
      buckets: message.wantsBuckets ? view.buckets : void 0,
      wanted: [],
      wantsClaims: false,
      wantsBuckets: false
    });
  }
  #sendVersions(to) {
    const view = this.#in.ring?.view;
    const members = (view?.members ?? []).map(({ node, incarnation, version }) => ({ node, incarnation, version }));
    const claims = view === void 0 ? void 0 : claimsDigest(view.claims);
    const buckets = view === void 0 ? void 0 : bucketsDigest(view.buckets);
    this.#in.send(to, { kind: "gossip-versions", members, claims, buckets }, "foreground");
  }
  #send(to, news) {
    this.#in.send(to, news, "foreground");
  }
};
function laterThan(a, b) {
  return a.incarnation > b.incarnation || a.incarnation === b.incarnation && a.version > b.version;
}
function sorted(members) {
  const byNode = /* @__PURE__ */ new Map();
  for (const member of members) {
    const known2 = byNode.get(member.node);
    if (known2 === void 0 || newer(member, known2)) byNode.set(member.node, member);
  }
  return [...byNode.values()].sort((a, b) => a.node < b.node ? -1 : 1);
}

// src/core/hand-over.ts
var RECORDS_PER_PAGE = 64;
var RETRY_MS = 2e3;
var ASK_AFTER_MS = 300;
var ROUND_MAX = 64;
var HandOver = class {
  #in;
  #do;
  /** Partitions that may still have records here. */
  #toClear = /* @__PURE__ */ new Set();
  /** Of these the owners, who are named, have all that is here. */
  #clear = /* @__PURE__ */ new Map();
  /** Owned when the ring was last looked at: a transfer that was broken off leaves records, too. */
  #owned = /* @__PURE__ */ new Set();
  #question;
  /** What the owners have said they hold: next to be closed. */
  #released = /* @__PURE__ */ new Set();
  /** Until this node is counted out, or the round has failed. */
  #closing = /* @__PURE__ */ new Set();
  #round;
  #rounds = 0;
  #beginning = false;
  /** This node was removed: seen, and acted upon. */
  #gone = false;
  #page;
  /** The first record of the last page: one that is there again could not be removed. */
  #lastFirst = "";
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  /** Partitions that are being closed, and those that can be cleared now. */
  get size() {
    return this.#closing.size + [...this.#toClear].filter((partition) => this.#isReady(partition)).length;
  }
  /** Partitions that this node holds, or of which something may be left here. */
  get remaining() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    let held = 0;
    for (let p = 0; own !== void 0 && p < (ring?.view.claims.length ?? 0); p++) if (holds(own, p)) held++;
    return held + this.#toClear.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return {
      toClear: this.#toClear,
      clear: this.#clear,
      owned: this.#owned,
      question: this.#question,
      released: this.#released,
      closing: this.#closing,
      round: this.#round,
      rounds: this.#rounds,
      lastFirst: this.#lastFirst,
      gone: this.#gone,
      page: this.#page
    };
  }
  /** True while this node answers as one who does not count, though others still count on it. */
  isClosing(partition) {
    return this.#closing.has(partition);
  }
  onRing() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    if (ring === void 0 || own === void 0) return;
    const owned = /* @__PURE__ */ new Set();
    if (isGone(own) && !this.#gone) this.onStarted();
    for (let p = 0; p < ring.view.claims.length; p++) {
      if (ring.owns(self, p)) owned.add(p);
      else if (this.#owned.has(p) && !holds(own, p)) this.#toClear.add(p);
    }
    this.#owned = owned;
    for (const p of owned) this.#keep(p);
    this.#dropChanged(ring);
    if (this.#releasable(ring).length > 0) this.#in.timers.set("hand-over", this.#in.now + ASK_AFTER_MS);
    this.#arm();
  }
  /** Somebody asks whether it may let go in favour of this node, among others. */
  onRequest(from, message) {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    const same = ring !== void 0 && own !== void 0 && placementDigest(ring.view) === message.claims;
    const partitions = same ? message.partitions.filter(
      (p) => p < ring.view.claims.length && holds(own, p) && ring.owns(self, p) && this.#do.isOpen(p)
    ) : [];
    this.#in.send(from, { kind: "release-reply", request: message.request, partitions }, "background");
  }
  onReleaseReply(from, message) {
    const { ring } = this.#in;
    const question = this.#question;
    if (ring === void 0 || question?.requests.get(message.request) !== from) return;
    question.requests.delete(message.request);
    if (question.claims !== placementDigest(ring.view)) {
      this.#question = void 0;
      return;
    }
    for (const partition of message.partitions) {
      const missing = question.missing.get(partition);
      if (missing?.delete(from) !== true || missing.size > 0) continue;
      question.missing.delete(partition);
      this.#released.add(partition);
    }
    if (question.requests.size === 0) this.#question = void 0;
    this.#nextRound();
  }
  /** An owner has all that was here, or the exchange failed. */
  onExchanged(owner, partitions, number, settled) {
    const round = this.#round;
    if (round?.number !== number) return;
    const done = [];
    for (const partition of partitions) {
      const missing = round.missing.get(partition);
      if (missing?.has(owner) !== true) continue;
      if (!settled) {
        this.#leaveRound(partition);
        continue;
      }
      missing.delete(owner);
      if (missing.size > 0) continue;
      round.missing.delete(partition);
      done.push(partition);
    }
    if (round.what === "closing" && done.length > 0) this.#do.countOut(done);
    else for (const partition of done) this.#clear.set(partition, round.owners.get(partition) ?? []);
    this.#endRound();
    this.#nextPage();
    if (done.length > 0) this.#nextRound();
  }
  /** It is durable that this node does not hold these. */
  onCountedOut(partitions) {
    const { ring, self } = this.#in;
    for (const p of partitions) {
      this.#closing.delete(p);
      if (ring?.owns(self, p) === false) this.#toClear.add(p);
    }
    this.#nextRound();
    this.#arm();
  }
  /** At the start: partitions not held may have records left from before. */
  onStarted() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    if (ring === void 0 || own === void 0) return;
    this.#gone = isGone(own);
    for (let p = 0; p < ring.view.claims.length; p++) if (!holds(own, p) && !ring.owns(self, p)) this.#toClear.add(p);
    this.#arm();
  }
  onTimer() {
    this.#ask();
    this.#nextRound();
    this.#nextPage();
    this.#arm();
  }
  /** A slice of background work is there for a page. */
  onSlice() {
    this.#nextPage();
  }
  onScanned(ticket, entries, done) {
    const page = this.#page;
    if (page?.ticket !== ticket) return false;
    this.#page = void 0;
    if (!this.#clear.has(page.partition)) return true;
    if (done && entries.length === 0) {
      this.#toClear.delete(page.partition);
      this.#clear.delete(page.partition);
      this.#in.note({ what: "partition-dropped", partition: page.partition });
      this.#nextPage();
      return true;
    }
    for (const { address, record } of entries) {
      const key = keyOfRecord(address);
      if (record === "damaged") this.#do.dropDamaged(key);
      else if (typeof record !== "string") this.#do.dropRecord(key, record.set);
    }
    const first = entries[0]?.address ?? "";
    if (first !== this.#lastFirst) this.#nextPage();
    this.#lastFirst = first;
    return true;
  }
  onFailed(ticket) {
    if (this.#page?.ticket !== ticket) return false;
    this.#page = void 0;
    return true;
  }
  /** Held, not owned, and by the view held by all owners. */
  #releasable(ring) {
    const { self } = this.#in;
    const own = memberOf(ring.view, self);
    const found = [];
    if (own === void 0) return found;
    for (let p = 0; p < ring.view.claims.length; p++) {
      if (!holds(own, p) || ring.owns(self, p) || this.#closing.has(p)) continue;
      if (ring.preferenceList(p).owners.every((node) => heldBy(ring, node, p))) found.push(p);
    }
    return found;
  }
  /** A new round of questions replaces one whose answers did not all come. */
  #ask() {
    const { ring } = this.#in;
    this.#question = void 0;
    const partitions = ring === void 0 ? [] : this.#releasable(ring).filter((p) => !this.#released.has(p));
    if (ring === void 0 || partitions.length === 0) return;
    const claims = placementDigest(ring.view);
    const question = { claims, requests: /* @__PURE__ */ new Map(), missing: /* @__PURE__ */ new Map() };
    const byOwner = /* @__PURE__ */ new Map();
    for (const partition of partitions) {
      const { owners } = ring.preferenceList(partition);
      if (!owners.every((owner) => this.#in.reachable(owner))) continue;
      question.missing.set(partition, new Set(owners));
      for (const owner of owners) (byOwner.get(owner) ?? byOwner.set(owner, []).get(owner)).push(partition);
    }
    for (const [owner, asked] of byOwner) {
      const request = this.#in.nextRequest();
      if (this.#in.send(owner, { kind: "release-request", request, claims, partitions: asked }, "background"))
        question.requests.set(request, owner);
    }
    if (question.requests.size > 0) this.#question = question;
  }
  /** Begins exchanges for what was released, or, if there is nothing, for what is to be cleared. */
  #nextRound() {
    const { ring } = this.#in;
    if (this.#round !== void 0 || ring === void 0) return;
    const what = this.#released.size > 0 ? "closing" : "clearing";
    const open = what === "closing" ? this.#released : [...this.#toClear].filter((p) => !this.#clear.has(p));
    const owners = /* @__PURE__ */ new Map();
    const byOwner = /* @__PURE__ */ new Map();
    for (const partition of open) {
      if (owners.size >= ROUND_MAX) break;
      if (!this.#isReady(partition)) continue;
      const list = ring.preferenceList(partition).owners;
      owners.set(partition, list);
      for (const owner of list) (byOwner.get(owner) ?? byOwner.set(owner, []).get(owner)).push(partition);
    }
    if (what === "closing") this.#released.clear();
    if (owners.size === 0) return;
    const missing = new Map([...owners].map(([partition, list]) => [partition, new Set(list)]));
    const number = ++this.#rounds;
    this.#round = { number, what, owners, missing };
    if (what === "closing") for (const partition of owners.keys()) this.#closing.add(partition);
    this.#beginning = true;
    for (const [owner, partitions] of byOwner)
      if (!this.#do.exchange(owner, partitions, number))
        for (const partition of partitions) this.#leaveRound(partition);
    this.#beginning = false;
    this.#endRound();
  }
  /** All owners answer and hold it. */
  #isReady(partition) {
    const { ring } = this.#in;
    const owners = ring?.preferenceList(partition).owners ?? [];
    return ring !== void 0 && owners.every((node) => this.#in.reachable(node) && heldBy(ring, node, partition));
  }
  #leaveRound(partition) {
    if (this.#round?.missing.delete(partition) === true && this.#round.what === "closing")
      this.#closing.delete(partition);
  }
  #endRound() {
    if (this.#beginning || this.#round?.missing.size !== 0) return;
    this.#round = void 0;
    this.#arm();
  }
  /** The partition is this node's own, again. */
  #keep(partition) {
    this.#toClear.delete(partition);
    this.#clear.delete(partition);
    this.#released.delete(partition);
    this.#leaveRound(partition);
    this.#closing.delete(partition);
    if (this.#page?.partition === partition) this.#page = void 0;
    this.#endRound();
  }
  /** What was said or exchanged was said by owners who are not all of them any more. */
  #dropChanged(ring) {
    for (const [partition, owners] of this.#round?.owners ?? [])
      if (ring.preferenceList(partition).owners.some((owner) => !owners.includes(owner))) this.#leaveRound(partition);
    for (const partition of this.#released)
      if (!this.#releasable(ring).includes(partition)) this.#released.delete(partition);
    for (const [partition, owners] of this.#clear)
      if (ring.preferenceList(partition).owners.some((owner) => !owners.includes(owner))) this.#clear.delete(partition);
    this.#endRound();
  }
  #nextPage() {
    const { ring } = this.#in;
    if (this.#page !== void 0 || ring === void 0) return;
    for (const partition of this.#clear.keys()) {
      if (!this.#in.mayWork("hand-over")) return;
      const ticket = this.#in.nextTicket();
      this.#page = { partition, ticket };
      const { after, before: before2 } = partitionRange(partition, ring.view.claims.length);
      const bytesMax = this.#in.config.transferPageBytesMax;
      this.#in.emit({ kind: "scan", ticket, store: "records", after, before: before2, countMax: RECORDS_PER_PAGE, bytesMax });
      return;
    }
  }
  #arm() {
    const { ring, timers, now } = this.#in;
    if (timers.has("hand-over")) return;
    if (this.#toClear.size > 0 || ring !== void 0 && this.#releasable(ring).length > 0)
      timers.set("hand-over", now + RETRY_MS);
  }
};
function heldBy(ring, node, partition) {
  const member = memberOf(ring.view, node);
  return member !== void 0 && holds(member, partition);
}

// src/core/hint-index.ts
var HintIndex = class {
  #byTarget = /* @__PURE__ */ new Map();
  #byKey = /* @__PURE__ */ new Map();
  #size = 0;
  get size() {
    return this.#size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { byTarget: this.#byTarget, byKey: this.#byKey };
  }
  has(key, target) {
    return this.#byKey.get(key)?.has(target) ?? false;
  }
  add(key, target) {
    (this.#byTarget.get(target) ?? this.#byTarget.set(target, /* @__PURE__ */ new Set()).get(target)).add(key);
    if (this.has(key, target)) return;
    this.#size++;
    (this.#byKey.get(key) ?? this.#byKey.set(key, /* @__PURE__ */ new Set()).get(key)).add(target);
  }
  /** It was delivered, and its removal is on its way to the disk. */
  leave(key, target) {
    const keys = this.#byTarget.get(target);
    if (keys?.delete(key) === true && keys.size === 0) this.#byTarget.delete(target);
  }
  remove(key, target) {
    if (!this.has(key, target)) return;
    this.leave(key, target);
    this.#size--;
    const targets = this.#byKey.get(key);
    targets.delete(target);
    if (targets.size === 0) this.#byKey.delete(key);
  }
  /** Who is owed something that is still to be delivered. */
  targets() {
    return [...this.#byTarget.keys()];
  }
  /** The nodes for which a hint of this key is kept. */
  targetsOf(key) {
    return this.#byKey.get(key) ?? NONE;
  }
  /** What is still to be delivered. */
  keysFor(target) {
    return this.#byTarget.get(target) ?? [];
  }
  count(target) {
    return this.#byTarget.get(target)?.size ?? 0;
  }
};
var NONE = /* @__PURE__ */ new Set();

// src/core/hinted-handoff.ts
var HINTS_PER_SCAN = 512;
var HINT_BYTES_PER_SCAN = 1048576;
var SCAN_AGAIN_MS = 1e3;
var SLICES_PER_HINT = 0.25;
var HintedHandoff = class {
  #in;
  #index;
  #do;
  /** By target, then key. */
  #underWay = /* @__PURE__ */ new Map();
  #bySent = /* @__PURE__ */ new Map();
  #scanning;
  constructor(surroundings, index, actions) {
    this.#in = surroundings;
    this.#index = index;
    this.#do = actions;
  }
  get size() {
    return this.#bySent.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    const underWay = [...this.#underWay.values()].flatMap((deliveries) => [...deliveries.values()]);
    return {
      scanning: this.#scanning,
      underWay: underWay.map((delivery) => ({ ...delivery, tally: delivery.tally?.memory }))
    };
  }
  /** True when all hints that an earlier start left are known. */
  get started() {
    return this.#scanning === void 0;
  }
  /** Looks through the hint store: before that, the node does not know what it knows. */
  start(after = "") {
    this.#scanning = this.#in.nextTicket();
    this.#in.emit({
      kind: "scan",
      ticket: this.#scanning,
      store: "hints",
      after,
      before: "g",
      countMax: HINTS_PER_SCAN,
      bytesMax: HINT_BYTES_PER_SCAN
    });
  }
  /** True when the scan was one of this mechanism's. */
  onScanned(ticket, entries, done) {
    if (ticket !== this.#scanning) return false;
    for (const { address } of entries) {
      const { key, target } = parseHintAddress(address);
      this.#index.add(key, target);
    }
    const last = entries.at(-1);
    if (!done && last !== void 0) this.start(last.address);
    else this.#scanning = void 0;
    return true;
  }
  onScanFailed(ticket) {
    if (ticket !== this.#scanning) return false;
    this.#in.timers.set("start", this.#in.now + SCAN_AGAIN_MS);
    return true;
  }
  onPeerUp(peer) {
    this.#scan(peer);
  }
  /** The link is gone and with it the answers; the next scan starts anew. */
  onPeerDown(peer) {
    for (const [sent, delivery] of [...this.#bySent]) {
      if (delivery.sent.get(sent) !== peer) continue;
      this.#refused(delivery, sent, peer);
    }
  }
  /** A slice of background work is there for a delivery. */
  onSlice() {
    for (const target of this.#index.targets()) this.#scan(target);
  }
  onScanTimer() {
    const { now, config } = this.#in;
    for (const deliveries of this.#underWay.values())
      for (const delivery of deliveries.values())
        if (now - delivery.startedAt > config.transferTimeoutMs) this.#end(delivery);
    for (const target of this.#index.targets()) this.#scan(target);
  }
  /** Hints are kept: see to it that they are looked at. */
  arm() {
    if (!this.#in.timers.has("hint-scan")) this.#in.timers.set("hint-scan", this.#in.now + this.#in.config.hintScanMs);
  }
  onCompletion(completion) {
    const { origin } = completion;
    if (origin.kind !== "handoff") return;
    const delivery = this.#underWay.get(origin.target)?.get(origin.key);
    if (delivery === void 0) return;
    if (completion.kind === "read") {
      if (completion.outcome === "found") this.#deliver(delivery, completion.set);
      else this.#end(delivery);
    } else if (delivery.passing !== void 0) this.#passed(delivery, delivery.passing, completion.kind === "stored");
    else if (completion.kind === "stored") this.#answered(delivery, this.#in.self);
    else if (completion.kind === "refused") {
      delivery.tally?.refuse(this.#in.self);
      this.#judge(delivery);
    }
  }
  onReply(from, request, outcome) {
    const delivery = this.#bySent.get(request);
    if (delivery?.sent.get(request) !== from) return;
    if (outcome === "refused") {
      this.#refused(delivery, request, from);
      return;
    }
    delivery.sent.delete(request);
    this.#bySent.delete(request);
    this.#answered(delivery, from);
  }
  /** Those who should have the hint: its target, or, when it owns the key no more, all who do. */
  #recipients(key, target) {
    const { ring, self } = this.#in;
    const list = this.#in.listOf(key);
    if (ring === void 0 || list === void 0) return { nodes: [target], needed: 1, entrusted: false };
    if (!list.owners.includes(target) && !list.counted.includes(target))
      return { nodes: list.owners, needed: Math.min(ring.view.parameters.w, list.owners.length), entrusted: false };
    const going = memberOf(ring.view, self)?.departure !== void 0;
    if (!going || this.#in.reachable(target)) return { nodes: [target], needed: 1, entrusted: false };
    const others = list.fallbacks.filter((node) => node !== self && node !== target && this.#in.reachable(node));
    const keeper = this.#in.random.pick(others);
    return { nodes: keeper === void 0 ? [target] : [keeper], needed: 1, entrusted: keeper !== void 0 };
  }
  #scan(target) {
    const underWay = this.#underWay.get(target);
    for (const key of this.#index.keysFor(target)) {
      if ((this.#underWay.get(target)?.size ?? 0) >= this.#in.config.hintsInFlightMax) return;
      if (underWay?.has(key) === true) continue;
      const { nodes, needed } = this.#recipients(key, target);
      if (nodes.filter((node) => this.#in.reachable(node)).length < needed) continue;
      if (!this.#in.mayWork("hints", SLICES_PER_HINT)) return;
      const delivery = {
        key,
        target,
        startedAt: this.#in.now,
        set: void 0,
        tally: void 0,
        recipients: [],
        passing: void 0,
        sent: /* @__PURE__ */ new Map()
      };
      (this.#underWay.get(target) ?? this.#underWay.set(target, /* @__PURE__ */ new Map()).get(target)).set(key, delivery);
      this.#do.readHint(key, target);
    }
  }
  #deliver(delivery, set) {
    if (delivery.set !== void 0) return;
    const { ring, config } = this.#in;
    const { key, target } = delivery;
    const { nodes, needed, entrusted } = this.#recipients(key, target);
    delivery.set = set;
    delivery.recipients = nodes;
    delivery.tally = new Tally(needed);
    for (const node of nodes) {
      if (node === this.#in.self) {
        delivery.tally.ask(node);
        this.#do.mergeHere(key, target, set);
        continue;
      }
      if (ring === void 0) continue;
      const request = this.#in.nextRequest();
      const ttlMs = config.transferTimeoutMs;
      const message = {
        kind: "replica-put",
        request,
        ring: ring.digest,
        ttlMs,
        purpose: "hint",
        key,
        set,
        hintFor: entrusted ? target : void 0
      };
      if (!this.#in.send(node, message, "background")) continue;
      if (entrusted) this.#in.note({ what: "hint-entrusted", key, target, to: node });
      delivery.tally.ask(node);
      delivery.sent.set(request, node);
      this.#bySent.set(request, delivery);
    }
    this.#judge(delivery);
  }
  #answered(delivery, node) {
    delivery.tally?.answer(node);
    this.#judge(delivery);
  }
  #refused(delivery, request, node) {
    delivery.sent.delete(request);
    this.#bySent.delete(request);
    delivery.tally?.refuse(node);
    this.#judge(delivery);
  }
  #judge(delivery) {
    const outcome = delivery.tally?.outcome();
    const { set, tally, passing } = delivery;
    if (set === void 0 || tally === void 0 || passing !== void 0 || outcome === "pending") return;
    if (outcome !== "met") {
      this.#end(delivery);
      return;
    }
    if (!tally.complete()) return;
    const without = delivery.recipients.filter((node) => tally.was(node) !== "answered");
    if (without.length === 0) {
      this.#letGo(delivery, set);
      return;
    }
    delivery.passing = without.length;
    for (const node of without) this.#do.keepHint(delivery.key, delivery.target, set, node);
  }
  #passed(delivery, passing, stored) {
    if (!stored) {
      this.#end(delivery);
      return;
    }
    delivery.passing = passing - 1;
    if (delivery.passing === 0 && delivery.set !== void 0) this.#letGo(delivery, delivery.set);
  }
  #letGo(delivery, set) {
    this.#end(delivery);
    this.#in.note({ what: "hint-delivered", key: delivery.key, target: delivery.target });
    this.#do.dropHint(delivery.key, delivery.target, set);
    this.#scan(delivery.target);
  }
  #end(delivery) {
    for (const sent of delivery.sent.keys()) this.#bySent.delete(sent);
    const deliveries = this.#underWay.get(delivery.target);
    if (deliveries?.get(delivery.key) !== delivery) return;
    deliveries.delete(delivery.key);
    if (deliveries.size === 0) this.#underWay.delete(delivery.target);
  }
};

// src/base/hash52.ts
var HASH52_END = 2 ** 52;
var LANE_A = 2246822507;
var LANE_B = 3266489909;
function hash52(text) {
  let a = 2654435769 ^ text.length;
  let b = 668265263;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, LANE_A);
    b = Math.imul(b ^ unit, LANE_B);
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  a = finish(a ^ Math.imul(b, LANE_A));
  b = finish(b ^ Math.imul(a, LANE_B));
  return (a >>> 12) * 2 ** 32 + (b >>> 0);
}
function finish(lane) {
  let mixed = lane ^ lane >>> 16;
  mixed = Math.imul(mixed, LANE_B);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, LANE_A);
  return mixed ^ mixed >>> 16;
}

// src/core/merkle-forest.ts
var FANOUT = 8;
var DEPTH = 3;
var LEAVES_PER_PARTITION = FANOUT ** DEPTH;
var LEAVES_MAX = PARTITIONS_MAX * LEAVES_PER_PARTITION;
var OFFSETS = [0, 1, 1 + FANOUT, 1 + FANOUT + FANOUT ** 2];
var NUMBERS = 1 + FANOUT + FANOUT ** 2 + FANOUT ** 3;
function addDigests(a, b) {
  const sum = a + b;
  return sum >= HASH52_END ? sum - HASH52_END : sum;
}
function subtractDigests(a, b) {
  return a >= b ? a - b : a - b + HASH52_END;
}
var digests2 = /* @__PURE__ */ new WeakMap();
function recordDigest(key, set) {
  const known2 = digests2.get(set);
  if (known2?.key === key) return known2.digest;
  const digest = digestOf2(key, set);
  digests2.set(set, { key, digest });
  return digest;
}
function digestOf2(key, set) {
  let text = key;
  for (const { actor, counter } of set.clock) text += `
${actor}${counter}`;
  for (const { dots, operation } of set.siblings) {
    text += `
${operation}`;
    for (const { actor, counter } of dots) text += ` ${actor}${counter}`;
  }
  return hash52(text) || 1;
}
function leafOf(position, partitions) {
  return Math.floor(Number.parseInt(position.slice(0, 8), 16) / 4294967296 * partitions * LEAVES_PER_PARTITION);
}
function partitionOfLeaf(leaf) {
  return Math.floor(leaf / LEAVES_PER_PARTITION);
}
var MerkleForest = class {
  #trees = /* @__PURE__ */ new Map();
  /** Stores under way, in their order. */
  #stores = /* @__PURE__ */ new Map();
  #begun = 0;
  /** How many of them are in each leaf. */
  #pending = /* @__PURE__ */ new Map();
  /** How often something counted in a partition turned out not to be on the disk, since the start. */
  #failures = /* @__PURE__ */ new Map();
  #doubtful = /* @__PURE__ */ new Set();
  #observations = /* @__PURE__ */ new Set();
  /** Trees, stores under way, leaves in doubt and observations. */
  get size() {
    return this.#trees.size + this.#stores.size + this.#doubtful.size + this.#observations.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    const leaves = [...this.#trees.keys()].sort((a, b) => a - b).flatMap((partition) => this.leavesOf(partition));
    return {
      leaves,
      stores: [...this.#stores.values()],
      failures: this.#failures,
      doubtful: this.#doubtful,
      observations: this.#observations
    };
  }
  digest(level, index) {
    const partition = Math.floor(index / FANOUT ** level);
    return this.#trees.get(partition)?.[place(level, index, partition)] ?? 0;
  }
  root(partition) {
    return this.digest(0, partition);
  }
  /** The digests of a node's children, in order; undefined for one under which not all is settled. */
  children(level, index) {
    return Array.from({ length: FANOUT }, (_, i) => {
      const child = index * FANOUT + i;
      return this.isSettled(level + 1, child) ? this.digest(level + 1, child) : void 0;
    });
  }
  /** True when no store is under way under the node and no leaf is in doubt there: what its digest says is durable. */
  isSettled(level, index) {
    const width = FANOUT ** (DEPTH - level);
    for (const leaf of this.#pending.keys()) if (Math.floor(leaf / width) === index) return false;
    for (const leaf of this.#doubtful) if (Math.floor(leaf / width) === index) return false;
    return true;
  }
  /** The leaves of a partition that are not 0, with their digests, in order. */
  leavesOf(partition) {
    const tree = this.#trees.get(partition);
    if (tree === void 0) return [];
    const leaves = [];
    for (let i = 0; i < LEAVES_PER_PARTITION; i++) {
      const digest = tree[OFFSETS[DEPTH] + i];
      if (digest !== 0) leaves.push({ leaf: partition * LEAVES_PER_PARTITION + i, digest });
    }
    return leaves;
  }
  /** A record of the leaf came, went or changed: `delta` is the new digest less the old. */
  add(leaf, delta) {
    if (delta === 0) return;
    const partition = partitionOfLeaf(leaf);
    let tree = this.#trees.get(partition);
    if (tree === void 0) {
      tree = new Float64Array(NUMBERS);
      this.#trees.set(partition, tree);
    }
    let index = leaf;
    for (let level = DEPTH; level >= 0; level--) {
      const at2 = place(level, index, partition);
      tree[at2] = addDigests(tree[at2], delta);
      index = Math.floor(index / FANOUT);
    }
    if (tree[0] === 0 && tree.every((digest) => digest === 0)) this.#trees.delete(partition);
  }
  /** The leaf's digest is this, whatever was thought. */
  set(leaf, digest) {
    this.add(leaf, subtractDigests(digest, this.digest(DEPTH, leaf)));
  }
  /** A store of a record of the leaf is under way; returns its number, for `end`. */
  begin(leaf) {
    this.#stores.set(++this.#begun, leaf);
    this.#pending.set(leaf, (this.#pending.get(leaf) ?? 0) + 1);
    for (const { disturbed } of this.#observations) disturbed.add(leaf);
    return this.#begun;
  }
  /** The store is durable, or nobody knows what became of it. */
  end(store, outcome) {
    const leaf = this.#stores.get(store);
    if (leaf === void 0) return;
    this.#stores.delete(store);
    const left = this.#pending.get(leaf) - 1;
    if (left > 0) this.#pending.set(leaf, left);
    else this.#pending.delete(leaf);
    if (outcome === "stored") return;
    this.#fail(leaf);
    this.doubt(leaf);
  }
  /** A record was read again, and what was counted for it is not there. */
  recount(leaf, counted2, actual) {
    if (counted2 === actual) return;
    this.add(leaf, subtractDigests(actual, counted2));
    this.#fail(leaf);
  }
  #fail(leaf) {
    const partition = partitionOfLeaf(leaf);
    this.#failures.set(partition, this.failuresIn(partition) + 1);
  }
  /** The number of the latest store that has begun. */
  get begun() {
    return this.#begun;
  }
  /** True when this store and all before it have ended. */
  settledUpTo(store) {
    for (const oldest of this.#stores.keys()) return oldest > store;
    return true;
  }
  /** Changes whenever something that was counted in the partition turns out not to be on the disk: what was concluded from the digests is void. */
  failuresIn(partition) {
    return this.#failures.get(partition) ?? 0;
  }
  /** Memory, disk and the disk's sums may have parted here. */
  doubt(leaf) {
    this.#doubtful.delete(leaf);
    this.#doubtful.add(leaf);
  }
  /** A leaf in doubt with no store under way, if there is one: the one that was last called so the longest ago. */
  get doubtful() {
    for (const leaf of this.#doubtful) if (!this.#pending.has(leaf)) return leaf;
    return void 0;
  }
  /** True when a leaf of the partition is in doubt. */
  isDoubtful(partition) {
    for (const leaf of this.#doubtful) if (partitionOfLeaf(leaf) === partition) return true;
    return false;
  }
  get doubts() {
    return this.#doubtful.size;
  }
  /** Begins to look: from now on it is remembered which leaves change. Call it when the reading of the disk is asked for, `close` when it is over. */
  observe() {
    const observation = { disturbed: new Set(this.#pending.keys()) };
    this.#observations.add(observation);
    return observation;
  }
  close(observation) {
    this.#observations.delete(observation);
  }
  /**
   * All records of the leaf were read, and their digests add up to `actual`. "right": as counted, and not in doubt. "wrong": it is set right here, and the disk's
   * sum has to be set. "disturbed": something was under way meanwhile, nothing can be said.
   */
  verify(leaf, actual, observation) {
    if (observation.disturbed.has(leaf)) return "disturbed";
    const counted2 = this.digest(DEPTH, leaf);
    const right = counted2 === actual && !this.#doubtful.has(leaf);
    this.#doubtful.delete(leaf);
    if (right) return "right";
    this.recount(leaf, counted2, actual);
    return "wrong";
  }
};
function place(level, index, partition) {
  return OFFSETS[level] + index - partition * FANOUT ** level;
}

// src/core/opening.ts
var ASK_MS2 = 150;
var Opening = class {
  #in;
  #forest;
  #do;
  #peers = /* @__PURE__ */ new Map();
  /** Of this node's entry, as its versions begin anew with each. */
  #incarnation = 0;
  #serials = 0;
  constructor(surroundings, forest, actions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }
  /** Peers that are asked or compared with. */
  get size() {
    return this.#peers.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { peers: this.#peers, incarnation: this.#incarnation, serials: this.#serials };
  }
  onRing() {
    if (this.#do.unopened().size > 0) this.#arm();
  }
  onTimer() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    const unopened = this.#do.unopened();
    if (own === void 0 || unopened.size === 0) {
      this.#peers.clear();
      return;
    }
    if (own.incarnation !== this.#incarnation) this.#peers.clear();
    this.#incarnation = own.incarnation;
    this.#openWhatMayBe(unopened);
    for (const [node, partitions] of this.#byPeer(this.#do.unopened())) {
      if (!this.#in.reachable(node)) continue;
      const peer = this.#peer(node);
      this.#compare(node, peer, partitions);
      const asks = [...partitions].some(
        ([partition, version]) => version <= own.version && (version > peer.known || peer.unopened.has(partition))
      );
      if (asks) this.#ask(node, peer, own);
    }
    this.#arm();
  }
  onReply(from, { request, known: known2, unopened }) {
    const peer = this.#peers.get(from);
    const asked = peer?.asked;
    if (peer === void 0 || asked?.request !== request) return;
    peer.asked = void 0;
    peer.unopened = new Set(unopened);
    if (known2) peer.known = Math.max(peer.known, asked.version);
    if (known2) this.#in.timers.set("opening", this.#in.now);
  }
  onPeerDown(node) {
    const peer = this.#peers.get(node);
    if (peer === void 0) return;
    peer.asked = void 0;
    peer.comparing = void 0;
  }
  /** What the peer had is merged and durable here, or not. */
  onExchanged(node, serial, settled) {
    const peer = this.#peers.get(node);
    const { comparing } = peer ?? {};
    if (peer === void 0 || comparing?.serial !== serial) return;
    peer.comparing = void 0;
    const store = this.#forest.begun;
    if (!settled) return;
    for (const [partition, failures] of comparing.failures) peer.compared.set(partition, { store, failures });
    this.#in.timers.set("opening", this.#in.now);
  }
  #ask(node, peer, { incarnation, version }) {
    const { now, config } = this.#in;
    if (peer.asked !== void 0 && now - peer.asked.at < config.transferTimeoutMs / 2) return;
    const request = this.#in.nextRequest();
    peer.asked = { request, version, at: now };
    this.#in.send(node, { kind: "known-request", request, incarnation, version }, "background");
  }
  /** Compares what the peer knows of and was not compared with yet. */
  #compare(node, peer, partitions) {
    if (peer.comparing !== void 0) return;
    const due = [...partitions].flatMap(([partition, version]) => {
      const compared = peer.compared.get(partition);
      const again = compared !== void 0 && compared.failures !== this.#forest.failuresIn(partition);
      return version <= peer.known && (compared === void 0 || again) ? [partition] : [];
    });
    if (due.length === 0) return;
    const serial = ++this.#serials;
    const failures = new Map(due.map((partition) => [partition, this.#forest.failuresIn(partition)]));
    peer.comparing = { serial, failures };
    if (!this.#do.exchange(node, due, serial)) peer.comparing = void 0;
  }
  #openWhatMayBe(unopened) {
    const { ring, self } = this.#in;
    const open = [];
    for (const partition of unopened.keys()) {
      const others = (ring?.preferenceList(partition).counted ?? []).filter((node) => node !== self);
      const { n = 1, r = 1, w = 1 } = ring?.view.parameters ?? {};
      const alreadyOpen = others.filter((node) => this.#peers.get(node)?.unopened.has(partition) !== true);
      const missed = n - Math.min(r, w, n);
      const needed = others.length === 0 ? 0 : Math.max(1, Math.min(missed + 1, alreadyOpen.length));
      const through = alreadyOpen.filter((node) => this.#isCompared(node, partition)).length;
      const busy = others.some((node) => this.#peers.get(node)?.comparing?.failures.has(partition) === true);
      if (through >= needed && !busy) open.push(partition);
    }
    if (open.length === 0) return;
    for (const peer of this.#peers.values()) for (const partition of open) peer.compared.delete(partition);
    this.#do.opened(open);
  }
  #isCompared(node, partition) {
    const compared = this.#peers.get(node)?.compared.get(partition);
    if (compared === void 0 || compared.failures !== this.#forest.failuresIn(partition)) return false;
    return this.#forest.settledUpTo(compared.store) && !this.#forest.isDoubtful(partition);
  }
  /** What is to be opened, by those who count for it besides. */
  #byPeer(unopened) {
    const byPeer = /* @__PURE__ */ new Map();
    for (const [partition, version] of unopened)
      for (const node of this.#in.ring?.preferenceList(partition).counted ?? [])
        if (node !== this.#in.self)
          (byPeer.get(node) ?? byPeer.set(node, /* @__PURE__ */ new Map()).get(node)).set(partition, version);
    return byPeer;
  }
  #peer(node) {
    const peer = this.#peers.get(node) ?? {
      asked: void 0,
      unopened: /* @__PURE__ */ new Set(),
      known: 0,
      comparing: void 0,
      compared: /* @__PURE__ */ new Map()
    };
    this.#peers.set(node, peer);
    return peer;
  }
  #arm() {
    if (!this.#in.timers.has("opening")) this.#in.timers.set("opening", this.#in.now + ASK_MS2);
  }
};

// src/core/partition-sizes.ts
var INQUIRIES_MAX = 8;
var COUNTS_MAX = 8;
var RECORDS_PER_PAGE2 = 256;
var BYTES_PER_PAGE = 1048576;
var PartitionSizes = class {
  #in;
  /** By the request id under which holders were asked. */
  #inquiries = /* @__PURE__ */ new Map();
  /** The first is the one at work. */
  #counts = [];
  #page;
  constructor(surroundings) {
    this.#in = surroundings;
  }
  get size() {
    return this.#inquiries.size + this.#counts.length;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { inquiries: this.#inquiries, counts: this.#counts, page: this.#page };
  }
  /** A caller wants the sizes of these. */
  start(request, partitions, timeoutMs) {
    const own = this.#in.nextRequest();
    const inquiry = { request, waiting: /* @__PURE__ */ new Set(), sizes: [] };
    if (this.#inquiries.size < INQUIRIES_MAX) {
      for (const [node, asked] of this.#byHolder(partitions)) {
        if (node === this.#in.self) this.#counts.push(newCount("own", own, asked));
        else if (!this.#in.send(node, { kind: "sizes-request", request: own, partitions: asked }, "background"))
          continue;
        inquiry.waiting.add(node);
      }
    }
    this.#inquiries.set(own, inquiry);
    this.#in.timers.set(`sizes-timeout:${own}`, this.#in.now + timeoutMs);
    this.#nextPage();
    this.#judge(own, inquiry);
  }
  onRequest(from, { request, partitions }) {
    const epoch = this.#in.epochOf(from);
    const known2 = partitions.filter((partition) => partition < (this.#in.ring?.view.claims.length ?? 0));
    if (this.#counts.length >= COUNTS_MAX)
      this.#in.send(from, { kind: "sizes-reply", request, sizes: [] }, "background");
    else this.#counts.push(newCount({ node: from, epoch }, request, known2));
    this.#nextPage();
  }
  onReply(from, { request, sizes }) {
    const inquiry = this.#inquiries.get(request);
    if (inquiry?.waiting.delete(from) !== true) return;
    inquiry.sizes.push(...sizes);
    this.#judge(request, inquiry);
  }
  onPeerDown(peer) {
    for (const [own, inquiry] of this.#inquiries) if (inquiry.waiting.delete(peer)) this.#judge(own, inquiry);
  }
  onTimeout(own) {
    const inquiry = this.#inquiries.get(own);
    inquiry?.waiting.clear();
    if (inquiry !== void 0) this.#judge(own, inquiry);
  }
  onScanned(ticket, entries, done) {
    const [count] = this.#counts;
    if (ticket !== this.#page || count === void 0) return false;
    this.#page = void 0;
    for (const { address, record } of entries) {
      count.after = address;
      if (typeof record === "string") continue;
      count.keys++;
      count.bytes += keyOfRecord(address).length;
      for (const { value } of record.set.siblings) count.bytes += value?.length ?? 0;
    }
    if (done) {
      const { keys, bytes } = count;
      count.sizes.push({ partition: count.partitions[count.done], keys, bytes });
      this.#nextPartition(count);
    }
    this.#nextPage();
    return true;
  }
  /** True when it was a page of this mechanism's. What could not be read is told as nothing. */
  onFailed(ticket) {
    const [count] = this.#counts;
    if (ticket !== this.#page || count === void 0) return false;
    this.#page = void 0;
    this.#nextPartition(count);
    this.#nextPage();
    return true;
  }
  /** Each partition with one that holds it, this node before others. */
  #byHolder(partitions) {
    const { ring, self } = this.#in;
    const byHolder = /* @__PURE__ */ new Map();
    for (const partition of partitions) {
      const counted2 = ring?.preferenceList(partition).counted ?? [];
      const holder = counted2.includes(self) ? self : counted2.find((node) => this.#in.reachable(node));
      if (holder !== void 0) (byHolder.get(holder) ?? byHolder.set(holder, []).get(holder)).push(partition);
    }
    return byHolder;
  }
  #nextPartition(count) {
    count.done++;
    count.after = "";
    count.keys = 0;
    count.bytes = 0;
  }
  #nextPage() {
    const { ring } = this.#in;
    while (this.#page === void 0) {
      const [count] = this.#counts;
      if (count === void 0) return;
      const partition = count.partitions[count.done];
      if (partition === void 0 || ring === void 0) {
        this.#counts.shift();
        this.#tell(count);
        continue;
      }
      const { after, before: before2 } = partitionRange(partition, ring.view.claims.length);
      this.#page = this.#in.nextTicket();
      this.#in.emit({
        kind: "scan",
        ticket: this.#page,
        store: "records",
        after: count.after === "" ? after : count.after,
        before: before2,
        countMax: RECORDS_PER_PAGE2,
        bytesMax: BYTES_PER_PAGE
      });
    }
  }
  #tell({ to, request, sizes }) {
    if (to !== "own") {
      this.#in.send(to.node, { kind: "sizes-reply", request, sizes }, "background", to.epoch);
      return;
    }
    this.onReply(this.#in.self, { kind: "sizes-reply", request, sizes });
  }
  #judge(own, { request, waiting, sizes }) {
    if (waiting.size > 0 || !this.#inquiries.delete(own)) return;
    this.#in.timers.clear(`sizes-timeout:${own}`);
    const told = sizes.slice().sort((a, b) => a.partition - b.partition);
    this.#in.emit({ kind: "report-sizes", request, sizes: told });
  }
};
function newCount(to, request, partitions) {
  return { to, request, partitions, done: 0, after: "", keys: 0, bytes: 0, sizes: [] };
}

// src/base/token-bucket.ts
var TokenBucket = class {
  #perSecond;
  #burst;
  #tokens;
  #atMs;
  constructor(perSecond, burst, nowMs) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }
  /** Where it stands, as plain data: equal ones behave alike from here on. */
  get memory() {
    return { tokens: this.#tokens, atMs: this.#atMs };
  }
  /** Takes `cost` tokens, into debt if need be. The milliseconds until the debt is paid; 0 when there is none. */
  take(cost, nowMs) {
    this.#refill(nowMs);
    this.#tokens -= cost;
    return this.#tokens >= 0 ? 0 : -this.#tokens * 1e3 / this.#perSecond;
  }
  /** Takes `cost` tokens if they are there; false, and nothing is taken, if not. */
  tryTake(cost, nowMs) {
    this.#refill(nowMs);
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }
  #refill(nowMs) {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perSecond / 1e3);
    this.#atMs = Math.max(this.#atMs, nowMs);
  }
};

// src/core/peer-limits.ts
var PEERS_MAX = MEMBERS_MAX;
function limitedWork(message) {
  switch (message.kind) {
    case "coordinate-get":
    case "coordinate-put":
      return "requests";
    case "replica-put":
      return message.purpose === "write" ? void 0 : "background";
    case "transfer-request":
    case "statistics-request":
    case "sizes-request":
      return "background";
    default:
      return void 0;
  }
}
var PeerLimits = class {
  #in;
  /** Least recently heard first. */
  #peers = /* @__PURE__ */ new Map();
  constructor(surroundings) {
    this.#in = surroundings;
  }
  get size() {
    return this.#peers.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return [...this.#peers].map(([peer, { requests, background }]) => ({
      peer,
      requests: requests?.memory,
      background: background?.memory
    }));
  }
  /** False when the peer has asked for too much: to be refused. */
  admits(peer, message) {
    const work = limitedWork(message);
    if (work === void 0) return true;
    const { perSecond, burst } = this.#limitOf(work);
    if (perSecond === Number.POSITIVE_INFINITY) return true;
    const buckets = this.#peers.get(peer) ?? {};
    this.#peers.delete(peer);
    this.#peers.set(peer, buckets);
    const [longestSilent] = this.#peers.keys();
    if (this.#peers.size > PEERS_MAX && longestSilent !== void 0) this.#peers.delete(longestSilent);
    const bucket = buckets[work] ??= new TokenBucket(perSecond, burst, this.#in.now);
    if (bucket.tryTake(1, this.#in.now)) return true;
    this.#in.note({ what: "peer-limited", peer, message: message.kind });
    return false;
  }
  #limitOf(work) {
    const { config } = this.#in;
    return work === "requests" ? { perSecond: config.peerRequestsPerSecond, burst: config.peerRequestsBurst } : { perSecond: config.peerBackgroundPerSecond, burst: config.peerBackgroundBurst };
  }
};

// src/core/put-coordinator.ts
var PutCoordinator = class {
  #in;
  #do;
  #hedging;
  #puts = /* @__PURE__ */ new Map();
  /** Which put a request to a replica belongs to. */
  #bySent = /* @__PURE__ */ new Map();
  constructor(surroundings, hedging, actions) {
    this.#in = surroundings;
    this.#hedging = hedging;
    this.#do = actions;
  }
  get size() {
    return this.#puts.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return [...this.#puts.values()].map(({ neededOf: _, ...put }) => ({
      ...put,
      tally: put.tally.memory,
      owners: put.owners.memory
    }));
  }
  /** Starts to coordinate. `request` is one of this node's own; the answer comes through the actions, once. */
  start(request, key, write2, list, { n, replicas: w, owners: pw }, timeoutMs) {
    const { self, now } = this.#in;
    const needed = quorumOf(w, n, list.counted.length);
    const owners = Math.min(pw, list.owners.length);
    const put = {
      request,
      key,
      write: write2,
      startedAt: now,
      deadline: now + timeoutMs,
      tally: new Tally(needed),
      counted: new Set(list.counted),
      storedBy: /* @__PURE__ */ new Set(),
      neededOf: (holders) => quorumOf(w, n, holders),
      w,
      owners: new Tally(owners),
      early: /* @__PURE__ */ new Set(),
      sent: /* @__PURE__ */ new Map(),
      ownCopyFor: void 0,
      ownUnderWay: true,
      hintedFor: /* @__PURE__ */ new Map(),
      answeredBy: /* @__PURE__ */ new Set(),
      asked: /* @__PURE__ */ new Set([self]),
      set: void 0,
      dot: void 0,
      answered: false
    };
    this.#puts.set(request, put);
    this.#in.timers.set(`put-timeout:${request}`, put.deadline);
    if (list.counted.filter((node) => list.owners.includes(node) && this.#in.reachable(node)).length < owners) {
      this.#in.note({ what: "owners-unreachable", key });
      this.#fail(put, { code: "quorum" });
      return;
    }
    let place2 = "record";
    const stores = this.#in.mayStore(key);
    if (list.counted.includes(self) && stores) {
      put.ownCopyFor = self;
      if (list.owners.includes(self)) put.owners.ask(self);
    } else if (!list.owners.includes(self)) {
      const others = list.counted.filter((node) => node !== self);
      const first = others[0];
      assert(first !== void 0, "a preference list counts on nobody");
      place2 = others.find((node) => !this.#in.reachable(node)) ?? first;
      put.ownCopyFor = place2;
      put.hintedFor.set(place2, self);
      this.#in.note({ what: "stand-in", key });
    }
    if (put.ownCopyFor !== void 0) put.tally.ask(put.ownCopyFor);
    this.#do.mint(key, write2, place2, request);
  }
  onCompletion(completion) {
    const { origin } = completion;
    const put = origin.kind === "put" ? this.#puts.get(origin.request) : void 0;
    if (put === void 0) return;
    switch (completion.kind) {
      case "minted":
        put.set = completion.set;
        put.dot = completion.dot;
        this.#replicate(put);
        break;
      case "stored":
        put.ownUnderWay = false;
        if (this.#in.listOf(put.key)?.owners.includes(this.#in.self) === true) put.owners.answer(this.#in.self);
        else put.owners.withdraw(this.#in.self);
        if (put.ownCopyFor === this.#in.self && !this.#in.mayAnswer(put.key)) put.early.add(this.#in.self);
        this.#answered(put, this.#in.self, put.ownCopyFor);
        break;
      case "refused":
        put.ownUnderWay = false;
        put.owners.withdraw(this.#in.self);
        if (put.ownCopyFor !== void 0 && !this.#asksFor(put, put.ownCopyFor)) put.tally.refuse(put.ownCopyFor);
        if (put.set === void 0) {
          const failure = completion.refusal === "too-many-siblings" ? { code: "too-many-siblings", siblings: completion.siblings } : { code: completion.refusal === "moved" ? "not-ready" : "storage" };
          this.#fail(put, failure);
        } else this.#judge(put);
        break;
      case "read":
        break;
    }
  }
  onReply(from, { request, outcome, owner, counted: counted2 }) {
    const put = this.#bySent.get(request);
    const sent = put?.sent.get(request);
    if (put === void 0 || sent?.node !== from) return;
    this.#hedging.record("replica-put", this.#in.now - sent.at);
    this.#extend(put, counted2);
    if (outcome !== "refused") {
      this.#forgetSent(put, request);
      if (outcome !== "hinted" && sent.owner === from) put.storedBy.add(from);
      if (outcome === "early") put.early.add(from);
      if (outcome === "hinted") put.hintedFor.set(sent.owner, from);
      if (owner && put.storedBy.has(from)) put.owners.answer(from);
      else if (sent.owner === from) put.owners.withdraw(from);
      this.#answered(put, from, sent.owner);
    } else this.#refused(put, request);
  }
  /** The link to a peer is gone: what it was asked will not be answered. */
  onPeerDown(peer) {
    for (const put of [...this.#puts.values()])
      for (const [request, { node }] of [...put.sent]) if (node === peer) this.#refused(put, request);
  }
  /** The ring changed under way: serve by the union of both lists. */
  onRing(ring, partitionOfKey) {
    for (const put of this.#puts.values()) {
      if (put.set === void 0) continue;
      const list = ring.preferenceList(partitionOfKey(put.key));
      this.#extend(put, list.counted);
      for (const node of list.joining)
        if (!put.asked.has(node) && this.#in.reachable(node)) this.#send(put, node, node, void 0);
    }
  }
  onSlow(request) {
    const put = this.#puts.get(request);
    if (put === void 0) return;
    for (const owner of put.tally.in("waiting")) this.#standIn(put, owner);
    this.#judge(put);
  }
  onTimeout(request) {
    const put = this.#puts.get(request);
    if (put === void 0) return;
    if (!put.answered) this.#fail(put, { code: "quorum" });
    else this.#end(put);
  }
  #replicate(put) {
    const list = this.#in.listOf(put.key);
    if (list === void 0) return;
    for (const node of list.counted) {
      if (node === this.#in.self) continue;
      if (this.#send(put, node, node, void 0)) {
        put.tally.ask(node);
        if (list.owners.includes(node)) put.owners.ask(node);
        if (this.#in.slow(node)) this.#standIn(put, node);
      } else this.#standIn(put, node);
    }
    for (const node of list.joining) if (node !== this.#in.self) this.#send(put, node, node, void 0);
    const { slowReplyMs } = this.#in.config;
    const patienceMs = this.#hedging.patienceMs("replica-put", slowReplyMs, 2 * slowReplyMs, slowReplyMs);
    this.#in.timers.set(`put-slow:${put.request}`, this.#in.now + patienceMs);
    this.#judge(put);
  }
  /** These count as well. */
  #extend(put, counted2) {
    const more = counted2.filter((node) => node !== this.#in.self && !put.counted.has(node));
    for (const node of more) put.counted.add(node);
    put.tally.raise(put.neededOf(put.counted.size));
    for (const node of more) {
      put.tally.ask(node);
      if (put.storedBy.has(node)) this.#count(put, node, node);
      else if (this.#asksFor(put, node) || this.#send(put, node, node, void 0)) put.owners.ask(node);
      else {
        put.tally.refuse(node);
        this.#standIn(put, node);
      }
    }
  }
  /** Finds somebody to keep a hint for `owner`: the next fallback that answers, else this node. */
  #standIn(put, owner) {
    if (put.set === void 0 || !put.counted.has(owner) || put.hintedFor.has(owner)) return;
    for (const node of this.#in.listOf(put.key)?.fallbacks ?? []) {
      if (put.asked.has(node) || !this.#in.reachable(node)) continue;
      if (!this.#send(put, node, owner, owner)) continue;
      put.tally.ask(owner);
      put.hintedFor.set(owner, node);
      return;
    }
    put.hintedFor.set(owner, this.#in.self);
    this.#do.keepHint(put.key, owner, put.set);
  }
  #answered(put, node, owner) {
    if (owner !== void 0 && put.counted.has(owner)) this.#count(put, node, owner);
    this.#judge(put);
  }
  /** One node is one copy, whomever it stands for besides. */
  #count(put, node, owner) {
    if (!put.answeredBy.has(node)) {
      put.answeredBy.add(node);
      put.tally.answer(owner);
    } else if (!this.#asksFor(put, owner)) put.tally.refuse(owner);
  }
  #refused(put, request) {
    const sent = put.sent.get(request);
    if (sent === void 0) return;
    this.#forgetSent(put, request);
    const { node, owner } = sent;
    if (!this.#asksFor(put, owner)) put.tally.refuse(owner);
    if (node === owner) put.owners.withdraw(owner);
    if (put.hintedFor.get(owner) === node) put.hintedFor.delete(owner);
    this.#standIn(put, owner);
    this.#judge(put);
  }
  /** True while somebody may still answer for an owner. */
  #asksFor(put, owner) {
    for (const sent of put.sent.values()) if (sent.owner === owner) return true;
    return put.ownUnderWay && put.ownCopyFor === owner;
  }
  #send(put, node, owner, hintFor) {
    const { now, ring } = this.#in;
    if (put.set === void 0 || ring === void 0) return false;
    const request = this.#in.nextRequest();
    const ttlMs = Math.max(1, put.deadline - now);
    const sent = this.#in.send(
      node,
      { kind: "replica-put", request, ring: ring.digest, ttlMs, purpose: "write", key: put.key, set: put.set, hintFor },
      "foreground"
    );
    if (!sent) return false;
    put.asked.add(node);
    put.sent.set(request, { node, owner, at: now });
    this.#bySent.set(request, put);
    return true;
  }
  #judge(put) {
    if (put.set === void 0 || this.#puts.get(put.request) !== put) return;
    if (!put.answered && put.tally.outcome() === "unreachable") put.tally.lower(Math.min(put.w, put.counted.size));
    const outcome = bothOf(this.#outcomeOf(put), put.owners.outcome());
    if (!put.answered) {
      if (outcome === "met") {
        put.answered = true;
        const siblings = put.set.siblings.length;
        this.#do.answer(put.request, {
          outcome: "put",
          clock: contextAfter(put.write.context, put.set, put.dot),
          siblings,
          report: this.#report(put)
        });
      } else if (outcome === "unreachable") {
        if (put.owners.outcome() === "unreachable") this.#in.note({ what: "owners-unreachable", key: put.key });
        this.#fail(put, { code: "quorum" });
        return;
      }
    }
    if (put.answered && put.tally.complete()) this.#end(put);
  }
  /** A quorum must also be one of those who answer reads: until all know of a newcomer, readers ask the others alone. */
  #outcomeOf({ tally, counted: counted2, answeredBy, early, neededOf }) {
    const outcome = tally.outcome();
    if (outcome !== "met" || early.size === 0 || tally.complete()) return outcome;
    const answered = [...answeredBy].filter((node) => !early.has(node)).length;
    return answered >= neededOf(counted2.size - early.size) ? "met" : "pending";
  }
  /** Ends before it answers: the answer may start the same request anew elsewhere. */
  #fail(put, failure) {
    const report = this.#report(put);
    const { answered } = put;
    put.answered = true;
    this.#end(put);
    if (!answered) this.#do.answer(put.request, { outcome: "failed", failure, report });
  }
  /** Whoever is still silent gets a hint, so that it hears of the write even if no read ever comes. */
  #end(put) {
    if (put.set !== void 0)
      for (const node of put.counted) {
        if (node === this.#in.self || put.answeredBy.has(node) || put.hintedFor.has(node)) continue;
        put.hintedFor.set(node, this.#in.self);
        this.#do.keepHint(put.key, node, put.set);
      }
    for (const request of [...put.sent.keys()]) this.#forgetSent(put, request);
    this.#puts.delete(put.request);
    this.#in.timers.clear(`put-timeout:${put.request}`);
    this.#in.timers.clear(`put-slow:${put.request}`);
  }
  #forgetSent(put, request) {
    put.sent.delete(request);
    this.#bySent.delete(request);
  }
  #report(put) {
    return {
      coordinator: this.#in.self,
      needed: Math.max(put.tally.needed, put.owners.needed),
      counted: put.counted.size,
      ownersNeeded: put.owners.needed,
      ownersAnswered: put.owners.in("answered").length,
      answered: [...put.answeredBy],
      silent: [...put.counted].filter((node) => !put.answeredBy.has(node)),
      hintedFor: [...put.hintedFor.keys()],
      elapsedMs: this.#in.now - put.startedAt
    };
  }
};
function contextAfter(before2, set, dot) {
  if (set.siblings.length === 1) return set.clock;
  if (dot === void 0 || dot.counter - 1 > counterOf(before2, dot.actor)) return before2;
  return joinClocks(before2, [dot]);
}

// src/core/replica.ts
function bytesOf(record) {
  return record === void 0 ? 0 : record.set.siblings.reduce((sum, sibling) => sum + (sibling.value?.length ?? 0), 200);
}
var Replica = class {
  #in;
  #hints;
  #forest;
  /** Least recently used first. */
  #keys = /* @__PURE__ */ new Map();
  #loads = /* @__PURE__ */ new Map();
  #stores = /* @__PURE__ */ new Map();
  #bytes = 0;
  /** Names this unbroken stretch of memory: drawn anew at each start and after each failed store. */
  #start;
  constructor(surroundings, hints, forest) {
    this.#in = surroundings;
    this.#hints = hints;
    this.#forest = forest;
    this.#start = surroundings.random.hex(8);
  }
  /** Completes with "read": record and hints of the key, joined. */
  read(key, origin) {
    this.#enter(key, { kind: "read", origin });
  }
  /** Completes with "read": the record alone, without what hints know. */
  readRecord(key, origin) {
    this.#enter(key, { kind: "read-record", origin });
  }
  /** Completes with "read": only the hint kept for `target`. */
  readHint(key, target, origin) {
    this.#enter(key, { kind: "read-hint", target, origin });
  }
  /** Merges into the record. Completes with "stored" or "refused". */
  merge(key, set, purpose, origin) {
    this.#enter(key, { kind: "merge", place: "record", set, purpose, origin });
  }
  /** Merges into the hint for `target`. Completes with "stored" or "refused". */
  keepHint(key, target, set, origin) {
    this.#enter(key, { kind: "merge", place: target, set, purpose: "write", origin });
  }
  /**
   * Coordinates a client's write: mints its dot into the record, or, for a stand-in, into the hint for `place`. Completes with "minted" and then
   * with "stored" or "refused"; or with "refused" alone. `checksum` is the CRC-32 of the value.
   */
  mint(key, write2, checksum, place2, origin) {
    this.#enter(key, { kind: "mint", place: place2, write: write2, checksum, origin });
  }
  /** Lets go of the hint for `target` if it is still the very record given. Completes with nothing. */
  dropHint(key, target, set) {
    this.#enter(key, { kind: "drop", place: target, set });
  }
  /** Lets go of the record if it is still the very record given. Completes with nothing. */
  dropRecord(key, set) {
    this.#enter(key, { kind: "drop", place: "record", set });
  }
  /** The disk was found to have a damaged record: writes it anew if a sound one is in memory. Completes with nothing. */
  mendDamaged(key) {
    const state = this.#keys.get(key);
    if (state?.waiting === void 0 && state?.record !== void 0)
      this.#write(state, "record", state.record, void 0);
  }
  /**
   * The disk was found to have a damaged record that this node does not need any more: lets go of it, or writes it anew if a sound one is in memory.
   * Completes with nothing.
   */
  dropDamaged(key) {
    this.#enter(key, { kind: "drop-damaged" });
  }
  /**
   * What is in memory of this leaf may not be what is on the disk: it is read again when it is asked for. The forest counts what is on the disk, and no
   * store of a record is under way there.
   */
  reread(leaf) {
    for (const state of [...this.#keys.values()]) {
      if (this.#leaf(state) !== leaf) continue;
      if (state.waiting === void 0 && state.storesUnderWay === 0) {
        this.#forget(state);
        continue;
      }
      state.digest = UNKNOWN;
      if (state.waiting !== void 0) continue;
      state.doubtful = true;
      state.waiting = [];
    }
  }
  onLoaded(ticket, records) {
    const load = this.#loads.get(ticket);
    if (load === void 0) return;
    this.#loads.delete(ticket);
    const { state } = load;
    const work = state.waiting ?? [];
    if (records.length !== load.reads.length || records.includes("failed")) {
      this.#forget(state);
      for (const item of work) this.#failed(state, item);
      return;
    }
    load.reads.forEach((place2, i) => {
      const found = records[i];
      const record = typeof found === "string" ? void 0 : found;
      if (found === "damaged") this.#in.note({ what: "damaged", key: state.key });
      if (place2 === "record") {
        state.record = record;
        state.damaged = found === "damaged";
        this.#recount(state);
      } else if (record !== void 0) state.hints.set(place2, record);
      else if (found === void 0) this.#hints.remove(state.key, place2);
      else this.#write(state, place2, null, void 0);
    });
    state.waiting = void 0;
    this.#weigh(state);
    for (const item of work) this.#perform(state, item);
    this.#shrink();
  }
  onStored(ticket) {
    const store = this.#stores.get(ticket);
    if (store === void 0) return;
    this.#stores.delete(ticket);
    const { state, place: place2, counted: counted2 } = store;
    state.storesUnderWay--;
    if (counted2 !== void 0) this.#forest.end(counted2, "stored");
    const latest2 = state.lastStores.get(place2) === ticket;
    if (place2 !== "record" && latest2 && state.waiting === void 0 && !state.hints.has(place2))
      this.#hints.remove(state.key, place2);
    for (const { origin } of store.waiters) this.#in.complete({ kind: "stored", origin, key: state.key });
    this.#settle(store.state);
    this.#shrink();
  }
  /** Nobody knows what of the store is on disk: actors end, and the memory of the key is given up unless a later store replaces the place whole. */
  onStorageFailed(ticket) {
    const store = this.#stores.get(ticket);
    if (store === void 0) {
      const load = this.#loads.get(ticket);
      if (load !== void 0) this.onLoaded(ticket, ["failed"]);
      return;
    }
    this.#stores.delete(ticket);
    this.#start = this.#in.random.hex(8);
    const { state, place: place2, counted: counted2 } = store;
    state.storesUnderWay--;
    if (counted2 !== void 0) this.#forest.end(counted2, "failed");
    if (place2 !== "record" && this.#hints.has(state.key, place2)) this.#hints.add(state.key, place2);
    if (state.lastStores.get(store.place) === ticket) {
      state.doubtful = true;
      state.waiting ??= [];
    }
    for (const { origin } of store.waiters) this.#refuse(state.key, origin, "storage");
    this.#settle(state);
  }
  /** How much is under way and kept, for `inspect` and the bounds test. */
  get sizes() {
    return { keys: this.#keys.size, loads: this.#loads.size, stores: this.#stores.size, bytes: this.#bytes };
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return {
      start: this.#start,
      keys: this.#keys,
      loads: [...this.#loads].map(([ticket, { state, reads }]) => ({ ticket, key: state.key, reads })),
      stores: [...this.#stores].map(([ticket, { state, place: place2, waiters }]) => ({
        ticket,
        key: state.key,
        place: place2,
        waiters
      }))
    };
  }
  #enter(key, work) {
    let state = this.#keys.get(key);
    if (state === void 0) {
      state = {
        key,
        position: positionOf(key),
        waiting: [],
        record: void 0,
        damaged: false,
        digest: UNKNOWN,
        hints: /* @__PURE__ */ new Map(),
        storesUnderWay: 0,
        lastStores: /* @__PURE__ */ new Map(),
        doubtful: false,
        bytes: 0
      };
      this.#keys.set(key, state);
      this.#load(state);
    } else {
      this.#keys.delete(key);
      this.#keys.set(key, state);
    }
    if (state.waiting !== void 0) state.waiting.push(work);
    else this.#perform(state, work);
  }
  /** The disk is asked anew only when no write of the key is under way, so that it cannot answer with what is about to change. */
  #settle(state) {
    if (!state.doubtful || state.storesUnderWay > 0) return;
    if (state.waiting?.length === 0) {
      this.#forget(state);
      return;
    }
    state.doubtful = false;
    state.record = void 0;
    state.damaged = false;
    state.hints.clear();
    state.lastStores.clear();
    this.#load(state);
  }
  #load(state) {
    const ticket = this.#in.nextTicket();
    const targets = [...this.#hints.targetsOf(state.key)];
    const reads = [
      { store: "records", address: recordAddress(state.key, state.position) },
      ...targets.map((target) => ({
        store: "hints",
        address: hintAddress(state.key, state.position, target)
      }))
    ];
    this.#loads.set(ticket, { state, reads: ["record", ...targets] });
    this.#in.emit({ kind: "load", ticket, reads });
  }
  #perform(state, work) {
    switch (work.kind) {
      case "read": {
        const set = state.damaged ? EMPTY : known(state);
        const outcome = state.damaged ? "failed" : set === EMPTY ? "missing" : "found";
        this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome, set });
        break;
      }
      case "read-record": {
        const set = state.record?.set ?? EMPTY;
        const outcome = state.damaged ? "failed" : state.record === void 0 ? "missing" : "found";
        this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome, set });
        break;
      }
      case "read-hint": {
        const set = state.hints.get(work.target)?.set;
        const outcome = set === void 0 ? "missing" : "found";
        this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome, set: set ?? EMPTY });
        break;
      }
      case "merge":
        this.#merge(state, work);
        break;
      case "mint":
        this.#mint(state, work);
        break;
      case "drop":
        if (sameRecord(at(state, work.place), work.set)) this.#write(state, work.place, null, void 0);
        break;
      case "drop-damaged":
        if (state.damaged) this.#write(state, "record", null, void 0);
        else if (state.record !== void 0) this.#write(state, "record", state.record, void 0);
        break;
    }
  }
  #merge(state, work) {
    const { place: place2, set, origin, purpose } = work;
    if (place2 === "record" && !this.#in.mayStore(state.key)) {
      this.#refuse(state.key, origin, "moved");
      return;
    }
    const before2 = at(state, place2);
    if (before2 === void 0 && !this.#roomFor(state.key, place2, origin)) return;
    const merged = before2 === void 0 ? set : sync(before2.set, set);
    const changed2 = before2 === void 0 || !equal(merged, before2.set);
    this.#in.note({ what: "merged", key: state.key, purpose, siblings: merged.siblings.length, changed: changed2 });
    if (!changed2) this.#whenDurable(state, place2, origin);
    else this.#write(state, place2, { set: merged, minted: before2?.minted }, origin);
  }
  #mint(state, work) {
    const { place: place2, write: write2, checksum, origin } = work;
    if (place2 === "record" && !this.#in.mayStore(state.key)) {
      this.#refuse(state.key, origin, "moved");
      return;
    }
    const before2 = at(state, place2);
    const all = known(state);
    if (all.siblings.some((sibling) => sibling.operation === write2.operation)) {
      this.#in.complete({ kind: "minted", origin, key: state.key, set: all, dot: void 0 });
      if (before2 !== void 0 && equal(before2.set, all)) this.#whenDurable(state, place2, origin);
      else if (before2 !== void 0 || this.#roomFor(state.key, place2, origin))
        this.#write(state, place2, { set: all, minted: before2?.minted }, origin);
      return;
    }
    const context = write2.policy === "last-write-wins" ? joinClocks(all.clock, write2.context) : write2.context;
    const { actor, fresh } = this.#actorFor(before2, all, context);
    const version = { operation: write2.operation, at: timeOf(write2, all), value: write2.value, checksum };
    const { set: updated, dot } = update(all, context, actor, version);
    const set = write2.policy === "last-write-wins" ? latest(all, updated, write2) : updated;
    const siblings = set.siblings.length;
    if (siblings > SIBLINGS_MAX) {
      this.#refuse(state.key, origin, "too-many-siblings", all.siblings.length);
      return;
    }
    if (before2 === void 0 && !this.#roomFor(state.key, place2, origin)) return;
    if (siblings >= SIBLINGS_WARN) this.#in.note({ what: "many-siblings", key: state.key, siblings });
    const entries = set.clock.length;
    if (entries >= CLOCK_ENTRIES_WARN) this.#in.note({ what: "long-clock", key: state.key, entries });
    this.#in.note({ what: "minted", key: state.key, actor, counter: dot.counter, fresh });
    this.#in.complete({ kind: "minted", origin, key: state.key, set, dot });
    this.#write(state, place2, { set, minted: { actor, start: this.#start } }, origin);
  }
  #actorFor(before2, all, context) {
    const minted = before2?.minted;
    if (before2 !== void 0 && minted?.start === this.#start) {
      const own = counterOf(before2.set.clock, minted.actor);
      if (counterOf(all.clock, minted.actor) === own && counterOf(context, minted.actor) <= own)
        return { actor: minted.actor, fresh: false };
    }
    return { actor: this.#in.self + this.#in.random.hex(8), fresh: true };
  }
  #roomFor(key, place2, origin) {
    if (place2 === "record" || this.#hints.has(key, place2) || this.#hints.size < this.#in.config.hintsMax) return true;
    this.#in.note({ what: "hint-refused", key, target: place2 });
    this.#refuse(key, origin, "hints-full");
    return false;
  }
  #write(state, place2, record, origin) {
    if (place2 === "record") {
      state.record = record ?? void 0;
      state.damaged = false;
    } else if (record === null) {
      state.hints.delete(place2);
      this.#hints.leave(state.key, place2);
    } else {
      if (!state.hints.has(place2)) this.#in.note({ what: "hint-kept", key: state.key, target: place2 });
      state.hints.set(place2, record);
      this.#hints.add(state.key, place2);
    }
    this.#weigh(state);
    const ticket = this.#in.nextTicket();
    state.storesUnderWay++;
    state.lastStores.set(place2, ticket);
    const waiters = origin === void 0 ? [] : [{ origin }];
    if (place2 !== "record") {
      this.#stores.set(ticket, { state, place: place2, counted: void 0, waiters });
      this.#in.store(ticket, [{ store: "hints", address: hintAddress(state.key, state.position, place2), record }]);
      return;
    }
    const leaf = this.#leaf(state);
    const counted2 = leaf === void 0 ? void 0 : this.#forest.begin(leaf);
    this.#stores.set(ticket, { state, place: place2, counted: counted2, waiters });
    const address = recordAddress(state.key, state.position);
    this.#in.store(ticket, [{ store: "records", address, record }, ...this.#count(state, leaf)]);
  }
  #leaf(state) {
    const partitions = this.#in.ring?.view.claims.length;
    return partitions === void 0 ? void 0 : leafOf(state.position, partitions);
  }
  /** The forest counts the record as it is now; the disk's sum changes with it, in one transaction. */
  #count(state, leaf) {
    if (leaf === void 0) return [];
    const digest = state.record === void 0 ? 0 : recordDigest(state.key, state.record.set);
    const delta = subtractDigests(digest, state.digest);
    state.digest = digest;
    this.#forest.add(leaf, delta);
    return delta === 0 ? [] : [{ store: "leaves", leaf, change: "add", digest: delta }];
  }
  /** The disk was read: the forest counts what is there. What was thought before is known only if the record has been here since. */
  #recount(state) {
    const leaf = this.#leaf(state);
    const actual = state.record === void 0 ? 0 : recordDigest(state.key, state.record.set);
    if (leaf !== void 0 && state.digest !== UNKNOWN) this.#forest.recount(leaf, state.digest, actual);
    if (leaf !== void 0 && state.damaged) this.#forest.doubt(leaf);
    state.digest = actual;
  }
  /** Nothing to change, but what is in memory may still be on its way to the disk. */
  #whenDurable(state, place2, origin) {
    const ticket = state.lastStores.get(place2);
    const store = ticket === void 0 ? void 0 : this.#stores.get(ticket);
    if (store === void 0) this.#in.complete({ kind: "stored", origin, key: state.key });
    else store.waiters.push({ origin });
  }
  #failed(state, work) {
    if (work.kind === "drop" || work.kind === "drop-damaged") return;
    if (work.kind === "read" || work.kind === "read-record" || work.kind === "read-hint")
      this.#in.complete({ kind: "read", origin: work.origin, key: state.key, outcome: "failed", set: EMPTY });
    else this.#refuse(state.key, work.origin, "storage");
  }
  #refuse(key, origin, refusal, siblings = 0) {
    this.#in.complete({ kind: "refused", origin, key, refusal, siblings });
  }
  #weigh(state) {
    let bytes = bytesOf(state.record);
    for (const hint of state.hints.values()) bytes += bytesOf(hint);
    this.#bytes += bytes - state.bytes;
    state.bytes = bytes;
  }
  #forget(state) {
    if (this.#keys.get(state.key) !== state) return;
    this.#keys.delete(state.key);
    this.#bytes -= state.bytes;
  }
  #shrink() {
    const { cachedRecordsMax, cachedBytesMax } = this.#in.config;
    if (this.#keys.size <= cachedRecordsMax && this.#bytes <= cachedBytesMax) return;
    for (const state of this.#keys.values()) {
      if (this.#keys.size <= cachedRecordsMax && this.#bytes <= cachedBytesMax) return;
      if (state.waiting === void 0 && state.storesUnderWay === 0) this.#forget(state);
    }
  }
};
var UNKNOWN = -1;
function at(state, place2) {
  return place2 === "record" ? state.record : state.hints.get(place2);
}
function known(state) {
  assert(state.waiting === void 0, "a key is used before it is loaded");
  let set = state.record?.set ?? EMPTY;
  for (const hint of state.hints.values()) set = set === EMPTY ? hint.set : sync(set, hint.set);
  return set;
}
function sameRecord(record, set) {
  return record !== void 0 && equal(record.set, set);
}
function timeOf({ policy, at: own, context }, all) {
  if (policy !== "last-write-wins") return own;
  const seen = all.siblings.filter(({ dots }) => dots.every((dot) => covers(context, dot)));
  return Math.max(own, ...seen.map((sibling) => sibling.at + 1));
}
function latest(before2, updated, write2) {
  let newest = updated.siblings.find((sibling) => sibling.operation === write2.operation);
  for (const sibling of before2.siblings)
    if (sibling.at > newest.at || sibling.at === newest.at && sibling.operation > newest.operation) newest = sibling;
  return { clock: updated.clock, siblings: [newest] };
}

// src/core/request-defaults.ts
function getQuorum(view, key, r, pr) {
  const defaults = bucketOf2(view.buckets, key)?.properties;
  return { n: view.parameters.n, replicas: r ?? defaults?.r ?? view.parameters.r, owners: pr ?? defaults?.pr ?? 0 };
}
function putQuorum(view, key, write2) {
  const defaults = bucketOf2(view.buckets, key)?.properties;
  return {
    n: view.parameters.n,
    replicas: write2.w ?? defaults?.w ?? view.parameters.w,
    owners: write2.pw ?? defaults?.pw ?? 0
  };
}
function underPolicy(view, key, write2) {
  if (write2.policy !== void 0) return write2;
  const policy = bucketOf2(view.buckets, key)?.properties.policy;
  return { ...write2, policy: policy === "last-write-wins" ? policy : "siblings" };
}

// src/core/leaf-reading.ts
function listedRecords(entries) {
  if (entries.some(({ record }) => record === "failed")) return void 0;
  return entries.map(({ address, record }) => {
    const key = keyOfRecord(address);
    return { key, digest: typeof record === "string" ? 0 : recordDigest(key, record.set) };
  });
}
function judgeLeaf(forest, leaf, records, observation, actions) {
  let sum = 0;
  for (const { key, digest } of records) {
    if (digest === 0) actions.mendDamaged(key);
    sum = addDigests(sum, digest);
  }
  if (forest.verify(leaf, sum, observation) === "wrong") actions.corrected(leaf, sum);
}

// src/core/scrub.ts
var RECORDS_PER_PAGE3 = 256;
var BYTES_PER_PAGE2 = 262144;
var DOUBT_MS = 500;
var LOAD_AGAIN_MS = 1e3;
var Scrub = class {
  #in;
  #forest;
  #do;
  #page;
  /** The leaf at which the round goes on. */
  #cursor = 0;
  /** The leaf at the cursor is larger than a page. */
  #large = false;
  #rounds = 0;
  /** The sums that an earlier start left are being read. */
  #loading;
  /** Corrected sums on their way to the disk. */
  #corrections = /* @__PURE__ */ new Map();
  constructor(surroundings, forest, actions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    const { first, last, inRound } = this.#page ?? {};
    return {
      page: this.#page?.ticket,
      of: [first, last, inRound],
      cursor: this.#cursor,
      large: this.#large,
      rounds: this.#rounds,
      loading: this.#loading,
      corrections: this.#corrections
    };
  }
  get size() {
    return this.#corrections.size;
  }
  /** True when the sums that an earlier start left are known. */
  get started() {
    return this.#loading === void 0;
  }
  start() {
    this.#loading = this.#in.nextTicket();
    this.#in.emit({ kind: "load-leaves", ticket: this.#loading });
  }
  onLeavesLoaded(ticket, leaves) {
    if (ticket !== this.#loading) return;
    this.#loading = void 0;
    for (const { leaf, digest } of leaves) this.#forest.set(leaf, digest);
  }
  /** Writes down what the records of the leaf add up to. */
  correct(leaf, digest) {
    const ticket = this.#in.nextTicket();
    this.#corrections.set(ticket, leaf);
    this.#in.note({ what: "leaf-corrected", leaf });
    this.#in.store(ticket, [{ store: "leaves", leaf, change: "set", digest }]);
  }
  onStored(ticket) {
    this.#corrections.delete(ticket);
  }
  /** How often all records were read since the start. */
  get rounds() {
    return this.#rounds;
  }
  onTimer() {
    this.#in.timers.set("scrub", this.#in.now + this.#in.config.scrubMs);
    this.#readPage();
  }
  /** A slice of background work is there: for a leaf in doubt, if there is one. */
  onSlice() {
    if (this.#forest.doubts > 0) this.onDoubtTimer();
    else this.#readPage();
  }
  #readPage() {
    const last = this.#leaves - 1;
    if (this.#page !== void 0 || last < 0 || !this.#in.mayWork("scrub")) return;
    this.#read(this.#cursor, this.#large ? this.#cursor : last, true);
  }
  /** Looks at a leaf in doubt. */
  onDoubtTimer() {
    const leaf = this.#forest.doubtful;
    if (leaf === void 0 || this.#page !== void 0 || this.#leaves === 0 || !this.#in.mayWork("scrub")) return;
    this.#forest.doubt(leaf);
    this.#read(leaf, leaf, false);
  }
  /** Some leaf is in doubt: do not wait for the round. */
  arm() {
    const { timers, now } = this.#in;
    if (!timers.has("scrub-doubt")) timers.set("scrub-doubt", now + DOUBT_MS);
  }
  /** True when the scan was one of this mechanism's. */
  onScanned(ticket, entries, done) {
    const page = this.#page;
    if (page?.ticket !== ticket) return false;
    this.#page = void 0;
    this.#judge(page, entries, done);
    this.#forest.close(page.observation);
    return true;
  }
  onFailed(ticket) {
    if (ticket === this.#loading) {
      this.#in.timers.set("start", this.#in.now + LOAD_AGAIN_MS);
      return true;
    }
    const corrected = this.#corrections.get(ticket);
    if (corrected !== void 0) {
      this.#corrections.delete(ticket);
      this.#forest.doubt(corrected);
      return true;
    }
    if (this.#page?.ticket !== ticket) return false;
    this.#forest.close(this.#page.observation);
    this.#page = void 0;
    return true;
  }
  get #leaves() {
    return (this.#in.ring?.view.claims.length ?? 0) * LEAVES_PER_PARTITION;
  }
  #read(first, last, inRound) {
    const ticket = this.#in.nextTicket();
    this.#page = { ticket, observation: this.#forest.observe(), first, last, inRound };
    const { after } = partitionRange(first, this.#leaves);
    const { before: before2 } = partitionRange(last, this.#leaves);
    const whole = first === last;
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after,
      before: before2,
      countMax: whole ? Number.MAX_SAFE_INTEGER : RECORDS_PER_PAGE3,
      bytesMax: whole ? Number.MAX_SAFE_INTEGER : BYTES_PER_PAGE2
    });
  }
  #judge({ observation, first, last, inRound }, entries, done) {
    const partitions = this.#leaves / LEAVES_PER_PARTITION;
    const byLeaf = /* @__PURE__ */ new Map();
    for (const entry of entries) {
      const leaf = leafOf(entry.address, partitions);
      (byLeaf.get(leaf) ?? byLeaf.set(leaf, []).get(leaf)).push(entry);
    }
    const end = done ? last + 1 : leafOf(entries.at(-1).address, partitions);
    for (const leaf of first === last ? [first] : this.#between(first, end, byLeaf.keys())) {
      const records = listedRecords(byLeaf.get(leaf) ?? []);
      if (records !== void 0) judgeLeaf(this.#forest, leaf, records, observation, this.#do);
    }
    if (!inRound) return;
    this.#large = !done && end === first;
    this.#cursor = end < this.#leaves ? end : 0;
    if (this.#cursor === 0) this.#rounds++;
  }
  /** Leaves from `first` up to, and without, `end` that have records or are thought to have some. */
  #between(first, end, read) {
    const leaves = new Set(read);
    for (let p = Math.floor(first / LEAVES_PER_PARTITION); p * LEAVES_PER_PARTITION < end; p++)
      for (const { leaf } of this.#forest.leavesOf(p)) leaves.add(leaf);
    return [...leaves].filter((leaf) => leaf >= first && leaf < end).sort((a, b) => a - b);
  }
};

// src/core/slow-peers.ts
var OUTCOMES = 8;
var OVERDUE_SLOW = 4;
var OVERDUE_PROMPT = 1;
var FORGIVEN_MS = 1e4;
var OUTSTANDING_MAX = 32;
var COORDINATOR_SHARE = 3;
var SlowPeers = class {
  #in;
  #do;
  #peers = /* @__PURE__ */ new Map();
  #dueAt = Number.POSITIVE_INFINITY;
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  get size() {
    return this.#peers.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return this.#peers;
  }
  slow(node) {
    const peer = this.#peers.get(node);
    return peer?.slow === true && !this.#isForgiven(peer);
  }
  /** A message was sent: if it is a request that a caller waits for, its answer is watched for. */
  onSent(to, message) {
    const share = shareOf(message);
    if (share === void 0 || !("request" in message)) return;
    const peer = this.#peer(to);
    if (peer.slow && this.#isForgiven(peer)) {
      peer.outcomes = [];
      this.#judge(peer);
    }
    if (peer.outstanding.size >= OUTSTANDING_MAX) return;
    const { now, config } = this.#in;
    const until = now + config.slowReplyMs * share * this.#do.patienceWith(to);
    peer.outstanding.set(message.request, { askedAt: now, until });
    this.#arm(until);
  }
  /** Something came that may be the answer to one of them. */
  onReceived(from, message) {
    const peer = this.#peers.get(from);
    if (peer === void 0 || !("request" in message) || !isReply(message)) return;
    if (!peer.outstanding.delete(message.request)) return;
    peer.answeredAt = this.#in.now;
    this.#count(peer, false);
  }
  /** What it was asked will not be answered, which says nothing new about it. */
  onPeerDown(node) {
    this.#peers.delete(node);
  }
  onTimer() {
    const { now } = this.#in;
    this.#dueAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers.values())
      for (const [request, { askedAt, until }] of [...peer.outstanding]) {
        if (until > now) {
          next = Math.min(next, until);
          continue;
        }
        peer.outstanding.delete(request);
        this.#do.overdue(peer.node);
        if (this.#isItsFault(peer, askedAt)) this.#count(peer, true);
      }
    this.#arm(next);
  }
  /** Wakes at the first bound that passes. */
  #arm(at2) {
    if (at2 >= this.#dueAt) return;
    this.#dueAt = at2;
    this.#in.timers.set("slow-peers", at2);
  }
  #isForgiven({ outcomeAt }) {
    return this.#in.now - outcomeAt >= FORGIVEN_MS;
  }
  #isItsFault(peer, askedAt) {
    const others = [...this.#peers.values()].filter((other) => other !== peer);
    return others.length === 0 || others.some((other) => other.answeredAt >= askedAt);
  }
  #count(peer, overdue) {
    const latest2 = [...peer.outcomes, overdue].slice(-OUTCOMES);
    peer.outcomes = latest2.slice(latest2.indexOf(true) < 0 ? OUTCOMES : latest2.indexOf(true));
    peer.outcomeAt = this.#in.now;
    this.#judge(peer);
  }
  #judge(peer) {
    const overdue = peer.outcomes.filter((each) => each).length;
    const slow = peer.slow ? overdue > OVERDUE_PROMPT : overdue >= OVERDUE_SLOW;
    if (slow === peer.slow) return;
    peer.slow = slow;
    this.#in.note({ what: slow ? "peer-slow" : "peer-prompt", peer: peer.node });
  }
  #peer(node) {
    let peer = this.#peers.get(node);
    if (peer === void 0) {
      const never = Number.NEGATIVE_INFINITY;
      peer = { node, outstanding: /* @__PURE__ */ new Map(), outcomes: [], outcomeAt: never, answeredAt: never, slow: false };
      this.#peers.set(node, peer);
    }
    return peer;
  }
};
function shareOf(message) {
  switch (message.kind) {
    case "replica-get":
      return 1;
    case "replica-put":
      return message.purpose === "write" ? 1 : void 0;
    case "coordinate-get":
    case "coordinate-put":
      return COORDINATOR_SHARE;
    default:
      return void 0;
  }
}
function isReply({ kind }) {
  return kind === "replica-get-reply" || kind === "replica-put-reply" || kind === "coordinate-reply";
}

// src/core/survey.ts
var SURVEYS_MAX = 8;
var Survey = class {
  #in;
  #do;
  /** By the request id under which members were asked. */
  #surveys = /* @__PURE__ */ new Map();
  constructor(surroundings, actions) {
    this.#in = surroundings;
    this.#do = actions;
  }
  get size() {
    return this.#surveys.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return this.#surveys;
  }
  start(request, timeoutMs) {
    const { self, ring, now } = this.#in;
    const own = this.#in.nextRequest();
    const survey = { request, answers: /* @__PURE__ */ new Map(), waiting: /* @__PURE__ */ new Set(), silent: /* @__PURE__ */ new Set() };
    const full = this.#surveys.size >= SURVEYS_MAX;
    for (const member of ring?.view.members ?? []) {
      const { node } = member;
      if (node === self || isGone(member)) continue;
      const asked = !full && this.#in.send(node, { kind: "statistics-request", request: own }, "background");
      (asked ? survey.waiting : survey.silent).add(node);
    }
    this.#surveys.set(own, survey);
    this.#in.timers.set(`survey-timeout:${own}`, now + timeoutMs);
    this.#judge(own, survey);
  }
  onReply(from, { request, statistics }) {
    const survey = this.#surveys.get(request);
    if (survey?.waiting.delete(from) !== true) return;
    survey.answers.set(from, statistics);
    this.#judge(request, survey);
  }
  onPeerDown(peer) {
    for (const [own, survey] of this.#surveys) {
      if (!survey.waiting.delete(peer)) continue;
      survey.silent.add(peer);
      this.#judge(own, survey);
    }
  }
  onTimeout(own) {
    const survey = this.#surveys.get(own);
    if (survey === void 0) return;
    for (const node of survey.waiting) survey.silent.add(node);
    survey.waiting.clear();
    this.#judge(own, survey);
  }
  /** The caller is no longer interested. */
  onAbandoned(request) {
    for (const [own, survey] of this.#surveys) if (survey.request === request) this.#end(own);
  }
  #judge(own, { request, answers, waiting, silent }) {
    if (waiting.size > 0) return;
    this.#end(own);
    const all = new Map(answers).set(this.#in.self, this.#do.own());
    this.#in.emit({
      kind: "report-statistics",
      request,
      members: [...all].map(([node, statistics]) => ({ node, statistics })).sort((a, b) => a.node < b.node ? -1 : 1),
      silent: [...silent].sort()
    });
  }
  #end(own) {
    this.#surveys.delete(own);
    this.#in.timers.clear(`survey-timeout:${own}`);
  }
};

// src/core/timers.ts
function before(a, b) {
  return a.at < b.at || a.at === b.at && a.order < b.order;
}
var TimerTable = class {
  #heap = [];
  #current = /* @__PURE__ */ new Map();
  #order = 0;
  get size() {
    return this.#current.size;
  }
  /** Everything that is set, in the order in which it expires, as plain data: equal states have equal ones, and only they. */
  get memory() {
    const live = [...this.#current.values()].sort((a, b) => before(a, b) ? -1 : 1);
    return live.map(({ name, at: at2 }) => ({ name, at: at2 }));
  }
  set(name, at2) {
    const entry = { at: at2, order: this.#order++, name };
    this.#current.set(name, entry);
    this.#push(entry);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#compact();
  }
  clear(name) {
    this.#current.delete(name);
  }
  has(name) {
    return this.#current.has(name);
  }
  /** The next deadline; undefined when none is set. */
  earliest() {
    let top = this.#heap[0];
    while (top !== void 0 && this.#current.get(top.name) !== top) {
      this.#pop();
      top = this.#heap[0];
    }
    return top?.at;
  }
  /** Takes out one timer that is due by `now`; undefined when none is. */
  expire(now) {
    const at2 = this.earliest();
    if (at2 === void 0 || at2 > now) return void 0;
    const { name } = this.#heap[0];
    this.#pop();
    this.#current.delete(name);
    return name;
  }
  #compact() {
    const live = [...this.#current.values()];
    this.#heap.length = 0;
    for (const entry of live) this.#push(entry);
  }
  #push(entry) {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = i - 1 >> 1;
      if (!before(entry, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
  }
  #pop() {
    const heap = this.#heap;
    const last = heap.pop();
    if (heap.length === 0) return;
    let i = 0;
    for (; ; ) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
};

// src/core/transfer.ts
var ANNOUNCE_MS = 100;
var Transfer = class {
  #in;
  #forest;
  #do;
  #copies = /* @__PURE__ */ new Map();
  #bySent = /* @__PURE__ */ new Map();
  /** Copied; told to the node, or about to be; until its entry says that it holds them. */
  #ready = /* @__PURE__ */ new Map();
  constructor(surroundings, forest, actions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }
  /** Partitions that are being copied, from whom, and how many records have come. */
  get progress() {
    return [...this.#copies.values()].map(({ partition, source, records }) => ({ partition, source, records }));
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { copies: this.#copies, ready: this.#ready };
  }
  /** Partitions that this node owns and does not hold. */
  owed() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    if (ring === void 0 || own === void 0) return [];
    const owed = [];
    for (let p = 0; p < ring.view.claims.length; p++) if (!holds(own, p) && ring.owns(self, p)) owed.push(p);
    return owed;
  }
  /** The ring changed: what is not owed any more is given up, what is newly owed begins. */
  onRing() {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    if (ring === void 0 || own === void 0) return;
    for (const partition of [...this.#copies.keys()]) if (!ring.owns(self, partition)) this.#end(partition);
    for (const partition of [...this.#ready.keys()])
      if (!ring.owns(self, partition) || holds(own, partition)) this.#ready.delete(partition);
    for (const copy of this.#copies.values()) {
      copy.tried.clear();
      if (copy.source !== void 0 && !this.#sources(copy.partition).includes(copy.source)) this.#failed(copy);
      if (copy.state === "idle") this.#ask(copy);
    }
    this.#begin();
  }
  onTimer() {
    const { now, config } = this.#in;
    for (const copy of this.#copies.values()) {
      if (copy.state === "reading" && now - copy.askedAt >= config.transferTimeoutMs) this.#failed(copy);
      if (copy.state !== "idle") continue;
      if (this.#sources(copy.partition).every((node) => copy.tried.has(node))) copy.tried.clear();
      this.#ask(copy);
    }
    this.#begin();
  }
  onPeerDown(peer) {
    for (const copy of this.#copies.values()) {
      if (copy.source !== peer || copy.state !== "reading") continue;
      this.#failed(copy);
      this.#ask(copy);
    }
  }
  onPeerUp(peer) {
    for (const copy of this.#copies.values()) {
      copy.tried.delete(peer);
      if (copy.state === "idle") this.#ask(copy);
    }
  }
  /** A slice of background work is there for a page. */
  onSlice() {
    for (const copy of this.#copies.values()) {
      if (copy.state !== "waiting" || this.#askPage(copy, copy.next ?? "")) continue;
      this.#failed(copy);
      this.#ask(copy);
    }
  }
  onPage(from, page) {
    const copy = this.#bySent.get(page.request);
    if (copy?.source !== from || copy.state !== "reading" || copy.partition !== page.partition) return;
    if (page.outcome === "refused") {
      this.#failed(copy);
      this.#ask(copy);
      return;
    }
    copy.state = "merging";
    copy.pending = page.records.length;
    copy.next = page.next;
    copy.records += page.records.length;
    for (const { key, set } of page.records) this.#do.merge(key, set, page.request);
    if (copy.pending === 0) this.#pageDone(copy);
  }
  onCompletion(completion) {
    const { origin } = completion;
    const copy = origin.kind === "transfer" ? this.#bySent.get(origin.request) : void 0;
    if (copy?.state !== "merging") return;
    if (completion.kind === "refused") this.#failed(copy);
    else if (completion.kind === "stored" && --copy.pending === 0) this.#pageDone(copy);
  }
  /** What the source had is here, or not. */
  onExchanged(peer, partition, settled, records) {
    const copy = this.#copies.get(partition);
    if (copy?.source !== peer || copy.state !== "comparing") return;
    copy.records += records;
    if (settled) this.#copied(copy);
    else {
      this.#failed(copy);
      this.#ask(copy);
    }
  }
  /** Announces what is ready. */
  onAnnounceTimer() {
    const partitions = [...this.#ready].flatMap(([partition, state]) => state === "ready" ? [partition] : []);
    if (partitions.length === 0) return;
    for (const partition of partitions) this.#ready.set(partition, "told");
    this.#do.held(partitions.sort((a, b) => a - b));
  }
  #begin() {
    for (const partition of this.owed()) {
      if (this.#copies.size >= this.#in.config.transfersInFlightMax) break;
      if (this.#copies.has(partition) || this.#ready.has(partition)) continue;
      const copy = {
        partition,
        tried: /* @__PURE__ */ new Set(),
        source: void 0,
        state: "idle",
        request: void 0,
        askedAt: 0,
        pending: 0,
        next: void 0,
        records: 0
      };
      this.#copies.set(partition, copy);
      this.#ask(copy);
    }
    if (this.#copies.size > 0 && !this.#in.timers.has("transfer"))
      this.#in.timers.set("transfer", this.#in.now + this.#in.config.transferTimeoutMs / 2);
  }
  /** Those who count; a newcomer begins with a different one for each partition. */
  #sources(partition) {
    const { ring, self } = this.#in;
    const nodes = (ring?.preferenceList(partition).counted ?? []).filter((node) => node !== self);
    const first = nodes.length === 0 ? 0 : partition % nodes.length;
    return [...nodes.slice(first), ...nodes.slice(0, first)];
  }
  /** Begins with the next source that answers. */
  #ask(copy) {
    const { partition, tried } = copy;
    const sources = this.#sources(partition);
    for (const source of sources) {
      if (tried.has(source) || !this.#in.reachable(source)) continue;
      tried.add(source);
      copy.source = source;
      if (this.#forest.root(partition) === 0) {
        if (this.#askPage(copy, "")) return;
      } else {
        copy.state = "comparing";
        if (this.#do.exchange(source, partition)) return;
        copy.state = "idle";
      }
    }
    copy.source = void 0;
  }
  #askPage(copy, after) {
    const { partition, source } = copy;
    if (source === void 0 || !this.#in.reachable(source)) return false;
    if (!this.#in.mayWork("transfer")) {
      copy.state = "waiting";
      copy.next = after;
      return true;
    }
    const request = this.#in.nextRequest();
    const bytesMax = this.#in.config.transferPageBytesMax;
    const asked = { kind: "transfer-request", request, partition, after, bytesMax };
    if (!this.#in.send(source, asked, "background")) return false;
    copy.request = request;
    copy.askedAt = this.#in.now;
    copy.state = "reading";
    this.#bySent.set(request, copy);
    return true;
  }
  #pageDone(copy) {
    const { next } = copy;
    this.#forget(copy);
    if (next === void 0) this.#copied(copy);
    else if (!this.#askPage(copy, next)) this.#failed(copy);
  }
  #copied({ partition }) {
    this.#end(partition);
    this.#ready.set(partition, "ready");
    this.#begin();
    this.#in.timers.set("announce", this.#in.now + (this.#copies.size === 0 ? 0 : ANNOUNCE_MS));
  }
  #failed(copy) {
    this.#forget(copy);
    copy.state = "idle";
    copy.source = void 0;
  }
  #forget(copy) {
    if (copy.request !== void 0) this.#bySent.delete(copy.request);
    copy.request = void 0;
  }
  #end(partition) {
    const copy = this.#copies.get(partition);
    if (copy !== void 0) this.#forget(copy);
    this.#copies.delete(partition);
  }
};

// src/core/transfer-source.ts
var PAGES_MAX = 64;
var RECORDS_PER_PAGE_MAX = 256;
var TransferSource = class {
  #in;
  #scans = /* @__PURE__ */ new Map();
  /** Asked for, and there was no slice yet. */
  #waiting = [];
  constructor(surroundings) {
    this.#in = surroundings;
  }
  get size() {
    return this.#scans.size + this.#waiting.length;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { scans: this.#scans, waiting: this.#waiting };
  }
  onRequest(from, asked) {
    this.#begin({ to: from, epoch: this.#in.epochOf(from), asked, askedAt: this.#in.now });
  }
  /** A slice of background work is there for a page. Whoever asked too long ago has asked another one by now. */
  onSlice() {
    const { now, config } = this.#in;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const scan of waiting)
      if (scan.epoch === this.#in.epochOf(scan.to) && now - scan.askedAt < config.transferTimeoutMs) this.#begin(scan);
  }
  #begin(scan) {
    const { ring, self, config } = this.#in;
    const { to, asked } = scan;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    const partitions = ring?.view.claims.length ?? 0;
    const willing = ring !== void 0 && own !== void 0 && asked.partition < partitions && holds(own, asked.partition) && ring.owns(to, asked.partition) && this.size < PAGES_MAX;
    if (!willing) {
      this.#reply(scan, "refused", [], void 0);
      return;
    }
    if (!this.#in.mayWork("pages")) {
      this.#waiting.push(scan);
      return;
    }
    const range = partitionRange(asked.partition, partitions);
    const ticket = this.#in.nextTicket();
    this.#scans.set(ticket, scan);
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: asked.after > range.after ? asked.after : range.after,
      before: range.before,
      countMax: RECORDS_PER_PAGE_MAX,
      bytesMax: Math.min(asked.bytesMax, config.transferPageBytesMax)
    });
  }
  /** True when the scan was one of this mechanism's. */
  onScanned(ticket, entries, done) {
    const scan = this.#scans.get(ticket);
    if (scan === void 0) return false;
    this.#scans.delete(ticket);
    const records = entries.flatMap(
      ({ address, record }) => typeof record === "string" ? [] : [{ key: keyOfRecord(address), set: record.set }]
    );
    if (entries.some(({ record }) => record === "failed")) this.#reply(scan, "refused", [], void 0);
    else this.#reply(scan, "page", records, done ? void 0 : entries.at(-1)?.address);
    return true;
  }
  onFailed(ticket) {
    const scan = this.#scans.get(ticket);
    if (scan === void 0) return false;
    this.#scans.delete(ticket);
    this.#reply(scan, "refused", [], void 0);
    return true;
  }
  #reply({ to, epoch, asked }, outcome, records, next) {
    const { request, partition } = asked;
    this.#in.send(to, { kind: "transfer-page", request, partition, outcome, records, next }, "background", epoch);
  }
};

// src/core/tree-exchange.ts
var EXCHANGES_MAX = 32;
var NODES_PER_QUESTION = 256;
var LISTINGS_MAX = 4;
var PUSHES_MAX = 16;
var PAUSE_MS = 250;
var REFUSALS_MAX = 16;
var KEYS_PER_FETCH = 64;
var SLICES_PER_RECORD = 0.25;
var RECORDS_PER_SCAN = 256;
var BYTES_PER_SCAN = 1048576;
var TreeExchange = class {
  #in;
  #forest;
  #do;
  #exchanges = /* @__PURE__ */ new Map();
  /** Which exchange a question, a listing, a fetch or a record that was sent belongs to. */
  #byRequest = /* @__PURE__ */ new Map();
  #byScan = /* @__PURE__ */ new Map();
  #sessions = 0;
  constructor(surroundings, forest, actions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }
  /** Exchanges under way. */
  get size() {
    return this.#exchanges.size;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { exchanges: [...this.#exchanges.values()], sessions: this.#sessions };
  }
  /** Begins an exchange of `partitions` with a peer that answers; `actions.ended` tells how it went. False when there are too many already. */
  start(peer, partitions, direction, purpose) {
    if (this.#exchanges.size >= EXCHANGES_MAX) return false;
    const exchange = {
      session: ++this.#sessions,
      peer,
      direction,
      purpose,
      partitions,
      puts: purpose.kind === "anti-entropy" ? "repair" : "transfer",
      open: [],
      question: void 0,
      leaves: [],
      listings: /* @__PURE__ */ new Map(),
      wanted: [],
      fetch: void 0,
      merging: /* @__PURE__ */ new Map(),
      toSend: /* @__PURE__ */ new Map(),
      reading: /* @__PURE__ */ new Map(),
      sent: /* @__PURE__ */ new Map(),
      refusals: 0,
      pausedUntil: 0,
      unreadable: false,
      differing: 0,
      lastAnswerAt: this.#in.now,
      waits: false
    };
    this.#exchanges.set(exchange.session, exchange);
    this.#open(
      exchange,
      0,
      partitions.filter((partition) => direction !== "push" || this.#forest.root(partition) !== 0)
    );
    this.#advance(exchange);
    this.#arm();
    return true;
  }
  /** A slice of background work is there: to whoever has waited longest. */
  onSlice() {
    for (const exchange of [...this.#exchanges.values()]) {
      if (!exchange.waits) continue;
      exchange.waits = false;
      if (!isAsking(exchange)) exchange.lastAnswerAt = this.#in.now;
      this.#exchanges.delete(exchange.session);
      this.#exchanges.set(exchange.session, exchange);
      this.#advance(exchange);
    }
  }
  onTimer() {
    for (const exchange of [...this.#exchanges.values()]) {
      if (exchange.waits && !isAsking(exchange)) continue;
      if (exchange.toSend.size > 0) this.#advance(exchange);
      const silent = this.#in.now - exchange.lastAnswerAt >= this.#in.config.transferTimeoutMs;
      if (silent && exchange.merging.size === 0 && exchange.reading.size === 0) this.#end(exchange, "failed");
    }
    this.#arm();
  }
  onPeerDown(peer) {
    for (const exchange of [...this.#exchanges.values()]) if (exchange.peer === peer) this.#end(exchange, "failed");
  }
  onTreeReply(from, { request, level, refused, differing }) {
    const exchange = this.#answered(from, request);
    if (exchange?.question?.request !== request || exchange.question.level !== level) return;
    exchange.question = void 0;
    if (refused.length > 0) {
      this.#end(exchange, "failed");
      return;
    }
    const below = [];
    for (const { index, children } of differing)
      children.forEach((digest, i) => {
        const child = index * FANOUT + i;
        const own = this.#forest.digest(level + 1, child);
        const idle2 = exchange.direction === "pull" && digest === 0 || exchange.direction === "push" && own === 0;
        if (digest !== own && !idle2) below.push(child);
      });
    if (level + 1 < DEPTH) this.#open(exchange, level + 1, below);
    else exchange.leaves.push(...below);
    this.#advance(exchange);
  }
  onLeafReply(from, { request, outcome, records, next }) {
    const exchange = this.#answered(from, request);
    if (exchange === void 0) return;
    const listing = [...exchange.listings.values()].find((one) => one.request === request);
    if (listing === void 0) return;
    listing.request = void 0;
    if (outcome === "refused") {
      this.#end(exchange, "failed");
      return;
    }
    for (const { key, digest } of records) listing.theirs.set(key, digest);
    if (next !== void 0 && !this.#askLeaf(exchange, listing, next)) this.#end(exchange, "failed");
    else this.#listed(exchange, listing);
  }
  onFetchReply(from, { request, records, answered }) {
    const exchange = this.#answered(from, request);
    const { fetch } = exchange ?? {};
    if (exchange === void 0 || fetch?.request !== request) return;
    exchange.fetch = void 0;
    const asked = fetch.keys.slice(0, answered);
    const found = new Map(records.map(({ key, set }) => [key, set]));
    exchange.wanted.push(...fetch.keys.slice(asked.length));
    if (asked.length === 0 || asked.some((key) => !found.has(key))) {
      this.#end(exchange, "failed");
      return;
    }
    for (const key of asked) exchange.merging.set(key, found.get(key));
    for (const key of asked) this.#do.merge(key, found.get(key), exchange.puts, exchange.session);
    this.#advance(exchange);
  }
  /** The answer to a record that was sent. */
  onReply(from, request, outcome) {
    const exchange = this.#answered(from, request);
    const sent = exchange?.sent.get(request);
    if (exchange === void 0 || sent === void 0) return;
    exchange.sent.delete(request);
    if (outcome === "stored") exchange.refusals = 0;
    else if (++exchange.refusals > REFUSALS_MAX) {
      this.#end(exchange, "failed");
      return;
    } else {
      exchange.toSend.set(sent.key, sent.theirs);
      exchange.pausedUntil = this.#in.now + PAUSE_MS;
      this.#in.timers.set("exchange", exchange.pausedUntil);
    }
    this.#advance(exchange);
  }
  onCompletion(completion) {
    const { origin } = completion;
    const exchange = origin.kind === "exchange" ? this.#exchanges.get(origin.session) : void 0;
    if (exchange === void 0) return;
    const { key } = completion;
    switch (completion.kind) {
      case "read":
        this.#read(exchange, key, completion.outcome, completion.set);
        break;
      case "stored": {
        const theirs = exchange.merging.get(key);
        if (theirs === void 0) return;
        exchange.merging.delete(key);
        if (exchange.direction !== "pull") exchange.toSend.set(key, theirs);
        exchange.lastAnswerAt = this.#in.now;
        this.#advance(exchange);
        break;
      }
      case "refused":
        this.#end(exchange, "failed");
        break;
      case "minted":
        break;
    }
  }
  /** True when the scan was one of this mechanism's. */
  onScanned(ticket, entries, done) {
    const found = this.#byScan.get(ticket);
    if (found === void 0) return false;
    this.#byScan.delete(ticket);
    const { exchange, listing } = found;
    listing.scan = void 0;
    const records = listedRecords(entries);
    if (records === void 0) {
      this.#end(exchange, "failed");
      return true;
    }
    for (const { key, digest } of records) listing.mine.set(key, digest);
    const last = entries.at(-1);
    if (!done && last !== void 0) this.#scan(exchange, listing, last.address);
    else {
      if (listing.pages === 1) judgeLeaf(this.#forest, listing.leaf, records, listing.observation, this.#do);
      this.#forest.close(listing.observation);
    }
    this.#listed(exchange, listing);
    return true;
  }
  onFailed(ticket) {
    const found = this.#byScan.get(ticket);
    if (found === void 0) return false;
    this.#end(found.exchange, "failed");
    return true;
  }
  /** An exchange that the peer's answer belongs to. */
  #answered(from, request) {
    const exchange = this.#byRequest.get(request);
    if (exchange?.peer !== from) return void 0;
    this.#byRequest.delete(request);
    exchange.lastAnswerAt = this.#in.now;
    return exchange;
  }
  #open(exchange, level, indexes) {
    const sorted2 = [...indexes].sort((a, b) => a - b);
    for (let i = 0; i < sorted2.length; i += NODES_PER_QUESTION)
      exchange.open.push({ level, indexes: sorted2.slice(i, i + NODES_PER_QUESTION) });
  }
  /** Does whatever can be done now, deepest first. */
  #advance(exchange) {
    if (this.#exchanges.get(exchange.session) !== exchange) return;
    const going = this.#sendRecords(exchange) && this.#fetchRecords(exchange) && this.#listLeaves(exchange) && this.#askDigests(exchange);
    if (!going) {
      this.#end(exchange, "failed");
      return;
    }
    const { open, question, leaves, listings, wanted, fetch, merging, toSend, reading, sent } = exchange;
    const idle2 = open.length === 0 && question === void 0 && leaves.length === 0 && listings.size === 0 && wanted.length === 0 && fetch === void 0 && merging.size === 0 && toSend.size === 0 && reading.size === 0 && sent.size === 0;
    if (idle2) this.#end(exchange, exchange.unreadable ? "failed" : "settled");
  }
  /** Each of these is false when the peer cannot be reached any more. */
  #askDigests(exchange) {
    const full = exchange.leaves.length > 0 || exchange.wanted.length > 0 || exchange.toSend.size > 0;
    if (exchange.question !== void 0 || full) return true;
    if (exchange.open.length === 0 || !this.#mayWork(exchange)) return true;
    const next = exchange.open.pop();
    const { level, indexes } = next;
    const request = this.#in.nextRequest();
    const nodes = indexes.map((index) => ({ index, digest: this.#forest.digest(level, index) }));
    exchange.question = { request, level };
    return this.#ask(exchange, request, { kind: "tree-request", request, level, nodes });
  }
  #listLeaves(exchange) {
    const full = () => exchange.listings.size >= LISTINGS_MAX || exchange.wanted.length > 0 || exchange.toSend.size > 0;
    while (!full()) {
      if (exchange.leaves.length === 0 || !this.#mayWork(exchange)) break;
      const leaf = exchange.leaves.pop();
      const listing = {
        leaf,
        observation: this.#forest.observe(),
        mine: /* @__PURE__ */ new Map(),
        theirs: /* @__PURE__ */ new Map(),
        scan: void 0,
        pages: 0,
        request: void 0
      };
      exchange.listings.set(leaf, listing);
      this.#scan(exchange, listing, "");
      if (!this.#askLeaf(exchange, listing, "")) return false;
    }
    return true;
  }
  #askLeaf(exchange, listing, after) {
    const request = this.#in.nextRequest();
    listing.request = request;
    return this.#ask(exchange, request, { kind: "leaf-request", request, leaf: listing.leaf, after });
  }
  #scan(exchange, listing, from) {
    const partitions = this.#in.ring?.view.claims.length ?? 1;
    const { after, before: before2 } = partitionRange(listing.leaf, partitions * LEAVES_PER_PARTITION);
    const ticket = this.#in.nextTicket();
    listing.scan = ticket;
    listing.pages++;
    this.#byScan.set(ticket, { exchange, listing });
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: from === "" ? after : from,
      before: before2,
      countMax: RECORDS_PER_SCAN,
      bytesMax: BYTES_PER_SCAN
    });
  }
  /** When both sides have told all of a leaf: what differs? */
  #listed(exchange, listing) {
    if (listing.scan !== void 0 || listing.request !== void 0) {
      this.#advance(exchange);
      return;
    }
    exchange.listings.delete(listing.leaf);
    const { mine, theirs } = listing;
    for (const key of /* @__PURE__ */ new Set([...mine.keys(), ...theirs.keys()])) {
      const here = mine.get(key) ?? 0;
      const there = theirs.get(key) ?? 0;
      if (here === there && here !== 0) continue;
      exchange.differing++;
      if (there !== 0 && exchange.direction !== "push") exchange.wanted.push(key);
      else if (here !== 0 && exchange.direction !== "pull") exchange.toSend.set(key, EMPTY);
    }
    this.#advance(exchange);
  }
  #fetchRecords(exchange) {
    if (exchange.fetch !== void 0 || exchange.wanted.length === 0 || exchange.merging.size > 0) return true;
    if (!this.#mayWork(exchange)) return true;
    const request = this.#in.nextRequest();
    const keys = exchange.wanted.splice(0, KEYS_PER_FETCH);
    exchange.fetch = { request, keys };
    return this.#ask(exchange, request, { kind: "fetch-request", request, keys });
  }
  #sendRecords(exchange) {
    if (this.#in.now < exchange.pausedUntil) return true;
    const atOnce = exchange.refusals > 0 ? 1 : PUSHES_MAX;
    for (const [key, theirs] of [...exchange.toSend]) {
      if (exchange.reading.size + exchange.sent.size >= atOnce || !this.#mayWork(exchange, SLICES_PER_RECORD)) break;
      exchange.toSend.delete(key);
      exchange.reading.set(key, theirs);
      this.#do.readRecord(key, exchange.session);
    }
    return true;
  }
  #read(exchange, key, outcome, set) {
    const theirs = exchange.reading.get(key);
    const { ring } = this.#in;
    if (theirs === void 0) return;
    exchange.reading.delete(key);
    if (outcome === "failed") exchange.unreadable = true;
    if (outcome === "found" && ring !== void 0 && !equal(set, theirs)) {
      const request = this.#in.nextRequest();
      const ttlMs = this.#in.config.transferTimeoutMs;
      const { puts: purpose } = exchange;
      const message = { request, ring: ring.digest, ttlMs, purpose, key, set, hintFor: void 0 };
      exchange.sent.set(request, { key, theirs });
      if (!this.#ask(exchange, request, { kind: "replica-put", ...message })) {
        this.#end(exchange, "failed");
        return;
      }
    }
    this.#advance(exchange);
  }
  #mayWork(exchange, slices) {
    if (this.#in.mayWork("exchange", slices)) return true;
    exchange.waits = true;
    return false;
  }
  #ask(exchange, request, message) {
    if (!this.#in.send(exchange.peer, message, "background")) return false;
    this.#byRequest.set(request, exchange);
    return true;
  }
  #end(exchange, outcome) {
    if (this.#exchanges.get(exchange.session) !== exchange) return;
    this.#forget(exchange);
    const { peer, purpose, partitions, differing } = exchange;
    if (differing > 0) this.#in.note({ what: "exchanged", peer, records: differing });
    this.#do.ended({ peer, purpose, partitions, outcome, differing });
  }
  #forget(exchange) {
    this.#exchanges.delete(exchange.session);
    for (const [request, other] of this.#byRequest) if (other === exchange) this.#byRequest.delete(request);
    for (const [ticket, { exchange: other }] of this.#byScan) if (other === exchange) this.#byScan.delete(ticket);
    for (const listing of exchange.listings.values()) this.#forest.close(listing.observation);
  }
  #arm() {
    if (this.#exchanges.size > 0 && !this.#in.timers.has("exchange"))
      this.#in.timers.set("exchange", this.#in.now + this.#in.config.transferTimeoutMs / 2);
  }
};
function isAsking({ question, fetch, listings, sent, merging, reading }) {
  const owed = question !== void 0 || fetch !== void 0 || sent.size > 0 || merging.size > 0 || reading.size > 0;
  return owed || [...listings.values()].some(({ scan, request }) => scan !== void 0 || request !== void 0);
}

// src/core/tree-source.ts
var SCANS_MAX = 64;
var FETCHES_MAX = 64;
var WAITING_MAX = 64;
var LISTED_MAX = 256;
var LISTED_BYTES_MAX = 1048576;
var FETCHED_MAX = 64;
var TreeSource = class {
  #in;
  #forest;
  #do;
  #listings = /* @__PURE__ */ new Map();
  #fetches = /* @__PURE__ */ new Map();
  #waiting = [];
  constructor(surroundings, forest, actions) {
    this.#in = surroundings;
    this.#forest = forest;
    this.#do = actions;
  }
  get size() {
    return this.#listings.size + this.#fetches.size + this.#waiting.length;
  }
  /** Everything that it remembers, as plain data: equal states have equal ones, and only they. */
  get memory() {
    return { listings: this.#listings, fetches: this.#fetches, waiting: this.#waiting };
  }
  onTreeRequest(from, { request, level, nodes }) {
    const refused = /* @__PURE__ */ new Set();
    const differing = [];
    for (const { index, digest } of nodes) {
      const partition = Math.floor(index / FANOUT ** level);
      if (!this.#answersFor(partition, from)) refused.add(partition);
      else if (this.#forest.digest(level, index) !== digest || !this.#forest.isSettled(level, index))
        differing.push({ index, children: this.#forest.children(level, index) });
    }
    const reply = {
      kind: "tree-reply",
      request,
      level,
      refused: [...refused].sort((a, b) => a - b),
      differing
    };
    this.#in.send(from, reply, "background");
  }
  /** A slice of background work is there. Fetches go first: what was listed is of no use until it is fetched. */
  onSlice() {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const kind of ["fetch-request", "leaf-request"])
      for (const { to, epoch, asked } of waiting) {
        if (asked.kind !== kind || epoch !== this.#in.epochOf(to)) continue;
        if (asked.kind === "leaf-request") this.onLeafRequest(to, asked);
        else this.onFetchRequest(to, asked);
      }
  }
  onLeafRequest(from, asked) {
    const partitions = this.#in.ring?.view.claims.length ?? 0;
    const full = this.#listings.size >= SCANS_MAX || this.#waiting.length >= WAITING_MAX;
    if (!this.#answersFor(partitionOfLeaf(asked.leaf), from) || full) {
      this.#refuse(from, asked, this.#in.epochOf(from));
      return;
    }
    if (!this.#in.mayWork("listings")) {
      this.#waiting.push({ to: from, epoch: this.#in.epochOf(from), asked });
      return;
    }
    const { after, before: before2 } = partitionRange(asked.leaf, partitions * LEAVES_PER_PARTITION);
    const ticket = this.#in.nextTicket();
    this.#listings.set(ticket, { to: from, epoch: this.#in.epochOf(from), asked, observation: this.#forest.observe() });
    this.#in.emit({
      kind: "scan",
      ticket,
      store: "records",
      after: asked.after > after ? asked.after : after,
      before: before2,
      countMax: LISTED_MAX,
      bytesMax: LISTED_BYTES_MAX
    });
  }
  /** True when the scan was one of this mechanism's. */
  onScanned(ticket, entries, done) {
    const listing = this.#listings.get(ticket);
    if (listing === void 0) return false;
    const { to, epoch, asked, observation } = listing;
    const records = listedRecords(entries);
    if (records !== void 0 && done && asked.after === "")
      judgeLeaf(this.#forest, asked.leaf, records, observation, this.#do);
    this.#take(ticket);
    if (records === void 0) {
      this.#refuse(to, asked, epoch);
      return true;
    }
    const next = done ? void 0 : entries.at(-1)?.address;
    const reply = { kind: "leaf-reply", request: asked.request, outcome: "listed", records, next };
    this.#in.send(to, reply, "background", epoch);
    return true;
  }
  onFailed(ticket) {
    const listing = this.#take(ticket);
    if (listing === void 0) return false;
    this.#refuse(listing.to, listing.asked, listing.epoch);
    return true;
  }
  onFetchRequest(from, asked) {
    const partitions = this.#in.ring?.view.claims.length ?? 0;
    if (this.#fetches.size >= FETCHES_MAX || this.#waiting.length >= WAITING_MAX || partitions === 0) return;
    const keys = [...new Set(asked.keys.slice(0, FETCHED_MAX))];
    if (!keys.every((key) => this.#answersFor(partitionOf(positionOf(key), partitions), from))) return;
    if (!this.#in.mayWork("listings")) {
      this.#waiting.push({ to: from, epoch: this.#in.epochOf(from), asked });
      return;
    }
    const ticket = this.#in.nextTicket();
    const fetch = { to: from, epoch: this.#in.epochOf(from), asked, keys, found: /* @__PURE__ */ new Map() };
    this.#fetches.set(ticket, fetch);
    for (const key of keys) this.#do.readRecord(key, ticket);
    this.#answer(ticket, fetch);
  }
  onCompletion(completion) {
    const { origin } = completion;
    if (origin.kind !== "fetch" || completion.kind !== "read") return;
    const fetch = this.#fetches.get(origin.ticket);
    if (fetch === void 0) return;
    fetch.found.set(origin.key, completion.outcome === "found" ? completion.set : void 0);
    this.#answer(origin.ticket, fetch);
  }
  #answersFor(partition, asker) {
    const { ring, self } = this.#in;
    const own = ring === void 0 ? void 0 : memberOf(ring.view, self);
    if (ring === void 0 || own === void 0 || partition >= ring.view.claims.length) return false;
    return holds(own, partition) && memberOf(ring.view, asker) !== void 0;
  }
  #answer(ticket, { to, epoch, asked, keys, found }) {
    if (found.size < keys.length) return;
    this.#fetches.delete(ticket);
    const records = [];
    let bytes = 0;
    let answered = 0;
    for (const key of keys) {
      const set = found.get(key);
      if (set !== void 0) {
        const size = set.siblings.reduce((sum, sibling) => sum + (sibling.value?.length ?? 0), 64);
        if (records.length > 0 && bytes + size > this.#in.config.transferPageBytesMax) break;
        bytes += size;
        records.push({ key, set });
      }
      answered++;
    }
    this.#in.send(to, { kind: "fetch-reply", request: asked.request, records, answered }, "background", epoch);
  }
  #take(ticket) {
    const listing = this.#listings.get(ticket);
    if (listing === void 0) return void 0;
    this.#listings.delete(ticket);
    this.#forest.close(listing.observation);
    return listing;
  }
  #refuse(to, { request }, epoch) {
    const reply = { kind: "leaf-reply", request, outcome: "refused", records: [], next: void 0 };
    this.#in.send(to, reply, "background", epoch);
  }
};

// src/core/node.ts
var REQUESTS_FROM = 2 ** 32;
var GREET_AGAIN_MS = 250;
var DynamoNode = class {
  #id;
  #config;
  #seeds;
  #random;
  #timers = new TimerTable();
  #hints = new HintIndex();
  #forest = new MerkleForest();
  #hedging;
  #belonging;
  #replica;
  #puts;
  #gets;
  #forwarding;
  #handoff;
  #gossip;
  #detector;
  #transfer;
  #source;
  #opening;
  #handOver;
  #departure;
  #sizes;
  #exchange;
  #treeSource;
  #antiEntropy;
  #scrub;
  #bookkeeping;
  #survey;
  #limits;
  #admission;
  #slowPeers;
  #callers = /* @__PURE__ */ new Map();
  #greetedAt = /* @__PURE__ */ new Map();
  #now = 0;
  #phase = "starting";
  #effects = [];
  #completions = [];
  #requests = 0;
  #tickets = 0;
  #ringChanged = false;
  constructor(options) {
    this.#id = options.id;
    this.#config = options.config;
    this.#seeds = options.seeds;
    this.#random = new Prng(options.seed);
    if (options.meta !== void 0) this.#requests = this.#random.below(REQUESTS_FROM);
    this.#hedging = new Hedging(options.config.hedges);
    const surroundings = this.#surroundings();
    this.#bookkeeping = new Bookkeeping(surroundings);
    this.#limits = new PeerLimits(surroundings);
    this.#admission = new Admission(surroundings, { resume: (work) => this.#resume(work) });
    this.#survey = new Survey(surroundings, { own: () => this.#bookkeeping.snapshot() });
    this.#belonging = new Belonging(surroundings, options.meta, {
      changed: () => this.#ringChanged = true,
      countedOut: (partitions) => this.#handOver.onCountedOut(partitions),
      bucketSet: (request, refusal) => this.#effects.push({ kind: "bucket-set", request, refusal })
    });
    this.#replica = new Replica(surroundings, this.#hints, this.#forest);
    const answer = (request, result) => this.#answer(request, result);
    this.#puts = new PutCoordinator(surroundings, this.#hedging, {
      mint: (key, write2, place2, request) => {
        this.#bookkeeping.onServed();
        this.#replica.mint(key, write2, write2.value === null ? 0 : crc32(write2.value), place2, { kind: "put", request });
      },
      keepHint: (key, target, set) => this.#replica.keepHint(key, target, set, { kind: "nobody" }),
      answer
    });
    this.#gets = new GetCoordinator(surroundings, this.#hedging, {
      read: (key, request) => {
        this.#bookkeeping.onServed();
        this.#readOwn(key, request);
      },
      repair: (key, set) => this.#replica.merge(key, set, "repair", { kind: "nobody" }),
      answer
    });
    this.#forwarding = new Forwarding(surroundings, this.#hedging, {
      answer,
      exhausted: (request, what, timeoutMs) => this.#coordinate(request, what, timeoutMs)
    });
    this.#handoff = new HintedHandoff(surroundings, this.#hints, {
      readHint: (key, target) => this.#replica.readHint(key, target, { kind: "handoff", target, key }),
      dropHint: (key, target, set) => this.#replica.dropHint(key, target, set),
      keepHint: (key, target, set, owner) => this.#replica.keepHint(key, owner, set, { kind: "handoff", target, key }),
      mergeHere: (key, target, set) => this.#replica.merge(key, set, "hint", { kind: "handoff", target, key })
    });
    this.#gossip = new Gossip(surroundings, {
      peers: () => this.#detector.up(),
      seeds: () => this.#reachableSeeds(),
      learn: (news) => this.#belonging.learn(news.view, news.members, news.claims, news.buckets)
    });
    this.#detector = new FailureDetector(surroundings, this.#belonging.incarnation, {
      up: (peer) => this.#peerUp(peer),
      down: (peer) => this.#peerDown(peer),
      wanted: () => (this.#belonging.ring?.view.members ?? []).filter((member) => member.node !== this.#id && !isGone(member)).map((member) => member.node)
    });
    this.#slowPeers = new SlowPeers(surroundings, {
      patienceWith: (peer) => this.#detector.patienceWith(peer),
      overdue: (peer) => this.#detector.onOverdue(peer)
    });
    this.#transfer = new Transfer(surroundings, this.#forest, {
      merge: (key, set, request) => this.#replica.merge(key, set, "transfer", { kind: "transfer", request }),
      exchange: (peer, partition) => this.#exchange.start(peer, [partition], "pull", { kind: "transfer" }),
      held: (partitions) => this.#belonging.hold(partitions)
    });
    this.#opening = new Opening(surroundings, this.#forest, {
      unopened: () => this.#belonging.unopened,
      exchange: (peer, partitions, serial) => this.#exchange.start(peer, partitions, "pull", { kind: "opening", serial }),
      opened: (partitions) => this.#belonging.opened(partitions)
    });
    this.#source = new TransferSource(surroundings);
    this.#handOver = new HandOver(surroundings, {
      isOpen: (partition) => !this.#belonging.unopened.has(partition),
      countOut: (partitions) => this.#belonging.countOut(partitions),
      exchange: (owner, partitions, round) => this.#exchange.start(owner, partitions, "push", { kind: "hand-over", round }),
      dropRecord: (key, set) => this.#replica.dropRecord(key, set),
      dropDamaged: (key) => this.#replica.dropDamaged(key)
    });
    this.#sizes = new PartitionSizes(surroundings);
    this.#departure = new Departure(surroundings, {
      remaining: () => ({ partitions: this.#handOver.remaining, hints: this.#hints.size }),
      isDurable: () => this.#belonging.durable,
      left: () => this.#belonging.left(),
      departed: (standing, by) => this.#effects.push({ kind: "departed", standing, by })
    });
    const ofLeaves = {
      corrected: (leaf, digest) => this.#correct(leaf, digest),
      mendDamaged: (key) => this.#replica.mendDamaged(key)
    };
    this.#exchange = new TreeExchange(surroundings, this.#forest, {
      readRecord: (key, session) => this.#replica.readRecord(key, { kind: "exchange", session, key }),
      merge: (key, set, purpose, session) => this.#replica.merge(key, set, purpose, { kind: "exchange", session, key }),
      ...ofLeaves,
      ended: (end) => this.#onExchanged(end)
    });
    this.#treeSource = new TreeSource(surroundings, this.#forest, {
      readRecord: (key, ticket) => this.#replica.readRecord(key, { kind: "fetch", ticket, key }),
      ...ofLeaves
    });
    this.#antiEntropy = new AntiEntropy(surroundings, {
      exchange: (peer, partitions) => this.#exchange.start(peer, partitions, "both", { kind: "anti-entropy" })
    });
    this.#scrub = new Scrub(surroundings, this.#forest, {
      ...ofLeaves
    });
  }
  /** Takes in one event and returns what is to be done, in order. */
  step(event) {
    this.#beginStep(event.at);
    this.#onEvent(event);
    this.#settle();
    for (let name = this.#timers.expire(this.#now); name !== void 0; name = this.#timers.expire(this.#now)) {
      this.#onTimer(name);
      this.#settle();
    }
    if (this.#hints.size > 0) this.#handoff.arm();
    if (this.#forest.doubts > 0) this.#scrub.arm();
    this.#belonging.persist();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
  /** When the host must call `step` at the latest; undefined before `started`. */
  wakeAt() {
    return this.#timers.earliest();
  }
  /** What this node sees of the cluster; undefined until it has met it. */
  get view() {
    return this.#belonging.ring?.view;
  }
  /** What this start of the node has counted; made anew at each call. */
  get statistics() {
    return this.#bookkeeping.snapshot();
  }
  inspect() {
    const { keys, loads, stores } = this.#replica.sizes;
    return {
      id: this.#id,
      phase: this.#phase,
      view: this.#belonging.ring?.view,
      ringDigest: this.#belonging.ring?.digest,
      peers: this.#detector.peers().map((peer) => ({ ...peer, slow: this.#slowPeers.slow(peer.node) })),
      patience: this.#detector.patience,
      hints: this.#hints.targets().map((target) => ({ target, count: this.#hints.count(target) })),
      hintsOwed: this.#hints.size,
      transfers: this.#transfer.progress,
      owed: this.#transfer.owed().length,
      unopened: this.#belonging.unopened.size,
      departure: this.#departure.progress,
      requests: this.#callers.size,
      background: this.#admission.status,
      sizes: {
        keys,
        loads,
        stores,
        hints: this.#hints.size,
        peers: this.#detector.size,
        puts: this.#puts.size,
        gets: this.#gets.size,
        forwarded: this.#forwarding.size,
        deliveries: this.#handoff.size,
        pages: this.#source.size,
        forest: this.#forest.size,
        exchanges: this.#exchange.size,
        openings: this.#opening.size,
        listings: this.#treeSource.size,
        turns: this.#antiEntropy.size,
        corrections: this.#scrub.size,
        handOvers: this.#handOver.size,
        surveys: this.#survey.size,
        sizes: this.#sizes.size,
        limited: this.#limits.size,
        watched: this.#slowPeers.size,
        metaStores: this.#belonging.size,
        timers: this.#timers.size,
        greeted: this.#greetedAt.size
      }
    };
  }
  /**
   * Everything that it remembers, as plain data: equal states have equal ones, and only they. What it has counted is left out: it decides nothing, and
   * with it hardly two ways would ever lead to one state.
   */
  get memory() {
    return {
      now: this.#now,
      phase: this.#phase,
      requests: this.#requests,
      tickets: this.#tickets,
      callers: this.#callers,
      greetedAt: this.#greetedAt,
      random: this.#random.memory,
      timers: this.#timers.memory,
      hints: this.#hints.memory,
      hedging: this.#hedging.memory,
      belonging: this.#belonging.memory,
      replica: this.#replica.memory,
      puts: this.#puts.memory,
      gets: this.#gets.memory,
      forwarding: this.#forwarding.memory,
      handoff: this.#handoff.memory,
      detector: this.#detector.memory,
      transfer: this.#transfer.memory,
      source: this.#source.memory,
      opening: this.#opening.memory,
      handOver: this.#handOver.memory,
      departure: this.#departure.memory,
      sizes: this.#sizes.memory,
      forest: this.#forest.memory,
      exchange: this.#exchange.memory,
      treeSource: this.#treeSource.memory,
      antiEntropy: this.#antiEntropy.memory,
      scrub: this.#scrub.memory,
      survey: this.#survey.memory,
      limits: this.#limits.memory,
      admission: this.#admission.memory,
      slowPeers: this.#slowPeers.memory
    };
  }
  #surroundings() {
    const now = () => this.#now;
    const ring = () => this.#belonging.ring;
    return {
      self: this.#id,
      config: this.#config,
      random: this.#random,
      timers: this.#timers,
      get now() {
        return now();
      },
      get ring() {
        return ring();
      },
      reachable: (peer) => this.#detector.reachable(peer),
      slow: (peer) => this.#slowPeers.slow(peer),
      mayWork: (work, slices) => this.#admission.mayWork(work, slices),
      mayStore: (key) => this.#mayStore(key),
      mayAnswer: (key) => this.#mayAnswer(key),
      listOf: (key) => this.#listOf(key),
      nextRequest: () => ++this.#requests,
      nextTicket: () => ++this.#tickets,
      epochOf: (peer) => this.#epochOf(peer),
      send: (to, message, lane, asked) => this.#send(to, message, lane, asked),
      emit: (effect) => {
        if (effect.kind === "load") this.#admission.onDiskAsked(effect.ticket);
        this.#effects.push(effect);
      },
      store: (ticket, writes) => {
        this.#admission.onDiskAsked(ticket);
        this.#effects.push({ kind: "store", ticket, writes });
      },
      complete: (completion) => this.#completions.push(completion),
      note: (note) => this.#note(note)
    };
  }
  // Steps
  #beginStep(at2) {
    const due = this.#timers.earliest();
    this.#now = Math.max(this.#now, at2);
    const gapMs = due === void 0 ? 0 : this.#now - due;
    if (gapMs >= 0 && due !== void 0 && !this.#belonging.hidden) this.#admission.onTook("queue", gapMs);
    if (gapMs <= this.#config.clockJumpMs) return;
    this.#note({ what: "clock-jump", gapMs });
    this.#detector.onClockJump();
  }
  #onEvent(event) {
    switch (event.kind) {
      case "started":
        this.#bookkeeping.start();
        this.#start();
        break;
      case "found-cluster":
        this.#belonging.found(event.parameters);
        break;
      case "client-get":
        this.#onClient(
          event.request,
          { kind: "get", key: event.key, r: event.r, pr: event.pr },
          void 0,
          event.timeoutMs
        );
        break;
      case "client-put":
        this.#onClient(
          event.request,
          { kind: "put", key: event.key, write: event.write },
          event.prefer,
          event.timeoutMs
        );
        break;
      case "client-sizes":
        this.#sizes.start(event.request, event.partitions, event.timeoutMs);
        break;
      case "change-membership":
        this.#onChange(event.request, event.change, event.wallMs);
        break;
      case "set-bucket":
        if (this.#phase === "starting")
          this.#effects.push({ kind: "bucket-set", request: event.request, refusal: { code: "not-ready" } });
        else this.#belonging.setBucket(event.request, event.name, event.properties);
        break;
      case "client-statistics":
        this.#survey.start(event.request, event.timeoutMs ?? this.#config.requestTimeoutMs);
        break;
      case "client-abandoned":
        for (const [request, caller] of this.#callers)
          if (caller.kind === "client" && caller.request === event.request) {
            this.#callers.delete(request);
            this.#bookkeeping.count("abandoned");
          }
        this.#survey.onAbandoned(event.request);
        break;
      case "message-received":
        this.#onMessage(event.from, event.epoch, event.message);
        break;
      case "peer-connected":
        if (event.peer !== this.#id) this.#detector.onConnected(event.peer);
        break;
      case "peer-lost":
        this.#detector.onLost(event.peer);
        break;
      case "loaded":
        this.#admission.onDiskAnswered(event.ticket, event.records.includes("failed"));
        this.#replica.onLoaded(event.ticket, event.records);
        break;
      case "stored":
        this.#admission.onDiskAnswered(event.ticket, false);
        this.#belonging.onStored(event.ticket);
        this.#replica.onStored(event.ticket);
        this.#scrub.onStored(event.ticket);
        this.#maybeReady();
        break;
      case "storage-failed":
        this.#onStorageFailed(event.ticket, event.reason);
        break;
      case "scanned":
        this.#onScanned(event.ticket, event.entries, event.done);
        break;
      case "leaves-loaded":
        this.#scrub.onLeavesLoaded(event.ticket, event.leaves);
        this.#maybeReady();
        break;
      case "wake":
        break;
      case "visibility":
        this.#belonging.setHidden(event.hidden);
        break;
      default:
        unreachable(event);
    }
  }
  #onTimer(name) {
    const colon = name.indexOf(":");
    const request = colon < 0 ? 0 : Number(name.slice(colon + 1));
    switch (colon < 0 ? name : name.slice(0, colon)) {
      case "put-timeout":
        return this.#puts.onTimeout(request);
      case "put-slow":
        return this.#puts.onSlow(request);
      case "get-timeout":
        return this.#gets.onTimeout(request);
      case "get-slow":
        return this.#gets.onSlow(request);
      case "forward-timeout":
        return this.#forwarding.onTimeout(request);
      case "forward-slow":
        return this.#forwarding.onSlow(request);
      case "sizes-timeout":
        return this.#sizes.onTimeout(request);
      case "survey-timeout":
        return this.#survey.onTimeout(request);
      case "hint-scan":
        return this.#handoff.onScanTimer();
      case "slow-peers":
        return this.#slowPeers.onTimer();
      case "admission":
        return this.#admission.onTimer();
      case "gossip":
        return this.#gossip.onTimer();
      case "gossip-soon":
        return this.#gossip.onSoonTimer();
      case "detector":
        return this.#detector.onTimer();
      case "transfer":
        return this.#transfer.onTimer();
      case "opening":
        return this.#opening.onTimer();
      case "announce":
        return this.#transfer.onAnnounceTimer();
      case "hand-over":
        return this.#handOver.onTimer();
      case "departure":
        return this.#departure.onTimer();
      case "exchange":
        return this.#exchange.onTimer();
      case "anti-entropy":
        return this.#antiEntropy.onTimer();
      case "scrub":
        return this.#scrub.onTimer();
      case "scrub-doubt":
        return this.#scrub.onDoubtTimer();
      case "rebalance":
        return this.#belonging.onRebalanceTimer();
      case "start":
        return this.#start();
      case "persist":
        return this.#belonging.onPersistTimer();
    }
  }
  /** Background work that waited for a slice goes on. */
  #resume(work) {
    switch (work) {
      case "hints":
        return this.#handoff.onSlice();
      case "transfer":
        return this.#transfer.onSlice();
      case "exchange":
        return this.#exchange.onSlice();
      case "hand-over":
        return this.#handOver.onSlice();
      case "scrub":
        return this.#scrub.onSlice();
      case "pages":
        return this.#source.onSlice();
      case "listings":
        return this.#treeSource.onSlice();
      default:
        unreachable(work);
    }
  }
  /** Carries completions to their mechanisms and a changed ring to everybody, until nothing is left to carry. */
  #settle() {
    for (; ; ) {
      const completion = this.#completions.shift();
      if (completion !== void 0) this.#onCompletion(completion);
      else if (this.#ringChanged) this.#onRingChanged();
      else return;
    }
  }
  #onCompletion(completion) {
    const { origin } = completion;
    switch (origin.kind) {
      case "put":
        this.#puts.onCompletion(completion);
        break;
      case "get":
        this.#gets.onCompletion(completion);
        break;
      case "peer":
        if (this.#now <= origin.until) this.#replyToPeer(origin, completion);
        break;
      case "handoff":
        this.#handoff.onCompletion(completion);
        break;
      case "transfer":
        this.#transfer.onCompletion(completion);
        break;
      case "exchange":
        this.#exchange.onCompletion(completion);
        break;
      case "fetch":
        this.#treeSource.onCompletion(completion);
        break;
      case "nobody":
        break;
      default:
        unreachable(origin);
    }
  }
  // Starting, founding, joining
  #start() {
    if (this.#phase !== "starting") return;
    this.#belonging.start();
    this.#handoff.start();
    this.#scrub.start();
  }
  #onScanned(ticket, entries, done) {
    const known2 = this.#handoff.onScanned(ticket, entries, done) || this.#source.onScanned(ticket, entries, done) || this.#treeSource.onScanned(ticket, entries, done) || this.#exchange.onScanned(ticket, entries, done) || this.#sizes.onScanned(ticket, entries, done) || this.#scrub.onScanned(ticket, entries, done) || this.#handOver.onScanned(ticket, entries, done);
    if (known2) this.#maybeReady();
  }
  #onStorageFailed(ticket, reason) {
    this.#note({ what: "storage-failed", reason });
    this.#admission.onDiskAnswered(ticket, true);
    const known2 = this.#belonging.onFailed(ticket) || this.#handoff.onScanFailed(ticket) || this.#source.onFailed(ticket) || this.#treeSource.onFailed(ticket) || this.#exchange.onFailed(ticket) || this.#sizes.onFailed(ticket) || this.#scrub.onFailed(ticket) || this.#handOver.onFailed(ticket);
    if (!known2) this.#replica.onStorageFailed(ticket);
  }
  #maybeReady() {
    const known2 = this.#belonging.started && this.#handoff.started && this.#scrub.started;
    if (this.#phase !== "starting" || !known2) return;
    this.#setPhase("waiting");
    this.#antiEntropy.start();
    this.#timers.set("scrub", this.#now + this.#random.below(this.#config.scrubMs));
    this.#timers.set("gossip", this.#now + this.#random.below(this.#config.gossipMs));
    this.#timers.set("detector", this.#now);
    if (this.#belonging.ring !== void 0) {
      this.#handOver.onStarted();
      this.#ringChanged = true;
    }
  }
  // The ring
  #onRingChanged() {
    this.#ringChanged = false;
    const ring = this.#belonging.ring;
    if (ring === void 0 || this.#phase === "starting") return;
    this.#note({ what: "view", members: ring.view.members.length });
    this.#puts.onRing(ring, (key) => this.#partitionOf(key));
    this.#gets.onRing(ring, (key) => this.#partitionOf(key));
    this.#transfer.onRing();
    this.#opening.onRing();
    this.#handOver.onRing();
    this.#departure.onRing();
    this.#gossip.onChange();
    this.#timers.set("rebalance", this.#now + this.#config.rebalanceAfterMs);
    this.#setPhase(this.#phaseOf(ring.view));
  }
  #phaseOf(view) {
    const own = memberOf(view, this.#id);
    if (own === void 0) return "waiting";
    if (own.departure !== void 0) return isGone(own) ? "gone" : "leaving";
    return this.#transfer.owed().length > 0 || this.#belonging.unopened.size > 0 ? "joining" : "member";
  }
  #onChange(request, change, wallMs) {
    const refusal = this.#belonging.change(change, wallMs);
    if (refusal === void 0) {
      const node = change.kind === "leave" ? this.#id : change.node;
      this.#note({ what: "membership-changed", change: change.kind, node });
    }
    this.#effects.push({ kind: "report-change", request, refusal });
  }
  #setPhase(phase) {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#note({ what: "phase", phase });
  }
  // Callers
  #onClient(request, what, prefer, timeoutMs = this.#config.requestTimeoutMs) {
    const refuse = (code) => {
      const result = { outcome: "failed", failure: { code }, report: void 0 };
      this.#bookkeeping.onTurnedAway(what.kind, result);
      this.#effects.push({ kind: "reply", request, result });
    };
    const list = this.#listOf(what.key);
    if (list === void 0 || this.#belonging.self === void 0 || this.#phase === "starting") {
      refuse("not-ready");
      return;
    }
    if (this.#callers.size >= this.#config.requestsMax) {
      refuse("overloaded");
      return;
    }
    this.#admission.onForeground();
    const own = ++this.#requests;
    const startedAt = this.#now;
    this.#callers.set(own, {
      kind: "client",
      request,
      what,
      startedAt,
      deadline: startedAt + timeoutMs,
      retried: false
    });
    const counts = list.counted.includes(this.#id) && this.#mayStore(what.key);
    if (counts && (what.kind === "put" || this.#mayAnswer(what.key))) this.#coordinate(own, what, timeoutMs);
    else {
      this.#bookkeeping.count("forwarded");
      this.#forwarding.start(own, what, prefer, [], timeoutMs);
    }
  }
  #coordinate(request, what, timeoutMs) {
    const list = this.#listOf(what.key);
    const view = this.#belonging.ring?.view;
    if (list === void 0 || view === void 0 || this.#phase === "gone") {
      this.#answer(request, { outcome: "failed", failure: { code: "not-ready" }, report: void 0 });
      return;
    }
    this.#bookkeeping.count("coordinated");
    const { key } = what;
    if (!list.counted.includes(this.#id) && !list.owners.includes(this.#id)) this.#bookkeeping.count("stood-in");
    if (what.kind === "get") this.#gets.start(request, key, getQuorum(view, key, what.r, what.pr), list, timeoutMs);
    else {
      const write2 = underPolicy(view, key, what.write);
      this.#puts.start(request, key, write2, list, putQuorum(view, key, write2), timeoutMs);
    }
  }
  #answer(request, result) {
    const caller = this.#callers.get(request);
    if (caller === void 0) return;
    if (result.outcome !== "failed") this.#admission.onTook("requests", this.#now - caller.startedAt);
    if (caller.kind === "peer") {
      this.#callers.delete(request);
      const digest = this.#belonging.ring?.digest ?? 0;
      const reply = { kind: "coordinate-reply", request: caller.request, ring: digest, result };
      this.#send(caller.from, reply, "foreground", caller.epoch);
      return;
    }
    const elsewhere = result.outcome === "failed" && (result.failure.code === "storage" || result.failure.code === "not-ready");
    if (elsewhere && !caller.retried && this.#now < caller.deadline) {
      caller.retried = true;
      this.#forwarding.start(request, caller.what, void 0, [this.#id], caller.deadline - this.#now);
      return;
    }
    this.#bookkeeping.onEnded({ ...caller, kind: caller.what.kind }, result);
    this.#callers.delete(request);
    this.#effects.push({ kind: "reply", request: caller.request, result });
  }
  // Peers
  #onMessage(from, epoch, message) {
    if (this.#phase === "starting") return;
    if (message.kind === "ping") {
      this.#detector.onPing(from, message);
      return;
    }
    if (message.kind === "pong") {
      this.#detector.onPong(from, message);
      return;
    }
    if (!this.#detector.accepts(from, epoch)) {
      this.#note({ what: "late-dropped", from, message: message.kind });
      return;
    }
    this.#detector.heard(from);
    this.#slowPeers.onReceived(from, message);
    if ("ring" in message && message.kind !== "gossip-digest") this.#compareRings(from, message.ring);
    if (!this.#limits.admits(from, message)) {
      this.#refuse(from, message);
      return;
    }
    switch (message.kind) {
      case "probe":
        this.#detector.onProbe(from, message);
        break;
      case "probe-reply":
        this.#detector.onProbeReply(message);
        break;
      case "gossip-digest":
        this.#gossip.onDigest(from, message);
        break;
      case "gossip-versions":
        this.#gossip.onVersions(from, message);
        break;
      case "gossip-news":
        this.#gossip.onNews(from, message);
        break;
      case "replica-put":
        this.#onReplicaPut(from, message);
        break;
      case "replica-put-reply":
        this.#onReplicaPutReply(from, message);
        break;
      case "replica-get":
        this.#bookkeeping.onServed();
        this.#admission.onForeground();
        this.#onReplicaGet(from, message);
        break;
      case "replica-get-reply":
        this.#gets.onReply(from, message);
        break;
      case "coordinate-get":
        this.#onCoordinate(
          from,
          message.request,
          { kind: "get", key: message.key, r: message.r, pr: message.pr },
          message.ttlMs
        );
        break;
      case "coordinate-put":
        this.#onCoordinate(
          from,
          message.request,
          { kind: "put", key: message.key, write: message.write },
          message.ttlMs
        );
        break;
      case "coordinate-reply":
        this.#forwarding.onReply(from, message.request, message.result);
        break;
      case "transfer-request":
        this.#source.onRequest(from, message);
        break;
      case "transfer-page":
        this.#transfer.onPage(from, message);
        break;
      case "release-request":
        this.#handOver.onRequest(from, message);
        break;
      case "release-reply":
        this.#handOver.onReleaseReply(from, message);
        break;
      case "known-request": {
        const known2 = this.#belonging.knows(from, message.incarnation, message.version);
        const unopened = [...this.#belonging.unopened.keys()].sort((a, b) => a - b);
        this.#send(from, { kind: "known-reply", request: message.request, known: known2, unopened }, "background");
        if (!known2) this.#greet(from);
        break;
      }
      case "known-reply":
        this.#opening.onReply(from, message);
        this.#departure.onReply(from, message);
        break;
      case "tree-request":
        this.#treeSource.onTreeRequest(from, message);
        break;
      case "tree-reply":
        this.#exchange.onTreeReply(from, message);
        break;
      case "leaf-request":
        this.#treeSource.onLeafRequest(from, message);
        break;
      case "leaf-reply":
        this.#exchange.onLeafReply(from, message);
        break;
      case "fetch-request":
        this.#treeSource.onFetchRequest(from, message);
        break;
      case "fetch-reply":
        this.#exchange.onFetchReply(from, message);
        break;
      case "sizes-request":
        this.#sizes.onRequest(from, message);
        break;
      case "sizes-reply":
        this.#sizes.onReply(from, message);
        break;
      case "statistics-request": {
        const statistics = this.#bookkeeping.snapshot();
        this.#send(from, { kind: "statistics-reply", request: message.request, statistics }, "background");
        break;
      }
      case "statistics-reply":
        this.#survey.onReply(from, message);
        break;
      default:
        unreachable(message);
    }
  }
  /** The peer has asked for too much. What it does not wait for is not answered. */
  #refuse(from, message) {
    const { digest = 0 } = this.#belonging.ring ?? {};
    switch (message.kind) {
      case "coordinate-get":
      case "coordinate-put": {
        const result = { outcome: "failed", failure: { code: "overloaded" }, report: void 0 };
        const reply = { kind: "coordinate-reply", request: message.request, ring: digest, result };
        this.#send(from, reply, "foreground");
        break;
      }
      case "replica-put":
        this.#send(
          from,
          {
            kind: "replica-put-reply",
            request: message.request,
            ring: digest,
            outcome: "refused",
            owner: false,
            counted: []
          },
          "background"
        );
        break;
      case "transfer-request": {
        const { request, partition } = message;
        const page = {
          kind: "transfer-page",
          request,
          partition,
          outcome: "refused",
          records: [],
          next: void 0
        };
        this.#send(from, page, "background");
        break;
      }
      default:
    }
  }
  #onCoordinate(from, request, what, ttlMs) {
    this.#admission.onForeground();
    const own = ++this.#requests;
    const full = this.#callers.size >= this.#config.requestsMax;
    this.#callers.set(own, { kind: "peer", from, epoch: this.#epochOf(from), request, startedAt: this.#now });
    if (full) this.#answer(own, { outcome: "failed", failure: { code: "overloaded" }, report: void 0 });
    else this.#coordinate(own, what, Math.min(ttlMs, this.#config.requestTimeoutMs));
  }
  #onReplicaPut(from, message) {
    const { key, set, hintFor, request, ring } = message;
    if (message.purpose === "write") {
      this.#bookkeeping.onServed();
      this.#admission.onForeground();
    }
    const epoch = this.#epochOf(from);
    const origin = {
      kind: "peer",
      from,
      epoch,
      request,
      until: this.#now + message.ttlMs,
      ring,
      hinted: false
    };
    const list = this.#listOf(key);
    if (list === void 0) {
      this.#replyPut(origin, "refused", key);
      return;
    }
    if (hintFor !== void 0 && hintFor !== this.#id) {
      if (message.purpose === "hint" && (this.#mayStore(key) || this.#hints.targetsOf(key).size > 0)) {
        this.#replyPut(origin, "refused", key);
        return;
      }
      this.#replica.keepHint(key, hintFor, set, origin);
      return;
    }
    if (!this.#mayStore(key)) {
      if (message.purpose !== "write") {
        this.#replyPut(origin, "refused", key);
        return;
      }
      list.owners.forEach(
        (owner, i) => this.#replica.keepHint(key, owner, set, i === 0 ? { ...origin, hinted: true } : { kind: "nobody" })
      );
      return;
    }
    this.#replica.merge(key, set, message.purpose, origin);
    if (message.purpose === "write" && message.ring !== this.#belonging.ring?.digest) {
      for (const node of list.joining) if (node !== from && node !== this.#id) this.#pass(node, message);
    }
  }
  #onReplicaGet(from, { key, request, ring, ttlMs, counts }) {
    const epoch = this.#epochOf(from);
    const origin = { kind: "peer", from, epoch, request, until: this.#now + ttlMs, ring, hinted: false };
    if (counts && !this.#mayAnswer(key))
      this.#completions.push({ kind: "read", origin, key, outcome: "moved", set: EMPTY });
    else this.#replica.read(key, origin);
  }
  /** A get that is coordinated here asks this node as it would another. */
  #readOwn(key, request) {
    const origin = { kind: "get", request };
    if (this.#listOf(key)?.counted.includes(this.#id) === true && !this.#mayAnswer(key))
      this.#completions.push({ kind: "read", origin, key, outcome: "moved", set: EMPTY });
    else this.#replica.read(key, origin);
  }
  /** Whether records of the key may change here; see `Surroundings`. */
  #mayStore(key) {
    const list = this.#listOf(key);
    if (list === void 0 || this.#handOver.isClosing(this.#partitionOf(key))) return false;
    return list.owners.includes(this.#id) || list.counted.includes(this.#id);
  }
  /** Whether what this node has of the key counts for a reader. */
  #mayAnswer(key) {
    const partition = this.#partitionOf(key);
    const counts = this.#listOf(key)?.counted.includes(this.#id) === true;
    return counts && !this.#handOver.isClosing(partition) && !this.#belonging.unopened.has(partition);
  }
  #pass(to, message) {
    const ring = this.#belonging.ring?.digest ?? 0;
    this.#send(
      to,
      { ...message, request: ++this.#requests, ring, purpose: "transfer", hintFor: void 0 },
      "foreground"
    );
  }
  #replyToPeer(origin, completion) {
    const { key } = completion;
    if (completion.kind === "stored")
      this.#replyPut(origin, origin.hinted ? "hinted" : this.#isEarly(key) ? "early" : "stored", key);
    else if (completion.kind === "refused") this.#replyPut(origin, "refused", key);
    else if (completion.kind === "read") {
      const { from, epoch, request } = origin;
      const { outcome } = completion;
      const set = outcome === "found" ? completion.set : void 0;
      const ring = this.#belonging.ring?.digest ?? 0;
      const counted2 = this.#countedUnknownTo(origin, key);
      const owner = this.#ownsAndHolds(key) && this.#mayAnswer(key);
      const reply = { kind: "replica-get-reply", request, ring, outcome, owner, counted: counted2, set };
      this.#send(from, reply, "foreground", epoch);
    }
  }
  #onReplicaPutReply(from, message) {
    const { request, outcome } = message;
    const merged = outcome === "stored" || outcome === "early" ? "stored" : "refused";
    this.#puts.onReply(from, message);
    this.#handoff.onReply(from, request, merged);
    this.#exchange.onReply(from, request, merged);
  }
  /** Whom the asker, who saw another ring, may not know to count. */
  #countedUnknownTo(origin, key) {
    return origin.ring === this.#belonging.ring?.digest ? [] : this.#listOf(key)?.counted ?? [];
  }
  /** Holds the key's partition, and is not open yet. */
  #isEarly(key) {
    return this.#belonging.unopened.has(this.#partitionOf(key));
  }
  #replyPut(origin, outcome, key) {
    const { from, epoch, request } = origin;
    const ring = this.#belonging.ring?.digest ?? 0;
    const owner = this.#ownsAndHolds(key);
    const counted2 = this.#countedUnknownTo(origin, key);
    this.#send(from, { kind: "replica-put-reply", request, ring, outcome, owner, counted: counted2 }, "foreground", epoch);
  }
  /** Whether it counts for pw. */
  #ownsAndHolds(key) {
    const list = this.#listOf(key);
    return list !== void 0 && list.owners.includes(this.#id) && list.counted.includes(this.#id);
  }
  /** Where rings differ, the two gossip first; meanwhile both serve by what they see, and a write passes on to whom only one of them knows. */
  #compareRings(peer, ring) {
    if (ring !== this.#belonging.ring?.digest) this.#greet(peer);
  }
  #greet(peer) {
    const last = this.#greetedAt.get(peer);
    if (last !== void 0 && this.#now - last < GREET_AGAIN_MS) return;
    this.#greetedAt.set(peer, this.#now);
    this.#note({ what: "rings-differ", peer });
    this.#gossip.greet(peer);
  }
  #peerUp(peer) {
    this.#gossip.greet(peer);
    this.#handoff.onPeerUp(peer);
    this.#transfer.onPeerUp(peer);
    this.#antiEntropy.onPeerUp(peer);
  }
  #peerDown(peer) {
    this.#greetedAt.delete(peer);
    this.#puts.onPeerDown(peer);
    this.#gets.onPeerDown(peer);
    this.#forwarding.onPeerDown(peer);
    this.#handoff.onPeerDown(peer);
    this.#transfer.onPeerDown(peer);
    this.#opening.onPeerDown(peer);
    this.#antiEntropy.onPeerDown(peer);
    this.#exchange.onPeerDown(peer);
    this.#survey.onPeerDown(peer);
    this.#sizes.onPeerDown(peer);
    this.#slowPeers.onPeerDown(peer);
  }
  #onExchanged({ peer, purpose, partitions, outcome, differing }) {
    const settled = outcome === "settled";
    switch (purpose.kind) {
      case "anti-entropy":
        this.#antiEntropy.onEnded(peer);
        break;
      case "transfer":
        for (const partition of partitions) this.#transfer.onExchanged(peer, partition, settled, differing);
        break;
      case "opening":
        this.#opening.onExchanged(peer, purpose.serial, settled);
        break;
      case "hand-over":
        this.#handOver.onExchanged(peer, partitions, purpose.round, settled);
        break;
      default:
        unreachable(purpose);
    }
  }
  #correct(leaf, digest) {
    this.#scrub.correct(leaf, digest);
    this.#replica.reread(leaf);
  }
  #reachableSeeds() {
    const tokenless = (this.#belonging.ring?.view.members ?? []).filter((member) => member.capacity === 0).map((member) => member.node);
    return [.../* @__PURE__ */ new Set([...this.#seeds, ...tokenless])].filter(
      (node) => node !== this.#id && this.#detector.reachable(node)
    );
  }
  #epochOf(peer) {
    return this.#detector.epochOf(peer) ?? 0;
  }
  #send(to, message, lane, asked) {
    const epoch = this.#detector.epochOf(to);
    if (epoch === void 0 || !this.#detector.reachable(to) || asked !== void 0 && asked !== epoch) return false;
    this.#effects.push({ kind: "send", to, epoch, lane, message });
    this.#slowPeers.onSent(to, message);
    return true;
  }
  #partitionOf(key) {
    return partitionOf(positionOf(key), this.#belonging.ring?.view.claims.length ?? 1);
  }
  #listOf(key) {
    return this.#belonging.ring?.preferenceList(this.#partitionOf(key));
  }
  #note(note) {
    this.#bookkeeping.onNote(note);
    this.#effects.push({ kind: "note", note });
  }
};

// src/core/errors.ts
var TabringError = class extends Error {
  name = "TabringError";
  code;
  constructor(code, message) {
    super(message);
    this.code = code;
  }
};
var MalformedMessageError = class extends TabringError {
  name = "MalformedMessageError";
  constructor(message, code = "malformed-message") {
    super(code, message);
  }
};
var UnknownMessageError = class extends MalformedMessageError {
  name = "UnknownMessageError";
  constructor(kind) {
    super(`Message kind ${kind} is unknown to this build. It was dropped and changed nothing.`, "unknown-message");
  }
};
var ProtocolVersionError = class extends TabringError {
  name = "ProtocolVersionError";
  constructor(ours, theirs) {
    super(
      "protocol-version",
      `The other side speaks protocol ${theirs}, this build ${ours}. The link was refused and nothing was exchanged. Reload both tabs to get the same build.`
    );
  }
};
var OversizedError = class extends MalformedMessageError {
  name = "OversizedError";
  constructor(message) {
    super(message, "oversized");
  }
};
var WrongSecretError = class extends TabringError {
  name = "WrongSecretError";
  constructor(message) {
    super("wrong-secret", message);
  }
};

// src/wire/frame.ts
var MESSAGE_BYTES_MAX = 16 * 1048576;
var FRAME_BYTES_MIN = 16384;
var FRAME_BYTES_MAX = 65536;
var QUEUE_BYTES_MAX = {
  foreground: 32 * 1048576,
  background: 8 * 1048576
};
var FRAME_KIND = {
  hello: 1,
  proof: 2,
  refuse: 3,
  foreground: 4,
  background: 5,
  control: 6,
  goodbye: 7
};
function malformedFrame(what) {
  return new MalformedMessageError(
    `The other side sent a malformed frame: ${what}. The link was closed and nothing of the frame was taken. If it happens again, reload both tabs to get the same build.`
  );
}
function oversized(what) {
  return new OversizedError(
    `The other side went beyond a limit: ${what}. The link was closed and nothing of the frame was taken. If it happens again, reload both tabs to get the same build.`
  );
}
var FrameReader = class {
  #bytes;
  #at = 0;
  constructor(bytes) {
    this.#bytes = bytes;
  }
  get left() {
    return this.#bytes.length - this.#at;
  }
  byte() {
    const byte = this.#bytes[this.#at];
    if (byte === void 0) throw malformedFrame("it ends too early");
    this.#at++;
    return byte;
  }
  /** 0 to 2^53 - 1, in its shortest form only. */
  uint() {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte >= 128) continue;
      if (byte === 0 && scale > 1 || !Number.isSafeInteger(value)) break;
      return value;
    }
    throw malformedFrame("a number is not in its shortest form, or too large");
  }
  /** A view, not a copy. */
  view(length2) {
    if (length2 > this.left) throw malformedFrame("it ends too early");
    const view = this.#bytes.subarray(this.#at, this.#at + length2);
    this.#at += length2;
    return view;
  }
  end() {
    if (this.left > 0) throw malformedFrame("bytes are left over");
  }
};
function uintBytes(value) {
  let length2 = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length2++;
  return length2;
}
function writeUint(bytes, at2, value) {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at2++] = rest % 128 | 128;
  bytes[at2++] = rest;
  return at2;
}

// lib0/binary.js
var BIT8 = 128;
var BIT18 = 1 << 17;
var BIT19 = 1 << 18;
var BIT20 = 1 << 19;
var BIT21 = 1 << 20;
var BIT22 = 1 << 21;
var BIT23 = 1 << 22;
var BIT24 = 1 << 23;
var BIT25 = 1 << 24;
var BIT26 = 1 << 25;
var BIT27 = 1 << 26;
var BIT28 = 1 << 27;
var BIT29 = 1 << 28;
var BIT30 = 1 << 29;
var BIT31 = 1 << 30;
var BIT32 = 1 << 31;
var BITS7 = 127;
var BITS8 = 255;
var BITS17 = BIT18 - 1;
var BITS18 = BIT19 - 1;
var BITS19 = BIT20 - 1;
var BITS20 = BIT21 - 1;
var BITS21 = BIT22 - 1;
var BITS22 = BIT23 - 1;
var BITS23 = BIT24 - 1;
var BITS24 = BIT25 - 1;
var BITS25 = BIT26 - 1;
var BITS26 = BIT27 - 1;
var BITS27 = BIT28 - 1;
var BITS28 = BIT29 - 1;
var BITS29 = BIT30 - 1;
var BITS30 = BIT31 - 1;

// lib0/math.js
var floor = Math.floor;
var min = (a, b) => a < b ? a : b;
var max = (a, b) => a > b ? a : b;
var isNaN = Number.isNaN;

// lib0/number.js
var MAX_SAFE_INTEGER = Number.MAX_SAFE_INTEGER;
var MIN_SAFE_INTEGER = Number.MIN_SAFE_INTEGER;
var LOWEST_INT32 = 1 << 31;
var isInteger = Number.isInteger || ((num) => typeof num === "number" && isFinite(num) && floor(num) === num);
var isNaN2 = Number.isNaN;
var parseInt = Number.parseInt;

// lib0/string.js
var fromCharCode = String.fromCharCode;
var fromCodePoint = String.fromCodePoint;
var MAX_UTF16_CHARACTER = fromCharCode(65535);
var _encodeUtf8Polyfill = (str) => {
  const encodedString = unescape(encodeURIComponent(str));
  const len = encodedString.length;
  const buf = new Uint8Array(len);
  for (let i = 0; i < len; i++) {
    buf[i] = /** @type {number} */
    encodedString.codePointAt(i);
  }
  return buf;
};
var utf8TextEncoder = (
  /** @type {TextEncoder} */
  typeof TextEncoder !== "undefined" ? new TextEncoder() : null
);
var _encodeUtf8Native = (str) => utf8TextEncoder.encode(str);
var encodeUtf8 = utf8TextEncoder ? _encodeUtf8Native : _encodeUtf8Polyfill;
var utf8TextDecoder = typeof TextDecoder === "undefined" ? null : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
if (utf8TextDecoder && utf8TextDecoder.decode(new Uint8Array()).length === 1) {
  utf8TextDecoder = null;
}

// lib0/error.js
var create = (s) => new Error(s);

// lib0/encoding.js
var Encoder = class {
  constructor() {
    this.cpos = 0;
    this.cbuf = new Uint8Array(100);
    this.bufs = [];
  }
};
var createEncoder = () => new Encoder();
var length = (encoder) => {
  let len = encoder.cpos;
  for (let i = 0; i < encoder.bufs.length; i++) {
    len += encoder.bufs[i].length;
  }
  return len;
};
var toUint8Array = (encoder) => {
  const uint8arr = new Uint8Array(length(encoder));
  let curPos = 0;
  for (let i = 0; i < encoder.bufs.length; i++) {
    const d = encoder.bufs[i];
    uint8arr.set(d, curPos);
    curPos += d.length;
  }
  uint8arr.set(new Uint8Array(encoder.cbuf.buffer, 0, encoder.cpos), curPos);
  return uint8arr;
};
var verifyLen = (encoder, len) => {
  const bufferLen = encoder.cbuf.length;
  if (bufferLen - encoder.cpos < len) {
    encoder.bufs.push(new Uint8Array(encoder.cbuf.buffer, 0, encoder.cpos));
    encoder.cbuf = new Uint8Array(max(bufferLen, len) * 2);
    encoder.cpos = 0;
  }
};
var write = (encoder, num) => {
  const bufferLen = encoder.cbuf.length;
  if (encoder.cpos === bufferLen) {
    encoder.bufs.push(encoder.cbuf);
    encoder.cbuf = new Uint8Array(bufferLen * 2);
    encoder.cpos = 0;
  }
  encoder.cbuf[encoder.cpos++] = num;
};
var writeUint32 = (encoder, num) => {
  for (let i = 0; i < 4; i++) {
    write(encoder, num & BITS8);
    num >>>= 8;
  }
};
var writeVarUint = (encoder, num) => {
  while (num > BITS7) {
    write(encoder, BIT8 | BITS7 & num);
    num = floor(num / 128);
  }
  write(encoder, BITS7 & num);
};
var _strBuffer = new Uint8Array(3e4);
var _maxStrBSize = _strBuffer.length / 3;
var _writeVarStringNative = (encoder, str) => {
  if (str.length < _maxStrBSize) {
    const written = utf8TextEncoder.encodeInto(str, _strBuffer).written || 0;
    writeVarUint(encoder, written);
    for (let i = 0; i < written; i++) {
      write(encoder, _strBuffer[i]);
    }
  } else {
    writeVarUint8Array(encoder, encodeUtf8(str));
  }
};
var _writeVarStringPolyfill = (encoder, str) => {
  const encodedString = unescape(encodeURIComponent(str));
  const len = encodedString.length;
  writeVarUint(encoder, len);
  for (let i = 0; i < len; i++) {
    write(
      encoder,
      /** @type {number} */
      encodedString.codePointAt(i)
    );
  }
};
var writeVarString = utf8TextEncoder && /** @type {any} */
utf8TextEncoder.encodeInto ? _writeVarStringNative : _writeVarStringPolyfill;
var writeUint8Array = (encoder, uint8Array) => {
  const bufferLen = encoder.cbuf.length;
  const cpos = encoder.cpos;
  const leftCopyLen = min(bufferLen - cpos, uint8Array.length);
  const rightCopyLen = uint8Array.length - leftCopyLen;
  encoder.cbuf.set(uint8Array.subarray(0, leftCopyLen), cpos);
  encoder.cpos += leftCopyLen;
  if (rightCopyLen > 0) {
    encoder.bufs.push(encoder.cbuf);
    encoder.cbuf = new Uint8Array(max(bufferLen * 2, rightCopyLen));
    encoder.cbuf.set(uint8Array.subarray(leftCopyLen));
    encoder.cpos = rightCopyLen;
  }
};
var writeVarUint8Array = (encoder, uint8Array) => {
  writeVarUint(encoder, uint8Array.byteLength);
  writeUint8Array(encoder, uint8Array);
};
var floatTestBed = new DataView(new ArrayBuffer(4));

// lib0/decoding.js
var errorUnexpectedEndOfArray = create("Unexpected end of array");
var errorIntegerOutOfRange = create("Integer out of Range");
var subarray = (arr, begin, len) => {
  if (begin < 0 || len < 0 || begin + len > arr.length) {
    throw errorUnexpectedEndOfArray;
  }
  return new Uint8Array(arr.buffer, arr.byteOffset + begin, len);
};
var Decoder = class {
  /**
   * @param {Uint8Array<Buf>} uint8Array Binary data to decode
   */
  constructor(uint8Array) {
    this.arr = uint8Array;
    this.pos = 0;
  }
};
var createDecoder = (uint8Array) => new Decoder(uint8Array);
var readUint8Array = (decoder, len) => {
  const view = subarray(decoder.arr, decoder.pos, len);
  decoder.pos += len;
  return view;
};
var readUint8 = (decoder) => decoder.arr[decoder.pos++];
var readUint32 = (decoder) => {
  const uint = decoder.arr[decoder.pos] + (decoder.arr[decoder.pos + 1] << 8) + (decoder.arr[decoder.pos + 2] << 16) + (decoder.arr[decoder.pos + 3] << 24) >>> 0;
  decoder.pos += 4;
  return uint;
};
var readVarUint = (decoder) => {
  let num = 0;
  let mult = 1;
  const len = decoder.arr.length;
  while (decoder.pos < len) {
    const r = decoder.arr[decoder.pos++];
    num = num + (r & BITS7) * mult;
    mult *= 128;
    if (r < BIT8) {
      return num;
    }
    if (num > MAX_SAFE_INTEGER) {
      throw errorIntegerOutOfRange;
    }
  }
  throw errorUnexpectedEndOfArray;
};

// src/wire/primitives.ts
var REFERENCED_BYTES_MIN = 4096;
function malformed(fault) {
  return new MalformedMessageError(`These bytes do not parse: ${fault}. They were dropped and changed nothing.`);
}
function damaged(fault) {
  return new MalformedMessageError(
    `These bytes are damaged: ${fault}. They were dropped and changed nothing; other replicas still have the original.`,
    "damaged"
  );
}
function oversized2(what, given, max2) {
  return new OversizedError(
    `${what} has ${given}, over the protocol's limit of ${max2}. It was dropped and changed nothing.`
  );
}
var SCRATCH_BYTES = 16384;
var idle;
function startEncoding() {
  const encoder = idle ?? createEncoder();
  idle = void 0;
  if (encoder.cbuf.length !== SCRATCH_BYTES) encoder.cbuf = new Uint8Array(SCRATCH_BYTES);
  return encoder;
}
function lengthOf(encoder) {
  return length(encoder);
}
function finishEncoding(encoder) {
  const bytes = encoder.bufs.length === 0 ? encoder.cbuf.slice(0, encoder.cpos) : toUint8Array(encoder);
  encoder.bufs = [];
  encoder.cpos = 0;
  idle = encoder;
  return bytes;
}
function startDecoding(bytes) {
  return createDecoder(bytes);
}
function finishDecoding(decoder) {
  const left = bytesLeft(decoder);
  if (left > 0) throw malformed(`${left} bytes are left over`);
}
function bytesLeft(decoder) {
  return decoder.arr.length - decoder.pos;
}
function demand(decoder, bytes, what) {
  if (bytes > bytesLeft(decoder)) throw malformed(`they end within ${what}`);
}
function writeByte(encoder, byte) {
  assert((byte & 255) === byte, `no byte: ${byte}`);
  write(encoder, byte);
}
function readByte(decoder, what) {
  demand(decoder, 1, what);
  return readUint8(decoder);
}
function writeUint2(encoder, value) {
  assert(Number.isSafeInteger(value) && value >= 0, `no unsigned integer: ${value}`);
  writeVarUint(encoder, value);
}
function readUint(decoder, what, min2 = 0, max2 = Number.MAX_SAFE_INTEGER) {
  const start = decoder.pos;
  let value;
  try {
    value = readVarUint(decoder);
  } catch {
    throw malformed(`${what} is cut short or too large for a number`);
  }
  if (decoder.pos - start > 1 && decoder.arr[decoder.pos - 1] === 0)
    throw malformed(`${what} is not in its shortest form`);
  if (!(value >= min2 && value <= max2)) throw malformed(`${what} is ${value}, but must be from ${min2} to ${max2}`);
  return value;
}
function writeUint322(encoder, value) {
  assert(value >>> 0 === value, `no unsigned 32-bit integer: ${value}`);
  writeUint32(encoder, value);
}
function readUint322(decoder, what) {
  demand(decoder, 4, what);
  return readUint32(decoder);
}
function writeMillis(encoder, millis) {
  writeUint2(encoder, Math.max(0, Math.floor(millis)));
}
function readMillis(decoder, what) {
  return readUint(decoder, what);
}
function writeBoolean(encoder, value) {
  writeByte(encoder, value ? 1 : 0);
}
function readBoolean(decoder, what) {
  const byte = readByte(decoder, what);
  if (byte > 1) throw malformed(`${what} is ${byte}, but must be 0 or 1`);
  return byte === 1;
}
function writeChoice(encoder, choices, value) {
  const place2 = choices.indexOf(value);
  assert(place2 >= 0, `not among the choices: ${String(value)}`);
  writeByte(encoder, place2);
}
function readChoice(decoder, what, choices) {
  const place2 = readByte(decoder, what);
  if (place2 >= choices.length) throw malformed(`${what} is ${place2}, but must be below ${choices.length}`);
  return choices[place2];
}
function writeOptional(encoder, value, write2) {
  writeBoolean(encoder, value !== void 0);
  if (value !== void 0) write2(encoder, value);
}
function readOptional(decoder, what, read) {
  return readBoolean(decoder, what) ? read(decoder) : void 0;
}
function writeCount(encoder, count) {
  writeUint2(encoder, count);
}
function readCount(decoder, what, countMax, bytesEach) {
  const count = readUint(decoder, `the number of ${what}`);
  if (count > countMax) throw oversized2(`The list of ${what}`, count, countMax);
  demand(decoder, count * bytesEach, `the list of ${what}`);
  return count;
}
function writeBytes(encoder, bytes) {
  writeUint2(encoder, bytes.length);
  writeRaw(encoder, bytes);
}
function readBytes(decoder, what, bytesMax) {
  return readView(decoder, what, readLength(decoder, what, bytesMax)).slice();
}
function writeRaw(encoder, bytes) {
  if (bytes.length < REFERENCED_BYTES_MIN) return writeUint8Array(encoder, bytes);
  encoder.bufs.push(encoder.cbuf.subarray(0, encoder.cpos), bytes);
  encoder.cbuf = new Uint8Array(256);
  encoder.cpos = 0;
}
function readRaw(decoder, what, length2) {
  return readView(decoder, what, length2).slice();
}
function readLength(decoder, what, bytesMax) {
  const length2 = readUint(decoder, `the length of ${what}`);
  if (length2 > bytesMax) throw oversized2(`The length of ${what}`, length2, bytesMax);
  return length2;
}
function readView(decoder, what, length2) {
  demand(decoder, length2, what);
  return readUint8Array(decoder, length2);
}
function writeText(encoder, text) {
  const length2 = utf8Length(text);
  writeUint2(encoder, length2);
  if (length2 > text.length) return writeRaw(encoder, utf8Encode(text));
  verifyLen(encoder, length2);
  for (let i = 0; i < length2; i++) encoder.cbuf[encoder.cpos++] = text.charCodeAt(i);
}
function readText(decoder, what, bytesMin, bytesMax) {
  const length2 = readLength(decoder, what, bytesMax);
  if (length2 < bytesMin) throw malformed(`${what} is empty`);
  const text = utf8Decode(readView(decoder, what, length2));
  if (text === void 0) throw malformed(`${what} is no valid UTF-8`);
  return text;
}
var DIGIT_VALUES = new Uint8Array(128).fill(255);
var DIGITS = "0123456789abcdef";
for (let value = 0; value < 16; value++) DIGIT_VALUES[DIGITS.charCodeAt(value)] = value;
function writeHex(encoder, text, length2) {
  assert(text.length === 2 * length2, `no name of ${length2} bytes: ${text}`);
  verifyLen(encoder, length2);
  const { cbuf } = encoder;
  let faults = 0;
  for (let i = 0; i < text.length; i += 2) {
    const high = DIGIT_VALUES[text.charCodeAt(i)] ?? 255;
    const low = DIGIT_VALUES[text.charCodeAt(i + 1)] ?? 255;
    faults |= high | low;
    cbuf[encoder.cpos++] = high << 4 | low;
  }
  assert(faults < 16, `no lower-case hexadecimal: ${text}`);
}
function readHex(decoder, what, length2) {
  demand(decoder, length2, what);
  const codes = [];
  for (let i = 0; i < length2; i++) {
    const byte = readUint8(decoder);
    codes.push(DIGITS.charCodeAt(byte >> 4), DIGITS.charCodeAt(byte & 15));
  }
  return String.fromCharCode(...codes);
}
function readRecurringHex(decoder, what, length2) {
  demand(decoder, length2, what);
  const { arr, pos } = decoder;
  const slot = (arr[pos + length2 - 1] | arr[pos + length2 - 2] << 8) % RECURRING_MAX;
  const known2 = recurringTexts[slot];
  const knownAt = slot * RECURRING_BYTES_MAX;
  let same = known2.length === 2 * length2;
  for (let i = 0; same && i < length2; i++) same = recurringBytes[knownAt + i] === arr[pos + i];
  if (same) {
    decoder.pos = pos + length2;
    return known2;
  }
  for (let i = 0; i < length2; i++) recurringBytes[knownAt + i] = arr[pos + i];
  return recurringTexts[slot] = readHex(decoder, what, length2);
}
var RECURRING_MAX = 1024;
var RECURRING_BYTES_MAX = 24;
var recurringTexts = new Array(RECURRING_MAX).fill("");
var recurringBytes = new Uint8Array(RECURRING_MAX * RECURRING_BYTES_MAX);

// src/wire/statistics.ts
function writeStatistics(encoder, statistics) {
  writeMillis(encoder, statistics.upMs);
  writeOperations(encoder, statistics.gets);
  writeOperations(encoder, statistics.puts);
  for (let versions = 0; versions < VERSIONS_SEEN; versions++)
    writeTotal(encoder, statistics.versionsSeen[versions] ?? 0);
  writeCounts(encoder, COUNTED, statistics.counts);
  writeCount(encoder, statistics.minutes.length);
  for (const minute of statistics.minutes) writeMinute(encoder, minute);
  writeMillis(encoder, statistics.minutesMs);
}
function readStatistics(decoder) {
  const upMs = readMillis(decoder, "the time since a start");
  const gets = readOperations(decoder);
  const puts = readOperations(decoder);
  const versionsSeen = Array.from({ length: VERSIONS_SEEN }, () => readUint(decoder, "gets by their versions"));
  const counts = readCounts(decoder, COUNTED);
  const length2 = readCount(decoder, "minutes", STATISTICS_MINUTES, 3);
  const minutes = Array.from({ length: length2 }, () => readMinute(decoder));
  return { upMs, gets, puts, versionsSeen, counts, minutes, minutesMs: readMillis(decoder, "the time of all minutes") };
}
function writeOperations(encoder, operations) {
  writeTotal(encoder, operations.answered);
  writeCounts(encoder, FAILURE_CODES, operations.failed);
  writeTotal(encoder, operations.timedOut);
  writeHistogram(encoder, operations.latencyMicros);
  writeHistogram(encoder, operations.recentMicros);
}
function readOperations(decoder) {
  const answered = readUint(decoder, "requests answered");
  const failed = readCounts(decoder, FAILURE_CODES);
  const timedOut = readUint(decoder, "requests out of time");
  const latencyMicros = readHistogram(decoder);
  return { answered, failed, timedOut, latencyMicros, recentMicros: readHistogram(decoder) };
}
function writeHistogram(encoder, { sum, max: max2, buckets }) {
  writeTotal(encoder, sum);
  writeUint2(encoder, max2);
  writeCount(encoder, buckets.length);
  let from = 0;
  for (const { bucket, count } of buckets) {
    writeUint2(encoder, bucket - from);
    writeTotal(encoder, count);
    from = bucket + 1;
  }
}
function readHistogram(decoder) {
  const sum = readUint(decoder, "a sum");
  const max2 = readUint(decoder, "a maximum", 0, VALUE_MAX);
  const length2 = readCount(decoder, "buckets", BUCKETS_MAX, 2);
  let from = 0;
  const buckets = Array.from({ length: length2 }, () => {
    const bucket = from + readUint(decoder, "a bucket", 0, BUCKETS_MAX - 1 - from);
    from = bucket + 1;
    return { bucket, count: readUint(decoder, "the count of a bucket", 1) };
  });
  return { sum, max: max2, buckets };
}
function writeMinute(encoder, { requests, answered, served }) {
  for (const total of [requests, answered, served]) writeTotal(encoder, total);
}
function readMinute(decoder) {
  const requests = readUint(decoder, "the requests of a minute");
  const answered = readUint(decoder, "the answers of a minute");
  return { requests, answered, served: readUint(decoder, "what was served in a minute") };
}
function writeCounts(encoder, names, counts) {
  for (const name of names) writeTotal(encoder, counts[name]);
}
function readCounts(decoder, names) {
  const counts = noCounts(names);
  for (const name of names) counts[name] = readUint(decoder, `the number of ${name}`);
  return counts;
}
function writeTotal(encoder, total) {
  writeUint2(encoder, Math.min(total, Number.MAX_SAFE_INTEGER));
}

// src/wire/values.ts
var NODE_BYTES = 16;
var ACTOR_BYTES = 24;
var OPERATION_BYTES = 16;
var DOT_BYTES_MIN = ACTOR_BYTES + 1;
var SIBLING_BYTES_MIN = 1 + DOT_BYTES_MIN + OPERATION_BYTES + 2;
var MEMBER_BYTES_MIN = NODE_BYTES + 9;
var CLAIM_BYTES_MIN = 2;
var BUCKET_BYTES_MIN = 2 + 1 + NODE_BYTES + 6;
var DOTS_MAX = MEMBERS_MAX;
var CAPACITY_MAX = 1e3;
var ZONE_CHARACTERS_MAX = 64;
var PLACEMENT_SHIFT = 5;
function writeNodeId(encoder, node) {
  writeHex(encoder, node, NODE_BYTES);
}
function readNodeId(decoder) {
  return readRecurringHex(decoder, "a node id", NODE_BYTES);
}
function writeActor(encoder, actor) {
  writeHex(encoder, actor, ACTOR_BYTES);
}
function readActor(decoder) {
  return readRecurringHex(decoder, "an actor", ACTOR_BYTES);
}
function writeOperationId(encoder, operation) {
  writeHex(encoder, operation, OPERATION_BYTES);
}
function readOperationId(decoder) {
  return readHex(decoder, "an operation id", OPERATION_BYTES);
}
function writeKey(encoder, key) {
  writeText(encoder, key);
}
function readKey(decoder) {
  return readText(decoder, "a key", 1, KEY_BYTES_MAX);
}
function writeValue(encoder, value) {
  writeBoolean(encoder, value !== null);
  if (value !== null) writeBytes(encoder, value);
}
function readValue(decoder) {
  return readBoolean(decoder, "whether there is a value") ? readBytes(decoder, "a value", VALUE_BYTES_MAX) : null;
}
function writeDot(encoder, dot) {
  writeActor(encoder, dot.actor);
  writeUint2(encoder, dot.counter);
}
function readDot(decoder) {
  return { actor: readActor(decoder), counter: readUint(decoder, "a counter", 1) };
}
function writeClock(encoder, clock) {
  writeCount(encoder, clock.length);
  for (const dot of clock) writeDot(encoder, dot);
}
function readClock(decoder) {
  const count = readCount(decoder, "clock entries", CLOCK_ENTRIES_MAX, DOT_BYTES_MIN);
  const clock = [];
  for (let i = 0; i < count; i++) {
    const dot = readDot(decoder);
    if (i > 0 && dot.actor <= clock[i - 1].actor) throw malformed("a clock is unsorted or repeats an actor");
    clock.push(dot);
  }
  return clock;
}
function writeSibling(encoder, sibling) {
  writeCount(encoder, sibling.dots.length);
  for (const dot of sibling.dots) writeDot(encoder, dot);
  writeOperationId(encoder, sibling.operation);
  writeMillis(encoder, sibling.at);
  writeValue(encoder, sibling.value);
  if (sibling.value !== null) writeUint322(encoder, sibling.checksum);
  else assert(sibling.checksum === 0, "a tombstone's checksum is 0");
}
function readSibling(decoder) {
  const count = readCount(decoder, "dots", DOTS_MAX, DOT_BYTES_MIN);
  if (count === 0) throw malformed("a sibling has no dot");
  const dots = [];
  for (let i = 0; i < count; i++) {
    const dot = readDot(decoder);
    const before2 = dots[i - 1];
    if (before2 !== void 0 && !(before2.actor < dot.actor || before2.actor === dot.actor && before2.counter < dot.counter))
      throw malformed("the dots of a sibling are unsorted or repeat");
    dots.push(dot);
  }
  const operation = readOperationId(decoder);
  const at2 = readMillis(decoder, "the time of a write");
  const value = readValue(decoder);
  if (value === null) return { dots, operation, at: at2, value, checksum: 0 };
  const checksum = readUint322(decoder, "a checksum");
  if (crc32(value) !== checksum) throw damaged("a value does not match its checksum");
  return { dots, operation, at: at2, value, checksum };
}
function writeDvvSet(encoder, set) {
  writeClock(encoder, set.clock);
  writeCount(encoder, set.siblings.length);
  for (const sibling of set.siblings) writeSibling(encoder, sibling);
}
function readDvvSet(decoder) {
  const clock = readClock(decoder);
  const count = readCount(decoder, "siblings", SIBLINGS_DECODED_MAX, SIBLING_BYTES_MIN);
  const siblings = [];
  for (let i = 0; i < count; i++) {
    const sibling = readSibling(decoder);
    if (i > 0 && sibling.operation <= siblings[i - 1].operation)
      throw malformed("siblings are unsorted or repeat an operation");
    for (const dot of sibling.dots) if (!clockCovers(clock, dot)) throw malformed("the clock does not cover a dot");
    siblings.push(sibling);
  }
  if (count > 1) {
    const dots = siblings.flatMap((sibling) => sibling.dots.map((dot) => `${dot.actor} ${dot.counter}`));
    if (new Set(dots).size < dots.length) throw malformed("two siblings carry the same dot");
  }
  return { clock, siblings };
}
function clockCovers(clock, dot) {
  let low = 0;
  let high = clock.length - 1;
  while (low <= high) {
    const middle = low + high >> 1;
    const entry = clock[middle];
    if (entry.actor === dot.actor) return entry.counter >= dot.counter;
    if (entry.actor < dot.actor) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
function writeParameters(encoder, parameters) {
  const { n, r, w, partitions, placement, tokensPerNode } = parameters;
  writeByte(encoder, n | (placement === 3 ? 0 : placement) << PLACEMENT_SHIFT);
  writeByte(encoder, r);
  writeByte(encoder, w);
  writeUint2(encoder, partitions);
  if (placement !== 3) writeUint2(encoder, tokensPerNode);
}
function readParameters(decoder) {
  const first = readByte(decoder, "n and the placement");
  const n = first & (1 << PLACEMENT_SHIFT) - 1;
  const written = first >> PLACEMENT_SHIFT;
  if (written > 2) throw malformed(`placement is written as ${written}`);
  const placement = written === 0 ? 3 : written;
  const r = readByte(decoder, "r");
  const w = readByte(decoder, "w");
  const partitions = readUint(decoder, "the number of partitions", 1, PARTITIONS_MAX);
  const tokensPerNode = placement === 3 ? 0 : readUint(decoder, "the tokens of a node", 1, TOKENS_MAX);
  const parameters = { n, r, w, partitions, placement, tokensPerNode };
  const fault = parametersFault(parameters);
  if (fault !== void 0) throw malformed(fault);
  return parameters;
}
function writeNodeIds(encoder, nodes) {
  writeCount(encoder, nodes.length);
  for (const node of nodes) writeNodeId(encoder, node);
}
function readNodeIds(decoder, what) {
  const count = readCount(decoder, what, MEMBERS_MAX, NODE_BYTES);
  const nodes = [];
  for (let i = 0; i < count; i++) nodes.push(readNodeId(decoder));
  return nodes;
}
function writeMember(encoder, member, parameters) {
  assert(member.holders.length === holderBytes(parameters.partitions), "holders have a bit for each partition");
  writeNodeId(encoder, member.node);
  writeUint2(encoder, member.incarnation);
  writeUint2(encoder, member.version);
  writeUint2(encoder, member.capacity);
  writeText(encoder, member.zone);
  writeRaw(encoder, member.holders);
  writeByte(encoder, member.protocolMin);
  writeByte(encoder, member.protocolMax);
  writeBoolean(encoder, member.hidden);
  writeDeparture(encoder, member.departure);
  writeTokens(encoder, member.tokens, parameters);
}
function readMember(decoder, parameters) {
  const { partitions } = parameters;
  const node = readNodeId(decoder);
  const incarnation = readUint(decoder, "an incarnation", 1);
  const version = readUint(decoder, "the version of a member", 1);
  const capacity = readUint(decoder, "a capacity", 0, CAPACITY_MAX);
  const zone = readText(decoder, "a zone", 1, 3 * ZONE_CHARACTERS_MAX);
  if (zone.length > ZONE_CHARACTERS_MAX) throw malformed(`a zone has more than ${ZONE_CHARACTERS_MAX} characters`);
  const holders = readRaw(decoder, "the holders", holderBytes(partitions));
  if (partitions < 8 && holders[0] >> partitions !== 0) throw malformed("a holder's bit stands for no partition");
  const protocolMin = readByte(decoder, "a protocol version");
  const protocolMax = readByte(decoder, "a protocol version");
  if (protocolMin < 1 || protocolMin > protocolMax) throw malformed("the protocol versions of a member are no range");
  const hidden = readBoolean(decoder, "whether a member is hidden");
  const departure = readDeparture(decoder);
  const tokens = readTokens(decoder, parameters);
  const member = { node, incarnation, version, capacity, zone, holders, tokens, protocolMin, protocolMax, hidden };
  return departure === void 0 ? member : { ...member, departure };
}
var STANDINGS = ["leaving", "left", "removed"];
function writeDeparture(encoder, departure) {
  writeByte(encoder, departure === void 0 ? 0 : 1 + STANDINGS.indexOf(departure.standing));
  if (departure === void 0) return;
  writeNodeId(encoder, departure.by);
  writeUint2(encoder, departure.at);
}
function readDeparture(decoder) {
  const code = readByte(decoder, "a departure");
  if (code === 0) return void 0;
  const standing = STANDINGS[code - 1];
  if (standing === void 0) throw malformed(`a departure of kind ${code}`);
  return { standing, by: readNodeId(decoder), at: readUint(decoder, "the time of a departure", 0) };
}
function holderBytes(partitions) {
  return Math.max(1, partitions >> 3);
}
function writeTokens(encoder, tokens, parameters) {
  assert(parameters.placement !== 3 || tokens.length === 0, "in placement 3 nobody has tokens of its own");
  if (parameters.placement === 3) return;
  writeCount(encoder, tokens.length);
  tokens.forEach((token, i) => {
    if (parameters.placement === 1) writeUint2(encoder, i === 0 ? token : token - tokens[i - 1] - 1);
    else writeUint322(encoder, token);
  });
}
function readTokens(decoder, parameters) {
  if (parameters.placement === 3) return [];
  const count = readCount(decoder, "tokens", TOKENS_MAX, parameters.placement === 1 ? 1 : 4);
  const tokens = [];
  for (let i = 0; i < count; i++) {
    if (parameters.placement === 2) tokens.push(readUint322(decoder, "a token"));
    else tokens.push(readUint(decoder, "a token", 0, PARTITIONS_MAX) + (i === 0 ? 0 : tokens[i - 1] + 1));
  }
  const fault = tokensFault(tokens, parameters);
  if (fault !== void 0) throw malformed(fault);
  return tokens;
}
function writeMembers(encoder, members, parameters) {
  writeCount(encoder, members.length);
  for (const member of inNodeOrder(members)) writeMember(encoder, member, parameters);
}
function readMembers(decoder, parameters) {
  const count = readCount(decoder, "members", MEMBERS_MAX, MEMBER_BYTES_MIN + holderBytes(parameters.partitions) - 1);
  const members = [];
  for (let i = 0; i < count; i++) members.push(readMember(decoder, parameters));
  demandNodeOrder(members);
  return members;
}
function inNodeOrder(items) {
  return isInNodeOrder(items) ? items : items.slice().sort((a, b) => a.node < b.node ? -1 : 1);
}
function demandNodeOrder(items) {
  if (!isInNodeOrder(items)) throw malformed("a list of nodes is unsorted or repeats one");
}
function isInNodeOrder(items) {
  return items.every((item, i) => i === 0 || items[i - 1].node < item.node);
}
function writeClaims(encoder, claims, { partitions, placement }) {
  assert(claims.length === partitions, "there is a claim for each partition");
  if (placement !== 3) return;
  const places = /* @__PURE__ */ new Map();
  for (const claim of claims) if (!places.has(claim.owner)) places.set(claim.owner, places.size);
  writeNodeIds(encoder, [...places.keys()]);
  for (const claim of claims) {
    writeUint2(encoder, places.get(claim.owner));
    writeUint2(encoder, claim.version);
  }
}
function readClaims(decoder, { partitions, placement }) {
  if (placement !== 3) return unclaimed(partitions);
  const ownersCount = readCount(decoder, "owners", Math.min(partitions, MEMBERS_MAX), NODE_BYTES + CLAIM_BYTES_MIN);
  const owners = [];
  for (let i = 0; i < ownersCount; i++) owners.push(readNodeId(decoder));
  if (new Set(owners).size < owners.length) throw malformed("an owner is listed twice");
  const claims = [];
  let named = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const place2 = readUint(decoder, "the owner of a claim");
    const owner = owners[place2];
    if (owner === void 0 || place2 > named) throw malformed("a claim names an owner out of order");
    if (place2 === named) named++;
    claims.push({ owner, version: readUint(decoder, "the version of a claim") });
  }
  if (named < owners.length) throw malformed("an owner has no claim");
  return claims;
}
var POLICIES = ["siblings", "last-write-wins", "merge"];
var MERGE_NAME_BYTES_MAX = 32;
function writeBucketProperties(encoder, { r, w, pr, pw, dw, policy }) {
  for (const quorum of [r, w, pr, pw, dw]) writeOptional(encoder, quorum, writeByte);
  const merge = mergeNameOf(policy);
  writeChoice(encoder, POLICIES, merge === void 0 ? policy : "merge");
  if (merge !== void 0) writeText(encoder, merge);
}
function readBucketProperties(decoder) {
  const quorum = (what) => readOptional(decoder, `whether there is a ${what}`, () => readByte(decoder, what));
  const [r, w, pr, pw, dw] = [quorum("r"), quorum("w"), quorum("pr"), quorum("pw"), quorum("dw")];
  const choice = readChoice(decoder, "a conflict policy", POLICIES);
  const policy = choice === "merge" ? `merge:${readText(decoder, "the name of a merge", 1, MERGE_NAME_BYTES_MAX)}` : choice;
  return { r, w, pr, pw, dw, policy };
}
function writeBuckets(encoder, buckets) {
  writeCount(encoder, buckets.length);
  for (const { name, version, setBy, properties } of buckets) {
    writeText(encoder, name);
    writeUint2(encoder, version);
    writeNodeId(encoder, setBy);
    writeBucketProperties(encoder, properties);
  }
}
function readBuckets(decoder, n) {
  const count = readCount(decoder, "buckets", BUCKETS_MAX2, BUCKET_BYTES_MIN);
  const buckets = [];
  for (let i = 0; i < count; i++) {
    const name = readText(decoder, "the name of a bucket", 1, 3 * BUCKET_NAME_CHARACTERS_MAX);
    const version = readUint(decoder, "the version of a bucket", 1, BUCKET_VERSION_MAX);
    const setBy = readNodeId(decoder);
    const properties = readBucketProperties(decoder);
    const fault = bucketFault(name, properties, n);
    if (fault !== void 0) throw malformed(`a bucket cannot be: ${fault}`);
    if (i > 0 && name <= buckets[i - 1].name) throw malformed("buckets are unsorted or one is repeated");
    buckets.push({ name, version, setBy, properties });
  }
  return buckets;
}
function writeView(encoder, view) {
  writeParameters(encoder, view.parameters);
  writeMembers(encoder, view.members, view.parameters);
  writeClaims(encoder, view.claims, view.parameters);
  writeBuckets(encoder, view.buckets);
}
function readView2(decoder, hasBuckets = true) {
  const parameters = readParameters(decoder);
  const members = readMembers(decoder, parameters);
  const claims = readClaims(decoder, parameters);
  return { parameters, members, claims, buckets: hasBuckets ? readBuckets(decoder, parameters.n) : [] };
}
function writePartitions(encoder, partitions) {
  writeCount(encoder, partitions.length);
  for (const partition of partitions) writeUint2(encoder, partition);
}
function readPartitions(decoder) {
  const count = readCount(decoder, "partitions", PARTITIONS_MAX, 1);
  const partitions = [];
  for (let i = 0; i < count; i++) {
    const partition = readPartition(decoder);
    if (i > 0 && partition <= partitions[i - 1]) throw malformed("the partitions are not in order");
    partitions.push(partition);
  }
  return partitions;
}
function readPartition(decoder) {
  return readUint(decoder, "a partition", 0, PARTITIONS_MAX - 1);
}

// src/wire/tree-messages.ts
var TREE_NODES_MAX = PARTITIONS_MAX;
var LISTED_RECORDS_MAX = 4096;
var ADDRESS_BYTES_MAX = 8 + KEY_BYTES_MAX;
var NODE_BYTES_MIN = 2;
var DIFFERING_BYTES_MIN = 1 + FANOUT;
var LISTED_BYTES_MIN = 3;
var FETCHED_BYTES_MIN = 4;
var KEY_SPACE_MIN = 2;
var LISTED = ["listed", "refused"];
function writeTreeRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint2(encoder, message.level);
  writeCount(encoder, message.nodes.length);
  for (const { index, digest } of message.nodes) {
    writeUint2(encoder, index);
    writeUint2(encoder, digest);
  }
}
function readTreeRequest(decoder) {
  const request = readUint(decoder, "a request id");
  const level = readLevel(decoder);
  const count = readCount(decoder, "tree nodes", TREE_NODES_MAX, NODE_BYTES_MIN);
  const nodes = [];
  for (let i = 0; i < count; i++) nodes.push({ index: readIndex(decoder, level), digest: readDigest(decoder) });
  demandIndexOrder(nodes);
  return { kind: "tree-request", request, level, nodes };
}
function writeTreeReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint2(encoder, message.level);
  writePartitions(encoder, message.refused);
  writeCount(encoder, message.differing.length);
  for (const { index, children } of message.differing) {
    assert(children.length === FANOUT, "a tree node has as many children as any other");
    writeUint2(encoder, index);
    for (const digest of children) writeUint2(encoder, digest === void 0 ? 0 : digest + 1);
  }
}
function readTreeReply(decoder) {
  const request = readUint(decoder, "a request id");
  const level = readLevel(decoder);
  const refused = readPartitions(decoder);
  const count = readCount(decoder, "tree nodes", TREE_NODES_MAX, DIFFERING_BYTES_MIN);
  const differing = [];
  for (let i = 0; i < count; i++) {
    const index = readIndex(decoder, level);
    const children = [];
    for (let child = 0; child < FANOUT; child++) {
      const next = readUint(decoder, "a digest", 0, HASH52_END);
      children.push(next === 0 ? void 0 : next - 1);
    }
    differing.push({ index, children });
  }
  demandIndexOrder(differing);
  return { kind: "tree-reply", request, level, refused, differing };
}
function writeLeafRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint2(encoder, message.leaf);
  writeText(encoder, message.after);
}
function readLeafRequest(decoder) {
  const request = readUint(decoder, "a request id");
  const leaf = readUint(decoder, "a leaf", 0, LEAVES_MAX - 1);
  return { kind: "leaf-request", request, leaf, after: readAddress(decoder) };
}
function writeLeafReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeChoice(encoder, LISTED, message.outcome);
  if (message.outcome === "refused")
    return assert(message.records.length === 0 && message.next === void 0, "what is refused is empty");
  assert(message.records.length <= LISTED_RECORDS_MAX, "a leaf is listed in pages");
  writeCount(encoder, message.records.length);
  for (const { key, digest } of message.records) {
    writeKey(encoder, key);
    writeUint2(encoder, digest);
  }
  writeOptional(encoder, message.next, writeText);
}
function readLeafReply(decoder) {
  const request = readUint(decoder, "a request id");
  const outcome = readChoice(decoder, "the outcome of a listing", LISTED);
  if (outcome === "refused") return { kind: "leaf-reply", request, outcome, records: [], next: void 0 };
  const count = readCount(decoder, "listed records", LISTED_RECORDS_MAX, LISTED_BYTES_MIN);
  const records = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), digest: readDigest(decoder) });
  const next = readOptional(decoder, "whether there is a next page", readAddress);
  return { kind: "leaf-reply", request, outcome, records, next };
}
function writeFetchRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writeCount(encoder, message.keys.length);
  for (const key of message.keys) writeKey(encoder, key);
}
function readFetchRequest(decoder) {
  const request = readUint(decoder, "a request id");
  const count = readCount(decoder, "keys", LISTED_RECORDS_MAX, KEY_SPACE_MIN);
  const keys = [];
  for (let i = 0; i < count; i++) keys.push(readKey(decoder));
  return { kind: "fetch-request", request, keys };
}
function writeFetchReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeCount(encoder, message.records.length);
  for (const { key, set } of message.records) {
    writeKey(encoder, key);
    writeDvvSet(encoder, set);
  }
  writeUint2(encoder, message.answered);
}
function readFetchReply(decoder) {
  const request = readUint(decoder, "a request id");
  const count = readCount(decoder, "records", LISTED_RECORDS_MAX, FETCHED_BYTES_MIN);
  const records = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), set: readDvvSet(decoder) });
  return {
    kind: "fetch-reply",
    request,
    records,
    answered: readUint(decoder, "the keys answered", 0, LISTED_RECORDS_MAX)
  };
}
function readLevel(decoder) {
  return readUint(decoder, "a level of a tree", 0, DEPTH - 1);
}
function readIndex(decoder, level) {
  return readUint(decoder, "the index of a tree node", 0, PARTITIONS_MAX * FANOUT ** level - 1);
}
function readDigest(decoder) {
  return readUint(decoder, "a digest", 0, HASH52_END - 1);
}
function readAddress(decoder) {
  return readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX);
}
function demandIndexOrder(nodes) {
  for (let i = 1; i < nodes.length; i++)
    if (nodes[i].index <= nodes[i - 1].index) throw malformed("the tree nodes are not in order");
}

// src/wire/codec.ts
var PROTOCOL_VERSION = 1;
var PROTOCOL_MIN = 1;
var TRANSFER_RECORDS_MAX = 65536;
var ADDRESS_BYTES_MAX2 = 8 + KEY_BYTES_MAX;
var QUORUM_MAX = 16;
var VERSIONS_BYTES_MIN = NODE_BYTES + 2;
var TRANSFERRED_BYTES_MIN = 4;
var KIND = {
  ping: 1,
  pong: 2,
  probe: 3,
  "probe-reply": 4,
  "gossip-digest": 5,
  "gossip-versions": 6,
  "gossip-news": 7,
  "replica-put": 8,
  "replica-put-reply": 9,
  "replica-get": 10,
  "replica-get-reply": 11,
  "coordinate-get": 12,
  "coordinate-put": 13,
  "coordinate-reply": 14,
  "transfer-request": 15,
  "transfer-page": 16,
  "release-request": 17,
  "release-reply": 18,
  "tree-request": 19,
  "tree-reply": 20,
  "leaf-request": 21,
  "leaf-reply": 22,
  "fetch-request": 23,
  "fetch-reply": 24,
  "known-request": 25,
  "known-reply": 26,
  "sizes-request": 55,
  "sizes-reply": 56,
  "statistics-request": 48,
  "statistics-reply": 49
};
var PURPOSES = ["write", "repair", "hint", "transfer"];
var STORED = ["stored", "early", "hinted", "refused"];
var FOUND = ["found", "missing", "failed", "moved"];
var PAGES = ["page", "refused"];
var POLICIES2 = ["siblings", "last-write-wins"];
var RESULTS = ["got", "put", "failed"];
var FAILURES = [
  "quorum",
  "too-many-siblings",
  "not-ready",
  "overloaded",
  "storage"
];
function encodeMessage(message, epoch) {
  const encoder = startEncoding();
  writeByte(encoder, PROTOCOL_VERSION);
  writeByte(encoder, KIND[message.kind]);
  writeUint2(encoder, epoch);
  writeBody(encoder, message);
  const length2 = lengthOf(encoder);
  if (length2 > MESSAGE_BYTES_MAX) {
    throw new OversizedError(
      `A ${message.kind} would have ${length2} bytes, over the protocol's limit of ${MESSAGE_BYTES_MAX}. It was not sent; what is stored is safe. Reconcile the siblings of its key, or store smaller values.`
    );
  }
  return finishEncoding(encoder);
}
function decodeMessage(bytes) {
  if (bytes.length > MESSAGE_BYTES_MAX) throw oversized2("A message", bytes.length, MESSAGE_BYTES_MAX);
  const decoder = startDecoding(bytes);
  const version = readByte(decoder, "the protocol version");
  if (version < PROTOCOL_MIN || version > PROTOCOL_VERSION) throw protocolVersionError(version);
  const kind = readByte(decoder, "the kind of the message");
  const epoch = readUint(decoder, "the epoch");
  const message = readBody(decoder, kind);
  finishDecoding(decoder);
  return { epoch, message };
}
function protocolVersionError(theirs) {
  const ours = PROTOCOL_MIN < PROTOCOL_VERSION ? `${PROTOCOL_MIN} to ${PROTOCOL_VERSION}` : `${PROTOCOL_VERSION}`;
  return new ProtocolVersionError(ours, `${theirs}`);
}
function writeBody(encoder, message) {
  switch (message.kind) {
    case "ping":
    case "pong":
      return writePing(encoder, message);
    case "probe":
      return writeProbe(encoder, message);
    case "probe-reply":
      return writeProbeReply(encoder, message);
    case "gossip-digest":
      return writeGossipDigest(encoder, message);
    case "gossip-versions":
      return writeGossipVersions(encoder, message);
    case "gossip-news":
      return writeGossipNews(encoder, message);
    case "replica-put":
      return writeReplicaPut(encoder, message);
    case "replica-put-reply":
      return writeReplicaPutReply(encoder, message);
    case "replica-get":
      return writeReplicaGet(encoder, message);
    case "replica-get-reply":
      return writeReplicaGetReply(encoder, message);
    case "coordinate-get":
      return writeCoordinateGet(encoder, message);
    case "coordinate-put":
      return writeCoordinatePut(encoder, message);
    case "coordinate-reply":
      return writeCoordinateReply(encoder, message);
    case "transfer-request":
      return writeTransferRequest(encoder, message);
    case "transfer-page":
      return writeTransferPage(encoder, message);
    case "release-request":
      return writeReleaseRequest(encoder, message);
    case "release-reply":
      return writeReleaseReply(encoder, message);
    case "known-request":
      return writeKnownRequest(encoder, message);
    case "known-reply":
      return writeKnownReply(encoder, message);
    case "tree-request":
      return writeTreeRequest(encoder, message);
    case "tree-reply":
      return writeTreeReply(encoder, message);
    case "leaf-request":
      return writeLeafRequest(encoder, message);
    case "leaf-reply":
      return writeLeafReply(encoder, message);
    case "fetch-request":
      return writeFetchRequest(encoder, message);
    case "fetch-reply":
      return writeFetchReply(encoder, message);
    case "sizes-request":
      return writeSizesRequest(encoder, message);
    case "sizes-reply":
      return writeSizesReply(encoder, message);
    case "statistics-request":
      return writeStatisticsRequest(encoder, message);
    case "statistics-reply":
      return writeStatisticsReply(encoder, message);
    default:
      return unreachable(message);
  }
}
function readBody(decoder, kind) {
  switch (kind) {
    case KIND.ping:
      return { kind: "ping", ...readPing(decoder) };
    case KIND.pong:
      return { kind: "pong", ...readPing(decoder) };
    case KIND.probe:
      return readProbe(decoder);
    case KIND["probe-reply"]:
      return readProbeReply(decoder);
    case KIND["gossip-digest"]:
      return readGossipDigest(decoder);
    case KIND["gossip-versions"]:
      return readGossipVersions(decoder);
    case KIND["gossip-news"]:
      return readGossipNews(decoder);
    case KIND["replica-put"]:
      return readReplicaPut(decoder);
    case KIND["replica-put-reply"]:
      return readReplicaPutReply(decoder);
    case KIND["replica-get"]:
      return readReplicaGet(decoder);
    case KIND["replica-get-reply"]:
      return readReplicaGetReply(decoder);
    case KIND["coordinate-get"]:
      return readCoordinateGet(decoder);
    case KIND["coordinate-put"]:
      return readCoordinatePut(decoder);
    case KIND["coordinate-reply"]:
      return readCoordinateReply(decoder);
    case KIND["transfer-request"]:
      return readTransferRequest(decoder);
    case KIND["transfer-page"]:
      return readTransferPage(decoder);
    case KIND["release-request"]:
      return readReleaseRequest(decoder);
    case KIND["release-reply"]:
      return readReleaseReply(decoder);
    case KIND["known-request"]:
      return readKnownRequest(decoder);
    case KIND["known-reply"]:
      return readKnownReply(decoder);
    case KIND["tree-request"]:
      return readTreeRequest(decoder);
    case KIND["tree-reply"]:
      return readTreeReply(decoder);
    case KIND["leaf-request"]:
      return readLeafRequest(decoder);
    case KIND["leaf-reply"]:
      return readLeafReply(decoder);
    case KIND["fetch-request"]:
      return readFetchRequest(decoder);
    case KIND["fetch-reply"]:
      return readFetchReply(decoder);
    case KIND["sizes-request"]:
      return readSizesRequest(decoder);
    case KIND["sizes-reply"]:
      return readSizesReply(decoder);
    case KIND["statistics-request"]:
      return readStatisticsRequest(decoder);
    case KIND["statistics-reply"]:
      return readStatisticsReply(decoder);
    default:
      throw new UnknownMessageError(kind);
  }
}
function writePing(encoder, message) {
  writeUint2(encoder, message.sequence);
  writeUint2(encoder, message.epoch);
}
function readPing(decoder) {
  return { sequence: readUint(decoder, "a sequence number"), epoch: readUint(decoder, "the sender's epoch") };
}
function writeProbe(encoder, message) {
  writeUint2(encoder, message.sequence);
  writeNodeId(encoder, message.target);
}
function readProbe(decoder) {
  return { kind: "probe", sequence: readUint(decoder, "a sequence number"), target: readNodeId(decoder) };
}
function writeProbeReply(encoder, message) {
  writeUint2(encoder, message.sequence);
  writeNodeId(encoder, message.target);
  writeBoolean(encoder, message.alive);
}
function readProbeReply(decoder) {
  const sequence = readUint(decoder, "a sequence number");
  const target = readNodeId(decoder);
  return { kind: "probe-reply", sequence, target, alive: readBoolean(decoder, "whether a node is alive") };
}
function writeGossipDigest(encoder, message) {
  writeOptional(encoder, message.ring, writeUint322);
}
function readGossipDigest(decoder) {
  return { kind: "gossip-digest", ring: readOptional(decoder, "whether there is a ring", readRing) };
}
function writeGossipVersions(encoder, message) {
  writeCount(encoder, message.members.length);
  for (const member of inNodeOrder(message.members)) {
    writeNodeId(encoder, member.node);
    writeUint2(encoder, member.incarnation);
    writeUint2(encoder, member.version);
  }
  writeOptional(encoder, message.claims, writeUint322);
  writeOptional(encoder, message.buckets, writeUint322);
}
function readGossipVersions(decoder) {
  const count = readCount(decoder, "members", MEMBERS_MAX, VERSIONS_BYTES_MIN);
  const members = [];
  for (let i = 0; i < count; i++) {
    const node = readNodeId(decoder);
    const incarnation = readUint(decoder, "an incarnation", 1);
    members.push({ node, incarnation, version: readUint(decoder, "the version of a member", 1) });
  }
  demandNodeOrder(members);
  const claims = readOptional(decoder, "whether there are claims", readClaimsDigest);
  const buckets = readOptional(decoder, "whether there are buckets", readBucketsDigest);
  return { kind: "gossip-versions", members, claims, buckets };
}
function readClaimsDigest(decoder) {
  return readUint322(decoder, "the digest of the claims");
}
function readBucketsDigest(decoder) {
  return readUint322(decoder, "the digest of the buckets");
}
function writeGossipNews(encoder, message) {
  const { parameters, members, claims } = message;
  writeParameters(encoder, parameters);
  writeMembers(encoder, members, parameters);
  writeBoolean(encoder, claims !== void 0);
  if (claims !== void 0) writeClaims(encoder, claims, parameters);
  writeOptional(encoder, message.buckets, writeBuckets);
  writeNodeIds(encoder, message.wanted.slice().sort());
  writeBoolean(encoder, message.wantsClaims);
  writeBoolean(encoder, message.wantsBuckets);
}
function readGossipNews(decoder) {
  const parameters = readParameters(decoder);
  const members = readMembers(decoder, parameters);
  const hasClaims = readBoolean(decoder, "whether there are claims");
  const claims = hasClaims ? readClaims(decoder, parameters) : void 0;
  const buckets = readOptional(decoder, "whether there are buckets", () => readBuckets(decoder, parameters.n));
  const wanted = readNodeIds(decoder, "wanted nodes");
  demandNodeOrder(wanted.map((node) => ({ node })));
  const wantsClaims = readBoolean(decoder, "whether claims are wanted");
  const wantsBuckets = readBoolean(decoder, "whether buckets are wanted");
  return { kind: "gossip-news", parameters, members, claims, buckets, wanted, wantsClaims, wantsBuckets };
}
function writeReplicaPut(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  writeChoice(encoder, PURPOSES, message.purpose);
  writeKey(encoder, message.key);
  writeDvvSet(encoder, message.set);
  writeOptional(encoder, message.hintFor, writeNodeId);
}
function readReplicaPut(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const purpose = readChoice(decoder, "the purpose of a put", PURPOSES);
  const key = readKey(decoder);
  const set = readDvvSet(decoder);
  const hintFor = readOptional(decoder, "whether it is a hint", readNodeId);
  return { kind: "replica-put", request, ring, ttlMs, purpose, key, set, hintFor };
}
function writeReplicaPutReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeChoice(encoder, STORED, message.outcome);
  writeBoolean(encoder, message.owner);
  writeNodeIds(encoder, message.counted);
}
function readReplicaPutReply(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const outcome = readChoice(decoder, "the outcome of a put", STORED);
  const owner = readBoolean(decoder, "whether it is an owner");
  return {
    kind: "replica-put-reply",
    request,
    ring,
    outcome,
    owner,
    counted: readNodeIds(decoder, "nodes that count")
  };
}
function writeReplicaGet(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  writeKey(encoder, message.key);
  writeBoolean(encoder, message.counts);
}
function readReplicaGet(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const key = readKey(decoder);
  return { kind: "replica-get", request, ring, ttlMs, key, counts: readBoolean(decoder, "whether it counts") };
}
function writeReplicaGetReply(encoder, message) {
  assert(message.outcome === "found" === (message.set !== void 0), "a set goes with what was found");
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeChoice(encoder, FOUND, message.outcome);
  writeBoolean(encoder, message.owner);
  writeNodeIds(encoder, message.counted);
  if (message.set !== void 0) writeDvvSet(encoder, message.set);
}
function readReplicaGetReply(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const outcome = readChoice(decoder, "the outcome of a get", FOUND);
  const owner = readBoolean(decoder, "whether it is an owner");
  const counted2 = readNodeIds(decoder, "nodes that count");
  return {
    kind: "replica-get-reply",
    request,
    ring,
    outcome,
    owner,
    counted: counted2,
    set: outcome === "found" ? readDvvSet(decoder) : void 0
  };
}
function writeCoordinateGet(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  writeKey(encoder, message.key);
  writeOptional(encoder, message.r, writeUint2);
  writeOptional(encoder, message.pr, writeUint2);
}
function readCoordinateGet(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const key = readKey(decoder);
  return {
    kind: "coordinate-get",
    request,
    ring,
    ttlMs,
    key,
    r: readOptional(decoder, "whether there is an r", readQuorum),
    pr: readOptional(decoder, "whether there is a pr", readOwnersQuorum)
  };
}
function writeCoordinatePut(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeMillis(encoder, message.ttlMs);
  writeKey(encoder, message.key);
  writeClientWrite(encoder, message.write);
}
function readCoordinatePut(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  const ttlMs = readTtl(decoder);
  const key = readKey(decoder);
  return { kind: "coordinate-put", request, ring, ttlMs, key, write: readClientWrite(decoder) };
}
function writeCoordinateReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.ring);
  writeClientResult(encoder, message.result);
}
function readCoordinateReply(decoder) {
  const request = readRequest(decoder);
  const ring = readRing(decoder);
  return { kind: "coordinate-reply", request, ring, result: readClientResult(decoder) };
}
function writeTransferRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint2(encoder, message.partition);
  writeText(encoder, message.after);
  writeUint2(encoder, message.bytesMax);
}
function readTransferRequest(decoder) {
  const request = readRequest(decoder);
  const partition = readPartition(decoder);
  const after = readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX2);
  const bytesMax = readUint(decoder, "the size of a page", 1, MESSAGE_BYTES_MAX);
  return { kind: "transfer-request", request, partition, after, bytesMax };
}
function writeTransferPage(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint2(encoder, message.partition);
  writeChoice(encoder, PAGES, message.outcome);
  if (message.outcome === "refused") {
    return assert(message.records.length === 0 && message.next === void 0, "a refused page is empty");
  }
  assert(message.records.length <= TRANSFER_RECORDS_MAX, "a page has too many records");
  writeCount(encoder, message.records.length);
  for (const record of message.records) {
    writeKey(encoder, record.key);
    writeDvvSet(encoder, record.set);
  }
  writeOptional(encoder, message.next, writeText);
}
function readTransferPage(decoder) {
  const request = readRequest(decoder);
  const partition = readPartition(decoder);
  const outcome = readChoice(decoder, "the outcome of a transfer", PAGES);
  if (outcome === "refused")
    return { kind: "transfer-page", request, partition, outcome, records: [], next: void 0 };
  const count = readCount(decoder, "records", TRANSFER_RECORDS_MAX, TRANSFERRED_BYTES_MIN);
  const records = [];
  for (let i = 0; i < count; i++) records.push({ key: readKey(decoder), set: readDvvSet(decoder) });
  const next = readOptional(decoder, "whether there is a next page", readAddress2);
  return { kind: "transfer-page", request, partition, outcome, records, next };
}
function writeReleaseRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint322(encoder, message.claims);
  writePartitions(encoder, message.partitions);
}
function readReleaseRequest(decoder) {
  const request = readRequest(decoder);
  const claims = readUint322(decoder, "a digest of claims");
  return { kind: "release-request", request, claims, partitions: readPartitions(decoder) };
}
function writeReleaseReply(encoder, message) {
  writeUint2(encoder, message.request);
  writePartitions(encoder, message.partitions);
}
function readReleaseReply(decoder) {
  const request = readRequest(decoder);
  return { kind: "release-reply", request, partitions: readPartitions(decoder) };
}
function writeKnownRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writeUint2(encoder, message.incarnation);
  writeUint2(encoder, message.version);
}
function readKnownRequest(decoder) {
  const request = readRequest(decoder);
  const incarnation = readUint(decoder, "an incarnation", 1);
  return { kind: "known-request", request, incarnation, version: readUint(decoder, "the version of a member", 1) };
}
function writeKnownReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeBoolean(encoder, message.known);
  writePartitions(encoder, message.unopened);
}
function readKnownReply(decoder) {
  const request = readRequest(decoder);
  const known2 = readBoolean(decoder, "whether something is known");
  return { kind: "known-reply", request, known: known2, unopened: readPartitions(decoder) };
}
function writeClientWrite(encoder, write2) {
  writeValue(encoder, write2.value);
  writeClock(encoder, write2.context);
  writeOperationId(encoder, write2.operation);
  writeMillis(encoder, write2.at);
  writeOptional(encoder, write2.w, writeUint2);
  writeOptional(encoder, write2.pw, writeUint2);
  writeOptional(encoder, write2.policy, writePolicy);
}
function readClientWrite(decoder) {
  const value = readValue(decoder);
  const context = readClock(decoder);
  const operation = readOperationId(decoder);
  const at2 = readMillis(decoder, "the time of a write");
  const w = readOptional(decoder, "whether there is a w", readQuorum);
  const pw = readOptional(decoder, "whether there is a pw", readOwnersQuorum);
  return {
    value,
    context,
    operation,
    at: at2,
    w,
    pw,
    policy: readOptional(decoder, "whether there is a policy", readPolicy)
  };
}
function writePolicy(encoder, policy) {
  writeChoice(encoder, POLICIES2, policy);
}
function readPolicy(decoder) {
  return readChoice(decoder, "a conflict policy", POLICIES2);
}
function writeClientResult(encoder, result) {
  writeChoice(encoder, RESULTS, result.outcome);
  switch (result.outcome) {
    case "got":
      writeDvvSet(encoder, result.set);
      writeNodeId(encoder, result.first);
      return writeReport(encoder, result.report);
    case "put":
      writeClock(encoder, result.clock);
      writeUint2(encoder, result.siblings);
      return writeReport(encoder, result.report);
    case "failed":
      writeFailure(encoder, result.failure);
      return writeOptional(encoder, result.report, writeReport);
    default:
      return unreachable(result);
  }
}
function readClientResult(decoder) {
  const outcome = readChoice(decoder, "the outcome of a request", RESULTS);
  switch (outcome) {
    case "got": {
      const set = readDvvSet(decoder);
      const first = readNodeId(decoder);
      return { outcome, set, first, report: readReport(decoder) };
    }
    case "put": {
      const clock = readClock(decoder);
      const siblings = readSiblings(decoder);
      return { outcome, clock, siblings, report: readReport(decoder) };
    }
    case "failed": {
      const failure = readFailure(decoder);
      return { outcome, failure, report: readOptional(decoder, "whether there is a report", readReport) };
    }
    default:
      return unreachable(outcome);
  }
}
function writeFailure(encoder, failure) {
  writeChoice(encoder, FAILURES, failure.code);
  if (failure.code === "too-many-siblings") writeUint2(encoder, failure.siblings);
}
function readFailure(decoder) {
  const code = readChoice(decoder, "the code of a failure", FAILURES);
  return code === "too-many-siblings" ? { code, siblings: readSiblings(decoder) } : { code };
}
function writeReport(encoder, report) {
  writeNodeId(encoder, report.coordinator);
  writeUint2(encoder, report.needed);
  writeUint2(encoder, report.counted);
  writeUint2(encoder, report.ownersNeeded);
  writeUint2(encoder, report.ownersAnswered);
  writeNodeIds(encoder, report.answered);
  writeNodeIds(encoder, report.silent);
  writeNodeIds(encoder, report.hintedFor);
  writeMillis(encoder, report.elapsedMs);
}
function readReport(decoder) {
  const coordinator = readNodeId(decoder);
  const needed = readUint(decoder, "the replies needed", 0, MEMBERS_MAX);
  const counted2 = readUint(decoder, "the nodes that count", 0, MEMBERS_MAX);
  const ownersNeeded = readUint(decoder, "the owners needed", 0, MEMBERS_MAX);
  const ownersAnswered = readUint(decoder, "the owners that answered", 0, MEMBERS_MAX);
  const answered = readNodeIds(decoder, "nodes that answered");
  const silent = readNodeIds(decoder, "silent nodes");
  const hintedFor = readNodeIds(decoder, "nodes hinted for");
  const elapsedMs = readMillis(decoder, "the time elapsed");
  return { coordinator, needed, counted: counted2, ownersNeeded, ownersAnswered, answered, silent, hintedFor, elapsedMs };
}
function writeSizesRequest(encoder, message) {
  writeUint2(encoder, message.request);
  writePartitions(encoder, message.partitions);
}
function readSizesRequest(decoder) {
  return { kind: "sizes-request", request: readRequest(decoder), partitions: readPartitions(decoder) };
}
function writeSizesReply(encoder, message) {
  writeUint2(encoder, message.request);
  writePartitions(
    encoder,
    message.sizes.map(({ partition }) => partition)
  );
  for (const { keys, bytes } of message.sizes) {
    writeUint2(encoder, keys);
    writeUint2(encoder, bytes);
  }
}
function readSizesReply(decoder) {
  const request = readRequest(decoder);
  const sizes = readPartitions(decoder).map((partition) => ({
    partition,
    keys: readUint(decoder, "a number of keys"),
    bytes: readUint(decoder, "a number of bytes")
  }));
  return { kind: "sizes-reply", request, sizes };
}
function writeStatisticsRequest(encoder, message) {
  writeUint2(encoder, message.request);
}
function readStatisticsRequest(decoder) {
  return { kind: "statistics-request", request: readRequest(decoder) };
}
function writeStatisticsReply(encoder, message) {
  writeUint2(encoder, message.request);
  writeStatistics(encoder, message.statistics);
}
function readStatisticsReply(decoder) {
  const request = readRequest(decoder);
  return { kind: "statistics-reply", request, statistics: readStatistics(decoder) };
}
function readRequest(decoder) {
  return readUint(decoder, "a request id");
}
function readRing(decoder) {
  return readUint322(decoder, "the digest of a ring");
}
function readTtl(decoder) {
  return readMillis(decoder, "a time to live");
}
function readQuorum(decoder) {
  return readUint(decoder, "a quorum", 1, QUORUM_MAX);
}
function readOwnersQuorum(decoder) {
  return readUint(decoder, "a quorum of owners", 0, QUORUM_MAX);
}
function readAddress2(decoder) {
  return readText(decoder, "a storage address", 0, ADDRESS_BYTES_MAX2);
}
function readSiblings(decoder) {
  return readUint(decoder, "the number of siblings", 0, SIBLINGS_DECODED_MAX);
}

// src/wire/record.ts
var FORMAT = 1;
var META_FORMAT = 2;
var CHECKSUM_AT = 1;
var BODY_AT = 5;
var START_CHARACTERS_MAX = 64;
function encodeRecord(record) {
  return encodeGuarded(record, writeRecord);
}
function decodeRecord(bytes) {
  return decodeGuarded(bytes, "record", readRecord);
}
function encodeMeta(meta) {
  return encodeGuarded(meta, writeMeta, META_FORMAT);
}
function decodeMeta(bytes) {
  const format = bytes[0] === 1 ? 1 : META_FORMAT;
  return decodeGuarded(bytes, "state of this node", (decoder) => readMeta(decoder, format >= 2), format);
}
function writeRecord(encoder, record) {
  writeDvvSet(encoder, record.set);
  writeOptional(encoder, record.minted, writeMinted);
}
function readRecord(decoder) {
  const set = readDvvSet(decoder);
  return { set, minted: readOptional(decoder, "whether a dot was minted", readMinted) };
}
function writeMinted(encoder, minted) {
  writeActor(encoder, minted.actor);
  writeText(encoder, minted.start);
}
function readMinted(decoder) {
  return { actor: readActor(decoder), start: readText(decoder, "the start of the node", 0, 3 * START_CHARACTERS_MAX) };
}
function writeMeta(encoder, meta) {
  writeUint2(encoder, meta.incarnation);
  writeOptional(encoder, meta.view, writeView);
  writePartitions(encoder, meta.unopened);
}
function readMeta(decoder, hasBuckets) {
  const incarnation = readUint(decoder, "the incarnation", 1);
  const view = readOptional(decoder, "whether there is a view", () => readView2(decoder, hasBuckets));
  return { incarnation, view, unopened: readPartitions(decoder) };
}
function encodeGuarded(content, write2, format = FORMAT) {
  const encoder = startEncoding();
  writeByte(encoder, format);
  writeUint322(encoder, 0);
  write2(encoder, content);
  const bytes = finishEncoding(encoder);
  new DataView(bytes.buffer).setUint32(CHECKSUM_AT, crc32(bytes.subarray(BODY_AT)), true);
  return bytes;
}
function decodeGuarded(bytes, what, read, expected = FORMAT) {
  try {
    const decoder = startDecoding(bytes);
    const format = readByte(decoder, "the format");
    if (format !== expected)
      throw new MalformedMessageError(`its format is ${format}, but this build reads ${expected}`);
    const checksum = readUint322(decoder, "the checksum");
    if (crc32(bytes.subarray(BODY_AT)) !== checksum) throw new MalformedMessageError("its checksum does not match");
    const content = read(decoder);
    finishDecoding(decoder);
    return content;
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw new MalformedMessageError(
      `A stored ${what} is damaged: ${error.message}. Other replicas and members still have what they acknowledged.`,
      "damaged"
    );
  }
}

// @noble/ciphers/utils.js
function isBytes2(a) {
  return a instanceof Uint8Array || ArrayBuffer.isView(a) && a.constructor.name === "Uint8Array" && "BYTES_PER_ELEMENT" in a && a.BYTES_PER_ELEMENT === 1;
}
var atitle2 = (title) => title ? `"${title}" ` : "";
function anumber2(n, title = "") {
  if (typeof n !== "number")
    throw new TypeError(atitle2(title) + "expected number, got " + typeof n);
  if (!Number.isSafeInteger(n) || n < 0)
    throw new RangeError(atitle2(title) + "expected integer >= 0, got " + n);
  return n;
}
function abytes2(value, length2, title = "") {
  if (isBytes2(value) && (length2 === void 0 || value.length === length2))
    return value;
  if (length2 !== void 0)
    anumber2(length2, "length");
  const bytes = isBytes2(value);
  const ofLen = length2 !== void 0 ? ` of length ${length2}` : "";
  const got = bytes ? `length=${value.length}` : `type=${typeof value}`;
  const message = atitle2(title) + "expected Uint8Array" + ofLen + ", got " + got;
  if (!bytes)
    throw new TypeError(message);
  throw new RangeError(message);
}
function equalBytes(a, b) {
  a = abytes2(a);
  b = abytes2(b);
  if (a.length !== b.length)
    return false;
  let diff = 0;
  for (let i = 0; i < a.length; i++)
    diff |= a[i] ^ b[i];
  return diff === 0;
}

// @noble/hashes/hmac.js
var _HMAC = class {
  oHash;
  iHash;
  blockLen;
  outputLen;
  canXOF = false;
  finished = false;
  destroyed = false;
  constructor(hash, key) {
    ahash(hash);
    abytes(key, void 0, "key");
    this.iHash = hash.create();
    if (typeof this.iHash.update !== "function")
      throw new Error("expected Hash instance");
    this.blockLen = this.iHash.blockLen;
    this.outputLen = this.iHash.outputLen;
    const blockLen = this.blockLen;
    const pad = new Uint8Array(blockLen);
    pad.set(key.length > blockLen ? hash.create().update(key).digest() : key);
    for (let i = 0; i < pad.length; i++)
      pad[i] ^= 54;
    this.iHash.update(pad);
    this.oHash = hash.create();
    for (let i = 0; i < pad.length; i++)
      pad[i] ^= 54 ^ 92;
    this.oHash.update(pad);
    clean(pad);
  }
  update(buf) {
    aexists(this);
    this.iHash.update(buf);
    return this;
  }
  digestInto(out) {
    aexists(this);
    aoutput(out, this);
    this.finished = true;
    const buf = out.subarray(0, this.outputLen);
    this.iHash.digestInto(buf);
    this.oHash.update(buf);
    this.oHash.digestInto(buf);
    this.destroy();
  }
  digest() {
    const out = new Uint8Array(this.oHash.outputLen);
    this.digestInto(out);
    return out;
  }
  _cloneInto(to) {
    to ||= Object.create(Object.getPrototypeOf(this), {});
    const { oHash, iHash, finished, destroyed, blockLen, outputLen, canXOF } = this;
    to = to;
    to.finished = finished;
    to.destroyed = destroyed;
    to.blockLen = blockLen;
    to.outputLen = outputLen;
    to.canXOF = canXOF;
    to.oHash = oHash._cloneInto(to.oHash);
    to.iHash = iHash._cloneInto(to.iHash);
    return to;
  }
  clone() {
    return this._cloneInto();
  }
  destroy() {
    this.destroyed = true;
    this.oHash.destroy();
    this.iHash.destroy();
  }
};
var hmac = /* @__PURE__ */ (() => {
  const hmac_ = ((hash, key, message) => new _HMAC(hash, key).update(message).digest());
  hmac_.create = (hash, key) => new _HMAC(hash, key);
  return hmac_;
})();

// @noble/hashes/hkdf.js
var HKDF_COUNTER = /* @__PURE__ */ Uint8Array.of(0);
var EMPTY_BUFFER = /* @__PURE__ */ Uint8Array.of();
function expand(hash, prk, info, length2 = 32, _recycled) {
  ahash(hash);
  anumber(length2, "length");
  abytes(prk, void 0, "prk");
  const olen = hash.outputLen;
  if (prk.length < olen)
    throw new Error('"prk" must be at least HashLen octets');
  if (length2 > 255 * olen)
    throw new Error("Length must be <= 255*HashLen");
  const blocks = Math.ceil(length2 / olen);
  if (info === void 0)
    info = EMPTY_BUFFER;
  else
    abytes(info, void 0, "info");
  if (!blocks) {
    if (_recycled)
      clean(prk);
    return new Uint8Array();
  }
  const okm = _recycled && blocks === 1 ? prk : new Uint8Array(blocks * olen);
  const { iHash, oHash } = hmac.create(hash, prk);
  const T = _recycled ? prk : new Uint8Array(olen);
  const worker = blocks > 1 ? _recycled?.iHash || hash.create() : void 0;
  for (let counter = 0; counter < blocks - 1; counter++) {
    HKDF_COUNTER[0] = counter + 1;
    const iWork = iHash._cloneInto(worker);
    if (counter)
      iWork.update(T);
    iWork.update(info).update(HKDF_COUNTER).digestInto(T);
    oHash._cloneInto(worker).update(T).digestInto(T);
    okm.set(T, olen * counter);
  }
  HKDF_COUNTER[0] = blocks;
  if (blocks > 1)
    iHash.update(T);
  iHash.update(info).update(HKDF_COUNTER).digestInto(T);
  oHash.update(T).digestInto(T);
  okm.set(T, olen * (blocks - 1));
  iHash.destroy();
  oHash.destroy();
  worker?.destroy();
  if (T !== okm)
    clean(T);
  clean(HKDF_COUNTER);
  if (length2 === okm.length)
    return okm;
  const res = okm.slice(0, length2);
  clean(okm);
  return res;
}
var hkdf = (hash, ikm, salt, info, length2) => {
  ahash(hash);
  if (salt === void 0)
    salt = new Uint8Array(hash.outputLen);
  const HMAC = hmac.create(hash, salt).update(ikm);
  return expand(hash, HMAC.digest(), info, length2, HMAC);
};

// @noble/hashes/sha2.js
var SHA256_K = /* @__PURE__ */ Uint32Array.from([
  1116352408,
  1899447441,
  3049323471,
  3921009573,
  961987163,
  1508970993,
  2453635748,
  2870763221,
  3624381080,
  310598401,
  607225278,
  1426881987,
  1925078388,
  2162078206,
  2614888103,
  3248222580,
  3835390401,
  4022224774,
  264347078,
  604807628,
  770255983,
  1249150122,
  1555081692,
  1996064986,
  2554220882,
  2821834349,
  2952996808,
  3210313671,
  3336571891,
  3584528711,
  113926993,
  338241895,
  666307205,
  773529912,
  1294757372,
  1396182291,
  1695183700,
  1986661051,
  2177026350,
  2456956037,
  2730485921,
  2820302411,
  3259730800,
  3345764771,
  3516065817,
  3600352804,
  4094571909,
  275423344,
  430227734,
  506948616,
  659060556,
  883997877,
  958139571,
  1322822218,
  1537002063,
  1747873779,
  1955562222,
  2024104815,
  2227730452,
  2361852424,
  2428436474,
  2756734187,
  3204031479,
  3329325298
]);
var SHA256_W = /* @__PURE__ */ new Uint32Array(64);
var SHA2_32B = class extends HashMD {
  // We cannot use array here since array allows indexing by variable
  // which means optimizer/compiler cannot use registers.
  // Numeric initializers matter: starting the fields as `undefined` changes
  // V8's field representation and makes sha256 3x slower (measured).
  A = 0;
  B = 0;
  C = 0;
  D = 0;
  E = 0;
  F = 0;
  G = 0;
  H = 0;
  constructor(outputLen, IV) {
    super(64, outputLen, 8, false);
    this.A = IV[0] | 0;
    this.B = IV[1] | 0;
    this.C = IV[2] | 0;
    this.D = IV[3] | 0;
    this.E = IV[4] | 0;
    this.F = IV[5] | 0;
    this.G = IV[6] | 0;
    this.H = IV[7] | 0;
  }
  get() {
    const { A, B, C, D, E, F, G, H } = this;
    return [A, B, C, D, E, F, G, H];
  }
  // prettier-ignore
  set(A, B, C, D, E, F, G, H) {
    this.A = A | 0;
    this.B = B | 0;
    this.C = C | 0;
    this.D = D | 0;
    this.E = E | 0;
    this.F = F | 0;
    this.G = G | 0;
    this.H = H | 0;
  }
  _cloneInto(to) {
    (to ||= new this.constructor()).set(...this.get());
    return this._cloneIntoMeta(to);
  }
  process(view, offset) {
    for (let i = 0; i < 16; i++, offset += 4)
      SHA256_W[i] = view.getUint32(offset, false);
    for (let i = 16; i < 64; i++) {
      const W15 = SHA256_W[i - 15];
      const W2 = SHA256_W[i - 2];
      const s0 = rotr(W15, 7) ^ rotr(W15, 18) ^ W15 >>> 3;
      const s1 = rotr(W2, 17) ^ rotr(W2, 19) ^ W2 >>> 10;
      SHA256_W[i] = s1 + SHA256_W[i - 7] + s0 + SHA256_W[i - 16] | 0;
    }
    let { A, B, C, D, E, F, G, H } = this;
    for (let i = 0; i < 64; i++) {
      const sigma1 = rotr(E, 6) ^ rotr(E, 11) ^ rotr(E, 25);
      const T12 = H + sigma1 + Chi(E, F, G) + SHA256_K[i] + SHA256_W[i] | 0;
      const sigma0 = rotr(A, 2) ^ rotr(A, 13) ^ rotr(A, 22);
      const T22 = sigma0 + Maj(A, B, C) | 0;
      H = G;
      G = F;
      F = E;
      E = D + T12 | 0;
      D = C;
      C = B;
      B = A;
      A = T12 + T22 | 0;
    }
    A = A + this.A | 0;
    B = B + this.B | 0;
    C = C + this.C | 0;
    D = D + this.D | 0;
    E = E + this.E | 0;
    F = F + this.F | 0;
    G = G + this.G | 0;
    H = H + this.H | 0;
    this.set(A, B, C, D, E, F, G, H);
  }
  roundClean() {
    clean(SHA256_W);
  }
  destroy() {
    this.destroyed = true;
    this.set(0, 0, 0, 0, 0, 0, 0, 0);
    clean(this.buffer);
  }
};
var _SHA256 = class extends SHA2_32B {
  constructor() {
    super(32, SHA256_IV);
  }
};
var sha256 = /* @__PURE__ */ createHasher(
  () => new _SHA256(),
  /* @__PURE__ */ oidNist(1)
);

// src/wire/handshake.ts
var LINK_PROTOCOL = { min: 1, max: 1 };
var CLUSTER_BYTES_MAX = 256;
var SECRET_BYTES = 32;
var NONCE_BYTES = 32;
var FINGERPRINT_BYTES = 32;
var HANDSHAKE_BYTES_MAX = 1024;
var ID_BYTES = 16;
var PROOF_BYTES = 32;
var WrongPeerError = class extends TabringError {
  name = "WrongPeerError";
  constructor(message) {
    super("wrong-peer", message);
  }
};
var REFUSALS = ["protocol-version", "wrong-secret", "wrong-peer", "malformed-message", "oversized"];
var Handshake = class {
  #options;
  /** Our first frame. */
  hello;
  #theirs;
  #theirVersions;
  constructor(options) {
    assert(options.secret.length === SECRET_BYTES, "a secret has 32 bytes");
    assert(options.nonce.length === NONCE_BYTES, "a nonce has 32 bytes");
    assert(
      options.frameBytesMax >= FRAME_BYTES_MIN && options.frameBytesMax <= FRAME_BYTES_MAX,
      "frames are 16 KiB to 64 KiB"
    );
    for (const fingerprint of options.binding === void 0 ? [] : [options.binding.local, options.binding.remote])
      assert(fingerprint.length === FINGERPRINT_BYTES, "a fingerprint has 32 bytes");
    this.#options = options;
    this.hello = encodeHello(options);
  }
  /** One frame from the other side. Throws a {@link TabringError} when the handshake has failed here; send {@link refuseFrame} then. */
  receive(frame) {
    if (frame.length > HANDSHAKE_BYTES_MAX) throw oversized(`${frame.length} bytes before the handshake was done`);
    const reader = new FrameReader(frame);
    const kind = reader.byte();
    if (kind === FRAME_KIND.refuse) return { kind: "refused", error: this.#refusal(reader) };
    if (kind === FRAME_KIND.hello && this.#theirs === void 0) return this.#onHello(frame, reader);
    if (kind === FRAME_KIND.proof && this.#theirs !== void 0) return this.#onProof(this.#theirs, reader);
    throw malformedFrame(`kind ${kind} has no place at this point of a handshake`);
  }
  #onHello(frame, reader) {
    const { self, peer, cluster, nonce, role, protocol } = this.#options;
    this.#theirVersions = { min: reader.uint(), max: reader.uint() };
    if (this.#theirVersions.max < protocol.min || this.#theirVersions.min > protocol.max)
      throw new ProtocolVersionError(rangeText(protocol), rangeText(this.#theirVersions));
    const hello = readHello(reader);
    if (hello.id === self || equalBytes(hello.nonce, nonce))
      throw new WrongPeerError(
        "The other side is this node itself. The link was refused and nothing was exchanged. Nothing needs to be done."
      );
    if (hello.cluster !== cluster)
      throw new WrongSecretError(
        "The other side belongs to another cluster. The link was refused and nothing was exchanged. Open both tabs by the same invite link."
      );
    if (peer !== void 0 && hello.id !== peer)
      throw new WrongPeerError(
        `Node ${hello.id.slice(0, 6)} answered where ${peer.slice(0, 6)} was dialled. The link was refused and nothing was exchanged. Nothing needs to be done: the link is dialled again when it is needed.`
      );
    if (hello.role === role) throw malformedFrame(`both sides claim to be the ${role}`);
    this.#theirs = { hello, transcript: this.#transcript(frame) };
    const proof = new Uint8Array(1 + PROOF_BYTES);
    proof[0] = FRAME_KIND.proof;
    proof.set(this.#proofOf(role, this.#theirs.transcript), 1);
    return { kind: "proving", proof };
  }
  #onProof(theirs, reader) {
    const proof = reader.view(PROOF_BYTES);
    reader.end();
    if (!equalBytes(proof, this.#proofOf(theirs.hello.role, theirs.transcript)))
      throw new WrongSecretError(
        "The other side could not prove that it knows this cluster's secret on this very link. The link was refused and no data was exchanged. Open both tabs by the same invite link; if they were, somebody between them interferes."
      );
    const key = (role) => hkdf(sha256, this.#options.secret, sha256(theirs.transcript), utf8Encode(`tabring frames 1 ${role}`), 32);
    return {
      kind: "done",
      peer: theirs.hello.id,
      frameBytesMax: Math.min(this.#options.frameBytesMax, theirs.hello.frameBytesMax),
      keys: this.#options.binding === void 0 ? { send: key(this.#options.role), receive: key(theirs.hello.role) } : void 0
    };
  }
  /** What both sides must agree on, in one form for both: each piece with its length before it, so that none can pass for another. */
  #transcript(theirHello) {
    const { role, binding } = this.#options;
    const nothing = new Uint8Array();
    const ours = [this.hello, binding?.local ?? nothing];
    const theirs = [theirHello, binding?.remote ?? nothing];
    const [initiator, responder] = role === "initiator" ? [ours, theirs] : [theirs, ours];
    return joined([utf8Encode("tabring proof 1"), initiator[0], responder[0], initiator[1], responder[1]]);
  }
  #proofOf(role, transcript) {
    const { secret, cluster } = this.#options;
    const key = hkdf(sha256, secret, utf8Encode(cluster), utf8Encode("tabring handshake 1"), 32);
    return hmac(sha256, key, joined([utf8Encode(role), transcript]));
  }
  #refusal(reader) {
    const refusal = REFUSALS[reader.byte()];
    if (refusal === void 0) throw malformedFrame("a refusal without a known reason");
    reader.end();
    const text = `The other side refused this link: ${refusal}. No data was exchanged.`;
    switch (refusal) {
      case "protocol-version":
        return new ProtocolVersionError(
          rangeText(this.#options.protocol),
          this.#theirVersions === void 0 ? "of another version" : rangeText(this.#theirVersions)
        );
      case "wrong-secret":
        return new WrongSecretError(`${text} Open both tabs by the same invite link.`);
      case "wrong-peer":
        return new WrongPeerError(`${text} Nothing needs to be done: the link is dialled again when it is needed.`);
      case "malformed-message":
        return new MalformedMessageError(`${text} Reload both tabs to get the same build.`);
      case "oversized":
        return new OversizedError(`${text} Reload both tabs to get the same build.`);
      default:
        return unreachable(refusal);
    }
  }
};
function encodeHello(options) {
  const id = fromHex(options.self);
  assert(id?.length === ID_BYTES, "a node id has 32 hexadecimal digits");
  const cluster = utf8Encode(options.cluster);
  assert(cluster.length > 0 && cluster.length <= CLUSTER_BYTES_MAX, "a cluster's name has 1 to 256 bytes");
  const { min: min2, max: max2 } = options.protocol;
  const frame = new Uint8Array(
    2 + uintBytes(min2) + uintBytes(max2) + ID_BYTES + NONCE_BYTES + uintBytes(options.frameBytesMax) + uintBytes(cluster.length) + cluster.length
  );
  frame[0] = FRAME_KIND.hello;
  let at2 = writeUint(frame, writeUint(frame, 1, min2), max2);
  frame[at2++] = options.role === "initiator" ? 0 : 1;
  frame.set(id, at2);
  frame.set(options.nonce, at2 + ID_BYTES);
  at2 = writeUint(frame, at2 + ID_BYTES + NONCE_BYTES, options.frameBytesMax);
  frame.set(cluster, writeUint(frame, at2, cluster.length));
  return frame;
}
function readHello(reader) {
  const role = reader.byte();
  if (role > 1) throw malformedFrame("a hello without a role");
  const id = toHex(reader.view(ID_BYTES));
  const nonce = reader.view(NONCE_BYTES).slice();
  const frameBytesMax = reader.uint();
  if (frameBytesMax < FRAME_BYTES_MIN) throw malformedFrame("a hello whose frames are too small");
  const clusterBytes = reader.uint();
  const cluster = clusterBytes <= CLUSTER_BYTES_MAX ? utf8Decode(reader.view(clusterBytes)) : void 0;
  if (cluster === void 0 || cluster === "") throw malformedFrame("a hello without a cluster");
  reader.end();
  return { role: role === 0 ? "initiator" : "responder", id, nonce, frameBytesMax, cluster };
}
function joined(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + uintBytes(piece.length) + piece.length, 0));
  let at2 = 0;
  for (const piece of pieces) {
    at2 = writeUint(bytes, at2, piece.length);
    bytes.set(piece, at2);
    at2 += piece.length;
  }
  return bytes;
}
function rangeText({ min: min2, max: max2 }) {
  return min2 === max2 ? `${min2}` : `${min2} to ${max2}`;
}
export {
  DynamoNode,
  Handshake,
  LINK_PROTOCOL,
  decodeMessage,
  decodeMeta,
  decodeRecord,
  defaultConfig,
  encodeMessage,
  encodeMeta,
  encodeRecord
};
