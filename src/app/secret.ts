import { AppError, errorText } from "../base/errors.ts";

/** The file of `auth.secret_file` cannot be used. */
export class SecretError extends AppError<"secret_file"> {}

/** Shortest secret, in bytes: HS256 has 256 bits (RFC 7518 §3.2). */
const SECRET_BYTES_MIN = 32;

/** Permissions of others than the file's owner and group. */
const OTHERS = 0o007;

/**
 * Reads the secret that signs access tokens; white space at its end does not count.
 * @throws {SecretError} When the file cannot be read, is too short, or others may read it.
 */
export async function readSecret(path: string): Promise<Uint8Array> {
  const refuse = (why: string) =>
    new SecretError("secret_file", `Cannot use auth.secret_file "${path}": ${why}`);
  let text: string;
  let mode: number | null;
  try {
    text = (await Deno.readTextFile(path)).trimEnd();
    mode = (await Deno.stat(path)).mode;
  } catch (error) {
    throw refuse(errorText(error));
  }
  if (mode !== null && (mode & OTHERS) !== 0) {
    throw refuse(`everybody on this host may read it; \`chmod 600 ${path}\` mends that`);
  }
  const secret = new TextEncoder().encode(text);
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw refuse(
    `it has ${secret.length} bytes, fewer than ${SECRET_BYTES_MIN}; \`openssl rand -base64 48 > ${path}\` makes a good one`,
  );
}
