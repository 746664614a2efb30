import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { type AccessCheck, createAccessCheck } from "../signalling/access.ts";
import { IdleSources } from "./idle.ts";
import { type ConfigChanges, planReload } from "./reload_plan.ts";
import { readSecret, SecretError } from "./secret.ts";

/** Without a secret everything is allowed. */
const EVERYBODY: AccessCheck = () => Promise.resolve({ viewerOnly: false });

/**
 * The settings that a reload may change in a running server. Users of a setting read it each time and keep no copy.
 */
export class LiveSettings implements AsyncDisposable {
  readonly idle: IdleSources;
  #config: Config;
  #access: AccessCheck;

  private constructor(config: Config, parts: { idle: IdleSources; access: AccessCheck }) {
    this.#config = config;
    this.idle = parts.idle;
    this.#access = parts.access;
  }

  /** @throws {AppError} If the secret or an idle source cannot be used. */
  static async open(config: Config, log: Logger): Promise<LiveSettings> {
    const access = await readAccess(config);
    return new LiveSettings(config, { access, idle: await IdleSources.open(config, log) });
  }

  /** The current configuration. */
  get config(): Config {
    return this.#config;
  }

  /** Checks access tokens against the current secret. */
  readonly access: AccessCheck = (request, sessionId) => this.#access(request, sessionId);

  /**
   * Applies the settings that may change at run time. The secret is read again even if its path is the same.
   * @returns The keys that differ.
   * @throws {AppError} If the secret or an idle source cannot be used, or the secret would be removed; nothing changes.
   */
  async change(wanted: Config): Promise<ConfigChanges> {
    const { config, changes } = planReload(this.#config, wanted);
    if (this.#config.auth.secretFile !== undefined && config.auth.secretFile === undefined) {
      // An empty config file, which an editor may leave for a moment, would also remove the secret.
      throw new SecretError(
        "secret_file",
        "auth.secret_file was removed, which would allow everyone; restart the server if you want that",
      );
    }
    const access = await readAccess(config);
    const hasOtherIdle = changes.sessions.some((key) => key.startsWith("idle."));
    const exchangeIdle = hasOtherIdle ? await this.idle.prepare(config) : undefined;
    this.#access = access;
    this.#config = config;
    exchangeIdle?.();
    return changes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.idle.close();
  }
}

async function readAccess({ auth: { secretFile } }: Config): Promise<AccessCheck> {
  return secretFile === undefined ? EVERYBODY : createAccessCheck(await readSecret(secretFile));
}
