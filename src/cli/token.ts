import { readSecret } from "../app/secret.ts";
import { AppError } from "../base/errors.ts";
import { loadConfig } from "../config/load.ts";
import { readEnvironment } from "../config/variables.ts";
import { mintToken, type TokenGrant } from "../signalling/access.ts";
import { printOut } from "./print.ts";

/** Options of `pinhole token`. */
export interface TokenOptions {
  readonly config: string | undefined;
  readonly grant: TokenGrant;
}

/** A token cannot be signed. */
export class TokenError extends AppError<"no_secret"> {}

/** `pinhole token`: prints an access token. */
export async function token({ config: path, grant }: TokenOptions): Promise<void> {
  const { config } = await loadConfig({ path, env: readEnvironment() });
  const { secretFile } = config.auth;
  if (secretFile === undefined) {
    throw new TokenError(
      "no_secret",
      "Cannot sign a token: auth.secret_file is empty; set it, or PINHOLE_AUTH_SECRET_FILE, to the server's secret file",
    );
  }
  printOut(await mintToken(await readSecret(secretFile), grant));
}
