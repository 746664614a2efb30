import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { CLIENT_STUCK_MS, CLIENT_WINDOW_BYTES, REQUEST_WAIT_MS } from "../signalling/limits.ts";
import type { Backlog, BacklogHolder } from "./backlog.ts";

/** Size of the read buffer of each connection, in bytes. */
const CHUNK_BYTES = 8 * 1024;

/**
 * Limit of unsent bytes above which reading from the client pauses: its pings and requests would cause more answers.
 */
const UNSENT_BYTES_MAX = 64 * 1024;

/**
 * Why a client was refused. `http2`: it uses HTTP/2, for which there are no limits here. `backlog`: it had the largest
 * incomplete message when all together exceeded the limit.
 */
export type ClientRefusal = "http2" | "backlog";

/** Options of {@link ClientStream}. */
export interface ClientStreamOptions {
  readonly clock: Clock;
  /** Shared by all connections. */
  readonly backlog: Backlog;
  /**
   * Called before the connection is closed, by this side or both. `isWriting`: written bytes have not been sent, which
   * over TLS keeps the descriptor open until the client reads or disconnects.
   */
  readonly closing?: (state: { readonly isWriting: boolean }) => void;
}

/**
 * The connection of one HTTP client as a Node stream, which `node:http` reads and writes. It does not parse HTTP: its
 * reader reports when a request starts and ends, and the stream reports when a client leaves its connection idle.
 */
export class ClientStream extends Duplex implements BacklogHolder {
  readonly #connection: Deno.Conn;
  readonly #clock: Clock;
  /** Bytes of the client since its last complete request or message. */
  readonly #backlog: Backlog;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  readonly #begun = Promise.withResolvers<"bytes" | "nothing">();
  #reading: Promise<void> | undefined;
  #requests = 0;
  /** Since when no request is being answered; `undefined` during one, and always on a WebSocket. */
  #quietSinceMs: number | undefined;
  /** Since when a request's body is awaited; of several, the oldest. */
  #bodySinceMs: number | undefined;
  /** Since when the client does not read. */
  #unreadSinceMs: number | undefined;
  /** Since when reading is paused because the client has sent too much. */
  #fullSinceMs: number | undefined;
  #taken = Promise.withResolvers<void>();
  #drained = Promise.withResolvers<void>();
  readonly #closing: NonNullable<ClientStreamOptions["closing"]>;
  /** Pending writes, and the end of the stream. */
  #writes = 0;
  #isLeaving = false;
  /** Nothing more can be written to the client. */
  #isBroken = false;
  #refusal: ClientRefusal | undefined;

