/**
 * Whether one transmission sequence number comes after another, modulo 2^32 (RFC 1982, RFC 9260 §1.6). Two that are
 * 2^31 apart are unordered: neither comes after the other.
 */
export function isTsnAfter(tsn: number, other: number): boolean {
  return ((tsn - other) | 0) > 0;
}

/** Adds steps to a TSN, which may be negative. */
export function tsnPlus(tsn: number, steps: number): number {
  return (tsn + steps) >>> 0;
}

/** Forward distance from `other` to `tsn`, 0 to 2^32 − 1. */
export function tsnDistance(tsn: number, other: number): number {
  return (tsn - other) >>> 0;
}
