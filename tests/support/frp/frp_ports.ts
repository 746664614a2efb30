/** The address that plays the public server: not that of the host behind the tunnel, and on loopback all the same. */
export const PUBLIC_ADDRESS = "127.0.0.2";

/** Below the ports that other tests take, and those that Linux gives to outgoing sockets. */
const PORTS = { min: 3_000, max: 11_000 } as const;
const TRIES = 200;
/**
 * Those of them that browsers connect to by nothing, neither HTTP nor WebRTC (Fetch standard §2.9, "bad ports"): SIP
 * and IRC, for example.
 */
const BLOCKED_BY_BROWSERS: ReadonlySet<number> = new Set([
  ...[3659, 4045, 4190, 5060, 5061, 6000, 6566],
  ...[6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080],
]);

/**
 * Ports of {@link PUBLIC_ADDRESS} in a row, held for UDP and TCP until the tunnel takes them over: frpc's admin API,
 * frps, signalling, and media.
 */
export class PublicPorts implements Disposable {
  readonly admin: number;
  readonly frps: number;
  readonly signalling: number;
  /** First of the media ports. */
  readonly mediaMin: number;
  readonly #sockets: readonly Disposable[];

  private constructor(first: number, sockets: readonly Disposable[]) {
    this.admin = first;
    this.frps = first + 1;
    this.signalling = first + 2;
    this.mediaMin = first + 3;
    this.#sockets = sockets;
  }

  /** @param media How many media ports. */
  static reserve(media: number): PublicPorts {
    for (let tries = 0; tries < TRIES; tries++) {
      const count = media + 3;
      const first = PORTS.min + Math.floor(Math.random() * (PORTS.max - PORTS.min - count));
      const row = Array.from({ length: count }, (_, at) => first + at);
      if (row.some((port) => BLOCKED_BY_BROWSERS.has(port))) continue;
      const sockets = hold(row);
      if (sockets) return new PublicPorts(first, sockets);
    }
    throw new Error(`Found no ${media + 3} free ports in a row on ${PUBLIC_ADDRESS}`);
  }

  /** Lets the ports go. Idempotent. */
  [Symbol.dispose](): void {
    for (const socket of this.#sockets) {
      try {
        socket[Symbol.dispose]();
      } catch {
        // It is closed already.
      }
    }
  }
}

function hold(ports: readonly number[]): Disposable[] | undefined {
  const held: Disposable[] = [];
  try {
    for (const port of ports) {
      held.push(Deno.listen({ hostname: PUBLIC_ADDRESS, port }));
      const udp = Deno.listenDatagram({ transport: "udp", hostname: PUBLIC_ADDRESS, port });
      held.push({ [Symbol.dispose]: () => udp.close() });
    }
    return held;
  } catch {
    for (const socket of held) socket[Symbol.dispose]();
    return undefined;
  }
}
