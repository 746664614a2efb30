import { AppError, errorText } from "../base/errors.ts";

/** The file of `auth.secret_file` cannot be used. */
export class SecretError extends AppError<"secret_file"> {}

/** Shortest secret, in bytes: HS256 has 256 bits (RFC 7518 §3.2). */
const SECRET_BYTES_MIN = 32;

/** Mode bits: any access by others, or write access by the group. */
const NEVER = 0o027;
const GROUP_READS = 0o040;

/**
 * Reads the secret that signs access tokens, without trailing white space.
 * @throws {SecretError} If the file cannot be read, is too short, or is not private.
 */
export async function readSecret(path: string): Promise<Uint8Array> {
  const refuse = (why: string) =>
    new SecretError("secret_file", `Cannot use auth.secret_file "${path}": ${why}`);
  let text: string;
  try {
    await assertPrivate(path);
    text = (await Deno.readTextFile(path)).trimEnd();
  } catch (error) {
    throw refuse(reasonOf(error));
  }
  const secret = new TextEncoder().encode(text);
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw refuse(
    `it has ${secret.length} bytes and needs at least ${SECRET_BYTES_MIN}; run \`openssl rand -base64 48 > ${path}\``,
  );
}

/**
 * Checks that other users cannot read or change a file. The group may read a file that belongs to root: that is how a
 * service gets a secret that it cannot change, as with systemd's credentials.
 * @throws {SecretError} If the file is not private.
 */
export async function assertPrivate(path: string): Promise<void> {
  const { mode, uid } = await Deno.stat(path);
  if (mode === null) return;
  const isShared = (mode & NEVER) !== 0 || ((mode & GROUP_READS) !== 0 && uid !== 0);
  if (!isShared) return;
  throw new SecretError(
    "secret_file",
    `other users of this host may read or change it; run \`chmod ${
      uid === 0 ? 640 : 600
    } ${path}\``,
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such file; make a secret with `openssl rand -base64 48`";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied; let this user read it";
  }
  return errorText(error);
}
