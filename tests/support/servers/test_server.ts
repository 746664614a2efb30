import { stringify } from "toml";
import { type RunningServer, startServer } from "../../../src/app/compose.ts";
import { type MetricName, openMetrics } from "../../../src/app/metrics.ts";
import { type Logger, NULL_LOGGER } from "../../../src/base/log.ts";
import type { Config } from "../../../src/config/config.ts";
import { parseConfig } from "../../../src/config/parse.ts";
import { METRIC_PREFIX } from "../../../src/observability/metrics.ts";
import type { SessionReport } from "../../../src/session/report.ts";
import { eventually } from "../deadline.ts";

/** Servers in the process of a test isolate no library, unless told how. */
export const NO_HOST = ["false"] as const;

/** Keys of config.toml, as the file has them. */
export type ConfigOverrides = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** How {@link startTestServer} departs from its usual server. */
export interface TestServerOptions {
  /** UDP ports. Default 2. */
  readonly ports?: number;
  /** Default: no log. */
  readonly log?: Logger;
  /** Starts the process of an isolated library. Default: {@link NO_HOST}. */
  readonly bridgeHostCommand?: readonly [program: string, ...args: string[]];
}

/** A small picture, so that tests are light. Ports are added. */
const DEFAULTS: ConfigOverrides = {
  server: { listen: "127.0.0.1:0" },
  // As long as tests are patient: on a busy machine a handshake takes seconds.
  webrtc: { listen: "127.0.0.1", connect_timeout_s: 45 },
  // Other tests use the same cores.
  sessions: { refuse_when_busy: false },
  video: { width: 160, height: 120, fps: 30, bitrate_kbps: 400, encoder: "auto" },
};

/** Ports are looked for below the range that hosts give away by themselves, which starts at 32768. */
const PORTS_FROM = 12_000;
const PORTS_TO = 32_000;
const PORT_TRIES = 50;

/** The whole server in this process, on 127.0.0.1. */
export class TestServer implements AsyncDisposable {
  readonly config: Config;
  readonly #server: RunningServer;
  readonly #metricsText: () => Promise<string>;

  constructor(config: Config, server: RunningServer, metricsText: () => Promise<string>) {
    this.config = config;
    this.#server = server;
    this.#metricsText = metricsText;
  }

  /** Such as `127.0.0.1:40123`. */
  get host(): string {
    return `127.0.0.1:${this.#server.address.port}`;
  }

  /** Where operators have an address of their own. */
  get adminPort(): number | undefined {
    return this.#server.adminAddress?.port;
  }

  /** Where viewers of a session connect. */
  signallingUrl(session: string): string {
    return `ws://${this.host}/ws/${session}`;
  }

  /** The bound UDP ports. */
  get ports(): readonly number[] {
    return this.#server.mediaPorts;
  }

  /** What `/api/sessions` shows. */
  async sessions(): Promise<readonly SessionReport[]> {
    return await (await fetch(`http://${this.host}/api/sessions`)).json();
  }

  /** Sum over all series of a metric that have these labels. */
  async metric(
    name: MetricName,
    labels: Readonly<Record<string, string | number>> = {},
  ): Promise<number> {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return (await this.#metricsText()).split("\n")
      .filter((line) => /^[^{ ]*/.exec(line)?.[0] === METRIC_PREFIX + name)
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** Places that somebody holds, on all ports together. */
  usedPlaces(): Promise<number> {
    return this.metric("port_places", { state: "used" });
  }

  /** Waits until the server's own practice runs are over, so that they take no time from the test. */
  async warm(): Promise<void> {
    await eventually(async () => {
      const response = await fetch(`http://${this.host}/readyz`);
      await response.body?.cancel();
      return response.ok;
    }, { what: "for the server to be ready" });
  }

  /** Takes these keys over, and what they leave out as a test server has it. */
  async reload(overrides: ConfigOverrides): Promise<void> {
    await this.#server.reload(testConfig(overrides, this.config.webrtc));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }
}

/** Starts the server. It is warm when the promise settles. */
export async function startTestServer(
  overrides: ConfigOverrides = {},
  { ports = 2, log = NULL_LOGGER, bridgeHostCommand = NO_HOST }: TestServerOptions = {},
): Promise<TestServer> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const config = testConfig(overrides, freePortRange(ports));
    const { meter, metricsText } = openMetrics();
    const server = await startServer(config, {
      observers: { log, meter, metricsText },
      bridgeHostCommand,
    });
    // Another test may have taken a port in between.
    if (server.mediaPorts.length === ports) {
      const started = new TestServer(config, server, metricsText);
      await started.warm();
      return started;
    }
    await server.close();
  }
  throw new Error(`Found no ${ports} free UDP ports in a row`);
}

/** An inclusive range of UDP ports. */
export interface PortSpan {
  readonly portMin: number;
  readonly portMax: number;
}

/** The configuration of a test server on these ports. */
export function testConfig(overrides: ConfigOverrides, { portMin, portMax }: PortSpan): Config {
  const sections = new Set([...Object.keys(DEFAULTS), ...Object.keys(overrides)]);
  const values = [...sections].map((name) => [name, { ...DEFAULTS[name], ...overrides[name] }]);
  const table: Record<string, Record<string, unknown>> = Object.fromEntries(values);
  const webrtc = { ...table.webrtc, port_min: portMin, port_max: portMax };
  const text = stringify({ ...table, webrtc });
  const parsed = parseConfig({ text, fileName: "test.toml", env: {} });
  if ("problems" in parsed) throw new Error(`Bad overrides: ${JSON.stringify(parsed.problems)}`);
  return parsed.config;
}

/** Ports of 127.0.0.1 in a row that nobody has at this moment, by UDP and by TCP. */
export function freePortRange(count: number): PortSpan {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const portMin = PORTS_FROM + Math.floor(Math.random() * (PORTS_TO - PORTS_FROM));
    const span = { portMin, portMax: portMin + count - 1 };
    if (isFree(span)) return span;
  }
  throw new Error(`Found no ${count} free UDP ports in a row`);
}

function isFree({ portMin, portMax }: PortSpan): boolean {
  const sockets: { close(): void }[] = [];
  try {
    for (let port = portMin; port <= portMax; port++) {
      sockets.push(Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }));
      sockets.push(Deno.listen({ hostname: "127.0.0.1", port }));
    }
    return true;
  } catch {
    return false;
  } finally {
    for (const socket of sockets) socket.close();
  }
}
