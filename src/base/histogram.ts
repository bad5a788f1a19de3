/**
 * Counts whole numbers in logarithmic buckets, so that percentiles up to the 99.9th and beyond cost a few kilobytes however many numbers there are.
 *
 * Numbers below 32 have a bucket each; from there on every doubling is cut into 32 buckets of equal width. A percentile is told as the middle of
 * its bucket and is off by at most PERCENTILE_ERROR_MAX. Count, sum and maximum are exact. Merging adds bucket by bucket: commutative, associative.
 *
 * Limits: BUCKETS_MAX buckets. What is larger than VALUE_MAX counts as VALUE_MAX, what is negative as 0, fractions are cut off.
 */

/** Buckets of one doubling. */
const STEPS = 32;
const STEP_BITS = 5;
/** The largest number that has a bucket; in microseconds, 71 minutes. */
export const VALUE_MAX = 0xffff_ffff;
export const BUCKETS_MAX = STEPS * (32 - STEP_BITS + 1);
/** Half a bucket: 1.6 percent. */
export const PERCENTILE_ERROR_MAX = 1 / (2 * STEPS);

/** A histogram as plain data. */
export interface HistogramData {
  readonly sum: number;
  /** The largest number counted; 0 when there is none. */
  readonly max: number;
  /** Those that are not empty, by number, ascending. */
  readonly buckets: readonly { readonly bucket: number; readonly count: number }[];
}

export const EMPTY_HISTOGRAM: HistogramData = { sum: 0, max: 0, buckets: [] };

function bucketOf(value: number): number {
  if (value < STEPS) return value;
  const shift = 31 - Math.clz32(value) - STEP_BITS;
  return STEPS * shift + (value >>> shift);
}

/** The least number of a bucket. */
export function leastOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket;
  const shift = (bucket >>> STEP_BITS) - 1;
  return (bucket - STEPS * shift) * 2 ** shift;
}

/** The middle of a bucket's numbers. */
function middleOf(bucket: number): number {
  return (leastOf(bucket) + leastOf(bucket + 1) - 1) / 2;
}

export class Histogram {
  readonly #counts = new Map<number, number>();
  #count = 0;
  #sum = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  get max(): number {
    return this.#max;
  }

  /** 0 when nothing was counted. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  get data(): HistogramData {
    const buckets = [...this.#counts].map(([bucket, count]) => ({ bucket, count }));
    return { sum: this.#sum, max: this.#max, buckets: buckets.sort((a, b) => a.bucket - b.bucket) };
  }

  add(value: number): void {
    const whole = Math.min(VALUE_MAX, Math.max(0, Math.floor(value)));
    this.#into(bucketOf(whole), 1);
    this.#sum += whole;
    this.#max = Math.max(this.#max, whole);
  }

  /** Takes in all that another one has counted. Returns this. */
  include({ sum, max, buckets }: HistogramData): this {
    for (const { bucket, count } of buckets) this.#into(bucket, count);
    this.#sum += sum;
    this.#max = Math.max(this.#max, max);
    return this;
  }

  /**
   * The least number that at least `percent` of all are not above (nearest rank), to within PERCENTILE_ERROR_MAX; the largest one exactly. 0 when nothing
   * was counted. `percent` counts to its third decimal place.
   */
  percentile(percent: number): number {
    const rank = Math.max(1, Math.ceil((Math.round(percent * 1_000) * this.#count) / 100_000));
    if (rank >= this.#count) return this.#max;
    let below = 0;
    for (const { bucket, count } of this.data.buckets) {
      below += count;
      if (below >= rank) return Math.min(this.#max, middleOf(bucket));
    }
    return this.#max;
  }

  #into(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    this.#count += count;
  }
}
