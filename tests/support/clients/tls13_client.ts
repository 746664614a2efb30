import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  randomBytes,
} from "node:crypto";
import { within } from "../deadline.ts";

/** Content types of records (RFC 8446 §5.1). */
export const CONTENT = { ccs: 20, alert: 21, handshake: 22, data: 23 } as const;

/** Bytes of a record's header, and of the tag of an encrypted one. */
const HEADER_BYTES = 5;
const TAG_BYTES = 16;
const HASH_BYTES = 32;
const SHA256_NOTHING = createHash("sha256").digest();

/** A number of so many bytes. */
function number(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** Bytes behind their length, which takes so many bytes. */
export function prefixed(lengthBytes: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([number(body.length, lengthBytes), body]);
}

/** One record in clear text. */
export function record(type: number, body: Uint8Array, version = 0x0303): Buffer {
  return Buffer.concat([number(type, 1), number(version, 2), prefixed(2, body)]);
}

/** What a ClientHello says. */
export interface HelloOptions {
  /** Default: TLS 1.2, as TLS 1.3 has it too. */
  readonly version?: number;
  readonly ciphers?: readonly number[];
  /** Of the extension supported_versions, which is left out without. */
  readonly versions?: readonly number[];
  /** Body of the extension server_name, which is left out without. */
  readonly serverName?: Uint8Array;
  /** Uncompressed point on P-256. Default: a new one. */
  readonly share?: Uint8Array;
}

/** A ClientHello as a handshake message (RFC 8446 §4.1.2). */
export function clientHello(options: HelloOptions = {}): Buffer {
  const { version = 0x0303, ciphers = [0x1301, 0xc02b, 0xc02f], versions, serverName } = options;
  const share = options.share ?? createECDH("prime256v1").generateKeys();
  const extension = (type: number, body: Uint8Array) =>
    Buffer.concat([number(type, 2), prefixed(2, body)]);
  const numbers = (values: readonly number[]) => values.map((value) => number(value, 2));
  const extensions = [
    extension(10, prefixed(2, number(23, 2))),
    extension(11, prefixed(1, number(0, 1))),
    extension(13, prefixed(2, ...numbers([0x0403, 0x0804, 0x0401]))),
    ...(versions ? [extension(43, prefixed(1, ...numbers(versions)))] : []),
    ...(versions ? [extension(51, prefixed(2, number(23, 2), prefixed(2, share)))] : []),
    ...(serverName ? [extension(0, serverName)] : []),
  ];
  const body = Buffer.concat([
    number(version, 2),
    randomBytes(32),
    prefixed(1),
    prefixed(2, ...numbers(ciphers)),
    prefixed(1, number(0, 1)),
    prefixed(2, ...extensions),
  ]);
  return Buffer.concat([number(1, 1), prefixed(3, body)]);
}

/** The extension server_name of one name (RFC 6066 §3). */
export function serverName(name: string): Buffer {
  return prefixed(2, number(0, 1), prefixed(2, Buffer.from(name)));
}

function expand(secret: Uint8Array, label: string, context: Uint8Array, length: number): Buffer {
  const info = Buffer.concat([
    number(length, 2),
    prefixed(1, Buffer.from(`tls13 ${label}`)),
    prefixed(1, context),
    number(1, 1),
  ]);
  return createHmac("sha256", secret).update(info).digest().subarray(0, length);
}

function extract(salt: Uint8Array, secret: Uint8Array): Buffer {
  return createHmac("sha256", salt).update(secret).digest();
}

/** One direction's keys of TLS_AES_128_GCM_SHA256. */
class Keys {
  readonly #secret: Buffer;
  readonly #key: Buffer;
  readonly #iv: Buffer;
  #count = 0;

  constructor(secret: Buffer) {
    this.#secret = secret;
    this.#key = expand(secret, "key", Buffer.alloc(0), 16);
    this.#iv = expand(secret, "iv", Buffer.alloc(0), 12);
  }

  /** Those after a KeyUpdate. */
  next(): Keys {
    return new Keys(expand(this.#secret, "traffic upd", Buffer.alloc(0), HASH_BYTES));
  }

  finished(transcript: Uint8Array): Buffer {
    const key = expand(this.#secret, "finished", Buffer.alloc(0), HASH_BYTES);
    return createHmac("sha256", key).update(transcript).digest();
  }

  seal(type: number, body: Uint8Array): Buffer {
    const inner = Buffer.concat([body, number(type, 1)]);
    const head = Buffer.concat([number(23, 1), number(0x0303, 2)]);
    const header = Buffer.concat([head, number(inner.length + TAG_BYTES, 2)]);
    const cipher = createCipheriv("aes-128-gcm", this.#key, this.#nonce());
    cipher.setAAD(header);
    return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
  }

  open(whole: Buffer): { readonly type: number; readonly body: Buffer } {
    const cipher = createDecipheriv("aes-128-gcm", this.#key, this.#nonce());
    cipher.setAAD(whole.subarray(0, HEADER_BYTES));
    cipher.setAuthTag(whole.subarray(-TAG_BYTES));
    const inner = Buffer.concat([
      cipher.update(whole.subarray(HEADER_BYTES, -TAG_BYTES)),
      cipher.final(),
    ]);
    const end = inner.findLastIndex((byte) => byte !== 0);
    return { type: inner[end] ?? 0, body: inner.subarray(0, end) };
  }

  #nonce(): Buffer {
    const nonce = Buffer.from(this.#iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.#count++) >>> 0, 8);
    return nonce;
  }
}

/**
 * A client of TLS 1.3 that can say what no library would. It believes any certificate, and looks at nothing that the
 * server says after its handshake.
 */
export class Tls13Client implements Disposable {
  readonly #connection: Deno.Conn;
  #keys: Keys;
  /** Settles when the server has ended the connection; with the bytes that came after the handshake. */
  readonly over: Promise<number>;
  #wasClosed = false;

  private constructor(connection: Deno.Conn, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
    this.over = this.#drain();
  }

  /** Shakes hands. @throws {Error} When the server does not. */
  static async connect(port: number): Promise<Tls13Client> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    try {
      const what = "for a handshake of TLS 1.3";
      return new Tls13Client(connection, await within(shake(connection), { what }));
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Encrypts one record. */
  seal(type: number, body: Uint8Array): Buffer {
    return this.#keys.seal(type, body);
  }

  /** A KeyUpdate (RFC 8446 §4.6.3) that asks for the server's; what is sealed from now on has the next keys. */
  keyUpdate(): Buffer {
    const sealed = this.seal(CONTENT.handshake, Buffer.of(24, 0, 0, 1, 1));
    this.#keys = this.#keys.next();
    return sealed;
  }

  /** Sends bytes. @returns False when the server has ended the connection. */
  async say(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#wasClosed) this.#connection.close();
    this.#wasClosed = true;
  }

  async #drain(): Promise<number> {
    const buffer = new Uint8Array(65536);
    let bytes = 0;
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (length === null) break;
        bytes += length;
      }
    } catch {
      // Reset, or closed by ourselves.
    }
    return bytes;
  }
}

/** @returns The keys of the client's data. */
async function shake(connection: Deno.Conn): Promise<Keys> {
  let held = Buffer.alloc(0);
  const nextRecord = async () => {
    const chunk = new Uint8Array(16384);
    while (held.length < HEADER_BYTES || held.length < HEADER_BYTES + held.readUInt16BE(3)) {
      const length = await connection.read(chunk);
      if (length === null) throw new Error("The server ended the handshake");
      held = Buffer.concat([held, chunk.subarray(0, length)]);
    }
    const end = HEADER_BYTES + held.readUInt16BE(3);
    const whole = held.subarray(0, end);
    held = held.subarray(end);
    return whole;
  };
  const ecdh = createECDH("prime256v1");
  const hello = clientHello({ versions: [0x0304], ciphers: [0x1301], share: ecdh.generateKeys() });
  const transcript = createHash("sha256").update(hello);
  const hash = () => transcript.copy().digest();
  await connection.write(record(CONTENT.handshake, hello, 0x0301));
  const answer = (await nextRecord()).subarray(HEADER_BYTES);
  if (answer[0] !== 2) throw new Error(`The server answers ${answer.toString("hex")}`);
  transcript.update(answer);
  const shared = ecdh.computeSecret(shareOf(answer));
  const early = extract(Buffer.alloc(HASH_BYTES), Buffer.alloc(HASH_BYTES));
  const derived = (secret: Buffer) => expand(secret, "derived", SHA256_NOTHING, HASH_BYTES);
  const handshake = extract(derived(early), shared);
  const secretOf = (from: Buffer, label: string) => expand(from, label, hash(), HASH_BYTES);
  const client = new Keys(secretOf(handshake, "c hs traffic"));
  const server = new Keys(secretOf(handshake, "s hs traffic"));
  for (let messages = Buffer.alloc(0), isOver = false; !isOver;) {
    const whole = await nextRecord();
    if (whole[0] === CONTENT.ccs) continue;
    messages = Buffer.concat([messages, server.open(whole).body]);
    while (messages.length >= 4 && messages.length >= 4 + messages.readUIntBE(1, 3)) {
      const end = 4 + messages.readUIntBE(1, 3);
      transcript.update(messages.subarray(0, end));
      // Finished
      isOver ||= messages[0] === 20;
      messages = messages.subarray(end);
    }
  }
  const main = extract(derived(handshake), Buffer.alloc(HASH_BYTES));
  const keys = new Keys(secretOf(main, "c ap traffic"));
  const verify = client.finished(hash());
  const finished = Buffer.concat([number(20, 1), prefixed(3, verify)]);
  await connection.write(client.seal(CONTENT.handshake, finished));
  return keys;
}

/** The server's point, out of its ServerHello. */
function shareOf(hello: Buffer): Buffer {
  let at = 4 + 2 + 32;
  at += 1 + hello.readUInt8(at) + 2 + 1 + 2;
  while (at < hello.length) {
    const [type, length] = [hello.readUInt16BE(at), hello.readUInt16BE(at + 2)];
    if (type === 51) return hello.subarray(at + 8, at + 4 + length);
    at += 4 + length;
  }
  throw new Error("The server has no share of a key");
}
