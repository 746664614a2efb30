import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { ReplayWindow } from "./replay_window.ts";
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

/** Bytes at the start of a compound that stay readable: the first header and the sender's SSRC. */
const HEADER_BYTES = 8;
const INDEX_BYTES = 4;
const GCM_TAG_BYTES = 16;
/** Set in the index where the packet is encrypted, as every one here is. */
const ENCRYPTED = 0x8000_0000;
const INDEX_MAX = 0x7fff_ffff;

/** A browser reports under one or two sources; more than this is nobody's. */
const SOURCES_MAX = 8;

/** Encrypts one side's RTCP. */
export interface SrtcpSender {
  /** A new SRTCP packet of a compound RTCP packet, which is at least 8 bytes long. */
  protect(compound: Uint8Array): Uint8Array;
}

/** An RTCP packet that was found authentic. */
export interface AuthenticRtcp {
  readonly compound: Uint8Array;
  /** Whether its source sent it after all others that have come: its address is then where the source is now. */
  readonly newest: boolean;
}

/** Decrypts the other side's RTCP. */
export interface SrtcpReceiver {
  /** The compound RTCP packet; `undefined` when it is not authentic, or came before. */
  unprotect(packet: Uint8Array): AuthenticRtcp | undefined;
}

/** One packet's place in its sender's numbering. */
interface Position {
  readonly ssrc: number;
  /** 31 bits. */
  readonly index: number;
}

/** A profile at work, in one direction. `trailer` is the index with its flag, as it is sent. */
interface SrtcpCipher {
  seal(compound: Uint8Array, at: Position & { trailer: Uint8Array }): Uint8Array;
  /** `undefined` when the packet is not authentic. It has at least 8 bytes more than `overheadBytes`. */
  open(packet: Uint8Array, at: Position & { trailer: Uint8Array }): Uint8Array | undefined;
  /** Where the index lies, counted from the end of the packet. */
  readonly indexFromEnd: number;
  readonly overheadBytes: number;
}

/** Derives the session keys and returns the sender for the agreed profile (RFC 3711 §3.4, RFC 7714 §9). */
export function createSrtcpSender(keys: SrtpKeys): SrtcpSender {
  const cipher = createCipher(keys);
  let index = 0;
  return {
    protect(compound) {
      const ssrc = viewOf(compound).getUint32(4);
      index = (index + 1) & INDEX_MAX;
      return cipher.seal(compound, { ssrc, index, trailer: word(ENCRYPTED | index) });
    },
  };
}

/** Derives the session keys and returns the receiver for the agreed profile, with replay protection. */
export function createSrtcpReceiver(keys: SrtpKeys): SrtcpReceiver {
  const cipher = createCipher(keys);
  const windows = new Map<number, ReplayWindow>();
  return {
    unprotect(packet) {
      if (packet.length < HEADER_BYTES + cipher.overheadBytes) return undefined;
      const view = viewOf(packet);
      const flagged = view.getUint32(packet.length - cipher.indexFromEnd);
      if ((flagged & ENCRYPTED) === 0) return undefined;
      const [ssrc, index] = [view.getUint32(4), flagged & INDEX_MAX];
      const window = windows.get(ssrc) ?? new ReplayWindow();
      if (!window.isNew(index)) return undefined;
      const compound = cipher.open(packet, { ssrc, index, trailer: word(flagged) });
      if (compound === undefined || (!windows.has(ssrc) && windows.size >= SOURCES_MAX)) {
        return undefined;
      }
      const newest = index > window.highest;
      window.add(index);
      windows.set(ssrc, window);
      return { compound, newest };
    },
  };
}

function createCipher(keys: SrtpKeys): SrtcpCipher {
  const key = deriveKey(keys, { label: SRTP_LABEL.rtcpEncryption, bytes: SRTP_KEY_BYTES });
  return keys.profile === "aead_aes_128_gcm"
    ? createGcm(key, deriveKey(keys, { label: SRTP_LABEL.rtcpSalt, bytes: 12 }))
    : createCounterMode(key, keys);
}

