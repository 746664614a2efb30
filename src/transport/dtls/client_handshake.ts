import type { KeyObject } from "node:crypto";
import type { Fingerprint } from "../../sdp/model.ts";
import { checkCertificate, checkFinished, checkSignature } from "./client_proof.ts";
import type { DtlsRecord } from "./dtls_records.ts";
import { HandshakeGate } from "./handshake_gate.ts";
import { type HandshakeMessage, MESSAGE_HEADER_BYTES } from "./handshake_message.ts";
import { type DtlsFault, dtlsFault, isDtlsFault } from "./alert.ts";
import { type ClientHello, parseClientHello } from "./client_hello.ts";
import {
  CLIENT_MESSAGE,
  parseCertificates,
  parseCertificateVerify,
  parseClientKeyExchange,
  parseFinished,
} from "./client_messages.ts";
import { type Agreement, GROUP, type Group, negotiate } from "./negotiation.ts";

/** The server's side of the handshake. Everything that it is given was validated. */
export interface HandshakeEngine {
  /** Answers the ClientHello, which is kept. */
  answerHello(message: Uint8Array, hello: ClientHello, agreement: Agreement): void;
  /** Adds another message of the client to the transcript; it is kept. */
  note(message: Uint8Array): void;
  /** Makes the keys. The transcript contains the ClientKeyExchange. */
  exchangeKeys(clientKey: Uint8Array): void;
  /** Answers the client's Finished, which is copied: the handshake is done. */
  finish(message: Uint8Array): void;
  /** Sends the last answer again. */
  repeat(): void;
  /** The handshake messages so far, as covered by Finished. */
  transcript(): Uint8Array;
  /** `undefined` before {@link exchangeKeys}. */
  readonly masterSecret: Uint8Array | undefined;
  /** Decrypts a record; `undefined` if it is not authentic. */
  decrypt(record: DtlsRecord): Uint8Array | undefined;
}

/** Result of a handshake record. */
export type HandshakeVerdict = "taken" | "dtls_forged" | "dtls_unexpected" | DtlsFault;

/** The messages of a client before its Finished (RFC 6347 §4.2.4, flights 1 and 5), by their sequence numbers. */
const ORDER = [
  CLIENT_MESSAGE.clientHello,
  CLIENT_MESSAGE.certificate,
  CLIENT_MESSAGE.clientKeyExchange,
  CLIENT_MESSAGE.certificateVerify,
] as const;

/**
 * Validates a client's handshake, message by message, and passes on only messages that are complete, consistent,
 * authentic, and of the expected type. Anything else ends the handshake.
 */
export class ClientHandshake {
  readonly #fingerprints: readonly Fingerprint[];
  readonly #engine: HandshakeEngine;
  readonly #gate = new HandshakeGate();
  /** Number of accepted messages, including Finished. */
  #passed = 0;
  #hello: (ClientHello & { readonly agreement: Agreement }) | undefined;
  #key: KeyObject | undefined;
  #clientKey: Uint8Array = new Uint8Array(0);
  #verifyData: Uint8Array | undefined;

  /** @param options.fingerprints Fingerprints of the certificates that the client may use. */
  constructor(options: { fingerprints: readonly Fingerprint[]; engine: HandshakeEngine }) {
    this.#fingerprints = options.fingerprints;
    this.#engine = options.engine;
  }

  /**
   * Processes one record with content type handshake. The first fault ends the handshake; do not call again after it.
   */
  take(record: DtlsRecord): HandshakeVerdict {
    if (this.#verifyData !== undefined) {
      return record.epoch === 0 ? "dtls_unexpected" : this.#takeEncrypted(record);
    }
    const { messages, encrypted } = this.#gate.pass(record);
    for (const message of messages) {
      const fault = this.#takeMessage(message);
      if (fault !== undefined) return fault;
    }
    let verdict: HandshakeVerdict = "taken";
    for (const each of encrypted) {
      const result = this.#takeEncrypted(each);
      if (typeof result === "object") return result;
      if (result !== "taken") verdict = result;
    }
    return verdict;
  }

  #takeMessage({ type, sequence, bytes }: HandshakeMessage): DtlsFault | undefined {
    if (sequence < this.#passed) {
      this.#engine.repeat();
      return undefined;
    }
    if (type !== ORDER[this.#passed]) {
      return dtlsFault("unexpected_message", `Unexpected handshake message ${type}`);
    }
    const fault = this.#check(type, bytes.subarray(MESSAGE_HEADER_BYTES));
    if (fault !== undefined) return fault;
    this.#passed++;
    this.#answer(type, bytes);
    return undefined;
  }

