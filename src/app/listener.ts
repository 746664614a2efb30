import { formatHostPort } from "../base/host_port.ts";
import { acceptAll } from "../base/accept_loop.ts";
import type { CancelTimer, Clock } from "../base/clock.ts";
import { AppError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Tracer } from "../base/tracer.ts";
import { ConnectionCutter } from "../ports/shut_down.ts";
import { preferNewest } from "../ports/socket_options.ts";
import type { HttpApp } from "../signalling/http_app.ts";
import { BACKLOG_BYTES_MAX, CONNECTIONS_MAX } from "../signalling/limits.ts";
import { Backlog } from "./backlog.ts";
import { ClientStream, type ClientStreamOptions } from "./client_stream.ts";
import { HttpConnections } from "./http_connections.ts";
import {
  readTlsFiles,
  type TlsCertificate,
  type TlsFiles,
  validityProblemOf,
} from "./tls_files.ts";

/** Listening on an address failed. */
export class ListenError extends AppError<"listen_failed"> {}

/** Options of {@link Listener}. */
export interface ListenerOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Configuration key of the address, for messages. */
  readonly key: string;
  /** Absent for plain HTTP. */
  readonly tls?: TlsFiles;
  readonly app: HttpApp;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** Connections at one time. Default {@link CONNECTIONS_MAX}. */
  readonly connectionsMax?: number;
  /** Limit of incomplete messages of all clients, in bytes. Default {@link BACKLOG_BYTES_MAX}. */
  readonly backlogBytesMax?: number;
}

/** Interval of checking connections, in milliseconds. */
const SWEEP_MS = 1000;

/** Interval of warnings about an expired or expiring certificate, in milliseconds. */
const SAY_AGAIN_MS = 86_400_000;

/** Interval of reading the certificate's files again, in milliseconds. */
const TLS_CHECK_MS = 60_000;

/**
 * How long the listener with the old certificate still accepts connections that are being established, in milliseconds:
 * 1 + 2 s for two lost TCP segments, plus the round trip.
 */
const FORMER_MS = 4_000;

/**
 * Listens on one address for HTTP. It accepts connections itself, with TLS if configured, so that it can change its
 * certificate and survive a lack of descriptors. Each connection becomes a stream with deadlines, from which an
 * {@link HttpConnections} reads HTTP.
 */
