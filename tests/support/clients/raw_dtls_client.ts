import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createSign,
  type ECDH,
  randomBytes,
} from "node:crypto";
import {
  DTLS_CONTENT,
  type DtlsRecord,
  formatDtlsRecord,
  splitDtlsRecords,
} from "../../../src/transport/dtls/dtls_records.ts";
import type { ServerCertificate } from "../../../src/transport/dtls/server_certificate.ts";

/** The messages of a client in their order. */
export const STEPS = [
  "hello",
  "certificate",
  "keyExchange",
  "verify",
  "finished",
] as const;
/** One of {@link STEPS}. */
export type Step = typeof STEPS[number];

const TYPES: Readonly<Record<Step, number>> = {
  hello: 1,
  certificate: 11,
  keyExchange: 16,
  verify: 15,
  finished: 20,
};
const HEADER_BYTES = 12;
/** Length of the cookie in a hello. */
const NO_COOKIE = 0;

/** What a hello offers. Every part may be nonsense. */
export interface HelloParts {
  readonly version: number;
  readonly sessionId: Uint8Array;
  readonly suites: readonly number[];
  readonly compression: readonly number[];
  /** Types and bodies. */
  readonly extensions: readonly (readonly [number, readonly number[]])[];
}

const uint16 = (value: number) => [value >>> 8, value & 0xff];
const uint24 = (value: number) => [value >>> 16, ...uint16(value & 0xffff)];
/** A vector of 16-bit numbers behind its length. */
export const list16 = (...values: readonly number[]): number[] => [
  ...uint16(2 * values.length),
  ...values.flatMap(uint16),
];

/** What a browser offers, in short. */
export const HELLO: HelloParts = {
  version: 0xfefd,
  sessionId: new Uint8Array(0),
  suites: [0xc02b, 0xc02f],
  compression: [0],
  extensions: [
    [10, list16(23)],
    [11, [1, 0]],
    [13, list16(0x0403, 0x0401)],
    [14, [...list16(7, 1), 0]],
    [23, []],
    [0xff01, [0]],
  ],
};

/** How a {@link RawDtlsClient} behaves. */
export interface RawDtlsOptions {
  readonly certificate: ServerCertificate;
  readonly hello?: Partial<HelloParts>;
  /** Changes the body of a message before it is sent. */
  readonly edit?: (step: Step, body: Uint8Array) => Uint8Array;
  readonly send: (datagram: Uint8Array) => void;
  /** Takes application data of the server. */
  readonly received?: (content: Uint8Array) => void;
}

/**
 * A DTLS client that does as it is told: it goes to any state of a handshake message by message, and sends whatever
 * its caller wants there. Time and datagrams are the caller's.
 */
export class RawDtlsClient {
  /** Levels and descriptions of the alerts that came, with the epoch that they came in. */
  readonly alerts: { level: number; description: number; epoch: number }[] = [];
  /** Types of the server's handshake messages, repetitions included; "finished" for its encrypted one. */
  readonly heard: (number | "finished")[] = [];
  readonly #options: RawDtlsOptions;
  readonly #key: ECDH = createECDH("prime256v1");
  readonly #random = randomBytes(32);
  #transcript: Uint8Array[] = [];
  #serverRandom: Uint8Array = new Uint8Array(32);
  #serverKey: Uint8Array | undefined;
  #server = new Set<number>();
  #sequence = 0;
  #record = 0;
  #encrypted = 0;
  #keys:
    | { master: Uint8Array; own: Uint8Array; ownSalt: Uint8Array; server: Uint8Array }
    | undefined;

  constructor(options: RawDtlsOptions) {
    this.#options = options;
    this.#key.generateKeys();
  }

  /** Whether there are keys to encrypt by. */
  get isKeyed(): boolean {
    return this.#keys !== undefined;
  }

