import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/load.ts";
import { IdleLibrary } from "../media/idle/library.ts";

/**
 * Opens the idle sources of the configuration. Each is looked at now: a broken file is an error at start, not a black
 * screen later.
 * @throws {ConfigError} With every source that cannot be shown.
 */
export async function openIdleLibrary(config: Config, log: Logger): Promise<IdleLibrary> {
  const library = new IdleLibrary({ ...config.idle, log });
  const problems = await library.check();
  if (problems.length === 0) return library;
  await library.close();
  throw new ConfigError(problems.map(({ key, path, reason }) => ({
    source: "configuration",
    key,
    value: path,
    rule: reason,
  })));
}
