import { openIdleLibrary } from "../app/idle.ts";
import { NULL_LOGGER } from "../base/log.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { readEnvironment } from "../config/variables.ts";
import { printOut } from "./print.ts";

/**
 * Loads the configuration that a command works with.
 * @throws {ConfigError} With every problem.
 */
export function loadUsableConfig(path: string | undefined): Promise<LoadedConfig> {
  return loadConfig({ path, env: readEnvironment() });
}

/** `pinhole check`: says that the configuration is valid, or throws what is wrong with it. */
export async function check({ config }: { config: string | undefined }): Promise<void> {
  const { config: checked, file } = await loadUsableConfig(config);
  await (await openIdleLibrary(checked, NULL_LOGGER)).close();
  printOut(file === undefined ? "No config.toml here: the defaults are valid" : `${file} is valid`);
}
