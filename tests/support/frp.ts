import type { Browser } from "playwright-core";
import { ADMIN_PASSWORD_VARIABLE, formatFrpcToml } from "../../src/tunnel/frpc_toml.ts";
import { formatFrpsToml } from "../../src/tunnel/frps_toml.ts";
import { type Mapping, mapPorts } from "../../src/tunnel/mapping.ts";
import type { TunnelProtocol } from "../../src/tunnel/settings.ts";
import { browserTest } from "./browser.ts";
import { eventually } from "./deadline.ts";
import { PUBLIC_ADDRESS, PublicPorts } from "./frp_ports.ts";
import { FrpProcess } from "./frp_process.ts";
import { findFrp, frpAdvice } from "./frp_programs.ts";
import { type ConfigValues, ServerProcess } from "./server_process.ts";
import { TcpRelay } from "./tcp_relay.ts";

const TOKEN_VARIABLE = "FRP_TOKEN";

/** The environment is what all test files of one run share, so that only one of them says it. */
const TOLD_VARIABLE = "PINHOLE_TEST_SAID_NO_FRP";

/** Registers a test that runs real frp. Without frp it is reported as ignored, and one line says what would enable it. */
export function frpTest(name: string, fn: (test: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, ignore: isFrpMissing(), fn });
}

