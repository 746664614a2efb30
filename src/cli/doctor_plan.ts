import { formatHostPort } from "../base/host_port.ts";
import { startServer } from "../app/compose.ts";
import { publicAddressesOf } from "../app/public_address.ts";
import { readSecret } from "../app/secret.ts";
import type { ServerContext } from "../app/server_context.ts";
import { SYSTEM_CLOCK } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import { NULL_LOGGER } from "../base/log.ts";
import { NULL_METER } from "../base/meter.ts";
import type { Config } from "../config/config.ts";
import { readCredentials } from "../config/environment.ts";
import { within } from "../doctor/deadline.ts";
import type { ExpectedProxy } from "../doctor/frpc_status.ts";
import type { DoctorPlan } from "../doctor/plan.ts";
import type { RendererFound } from "../doctor/renderer_judge.ts";
import { createTestPattern } from "../renderer/test_pattern.ts";
import { VIDEO_CODECS } from "../media/encoder.ts";
import { createFfmpegEncoders } from "../media/ffmpeg_encoder.ts";
import { mintToken } from "../signalling/access.ts";
import { ADMIN_PASSWORD_VARIABLE, ADMIN_USER_VARIABLE } from "../tunnel/frpc_toml.ts";
import { allPorts, mapPorts, SIGNALLING_NAME } from "../tunnel/port_mapping.ts";
import { ADMIN_PORTS } from "./frpc.ts";
import { hostCommand } from "./host_command.ts";
import { probeLibrary } from "./renderer_probe.ts";

/** Time limit for a renderer's first frame, in milliseconds. */
const FRAME_MS_MAX = 8_000;

/** Time limit for opening an encoder, in milliseconds. */
const ENCODER_MS_MAX = 4_000;

/** Lifetime of the doctor's own tokens, in seconds: longer than a run. */
const TOKEN_TTL_S = 120;

/** Default time limit of the whole run, in milliseconds. */
const DEADLINE_MS = 20_000;

const CONTEXT: ServerContext = {
  observers: {
    log: NULL_LOGGER,
    meter: NULL_METER,
    metricsText: () => Promise.resolve(""),
  },
  bridgeHostCommand: hostCommand("bridge-host"),
};

const PROBE_COMMAND = hostCommand("renderer-probe-host");

/** Inputs of a plan besides the configuration. */
export interface DoctorSetting {
  /** Source of the configuration; begins a sentence. */
  readonly source: string;
  /** URLs of frpc's admin APIs; if empty, those in the files of `pinhole frpc`. */
  readonly frpcAdmins: readonly string[];
  /** Whether a missing server is a failure instead of a warning. Default: false. */
  readonly mustRun?: boolean;
  /** Time limit of the whole run, in milliseconds. Default: 20 s. */
  readonly deadlineMs?: number | undefined;
  /** Starts a process that calls `rendererProbeHost`. Default: this program. */
  readonly probeCommand?: readonly [program: string, ...args: string[]];
}

/**
 * Makes the plan of `pinhole doctor` from a configuration.
 * @throws {SecretError} If the secret for tokens cannot be read.
 */
export async function planDoctor(
  config: Config,
  { source, frpcAdmins, mustRun = false, deadlineMs = DEADLINE_MS, probeCommand = PROBE_COMMAND }:
    DoctorSetting,
): Promise<DoctorPlan> {
  const { server, webrtc, auth, reach } = config;
  // A separate session, so that no viewer of a real session notices the doctor.
  const sessionId = `doctor-${crypto.randomUUID().slice(0, 8)}`;
  const secret = auth.secretFile === undefined ? undefined : await readSecret(auth.secretFile);
  const findAddresses = publicAddressesOf(config);
  const reachedHost = server.publicUrl === undefined
    ? reachable(webrtc.listen)
    : unbracketed(new URL(server.publicUrl).hostname);
  return {
    configSource: source,
    origin: originOf(config, server.listen),
    http: server.listen,
    media: { listen: webrtc.listen, ports: reach.ports },
    publicUrl: server.publicUrl,
    publicHost: webrtc.publicIp ?? (server.publicUrl === undefined ? undefined : reachedHost),
    publicAddresses: (localPort) => findAddresses(localPort, reachedHost),
    sessionId,
    token: secret && await mintToken(secret, { session: sessionId, ttlS: TOKEN_TTL_S }),
    operators: {
      origin: originOf(config, server.adminListen ?? server.listen),
      token: secret && await mintToken(secret, { session: "*", ttlS: TOKEN_TTL_S }),
    },
    deadlineMs,
    mustRun,
    renderer: rendererOf(config),
    hasTls: server.tlsCert !== undefined,
    frpc: {
      urls: frpcAdmins.length === 0 ? DEFAULT_ADMINS : frpcAdmins,
      areNamed: frpcAdmins.length > 0,
      credentials: readCredentials({
        user: ADMIN_USER_VARIABLE,
        password: ADMIN_PASSWORD_VARIABLE,
      }),
      expected: expectedProxies(config),
    },
    tryRenderer: (context) => tryRenderer(config, { ...context, sessionId, probeCommand }),
    tryEncoder: () => tryEncoder(config),
    startServer: (options) => startOwn(config, options),
  };
}

