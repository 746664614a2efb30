import { startServer } from "../app/compose.ts";
import { publicAddressesOf } from "../app/public_address.ts";
import { openRenderer } from "../app/renderer.ts";
import { readSecret } from "../app/secret.ts";
import type { Setting } from "../app/setting.ts";
import { errorText } from "../base/errors.ts";
import { NULL_LOGGER } from "../base/log.ts";
import { NULL_METER } from "../base/meter.ts";
import type { Config } from "../config/config.ts";
import { readCredentials } from "../config/credentials.ts";
import { within } from "../doctor/deadline.ts";
import type { ExpectedProxy } from "../doctor/frpc.ts";
import type { DoctorPlan } from "../doctor/plan.ts";
import type { RendererFound } from "../doctor/source.ts";
import { VIDEO_CODECS } from "../media/encoder.ts";
import { createFfmpegEncoders } from "../media/ffmpeg_encoder.ts";
import { mintToken } from "../signalling/access.ts";
import { ADMIN_PASSWORD_VARIABLE, ADMIN_USER_VARIABLE } from "../tunnel/frpc_toml.ts";
import { allPorts, mapPorts, SIGNALLING_NAME } from "../tunnel/mapping.ts";
import { ADMIN_PORTS } from "./frpc.ts";
import { hostCommand } from "./host_command.ts";

/** Time for a renderer's first frame, in milliseconds. */
const FRAME_MS_MAX = 8_000;

/** Time for an encoder to open, in milliseconds. */
const ENCODER_MS_MAX = 4_000;

/** Seconds that the doctor's own token holds: longer than it works. */
const TOKEN_TTL_S = 120;

const SETTING: Setting = {
  observers: {
    log: NULL_LOGGER,
    meter: NULL_METER,
    metricsText: () => Promise.resolve(""),
  },
  bridgeHostCommand: hostCommand("bridge-host"),
};

/**
 * Makes the plan of `pinhole doctor` from a configuration.
 * @param options.frpcAdmins URLs of the admin APIs to ask; none asks where `pinhole frpc` puts them.
 * @throws {SecretError} When there is no token to be had.
 */
export async function planDoctor(
  config: Config,
  { source, frpcAdmins }: { source: string; frpcAdmins: readonly string[] },
): Promise<DoctorPlan> {
  const { server, webrtc, auth } = config;
  // Of its own, so that no viewer of a real session sees the doctor come and go.
  const sessionId = `doctor-${crypto.randomUUID().slice(0, 8)}`;
  const secret = auth.secretFile === undefined ? undefined : await readSecret(auth.secretFile);
  const findAddress = publicAddressesOf(config);
  const reachedHost = server.publicUrl === undefined
    ? reachable(webrtc.listen)
    : unbracketed(new URL(server.publicUrl).hostname);
  return {
    configSource: source,
    origin: originOf(config, server.listen),
    http: server.listen,
    media: webrtc,
    publicUrl: server.publicUrl,
    publicHost: webrtc.publicIp ?? (server.publicUrl === undefined ? undefined : reachedHost),
    publicAddress: (localPort) => findAddress(localPort, reachedHost),
    sessionId,
    token: secret && await mintToken(secret, { session: sessionId, ttlS: TOKEN_TTL_S }),
    frpc: {
      urls: frpcAdmins.length === 0 ? DEFAULT_ADMINS : frpcAdmins,
      areNamed: frpcAdmins.length > 0,
      credentials: readCredentials({
        user: ADMIN_USER_VARIABLE,
        password: ADMIN_PASSWORD_VARIABLE,
      }),
      expected: expectedProxies(config),
    },
    tryRenderer: (context) => tryRenderer(config, { ...context, sessionId }),
    tryEncoder: () => tryEncoder(config),
    startServer: (options) => startOwn(config, options),
  };
}

/** A client for media alone runs beside another. */
const DEFAULT_ADMINS = [ADMIN_PORTS.all, ADMIN_PORTS.media]
  .map((port) => `http://127.0.0.1:${port}`);

function expectedProxies({ server, webrtc }: Config): ExpectedProxy[] {
  const mapping = mapPorts({
    signalling: server.listen,
    publicUrl: server.publicUrl,
    media: webrtc,
    part: "all",
  });
  return allPorts(mapping).map((port) => ({ ...port, mayDiffer: port.name === SIGNALLING_NAME }));
}

async function startOwn(
  config: Config,
  { testPattern }: { testPattern: boolean },
): Promise<{ origin: string; close: () => Promise<void> }> {
  const renderer = { ...config.renderer, library: undefined, bridge: undefined };
  const server = await startServer(testPattern ? { ...config, renderer } : config, SETTING);
  return { origin: originOf(config, server.address), close: () => server.close() };
}

async function tryRenderer(
  config: Config,
  { isServerRunning, sessionId }: { isServerRunning: boolean; sessionId: string },
): Promise<RendererFound> {
  const { library, bridge } = config.renderer;
  if (bridge !== undefined) {
    const why = `The bridge ${bridge} has one reader, the server; the picture of webrtc is its`;
    return { kind: "untouched", why };
  }
  if (library !== undefined && isServerRunning) {
    const why = `The running server has ${library} open; the picture of webrtc comes from it`;
    return { kind: "untouched", why };
  }
  const what = library ?? "Test pattern";
  try {
    const late = { ms: FRAME_MS_MAX, what: "it gave no frame" };
    return { what, ...await within(renderOnce(config, sessionId), late) };
  } catch (error) {
    return { kind: "failed", what, reason: errorText(error) };
  }
}

async function renderOnce(
  config: Config,
  sessionId: string,
): Promise<{ kind: "frame"; format: string; ms: number } | { kind: "idle" }> {
  await using opened = new AsyncDisposableStack();
  const renderer = await openRenderer(config, SETTING);
  opened.defer(() => renderer.close());
  const source = await renderer.open({ sessionId, ...config.video, params: {} });
  opened.defer(() => source.close());
  const startMs = performance.now();
  const result = await source.render(0);
  const ms = performance.now() - startMs;
  if (result.status === "failed") throw new Error("it cannot render; its log says why");
  if (result.status !== "frame") return { kind: "idle" };
  const { frame } = result;
  return { kind: "frame", format: frame.kind === "raw" ? frame.format : frame.kind, ms };
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
      await encoder.close();
      return { name: encoder.name };
    } catch (error) {
      problems.push(errorText(error));
    }
  }
  return { problem: problems.join("; ") };
}

/** Where a program on this host reaches the server. */
function originOf(
  { server }: Config,
  { hostname, port }: { hostname: string; port: number },
): string {
  const scheme = server.tlsCert === undefined ? "http" : "https";
  const host = reachable(hostname);
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** An address that a program on this host reaches a listener by. */
function reachable(listen: string): string {
  if (listen === "0.0.0.0") return "127.0.0.1";
  return /^[0:]+$/.test(listen) ? "::1" : listen;
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
