import { Buffer } from "node:buffer";
import { createCipheriv, createHmac } from "node:crypto";

/** How DTLS-SRTP agreed to protect media (RFC 5764 §4.1.2, RFC 7714 §14.2). */
export type SrtpProfile = "aead_aes_128_gcm" | "aes_cm_128_hmac_sha1_80";

/** Our half of the keys that DTLS exported. */
export interface SrtpKeys {
  readonly profile: SrtpProfile;
  /** 16 bytes. */
  readonly masterKey: Uint8Array;
  /** 12 bytes for GCM, 14 for counter mode. */
  readonly masterSalt: Uint8Array;
}

const KEY_BYTES = 16;
const HMAC_KEY_BYTES = 20;
const HMAC_TAG_BYTES = 10;

/** RFC 3711 §4.3.1, labels of the three session keys for RTP. */
const LABEL_ENCRYPTION = 0x00;
const LABEL_AUTHENTICATION = 0x01;
const LABEL_SALT = 0x02;

/** One RTP packet on its way out. */
export interface PlainPacket {
  /** RTP header with its extensions. */
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
  readonly ssrc: number;
  /** 16 bits. */
  readonly sequenceNumber: number;
  /** How often the sequence number has wrapped (RFC 3711 §3.3.1). */
  readonly rolloverCounter: number;
}

/** Encrypts and authenticates outgoing RTP packets. */
export interface SrtpSender {
  /** A new SRTP packet, which belongs to the caller. */
  protect(packet: PlainPacket): Uint8Array;
}

/** Derives the session keys and returns the sender for the agreed profile. */
export function createSrtpSender(keys: SrtpKeys): SrtpSender {
  return keys.profile === "aead_aes_128_gcm"
    ? createGcmSender(keys)
    : createCounterModeSender(keys);
}

/** AES-GCM (RFC 7714 §8.1): IV is salt XOR (00 00 | SSRC | ROC | SEQ), the header is associated data. */
function createGcmSender(keys: SrtpKeys): SrtpSender {
  const key = deriveKey(keys, LABEL_ENCRYPTION, KEY_BYTES);
  const salt = deriveKey(keys, LABEL_SALT, 12);
  return {
    protect({ header, payload, ssrc, sequenceNumber, rolloverCounter }) {
      const iv = new Uint8Array(12);
      const view = new DataView(iv.buffer);
      view.setUint32(2, ssrc);
      view.setUint32(6, rolloverCounter);
      view.setUint16(10, sequenceNumber);
      xorInto(iv, salt);
      const cipher = createCipheriv("aes-128-gcm", key, iv);
      cipher.setAAD(header);
      const encrypted = cipher.update(payload);
      cipher.final();
      return concatenate([header, encrypted, cipher.getAuthTag()]);
    },
  };
}

/** AES-CM with HMAC-SHA1-80 (RFC 3711 §4.1.1, §4.2): IV is (salt << 16) XOR (SSRC << 64) XOR (index << 16). */
function createCounterModeSender(keys: SrtpKeys): SrtpSender {
  const key = deriveKey(keys, LABEL_ENCRYPTION, KEY_BYTES);
  const salt = deriveKey(keys, LABEL_SALT, 14);
  const hmacKey = deriveKey(keys, LABEL_AUTHENTICATION, HMAC_KEY_BYTES);
  return {
    protect({ header, payload, ssrc, sequenceNumber, rolloverCounter }) {
      const iv = new Uint8Array(16);
      const view = new DataView(iv.buffer);
      view.setUint32(4, ssrc);
      view.setUint32(8, rolloverCounter);
      view.setUint16(12, sequenceNumber);
      xorInto(iv, salt);
      const encrypted = createCipheriv("aes-128-ctr", key, iv).update(payload);
      const rollover = new Uint8Array(4);
      new DataView(rollover.buffer).setUint32(0, rolloverCounter);
      const tag = createHmac("sha1", hmacKey).update(header).update(encrypted).update(rollover)
        .digest().subarray(0, HMAC_TAG_BYTES);
      return concatenate([header, encrypted, tag]);
    },
  };
}

/** AES-CM key derivation with a key derivation rate of 0 (RFC 3711 §4.3.3; RFC 7714 §11 pads the shorter salt). */
function deriveKey({ masterKey, masterSalt }: SrtpKeys, label: number, bytes: number): Uint8Array {
  const iv = new Uint8Array(16);
  iv.set(masterSalt);
  iv[7] = (iv[7] ?? 0) ^ label;
  return createCipheriv("aes-128-ctr", masterKey, iv).update(new Uint8Array(bytes));
}

function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < mask.length; i++) target[i] = (target[i] ?? 0) ^ (mask[i] ?? 0);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