/** One client for everything, or a second one for media alone. */
const DEFAULT_ADMINS = [ADMIN_PORTS.all, ADMIN_PORTS.media]
  .map((port) => `http://127.0.0.1:${port}`);

function expectedProxies({ server, webrtc, reach }: Config): ExpectedProxy[] {
  const mapping = mapPorts({
    signalling: server.listen,
    publicUrl: server.publicUrl,
    media: { ...webrtc, ports: reach.ports },
    part: "all",
  });
  return allPorts(mapping).map((port) => {
    const isSignalling = port.name === SIGNALLING_NAME;
    return {
      ...port,
      ...(isSignalling
        ? { listen: server.listen.hostname, listenKey: "server.listen" }
        : { listen: webrtc.listen, listenKey: "webrtc.listen" }),
      mayDiffer: isSignalling,
    };
  });
}

async function startOwn(
  config: Config,
  { testPattern }: { testPattern: boolean },
): Promise<{ origin: string; close: () => Promise<void> }> {
  const renderer: Config["renderer"] = testPattern
    ? { ...config.renderer, library: undefined, bridge: undefined }
    // A crash of the library must not end the doctor.
    : { ...config.renderer, isolation: "process" };
  const server = await startServer({ ...config, renderer }, CONTEXT);
  return { origin: originOf(config, server.address), close: () => server.close() };
}

function rendererOf({ renderer: { library, bridge, isolation } }: Config): DoctorPlan["renderer"] {
  const isIsolated = isolation === "process";
  if (bridge !== undefined) return { what: `bridge ${bridge}`, kind: "bridge", isIsolated };
  if (library !== undefined) return { what: library, kind: "library", isIsolated };
  return { what: "Test pattern", kind: "test_pattern", isIsolated };
}

async function tryRenderer(
  config: Config,
  { isServerRunning, sessionId, probeCommand, signal }: {
    isServerRunning: boolean;
    signal: AbortSignal;
    sessionId: string;
    probeCommand: readonly [program: string, ...args: string[]];
  },
): Promise<RendererFound> {
  const { library, bridge } = config.renderer;
  // A bridge has one reader, the server; and a library that the running server has open may not allow a second user.
  if (bridge !== undefined) return { kind: "untouched" };
  if (library !== undefined && isServerRunning) return { kind: "untouched" };
  const { width, height, fps } = config.video;
  const asked = { sessionId, width, height, fps };
  if (library !== undefined) {
    const job = { library, options: config.renderer.options, ...asked };
    const limits = { deadlineMs: FRAME_MS_MAX, command: probeCommand, signal };
    return { what: library, ...await probeLibrary(job, limits) };
  }
  const what = "Test pattern";
  const source = await createTestPattern({ clock: SYSTEM_CLOCK }).open({ ...asked, params: {} });
  const startMs = performance.now();
  const result = await source.render(0);
  const ms = performance.now() - startMs;
  await source.close();
  if (result.status !== "frame" || result.frame.kind !== "raw") return { kind: "idle", what };
  return { kind: "frame", what, format: result.frame.format, ms };
}

async function tryEncoder({ video }: Config): Promise<{ name: string } | { problem: string }> {
  const encoders = createFfmpegEncoders(video.encoder);
  const codecs = video.codec === "auto" ? VIDEO_CODECS : [video.codec];
  const problems: string[] = [];
  for (const codec of codecs) {
    try {
      const opening = encoders.open(codec, video);
      const encoder = await within(opening, {
        ms: ENCODER_MS_MAX,
        what: `No ${codec} encoder opened`,
      });
      await within(encoder.close(), {
        ms: ENCODER_MS_MAX,
        what: `The ${codec} encoder did not close`,
      });
      return { name: encoder.name };
    } catch (error) {
      problems.push(errorText(error));
    }
  }
  return { problem: problems.join("; ") };
}

/** The server's origin for programs on this host. */
function originOf(
  { server }: Config,
  { hostname, port }: { hostname: string; port: number },
): string {
  const scheme = server.tlsCert === undefined ? "http" : "https";
  return `${scheme}://${formatHostPort(reachable(hostname), port)}`;
}

/** The address for connecting to a listener from this host. */
function reachable(listen: string): string {
  if (listen === "0.0.0.0") return "127.0.0.1";
  return /^[0:]+$/.test(listen) ? "::1" : listen;
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
