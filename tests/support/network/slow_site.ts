import { type ConfigValues, ServerProcess } from "../servers/server_process.ts";
import { SlowRelay } from "./slow_relay.ts";

/** Where the relays stand: another address than the server's, and the same ports. */
const PUBLIC_ADDRESS = "127.0.0.2";

/** A server with a {@link SlowRelay} before each of its media ports. */
export class SlowSite implements AsyncDisposable {
  readonly server: ServerProcess;
  /** In the order of their ports. */
  readonly relays: readonly SlowRelay[];

  private constructor(server: ServerProcess, relays: readonly SlowRelay[]) {
    this.server = server;
    this.relays = relays;
  }

  /** Starts all of it. `await using` ends it. */
  static async open(
    { config, ports = 1 }: { config: ConfigValues; ports?: number },
  ): Promise<SlowSite> {
    const server = await ServerProcess.start({
      ports,
      config: { "webrtc.public_ip": PUBLIC_ADDRESS, ...config },
    });
    const relays = Array.from({ length: ports }, (_, at) => {
      const port = server.portMin + at;
      const relay = new SlowRelay({ at: { hostname: PUBLIC_ADDRESS, port } });
      relay.passTo(port);
      return relay;
    });
    return new SlowSite(server, relays);
  }

  /** The relay on a port. */
  relay(port: number): SlowRelay {
    const found = this.relays.find((relay) => relay.port === port);
    if (found === undefined) throw new RangeError(`No relay has port ${port}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay[Symbol.asyncDispose]()));
    await this.server[Symbol.asyncDispose]();
  }
}
