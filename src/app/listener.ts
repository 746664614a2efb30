import { formatHostPort } from "../base/host_port.ts";
import { acceptAll } from "../base/accept.ts";
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

/** An address cannot be listened on. */
export class ListenError extends AppError<"listen_failed"> {}

/** What a {@link Listener} is made of. */
export interface ListenerOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The key of the configuration that holds the address, for messages. */
  readonly key: string;
  /** Left out for plain HTTP. */
  readonly tls?: TlsFiles;
  readonly app: HttpApp;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** Connections at one time. Default {@link CONNECTIONS_MAX}. */
  readonly connectionsMax?: number;
  /** Bytes that all clients together may send without a message being whole. Default {@link BACKLOG_BYTES_MAX}. */
  readonly backlogBytesMax?: number;
}

/** How often connections are looked at, in milliseconds. */
const SWEEP_MS = 1000;

/** How often it is said that the certificate has ended, or will soon, in milliseconds. */
const SAY_AGAIN_MS = 86_400_000;

/** How often the certificate's files are read again, in milliseconds. */
const TLS_CHECK_MS = 60_000;

/**
 * How long the listener of the former certificate accepts the connections that were on their way to it, in
 * milliseconds: 1 + 2 s for two messages of TCP that are lost, and their way.
 */
const FORMER_MS = 4_000;

/**
 * One address where HTTP is served. It accepts the connections, with TLS where that is configured, so that it can
 * change its certificate and lives through a lack of descriptors; the streams that it makes of them have deadlines, and
 * an {@link HttpConnections} reads HTTP from them.
 */
export class Listener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #http: HttpConnections;
  readonly #closing = new AbortController();
  readonly #streams = new Set<ClientStream>();
  readonly #backlog: Backlog;
  readonly #running = new Set<Promise<void>>();
  /** Only for TLS: to close a connection without it ends what waits for its client. */
  readonly #cutter: ConnectionCutter | undefined;
  #listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>;
  #certificate: TlsCertificate | undefined;
  /** The listener of the former certificate, while it is there. */
  #retiring: { readonly close: () => void; readonly closed: Promise<void> } | undefined;
  /** What was said of the certificate's validity last, and when by the wall clock. */
  #validitySaid: { readonly kind: string; readonly atMs: number } | undefined;
  /** Why the files were refused last, so that it is said once. */
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
    this.#accept(this.#listener);
    this.#cancelSweep = options.clock.after(SWEEP_MS, () => this.#sweep());
    if (certificate !== undefined) {
      this.#sayValidity(certificate);
      this.#checkLater();
    }
  }

  /**
   * Starts to listen.
   * @throws {ListenError} When the address is taken or is none of this host.
   * @throws {TlsFilesError} When the certificate's files cannot be used.
   */
  static async open(options: ListenerOptions): Promise<Listener> {
    const { hostname, port, key, tls } = options;
    const certificate = tls === undefined ? undefined : await readTlsFiles(tls);
    try {
      // Listeners that take turns share their port (SO_REUSEPORT), also with another server of the same user.
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

  /** Where clients connect. */
  get address(): Deno.NetAddr {
    return this.#listener.addr as Deno.NetAddr;
  }

  /**
   * Reads the certificate's files again. If they changed, new connections get the new certificate and the open ones
   * go on; files that cannot be used change nothing, and the log says why. Also done once a minute. Never rejects.
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
    const former = { certificate: this.#certificate, listener: this.#listener };
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
      this.#accept(this.#listener);
      this.#retire(former.listener);
      log.info("tls_reloaded", { not_after: certificate.notAfter });
    } catch (error) {
      const reason = errorText(error);
      if (reason !== this.#refusedFor) log.error("tls_not_reloaded", { error: reason });
      this.#refusedFor = reason;
    }
  }

  /** To close a listener resets the connections that it has not accepted: it goes when there can be no more of them. */
  #retire(listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>): void {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const close = () => {
      cancel();
      this.#close(listener);
      this.#retiring = undefined;
      resolve();
    };
    const cancel = this.#options.clock.after(FORMER_MS, close);
    this.#retiring = { close, closed };
    // Where the host does not do it, new connections would be shown the former certificate by turns.
    if (preferNewest(this.address.port) !== undefined) close();
  }

  /** Of a certificate that is none to browsers, or soon will be: at once, and once a day while it lasts. */
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

  #accept(listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn>): void {
    const { clock, log } = this.#options;
    this.#track(acceptAll(listener, {
      clock,
      signal: this.#closing.signal,
      take: (connection) => this.#take(connection),
      paused: (error) => log.warn("accept_failed", { error: errorText(error) }),
    }));
  }

  #track(running: Promise<void>): void {
    const settled = running.catch((error) => {
      this.#options.log.error("connection_failed", { error: errorText(error) });
    }).finally(() => this.#running.delete(settled));
    this.#running.add(settled);
  }

  /** Waits for what makes room: until it is gone, both have a descriptor. Never rejects. */
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
    // Small messages go both ways, and each should leave at once.
    if ("setNoDelay" in connection) connection.setNoDelay();
    const closing = cutWhatIsStuck(connection, this.#cutter);
    const stream = new ClientStream(connection, { clock, backlog: this.#backlog, closing });
    this.#streams.add(stream);
    const gone = new Promise<void>((resolve) => stream.once("close", resolve));
    if (this.#closing.signal.aborted) stream.destroy();
    // HTTP costs memory only where something is said.
    if (await stream.begun === "bytes") this.#http.take(stream);
    else stream.destroy();
    await gone;
    await stream.finished();
    if (stream.refusal !== undefined) log.warn("connection_refused", { reason: stream.refusal });
    this.#streams.delete(stream);
  }

  /** Makes room at the cost of the client that has been waited for longest. @returns False when none is waited for. */
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

/** What ends a TLS connection that waits for its client when it is closed: in its handshake, or to write. */
function cutWhatIsStuck(
  connection: Deno.TcpConn | Deno.TlsConn,
  cutter: ConnectionCutter | undefined,
): NonNullable<ClientStreamOptions["closing"]> {
  if (cutter === undefined || !("handshake" in connection)) return () => {};
  let isShaking = true;
  const over = () => {
    isShaking = false;
  };
  // By an error too, which the reader meets.
  connection.handshake().then(over, over);
  return ({ isWriting }) => {
    if (isWriting || isShaking) cutter.cut(connection);
  };
}
