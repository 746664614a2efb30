/** One place on one port, held by one viewer until it is released. */
export interface Lease {
  /** The local UDP port. */
  readonly port: number;
  /** Gives the place back. Idempotent. */
  release(): void;
}

/** How full one port is. */
export interface PortUse {
  readonly port: number;
  readonly used: number;
  readonly places: number;
}

/**
 * Places for viewers on a set of ports. Pure bookkeeping: no sockets, no timers.
 *
 * A lease goes to the emptiest port, and among equals to the one whose last lease ended longest ago: packets that
 * are still on their way to a former viewer's port should find nobody new there.
 */
export class PortLeases {
  readonly #placesPerPort: number;
  readonly #used = new Map<number, number>();
  /** Ports by when they were last given back, longest ago first. */
  #restedOrder: number[];

  /**
   * @param ports The ports that are bound, without duplicates.
   * @throws {RangeError} When `placesPerPort` is below 1.
   */
  constructor(ports: readonly number[], { placesPerPort }: { placesPerPort: number }) {
    if (!Number.isInteger(placesPerPort) || placesPerPort < 1) {
      throw new RangeError(
        `Places per port must be a whole number of at least 1, not ${placesPerPort}`,
      );
    }
    this.#placesPerPort = placesPerPort;
    this.#restedOrder = [...ports];
    for (const port of ports) this.#used.set(port, 0);
  }

  /** Places on all ports together. */
  get places(): number {
    return this.#used.size * this.#placesPerPort;
  }

  /** How full each port is, in the order of the port numbers. */
  get use(): PortUse[] {
    return [...this.#used]
      .sort(([a], [b]) => a - b)
      .map(([port, used]) => ({ port, used, places: this.#placesPerPort }));
  }

  /** Takes a place, or returns `undefined` when every place is taken. */
  lease(): Lease | undefined {
    const port = this.#emptiestPort();
    if (port === undefined) return undefined;
    this.#used.set(port, this.#usedOn(port) + 1);
    let held = true;
    return {
      port,
      release: () => {
        if (!held) return;
        held = false;
        this.#used.set(port, this.#usedOn(port) - 1);
        this.#restedOrder = [...this.#restedOrder.filter((other) => other !== port), port];
      },
    };
  }

  #emptiestPort(): number | undefined {
    let best: number | undefined;
    for (const port of this.#restedOrder) {
      if (this.#usedOn(port) >= this.#placesPerPort) continue;
      if (best === undefined || this.#usedOn(port) < this.#usedOn(best)) best = port;
    }
    return best;
  }

  #usedOn(port: number): number {
    return this.#used.get(port) ?? 0;
  }
}
