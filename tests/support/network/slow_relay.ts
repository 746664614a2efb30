import type { SocketAddress } from "../../../src/base/ip.ts";
import { type LinkOptions, SimulatedLink } from "../../sim/link.ts";
import { UdpRelay } from "./udp_relay.ts";

/** What the path to the visitors is like; it begins with no limit. */
export interface SlowRelayOptions extends Omit<LinkOptions, "capacityKbps" | "seed" | "delayMs"> {
  /** Default: 1. */
  readonly seed?: number;
  /** One way, when it is empty, in milliseconds. Default: 10. */
  readonly delayMs?: number;
  /** Where visitors send to. Default: a free port of 127.0.0.1. */
  readonly at?: SocketAddress;
}

/** More than loopback carries in one direction. */
const UNLIMITED_KBPS = 10_000_000;

interface Packet {
  readonly bytes: Uint8Array;
  readonly arrivesAtMs: number;
  readonly deliver: (reply: Uint8Array) => Promise<void>;
}

/** A {@link UdpRelay} whose visitors share one narrow path: a {@link SimulatedLink} on real sockets, in real time. */
export class SlowRelay implements AsyncDisposable {
  readonly #relay: UdpRelay;
  readonly #link: SimulatedLink;
  #capacityKbps = UNLIMITED_KBPS;
  /** In the order of their arrival. */
  readonly #onTheWay: Packet[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytesDelivered = 0;

  /** Opens a relay; it drops everything until {@link passTo} names its target. */
  constructor({ at, seed = 1, delayMs = 10, ...link }: SlowRelayOptions = {}) {
    this.#link = new SimulatedLink({
      ...link,
      seed,
      delayMs,
      capacityKbps: () => this.#capacityKbps,
    });
    this.#relay = new UdpRelay(at, {
      convey: (reply, deliver) => this.#send(reply, deliver),
    });
  }

  /** The port that visitors send to. */
  get port(): number {
    return this.#relay.port;
  }

  /** Bytes of datagrams that came to visitors so far. */
  get bytesDelivered(): number {
    return this.#bytesDelivered;
  }

  /** Where packets go: a port of 127.0.0.1. */
  passTo(port: number): void {
    this.#relay.passTo(port);
  }

  /** From now on the path carries so much, in kbit/s of datagrams. What waits already keeps its turn. */
  limit(capacityKbps: number): void {
    this.#capacityKbps = capacityKbps;
  }

  /** Ends {@link limit}. */
  widen(): void {
    this.#capacityKbps = UNLIMITED_KBPS;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What it took already may still be queued while it closes.
    await this.#relay[Symbol.asyncDispose]();
    clearTimeout(this.#timer);
    this.#onTheWay.length = 0;
  }

  #send(reply: Uint8Array, deliver: Packet["deliver"]): Promise<void> {
    const arrivesAtMs = this.#link.send(reply.length, performance.now());
    if (arrivesAtMs === undefined) return Promise.resolve();
    // The relay reads the next datagram into the same buffer.
    this.#onTheWay.push({ bytes: reply.slice(), arrivesAtMs, deliver });
    if (this.#onTheWay.length === 1) return this.#deliver();
    return Promise.resolve();
  }

  async #deliver(): Promise<void> {
    while (true) {
      const [next] = this.#onTheWay;
      if (next === undefined) return;
      const waitMs = next.arrivesAtMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), waitMs);
        return;
      }
      this.#bytesDelivered += next.bytes.length;
      await next.deliver(next.bytes);
      this.#onTheWay.shift();
    }
  }
}
