import type { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";

/** How DTLS-SRTP agreed to protect media (RFC 5764 §4.1.2, RFC 7714 §14.2). */
export type SrtpProfile = "aead_aes_128_gcm" | "aes_cm_128_hmac_sha1_80";

/** One side's half of the keys that DTLS exported. */
export interface SrtpKeys {
  readonly profile: SrtpProfile;
  /** 16 bytes. */
  readonly masterKey: Uint8Array;
  /** 12 bytes for GCM, 14 for counter mode. */
  readonly masterSalt: Uint8Array;
}

/** Bytes of a session key for encryption. */
export const SRTP_KEY_BYTES = 16;
/** Bytes of a session key for HMAC-SHA1. */
export const SRTP_HMAC_KEY_BYTES = 20;
/** Bytes that are left of an HMAC-SHA1 as the tag. */
export const SRTP_HMAC_TAG_BYTES = 10;

/** What a session key is for (RFC 3711 §4.3.1, §4.3.2). */
export const SRTP_LABEL = {
  rtpEncryption: 0x00,
  rtpAuthentication: 0x01,
  rtpSalt: 0x02,
  rtcpEncryption: 0x03,
  rtcpAuthentication: 0x04,
  rtcpSalt: 0x05,
} as const;

/** AES-CM key derivation with a key derivation rate of 0 (RFC 3711 §4.3.3; RFC 7714 §11 pads the shorter salt). */
export function deriveKey(
  { masterKey, masterSalt }: SrtpKeys,
  { label, bytes }: { label: number; bytes: number },
): Uint8Array {
  const iv = new Uint8Array(16);
  iv.set(masterSalt);
  iv[7] = (iv[7] ?? 0) ^ label;
  return counterMode(masterKey, { iv, data: new Uint8Array(bytes) });
}

/** AES in counter mode (RFC 3711 §4.1.1), which encrypts and decrypts alike. */
export function counterMode(
  key: Uint8Array,
  { iv, data }: { iv: Uint8Array; data: Uint8Array },
): Buffer {
  const cipher = createCipheriv("aes-128-ctr", key, iv);
  const result = cipher.update(data);
  // It gives no bytes, but Deno frees a cipher only here: without it a kilobyte would leak with every packet.
  cipher.final();
  return result;
}

/** Changes `target` to `target` XOR `mask`, as far as the mask goes. */
export function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < mask.length; i++) target[i] = (target[i] ?? 0) ^ (mask[i] ?? 0);
}
