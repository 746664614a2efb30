import { DATAGRAM_BYTES_MAX } from "../../../src/base/limits.ts";
import { formatFrames, FrameReader } from "../../../src/ports/rfc4571.ts";

const LOOPBACK = "127.0.0.1";

/**
 * Lets a viewer that knows UDP alone come by ICE-TCP: its datagrams go over one connection to a media port, framed, and
 * what comes back goes to the viewer as datagrams.
 */
export class IceTcpTunnel implements AsyncDisposable {
  readonly #udp = Deno.listenDatagram({ transport: "udp", hostname: LOOPBACK, port: 0 });
  readonly #target: () => number;
  readonly #hostname: string;
  readonly #running = new Set<Promise<void>>();
  #visitor: Deno.NetAddr | undefined;
  #connection: Promise<Deno.TcpConn> | undefined;
  /** Settled while packets are passed back. */
  #flowing: { promise: Promise<void>; resolve: () => void } | undefined;

  /**
   * @param target The media port; asked when the first check comes.
   * @param options.hostname Where it is. Default: 127.0.0.1.
   */
  constructor(target: () => number, { hostname = LOOPBACK }: { hostname?: string } = {}) {
    this.#target = target;
    this.#hostname = hostname;
    this.#run(this.#receive());
  }

  /** The port that the viewer sends its datagrams to. */
  get port(): number {
    return (this.#udp.addr as Deno.NetAddr).port;
  }

  /** Reads no more of what the server sends, until {@link resume}. */
  pause(): void {
    this.#flowing ??= Promise.withResolvers<void>();
  }

  /** Reads on. */
  resume(): void {
    this.#flowing?.resolve();
    this.#flowing = undefined;
  }

  /** Cuts the connection; the viewer's next check opens another. */
  async cut(): Promise<void> {
    const connection = await this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    this.#udp.close();
    await this.cut();
    await Promise.all(this.#running);
  }

  #run(work: Promise<void>): void {
    const running = work.catch(() => {}).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #receive(): Promise<void> {
    for await (const [packet, from] of this.#udp) {
      this.#visitor = from as Deno.NetAddr;
      // As browsers do, a new connection begins with a check; STUN begins with a byte of 0.
      if (packet[0] === 0) this.#connection ??= this.#connect();
      const connection = await this.#connection;
      // Small and seldom, so that one write takes it; a connection that was cut meanwhile loses it.
      await connection?.write(formatFrames([packet])).catch(() => {});
    }
  }

  async #connect(): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ hostname: this.#hostname, port: this.#target() });
    this.#run(this.#passBack(connection));
    return connection;
  }

  async #passBack(connection: Deno.TcpConn): Promise<void> {
    const chunk = new Uint8Array(16_384);
    const frames = new FrameReader(DATAGRAM_BYTES_MAX);
    while (true) {
      await this.#flowing?.promise;
      const bytes = await connection.read(chunk);
      if (bytes === null) return;
      const packets: Uint8Array[] = [];
      frames.push(chunk.subarray(0, bytes), (packet) => packets.push(packet.slice()));
      for (const packet of packets) {
        if (this.#visitor !== undefined) await this.#udp.send(packet, this.#visitor);
      }
    }
  }
}