  /** Takes ownership of the connection, and closes it at the end. */
  constructor(connection: Deno.Conn, { clock, backlog, closing = () => {} }: ClientStreamOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: 2 * CHUNK_BYTES });
    this.#connection = connection;
    this.#clock = clock;
    this.#backlog = backlog;
    this.#closing = closing;
    this.#quietSinceMs = clock.now();
    // A broken connection is not an error here; the end of the stream reports it too.
    this.on("error", () => {});
    this.#reading = this.#read();
  }

  /** Resolves with the first bytes, or at the end of the stream. */
  get begun(): Promise<"bytes" | "nothing"> {
    return this.#begun.promise;
  }

  /**
   * Since when the connection has been waiting for the client, in milliseconds of the clock: for a request, for the
   * rest of a body or of a message, or for it to read. `undefined` while it is not waiting, as on an open WebSocket.
   */
  get waitsSinceMs(): number | undefined {
    const since = [this.#quietSinceMs, this.#bodySinceMs, this.#unreadSinceMs, this.#fullSinceMs];
    const earliestMs = Math.min(...since.map((ms) => ms ?? Infinity));
    return earliestMs === Infinity ? undefined : earliestMs;
  }

  /** Whether the client's time limit has passed. */
  get isOverdue(): boolean {
    const nowMs = this.#clock.now();
    return nowMs - (this.#quietSinceMs ?? nowMs) >= REQUEST_WAIT_MS ||
      nowMs - (this.#unreadSinceMs ?? nowMs) >= CLIENT_STUCK_MS ||
      nowMs - (this.#fullSinceMs ?? nowMs) >= CLIENT_STUCK_MS;
  }

  /** Why the client was refused, if it was. */
  get refusal(): ClientRefusal | undefined {
    return this.#refusal;
  }

  /** Whether a request is being answered. */
  get isAnswering(): boolean {
    return this.#requests > 0;
  }

  /** Reports a request with a complete head. */
  begin(): void {
    this.#requests += 1;
    this.#quietSinceMs = undefined;
    this.settle();
  }

  /** Reports that the body of a request is awaited. */
  awaitBody(): void {
    this.#bodySinceMs ??= this.#clock.now();
  }

  /** Reports that a request's body is complete, or no longer read. */
  bodyArrived(): void {
    this.#bodySinceMs = undefined;
  }

  /** Reports that a request has been answered. */
  finish(): void {
    this.#requests -= 1;
    if (this.#requests <= 0) this.rest();
    this.settle();
  }

  /** Expects no further request, but leaves the client as much time as between two requests. */
  rest(): void {
    this.#quietSinceMs ??= this.#clock.now();
  }

  /** Reports that a complete message of the client was consumed. */
  settle(): void {
    this.#backlog.release(this);
    this.#taken.resolve();
  }

  /** Excludes bytes that are not part of an incomplete message. */
  discount(bytes: number): void {
    this.#backlog.remove(this, bytes);
  }

  giveUp(): void {
    this.refuse("backlog");
  }

  refuse(refusal: ClientRefusal): void {
    this.#refusal ??= refusal;
    this.destroy();
  }

  /** Settles when the connection has ended and is no longer read. Does not wait for the client to read. */
  async finished(): Promise<void> {
    await this.#reading;
  }

  /**
   * Ends the connection when all written bytes have been sent. Further input is read and dropped: closing with unread
   * input would reset the connection, and a reset can discard an answer that the client has not read yet.
   */
  destroySoon(): void {
    this.#isLeaving = true;
    this.#taken.resolve();
    this.rest();
    this.end();
    this.removeAllListeners("data");
    this.resume();
    this.#readOn();
  }

  override _read(): void {
    this.#readOn();
  }

  override _write(bytes: Uint8Array, _: string, done: (error?: Error) => void): void {
    this.#writeAll(bytes).then(() => done(), done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Uint8Array }[],
    done: (error?: Error) => void,
  ): void {
    this.#writeAll(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.rest();
    const ended = () => {
      this.#writes -= 1;
      done();
    };
    this.#writes += 1;
    this.#connection.closeWrite().then(ended, ended);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#closing({ isWriting: this.#writes > 0 });
    this.#connection.close();
    this.#backlog.release(this);
    this.#taken.resolve();
    this.#drained.resolve();
    done(error);
  }

  /** `node:http` calls these on sockets; deadlines and socket options are set elsewhere here. */
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  #readOn(): void {
    this.#reading ??= this.#read();
  }

  async #read(): Promise<void> {
    try {
      while (!this.destroyed) {
        const length = await this.#connection.read(this.#buffer);
        this.#begun.resolve(length === null ? "nothing" : "bytes");
        if (length === null) {
          this.push(null);
          return;
        }
        if (this.#isLeaving) continue;
        // Before the bytes are passed on, since they may be consumed at once.
        this.#backlog.add(this, length);
        if (!this.push(Buffer.from(this.#buffer.subarray(0, length)))) break;
        await this.#keepWindow();
        await this.#keepDrained();
      }
      this.#reading = undefined;
    } catch {
      // The connection broke.
      this.#begun.resolve("nothing");
      this.destroy();
    }
  }

  /** Pauses while the client has sent more than any message may have, and none was consumed. */
  async #keepWindow(): Promise<void> {
    if (this.#backlog.shareOf(this) < CLIENT_WINDOW_BYTES || this.destroyed) return;
    this.#taken = Promise.withResolvers();
    this.#fullSinceMs = this.#clock.now();
    await this.#taken.promise;
    this.#fullSinceMs = undefined;
  }

  async #keepDrained(): Promise<void> {
    while (this.writableLength > UNSENT_BYTES_MAX && !this.destroyed) {
      this.#drained = Promise.withResolvers();
      await this.#drained.promise;
    }
  }

  /**
   * Rejects only for TLS. Bytes that the client sent before the connection broke, such as the `bye` of a closed page,
   * can still be read; after them the reader gets the same error, and ends the stream.
   */
  async #writeAll(bytes: Uint8Array): Promise<void> {
    this.#writes += 1;
    try {
      for (let at = 0; at < bytes.length && !this.#isBroken;) {
        this.#unreadSinceMs = this.#clock.now();
        at += await this.#connection.write(bytes.subarray(at));
      }
    } catch (error) {
      // Nothing more can be read from a broken TLS connection.
      if ("handshake" in this.#connection) throw error;
      this.#isBroken = true;
      this.#readOn();
    } finally {
      this.#writes -= 1;
    }
    this.#unreadSinceMs = undefined;
    this.#drained.resolve();
  }
}
