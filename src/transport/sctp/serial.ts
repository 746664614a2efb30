/**
 * Whether one transmission sequence number comes after another, modulo 2^32 (RFC 1982, RFC 9260 §1.6). Two that are 2^31
 * apart have no order: neither comes after the other.
 */
export function isTsnAfter(tsn: number, other: number): boolean {
  return ((tsn - other) | 0) > 0;
}

/** A TSN some steps further on; negative steps go back. */
export function tsnPlus(tsn: number, steps: number): number {
  return (tsn + steps) >>> 0;
}

/** Steps from `other` forward to `tsn`, 0 to 2^32 − 1. */
export function tsnDistance(tsn: number, other: number): number {
  return (tsn - other) >>> 0;
}
