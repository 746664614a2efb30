import { formatPortList } from "../base/public_ports.ts";
import { formatHostPort } from "../base/host_port.ts";
import { type RunningServer, startServer } from "../app/compose.ts";
import { ownDescriptorWarning } from "../app/descriptors.ts";
import { publicPortOf } from "../app/public_address.ts";
import { openServiceLink, type ServiceLink } from "../app/service.ts";
import type { ServerContext } from "../app/server_context.ts";
import type { LogFields } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { readServiceVariables } from "../config/environment.ts";
import { warningsOf } from "../config/checks.ts";
import { isStderrJournal } from "../observability/systemd.ts";
import { createLogSink } from "../observability/log_sink.ts";
import { openMetrics } from "../app/metrics.ts";
import { openSafetyNet } from "../observability/safety_net.ts";
import { openTracer } from "../observability/traces.ts";
import { hostCommand } from "./host_command.ts";
import { printError } from "./print.ts";
import { type ConfigChoice, loadServerConfig, reloadServer } from "./reload.ts";
import { listenForSignals } from "./signals.ts";

/** Time limit for closing, in milliseconds, counted from the end of the drain; then the process exits. */
const CLOSE_DEADLINE_MS = 10_000;

/** Extra time that is requested from systemd, in milliseconds, so that it does not kill the process first. */
const EXIT_MARGIN_MS = 5_000;

/** `pinhole serve`: runs the server until a signal stops it. */
export async function serve(
  { version, ...choice }: ConfigChoice & { version: string },
): Promise<void> {
  const startedMs = performance.now();
  const { config, file } = await loadServerConfig(choice);
  const variables = readServiceVariables();
  using sink = createLogSink({
    ...config.log,
    isTerminal: Deno.stderr.isTerminal(),
    isJournal: isStderrJournal(variables.JOURNAL_STREAM),
    write: printError,
  });
  const { logger: log } = sink;
  const { meter, metricsText } = openMetrics();
  meter.gauge("build_info", 1, { version, deno: Deno.version.deno });
  const starting = Promise.withResolvers<RunningServer>();
  // First, so that no event of the start-up is lost.
  const stopped = listenForSignals({
    // At a reload the file is required: if it were optional, and missing while an editor writes it, the defaults would
    // apply, which need no tokens.
    reload: async () =>
      await reloadServer(await starting.promise, {
        choice: { ...choice, config: choice.config ?? file },
        sink,
      }),
    log,
  });
  log.info("starting", { version, config: file ?? "defaults" });
  for (const problem of warningsOf(config)) log.warn("config_doubtful", { problem });
  const few = ownDescriptorWarning(config);
  if (few !== undefined) log.warn("descriptors_few", { problem: few.text, fix: few.fix });
  const observers = { log, meter, metricsText, tracer: openTracer(version) };
  const context = { observers, version, bridgeHostCommand: hostCommand("bridge-host") };
  using service = openServiceLink(variables);
  const server = await startUnlessStopped(config, { context, stopped, service });
  if (server === undefined) return log.info("stopped");
  // Not earlier: an error during start-up must end the process.
  using _net = openSafetyNet({ log, meter });
  service.ready(server);
  log.info("listening", { ...listenersOf(server), ms: Math.round(performance.now() - startedMs) });
  starting.resolve(server);

  const signal = await stopped;
  const { drainS } = server.config().server;
  const withinMs = drainS * 1000 + CLOSE_DEADLINE_MS;
  log.info("stopping", { signal, drain_s: drainS, now: server.occupancy() });
  service.stopping(withinMs + EXIT_MARGIN_MS);
  const deadline = setTimeout(() => {
    log.error("stop_took_too_long", { ms: withinMs });
    Deno.exit(1);
  }, withinMs);
  await server.close();
  clearTimeout(deadline);
  log.info("stopped");
}

/**
 * Starts the server. A signal to stop is reported at once in the log and to systemd; the process exits when the
 * renderer has opened, because loading a library cannot be interrupted.
 * @returns `undefined` if a signal arrived before the server listened.
 */
async function startUnlessStopped(
  config: Config,
  { context, stopped, service }: {
    context: ServerContext;
    stopped: Promise<Deno.Signal>;
    service: ServiceLink;
  },
): Promise<RunningServer | undefined> {
  const unwanted = new AbortController();
  let isStarting = true;
  void stopped.then((signal) => {
    if (!isStarting) return;
    context.observers.log.info("stopping", { signal, waits_for: "renderer" });
    service.stopping(CLOSE_DEADLINE_MS + EXIT_MARGIN_MS);
    unwanted.abort();
  });
  try {
    return await startServer(config, { ...context, unwanted: unwanted.signal });
  } catch (error) {
    if (error === unwanted.signal.reason) return undefined;
    throw error;
  } finally {
    isStarting = false;
  }
}

/** The listening addresses, and the public ones. */
function listenersOf(
  { address, adminAddress, config, mediaPorts, tcpMediaPorts }: RunningServer,
): LogFields {
  const { server: { tlsCert, publicUrl }, webrtc, reach } = config();
  const { hostname, port } = address;
  const publicPorts = mediaPorts.map((mediaPort) => publicPortOf(mediaPort, reach));
  const hasUdp = (port: number) =>
    reach.ports.some((planned) => planned.port === port && planned.udp !== undefined);
  const scheme = tlsCert === undefined ? "http" : "https";
  return {
    http: `${scheme}://${formatHostPort(hostname, port)}`,
    ...(adminAddress === undefined
      ? {}
      : { admin: `${scheme}://${formatHostPort(adminAddress.hostname, adminAddress.port)}` }),
    ...(webrtc.udp ? { udp: formatPortList(mediaPorts.filter(hasUdp)) } : {}),
    ...(webrtc.tcp ? { tcp: formatPortList(tcpMediaPorts) } : {}),
    public: formatHostPort(webrtc.publicIp ?? "(as reached)", formatPortList(publicPorts)),
    page: publicUrl ?? `${scheme}://localhost:${port}/`,
  };
}
