import { type Ciphers, GCM_IV_BYTES, GCM_TAG_BYTES } from "./ciphers.ts";
import { CIPHERS } from "./native_ciphers.ts";
import {
  deriveKey,
  SRTP_HMAC_KEY_BYTES,
  SRTP_HMAC_TAG_BYTES,
  SRTP_KEY_BYTES,
  SRTP_LABEL,
  type SrtpKeys,
  xorInto,
} from "./srtp_keys.ts";

/** Most bytes that a packet gets longer by. */
export const SRTP_OVERHEAD_BYTES_MAX = Math.max(GCM_TAG_BYTES, SRTP_HMAC_TAG_BYTES);

/** One RTP packet on its way out. */
export interface PlainPacket {
  /** Bytes of the RTP header with its extensions, which stands at the start of the target already. */
  readonly headerBytes: number;
  readonly payload: Uint8Array;
  readonly ssrc: number;
  /** 16 bits. */
  readonly sequenceNumber: number;
  /** How often the sequence number has wrapped (RFC 3711 §3.3.1). */
  readonly rolloverCounter: number;
}

/** Encrypts and authenticates outgoing RTP packets. */
export interface SrtpSender {
  /**
   * Writes the encrypted payload and the tag behind the header.
   * @param target Has room for header, payload and {@link SRTP_OVERHEAD_BYTES_MAX}.
   * @returns Bytes of the SRTP packet.
   */
  protect(packet: PlainPacket, target: Uint8Array): number;
}

/**
 * Derives the session keys and returns the sender for the agreed profile.
 * @param ciphers Default: the best that the host has.
 */
export function createSrtpSender(keys: SrtpKeys, ciphers: Ciphers = CIPHERS): SrtpSender {
  return keys.profile === "aead_aes_128_gcm"
    ? createGcmSender(keys, ciphers)
    : createCounterModeSender(keys, ciphers);
}

/** AES-GCM (RFC 7714 §8.1): IV is salt XOR (00 00 | SSRC | ROC | SEQ), the header is associated data. */
function createGcmSender(keys: SrtpKeys, ciphers: Ciphers): SrtpSender {
  const key = deriveKey(keys, { label: SRTP_LABEL.rtpEncryption, bytes: SRTP_KEY_BYTES });
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtpSalt, bytes: GCM_IV_BYTES });
  const gcm = ciphers.gcm(key);
  const iv = new Uint8Array(GCM_IV_BYTES);
  const view = new DataView(iv.buffer);
  return {
    protect({ headerBytes, payload, ssrc, sequenceNumber, rolloverCounter }, target) {
      view.setUint16(0, 0);
      view.setUint32(2, ssrc);
      view.setUint32(6, rolloverCounter);
      view.setUint16(10, sequenceNumber);
      xorInto(iv, salt);
      const associated = { bytes: target, length: headerBytes };
      gcm.seal({ iv, associated, plain: payload, target: target.subarray(headerBytes) });
      return headerBytes + payload.length + GCM_TAG_BYTES;
    },
  };
}

/** AES-CM with HMAC-SHA1-80 (RFC 3711 §4.1.1, §4.2): IV is (salt << 16) XOR (SSRC << 64) XOR (index << 16). */
function createCounterModeSender(keys: SrtpKeys, ciphers: Ciphers): SrtpSender {
  const key = deriveKey(keys, { label: SRTP_LABEL.rtpEncryption, bytes: SRTP_KEY_BYTES });
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtpSalt, bytes: 14 });
  const hmac = ciphers.hmacSha1(deriveKey(keys, {
    label: SRTP_LABEL.rtpAuthentication,
    bytes: SRTP_HMAC_KEY_BYTES,
  }));
  const counterMode = ciphers.counterMode(key);
  const iv = new Uint8Array(16);
  const view = new DataView(iv.buffer);
  const rollover = new Uint8Array(4);
  return {
    protect({ headerBytes, payload, ssrc, sequenceNumber, rolloverCounter }, target) {
      iv.fill(0);
      view.setUint32(4, ssrc);
      view.setUint32(8, rolloverCounter);
      view.setUint16(12, sequenceNumber);
      xorInto(iv, salt);
      counterMode.crypt({ iv, data: payload, target: target.subarray(headerBytes) });
      new DataView(rollover.buffer).setUint32(0, rolloverCounter);
      const bytes = headerBytes + payload.length;
      const tag = hmac.sign(target.subarray(0, bytes), rollover);
      target.set(tag.subarray(0, SRTP_HMAC_TAG_BYTES), bytes);
      return bytes + SRTP_HMAC_TAG_BYTES;
    },
  };
}
