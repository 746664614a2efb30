import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/load.ts";
import type { IdleClip, IdleFormat } from "../media/idle/clip.ts";
import { IdleLibrary } from "../media/idle/idle_library.ts";

/**
 * Opens the idle sources of the configuration. Each is looked at now: a broken file is an error at start, not a black
 * screen later.
 * @throws {ConfigError} With every source that cannot be shown.
 */
export async function openIdleLibrary(
  config: Config,
  { log, source = "configuration" }: { log: Logger; source?: string | undefined },
): Promise<IdleLibrary> {
  const library = new IdleLibrary({ ...config.idle, log });
  const problems = await library.check();
  if (problems.length === 0) return library;
  await library.close();
  throw new ConfigError(problems.map(({ key, path, reason }) => ({
    source,
    key,
    value: JSON.stringify(path),
    rule: reason,
  })));
}

/** The idle sources of a running server, which a reload may exchange. */
export class IdleSources {
  readonly #log: Logger;
  #library: IdleLibrary;
  /** Leased for good, so that a session that falls idle never waits for it to be decoded. */
  #usual: Promise<IdleClip>;
  #former: Promise<void> = Promise.resolve();

  private constructor(library: IdleLibrary, { config, log }: { config: Config; log: Logger }) {
    this.#library = library;
    this.#usual = library.clip(undefined, config.video);
    this.#log = log;
  }

  /** @throws {ConfigError} With every source that cannot be shown. */
  static async open(config: Config, log: Logger): Promise<IdleSources> {
    return new IdleSources(await openIdleLibrary(config, { log }), { config, log });
  }

  /** Leases a clip; see {@link IdleLibrary.clip}. */
  clip(name: string | undefined, format: IdleFormat): Promise<IdleClip> {
    return this.#library.clip(name, format);
  }

  /**
   * Looks at the sources of another configuration.
   * @returns Exchanges them: sessions that are open keep what they show.
   * @throws {ConfigError} With every source that cannot be shown.
   */
  async prepare(config: Config): Promise<() => void> {
    const library = await openIdleLibrary(config, { log: this.#log });
    return () => {
      const former = this.#dismiss();
      this.#former = Promise.all([this.#former, former]).then(() => {});
      this.#library = library;
      this.#usual = library.clip(undefined, config.video);
    };
  }

  /** Stops what is being decoded. Leased clips stay as they are. */
  async close(): Promise<void> {
    await Promise.all([this.#former, this.#dismiss()]);
  }

  async #dismiss(): Promise<void> {
    const [library, usual] = [this.#library, this.#usual];
    await library.close();
    (await usual).release();
  }
}
