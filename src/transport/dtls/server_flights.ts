import type { ClientHello } from "./client_hello.ts";
import { EXTENSION } from "./client_hello.ts";
import { DTLS_VERSION } from "./dtls_records.ts";
import { type Agreement, CIPHER_SUITE, type Group, SIGNATURE_ALGORITHM } from "./negotiation.ts";

/** Types of the handshake messages that a server sends (RFC 5246 §7.4, RFC 6347 §4.3.2). */
export const SERVER_MESSAGE = {
  serverHello: 2,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  finished: 20,
} as const;

/** TLS_EMPTY_RENEGOTIATION_INFO_SCSV: stands for an empty extension (RFC 5746 §3.3). */
const RENEGOTIATION_SUITE = 0x00ff;
/** `named_curve` (RFC 8422 §5.4). */
const NAMED_CURVE = 3;
/** `ecdsa_sign` and `rsa_sign` (RFC 8422 §5.5). */
const CERTIFICATE_TYPES = [64, 1];
/** What a client may sign with: ECDSA and RSA PKCS #1, by SHA-256, SHA-384 and SHA-512. */
const SIGNATURE_ALGORITHMS = [0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601];

/** Body of a ServerHello without a session that could be resumed. */
export function formatServerHello(
  hello: ClientHello,
  { agreement, random }: { agreement: Agreement; random: Uint8Array },
): Uint8Array {
  const { srtpProfile, extendedMasterSecret } = agreement;
  const extensions: number[] = [];
  const add = (type: number, content: readonly number[]) =>
    extensions.push(...uint16(type), ...uint16(content.length), ...content);
  // Only what the client offered may be answered (RFC 5246 §7.4.1.4).
  const knowsRenegotiation = hello.renegotiationInfo !== undefined ||
    hello.cipherSuites.includes(RENEGOTIATION_SUITE);
  if (knowsRenegotiation) add(EXTENSION.renegotiationInfo, [0]);
  if (hello.pointFormats !== undefined) add(EXTENSION.pointFormats, [1, 0]);
  if (extendedMasterSecret) add(EXTENSION.extendedMasterSecret, []);
  // One profile, and no MKI.
  add(EXTENSION.useSrtp, [...uint16(2), ...uint16(srtpProfile), 0]);
  const sessionIdBytes = 0;
  const noCompression = 0;
  return Uint8Array.of(
    ...uint16(DTLS_VERSION),
    ...random,
    sessionIdBytes,
    ...uint16(CIPHER_SUITE),
    noCompression,
    ...uint16(extensions.length),
    ...extensions,
  );
}

/** Body of a Certificate with one certificate in DER. */
export function formatCertificate(certificate: Uint8Array): Uint8Array {
  const { length } = certificate;
  return Uint8Array.of(...uint24(length + 3), ...uint24(length), ...certificate);
}

/** The part of a ServerKeyExchange that is signed together with the random values. */
export function formatKeyParameters(group: Group, publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(NAMED_CURVE, ...uint16(group), ...vector8(publicKey));
}

/** Body of a ServerKeyExchange. */
export function formatServerKeyExchange(
  parameters: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  const { length } = signature;
  const signed = [...uint16(SIGNATURE_ALGORITHM), ...uint16(length), ...signature];
  return Uint8Array.of(...parameters, ...signed);
}

/** Body of a CertificateRequest that names no authorities. */
export function formatCertificateRequest(): Uint8Array {
  const algorithms = SIGNATURE_ALGORITHMS.flatMap(uint16);
  const types = vector8(Uint8Array.from(CERTIFICATE_TYPES));
  return Uint8Array.of(...types, ...uint16(algorithms.length), ...algorithms, ...uint16(0));
}

function vector8(bytes: Uint8Array): number[] {
  return [bytes.length, ...bytes];
}

function uint16(value: number): number[] {
  return [value >>> 8, value & 0xff];
}

function uint24(value: number): number[] {
  return [value >>> 16, (value >>> 8) & 0xff, value & 0xff];
}
