import { ADMIN_PASSWORD_VARIABLE, formatFrpcToml } from "../../../src/tunnel/frpc_toml.ts";
import { formatFrpsToml } from "../../../src/tunnel/frps_toml.ts";
import type { PortMapping } from "../../../src/tunnel/port_mapping.ts";
import type { TunnelProtocol } from "../../../src/tunnel/settings.ts";
import { eventually } from "../deadline.ts";
import { PUBLIC_ADDRESS, type PublicPorts } from "./frp_ports.ts";
import { FrpProcess } from "./frp_process.ts";
import { findFrp, frpAdvice } from "./frp_programs.ts";
import { TcpRelay } from "../network/tcp_relay.ts";

const TOKEN_VARIABLE = "FRP_TOKEN";

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
  readonly mapping: PortMapping;
  /** Default: tcp. */
  readonly protocol?: TunnelProtocol;
  /**
   * Puts a relay between the two, so that {@link FrpTunnel.cutWorkConnections} and {@link FrpTunnel.bytesPassed} work.
   * Not for UDP protocols.
   */
  readonly cuttable?: boolean;
  /** PEM texts for the relay to end TLS with, as a web server does by wss; only with `cuttable`. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** `transport.tcpMux` of both ends. Default: true. */
  readonly tcpMux?: boolean;
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
  /** Where frpc's admin API is, and what it wants. */
  readonly admin: { readonly url: string; readonly password: string };
  readonly #server: FrpProcess;
  readonly #client: FrpProcess;
  readonly #relay: TcpRelay | undefined;

  private constructor(options: FrpTunnelOptions, folder: string) {
    const programs = findFrp();
    if (programs === undefined) throw new Error(`No frp: ${frpAdvice()}`);
    const { ports, mapping, protocol = "tcp", cuttable = false, tcpMux = true } = options;
    const { edit = (text) => text, tls } = options;
    this.#folder = folder;
    this.#relay = cuttable
      ? new TcpRelay(ports.frps, { targetHostname: PUBLIC_ADDRESS, ...(tls && { tls }) })
      : undefined;
    this.admin = {
      url: `http://${PUBLIC_ADDRESS}:${ports.admin}`,
      password: crypto.randomUUID(),
    };
    const frps = { hostname: PUBLIC_ADDRESS, port: ports.frps };
    const near = this.#relay && { hostname: "127.0.0.1", port: this.#relay.port };
    const settings = { mapping, protocol, tokenVariable: TOKEN_VARIABLE };
    const admin = { hostname: PUBLIC_ADDRESS, port: ports.admin };
    const muxed = (text: string) => tcpMux ? text : withoutMux(text);
    const clientConfig = formatFrpcToml({ ...settings, server: near ?? frps, admin });
    this.clientConfig = edit(muxed(clientConfig));
    const serverConfig = `bindAddr = "${PUBLIC_ADDRESS}"\nproxyBindAddr = "${PUBLIC_ADDRESS}"\n` +
      // By wss it has a port of its own, which another program may have here.
      muxed(formatFrpsToml({ ...settings, server: frps }))
        .replace(/^bindPort = .*$/m, `bindPort = ${ports.frps}`);
    Deno.writeTextFileSync(`${folder}/frps.toml`, PLAIN_LOG + serverConfig);
    this.#writeClientConfig();
    const env = { [TOKEN_VARIABLE]: crypto.randomUUID() };
    this.#server = new FrpProcess([programs.frps, "-c", `${folder}/frps.toml`], env);
    this.#client = new FrpProcess([programs.frpc, "-c", `${folder}/frpc.toml`], {
      ...env,
      [ADMIN_PASSWORD_VARIABLE]: this.admin.password,
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

  /** Bytes that went between frpc and frps so far, both ways together: what TCP carried, without its headers. */
  get bytesPassed(): number {
    if (this.#relay === undefined) throw new Error("The tunnel was started without `cuttable`");
    return this.#relay.bytesPassed;
  }

  /** Ends frpc by SIGKILL. */
  killClient(): Promise<void> {
    return this.#client.kill();
  }

  /** Starts frpc and waits until every proxy runs. */
  startClient(): Promise<void> {
    return this.#untilBack(() => this.#client.start());
  }

  /** Ends frpc by SIGKILL, starts it again, and waits until every proxy runs. */
  async restartClient(): Promise<void> {
    await this.killClient();
    await this.startClient();
  }

  /** Has frpc read another file, and waits until every proxy of it runs. Proxies that did not change go on. */
  async reloadClient(config: string): Promise<void> {
    await this.tellClient(config);
    await this.#untilRunning();
  }

  /** {@link reloadClient} for a file with proxies that cannot run: it does not wait for them. */
  async tellClient(config: string): Promise<void> {
    this.clientConfig = config;
    this.#writeClientConfig();
    const response = await this.#call("reload?strictConfig=true");
    const text = await response.text();
    if (!response.ok) throw new Error(`frpc does not take the file: ${text}`);
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
    const { url, password } = this.admin;
    const authorization = `Basic ${btoa(`:${password}`)}`;
    return fetch(`${url}/api/${path}`, { headers: { authorization } });
  }

  #writeClientConfig(): void {
    Deno.writeTextFileSync(`${this.#folder}/frpc.toml`, PLAIN_LOG + this.clientConfig);
  }
}

const PLAIN_LOG = "log.disablePrintColor = true\n";
const SERVER_READY = /frps started successfully/;
const PROXY_STARTED = "start proxy success";

function withoutMux(toml: string): string {
  return toml.replace(/^transport\.tcpMux = true$/m, "transport.tcpMux = false")
    .replace(/^transport\.tcpMuxKeepaliveInterval = .*\n/m, "");
}

function namesIn(config: string): string[] {
  return [...config.matchAll(/^name = "(.*)"$/gm)].map(([, name = ""]) => name);
}
