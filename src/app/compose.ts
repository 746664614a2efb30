import { SYSTEM_CLOCK } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Live } from "../base/live.ts";
import type { Config } from "../config/config.ts";
import { type EncoderFactory, VIDEO_CODECS, type VideoCodec } from "../media/encoder.ts";
import { createFfmpegEncoders } from "../media/ffmpeg_encoder.ts";
import { FreedMemory } from "../media/freed_memory.ts";
import { EncodedLoops } from "../media/idle/encoded_loops.ts";
import type { FrameSourceFactory } from "../media/frame.ts";
import { createOpusEncoder } from "../media/opus_encoder.ts";
import { measureEventLoopLag } from "../observability/event_loop.ts";
import { readDescriptorLimit } from "../ports/descriptor_limit.ts";
import { PortLeases } from "../ports/leases.ts";
import type { MediaPort } from "../ports/media_port.ts";
import { openPortRange } from "../ports/port_range.ts";
import { EncodingTurns } from "../session/encoding_turns.ts";
import { measureHeadroom } from "../session/headroom.ts";
import { SessionRegistry } from "../session/registry.ts";
import { PathProbe } from "../transport/ice/path_probe.ts";
import { CIPHERS } from "../transport/rtp/native_ciphers.ts";
import { createPeerFactory } from "../transport/peer_factory.ts";
import {
  createServerCertificate,
  type ServerCertificate,
} from "../transport/dtls/server_certificate.ts";
import { type ConnectionLimits, shareDescriptors } from "./descriptors.ts";
import { LiveSettings } from "./live_settings.ts";
import { createPathChecks } from "./path_checks.ts";
import { publicAddressesOf, type PublicAddressFinder, publicPortOf } from "./public_address.ts";
import { openRenderer } from "./renderer.ts";
import type { ConfigChanges } from "./reload_plan.ts";
import { type Listeners, serveHttp } from "./serve_http.ts";
import type { Observers, ServerContext } from "./server_context.ts";
import { warmUp } from "./warm_up.ts";

/** Time without a picture after which a session counts as hung, in milliseconds. */
const STUCK_MS = 10_000;

/** Pictures compressed at a time: one for each core, and two so that a GPU has work while a picture is sent. */
const ENCODINGS_MAX = Math.max(2, navigator.hardwareConcurrency);

