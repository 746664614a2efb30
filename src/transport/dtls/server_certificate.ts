import {
  createHash,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import type { Fingerprint } from "../../sdp/model.ts";

/** The certificate of all peers in this process. */
export interface ServerCertificate {
  readonly fingerprint: Fingerprint;
  /** X.509 in DER. */
  readonly der: Uint8Array;
  /** ECDSA on P-256. */
  readonly privateKey: KeyObject;
}

/** Object identifiers in DER: ecdsa-with-SHA256 (RFC 5758 §3.2) and commonName (RFC 5280 appendix A.1). */
const ECDSA_WITH_SHA256 = Uint8Array.of(0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2);
const COMMON_NAME = Uint8Array.of(0x06, 3, 0x55, 4, 3);

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
  version: 0xa0,
} as const;

/** A browser checks the fingerprint alone; the name tells what an analyser of packets looks at. */
const NAME = "WebRTC";
/** Clocks differ, so it is valid since the day before. */
const EARLIER_MS = 24 * 60 * 60 * 1000;
const YEARS = 10;
const SERIAL_BYTES = 16;

/** Creates a self-signed certificate with an ECDSA key on P-256 (RFC 8827 §6.5, RFC 5280). */
export function createServerCertificate(now = new Date()): ServerCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const name = sequence(der(TAG.set, sequence(COMMON_NAME, der(TAG.utf8String, text(NAME)))));
  const serial = randomBytes(SERIAL_BYTES);
  // Positive, and without a zero in front.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const signed = sequence(
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, serial),
    sequence(ECDSA_WITH_SHA256),
    name,
    sequence(time(new Date(now.getTime() - EARLIER_MS)), time(yearsLater(now, YEARS))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = createSign("sha256").update(signed).sign(privateKey);
  // The first byte of a bit string says how many bits are left over.
  const bits = der(TAG.bitString, Uint8Array.of(0), signature);
  const certificate = sequence(signed, sequence(ECDSA_WITH_SHA256), bits);
  const digest = createHash("sha256").update(certificate).digest("hex").toUpperCase();
  const value = (digest.match(/../g) ?? []).join(":");
  return { der: certificate, privateKey, fingerprint: { algorithm: "sha-256", value } };
}

function yearsLater(date: Date, years: number): Date {
  const later = new Date(date);
  later.setUTCFullYear(later.getUTCFullYear() + years);
  return later;
}

/** RFC 5280 §4.1.2.5: from 2050 on with four digits of the year. */
function time(date: Date): Uint8Array {
  const digits = date.toISOString().replaceAll(/[-:T]|\..*/g, "");
  const isLate = date.getUTCFullYear() >= 2050;
  return der(isLate ? TAG.generalizedTime : TAG.utcTime, text(`${digits.slice(isLate ? 0 : 2)}Z`));
}

function text(characters: string): Uint8Array {
  return new TextEncoder().encode(characters);
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(TAG.sequence, ...parts);
}

/** One value in DER (X.690 §8.1): tag, length, content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...parts);
  const { length } = content;
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >>> 8, length & 0xff];
  return concatBytes(Uint8Array.from(header), content);
}
