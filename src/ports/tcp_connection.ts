import type { Clock } from "../base/clock.ts";
import { DATAGRAM_BYTES_MAX } from "../base/limits.ts";
import { TCP_FAREWELL_MS_MAX, TCP_IDLE_MS_MAX, TCP_UNPROVEN_MS_MAX } from "./limits.ts";
import type { MediaAddress } from "./media_address.ts";
import { formatFrames, FrameReader } from "./rfc4571.ts";
import { SendQueue } from "./send_queue.ts";

/** Bytes of one read: a viewer sends little, and a flood must leave the event loop to others in between. */
const READ_BYTES = 4096;

const STUN_HEADER_BYTES = 20;
const STUN_MAGIC_COOKIE = 0x2112_a442;

/** Why a connection ended; a short name for metrics. */
export type TcpEnd =
  /** The other side closed or reset it. */
  | "remote"
  /** A packet that no browser sends came before an authentic one. */
  | "not_webrtc"
  /** A packet was longer than any of ours or a browser's. */
  | "too_long"
  /** No authentic packet came in time. */
  | "unproven"
  /** It had to make room for a newer connection, or there was none for it. */
  | "crowded"
  /** Authentic checks ceased. */
  | "idle"
  /** Its viewer ended, or went on elsewhere. */
  | "released"
  /** The port was closed. */
  | "closed";

/** What a {@link TcpConnection} is made of. */
export interface TcpConnectionOptions {
  readonly clock: Clock;
  /** Takes one packet, which is only valid until the call returns. */
  readonly packet: (packet: Uint8Array) => void;
  /** Packets were dropped because the connection does not drain. */
  readonly dropped: (count: number) => void;
  /** The connection is over. Called once; nothing is called after it. */
  readonly ended: (reason: TcpEnd) => void;
}

/** One connection of a media port: packets framed as in RFC 4571, as RFC 6544 §3 has it. */
export class TcpConnection {
  readonly address: MediaAddress;
  readonly #conn: Deno.TcpConn;
  readonly #options: TcpConnectionOptions;
  readonly #queue = new SendQueue();
  readonly #reading: Promise<void>;
  #writing: Promise<void> | undefined;
  #cancelDeadline: () => void;
  #isProven = false;
  #isReleased = false;
  #isOver = false;

  /** Takes the connection over, and closes it in the end. */
  constructor(conn: Deno.TcpConn, options: TcpConnectionOptions) {
    const { hostname, port } = conn.remoteAddr;
    this.address = { transport: "tcp", hostname, port };
    this.#conn = conn;
    this.#options = options;
    // Packets of one moment leave in one write already; a second moment should not wait for the first's receipt.
    conn.setNoDelay();
    this.#cancelDeadline = options.clock.after(TCP_UNPROVEN_MS_MAX, () => this.end("unproven"));
    this.#reading = this.#read();
  }

  /** Whether an authentic packet came. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** An authentic packet came: the connection may stay for a while. */
  prove(): void {
    if (this.#isReleased || this.#isOver) return;
    this.#isProven = true;
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.clock.after(TCP_IDLE_MS_MAX, () => this.end("idle"));
  }

  /** Sends a copy of one packet, together with others of the same moment. */
  send(packet: Uint8Array): void {
    if (this.#isReleased || this.#isOver) return;
    const dropped = this.#queue.push(packet.slice(), this.#options.clock.now());
    if (dropped > 0) this.#options.dropped(dropped);
    this.#writing ??= this.#write();
  }

  /** Ends the connection when what waits has left, or does not leave soon. Idempotent. */
  release(): void {
    if (this.#isReleased || this.#isOver) return;
    this.#isReleased = true;
    this.#cancelDeadline();
    if (this.#writing === undefined) return this.end("released");
    const { clock } = this.#options;
    this.#cancelDeadline = clock.after(TCP_FAREWELL_MS_MAX, () => this.end("released"));
  }

  /** Ends the connection at once. Idempotent. */
  end(reason: TcpEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelDeadline();
    this.#queue.clear();
    this.#conn.close();
    this.#options.ended(reason);
  }

  /** Settles when nothing of the connection is left. */
  async finished(): Promise<void> {
    await this.#reading;
    await this.#writing;
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(READ_BYTES);
    const frames = new FrameReader(DATAGRAM_BYTES_MAX);
    while (!this.#isOver) {
      // A reset, or our own end, which cancels the read.
      const bytes = await this.#conn.read(chunk).catch(() => null);
      if (bytes === null) return this.end("remote");
      const isFramed = frames.push(chunk.subarray(0, bytes), (packet) => this.#take(packet));
      if (!isFramed) return this.end("too_long");
    }
  }

  #take(packet: Uint8Array): void {
    if (this.#isReleased || this.#isOver) return;
    if (!this.#isProven && !looksLikeWebRtc(packet)) return this.end("not_webrtc");
    this.#options.packet(packet);
  }

  async #write(): Promise<void> {
    // What is sent in the same turn, such as the packets of a frame, leaves together.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0) await this.#writeAll(formatFrames(this.#queue.take()));
      this.#writing = undefined;
      if (this.#isReleased) this.end("released");
    } catch {
      this.end("remote");
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
  }
}

/**
 * Whether a browser may begin with this (RFC 7983 §7). Chrome's first packet is an ICE check; Firefox, when a connection
 * broke, goes on with DTLS or SRTCP on the next one before it checks again.
 */
function looksLikeWebRtc(packet: Uint8Array): boolean {
  const [first = 0] = packet;
  if (first >= 4) return (first >= 20 && first < 64) || (first >= 128 && first < 192);
  if (packet.length < STUN_HEADER_BYTES) return false;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  return view.getUint32(4) === STUN_MAGIC_COOKIE;
}