/** A server that listens. */
export interface RunningServer {
  /** The address of HTTP and WebSocket; its port is the bound one. */
  readonly address: Deno.NetAddr;
  /** The separate address for operators, if there is one. */
  readonly adminAddress: Deno.NetAddr | undefined;
  /** The bound media ports. */
  readonly mediaPorts: readonly number[];
  /** The ports that accept TCP too. */
  readonly tcpMediaPorts: readonly number[];
  /** The current configuration. */
  readonly config: Live<Config>;
  /** The number of sessions and viewers, as text. */
  readonly occupancy: () => string;
  /** Which session hangs although the event loop runs; `undefined` if none does. A hanging renderer does not count. */
  readonly stuck: () => string | undefined;
  /**
   * Applies the settings that may change at run time. Calls must not overlap.
   * @returns The keys that differ, by when they take effect.
   * @throws {AppError} If a file that a key names cannot be used; then nothing has changed.
   */
  reload(wanted: Config): Promise<ConfigChanges>;
  /**
   * Refuses new viewers, waits up to `server.drain_s` for the others to leave, then closes viewers, sessions, the
   * renderer and the sockets, in this order. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Builds and starts the server: ports first, then the renderer, then HTTP, so that clients find it complete.
 * @throws {AppError} If no port can be bound, the renderer cannot be opened, or the HTTP address is in use.
 * @throws The reason of `context.unwanted`, if that is aborted before HTTP listens.
 */
export async function startServer(config: Config, context: ServerContext): Promise<RunningServer> {
  const { observers, version = "unknown" } = context;
  await using started = new AsyncDisposableStack();
  const live = started.use(await LiveSettings.open(config, observers.log));
  const connections = shareDescriptors(readDescriptorLimit(), config);
  const parts = await openParts(live, { context, started, connections });
  context.unwanted?.throwIfAborted();
  const turns = new EncodingTurns({ limit: ENCODINGS_MAX, clock: SYSTEM_CLOCK });
  const headroom = started.use(measureHeadroom({ ...observers, turns }));
  const isBusy = () => live.config.sessions.refuseWhenBusy && headroom.isBusy();
  const registry = createRegistry(live, { parts, observers, turns, isBusy });
  started.defer(() => registry.close());
  const lag = measureEventLoopLag(observers.meter);
  started.defer(() => lag[Symbol.dispose]());

  const state = { isLeaving: false, isWarm: false };
  const listeners = await serveHttp(live, {
    registry,
    headroom,
    observers,
    version,
    started,
    connections,
    pathChecks: createPathChecks({
      ...parts,
      publicPort: (localPort) => publicPortOf(localPort, live.config.reach),
    }),
    health: () => reasonsOf({ ...state, isBusy: isBusy() }),
  });
  // Last: viewers that connect meanwhile are served, only a little later.
  const warm = warmUp({ ...parts, video: config.video, log: observers.log }).then(() => {
    state.isWarm = true;
  });
  started.defer(() => warm);

  // Otherwise only refused viewers would notice it.
  findAll(parts, "127.0.0.1").catch((error) => {
    observers.log.warn("public_address_unknown", { error: errorText(error) });
  });

  const running = started.move();
  return {
    address: listeners.main.address,
    adminAddress: listeners.admin?.address,
    mediaPorts: parts.ports.map(({ port }) => port),
    tcpMediaPorts: parts.ports.filter(({ takesTcp }) => takesTcp).map(({ port }) => port),
    config: () => live.config,
    occupancy: () => occupancyOf(registry),
    stuck: () => standstillOf(registry),
    reload: (wanted) => reload(wanted, { live, listeners }),
    async close() {
      state.isLeaving = true;
      await registry.drain(live.config.server.drainS);
      await running.disposeAsync();
    },
  };
}

/** Finds the public addresses by the current configuration. */
function livePublicAddresses(config: Live<Config>): PublicAddressFinder {
  let [made, find] = [config(), publicAddressesOf(config())];
  return (localPort, reachedHost) => {
    if (config() !== made) [made, find] = [config(), publicAddressesOf(config())];
    return find(localPort, reachedHost);
  };
}

/**
 * Resolves the names that the public addresses of all ports need.
 * @throws If no port has an address.
 */
async function findAll({ ports, publicAddresses }: Parts, reachedHost: string): Promise<void> {
  const outcomes = await Promise.allSettled(
    ports.map(({ port }) => publicAddresses(port, reachedHost)),
  );
  const [first] = outcomes;
  const isFound = outcomes.some(({ status }) => status === "fulfilled");
  if (!isFound && first?.status === "rejected") throw first.reason;
}

/** Why the server is not ready. */
function reasonsOf(
  state: { readonly isLeaving: boolean; readonly isWarm: boolean; readonly isBusy: boolean },
): string[] {
  return [
    ...(state.isLeaving ? ["shutting down"] : []),
    ...(state.isWarm ? [] : ["warming up"]),
    ...(state.isBusy ? ["busy"] : []),
  ];
}

async function reload(
  wanted: Config,
  { live, listeners }: { live: LiveSettings; listeners: Listeners },
): Promise<ConfigChanges> {
  const changes = await live.change(wanted);
  await Promise.all([listeners.main.reload(), listeners.admin?.reload()]);
  return changes;
}

function occupancyOf({ report }: SessionRegistry): string {
  const viewers = report.reduce((sum, session) => sum + session.viewers.length, 0);
  return `${report.length} sessions, ${viewers} viewers`;
}

function standstillOf({ standstill }: SessionRegistry): string | undefined {
  if (standstill === undefined || standstill.ms < STUCK_MS) return undefined;
  return `session ${standstill.session} has sent no picture for ${standstill.ms / 1000} s`;
}

/** Parts that sessions and peers need. */
interface Parts {
  readonly ports: readonly MediaPort[];
  readonly probe: PathProbe;
  readonly publicAddresses: PublicAddressFinder;
  readonly renderer: FrameSourceFactory;
  readonly certificate: ServerCertificate;
  readonly encoders: EncoderFactory;
  readonly idleLoops: EncodedLoops;
  /** Codecs that may be sent, in order of preference. */
  readonly codecs: readonly VideoCodec[];
}

async function openParts(
  live: LiveSettings,
  { context, started, connections }: {
    context: ServerContext;
    started: AsyncDisposableStack;
    connections: ConnectionLimits;
  },
): Promise<Parts> {
  const { config } = live;
  const { log, meter } = context.observers;
  const range = {
    hostname: config.webrtc.listen,
    ports: config.reach.ports.map(({ port, udp, tcp }) => ({
      port,
      udp: udp !== undefined,
      tcp: tcp !== undefined,
    })),
  };
  const { perMediaPort: connectionsMax, unprovenPerMediaPort: unprovenMax } = connections;
  const limits = { connectionsMax, unprovenMax };
  const { ports, failed } = openPortRange({ ...range, ...limits, clock: SYSTEM_CLOCK, meter, log });
  started.defer(async () => {
    await Promise.all(ports.map((port) => port.close()));
  });
  for (const each of failed) log.error("port_not_bound", { ...each });
  log.info("packet_path", { sent_by: ports[0]?.sendsBy, encrypted_by: CIPHERS.name });
  const renderer = await openRenderer(config, context);
  started.defer(() => renderer.close());
  const freed = new FreedMemory({ clock: SYSTEM_CLOCK });
  started.defer(() => freed.close());
  const encoders = createFfmpegEncoders(config.video.encoder, { onFreed: () => freed.note() });
  const idleLoops = new EncodedLoops({ encoders, clock: SYSTEM_CLOCK, meter, log });
  started.defer(() => idleLoops.close());
  return {
    ports,
    probe: new PathProbe(ports.map(({ port }) => port), { clock: SYSTEM_CLOCK }),
    publicAddresses: livePublicAddresses(() => live.config),
    renderer,
    certificate: createServerCertificate(),
    encoders,
    idleLoops,
    codecs: config.video.codec === "auto" ? VIDEO_CODECS : [config.video.codec],
  };
}

function createRegistry(
  live: LiveSettings,
  { parts, observers, turns, isBusy }: {
    parts: Parts;
    observers: Observers;
    turns: EncodingTurns;
    isBusy: Live<boolean>;
  },
): SessionRegistry {
  const { webrtc, audio } = live.config;
  const shared = { clock: SYSTEM_CLOCK, log: observers.log, meter: observers.meter };
  return new SessionRegistry({
    ...shared,
    ...(observers.tracer === undefined ? {} : { tracer: observers.tracer }),
    ...(audio.enabled ? { openAudioEncoder: () => createOpusEncoder(live.config.audio) } : {}),
    leases: new PortLeases(parts.ports.map(({ port }) => port), {
      placesPerPort: webrtc.peersPerPort,
    }),
    peers: createPeerFactory({ ...shared, ...parts }),
    renderer: parts.renderer,
    encoders: parts.encoders,
    idleLoops: parts.idleLoops,
    turns,
    isBusy,
    loadIdleClip: (name, format) => live.idle.clip(name, format),
    video: () => live.config.video,
    deadlines: () => deadlinesOf(live.config),
    roomLimits: () => roomLimitsOf(live.config),
    rateLimits: () => rateLimitsOf(live.config),
    publicAddresses: parts.publicAddresses,
    findAddress: (reachedHost) => findAll(parts, reachedHost),
  });
}

function deadlinesOf({ webrtc }: Config) {
  return {
    connectTimeoutMs: webrtc.connectTimeoutS * 1000,
    idleTimeoutMs: webrtc.idleTimeoutS * 1000,
  };
}

function roomLimitsOf({ sessions }: Config) {
  return { sessionsMax: sessions.max, viewersPerSession: sessions.viewersPerSession };
}

function rateLimitsOf({ video }: Config) {
  return { floorKbps: video.minBitrateKbps, ceilingKbps: video.bitrateKbps };
}
