import { SYSTEM_CLOCK } from "../base/clock.ts";
import { AppError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import type { Config } from "../config/config.ts";
import { VIDEO_CODECS, type VideoCodec } from "../media/encoder.ts";
import { createFfmpegEncoders } from "../media/ffmpeg_encoder.ts";
import type { FrameSourceFactory } from "../media/frame.ts";
import { measureEventLoopLag } from "../observability/event_loop.ts";
import { PortLeases } from "../ports/leases.ts";
import { openPortRange, type PortRange } from "../ports/port_range.ts";
import { openRendererLibrary } from "../renderer/library.ts";
import { createTestPattern } from "../renderer/test_pattern.ts";
import { SessionRegistry } from "../session/registry.ts";
import { createHttpApp } from "../signalling/http_app.ts";
import { createPeerFactory } from "../transport/peer_factory.ts";
import { createServerCertificate } from "../transport/secure_channel.ts";
import { VIEWER_ASSETS } from "../viewer/assets.ts";
import { createPublicAddressFinder, resolveByHost } from "./public_address.ts";
import { warmUp } from "./warm_up.ts";

/** The server cannot start. */
export class StartError extends AppError<"listen_failed" | "tls_files"> {}

/** Where log lines and measurements go. */
export interface Observers {
  readonly log: Logger;
  readonly meter: Meter;
  /** The measurements in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
}

/** A server that listens. */
export interface RunningServer {
  /** The address of HTTP and WebSocket; its port is the bound one. */
  readonly address: Deno.NetAddr;
  /** The bound UDP ports. */
  readonly mediaPorts: readonly number[];
  /** Ends viewers, then sessions, then the renderer, then the sockets. Idempotent. */
  close(): Promise<void>;
}

/**
 * Builds the whole server and starts it: ports first, then the renderer, then HTTP, so that whoever reaches it finds
 * it whole.
 * @throws {AppError} When no port can be bound, the renderer cannot be opened, or the HTTP address is taken.
 */
export async function startServer(config: Config, observers: Observers): Promise<RunningServer> {
  const clock = SYSTEM_CLOCK;
  const { log, meter } = observers;
  await using started = new AsyncDisposableStack();

  const range = openPortRange({
    hostname: config.webrtc.listen,
    portMin: config.webrtc.portMin,
    portMax: config.webrtc.portMax,
  });
  started.defer(() => closePorts(range));
  for (const { port, reason } of range.failed) log.error("port_not_bound", { port, reason });

  const renderer = await openRenderer(config, log);
  started.defer(() => renderer.close());
  const certificate = await createServerCertificate();
  const codecs = codecsOf(config.video.codec);
  const encoders = createFfmpegEncoders(config.video.encoder);

  const registry = new SessionRegistry({
    leases: new PortLeases(range.ports.map(({ port }) => port), {
      placesPerPort: config.webrtc.peersPerPort,
    }),
    peers: createPeerFactory({ ports: range.ports, codecs, certificate, clock, meter, log }),
    renderer,
    encoders,
    video: config.video,
    deadlines: {
      connectTimeoutMs: config.webrtc.connectTimeoutS * 1000,
      idleTimeoutMs: config.webrtc.idleTimeoutS * 1000,
    },
    sessionsMax: config.sessions.max,
    viewersPerSession: config.sessions.viewersPerSession,
    publicAddress: createPublicAddressFinder({
      publicIp: config.webrtc.publicIp,
      portMin: config.webrtc.portMin,
      publicPortMin: config.webrtc.publicPortMin,
      ipv6: config.webrtc.listen.includes(":"),
      resolve: resolveByHost,
    }),
    clock,
    meter,
    log,
  });
  started.defer(() => registry.close());
  const lag = measureEventLoopLag(meter);
  started.defer(() => lag[Symbol.dispose]());
  const draining = new AbortController();
  let warm = false;
  const app = createHttpApp({
    door: registry,
    assets: VIEWER_ASSETS,
    health: () => [
      ...(draining.signal.aborted ? ["shutting down"] : []),
      ...(warm ? [] : ["warming up"]),
    ],
    metricsText: observers.metricsText,
    sessionsJson: () => registry.report,
    allowedOrigins: config.server.allowedOrigins,
    log,
    meter,
    webSockets: { signal: draining.signal },
  });
  const server = await listen(config, app);
  started.defer(() => server.shutdown());
  started.defer(() => draining.abort());
  // Behind everything else: who comes meanwhile is served, only a little later.
  const warming = warmUp({
    certificate,
    encoders,
    codec: codecs[0] ?? "h264",
    video: config.video,
    log,
  }).then(() => warm = true);
  started.defer(async () => void await warming);

  const running = started.move();
  return {
    address: server.addr,
    mediaPorts: range.ports.map(({ port }) => port),
    close: () => running.disposeAsync(),
  };
}

async function closePorts({ ports }: PortRange): Promise<void> {
  await Promise.all(ports.map((port) => port.close()));
}

async function openRenderer(config: Config, log: Logger): Promise<FrameSourceFactory> {
  const { library, options } = config.renderer;
  if (library === undefined) return createTestPattern({ clock: SYSTEM_CLOCK });
  const renderer = await openRendererLibrary({ path: library, options, log });
  log.info("renderer_opened", { library });
  return renderer;
}

function codecsOf(choice: Config["video"]["codec"]): readonly VideoCodec[] {
  return choice === "auto" ? VIDEO_CODECS : [choice];
}

async function listen(
  config: Config,
  handler: Deno.ServeHandler,
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const { listen: { hostname, port }, tlsCert, tlsKey } = config.server;
  const tls = tlsCert === undefined || tlsKey === undefined
    ? {}
    : { cert: await readPem("tls_cert", tlsCert), key: await readPem("tls_key", tlsKey) };
  try {
    return Deno.serve({ hostname, port, onListen() {}, ...tls }, handler);
  } catch (error) {
    const reason = error instanceof Deno.errors.AddrInUse
      ? "another program has it (see `ss -tlpn`)"
      : errorText(error);
    throw new StartError(
      "listen_failed",
      `Cannot listen on ${hostname}:${port} (server.listen): ${reason}`,
      { cause: error },
    );
  }
}

async function readPem(key: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new StartError(
      "tls_files",
      `Cannot read server.${key} "${path}": ${errorText(error)}`,
      { cause: error },
    );
  }
}