/** {@link frpTest} with a Chromium of its own. */
export function frpBrowserTest(
  name: string,
  run: (browser: Browser, test: Deno.TestContext) => Promise<void>,
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

/** What frpc's admin API says of one proxy. */
export interface ProxyStatus {
  readonly name: string;
  /** Such as `running`, which does not mean reachable. */
  readonly status: string;
  readonly err: string;
}

/** What a tunnel is made of. */
export interface FrpTunnelOptions {
  /** Given up to frps and frpc. */
  readonly ports: PublicPorts;
  /** Where its public ports lead; they are of `ports`. */
  readonly mapping: Mapping;
  /** Default: tcp. */
  readonly protocol?: TunnelProtocol;
  /** Puts a relay between the two, so that {@link FrpTunnel.cutWorkConnections} works. Not for UDP protocols. */
  readonly cuttable?: boolean;
  /** The last word on frpc's file. */
  readonly edit?: (frpcToml: string) => string;
}

/**
 * A real tunnel from 127.0.0.2 to this host: frps and frpc with the files that `pinhole frpc` makes. `await using` ends
 * both.
 */
export class FrpTunnel implements AsyncDisposable {
  /** frpc's file as it is now. */
  clientConfig: string;
  readonly #folder: string;
  readonly #admin: string;
  readonly #password = crypto.randomUUID();
  readonly #server: FrpProcess;
  readonly #client: FrpProcess;
  readonly #relay: TcpRelay | undefined;

  private constructor(options: FrpTunnelOptions, folder: string) {
    const programs = findFrp();
    if (programs === undefined) throw new Error(`No frp: ${frpAdvice()}`);
    const { ports, mapping, protocol = "tcp", cuttable = false, edit = (text) => text } = options;
    this.#folder = folder;
    this.#relay = cuttable
      ? new TcpRelay(ports.frps, { targetHostname: PUBLIC_ADDRESS })
      : undefined;
    this.#admin = `http://${PUBLIC_ADDRESS}:${ports.admin}/api`;
    const frps = { hostname: PUBLIC_ADDRESS, port: ports.frps };
    const near = this.#relay && { hostname: "127.0.0.1", port: this.#relay.port };
    const settings = { mapping, protocol, tokenVariable: TOKEN_VARIABLE };
    const admin = { hostname: PUBLIC_ADDRESS, port: ports.admin };
    this.clientConfig = edit(formatFrpcToml({ ...settings, server: near ?? frps, admin }));
    const serverConfig = `bindAddr = "${PUBLIC_ADDRESS}"\nproxyBindAddr = "${PUBLIC_ADDRESS}"\n` +
      formatFrpsToml({ ...settings, server: frps });
    Deno.writeTextFileSync(`${folder}/frps.toml`, PLAIN_LOG + serverConfig);
    this.#writeClientConfig();
    const env = { [TOKEN_VARIABLE]: crypto.randomUUID() };
    this.#server = new FrpProcess([programs.frps, "-c", `${folder}/frps.toml`], env);
    this.#client = new FrpProcess([programs.frpc, "-c", `${folder}/frpc.toml`], {
      ...env,
      [ADMIN_PASSWORD_VARIABLE]: this.#password,
    });
  }

  /** Starts both ends and waits until every proxy runs. */
  static async start(options: FrpTunnelOptions): Promise<FrpTunnel> {
    const tunnel = new FrpTunnel(options, await Deno.makeTempDir());
    options.ports[Symbol.dispose]();
    try {
      tunnel.#server.start();
      await eventually(() => tunnel.#server.lines.some((line) => SERVER_READY.test(line)), {
        what: () => `for frps to start:\n${tunnel.lastWords}`,
      });
      await tunnel.startClient();
      return tunnel;
    } catch (error) {
      await tunnel[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The last of both logs. */
  get lastWords(): string {
    return `frps:\n${this.#server.lastWords}\nfrpc:\n${this.#client.lastWords}`;
  }

  /** Ends frpc by SIGKILL. */
  killClient(): Promise<void> {
    return this.#client.kill();
  }

  /** Starts frpc and waits until every proxy runs. */
  startClient(): Promise<void> {
    return this.#untilBack(() => this.#client.start());
  }

  /** Has frpc read another file, and waits until every proxy of it runs. Proxies that did not change go on. */
  async reloadClient(config: string): Promise<void> {
    this.clientConfig = config;
    this.#writeClientConfig();
    const response = await this.#call("reload?strictConfig=true");
    const text = await response.text();
    if (!response.ok) throw new Error(`frpc does not take the file: ${text}`);
    await this.#untilRunning();
  }

  /** Ends frps by SIGKILL. */
  killServer(): Promise<void> {
    return this.#server.kill();
  }

  /** Starts frps and waits until frpc has found it and every proxy runs. */
  startServer(): Promise<void> {
    return this.#untilBack(() => this.#server.start());
  }

  /** Cuts every connection between frpc and frps, and waits until frpc is back and every proxy runs. */
  cutWorkConnections(): Promise<void> {
    const relay = this.#relay;
    if (relay === undefined) throw new Error("The tunnel was started without `cuttable`");
    return this.#untilBack(() => relay.cut());
  }

  /** frpc's proxies; none before it has logged in. After a connection broke, the former state until it is back. */
  async status(): Promise<readonly ProxyStatus[]> {
    const response = await this.#call("status");
    const byType: Record<string, readonly ProxyStatus[]> = await response.json();
    return Object.values(byType).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killClient();
    await this.killServer();
    this.#relay?.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  /** Each proxy has to start anew: the admin API goes on saying `running` while the connection is gone. */
  async #untilBack(act: () => void): Promise<void> {
    const from = this.#client.lines.length;
    act();
    const names = namesIn(this.clientConfig);
    await eventually(() => {
      const since = this.#client.lines.slice(from).filter((line) => line.includes(PROXY_STARTED));
      return names.every((name) => since.some((line) => line.includes(`[${name}] `)));
    }, { what: () => `for frpc to start its proxies:\n${this.lastWords}` });
    await this.#untilRunning();
  }

  #untilRunning(): Promise<void> {
    const names = namesIn(this.clientConfig);
    return eventually(async () => {
      const statuses = await this.status();
      return statuses.length === names.length &&
        statuses.every(({ name, status }) => names.includes(name) && status === "running");
    }, { what: () => `for every proxy to run:\n${this.lastWords}` });
  }

  #call(path: string): Promise<Response> {
    const authorization = `Basic ${btoa(`:${this.#password}`)}`;
    return fetch(`${this.#admin}/${path}`, { headers: { authorization } });
  }

  #writeClientConfig(): void {
    Deno.writeTextFileSync(`${this.#folder}/frpc.toml`, PLAIN_LOG + this.clientConfig);
  }
}

const PLAIN_LOG = "log.disablePrintColor = true\n";
const SERVER_READY = /frps started successfully/;
const PROXY_STARTED = "start proxy success";

function namesIn(config: string): string[] {
  return [...config.matchAll(/^name = "(.*)"$/gm)].map(([, name = ""]) => name);
}

/** How {@link TunnelledServer} departs from the usual server and tunnel. */
export interface TunnelledServerOptions
  extends Pick<FrpTunnelOptions, "protocol" | "cuttable" | "edit"> {
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
): Mapping {
  const { hostname, port } = new URL(server.origin);
  return mapPorts({
    signalling: { hostname, port: Number(port) },
    publicUrl: undefined,
    media: {
      listen: "127.0.0.1",
      portMin: server.portMin,
      portMax: server.portMin + media - 1,
      publicPortMin: ports.mediaMin,
      tcp,
    },
    part: "all",
  });
}
