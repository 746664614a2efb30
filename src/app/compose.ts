import { sleep, SYSTEM_CLOCK } from "../base/clock.ts";
import { AppError, errorText } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { type EncoderFactory, VIDEO_CODECS, type VideoCodec } from "../media/encoder.ts";
import { createFfmpegEncoders } from "../media/ffmpeg_encoder.ts";
import type { FrameSourceFactory } from "../media/frame.ts";
import type { IdleLibrary } from "../media/idle/library.ts";
import { createOpusEncoder } from "../media/opus_encoder.ts";
import { measureEventLoopLag } from "../observability/event_loop.ts";
import { PortLeases } from "../ports/leases.ts";
import type { MediaPort } from "../ports/media_port.ts";
import { openPortRange } from "../ports/port_range.ts";
import { SessionRegistry } from "../session/registry.ts";
import { createAccessCheck } from "../signalling/access.ts";
import { createHttpApp } from "../signalling/http_app.ts";
import { PathProbe } from "../transport/path_probe.ts";
import { createPeerFactory } from "../transport/peer_factory.ts";
import { createServerCertificate, type ServerCertificate } from "../transport/secure_channel.ts";
import { VIEWER_ASSETS } from "../viewer/assets.ts";
import { openIdleLibrary } from "./idle.ts";
import { createPathChecks } from "./path_checks.ts";
import { publicAddressesOf, type PublicAddressFinder, publicPortOf } from "./public_address.ts";
import { openRenderer } from "./renderer.ts";
import { readSecret } from "./secret.ts";
import type { Observers, Setting } from "./setting.ts";
import { warmUp } from "./warm_up.ts";

/** Time for the words of farewell to reach the viewers before their connections end, in milliseconds. */
const FAREWELL_MS = 250;

/** The server cannot start. */
export class StartError extends AppError<"listen_failed" | "tls_files"> {}

/** A server that listens. */
export interface RunningServer {
  /** The address of HTTP and WebSocket; its port is the bound one. */
  readonly address: Deno.NetAddr;
  /** The bound media ports. */
  readonly mediaPorts: readonly number[];
  /** Those of them that take TCP too. */
  readonly tcpMediaPorts: readonly number[];
  /** Ends viewers, then sessions, then the renderer, then the sockets. Idempotent. */
  close(): Promise<void>;
}

/**
 * Builds the whole server and starts it: ports first, then the renderer, then HTTP, so that whoever reaches it finds
 * it whole.
 * @throws {AppError} When no port can be bound, the renderer cannot be opened, or the HTTP address is taken.
 */
export async function startServer(config: Config, setting: Setting): Promise<RunningServer> {
  const { observers } = setting;
  const { secretFile } = config.auth;
  const secret = secretFile === undefined ? undefined : await readSecret(secretFile);
  await using started = new AsyncDisposableStack();
  const parts = await openParts(config, { setting, started });
  const registry = createRegistry(config, { parts, observers });
  started.defer(() => registry.close());
  const lag = measureEventLoopLag(observers.meter);
  started.defer(() => lag[Symbol.dispose]());

  const draining = new AbortController();
  const warmingUp = { done: false };
  const app = createHttpApp({
    door: registry,
    assets: VIEWER_ASSETS,
    health: () => [
      ...(draining.signal.aborted ? ["shutting down"] : []),
      ...(warmingUp.done ? [] : ["warming up"]),
    ],
    metricsText: observers.metricsText,
    sessionsJson: () => registry.report,
    pathChecks: createPathChecks({
      ...parts,
      publicPort: (localPort) => publicPortOf(localPort, config.webrtc),
    }),
    allowedOrigins: config.server.allowedOrigins,
    ...(secret === undefined ? {} : { access: createAccessCheck(secret) }),
    log: observers.log,
    meter: observers.meter,
    webSockets: { signal: draining.signal },
  });
  const closing = new AbortController();
  const server = await listen(config, { handler: app, signal: closing.signal });
  started.defer(async () => {
    draining.abort();
    await sleep(SYSTEM_CLOCK, FAREWELL_MS);
    // Not by `shutdown`, which waits for ever for a client that left in the middle of an upgrade.
    closing.abort();
    await server.finished;
  });
  // Behind everything else: who comes meanwhile is served, only a little later.
  const warm = warmUp({ ...parts, video: config.video, log: observers.log }).then(() => {
    warmingUp.done = true;
  });
  started.defer(() => warm);

  const running = started.move();
  return {
    address: server.addr,
    mediaPorts: parts.ports.map(({ port }) => port),
    tcpMediaPorts: parts.ports.filter(({ takesTcp }) => takesTcp).map(({ port }) => port),
    close: () => running.disposeAsync(),
  };
}

