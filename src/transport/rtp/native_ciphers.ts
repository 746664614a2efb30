import { timingSafeEqual } from "node:crypto";
import {
  type Ciphers,
  type CounterMode,
  DENO_CIPHERS,
  type Gcm,
  GCM_IV_BYTES,
  GCM_TAG_BYTES,
  type HmacSha1,
  SHA1_BYTES,
} from "./ciphers.ts";

/** The part of OpenSSL's libcrypto, of 1.1 and 3, that SRTP takes. */
const SYMBOLS = {
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "buffer"], result: "i32" }, // context, command, length, data
  EVP_aes_128_gcm: { parameters: [], result: "pointer" },
  EVP_aes_128_ctr: { parameters: [], result: "pointer" },
  EVP_EncryptInit_ex: {
    parameters: ["pointer", "pointer", "pointer", "buffer", "buffer"], // context, cipher, engine, key, IV
    result: "i32",
  },
  EVP_EncryptUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"], // context, target, written, data, length
    result: "i32",
  },
  EVP_EncryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" }, // context, target, written
  EVP_DecryptInit_ex: {
    parameters: ["pointer", "pointer", "pointer", "buffer", "buffer"],
    result: "i32",
  },
  EVP_DecryptUpdate: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "i32"],
    result: "i32",
  },
  EVP_DecryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_sha1: { parameters: [], result: "pointer" },
  HMAC_CTX_new: { parameters: [], result: "pointer" },
  HMAC_CTX_free: { parameters: ["pointer"], result: "void" },
  HMAC_Init_ex: { parameters: ["pointer", "buffer", "i32", "pointer", "pointer"], result: "i32" }, // context, key, length, hash, engine
  HMAC_Update: { parameters: ["pointer", "buffer", "usize"], result: "i32" }, // context, data, length
  HMAC_Final: { parameters: ["pointer", "buffer", "buffer"], result: "i32" }, // context, target, written
} as const satisfies Deno.ForeignLibraryInterface;

type OpenSsl = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
type Context = NonNullable<Deno.PointerValue>;

/** The newest first. */
const LIBRARIES = ["libcrypto.so.3", "libcrypto.so.1.1"];

/** `EVP_CTRL_AEAD_GET_TAG` and `EVP_CTRL_AEAD_SET_TAG`. */
const TAG = { get: 0x10, set: 0x11 } as const;

/**
 * OpenSSL's ciphers, called on the thread that asks: a call costs less than a microsecond, and a thread of its own a
 * hundred. The library stays open as long as the process.
 * @returns `undefined` where there is no OpenSSL, or no permission for FFI.
 */
function openNativeCiphers(): Ciphers | undefined {
  // To ask for the library without the permission would ask the user of a terminal.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  for (const name of LIBRARIES) {
    try {
      return createCiphers(name, Deno.dlopen(name, SYMBOLS).symbols);
    } catch {
      // The next one.
    }
  }
  return undefined;
}

function createCiphers(name: string, openSsl: OpenSsl): Ciphers {
  const contexts = new FinalizationRegistry<Context>((it) => openSsl.EVP_CIPHER_CTX_free(it));
  const hmacs = new FinalizationRegistry<Context>((it) => openSsl.HMAC_CTX_free(it));
  const cipher = (kind: Deno.PointerValue, key: Uint8Array<ArrayBuffer>): Context => {
    const context = made(openSsl.EVP_CIPHER_CTX_new());
    must(openSsl.EVP_EncryptInit_ex(context, kind, null, key, null));
    return context;
  };
  return {
    name,
    gcm(key) {
      const kind = openSsl.EVP_aes_128_gcm();
      const gcm = new NativeGcm(openSsl, {
        sealing: cipher(kind, owned(key)),
        opening: cipher(kind, owned(key)),
        kind,
        key: owned(key),
      });
      for (const context of gcm.contexts) contexts.register(gcm, context);
      return gcm;
    },
    counterMode(key) {
      const counter = new NativeCounterMode(
        openSsl,
        cipher(openSsl.EVP_aes_128_ctr(), owned(key)),
      );
      contexts.register(counter, counter.context);
      return counter;
    },
    hmacSha1(key) {
      const context = made(openSsl.HMAC_CTX_new());
      must(openSsl.HMAC_Init_ex(context, owned(key), key.length, openSsl.EVP_sha1(), null));
      const hmac = new NativeHmac(openSsl, context);
      hmacs.register(hmac, context);
      return hmac;
    },
  };
}

/** How many bytes a call has written: nobody asks. */
const WRITTEN = new Int32Array(1);

class NativeGcm implements Gcm {
  readonly contexts: readonly [sealing: Context, opening: Context];
  readonly #openSsl: OpenSsl;
  readonly #tag = new Uint8Array(GCM_TAG_BYTES);

  constructor(
    openSsl: OpenSsl,
    { sealing, opening, kind, key }: {
      sealing: Context;
      opening: Context;
      kind: Deno.PointerValue;
      key: Uint8Array<ArrayBuffer>;
    },
  ) {
    this.#openSsl = openSsl;
    this.contexts = [sealing, opening];
    must(openSsl.EVP_DecryptInit_ex(opening, kind, null, key, null));
  }

