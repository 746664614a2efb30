import { GROUP, type Group } from "./negotiation.ts";

const COORDINATE_BYTES = 32;
const UNCOMPRESSED = 4;

/** The field and the constant of P-256 (SEC 2 §2.4.2): y² = x³ − 3x + b. */
const P256_P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

const X25519_P = 2n ** 255n - 19n;
/** Coordinates of X25519 whose multiples are few, so that everybody knows the secret (RFC 7748 §6.1). */
const X25519_SMALL: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  X25519_P - 1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
]);

/** Whether a client's public key may be computed with (RFC 8422 §5.4, §5.11): a point of P-256, or no weak one of X25519. */
export function isSoundKeyShare(group: Group, key: Uint8Array): boolean {
  return group === GROUP.secp256r1 ? isOnP256(key) : isStrongX25519(key);
}

function isOnP256(key: Uint8Array): boolean {
  if (key.length !== 1 + 2 * COORDINATE_BYTES || key[0] !== UNCOMPRESSED) return false;
  const x = readBigEndian(key.subarray(1, 1 + COORDINATE_BYTES));
  const y = readBigEndian(key.subarray(1 + COORDINATE_BYTES));
  if (x >= P256_P || y >= P256_P) return false;
  return (y * y - (x * x - 3n) * x - P256_B) % P256_P === 0n;
}

function isStrongX25519(key: Uint8Array): boolean {
  if (key.length !== COORDINATE_BYTES) return false;
  // Little-endian, and the highest bit does not count (RFC 7748 §5).
  const u = BigInt.asUintN(255, readBigEndian(key.toReversed()));
  return !X25519_SMALL.has(u % X25519_P);
}

function readBigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toHex()}`);
}
