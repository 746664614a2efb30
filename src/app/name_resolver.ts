import { lookup } from "node:dns/promises";
import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { ViewerError } from "../session/session_api.ts";

/**
 * Names of clients that are looked up at one time. Each holds one of the 32 threads that Deno has for work that blocks,
 * renderer calls included, and whoever writes the Host header chooses how long. Names of the configuration do not count.
 */
const LOOKUPS_MAX = 4;

/** Names of clients that are remembered, the newest ones. */
const REMEMBERED_MAX = 64;

/** How long an address is taken as it is, in milliseconds: behind dynamic DNS it changes. */
const FRESH_MS = 30_000;

/** How long an address is taken where no newer one is to be had, in milliseconds. */
const STALE_MS = 3_600_000;

/** How long a viewer waits for a name, in milliseconds. The host's resolver may take half a minute, and goes on. */
const WAIT_MS = 5_000;

/** What a viewer whose name cannot be looked up now is told to wait, in milliseconds. */
const RETRY_AFTER_MS = 2_000;

/** Looks up the addresses of a DNS name: IPv4 and IPv6 literals. */
export type Resolve = (name: string) => Promise<readonly string[]>;

interface Known {
  readonly addresses: readonly string[];
  readonly atMs: number;
}

/** Looks names up so that slow ones hold up nobody who comes by another. */
export class NameResolver {
  readonly #lookUp: Resolve;
  readonly #clock: Clock;
  readonly #running = new Map<string, Promise<readonly string[]>>();
  /** Oldest first. */
  readonly #known = new Map<string, Known>();
  /** Of {@link #running}, those that clients asked for. */
  readonly #ofClients = new Set<string>();

  constructor({ lookUp, clock }: { readonly lookUp: Resolve; readonly clock: Clock }) {
    this.#lookUp = lookUp;
    this.#clock = clock;
  }

  /**
   * Finds the addresses of a name.
   * @param options.isConfigured The name is one of the configuration: it always has its turn.
   * @throws {ViewerError} `too_many_offers`, when the name takes long or too many others do: another try may be worth it.
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

  /** @returns `undefined` when there is no room for another. */
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
    // Who asked may have gone by then.
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

/** This host's own resolver, so that names of /etc/hosts count too. */
export const HOST_RESOLVER: NameResolver = new NameResolver({
  lookUp: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  clock: SYSTEM_CLOCK,
});
