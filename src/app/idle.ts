import type { Logger } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/load.ts";
import type { IdleClip, IdleFormat } from "../media/idle/clip.ts";
import { IdleLibrary } from "../media/idle/idle_library.ts";

/**
 * Opens the idle sources of the configuration. Each is read now, so that a broken file is an error at start, not a
 * black screen later.
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

/** The idle sources of a running server, which a reload may replace. */
export class IdleSources {
  readonly #log: Logger;
  #library: IdleLibrary;
  /** Leased permanently, so that no session has to wait for its decoding. */
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
   * Reads the sources of another configuration.
   * @returns A function that replaces the sources; open sessions keep theirs.
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

  /** Stops decoding. Leased clips stay valid. */
  async close(): Promise<void> {
    await Promise.all([this.#former, this.#dismiss()]);
  }

  async #dismiss(): Promise<void> {
    const [library, usual] = [this.#library, this.#usual];
    await library.close();
    (await usual).release();
  }
}