  seal({ iv, associated: { bytes, length }, plain, target }: Parameters<Gcm["seal"]>[0]): void {
    const [context] = this.contexts;
    const openSsl = this.#openSsl;
    room(iv, GCM_IV_BYTES);
    room(bytes, length);
    room(target, plain.length + GCM_TAG_BYTES);
    must(openSsl.EVP_EncryptInit_ex(context, null, null, null, view(iv)));
    must(openSsl.EVP_EncryptUpdate(context, null, WRITTEN, view(bytes), length));
    must(
      openSsl.EVP_EncryptUpdate(context, view(target), WRITTEN, view(plain), plain.length),
    );
    must(openSsl.EVP_EncryptFinal_ex(context, view(target), WRITTEN));
    must(openSsl.EVP_CIPHER_CTX_ctrl(context, TAG.get, GCM_TAG_BYTES, this.#tag));
    target.set(this.#tag, plain.length);
  }

  open(
    { iv, associated: { bytes, length }, sealed }: Parameters<Gcm["open"]>[0],
  ): Uint8Array | undefined {
    const [, context] = this.contexts;
    const openSsl = this.#openSsl;
    const plainBytes = sealed.length - GCM_TAG_BYTES;
    if (plainBytes < 0) return undefined;
    room(iv, GCM_IV_BYTES);
    room(bytes, length);
    const plain = new Uint8Array(plainBytes);
    this.#tag.set(sealed.subarray(plainBytes));
    must(openSsl.EVP_DecryptInit_ex(context, null, null, null, view(iv)));
    must(openSsl.EVP_DecryptUpdate(context, null, WRITTEN, view(bytes), length));
    must(openSsl.EVP_DecryptUpdate(context, plain, WRITTEN, view(sealed), plainBytes));
    must(openSsl.EVP_CIPHER_CTX_ctrl(context, TAG.set, GCM_TAG_BYTES, this.#tag));
    return openSsl.EVP_DecryptFinal_ex(context, this.#tag, WRITTEN) === 1 ? plain : undefined;
  }
}

class NativeCounterMode implements CounterMode {
  readonly context: Context;
  readonly #openSsl: OpenSsl;

  constructor(openSsl: OpenSsl, context: Context) {
    this.#openSsl = openSsl;
    this.context = context;
  }

  crypt({ iv, data, target }: { iv: Uint8Array; data: Uint8Array; target: Uint8Array }): void {
    room(iv, 16);
    room(target, data.length);
    const openSsl = this.#openSsl;
    must(openSsl.EVP_EncryptInit_ex(this.context, null, null, null, view(iv)));
    must(
      openSsl.EVP_EncryptUpdate(this.context, view(target), WRITTEN, view(data), data.length),
    );
  }
}

class NativeHmac implements HmacSha1 {
  readonly #openSsl: OpenSsl;
  readonly #context: Context;
  readonly #tag = new Uint8Array(SHA1_BYTES);

  constructor(openSsl: OpenSsl, context: Context) {
    this.#openSsl = openSsl;
    this.#context = context;
  }

  sign(one: Uint8Array, other: Uint8Array): Uint8Array {
    const openSsl = this.#openSsl;
    must(openSsl.HMAC_Init_ex(this.#context, null, 0, null, null));
    must(openSsl.HMAC_Update(this.#context, view(one), BigInt(one.length)));
    must(openSsl.HMAC_Update(this.#context, view(other), BigInt(other.length)));
    must(openSsl.HMAC_Final(this.#context, this.#tag, WRITTEN));
    return this.#tag;
  }
}

/** Buffers here are never shared with another thread, which the types of FFI want to know. */
function view(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** The host reads a key that its caller may change. */
function owned(key: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(key);
}

/** OpenSSL trusts lengths. */
function room(bytes: Uint8Array, needed: number): void {
  if (bytes.length < needed) {
    throw new RangeError(`A cipher needs ${needed} bytes of room, not ${bytes.length}`);
  }
}

function must(status: number): void {
  if (status !== 1) throw new Error("OpenSSL refused a call of AES or HMAC");
}

function made(context: Deno.PointerValue): Context {
  if (context === null) throw new Error("OpenSSL has no memory for a cipher");
  return context;
}

/** Nothing is encrypted by a library that does not do as Deno's does. */
function verified(ciphers: Ciphers | undefined): Ciphers | undefined {
  if (ciphers === undefined) return undefined;
  try {
    const [own, other] = [probe(DENO_CIPHERS), probe(ciphers)];
    return timingSafeEqual(own, other) ? ciphers : undefined;
  } catch {
    return undefined;
  }
}

/** Something of each cipher. */
function probe(ciphers: Ciphers): Uint8Array {
  const key = Uint8Array.from({ length: 16 }, (_, at) => at);
  const plain = Uint8Array.from({ length: 50 }, (_, at) => 3 * at);
  const target = new Uint8Array(3 * 50 + GCM_TAG_BYTES + SHA1_BYTES);
  const associated = { bytes: plain, length: 13 };
  // Twice, since the second message meets what the first has left.
  for (let message = 0; message < 2; message++) {
    const iv = new Uint8Array(16).fill(message + 1);
    const gcm = ciphers.gcm(key);
    gcm.seal({ iv: iv.subarray(4), associated, plain, target });
    const sealed = target.slice(0, plain.length + GCM_TAG_BYTES);
    target.set(gcm.open({ iv: iv.subarray(4), associated, sealed }) ?? [], 66);
    ciphers.counterMode(key).crypt({ iv, data: plain, target: target.subarray(116) });
    target.set(ciphers.hmacSha1(key).sign(plain, key), 166);
  }
  return target;
}

/** The host's OpenSSL, whose AES is some twenty times as fast; `undefined` where it is not there, or wrong. */
export const NATIVE_CIPHERS: Ciphers | undefined = verified(openNativeCiphers());

/** The best that there is. */
export const CIPHERS: Ciphers = NATIVE_CIPHERS ?? DENO_CIPHERS;
