import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { type AccessCheck, createAccessCheck } from "../signalling/access.ts";
import { IdleSources } from "./idle.ts";
import { type ConfigChanges, planReload } from "./reload_plan.ts";
import { readSecret, SecretError } from "./secret.ts";

/** Without a secret everybody may do everything. */
const EVERYBODY: AccessCheck = () => Promise.resolve({ viewerOnly: false });

/**
 * What a reload may change in a running server. Nothing is handed out for good: whoever uses a setting asks for it each
 * time.
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

  /** @throws {AppError} When the secret or an idle source cannot be used. */
  static async open(config: Config, log: Logger): Promise<LiveSettings> {
    const access = await readAccess(config);
    return new LiveSettings(config, { access, idle: await IdleSources.open(config, log) });
  }

  /** The configuration that holds now. */
  get config(): Config {
    return this.#config;
  }

  /** Checks access tokens against the secret that holds now. */
  readonly access: AccessCheck = (request, sessionId) => this.#access(request, sessionId);

  /**
   * Takes over what may change while the server runs. The file of the secret is read anew even if its name is the same.
   * @returns The keys that differed.
   * @throws {AppError} When the secret or an idle source cannot be used, or the secret would go; nothing has changed then.
   */
  async change(wanted: Config): Promise<ConfigChanges> {
    const { config, changes } = planReload(this.#config, wanted);
    if (this.#config.auth.secretFile !== undefined && config.auth.secretFile === undefined) {
      // An empty file, which an editor may leave for a moment, says the same.
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
