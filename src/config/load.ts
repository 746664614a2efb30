import { AppError, errorText } from "../base/errors.ts";
import type { Config } from "./config.ts";
import { parseConfig } from "./parse.ts";
import { formatProblem, type Problem, showSource } from "./problem.ts";
import type { Environment } from "./environment.ts";

/** The file that is read by default, if it exists. */
export const DEFAULT_CONFIG_FILE = "config.toml";

/** Largest file that is read, in bytes: far above any real one; also a limit if the path is an endless device. */
const FILE_BYTES_MAX = 1 << 20;

/** A configuration that cannot be used. The message has the first problem on one line; `problems` has all. */
export class ConfigError extends AppError<"bad_config"> {
  /** Everything that is wrong, at least one problem. */
  readonly problems: readonly Problem[];

  /** @param problems At least one. */
  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    const [first] = problems;
    const more = problems.length - 1;
    const rest = more > 0 ? ` (and ${more} more; see \`pinhole check\`)` : "";
    super("bad_config", `${first === undefined ? "" : formatProblem(first)}${rest}`, options);
    this.problems = problems;
  }
}

/** Result of {@link loadConfig}. */
export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read; `undefined` if there was none and the defaults apply. */
  readonly file: string | undefined;
}

/**
 * Reads the configuration from a file and from environment variables.
 * @param options.path The file; `undefined` reads `./config.toml` if it exists, and uses the defaults otherwise.
 * @param options.env The `PINHOLE_*` variables, as `readEnvironment` returns them.
 * @throws {ConfigError} If the file cannot be read, or the file or a variable has a problem.
 */
export async function loadConfig(
  options: { readonly path: string | undefined; readonly env: Environment },
): Promise<LoadedConfig> {
  const fileName = options.path ?? DEFAULT_CONFIG_FILE;
  const text = await readText(fileName, { optional: options.path === undefined });
  const parsed = parseConfig({ text: text ?? "", fileName, env: options.env });
  if ("problems" in parsed) throw new ConfigError(parsed.problems);
  return { config: parsed.config, file: text === undefined ? undefined : fileName };
}

async function readText(
  path: string,
  { optional }: { optional: boolean },
): Promise<string | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readStart(path, FILE_BYTES_MAX + 1);
  } catch (error) {
    if (optional && error instanceof Deno.errors.NotFound) return undefined;
    throw unreadable(path, `cannot be read: ${readFailure(error)}`, error);
  }
  if (bytes.length > FILE_BYTES_MAX) {
    throw unreadable(path, `must have at most ${FILE_BYTES_MAX} bytes`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw unreadable(path, "not valid TOML: the text is not UTF-8", error);
  }
}

async function readStart(path: string, bytesMax: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const count = await file.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

function unreadable(path: string, rule: string, cause?: unknown): ConfigError {
  return new ConfigError([{ source: showSource(path), rule }], { cause });
}

function readFailure(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such file; give another with --config, or omit --config to use the defaults";
  }
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder; give a file";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied; let this user read it";
  }
  return errorText(error);
}