/** What sessions and peers are made with. */
interface Parts {
  readonly ports: readonly MediaPort[];
  readonly probe: PathProbe;
  readonly publicAddress: PublicAddressFinder;
  readonly idle: IdleLibrary;
  readonly renderer: FrameSourceFactory;
  readonly certificate: ServerCertificate;
  readonly encoders: EncoderFactory;
  /** What may be sent, best first. */
  readonly codecs: readonly VideoCodec[];
}

async function openParts(
  config: Config,
  { setting, started }: { setting: Setting; started: AsyncDisposableStack },
): Promise<Parts> {
  const { log, meter } = setting.observers;
  const { listen, portMin, portMax, tcp } = config.webrtc;
  const range = { hostname: listen, portMin, portMax, tcp };
  const { ports, failed } = openPortRange({ ...range, clock: SYSTEM_CLOCK, meter, log });
  started.defer(async () => {
    await Promise.all(ports.map((port) => port.close()));
  });
  for (const each of failed) log.error("port_not_bound", { ...each });
  const idle = await openIdleLibrary(config, log);
  started.defer(() => idle.close());
  // Leased for good, so that a session that falls idle never waits for it to be decoded.
  const usual = idle.clip(undefined, config.video);
  started.defer(async () => (await usual).release());
  const renderer = await openRenderer(config, setting);
  started.defer(() => renderer.close());
  return {
    ports,
    probe: new PathProbe(ports.map(({ port }) => port), { clock: SYSTEM_CLOCK }),
    publicAddress: publicAddressesOf(config),
    idle,
    renderer,
    certificate: await createServerCertificate(),
    encoders: createFfmpegEncoders(config.video.encoder),
    codecs: config.video.codec === "auto" ? VIDEO_CODECS : [config.video.codec],
  };
}

function createRegistry(
  config: Config,
  { parts, observers }: { parts: Parts; observers: Observers },
): SessionRegistry {
  const { webrtc, sessions, video } = config;
  const shared = { clock: SYSTEM_CLOCK, log: observers.log, meter: observers.meter };
  return new SessionRegistry({
    ...shared,
    ...(config.audio.enabled
      ? { openAudioEncoder: () => createOpusEncoder({ bitrateKbps: config.audio.bitrateKbps }) }
      : {}),
    leases: new PortLeases(parts.ports.map(({ port }) => port), {
      placesPerPort: webrtc.peersPerPort,
    }),
    peers: createPeerFactory({ ...shared, ...parts }),
    renderer: parts.renderer,
    encoders: parts.encoders,
    loadIdleClip: (name, format) => parts.idle.clip(name, format),
    video,
    deadlines: {
      connectTimeoutMs: webrtc.connectTimeoutS * 1000,
      idleTimeoutMs: webrtc.idleTimeoutS * 1000,
    },
    sessionsMax: sessions.max,
    viewersPerSession: sessions.viewersPerSession,
    publicAddress: parts.publicAddress,
  });
}

async function listen(
  config: Config,
  { handler, signal }: { handler: Deno.ServeHandler; signal: AbortSignal },
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const { listen: { hostname, port }, tlsCert, tlsKey } = config.server;
  const tls = tlsCert === undefined || tlsKey === undefined
    ? {}
    : { cert: await readPem("tls_cert", tlsCert), key: await readPem("tls_key", tlsKey) };
  try {
    return Deno.serve({ hostname, port, signal, onListen() {}, ...tls }, handler);
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
