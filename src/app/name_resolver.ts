import { lookup } from "node:dns/promises";
import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { ViewerError } from "../session/session_api.ts";

/**
 * Limit of concurrent look-ups for names from clients. Each uses one of Deno's 32 threads for blocking work, which
 * renderer calls need too, and the client chooses the name, and so the duration. Configured names do not count.
 */
const LOOKUPS_MAX = 4;

/** Limit of cached names from clients; the newest are kept. */
const REMEMBERED_MAX = 64;

/** How long a cached address is used, in milliseconds: with dynamic DNS it changes. */
const FRESH_MS = 30_000;

/** How long an old address is used while the look-up fails, in milliseconds. */
const STALE_MS = 3_600_000;

/**
 * How long a viewer waits for a look-up, in milliseconds. The host's resolver may take half a minute, and continues.
 */
const WAIT_MS = 5_000;

/** `retry_after_ms` for a viewer whose name cannot be looked up now. */
const RETRY_AFTER_MS = 2_000;

/** Looks up the addresses of a DNS name: IPv4 and IPv6 literals. */
export type Resolve = (name: string) => Promise<readonly string[]>;

interface Known {
  readonly addresses: readonly string[];
  readonly atMs: number;
}

/** Looks up names so that slow look-ups do not delay viewers with other names. */
export class NameResolver {
  readonly #lookUp: Resolve;
  readonly #clock: Clock;
  readonly #running = new Map<string, Promise<readonly string[]>>();
  /** Oldest first. */
  readonly #known = new Map<string, Known>();
  /** Look-ups among {@link #running} for names from clients. */
  readonly #ofClients = new Set<string>();

  constructor({ lookUp, clock }: { readonly lookUp: Resolve; readonly clock: Clock }) {
    this.#lookUp = lookUp;
    this.#clock = clock;
  }

  /**
   * Finds the addresses of a name.
   * @param options.isConfigured The name is from the configuration, so no limit applies.
   * @throws {ViewerError} `too_many_offers`, if the look-up is slow, or too many others are: the client may retry.
   * @throws What the look-up throws.
   */
  async resolve(
    given: string,
    { isConfigured }: { readonly isConfigured: boolean },
  ): Promise<readonly string[]> {
    const name = given.toLowerCase();
    const known = this.#known.get(name);
    const ageMs = known === undefined ? Infinity : this.#clock.now() - known.atMs;
    if (known !== undefined && ageMs < FRESH_MS) return known.addresses;
    const running = this.#running.get(name) ?? this.#start(name, isConfigured);
    const stale = known !== undefined && ageMs < STALE_MS ? known.addresses : undefined;
    const found = running && await this.#inTime(running).catch((error) => {
      if (stale === undefined) throw error;
      return stale;
    });
    if (found !== undefined) return found;
    if (stale !== undefined) return stale;
    throw new ViewerError(
      "too_many_offers",
      running === undefined
        ? `Cannot look up "${given}" now: too many DNS look-ups are under way; try again later`
        : `The DNS look-up of "${given}" is slow; try again later`,
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }

  /** @returns `undefined` if the limit is reached. */
  #start(name: string, isConfigured: boolean): Promise<readonly string[]> | undefined {
    if (!isConfigured && this.#ofClients.size >= LOOKUPS_MAX) return undefined;
    if (!isConfigured) this.#ofClients.add(name);
    const running = this.#lookUp(name).then((addresses) => {
      this.#remember(name, addresses);
      return addresses;
    }).finally(() => {
      this.#running.delete(name);
      this.#ofClients.delete(name);
    });
    // The caller may no longer await it.
    running.catch(() => {});
    this.#running.set(name, running);
    return running;
  }

  #remember(name: string, addresses: readonly string[]): void {
    this.#known.delete(name);
    this.#known.set(name, { addresses, atMs: this.#clock.now() });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED_MAX) break;
      this.#known.delete(oldest);
    }
  }

  async #inTime(running: Promise<readonly string[]>): Promise<readonly string[] | undefined> {
    const late = Promise.withResolvers<undefined>();
    const cancel = this.#clock.after(WAIT_MS, () => late.resolve(undefined));
    try {
      return await Promise.race([running, late.promise]);
    } finally {
      cancel();
    }
  }
}

/** This host's resolver, which includes /etc/hosts. */
export const HOST_RESOLVER: NameResolver = new NameResolver({
  lookUp: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  clock: SYSTEM_CLOCK,
});