  /** Sends its messages up to and including one; all if none is named. The server has to answer at once. */
  goTo(last: Step = "finished"): void {
    for (const step of STEPS.slice(0, STEPS.indexOf(last) + 1)) this.take(step);
  }

  /** Sends one message. */
  take(step: Step): void {
    const body = this.#options.edit?.(step, this.#body(step)) ?? this.#body(step);
    const message = handshakeMessage({ type: TYPES[step], sequence: this.#sequence++, body });
    if (step !== "finished") {
      this.#transcript.push(message);
      this.plain(DTLS_CONTENT.handshake, message);
      if (step === "keyExchange") this.#makeKeys();
      return;
    }
    this.plain(DTLS_CONTENT.changeCipherSpec, Uint8Array.of(1));
    this.protect(DTLS_CONTENT.handshake, message);
    this.#transcript.push(message);
  }

  /** Sends a record that anybody can read, in the first epoch. */
  plain(contentType: number, content: Uint8Array): void {
    const header = { contentType, epoch: 0, sequenceNumber: this.#record++ };
    this.#options.send(formatDtlsRecord(header, content));
  }

  /** Sends a record under the keys of the handshake. */
  protect(contentType: number, content: Uint8Array): void {
    this.#options.send(this.seal(contentType, content));
  }

  /** A record under the keys of the handshake. */
  seal(
    contentType: number,
    content: Uint8Array,
    { epoch = 1, sequenceNumber = this.#encrypted++ } = {},
  ): Uint8Array {
    const keys = this.#keys;
    if (keys === undefined) throw new Error("There are no keys yet");
    const header = { contentType, epoch, sequenceNumber };
    // The number stands in the record's header as it does in the data that is authenticated.
    const explicit = formatDtlsRecord(header, new Uint8Array(0)).slice(3, 11);
    const nonce = Uint8Array.of(...keys.ownSalt, ...explicit);
    const cipher = createCipheriv("aes-128-gcm", keys.own, nonce);
    cipher.setAAD(Uint8Array.of(...explicit, contentType, 0xfe, 0xfd, ...uint16(content.length)));
    const sealed = [...cipher.update(content), ...cipher.final()];
    return formatDtlsRecord(header, Uint8Array.of(...explicit, ...sealed, ...cipher.getAuthTag()));
  }

  /** Its Finished, as a message. */
  finished(sequence = STEPS.length - 1): Uint8Array {
    return handshakeMessage({ type: 20, sequence, body: this.#verifyData() });
  }

  /** Takes a datagram of the server. */
  receive(datagram: Uint8Array): void {
    for (const record of splitDtlsRecords(datagram) ?? []) {
      if (record.contentType === DTLS_CONTENT.handshake) this.#hear(record);
      if (record.contentType === DTLS_CONTENT.alert) this.#note(record);
      if (record.contentType === DTLS_CONTENT.applicationData) {
        this.#options.received?.(this.#open(record));
      }
    }
  }

  #hear({ epoch, fragment }: DtlsRecord): void {
    if (epoch > 0) return void this.heard.push("finished");
    const [type = 0] = fragment;
    this.heard.push(type);
    const body = fragment.slice(HEADER_BYTES);
    if (this.#server.has(type)) return;
    this.#server.add(type);
    this.#transcript.push(fragment.slice());
    if (type === 2) this.#serverRandom = body.slice(2, 34);
    if (type === 12) this.#serverKey = body.slice(4, 4 + (body[3] ?? 0));
  }

  #note(record: DtlsRecord): void {
    const content = record.epoch === 0 ? record.fragment : this.#open(record);
    const [level = 0, description = 0] = content;
    this.alerts.push({ level, description, epoch: record.epoch });
  }

  #open({ fragment, contentType, bytes }: DtlsRecord): Uint8Array {
    const keys = this.#keys;
    if (keys === undefined) return new Uint8Array(0);
    const salt = keys.server.subarray(16);
    const nonce = Uint8Array.of(...salt, ...fragment.subarray(0, 8));
    const decipher = createDecipheriv("aes-128-gcm", keys.server.subarray(0, 16), nonce);
    const sealed = fragment.subarray(8, -16);
    decipher.setAuthTag(fragment.subarray(-16));
    decipher.setAAD(
      Uint8Array.of(...bytes.subarray(3, 11), contentType, 0xfe, 0xfd, ...uint16(sealed.length)),
    );
    return Uint8Array.of(...decipher.update(sealed), ...decipher.final());
  }

  #body(step: Step): Uint8Array {
    switch (step) {
      case "hello":
        return this.#hello();
      case "certificate": {
        const { der } = this.#options.certificate;
        return Uint8Array.of(...uint24(der.length + 3), ...uint24(der.length), ...der);
      }
      case "keyExchange": {
        const key = this.#key.getPublicKey();
        return Uint8Array.of(key.length, ...key);
      }
      case "verify": {
        const signer = createSign("sha256").update(joined(this.#transcript));
        const signature = signer.sign(this.#options.certificate.privateKey);
        return Uint8Array.of(4, 3, ...uint16(signature.length), ...signature);
      }
      case "finished":
        return this.#verifyData();
    }
  }

  #hello(): Uint8Array {
    const { version, sessionId, suites, compression, extensions } = {
      ...HELLO,
      ...this.#options.hello,
    };
    const data = extensions.flatMap(([type, body]) => [
      ...uint16(type),
      ...uint16(body.length),
      ...body,
    ]);
    return Uint8Array.of(
      ...uint16(version),
      ...this.#random,
      sessionId.length,
      ...sessionId,
      NO_COOKIE,
      ...list16(...suites),
      compression.length,
      ...compression,
      ...uint16(data.length),
      ...data,
    );
  }

  /** RFC 7627 §4 and RFC 5246 §6.3. */
  #makeKeys(): void {
    if (this.#serverKey === undefined) return;
    const shared = this.#key.computeSecret(this.#serverKey);
    const sessionHash = createHash("sha256").update(joined(this.#transcript)).digest();
    const master = prf(shared, "extended master secret", sessionHash).subarray(0, 48);
    const seed = Uint8Array.of(...this.#serverRandom, ...this.#random);
    const block = prf(master, "key expansion", seed);
    this.#keys = {
      master,
      own: block.slice(0, 16),
      ownSalt: block.slice(32, 36),
      server: Uint8Array.of(...block.slice(16, 32), ...block.slice(36, 40)),
    };
  }

  #verifyData(): Uint8Array {
    const hash = createHash("sha256").update(joined(this.#transcript.slice(0, 9))).digest();
    return prf(this.#keys?.master ?? new Uint8Array(48), "client finished", hash).slice(0, 12);
  }
}

/** A handshake message, or a piece of one (RFC 6347 §4.2.2). */
export function handshakeMessage(message: {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly length?: number;
  readonly offset?: number;
  readonly pieceLength?: number;
}): Uint8Array {
  const { type, sequence, body, length = body.length, offset = 0 } = message;
  const { pieceLength = body.length } = message;
  return Uint8Array.of(
    type,
    ...uint24(length),
    ...uint16(sequence),
    ...uint24(offset),
    ...uint24(pieceLength),
    ...body,
  );
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** P_SHA256 of RFC 5246 §5, 96 bytes of it. */
function prf(secret: Uint8Array, label: string, data: Uint8Array): Uint8Array {
  const seed = Uint8Array.of(...new TextEncoder().encode(label), ...data);
  const hmac = (...parts: Uint8Array[]) => {
    const each = createHmac("sha256", secret);
    for (const part of parts) each.update(part);
    return Uint8Array.from(each.digest());
  };
  const blocks: Uint8Array[] = [];
  let a = seed;
  while (blocks.length < 3) {
    a = hmac(a);
    blocks.push(hmac(a, seed));
  }
  return joined(blocks);
}
