import { startServer } from "../app/compose.ts";
import type { LogLevel } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { createLogSink } from "../observability/log_sink.ts";
import { createMetrics } from "../observability/metrics.ts";
import { bridgeHostCommand } from "./bridge_host.ts";
import { loadUsableConfig } from "./check.ts";
import { printError } from "./print.ts";

/** Signals that stop the server in order. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** How long closing may take before the process leaves anyway, in milliseconds. */
const CLOSE_DEADLINE_MS = 10_000;

/** `pinhole serve`: runs the server until it is told to stop. */
export async function serve(
  options: { config: string | undefined; logLevel: LogLevel | undefined; version: string },
): Promise<void> {
  const startedMs = performance.now();
  const { config: { log: logConfig, ...others }, file } = await loadUsableConfig(options.config);
  const config = { ...others, log: { ...logConfig, level: options.logLevel ?? logConfig.level } };
  const { logger: log } = createLogSink({
    ...config.log,
    isTerminal: Deno.stderr.isTerminal(),
    write: printError,
  });
  const { meter, metricsText } = createMetrics();
  // Before anything is opened, so that a stop during start-up is not lost.
  const stopped = nextStopSignal();
  log.info("starting", { version: options.version, config: file ?? "defaults" });
  const server = await startServer(config, {
    observers: { log, meter, metricsText },
    bridgeHostCommand: bridgeHostCommand(),
  });
  const { hostname, port } = server.address;
  log.info("listening", {
    http: `${config.server.tlsCert === undefined ? "http" : "https"}://${hostname}:${port}`,
    udp: portList(server.mediaPorts),
    ...(config.webrtc.tcp ? { tcp: portList(server.tcpMediaPorts) } : {}),
    public: publicMapping(config),
    page: config.server.publicUrl ?? `http://localhost:${port}/`,
    ms: Math.round(performance.now() - startedMs),
  });

  log.info("stopping", { signal: await stopped });
  const deadline = setTimeout(() => {
    log.error("stop_took_too_long", { ms: CLOSE_DEADLINE_MS });
    Deno.exit(1);
  }, CLOSE_DEADLINE_MS);
  await server.close();
  clearTimeout(deadline);
  log.info("stopped");
}

function nextStopSignal(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, () => resolve(signal));
  });
}

/** The media ports on one line, runs of them shortened: `10111-10113,10115`. */
export function portList(ports: readonly number[]): string {
  const runs: [from: number, to: number][] = [];
  for (const port of ports) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === port - 1) last[1] = port;
    else runs.push([port, port]);
  }
  return runs.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(",");
}

function publicMapping({ webrtc }: Config): string {
  const last = webrtc.publicPortMin + webrtc.portMax - webrtc.portMin;
  return `${webrtc.publicIp ?? "(as reached)"}:${webrtc.publicPortMin}-${last}`;
}
