import { createHmac } from "node:crypto";

/** Bytes before the first attribute (RFC 8489 §5). */
export const STUN_HEADER_BYTES = 20;
/** Bytes of an attribute's type and length (RFC 8489 §14). */
export const STUN_ATTRIBUTE_HEADER_BYTES = 4;
/** Bytes 4–7 of every STUN message. */
export const STUN_MAGIC_COOKIE = 0x2112_a442;
/** The value of MESSAGE-INTEGRITY, an HMAC-SHA1. */
export const STUN_INTEGRITY_BYTES = 20;
/** "STUN" in ASCII (RFC 8489 §14.7). */
const FINGERPRINT_MASK = 0x5354_554e;

/** Attribute types that an ICE agent supports (RFC 8489 §18.3, RFC 8445 §20.2), and PADDING (RFC 5780 §7.6). */
export const STUN_ATTRIBUTE = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  padding: 0x0026,
  software: 0x8022,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

/** A key for MESSAGE-INTEGRITY: bytes, or a password, used as UTF-8. */
export type StunKey = string | Uint8Array;

/** Length of an attribute with its padding (RFC 8489 §14). */
export function paddedBytes(bytes: number): number {
  return bytes + (-bytes & 3);
}

/** Value of a MESSAGE-INTEGRITY attribute after `covered`, the message so far (RFC 8489 §14.5); 20 bytes. */
export function stunIntegrity(covered: Uint8Array, key: StunKey): Uint8Array {
  // Computed with the length of a message that ends after this attribute.
  const bytes = covered.length - STUN_HEADER_BYTES + STUN_ATTRIBUTE_HEADER_BYTES +
    STUN_INTEGRITY_BYTES;
  const start = Uint8Array.of(covered[0] ?? 0, covered[1] ?? 0, bytes >>> 8, bytes);
  return createHmac("sha1", key).update(start).update(covered.subarray(4)).digest();
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});

/**
 * Value of a FINGERPRINT attribute after `covered`, the message so far with its final length (RFC 8489 §14.7): the
 * CRC-32 of ITU-T V.42, masked to differ from that of an enclosed protocol.
 */
export function stunFingerprint(covered: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of covered) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (~crc ^ FINGERPRINT_MASK) >>> 0;
}
