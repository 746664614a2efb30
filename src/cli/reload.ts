import type { RunningServer } from "../app/compose.ts";
import { errorText } from "../base/errors.ts";
import type { LogLevel } from "../base/log.ts";
import { ConfigError, type LoadedConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { LogSink } from "../observability/log_sink.ts";
import { loadUsableConfig } from "./check.ts";

/** The options of the command line that affect the configuration. */
export interface ConfigChoice {
  /** The file; `undefined` for `./config.toml`, if there is one. */
  readonly config: string | undefined;
  /** Overrides `log.level`. */
  readonly logLevel: LogLevel | undefined;
}

/**
 * Loads the configuration of a server, at start and at each reload.
 * @throws {ConfigError} With every problem.
 */
export async function loadServerConfig(choice: ConfigChoice): Promise<LoadedConfig> {
  const { config: { log, ...others }, file } = await loadUsableConfig(choice.config);
  return { config: { ...others, log: { ...log, level: choice.logLevel ?? log.level } }, file };
}

/**
 * Reads the configuration again, applies it to the running server as far as possible, and logs the result. If there is
 * any problem, nothing changes. Never rejects.
 */
export async function reloadServer(
  server: RunningServer,
  { choice, sink }: { choice: ConfigChoice; sink: LogSink },
): Promise<void> {
  const { logger: log } = sink;
  try {
    const { config } = await loadServerConfig(choice);
    const { live, sessions, restart } = await server.reload(config);
    sink.level = server.config().log.level;
    log.info("config_reloaded", { changed: live.join(" "), new_sessions: sessions.join(" ") });
    if (restart.length > 0) log.warn("restart_needed", { keys: restart.join(" ") });
  } catch (error) {
    const problems = error instanceof ConfigError
      ? error.problems.map(formatProblem)
      : [errorText(error)];
    for (const problem of problems) log.error("reload_refused", { problem });
  }
}
