import { ByteReader } from "./byte_reader.ts";

/** Types of the handshake messages that a client sends (RFC 5246 §7.4). */
export const CLIENT_MESSAGE = {
  clientHello: 1,
  certificate: 11,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** Length of a Finished (RFC 5246 §7.4.9). */
const VERIFY_DATA_BYTES = 12;

/** Signature over the handshake (RFC 5246 §4.7, §7.4.8). */
export interface DigitallySigned {
  /** HashAlgorithm of RFC 5246 §7.4.1.4.1. */
  readonly hash: number;
  /** SignatureAlgorithm of RFC 5246 §7.4.1.4.1. */
  readonly algorithm: number;
  readonly signature: Uint8Array;
}

/**
 * Parses a Certificate (RFC 5246 §7.4.2).
 * @returns The certificates in DER, the client's first; `undefined` if a length is inconsistent.
 */
export function parseCertificates(body: Uint8Array): Uint8Array[] | undefined {
  const reader = new ByteReader(body);
  const list = new ByteReader(reader.vector(3));
  const certificates: Uint8Array[] = [];
  while (list.hasMore) certificates.push(list.vector(3));
  const isSound = reader.isWhole && list.isWhole;
  return isSound && certificates.every(({ length }) => length > 0) ? certificates : undefined;
}

/**
 * Parses a ClientKeyExchange with the client's public key (RFC 8422 §5.7); `undefined` if its length is inconsistent.
 */
export function parseClientKeyExchange(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body);
  const key = reader.vector(1);
  return reader.isWhole ? key : undefined;
}

/** Parses a CertificateVerify; `undefined` if its length is inconsistent. */
export function parseCertificateVerify(body: Uint8Array): DigitallySigned | undefined {
  const reader = new ByteReader(body);
  const hash = reader.number(1);
  const algorithm = reader.number(1);
  const signature = reader.vector(2);
  return reader.isWhole ? { hash, algorithm, signature } : undefined;
}

/**
 * Type of the first handshake message in a record's content, and the body of a Finished if that is the whole content.
 */
export function parseFinished(
  content: Uint8Array,
): { readonly type: number; readonly sequence: number; readonly verifyData?: Uint8Array } {
  const reader = new ByteReader(content);
  const type = reader.number(1);
  const length = reader.number(3);
  const sequence = reader.number(2);
  const offset = reader.number(3);
  const verifyData = reader.vector(3);
  const isFinished = type === CLIENT_MESSAGE.finished && reader.isWhole && offset === 0 &&
    length === verifyData.length && length === VERIFY_DATA_BYTES;
  return isFinished ? { type, sequence, verifyData } : { type, sequence };
}
