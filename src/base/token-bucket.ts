/** A token bucket: so many per second on average, so many at once. The caller passes the time in. */

export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Where it stands, as plain data: equal ones behave alike from here on. */
  get memory(): { readonly tokens: number; readonly atMs: number } {
    return { tokens: this.#tokens, atMs: this.#atMs };
  }

  /** Takes `cost` tokens, into debt if need be. The milliseconds until the debt is paid; 0 when there is none. */
  take(cost: number, nowMs: number): number {
    this.#refill(nowMs);
    this.#tokens -= cost;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1_000) / this.#perSecond;
  }

  /** Takes `cost` tokens if they are there; false, and nothing is taken, if not. */
  tryTake(cost: number, nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1_000);
    this.#atMs = Math.max(this.#atMs, nowMs);
  }
}
