import { fileURLToPath } from "node:url";
import { startServer } from "../../../src/app/compose.ts";
import { ListenError } from "../../../src/app/listener.ts";
import { NULL_LOGGER } from "../../../src/base/log.ts";
import { NULL_METER } from "../../../src/base/meter.ts";
import type { Config } from "../../../src/config/config.ts";
import { planDoctor } from "../../../src/cli/doctor_plan.ts";
import { examine } from "../../../src/doctor/diagnosis.ts";
import { request } from "../../../src/doctor/http.ts";
import type { CheckResult } from "../../../src/doctor/result.ts";
import { eventually, SOON_MS } from "../deadline.ts";
import { TcpRelay } from "../network/tcp_relay.ts";
import {
  type ConfigOverrides,
  freePortRange,
  NO_HOST,
  testConfig,
} from "../servers/test_server.ts";
import { UdpRelay } from "../network/udp_relay.ts";

/** Where the relays of a {@link TunnelledSite} take the media packets. */
export const PUBLIC_IP = "127.0.0.2";

const ATTEMPTS = 20;

/** A test is no program that could be started again. */
const PROBE_COMMAND: readonly [string, ...string[]] = [
  Deno.execPath(),
  "run",
  "-A",
  fileURLToPath(new URL("../../../main.ts", import.meta.url)),
  "renderer-probe-host",
];

/** How a site departs from one where everything is as it should be. */
export interface SiteOptions {
  readonly config?: ConfigOverrides;
  /** Media ports. Default 2. */
  readonly ports?: number;
  /** Whether the server runs. Default true. */
  readonly isServed?: boolean;
  /** Changes what goes back to visitors of the first media port. */
  readonly alterReply?: (reply: Uint8Array) => Uint8Array;
}

/** Other values for some keys. */
export type ConfigChanges = {
  readonly [Section in "server" | "webrtc" | "renderer" | "auth"]?: Partial<Config[Section]>;
};

/** A proxy as frpc's admin API tells of it. */
export interface AdminProxy {
  readonly name: string;
  readonly type: "tcp" | "udp";
  readonly status: string;
  readonly err: string;
  readonly local_addr: string;
  readonly remote_addr: string;
}

/** A server behind a tunnel of relays, with a pretended frpc, and the doctor for it. */
export class TunnelledSite implements AsyncDisposable {
  readonly config: Config;
  /** Towards HTTP and WebSocket. */
  readonly signalling: TcpRelay;
  /** Towards the media ports, in their order. */
  readonly media: readonly UdpRelay[];
  /** The same over TCP; empty without `webrtc.tcp`. */
  readonly mediaTcp: readonly TcpRelay[];
  readonly admin: FakeFrpcAdmin;
  readonly #parts: AsyncDisposableStack;

  private constructor(
    config: Config,
    parts: {
      signalling: TcpRelay;
      media: readonly UdpRelay[];
      mediaTcp: readonly TcpRelay[];
      admin: FakeFrpcAdmin;
      opened: AsyncDisposableStack;
    },
  ) {
    this.config = config;
    this.signalling = parts.signalling;
    this.media = parts.media;
    this.mediaTcp = parts.mediaTcp;
    this.admin = parts.admin;
    this.#parts = parts.opened;
  }

