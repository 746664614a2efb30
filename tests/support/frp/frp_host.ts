import { plannedRange } from "../parts/planned_ports.ts";
import { mapPorts, type PortMapping } from "../../../src/tunnel/port_mapping.ts";
import { eventually, within } from "../deadline.ts";
import { PUBLIC_ADDRESS, type PublicPorts } from "./frp_ports.ts";

const DATAGRAM_BYTES_MAX = 2048;
const TRIES = 50;

/** Stands in for Pinhole behind a tunnel: answers HTTP, and on one media port sends back what comes, by UDP and TCP. */
export class EchoHost implements AsyncDisposable {
  /** Source ports that datagrams came from, in the order of their first. */
  readonly sources: number[] = [];
  readonly #ports: PublicPorts;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  readonly #udp: Deno.DatagramConn;
  readonly #tcp: Deno.Listener;
  readonly #pumps: Promise<void>[];

  constructor(ports: PublicPorts) {
    this.#ports = ports;
    this.#http = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("here"),
    );
    ({ udp: this.#udp, tcp: this.#tcp } = listenTwice());
    this.#pumps = [this.#echoDatagrams(), this.#echoConnections()];
  }

  /** From the public ports to this host, as `pinhole frpc` maps them. */
  get mapping(): PortMapping {
    const { port } = this.#tcp.addr as Deno.NetAddr;
    return mapPorts({
      signalling: { hostname: "0.0.0.0", port: this.#http.addr.port },
      publicUrl: undefined,
      media: {
        listen: "127.0.0.1",
        publicPortMin: this.#ports.mediaMin,
        ports: plannedRange({
          portMin: port,
          portMax: port,
          publicPortMin: this.#ports.mediaMin,
          tcp: true,
        }),
      },
      part: "all",
    });
  }

  /** What HTTP says through the tunnel. */
  async fetchText(): Promise<string> {
    return await (await fetch(`http://${PUBLIC_ADDRESS}:${this.#ports.signalling}`)).text();
  }

  /** A browser's end of a media port. */
  visit(): Visitor {
    return new Visitor(this.#ports.mediaMin);
  }

  /** Sends bytes through the tunnel by TCP. */
  async echoBytes(data: Uint8Array): Promise<Uint8Array> {
    using connection = await Deno.connect({ hostname: PUBLIC_ADDRESS, port: this.#ports.mediaMin });
    await connection.write(data);
    const buffer = new Uint8Array(data.length);
    const length = await within(connection.read(buffer), { what: "for bytes to come back" });
    return buffer.subarray(0, length ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
    await this.#http.shutdown();
    await Promise.all(this.#pumps);
  }

  async #echoDatagrams(): Promise<void> {
    try {
      while (true) {
        const [data, from] = await this.#udp.receive(new Uint8Array(DATAGRAM_BYTES_MAX));
        const { port } = from as Deno.NetAddr;
        if (!this.sources.includes(port)) this.sources.push(port);
        await this.#udp.send(data, from);
      }
    } catch {
      // The socket was closed.
    }
  }

  async #echoConnections(): Promise<void> {
    const echoes: Promise<void>[] = [];
    try {
      for await (const connection of this.#tcp) {
        echoes.push(connection.readable.pipeTo(connection.writable).catch(() => {}));
      }
    } catch {
      // The listener was closed.
    }
    await Promise.all(echoes);
  }
}

/** One UDP socket that talks to a public media port. */
export class Visitor implements Disposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #target: Deno.NetAddr;
  readonly #received: Uint8Array[] = [];

  constructor(port: number) {
    this.#target = { transport: "udp", hostname: PUBLIC_ADDRESS, port };
    this.#receive();
  }

  /** Sends a datagram, again until one comes back. */
  async echo(data: Uint8Array): Promise<Uint8Array> {
    const from = this.#received.length;
    await eventually(async () => {
      await this.#socket.send(data, this.#target);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return this.#received.length > from;
    }, { what: "for a datagram to come back" });
    return this.#received[from] ?? new Uint8Array();
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    try {
      while (true) {
        const [data] = await this.#socket.receive(new Uint8Array(DATAGRAM_BYTES_MAX));
        this.#received.push(data);
      }
    } catch {
      // The socket was closed.
    }
  }
}

/** The same port number of 127.0.0.1 for UDP and TCP. */
function listenTwice(): { udp: Deno.DatagramConn; tcp: Deno.Listener } {
  for (let tries = 0; tries < TRIES; tries++) {
    const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const { port } = udp.addr as Deno.NetAddr;
    try {
      return { udp, tcp: Deno.listen({ hostname: "127.0.0.1", port }) };
    } catch {
      udp.close();
    }
  }
  throw new Error("Found no port that is free for UDP and TCP");
}
