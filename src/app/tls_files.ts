import { createPrivateKey, X509Certificate } from "node:crypto";
import { AppError, errorText } from "../base/errors.ts";
import { assertPrivate } from "./secret.ts";

/** Paths of the files of `server.tls_cert` and `server.tls_key`. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate chain with its key, both in PEM. */
export interface TlsCertificate {
  readonly cert: string;
  readonly key: string;
  /** Period in which all certificates of the chain are valid, as OpenSSL writes dates. */
  readonly notBefore: string;
  readonly notAfter: string;
}

/** Why browsers refuse a certificate, now or soon. */
export interface ValidityProblem {
  readonly kind: "expired" | "not_yet_valid" | "ends_soon";
  /** For people, with the time. */
  readonly text: string;
}

const DAY_MS = 86_400_000;

/** Certificates are usually renewed a month before they expire; with less time than this left, that has failed. */
const SOON_MS = 14 * DAY_MS;

/** @param nowMs Since 1970. @returns `undefined` for a certificate that is valid and does not expire soon. Pure. */
export function validityProblemOf(
  { notBefore, notAfter }: Pick<TlsCertificate, "notBefore" | "notAfter">,
  nowMs: number,
): ValidityProblem | undefined {
  const leftMs = Date.parse(notAfter) - nowMs;
  const daysOf = (ms: number) => `${Math.floor(ms / DAY_MS)} days`;
  if (leftMs <= 0) {
    const text = `the certificate expired at ${isoTime(notAfter)}, ${daysOf(-leftMs)} ago`;
    return { kind: "expired", text };
  }
  if (Date.parse(notBefore) > nowMs) {
    const text = `the certificate is not valid before ${
      isoTime(notBefore)
    }; is the clock of this host right?`;
    return { kind: "not_yet_valid", text };
  }
  if (leftMs >= SOON_MS) return undefined;
  const text = `the certificate expires at ${isoTime(notAfter)}, in ${daysOf(leftMs)}`;
  return { kind: "ends_soon", text };
}

function isoTime(time: string): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

/** The files cannot be used for TLS. */
export class TlsFilesError extends AppError<"tls_files"> {}

/**
 * Reads both files.
 * @throws {TlsFilesError} If one cannot be read or parsed, other users may read the key, or the two do not match.
 */
export async function readTlsFiles(files: TlsFiles): Promise<TlsCertificate> {
  const cert = await readPem("tls_cert", files.cert);
  const key = await readPem("tls_key", files.key);
  const certificates = certificatesIn(cert);
  const [certificate] = certificates;
  if (certificate === undefined) {
    throw refusal("tls_cert", files.cert, "it does not begin with a PEM certificate");
  }
  const privateKey = parse(() => createPrivateKey(key));
  if (privateKey === undefined) {
    throw refusal("tls_key", files.key, "it is not a PEM private key without a passphrase");
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw refusal("tls_key", files.key, `it does not belong to server.tls_cert "${files.cert}"`);
  }
  const byTime = (one: string, other: string) => Date.parse(one) - Date.parse(other);
  const [notAfter = certificate.validTo] = certificates.map(({ validTo }) => validTo).sort(byTime);
  const notBefore = certificates.map(({ validFrom }) => validFrom).sort(byTime).at(-1) ??
    certificate.validFrom;
  return { cert, key, notBefore, notAfter };
}

/** The readable certificates of a chain, the server's own first; none if that cannot be read. */
function certificatesIn(pem: string): X509Certificate[] {
  const first = parse(() => new X509Certificate(pem));
  if (first === undefined) return [];
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const others = blocks.slice(1).map((block) => parse(() => new X509Certificate(block)));
  return [first, ...others.filter((other) => other !== undefined)];
}

async function readPem(name: "tls_cert" | "tls_key", path: string): Promise<string> {
  try {
    if (name === "tls_key") await assertPrivate(path);
    return await Deno.readTextFile(path);
  } catch (error) {
    throw refusal(name, path, errorText(error));
  }
}

function parse<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function refusal(name: "tls_cert" | "tls_key", path: string, why: string): TlsFilesError {
  return new TlsFilesError("tls_files", `Cannot use server.${name} "${path}": ${why}`);
}