  #answer(type: number, message: Uint8Array): void {
    const hello = this.#hello;
    if (type === CLIENT_MESSAGE.clientHello && hello !== undefined) {
      return this.#engine.answerHello(message, hello, hello.agreement);
    }
    this.#engine.note(message);
    if (type === CLIENT_MESSAGE.clientKeyExchange) this.#engine.exchangeKeys(this.#clientKey);
  }

  #check(type: number, body: Uint8Array): DtlsFault | undefined {
    switch (type) {
      case CLIENT_MESSAGE.clientHello:
        return this.#checkHello(body);
      case CLIENT_MESSAGE.certificate:
        return this.#checkCertificate(body);
      case CLIENT_MESSAGE.clientKeyExchange: {
        const key = parseClientKeyExchange(body);
        const group = this.#hello?.agreement.group;
        if (key === undefined || group === undefined) return undecodable("ClientKeyExchange");
        this.#clientKey = key;
        return isSoundKeyShare(group, key)
          ? undefined
          : dtlsFault("illegal_parameter", "The client's public key is not a point on the curve");
      }
      default:
        return this.#checkVerify(body);
    }
  }

  #checkHello(body: Uint8Array): DtlsFault | undefined {
    const hello = parseClientHello(body);
    if (hello === undefined) return undecodable("ClientHello");
    const agreement = negotiate(hello);
    if (isDtlsFault(agreement)) return agreement;
    if (hello.cookie.length > 0) {
      return dtlsFault("illegal_parameter", "The cookie in the ClientHello is not the server's");
    }
    this.#hello = { ...hello, agreement };
    return undefined;
  }

  #checkCertificate(body: Uint8Array): DtlsFault | undefined {
    const certificates = parseCertificates(body);
    if (certificates === undefined) return undecodable("Certificate");
    const [certificate] = certificates;
    if (certificate === undefined) {
      return dtlsFault("handshake_failure", "The client sent no certificate");
    }
    const key = checkCertificate(certificate, this.#fingerprints);
    if (isDtlsFault(key)) return key;
    this.#key = key;
    return undefined;
  }

  #checkVerify(body: Uint8Array): DtlsFault | undefined {
    const signed = parseCertificateVerify(body);
    if (signed === undefined || this.#key === undefined) return undecodable("CertificateVerify");
    return checkSignature(signed, { key: this.#key, transcript: this.#engine.transcript() });
  }

  #takeEncrypted(record: DtlsRecord): HandshakeVerdict {
    const content = this.#engine.decrypt(record);
    const masterSecret = this.#engine.masterSecret;
    if (content === undefined || masterSecret === undefined) return "dtls_forged";
    const { type, sequence, verifyData } = parseFinished(content);
    if (this.#verifyData !== undefined) return this.#takeLate(verifyData);
    if (type !== CLIENT_MESSAGE.finished || sequence !== this.#passed) {
      return dtlsFault("unexpected_message", `Handshake message ${type} instead of Finished`);
    }
    if (verifyData === undefined) return undecodable("Finished");
    const transcript = this.#engine.transcript();
    const fault = checkFinished(verifyData, { masterSecret, transcript });
    if (fault !== undefined) return fault;
    this.#passed++;
    this.#verifyData = verifyData.slice();
    this.#engine.finish(content);
    return "taken";
  }

  /** After the handshake, only a repeated Finished is handled, whose response was lost. */
  #takeLate(verifyData: Uint8Array | undefined): HandshakeVerdict {
    const own = this.#verifyData;
    if (verifyData === undefined || own === undefined || !areEqual(own, verifyData)) {
      return "dtls_unexpected";
    }
    this.#engine.repeat();
    return "taken";
  }
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function undecodable(name: string): DtlsFault {
  return dtlsFault("decode_error", `The client's ${name} has inconsistent lengths`);
}

const COORDINATE_BYTES = 32;
const UNCOMPRESSED = 4;

/** The field and the constant of P-256 (SEC 2 §2.4.2): y² = x³ − 3x + b. */
const P256_P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

const X25519_P = 2n ** 255n - 19n;
/** Low-order points of X25519, whose shared secret is predictable (RFC 7748 §6.1). */
const X25519_SMALL: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  X25519_P - 1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
]);

/**
 * Whether a client's public key is safe to use (RFC 8422 §5.4, §5.11): a point on P-256, or not a low-order point of
 * X25519.
 */
function isSoundKeyShare(group: Group, key: Uint8Array): boolean {
  return group === GROUP.secp256r1 ? isOnP256(key) : isStrongX25519(key);
}

function isOnP256(key: Uint8Array): boolean {
  if (key.length !== 1 + 2 * COORDINATE_BYTES || key[0] !== UNCOMPRESSED) return false;
  const x = readBigEndian(key.subarray(1, 1 + COORDINATE_BYTES));
  const y = readBigEndian(key.subarray(1 + COORDINATE_BYTES));
  if (x >= P256_P || y >= P256_P) return false;
  return (y * y - (x * x - 3n) * x - P256_B) % P256_P === 0n;
}

function isStrongX25519(key: Uint8Array): boolean {
  if (key.length !== COORDINATE_BYTES) return false;
  // Little-endian, ignoring the highest bit (RFC 7748 §5).
  const u = BigInt.asUintN(255, readBigEndian(key.toReversed()));
  return !X25519_SMALL.has(u % X25519_P);
}

function readBigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toHex()}`);
}
