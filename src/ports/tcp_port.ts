import { acceptAll } from "../base/accept_loop.ts";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import {
  TCP_CONNECTIONS_MAX,
  TCP_UNPROVEN_CONNECTIONS_MAX,
  TCP_UNSENT_BYTES_MAX,
} from "./limits.ts";
import { addressKey, type MediaAddress, type MediaPortListener } from "./media_address.ts";
import type { PortMeter } from "./metrics.ts";
import { limitUnsent } from "./socket_options.ts";
import { TcpConnection, type TcpEnd } from "./tcp_connection.ts";

/** What a {@link TcpPort} is opened with. */
export interface TcpPortOptions {
  readonly hostname: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly meter: PortMeter;
  readonly log: Logger;
  /** Connections at one time. Default {@link TCP_CONNECTIONS_MAX}. */
  readonly connectionsMax?: number;
  /** Those of them that have proven nothing yet. Default {@link TCP_UNPROVEN_CONNECTIONS_MAX}. */
  readonly unprovenMax?: number;
}

/**
 * The TCP side of a media port (RFC 6544, passive): browsers connect, and each connection is an address of its own.
 * It stays bound until `close`.
 */
export class TcpPort {
  /** The local port that is bound. */
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #clock: Clock;
  readonly #meter: PortMeter;
  readonly #connectionsMax: number;
  readonly #unprovenMax: number;
  /** By {@link addressKey}, oldest first. */
  readonly #connections = new Map<string, TcpConnection>();
  /** Of connections, those that are over and not yet gone included. */
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #accepting: Promise<void>;
  #to: Pick<MediaPortListener, "packet" | "disconnected"> = { packet() {}, disconnected() {} };

  /**
   * Binds the port.
   * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable | Deno.errors.PermissionDenied}
   */
  constructor({ hostname, port, clock, meter, log, ...limits }: TcpPortOptions) {
    this.#listener = Deno.listen({ hostname, port });
    this.port = this.#listener.addr.port;
    this.#clock = clock;
    this.#meter = meter;
    this.#connectionsMax = limits.connectionsMax ?? TCP_CONNECTIONS_MAX;
    this.#unprovenMax = limits.unprovenMax ?? TCP_UNPROVEN_CONNECTIONS_MAX;
    const reason = limitUnsent(this.port, TCP_UNSENT_BYTES_MAX);
    if (reason !== undefined) log.warn("tcp_unsent_unlimited", { port: this.port, reason });
    this.#accepting = acceptAll(this.#listener, {
      clock,
      signal: this.#closing.signal,
      take: (connection) => this.#add(connection),
      paused: (error) => {
        log.warn("accept_failed", { port: this.port, error: errorText(error) });
      },
    });
  }

  /** Receives packets from now on; replaces a former listener. */
  listen(listener: MediaPortListener): void {
    this.#to = listener;
  }

  /**
   * Sends one packet, which is only read until the call returns.
   * @returns False when that connection is over.
   */
  send(packet: Uint8Array, to: MediaAddress): boolean {
    const connection = this.#connections.get(addressKey(to));
    connection?.send(packet);
    return connection !== undefined;
  }

  /** An authentic packet came over this connection. */
  prove(address: MediaAddress): void {
    const connection = this.#connections.get(addressKey(address));
    if (connection === undefined) return;
    const isNews = !connection.isProven;
    connection.prove();
    if (isNews) this.#showCounts();
  }

  /** Ends a connection when what was sent on it has left. */
  release(address: MediaAddress): void {
    this.#connections.get(addressKey(address))?.release();
  }

  /** Ends every connection and stops listening. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort();
      this.#listener.close();
      for (const connection of [...this.#connections.values()]) connection.end("closed");
    }
    await this.#accepting;
    await Promise.all(this.#running);
  }

  /** Resolves when what made room for it is gone: until then, both have a descriptor. */
  async #add(conn: Deno.TcpConn): Promise<void> {
    const connection: TcpConnection = new TcpConnection(conn, {
      clock: this.#clock,
      packet: (packet) => this.#to.packet(packet, connection.address),
      dropped: (count) =>
        this.#meter.count("packets_dropped_total", { reason: "tcp_backlog" }, count),
      ended: (reason) => this.#remove(connection, reason),
    });
    const key = addressKey(connection.address);
    // One address of a host may connect to two of ours, where the port listens on all of them.
    this.#connections.get(key)?.end("crowded");
    this.#connections.set(key, connection);
    // What fails while a packet is taken costs the connection that it came by, and no other.
    const running = connection.finished().catch(() => connection.end("closed"))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    const ended = this.#keepLimits(connection);
    this.#showCounts();
    await ended?.finished();
  }

  /** @returns The connection that had to go. */
  #keepLimits(newest: TcpConnection): TcpConnection | undefined {
    const unproven = this.#unproven();
    const leaving = this.#connections.size > this.#connectionsMax
      ? newest
      : unproven.length > this.#unprovenMax
      ? unproven[0]
      : undefined;
    leaving?.end("crowded");
    return leaving;
  }

  #unproven(): TcpConnection[] {
    return [...this.#connections.values()].filter(({ isProven }) => !isProven);
  }

  #remove(connection: TcpConnection, reason: TcpEnd): void {
    const key = addressKey(connection.address);
    if (this.#connections.get(key) !== connection) return;
    this.#connections.delete(key);
    this.#meter.count("ice_tcp_ended_total", { reason });
    this.#showCounts();
    this.#to.disconnected(connection.address);
  }

  #showCounts(): void {
    const unproven = this.#unproven().length;
    const proven = this.#connections.size - unproven;
    this.#meter.gauge("ice_tcp_connections", proven, { port: this.port, state: "proven" });
    this.#meter.gauge("ice_tcp_connections", unproven, { port: this.port, state: "unproven" });
  }
}
