import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { type Ciphers, type Gcm, GCM_IV_BYTES, GCM_TAG_BYTES } from "./ciphers.ts";
import { CIPHERS } from "./native_ciphers.ts";
import { ReplayWindow } from "./replay_window.ts";
import {
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
export function createSrtcpSender(keys: SrtpKeys, ciphers: Ciphers = CIPHERS): SrtcpSender {
  const cipher = createCipher(keys, ciphers);
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
export function createSrtcpReceiver(keys: SrtpKeys, ciphers: Ciphers = CIPHERS): SrtcpReceiver {
  const cipher = createCipher(keys, ciphers);
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

function createCipher(keys: SrtpKeys, ciphers: Ciphers): SrtcpCipher {
  const key = deriveKey(keys, { label: SRTP_LABEL.rtcpEncryption, bytes: SRTP_KEY_BYTES });
  if (keys.profile === "aes_cm_128_hmac_sha1_80") return createCounterMode(key, keys, ciphers);
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtcpSalt, bytes: GCM_IV_BYTES });
  return createGcm(ciphers.gcm(key), salt);
}

/**
 * AES-GCM (RFC 7714 §9): IV is salt XOR (00 00 | SSRC | 00 00 | index), the readable header and the index are associated
 * data, and the index ends the packet.
 */
function createGcm(gcm: Gcm, salt: Uint8Array): SrtcpCipher {
  const iv = new Uint8Array(GCM_IV_BYTES);
  const view = viewOf(iv);
  const associated = { bytes: new Uint8Array(HEADER_BYTES + INDEX_BYTES), length: 12 };
  const prepare = (
    packet: Uint8Array,
    { ssrc, index, trailer }: Position & { trailer: Uint8Array },
  ) => {
    iv.fill(0);
    view.setUint32(2, ssrc);
    view.setUint32(8, index);
    xorInto(iv, salt);
    associated.bytes.set(packet.subarray(0, HEADER_BYTES));
    associated.bytes.set(trailer, HEADER_BYTES);
  };
  return {
    indexFromEnd: INDEX_BYTES,
    overheadBytes: GCM_TAG_BYTES + INDEX_BYTES,
    seal(compound, at) {
      prepare(compound, at);
      const packet = new Uint8Array(compound.length + GCM_TAG_BYTES + INDEX_BYTES);
      packet.set(compound.subarray(0, HEADER_BYTES));
      const plain = compound.subarray(HEADER_BYTES);
      gcm.seal({ iv, associated, plain, target: packet.subarray(HEADER_BYTES) });
      packet.set(at.trailer, packet.length - INDEX_BYTES);
      return packet;
    },
    open(packet, at) {
      prepare(packet, at);
      const sealed = packet.subarray(HEADER_BYTES, packet.length - INDEX_BYTES);
      const plain = gcm.open({ iv, associated, sealed });
      return plain && Buffer.concat([packet.subarray(0, HEADER_BYTES), plain]);
    },
  };
}

/** AES-CM with HMAC-SHA1-80 (RFC 3711 §3.4, §4.1.1): the tag covers all before it and ends the packet. */
function createCounterMode(key: Uint8Array, keys: SrtpKeys, ciphers: Ciphers): SrtcpCipher {
  const salt = deriveKey(keys, { label: SRTP_LABEL.rtcpSalt, bytes: 14 });
  const hmac = ciphers.hmacSha1(deriveKey(keys, {
    label: SRTP_LABEL.rtcpAuthentication,
    bytes: SRTP_HMAC_KEY_BYTES,
  }));
  const counterMode = ciphers.counterMode(key);
  const tagOf = (covered: Uint8Array) =>
    hmac.sign(covered, NOTHING).subarray(0, SRTP_HMAC_TAG_BYTES);
  const iv = new Uint8Array(16);
  const crypt = (data: Uint8Array, target: Uint8Array, { ssrc, index }: Position) => {
    iv.fill(0);
    viewOf(iv).setUint32(4, ssrc);
    // The index << 16, over bytes 8–13.
    viewOf(iv).setUint32(10, index);
    xorInto(iv, salt);
    counterMode.crypt({ iv, data, target });
  };
  return {
    indexFromEnd: SRTP_HMAC_TAG_BYTES + INDEX_BYTES,
    overheadBytes: SRTP_HMAC_TAG_BYTES + INDEX_BYTES,
    seal(compound, at) {
      const covered = new Uint8Array(compound.length + INDEX_BYTES);
      covered.set(compound.subarray(0, HEADER_BYTES));
      crypt(compound.subarray(HEADER_BYTES), covered.subarray(HEADER_BYTES), at);
      covered.set(at.trailer, compound.length);
      return Buffer.concat([covered, tagOf(covered)]);
    },
    open(packet, at) {
      const tagAt = packet.length - SRTP_HMAC_TAG_BYTES;
      const tag = tagOf(packet.subarray(0, tagAt));
      if (!timingSafeEqual(packet.subarray(tagAt), tag)) return undefined;
      const compound = packet.slice(0, tagAt - INDEX_BYTES);
      crypt(packet.subarray(HEADER_BYTES, compound.length), compound.subarray(HEADER_BYTES), at);
      return compound;
    },
  };
}

const NOTHING = new Uint8Array(0);

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(INDEX_BYTES);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