  /** Opens everything, on ports that nobody has. */
  static async open(options: SiteOptions = {}): Promise<TunnelledSite> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const site = await TunnelledSite.#tryOpen(options);
      if (site !== undefined) return site;
    }
    throw new Error("Found no free ports for a server and its tunnel");
  }

  static async #tryOpen(
    { config: overrides = {}, ports = 2, isServed = true, alterReply }: SiteOptions,
  ): Promise<TunnelledSite | undefined> {
    await using opened = new AsyncDisposableStack();
    const span = freePortRange(ports);
    const httpPort = freeTcpPort();
    const signalling = new TcpRelay(httpPort);
    opened.defer(() => signalling.close());
    const config = testConfig({
      ...overrides,
      server: {
        listen: `127.0.0.1:${httpPort}`,
        public_url: `http://127.0.0.1:${signalling.port}`,
        ...overrides.server,
      },
      webrtc: { listen: "127.0.0.1", public_ip: PUBLIC_IP, ...overrides.webrtc },
    }, span);
    const media: UdpRelay[] = [];
    const mediaTcp: TcpRelay[] = [];
    try {
      for (let port = span.portMin; port <= span.portMax; port++) {
        const alters = port === span.portMin && alterReply !== undefined ? { alterReply } : {};
        const relay = new UdpRelay({ hostname: PUBLIC_IP, port }, alters);
        opened.use(relay);
        relay.passTo(port);
        media.push(relay);
        if (!config.webrtc.tcp) continue;
        const tcp = new TcpRelay(port, { at: { hostname: PUBLIC_IP, port } });
        opened.defer(() => tcp.close());
        mediaTcp.push(tcp);
      }
      if (isServed) opened.use(await serve(config, { portsMin: ports }));
    } catch (error) {
      // Somebody else took a port between our look and now.
      if (error instanceof Deno.errors.AddrInUse || error instanceof ListenError) return undefined;
      throw error;
    }
    const admin = opened.use(new FakeFrpcAdmin(matchingProxies(config)));
    return new TunnelledSite(config, {
      signalling,
      media,
      mediaTcp,
      admin,
      opened: opened.move(),
    });
  }

  /**
   * What the doctor says of this site.
   * @param changes How the doctor's configuration departs from the server's.
   */
  async examine(changes: ConfigChanges = {}): Promise<CheckResult[]> {
    const config = {
      ...this.config,
      server: { ...this.config.server, ...changes.server },
      webrtc: { ...this.config.webrtc, ...changes.webrtc },
      renderer: { ...this.config.renderer, ...changes.renderer },
      auth: { ...this.config.auth, ...changes.auth },
    };
    const plan = await planDoctor(config, {
      source: "test.toml",
      frpcAdmins: [this.admin.url],
      deadlineMs: SOON_MS,
      probeCommand: PROBE_COMMAND,
    });
    return await Array.fromAsync(examine(plan));
  }

  /** Starts the server of a site that was opened without. */
  serve(): Promise<AsyncDisposable> {
    return serve(this.config);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** frpc's admin API, with the answers that a test gives it. */
export class FakeFrpcAdmin implements AsyncDisposable {
  /** What it tells of its proxies. */
  proxies: readonly AdminProxy[];
  /** `user:password` that it wants. */
  credentials: string | undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(proxies: readonly AdminProxy[]) {
    this.proxies = proxies;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #answer({ url, headers }: Request): Response {
    if (new URL(url).pathname !== "/api/status") return new Response("", { status: 404 });
    const wanted = this.credentials;
    if (wanted !== undefined && headers.get("Authorization") !== `Basic ${btoa(wanted)}`) {
      return new Response("Unauthorized", { status: 401 });
    }
    return Response.json(Object.groupBy(this.proxies, ({ type }) => type));
  }
}

/** The proxies that `pinhole frpc` would print for a configuration, as frpc tells of them when they run. */
function matchingProxies({ server, webrtc }: Config): AdminProxy[] {
  const running = { status: "running", err: "" };
  const publicPort = new URL(server.publicUrl ?? "").port;
  const count = webrtc.portMax - webrtc.portMin + 1;
  const protocols = webrtc.tcp ? ["udp", "tcp"] as const : ["udp"] as const;
  return [
    {
      ...running,
      name: "gpu_server_api",
      type: "tcp",
      local_addr: `127.0.0.1:${server.listen.port}`,
      remote_addr: `${PUBLIC_IP}:${publicPort}`,
    },
    ...protocols.flatMap((type) =>
      Array.from({ length: count }, (_, at): AdminProxy => ({
        ...running,
        name: `${type}_${webrtc.publicPortMin + at}`,
        type,
        local_addr: `127.0.0.1:${webrtc.portMin + at}`,
        remote_addr: `${PUBLIC_IP}:${webrtc.publicPortMin + at}`,
      }))
    ),
  ];
}

async function serve(
  config: Config,
  { portsMin = 1 }: { portsMin?: number } = {},
): Promise<AsyncDisposable> {
  const server = await startServer(config, {
    observers: { log: NULL_LOGGER, meter: NULL_METER, metricsText: () => Promise.resolve("") },
    bridgeHostCommand: NO_HOST,
  });
  if (server.mediaPorts.length < portsMin) {
    await server.close();
    throw new Deno.errors.AddrInUse();
  }
  const scheme = config.server.tlsCert === undefined ? "http" : "https";
  const url = `${scheme}://127.0.0.1:${server.address.port}/readyz`;
  const asked = { takesAnyCertificate: true, deadlineMs: SOON_MS };
  await eventually(async () => {
    const reply = await request(url, asked);
    return "status" in reply && reply.status === 200;
  }, { what: "for the server to be ready" });
  return { [Symbol.asyncDispose]: () => server.close() };
}

function freeTcpPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
