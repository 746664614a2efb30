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
  /** End of the first certificate's validity, as OpenSSL writes it. */
  readonly notAfter: string;
}

/** The files cannot be used for TLS. */
export class TlsFilesError extends AppError<"tls_files"> {}

/**
 * Reads both files.
 * @throws {TlsFilesError} When one cannot be read, holds something else, everybody may read the key, or the two do not
 * belong together.
 */
export async function readTlsFiles(files: TlsFiles): Promise<TlsCertificate> {
  const cert = await readPem("tls_cert", files.cert);
  const key = await readPem("tls_key", files.key);
  const certificate = parse(() => new X509Certificate(cert));
  if (certificate === undefined) {
    throw refusal("tls_cert", files.cert, "it does not begin with a certificate in PEM");
  }
  const privateKey = parse(() => createPrivateKey(key));
  if (privateKey === undefined) {
    throw refusal("tls_key", files.key, "it is no private key in PEM without a passphrase");
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw refusal("tls_key", files.key, `it does not belong to server.tls_cert "${files.cert}"`);
  }
  return { cert, key, notAfter: certificate.validTo };
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
