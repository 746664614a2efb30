import type { Clock } from "../base/clock.ts";
import { RELAY_STUCK_MS, RELAY_WINDOW_BYTES, REQUEST_WAIT_MS } from "../signalling/limits.ts";
import type { Backlog, BacklogHolder } from "./backlog.ts";
import { Http2Preface } from "./http2_preface.ts";

/** Bytes that are read at once; two such buffers are held for each connection. */
const CHUNK_BYTES = 8 * 1024;

/**
 * Why a relay refused its client. `http2`: it speaks HTTP/2, which has no limits here. `backlog`: it sent more than any
 * other without anything of it being whole, when all together had sent too much.
 */
export type RelayRefusal = "http2" | "backlog";

/** What a {@link Relay} works with. */
export interface RelayOptions {
  readonly clock: Clock;
  /** Of all relays together. */
  readonly backlog: Backlog;
}

/**
 * Carries the bytes of one client's connection to the HTTP server in this process and back. Of HTTP it knows only what
 * version 2 begins with: the server's side says when a request begins and ends, and the relay says when a client uses
 * its connection for nothing.
 */
export class Relay implements BacklogHolder {
  readonly #front: Deno.Conn;
  readonly #back: Deno.Conn;
  readonly #clock: Clock;
  /** Of the client's bytes, those since the server's side last took something whole. */
  readonly #backlog: Backlog;
  readonly #preface = new Http2Preface();
  /** Since when no request is being answered; `undefined` during one, and for ever on a WebSocket. */
  #quietSinceMs: number | undefined;
  /** Since when the client does not read. */
  #unreadSinceMs: number | undefined;
  /** Since when the client has sent more than is taken. */
  #fullSinceMs: number | undefined;
  /** Bytes of the client's pings and pongs, which nobody tells of and nothing holds. */
  #controlBytes = 0;
  #taken = Promise.withResolvers<void>();
  #refusal: RelayRefusal | undefined;
  #isOver = false;

  /** @param ends Both connections; they are closed in the end. */
  constructor(
    ends: { readonly front: Deno.Conn; readonly back: Deno.Conn },
    { clock, backlog }: RelayOptions,
  ) {
    this.#front = ends.front;
    this.#back = ends.back;
    this.#clock = clock;
    this.#backlog = backlog;
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
    this.#backlog.release(this);
    this.#controlBytes = 0;
    this.#taken.resolve();
  }

  /** Carries until both sides are done. Never rejects. @returns Why the client was refused, if it was. */
  async run(): Promise<RelayRefusal | undefined> {
    await Promise.all([this.#carryIn(), this.#carryOut()]);
    this.end();
    this.#backlog.release(this);
    return this.#refusal;
  }

  drop(): void {
    this.#refuse("backlog");
  }

  /** Closes both connections. Idempotent. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#taken.resolve();
    this.#front.close();
    this.#back.close();
  }

  #refuse(refusal: RelayRefusal): void {
    this.#refusal ??= refusal;
    this.end();
  }

  async #carryIn(): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    let isRead = true;
    try {
      for (;;) {
        const length = await this.#front.read(buffer);
        if (length === null) break;
        if (this.#preface.isCompletedBy(buffer.subarray(0, length))) return this.#refuse("http2");
        // Before it is written, as it may be taken at once.
        this.#count(length);
        // What nobody reads any more is taken off nonetheless: closing on it would reset the connection, and a reset
        // can cost the client an answer that it has not read yet.
        isRead &&= await writeAll(this.#back, buffer.subarray(0, length));
        await this.#keepWindow();
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
        this.#controlBytes += counterpartBytes(buffer.subarray(0, length));
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

  #count(bytes: number): void {
    const free = Math.min(bytes, this.#controlBytes);
    this.#controlBytes -= free;
    this.#backlog.add(this, bytes - free);
  }

  /**
   * Deno holds a WebSocket message until it is whole, up to 64 MiB. So a client that has sent more than any message
   * may have without one being taken waits here. {@link Backlog} bounds what all of them send meanwhile.
   */
  async #keepWindow(): Promise<void> {
    if (this.#backlog.shareOf(this) < RELAY_WINDOW_BYTES || this.#isOver) return;
    this.#taken = Promise.withResolvers();
    this.#fullSinceMs = this.#clock.now();
    await this.#taken.promise;
    this.#fullSinceMs = undefined;
  }
}

/**
 * Length of the frame with which a client answers the server's ping, or to which the server's pong is the answer: the
 * same payload, and a mask of 4 bytes (RFC 6455 §5.5.2, §5.5.3). 0 for anything but one whole frame of these. Without it
 * a WebSocket that is only kept alive would seem to send a message that does not end, 34 KiB a day.
 */
function counterpartBytes(bytes: Uint8Array): number {
  const [opcode, length = 0] = bytes;
  const isControl = opcode === 0x89 || opcode === 0x8a;
  return isControl && bytes.length === 2 + length ? bytes.length + 4 : 0;
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
