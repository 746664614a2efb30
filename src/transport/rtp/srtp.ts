import { Buffer } from "node:buffer";
import { createCipheriv, createHmac } from "node:crypto";
import {
  counterMode,
  deriveKey,
  SRTP_HMAC_KEY_BYTES,
  SRTP_HMAC_TAG_BYTES,
  SRTP_KEY_BYTES,
  SRTP_LABEL,
  type SrtpKeys,
  xorInto,
} from "./srtp_keys.ts";

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
  const key = deriveKey(keys, { label: SRTP_LABEL.rtpEncryption, bytes: SRTP_KEY_BYTES });
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtpSalt, bytes: 12 });
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
      return Buffer.concat([header, encrypted, cipher.getAuthTag()]);
    },
  };
}

/** AES-CM with HMAC-SHA1-80 (RFC 3711 §4.1.1, §4.2): IV is (salt << 16) XOR (SSRC << 64) XOR (index << 16). */
function createCounterModeSender(keys: SrtpKeys): SrtpSender {
  const key = deriveKey(keys, { label: SRTP_LABEL.rtpEncryption, bytes: SRTP_KEY_BYTES });
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtpSalt, bytes: 14 });
  const hmacKey = deriveKey(keys, {
    label: SRTP_LABEL.rtpAuthentication,
    bytes: SRTP_HMAC_KEY_BYTES,
  });
  return {
    protect({ header, payload, ssrc, sequenceNumber, rolloverCounter }) {
      const iv = new Uint8Array(16);
      const view = new DataView(iv.buffer);
      view.setUint32(4, ssrc);
      view.setUint32(8, rolloverCounter);
      view.setUint16(12, sequenceNumber);
      xorInto(iv, salt);
      const encrypted = counterMode(key, { iv, data: payload });
      const rollover = new Uint8Array(4);
      new DataView(rollover.buffer).setUint32(0, rolloverCounter);
      const tag = createHmac("sha1", hmacKey).update(header).update(encrypted).update(rollover)
        .digest().subarray(0, SRTP_HMAC_TAG_BYTES);
      return Buffer.concat([header, encrypted, tag]);
    },
  };
}