/**
 * AES-GCM (RFC 7714 §9): IV is salt XOR (00 00 | SSRC | 00 00 | index), the readable header and the index are associated
 * data, and the index ends the packet.
 */
function createGcm(key: Uint8Array, salt: Uint8Array): SrtcpCipher {
  const ivOf = ({ ssrc, index }: Position) => {
    const iv = new Uint8Array(12);
    const view = new DataView(iv.buffer);
    view.setUint32(2, ssrc);
    view.setUint32(8, index);
    xorInto(iv, salt);
    return iv;
  };
  return {
    indexFromEnd: INDEX_BYTES,
    overheadBytes: GCM_TAG_BYTES + INDEX_BYTES,
    seal(compound, at) {
      const header = compound.subarray(0, HEADER_BYTES);
      const cipher = createCipheriv("aes-128-gcm", key, ivOf(at));
      cipher.setAAD(Buffer.concat([header, at.trailer]));
      const encrypted = cipher.update(compound.subarray(HEADER_BYTES));
      cipher.final();
      return Buffer.concat([header, encrypted, cipher.getAuthTag(), at.trailer]);
    },
    open(packet, at) {
      const header = packet.subarray(0, HEADER_BYTES);
      const tagAt = packet.length - GCM_TAG_BYTES - INDEX_BYTES;
      const cipher = createDecipheriv("aes-128-gcm", key, ivOf(at));
      cipher.setAAD(Buffer.concat([header, at.trailer]));
      cipher.setAuthTag(packet.subarray(tagAt, tagAt + GCM_TAG_BYTES));
      const plain = cipher.update(packet.subarray(HEADER_BYTES, tagAt));
      try {
        cipher.final();
      } catch {
        return undefined;
      }
      return Buffer.concat([header, plain]);
    },
  };
}

/** AES-CM with HMAC-SHA1-80 (RFC 3711 §3.4, §4.1.1): the tag covers all before it and ends the packet. */
function createCounterMode(key: Uint8Array, keys: SrtpKeys): SrtcpCipher {
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtcpSalt, bytes: 14 });
  const hmacKey = deriveKey(keys, {
    label: SRTP_LABEL.rtcpAuthentication,
    bytes: SRTP_HMAC_KEY_BYTES,
  });
  const tagOf = (covered: Uint8Array) =>
    createHmac("sha1", hmacKey).update(covered).digest().subarray(0, SRTP_HMAC_TAG_BYTES);
  const crypt = (data: Uint8Array, { ssrc, index }: Position) => {
    const iv = new Uint8Array(16);
    const view = new DataView(iv.buffer);
    view.setUint32(4, ssrc);
    // The index << 16, over bytes 8–13.
    view.setUint32(10, index);
    xorInto(iv, salt);
    return counterMode(key, { iv, data });
  };
  return {
    indexFromEnd: SRTP_HMAC_TAG_BYTES + INDEX_BYTES,
    overheadBytes: SRTP_HMAC_TAG_BYTES + INDEX_BYTES,
    seal(compound, at) {
      const header = compound.subarray(0, HEADER_BYTES);
      const covered = Buffer.concat([
        header,
        crypt(compound.subarray(HEADER_BYTES), at),
        at.trailer,
      ]);
      return Buffer.concat([covered, tagOf(covered)]);
    },
    open(packet, at) {
      const tagAt = packet.length - SRTP_HMAC_TAG_BYTES;
      const tag = tagOf(packet.subarray(0, tagAt));
      if (!timingSafeEqual(packet.subarray(tagAt), tag)) return undefined;
      const encrypted = packet.subarray(HEADER_BYTES, tagAt - INDEX_BYTES);
      return Buffer.concat([packet.subarray(0, HEADER_BYTES), crypt(encrypted, at)]);
    },
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(INDEX_BYTES);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
