import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { counterMode } from "./srtp_keys.ts";

/** Bytes of a tag of AES-GCM. */
export const GCM_TAG_BYTES = 16;
/** Bytes of an IV of AES-GCM. */
export const GCM_IV_BYTES = 12;
/** Bytes of an HMAC by SHA-1. */
export const SHA1_BYTES = 20;

/** What AES-GCM authenticates without encrypting it: the first bytes of a buffer. */
export interface Associated {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** AES-GCM under one key of 128 bits (NIST SP 800-38D), with IVs of 12 bytes and tags of 16. */
export interface Gcm {
  /**
   * Encrypts `plain` to the start of `target` and writes the tag behind it.
   * @throws {RangeError} When the target has no room.
   */
  seal(
    message: { iv: Uint8Array; associated: Associated; plain: Uint8Array; target: Uint8Array },
  ): void;
  /** Decrypts what {@link seal} wrote. @returns `undefined` when it is not authentic. */
  open(
    message: { iv: Uint8Array; associated: Associated; sealed: Uint8Array },
  ): Uint8Array | undefined;
}

/** AES in counter mode under one key of 128 bits, which encrypts and decrypts alike. */
export interface CounterMode {
  /**
   * Encrypts `data` to the start of `target`.
   * @param message.iv The first counter, 16 bytes.
   * @throws {RangeError} When the target has no room.
   */
  crypt(message: { iv: Uint8Array; data: Uint8Array; target: Uint8Array }): void;
}

/** HMAC by SHA-1 under one key (RFC 2104). */
export interface HmacSha1 {
  /** @returns The 20 bytes of the HMAC of two pieces of data, valid until the next call. */
  sign(one: Uint8Array, other: Uint8Array): Uint8Array;
}

/** Makes ciphers. They free what they hold when nothing refers to them any more. */
export interface Ciphers {
  /** What does the work: for the log. */
  readonly name: string;
  gcm(key: Uint8Array): Gcm;
  counterMode(key: Uint8Array): CounterMode;
  hmacSha1(key: Uint8Array): HmacSha1;
}

/** Deno's own, on every system. */
export const DENO_CIPHERS: Ciphers = {
  name: "deno",
  gcm: (key) => ({
    seal({ iv, associated: { bytes, length }, plain, target }) {
      const cipher = createCipheriv("aes-128-gcm", key, iv);
      cipher.setAAD(bytes.subarray(0, length));
      target.set(cipher.update(plain));
      cipher.final();
      target.set(cipher.getAuthTag(), plain.length);
    },
    open({ iv, associated: { bytes, length }, sealed }) {
      const tagAt = sealed.length - GCM_TAG_BYTES;
      const cipher = createDecipheriv("aes-128-gcm", key, iv);
      cipher.setAAD(bytes.subarray(0, length));
      cipher.setAuthTag(sealed.subarray(tagAt));
      const plain = cipher.update(sealed.subarray(0, tagAt));
      try {
        cipher.final();
      } catch {
        return undefined;
      }
      return plain;
    },
  }),
  counterMode: (key) => ({
    crypt({ iv, data, target }) {
      target.set(counterMode(key, { iv, data }));
    },
  }),
  hmacSha1: (key) => ({
    sign: (one, other) => createHmac("sha1", key).update(one).update(other).digest(),
  }),
};