export class Listener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #http: HttpConnections;
  readonly #closing = new AbortController();
  readonly #streams = new Set<ClientStream>();
  readonly #backlog: Backlog;
  readonly #running = new Set<Promise<void>>();
  /** Only for TLS: without TLS, closing a connection also ends pending operations on it. */
  readonly #cutter: ConnectionCutter | undefined;
  #listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>;
  #certificate: TlsCertificate | undefined;
  /** Settles when the listener is closed. */
  #accepting: Promise<void>;
  /** The listener with the old certificate. */
  #retiring: { readonly close: () => void; readonly closed: Promise<void> } | undefined;
  /** The last warning about the certificate's validity, with its wall-clock time. */
  #validitySaid: { readonly kind: string; readonly atMs: number } | undefined;
  /** Why the files were last refused, so that each reason is logged once. */
  #refusedFor: string | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #cancelSweep: CancelTimer;
  #cancelCheck: CancelTimer = () => {};

  private constructor(options: ListenerOptions, certificate: TlsCertificate | undefined) {
    this.#options = options;
    this.#certificate = certificate;
    this.#backlog = new Backlog(options.backlogBytesMax ?? BACKLOG_BYTES_MAX);
    this.#listener = this.#listen(options.port, certificate);
    this.#cutter = certificate === undefined ? undefined : new ConnectionCutter();
    this.#http = new HttpConnections(options);
    this.#accepting = this.#accept(this.#listener);
    this.#cancelSweep = options.clock.after(SWEEP_MS, () => this.#sweep());
    if (certificate !== undefined) {
      this.#sayValidity(certificate);
      this.#checkLater();
    }
  }

  /**
   * Starts to listen.
   * @throws {ListenError} If the address is in use or does not belong to this host.
   * @throws {TlsFilesError} If the certificate's files cannot be used.
   */
  static async open(options: ListenerOptions): Promise<Listener> {
    const { hostname, port, key, tls } = options;
    const certificate = tls === undefined ? undefined : await readTlsFiles(tls);
    try {
      // TLS listeners set SO_REUSEPORT, and would share the port with another server of the same user, so test it
      // first.
      if (certificate !== undefined) Deno.listen({ hostname, port }).close();
      return new Listener(options, certificate);
    } catch (error) {
      const reason = error instanceof Deno.errors.AddrInUse
        ? "another program uses it (see `ss -tlpn`)"
        : errorText(error);
      throw new ListenError(
        "listen_failed",
        `Cannot listen on ${formatHostPort(hostname, port)} (${key}): ${reason}`,
        { cause: error },
      );
    }
  }

  /** The bound address. */
  get address(): Deno.NetAddr {
    return this.#listener.addr as Deno.NetAddr;
  }

  /**
   * Reads the certificate's files again. If they changed, new connections get the new certificate and open ones
   * continue; if they cannot be used, nothing changes and the reason is logged. Also done once a minute. Never rejects.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  /** Ends every connection and frees the address. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelSweep();
    this.#retiring?.close();
    await this.#reloading;
    this.#cancelCheck();
    this.#retiring?.close();
    this.#close(this.#listener);
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(this.#running);
    this.#cutter?.[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #listen(
    port: number,
    certificate: TlsCertificate | undefined,
  ): Deno.Listener<Deno.TcpConn | Deno.TlsConn> {
    const { hostname } = this.#options;
    if (certificate === undefined) return Deno.listen({ hostname, port });
    const { cert, key } = certificate;
    return Deno.listenTls({ hostname, port, cert, key, reusePort: true });
  }

  #close(listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>): void {
    try {
      listener.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #reload(): Promise<void> {
    const { tls, log } = this.#options;
    if (tls === undefined || this.#closing.signal.aborted) return;
    const former = {
      certificate: this.#certificate,
      listener: this.#listener,
      accepting: this.#accepting,
    };
    try {
      const certificate = await readTlsFiles(tls);
      this.#refusedFor = undefined;
      this.#sayValidity(certificate);
      if (
        certificate.cert === former.certificate?.cert && certificate.key === former.certificate.key
      ) return;
      await this.#retiring?.closed;
      if (this.#closing.signal.aborted) return;
      this.#listener = this.#listen(this.address.port, certificate);
      this.#certificate = certificate;
      this.#accepting = this.#accept(this.#listener);
      this.#retire(former);
      log.info("tls_reloaded", { not_after: certificate.notAfter });
    } catch (error) {
      const reason = errorText(error);
      if (reason !== this.#refusedFor) log.error("tls_not_reloaded", { error: reason });
      this.#refusedFor = reason;
    }
  }

  /** Closes the old listener only after its pending connections are accepted, since closing would reset them. */
  #retire({ listener, accepting }: {
    listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>;
    accepting: Promise<void>;
  }): void {
    const close = () => {
      cancel();
      this.#close(listener);
    };
    const cancel = this.#options.clock.after(FORMER_MS, close);
    // Deno closes the socket when nothing accepts from it any more. Before that, the host would count three.
    this.#retiring = { close, closed: accepting };
    // If the host does not support this, some new connections would still get the old certificate.
    if (preferNewest(this.address.port) !== undefined) close();
  }

  /** Warns about an invalid or expiring certificate: at once, then once a day. */
  #sayValidity(certificate: TlsCertificate): void {
    const { clock, log, tls } = this.#options;
    const nowMs = clock.wallMs();
    const problem = validityProblemOf(certificate, nowMs);
    const { kind, atMs = -Infinity } = this.#validitySaid ?? {};
    if (problem === undefined) this.#validitySaid = undefined;
    if (problem === undefined || (problem.kind === kind && nowMs - atMs < SAY_AGAIN_MS)) return;
    this.#validitySaid = { kind: problem.kind, atMs: nowMs };
    const fields = { file: tls?.cert, problem: problem.text };
    if (problem.kind === "ends_soon") log.warn("tls_certificate_ends_soon", fields);
    else log.error("tls_certificate_invalid", fields);
  }

  #checkLater(): void {
    this.#cancelCheck = this.#options.clock.after(TLS_CHECK_MS, async () => {
      await this.reload();
      if (!this.#closing.signal.aborted) this.#checkLater();
    });
  }

  /** @returns Settles when the listener is closed, as far as the host is concerned. */
  #accept(listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>): Promise<void> {
    const { clock, log } = this.#options;
    const accepting = acceptAll(listener, {
      clock,
      signal: this.#closing.signal,
      take: (connection) => this.#take(connection),
      paused: (error) => log.warn("accept_failed", { error: errorText(error) }),
    });
    this.#track(accepting);
    return accepting;
  }

  #track(running: Promise<void>): void {
    const settled = running.catch((error) => {
      this.#options.log.error("connection_failed", { error: errorText(error) });
    }).finally(() => this.#running.delete(settled));
    this.#running.add(settled);
  }

  /** Waits until the connection that makes room is closed; until then both use a descriptor. Never rejects. */
  async #take(connection: Deno.TcpConn | Deno.TlsConn): Promise<void> {
    if (await this.#makeRoom()) {
      this.#track(this.#carry(connection));
    } else {
      this.#options.log.warn("connections_full");
      connection.close();
    }
  }

  /** Never rejects. */
  async #carry(connection: Deno.TcpConn | Deno.TlsConn): Promise<void> {
    const { clock, log } = this.#options;
    // Messages are small, and should be sent at once.
    if ("setNoDelay" in connection) connection.setNoDelay();
    const closing = cutWhatIsStuck(connection, this.#cutter);
    const stream = new ClientStream(connection, { clock, backlog: this.#backlog, closing });
    this.#streams.add(stream);
    const gone = new Promise<void>((resolve) => stream.once("close", resolve));
    if (this.#closing.signal.aborted) stream.destroy();
    // A connection uses memory for HTTP only after its first bytes.
    if (await stream.begun === "bytes") this.#http.take(stream);
    else stream.destroy();
    await gone;
    await stream.finished();
    if (stream.refusal !== undefined) log.warn("connection_refused", { reason: stream.refusal });
    this.#streams.delete(stream);
  }

  /** Closes the connection that has waited longest for its client. @returns False if none is waiting. */
  async #makeRoom(): Promise<boolean> {
    if (this.#streams.size < (this.#options.connectionsMax ?? CONNECTIONS_MAX)) return true;
    let longest: ClientStream | undefined;
    for (const stream of this.#streams) {
      const { waitsSinceMs: sinceMs = Infinity } = stream;
      if (sinceMs < (longest?.waitsSinceMs ?? Infinity)) longest = stream;
    }
    if (longest === undefined) return false;
    this.#streams.delete(longest);
    longest.destroy();
    await longest.finished();
    return true;
  }

  #sweep(): void {
    this.#cancelSweep = this.#options.clock.after(SWEEP_MS, () => this.#sweep());
    for (const stream of this.#streams) if (stream.isOverdue) stream.destroy();
  }
}

/** Closes a TLS connection, even during its handshake or with a pending write. */
function cutWhatIsStuck(
  connection: Deno.TcpConn | Deno.TlsConn,
  cutter: ConnectionCutter | undefined,
): NonNullable<ClientStreamOptions["closing"]> {
  if (cutter === undefined || !("handshake" in connection)) return () => {};
  let isShaking = true;
  const over = () => {
    isShaking = false;
  };
  // An error ends it too; the reader gets it.
  connection.handshake().then(over, over);
  return ({ isWriting }) => {
    if (isWriting || isShaking) cutter.cut(connection);
  };
}
