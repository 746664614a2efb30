import {
  createHash,
  createVerify,
  type KeyObject,
  timingSafeEqual,
  X509Certificate,
} from "node:crypto";
import { errorText } from "../../base/errors.ts";
import type { Fingerprint } from "../../sdp/model.ts";
import { type DtlsFault, dtlsFault } from "./alert.ts";
import type { DigitallySigned } from "./client_messages.ts";
import { verifyData } from "./key_schedule.ts";

/** HashAlgorithm values of RFC 5246 §7.4.1.4.1 that browsers sign with. */
const HASHES: Readonly<Record<number, string>> = { 4: "sha256", 5: "sha384", 6: "sha512" };
const SIGNATURE_RSA = 1;
const SIGNATURE_ECDSA = 3;

/** Hashes of fingerprints, strongest first; the strongest offered one is used (RFC 8122 §5). */
const FINGERPRINT_HASHES = { "sha-512": "sha512", "sha-384": "sha384", "sha-256": "sha256" };

/** Maximum bits of an RSA key: a longer one would block the event loop, and no browser uses one. */
const RSA_BITS_MAX = 4096;

/** Reads the public key of the client's certificate, if its fingerprint is in the offer. */
export function checkCertificate(
  certificate: Uint8Array,
  fingerprints: readonly Fingerprint[],
): KeyObject | DtlsFault {
  if (!isNamed(certificate, fingerprints)) {
    return dtlsFault(
      "bad_certificate",
      "The client's certificate does not match the offer's fingerprint",
    );
  }
  try {
    const key = new X509Certificate(certificate).publicKey;
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    if (bits <= RSA_BITS_MAX) return key;
    return dtlsFault(
      "unsupported_certificate",
      `The client's RSA key has ${bits} bits; at most ${RSA_BITS_MAX} are accepted`,
    );
  } catch (error) {
    return dtlsFault(
      "bad_certificate",
      `Cannot read the client's certificate: ${errorText(error)}`,
    );
  }
}

/**
 * Checks that the client has the private key of its certificate (CertificateVerify, RFC 5246 §7.4.8). Otherwise an
 * attacker who can answer on the path could present someone else's certificate.
 * @param transcript All handshake messages before.
 */
export function checkSignature(
  { hash, algorithm, signature }: DigitallySigned,
  { key, transcript }: { key: KeyObject; transcript: Uint8Array },
): DtlsFault | undefined {
  const name = HASHES[hash];
  const keyType = algorithm === SIGNATURE_ECDSA
    ? "ec"
    : algorithm === SIGNATURE_RSA
    ? "rsa"
    : undefined;
  if (name === undefined || key.asymmetricKeyType !== keyType) {
    return dtlsFault(
      "illegal_parameter",
      `The client signs with hash ${hash} and algorithm ${algorithm} and a key of type ${key.asymmetricKeyType}`,
    );
  }
  try {
    if (createVerify(name).update(transcript).verify(key, signature)) return undefined;
  } catch {
    // An unreadable signature is treated like a wrong one.
  }
  return dtlsFault("decrypt_error", "The client signature is wrong");
}

/**
 * Checks that both sides saw the same handshake (Finished, RFC 5246 §7.4.9).
 * @param transcript All handshake messages before.
 */
export function checkFinished(
  received: Uint8Array,
  { masterSecret, transcript }: { masterSecret: Uint8Array; transcript: Uint8Array },
): DtlsFault | undefined {
  const expected = verifyData("client", { masterSecret, transcript });
  return received.length === expected.length && timingSafeEqual(received, expected)
    ? undefined
    : dtlsFault("decrypt_error", "The client Finished is wrong");
}

function isNamed(certificate: Uint8Array, fingerprints: readonly Fingerprint[]): boolean {
  for (const [algorithm, hash] of Object.entries(FINGERPRINT_HASHES)) {
    const named = fingerprints.filter((fingerprint) => fingerprint.algorithm === algorithm);
    if (named.length === 0) continue;
    const digest = createHash(hash).update(certificate).digest("hex").toUpperCase();
    return named.some(({ value }) => value.replaceAll(":", "").toUpperCase() === digest);
  }
  return false;
}
