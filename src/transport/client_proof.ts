import { Buffer } from "node:buffer";
import {
  createHash,
  createHmac,
  createVerify,
  timingSafeEqual,
  X509Certificate,
} from "node:crypto";
import type { RTCDtlsTransport } from "werift";

const CERTIFICATE_VERIFY = 15;
const FINISHED = 20;

/** HashAlgorithm of RFC 5246 §7.4.1.4.1, as far as browsers sign with it. */
const HASHES: Readonly<Record<number, string>> = { 4: "sha256", 5: "sha384", 6: "sha512" };
const SIGNATURE_RSA = 1;
const SIGNATURE_ECDSA = 3;

/**
 * Checks what werift's DTLS server leaves unchecked: that the browser holds the private key of the certificate which
 * it presented (CertificateVerify, RFC 5246 §7.4.8), and that both sides saw the same handshake (Finished, §7.4.9).
 * Without these, whoever can answer on the path could show the certificate of somebody else.
 * @throws When either proof is missing or wrong.
 */
export function assertClientAuthentic(transport: RTCDtlsTransport): void {
  const dtls = transport.dtls;
  const certificate = dtls?.remoteCertificate;
  if (dtls === undefined || certificate === undefined) throw new Error("no client certificate");
  // Our own Finished is in the cache as well; the browser's is the first.
  const messages = dtls.dtls.sortedHandshakeCache;
  const before = (type: number) => {
    const at = messages.findIndex((message) => message.msg_type === type);
    const message = messages[at];
    if (message === undefined) throw new Error(`handshake message ${type} is missing`);
    const transcript = Buffer.concat(messages.slice(0, at).map((each) => each.serialize()));
    return { body: message.fragment, transcript };
  };
  const verify = before(CERTIFICATE_VERIFY);
  if (!isSignedBy(certificate, verify)) throw new Error("client signature is wrong");
  const finished = before(FINISHED);
  const expected = verifyData(dtls.cipher.masterSecret, finished.transcript);
  if (finished.body.length !== expected.length || !timingSafeEqual(finished.body, expected)) {
    throw new Error("client Finished is wrong");
  }
}

/** Digitally-signed struct: hash (1 byte), signature algorithm (1), length (2), signature. */
function isSignedBy(
  certificate: Uint8Array,
  { body, transcript }: { body: Buffer; transcript: Buffer },
): boolean {
  const hash = HASHES[body[0] ?? 0];
  const algorithm = body[1];
  if (hash === undefined || body.length < 4) return false;
  const key = new X509Certificate(certificate).publicKey;
  const expectedKeyType = algorithm === SIGNATURE_ECDSA
    ? "ec"
    : algorithm === SIGNATURE_RSA
    ? "rsa"
    : undefined;
  if (key.asymmetricKeyType !== expectedKeyType) return false;
  const signature = body.subarray(4, 4 + body.readUInt16BE(2));
  return createVerify(hash).update(transcript).verify(key, signature);
}

/** PRF(master secret, "client finished", hash of the handshake), 12 bytes (RFC 5246 §5, §7.4.9). */
function verifyData(masterSecret: Buffer, transcript: Buffer): Buffer {
  const seed = Buffer.concat([
    Buffer.from("client finished"),
    createHash("sha256").update(transcript).digest(),
  ]);
  const hmac = (data: Buffer) => createHmac("sha256", masterSecret).update(data).digest();
  return hmac(Buffer.concat([hmac(seed), seed])).subarray(0, 12);
}
