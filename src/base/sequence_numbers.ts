/**
 * How far `sequenceNumber` is ahead of `reference`, modulo 2^16 (RFC 3550 §A.1): −32768 to 32767, negative when it is
 * behind.
 */
export function sequenceDelta(sequenceNumber: number, reference: number): number {
  return ((sequenceNumber - reference) << 16) >> 16;
}

/** The number nearest to the unwrapped number `reference` whose low 16 bits are `sequenceNumber`. */
export function extendSequenceNumber(sequenceNumber: number, reference: number): number {
  return reference + sequenceDelta(sequenceNumber, reference);
}
