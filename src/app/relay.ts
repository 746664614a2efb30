import type { Clock } from "../base/clock.ts";
import { RELAY_STUCK_MS, RELAY_WINDOW_BYTES, REQUEST_WAIT_MS } from "../signalling/limits.ts";

/** Bytes that are read at once; two such buffers are held for each connection. */
const CHUNK_BYTES = 8 * 1024;

/**
 * Carries the bytes of one client's connection to the HTTP server in this process and back. It knows nothing of HTTP:
 * the server's side says when a request begins and ends, and the relay says when a client uses its connection for
 * nothing.
 */
export class Relay {
  readonly #front: Deno.Conn;
  readonly #back: Deno.Conn;
  readonly #clock: Clock;
  /** Since when no request is being answered; `undefined` during one, and for ever on a WebSocket. */
  #quietSinceMs: number | undefined;
  /** Since when the client does not read. */
  #unreadSinceMs: number | undefined;
  /** Since when the client has sent more than is taken. */
  #fullSinceMs: number | undefined;
  /** Bytes of the client since the server's side last took something whole. */
  #untakenBytes = 0;
  #taken = Promise.withResolvers<void>();
  #isOver = false;

  /** @param ends Both connections; they are closed in the end. */
  constructor(ends: { readonly front: Deno.Conn; readonly back: Deno.Conn }, clock: Clock) {
    this.#front = ends.front;
    this.#back = ends.back;
    this.#clock = clock;
    this.#quietSinceMs = clock.now();
  }

  /** Since when the client has asked for nothing, in milliseconds of the clock; `undefined` while it has. */
  get quietSinceMs(): number | undefined {
    return this.#quietSinceMs;
  }

  /** Whether the client has had its time. */
  get isOverdue(): boolean {
    const nowMs = this.#clock.now();
    return nowMs - (this.#quietSinceMs ?? nowMs) >= REQUEST_WAIT_MS ||
      nowMs - (this.#unreadSinceMs ?? nowMs) >= RELAY_STUCK_MS ||
      nowMs - (this.#fullSinceMs ?? nowMs) >= RELAY_STUCK_MS;
  }

  /** A request is there, its head whole. */
  begin(): void {
    this.#quietSinceMs = undefined;
    this.take();
  }

  /** The request is answered. */
  finish(): void {
    this.#quietSinceMs = this.#clock.now();
    this.take();
  }

  /** The server's side has taken a whole message. */
  take(): void {
    this.#untakenBytes = 0;
    this.#taken.resolve();
  }

  /** Carries until both sides are done. Never rejects. */
  async run(): Promise<void> {
    await Promise.all([this.#carryIn(), this.#carryOut()]);
    this.end();
  }

  /** Closes both connections. Idempotent. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#taken.resolve();
    this.#front.close();
    this.#back.close();
  }

  async #carryIn(): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    let isRead = true;
    try {
      for (;;) {
        const length = await this.#front.read(buffer);
        if (length === null) break;
        // What nobody reads any more is taken off nonetheless: closing on it would reset the connection, and a reset
        // can cost the client an answer that it has not read yet.
        isRead &&= await writeAll(this.#back, buffer.subarray(0, length));
        await this.#keepWindow(length);
      }
      await this.#back.closeWrite();
    } catch {
      // The client broke off, and the server's side should hear of it.
      this.end();
    }
  }

  async #carryOut(): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    try {
      for (;;) {
        const length = await this.#back.read(buffer);
        if (length === null) break;
        this.#unreadSinceMs = this.#clock.now();
        if (!await writeAll(this.#front, buffer.subarray(0, length))) return this.end();
        this.#unreadSinceMs = undefined;
      }
      this.#quietSinceMs = this.#clock.now();
      await this.#front.closeWrite();
    } catch {
      this.end();
    }
  }

  /**
   * Deno holds a WebSocket message until it is whole, up to 64 MiB. So a client that has sent more than any message
   * may have without one being taken waits here.
   */
  async #keepWindow(bytes: number): Promise<void> {
    this.#untakenBytes += bytes;
    if (this.#untakenBytes < RELAY_WINDOW_BYTES || this.#isOver) return;
    this.#taken = Promise.withResolvers();
    this.#fullSinceMs = this.#clock.now();
    await this.#taken.promise;
    this.#fullSinceMs = undefined;
  }
}

/** @returns False when the other end takes nothing any more. */
async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
    return true;
  } catch {
    return false;
  }
}
