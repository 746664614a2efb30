import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { CLIENT_STUCK_MS, CLIENT_WINDOW_BYTES, REQUEST_WAIT_MS } from "../signalling/limits.ts";
import type { Backlog, BacklogHolder } from "./backlog.ts";

/** Bytes that are read at once; one such buffer is held for each connection. */
const CHUNK_BYTES = 8 * 1024;

/** Unsent bytes beyond which a client that does not read is not read from either: its pings and requests make answers. */
const UNSENT_BYTES_MAX = 64 * 1024;

/**
 * Why a client was refused. `http2`: it speaks HTTP/2, which has no limits here. `backlog`: it sent more than any other
 * without anything of it being whole, when all together had sent too much.
 */
export type ClientRefusal = "http2" | "backlog";

/** What a {@link ClientStream} works with. */
export interface ClientStreamOptions {
  readonly clock: Clock;
  /** Of all connections together. */
  readonly backlog: Backlog;
  /**
   * Called before the connection is closed, from this side or by both. `isWriting`: something that was written has not
   * left, which over TLS keeps the descriptor until the client reads or leaves.
   */
  readonly closing?: (state: { readonly isWriting: boolean }) => void;
}

/**
 * The connection of one HTTP client as a stream of Node's, which `node:http` reads and writes. It knows no HTTP: who
 * reads it says when a request begins and ends, and it says when a client uses its connection for nothing.
 */
export class ClientStream extends Duplex implements BacklogHolder {
  readonly #connection: Deno.Conn;
  readonly #clock: Clock;
  /** Of the client's bytes, those since something of it was whole. */
  readonly #backlog: Backlog;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  readonly #begun = Promise.withResolvers<"bytes" | "nothing">();
  #reading: Promise<void> | undefined;
  #requests = 0;
  /** Since when no request is being answered; `undefined` during one, and for ever on a WebSocket. */
  #quietSinceMs: number | undefined;
  /** Since when a request's body is awaited, the oldest one's where several are. */
  #bodySinceMs: number | undefined;
  /** Since when the client does not read. */
  #unreadSinceMs: number | undefined;
  /** Since when the client has sent more than is taken. */
  #fullSinceMs: number | undefined;
  #taken = Promise.withResolvers<void>();
  #drained = Promise.withResolvers<void>();
  readonly #closing: NonNullable<ClientStreamOptions["closing"]>;
  /** Writes that have not settled, and the end of the stream. */
  #writes = 0;
  #isLeaving = false;
  /** The client takes nothing more. */
  #isBroken = false;
  #refusal: ClientRefusal | undefined;

  /** Takes the connection over, and closes it in the end. */
  constructor(connection: Deno.Conn, { clock, backlog, closing = () => {} }: ClientStreamOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: 2 * CHUNK_BYTES });
    this.#connection = connection;
    this.#clock = clock;
    this.#backlog = backlog;
    this.#closing = closing;
    this.#quietSinceMs = clock.now();
    // A client that breaks off is no error of ours; its end says the same.
    this.on("error", () => {});
    this.#reading = this.#read();
  }

  /** Resolves with the first bytes, or when there will be none. */
  get begun(): Promise<"bytes" | "nothing"> {
    return this.#begun.promise;
  }

  /**
   * Since when the client is waited for, in milliseconds of the clock: for a request, for the rest of a body or of a
   * message, or for it to read. `undefined` while it is not, as on a WebSocket that is open.
   */
  get waitsSinceMs(): number | undefined {
    const since = [this.#quietSinceMs, this.#bodySinceMs, this.#unreadSinceMs, this.#fullSinceMs];
    const earliestMs = Math.min(...since.map((ms) => ms ?? Infinity));
    return earliestMs === Infinity ? undefined : earliestMs;
  }

  /** Whether the client has had its time. */
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

  /** A request is there, its head whole. */
  begin(): void {
    this.#requests += 1;
    this.#quietSinceMs = undefined;
    this.settle();
  }

  /** The head of a request is there, and its body is not. */
  awaitBody(): void {
    this.#bodySinceMs ??= this.#clock.now();
  }

  /** A request's body is whole, or is not read any more. */
  bodyArrived(): void {
    this.#bodySinceMs = undefined;
  }

  /** A request is answered. */
  finish(): void {
    this.#requests -= 1;
    if (this.#requests <= 0) this.rest();
    this.settle();
  }

  /** The client is asked for nothing more, though it may go on: it has as long to go as between two requests. */
  rest(): void {
    this.#quietSinceMs ??= this.#clock.now();
  }

  /** Something that the client sent is whole and taken. */
  settle(): void {
    this.#backlog.release(this);
    this.#taken.resolve();
  }

  /** Bytes that came are none of an unfinished message. */
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

  /** Settles when the connection is over, and no longer read from. It does not wait for the client to read. */
  async finished(): Promise<void> {
    await this.#reading;
  }

  /**
   * Ends the connection when what was written has left. What the client still sends is taken off and dropped: closing
   * on it would reset the connection, and a reset can cost the client an answer that it has not read yet.
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

  /** `node:http` sets these on the sockets that it knows; the deadlines and options here are set otherwise. */
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
        // Before it is handed on, as it may be taken at once.
        this.#backlog.add(this, length);
        if (!this.push(Buffer.from(this.#buffer.subarray(0, length)))) break;
        await this.#keepWindow();
        await this.#keepDrained();
      }
      this.#reading = undefined;
    } catch {
      // The client broke off.
      this.#begun.resolve("nothing");
      this.destroy();
    }
  }

  /** A client that has sent more than any message may have without one being taken waits here. */
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
   * Rejects for TLS alone. What a client said before it broke off, such as the goodbye of a page that is left, is still there to be
   * read; behind it the reader meets the same error, and ends the stream.
   */
  async #writeAll(bytes: Uint8Array): Promise<void> {
    this.#writes += 1;
    try {
      for (let at = 0; at < bytes.length && !this.#isBroken;) {
        this.#unreadSinceMs = this.#clock.now();
        at += await this.#connection.write(bytes.subarray(at));
      }
    } catch (error) {
      // A broken TLS connection has nothing more to read.
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
