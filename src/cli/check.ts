import { ownDescriptorWarning } from "../app/descriptors.ts";
import { openIdleLibrary } from "../app/idle.ts";
import { readSecret } from "../app/secret.ts";
import { tlsFilesOf } from "../app/serve_http.ts";
import { readTlsFiles, TlsFilesError } from "../app/tls_files.ts";
import { errorText } from "../base/errors.ts";
import { NULL_LOGGER } from "../base/log.ts";
import { ConfigError, loadConfig, type LoadedConfig } from "../config/load.ts";
import type { Problem } from "../config/problem.ts";
import { readEnvironment } from "../config/variables.ts";
import { warningsOf } from "../config/checks.ts";
import { formatReach } from "./reach_lines.ts";
import { printError, printOut } from "./print.ts";

/**
 * Loads the configuration for a command.
 * @throws {ConfigError} With every problem.
 */
export function loadUsableConfig(path: string | undefined): Promise<LoadedConfig> {
  return loadConfig({ path, env: readEnvironment() });
}

/**
 * `pinhole check`: validates the configuration and the files that it names, and prints warnings.
 * @throws {ConfigError} With every problem.
 */
export async function check({ config: path }: { config: string | undefined }): Promise<void> {
  const loaded = await loadUsableConfig(path);
  const problems = await problemsOfFiles(loaded);
  if (problems.length > 0) throw new ConfigError(problems);
  const { config, file } = loaded;
  const few = ownDescriptorWarning(config);
  const ofHost = few === undefined ? [] : [`${few.text}. ${few.fix}`];
  for (const warning of [...warningsOf(config), ...ofHost]) {
    printError(`pinhole: ${file ?? "defaults"}: ${warning}`);
  }
  printOut(
    file === undefined
      ? "No config.toml in this folder; the defaults are valid"
      : `${file} is valid`,
  );
  for (const line of formatReach(config)) printOut(line);
}

/**
 * Rejects an expired certificate. The server itself accepts one, so that a restart does not fail because of it.
 * @throws {TlsFilesError} If the certificate has expired.
 */
function assertCurrent(path: string, notAfterMs: number): void {
  if (Number.isNaN(notAfterMs) || notAfterMs > Date.now()) return;
  const day = new Date(notAfterMs).toISOString().slice(0, 10);
  const why = `the certificate expired on ${day}; renew it`;
  throw new TlsFilesError("tls_files", `Cannot use server.tls_cert "${path}": ${why}`);
}

/** Checks the files that the configuration names, as far as possible without starting the server. */
async function problemsOfFiles({ config, file }: LoadedConfig): Promise<Problem[]> {
  const source = file ?? "configuration";
  const { secretFile } = config.auth;
  const tls = tlsFilesOf(config.server);
  const problems: Problem[] = [];
  const attempt = async (key: string, read: () => Promise<unknown>): Promise<void> => {
    try {
      await read();
    } catch (error) {
      if (error instanceof ConfigError) problems.push(...error.problems);
      else problems.push({ source, key, rule: errorText(error) });
    }
  };
  await attempt(
    "idle",
    async () => await (await openIdleLibrary(config, { log: NULL_LOGGER, source })).close(),
  );
  if (secretFile !== undefined) await attempt("auth.secret_file", () => readSecret(secretFile));
  if (tls !== undefined) {
    await attempt("server.tls_cert", async () => {
      assertCurrent(tls.cert, Date.parse((await readTlsFiles(tls)).notAfter));
    });
  }
  return problems;
}
