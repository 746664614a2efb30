import { plannedRange } from "../parts/planned_ports.ts";
import type { Browser } from "playwright-core";
import { mapPorts, type PortMapping } from "../../../src/tunnel/port_mapping.ts";
import { browserTest } from "../browsers/browser.ts";
import { PUBLIC_ADDRESS, PublicPorts } from "./frp_ports.ts";
import { findFrp, frpAdvice } from "./frp_programs.ts";
import { FrpTunnel, type FrpTunnelOptions } from "./frp_tunnel.ts";
import type { Machine } from "../machine/machine.ts";
import { type ConfigValues, ServerProcess } from "../servers/server_process.ts";

export { FrpTunnel, type FrpTunnelOptions };

/** The environment is what all test files of one run share, so that only one of them says it. */
const TOLD_VARIABLE = "PINHOLE_TEST_SAID_NO_FRP";

/** Registers a test that runs real frp. Without frp it is reported as ignored, and one line says what would enable it. */
export function frpTest(name: string, fn: (test: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, ignore: isFrpMissing(), fn });
}

/** {@link frpTest} with a Chromium of its own. */
export function frpBrowserTest(
  name: string,
  run: (browser: Browser, test: Deno.TestContext, machine: Machine) => Promise<void>,
): void {
  if (isFrpMissing()) Deno.test({ name, ignore: true, fn() {} });
  else browserTest(name, run);
}

function isFrpMissing(): boolean {
  if (findFrp() !== undefined) return false;
  if (Deno.env.get(TOLD_VARIABLE) === undefined) {
    Deno.env.set(TOLD_VARIABLE, "1");
    Deno.stderr.writeSync(new TextEncoder().encode(`Tests skipped: ${frpAdvice()}\n`));
  }
  return true;
}

/** How {@link TunnelledServer} departs from the usual server and tunnel. */
export interface TunnelledServerOptions
  extends Pick<FrpTunnelOptions, "protocol" | "cuttable" | "tcpMux" | "edit"> {
  /** Beside the usual ones of tests; keys of the mapping are set. */
  readonly config?: ConfigValues;
  /** Media ports. Default: 5. */
  readonly media?: number;
}

/** The server as a process behind a real tunnel; its public ports are not its local ones. */
export class TunnelledServer implements AsyncDisposable {
  readonly server: ServerProcess;
  readonly tunnel: FrpTunnel;
  /** Where viewers open the page: `http://127.0.0.2:PORT`. */
  readonly origin: string;
  /** First public media port. */
  readonly publicPortMin: number;

  private constructor(
    { server, tunnel }: { server: ServerProcess; tunnel: FrpTunnel },
    ports: PublicPorts,
  ) {
    this.server = server;
    this.tunnel = tunnel;
    this.origin = `http://${PUBLIC_ADDRESS}:${ports.signalling}`;
    this.publicPortMin = ports.mediaMin;
  }

  /** Starts server and tunnel. `await using` ends both. */
  static async start(
    { config, media = 5, ...tunnelOptions }: TunnelledServerOptions = {},
  ): Promise<TunnelledServer> {
    using ports = PublicPorts.reserve(media);
    const server = await ServerProcess.start({
      ports: media,
      config: {
        "webrtc.public_ip": PUBLIC_ADDRESS,
        "webrtc.public_port_min": ports.mediaMin,
        ...config,
      },
    });
    try {
      const mapping = mapServer(server, { ports, media, tcp: config?.["webrtc.tcp"] === true });
      const tunnel = await FrpTunnel.start({ ports, mapping, ...tunnelOptions });
      return new TunnelledServer({ server, tunnel }, ports);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tunnel[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

function mapServer(
  server: ServerProcess,
  { ports, media, tcp }: { ports: PublicPorts; media: number; tcp: boolean },
): PortMapping {
  const { hostname, port } = new URL(server.origin);
  return mapPorts({
    signalling: { hostname, port: Number(port) },
    publicUrl: undefined,
    media: {
      listen: "127.0.0.1",
      publicPortMin: ports.mediaMin,
      ports: plannedRange({
        portMin: server.portMin,
        portMax: server.portMin + media - 1,
        publicPortMin: ports.mediaMin,
        tcp,
      }),
    },
    part: "all",
  });
}
