/** The clock that all pages of this computer share, in milliseconds. Two pages may be some milliseconds apart, when the computer's clock was set between their starts. */
export function commonNow(): number {
  return performance.timeOrigin + performance.now();
}
