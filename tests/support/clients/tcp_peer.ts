import { DATAGRAM_BYTES_MAX } from "../../../src/base/limits.ts";
import { formatFrames, FrameReader } from "../../../src/ports/rfc4571.ts";
import { eventually, within } from "../deadline.ts";
import type { Random } from "../random.ts";

/** A raw TCP client of a media port: it writes what a test tells it to, and keeps the packets that come back. */
export class TcpPeer implements AsyncDisposable {
  /** Packets that came, in order. */
  readonly packets: Uint8Array[] = [];
  /** Settles when the server has closed the connection. */
  readonly ended: Promise<void>;
  readonly #conn: Deno.TcpConn;
  #isOver = false;

  private constructor(conn: Deno.TcpConn, { reads }: { reads: boolean }) {
    this.#conn = conn;
    this.ended = reads ? this.#read() : Promise.resolve();
  }

  /**
   * Connects to a port.
   * @param options.hostname Default: 127.0.0.1.
   * @param options.reads Without it nothing is ever read: the connection fills up. Default: true.
   */
  static async connect(
    port: number,
    { hostname = "127.0.0.1", reads = true } = {},
  ): Promise<TcpPeer> {
    return new TcpPeer(await Deno.connect({ hostname, port }), { reads });
  }

  /** The port that the server sees. */
  get port(): number {
    return this.#conn.localAddr.port;
  }

  /** Whether the server has closed the connection. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends packets, framed. */
  send(...packets: Uint8Array[]): Promise<void> {
    return this.write(formatFrames(packets));
  }

  /** Sends bytes as they are. A connection that is over takes them without a word. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const written = await this.#conn.write(rest).catch(() => rest.length);
      rest = rest.subarray(written);
    }
  }

  /** Waits until so many packets have come in all. */
  async receives(count: number): Promise<void> {
    await eventually(() => this.packets.length >= count, {
      what: () => `for packet ${count}, there are ${this.packets.length}`,
    });
  }

  /** Waits until the server closes the connection. */
  async closes(): Promise<void> {
    await within(this.ended, { what: "for the server to close the connection" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#conn.close();
    await this.ended;
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    const frames = new FrameReader(DATAGRAM_BYTES_MAX);
    while (true) {
      const bytes = await this.#conn.read(chunk).catch(() => null);
      if (bytes === null) break;
      frames.push(chunk.subarray(0, bytes), (packet) => this.packets.push(packet.slice()));
    }
    this.#isOver = true;
  }
}

/** What a stranger sends, and why the server closes its connection; without a reason the stranger hangs up. */
export function rubbish(
  random: Random,
): { bytes: Uint8Array; reason?: "too_long" | "not_webrtc" } {
  const bytes = random.bytes(random.between(2, 3_000));
  switch (random.below(3)) {
    case 0:
      bytes[0] = random.between(6, 255);
      return { bytes, reason: "too_long" };
    case 1: {
      const frame = new Uint8Array(202);
      frame.set([0, 200, random.between(64, 127)]);
      return { bytes: frame, reason: "not_webrtc" };
    }
    default:
      return { bytes };
  }
}
