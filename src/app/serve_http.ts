import { sleep, SYSTEM_CLOCK } from "../base/clock.ts";
import type { Config } from "../config/config.ts";
import type { ListenAddress } from "../config/spec.ts";
import type { Headroom } from "../session/headroom.ts";
import type { SessionRegistry } from "../session/registry.ts";
import { createHttpApp, createOperatorsApp, type HttpApp } from "../signalling/http_app.ts";
import { limitOffers } from "../signalling/offer_limit.ts";
import type { Site } from "../signalling/origins.ts";
import type { PathCheckApi } from "../signalling/path_check.ts";
import { ALL_ASSETS, STATUS_ASSETS, VIEWER_ASSETS } from "../viewer/assets.ts";
import type { ConnectionLimits } from "./descriptors.ts";
import { Listener } from "./listener.ts";
import type { LiveSettings } from "./live_settings.ts";
import type { Observers } from "./server_context.ts";
import type { TlsFiles } from "./tls_files.ts";

/** Time for the last messages to reach the viewers before their connections end, in milliseconds. */
const CLOSING_MESSAGES_MS = 250;

/** Listening addresses of HTTP. */
export interface Listeners {
  readonly main: Listener;
  /** The separate address for operators, if there is one. */
  readonly admin: Listener | undefined;
}

/** The parts that HTTP serves. */
export interface ServeHttpOptions {
  readonly registry: SessionRegistry;
  readonly headroom: Headroom;
  readonly pathChecks: PathCheckApi;
  readonly observers: Observers;
  readonly version: string;
  /** Reasons why the server is not ready; empty if it is. */
  readonly health: () => readonly string[];
  readonly connections: ConnectionLimits;
  /** Receives the resources to close. */
  readonly started: AsyncDisposableStack;
}

/**
 * Starts to serve HTTP. At the end the viewers are notified, then all connections are closed.
 * @throws {AppError} If an address is in use, or the certificate's files cannot be used.
 */
export async function serveHttp(
  live: LiveSettings,
  options: ServeHttpOptions,
): Promise<Listeners> {
  const { registry, headroom, pathChecks, observers, version, health, started, connections } =
    options;
  const { server } = live.config;
  const { log, meter, metricsText, tracer } = observers;
  const tls = tlsFilesOf(server);
  const leaving = new AbortController();
  const startedMs = SYSTEM_CLOCK.now();
  const shared = {
    metricsText,
    sessionsJson: () => registry.report,
    portsJson: () => registry.ports,
    serverJson: () => ({
      version,
      uptime_s: Math.floor((SYSTEM_CLOCK.now() - startedMs) / 1000),
      headroom: Number(headroom.free().toFixed(2)),
      page_url: live.config.server.publicUrl ?? (server.adminListen ? null : "./"),
    }),
    health,
    site: () => siteOf(live.config),
    access: live.access,
    log,
    isTls: tls !== undefined,
  };
  const parts = { ...(tls && { tls }), clock: SYSTEM_CLOCK, log, ...(tracer && { tracer }) };
  const listen = async (app: HttpApp, at: ListenAt) =>
    started.use(await Listener.open({ ...at, ...parts, app }));
  const admin = server.adminListen && await listen(
    createOperatorsApp({ ...shared, assets: STATUS_ASSETS }),
    {
      ...server.adminListen,
      key: "server.admin_listen",
      connectionsMax: connections.operators,
    },
  );
  const app = createHttpApp({
    ...shared,
    operators: admin === undefined ? "here" : "elsewhere",
    sessions: limitOffers(registry, SYSTEM_CLOCK),
    assets: admin === undefined ? ALL_ASSETS : VIEWER_ASSETS,
    pathChecks,
    meter,
    webSockets: { signal: leaving.signal, socketsMax: connections.webSockets },
  });
  const main = await listen(app, {
    ...server.listen,
    key: "server.listen",
    connectionsMax: connections.http,
  });
  started.defer(async () => {
    leaving.abort();
    await sleep(SYSTEM_CLOCK, CLOSING_MESSAGES_MS);
  });
  return { main, admin };
}

/** The configured origins and names. */
function siteOf({ server, webrtc }: Config): Site {
  const { allowedOrigins, publicUrl } = server;
  return { allowedOrigins, publicUrl, publicHost: webrtc.publicIp };
}

interface ListenAt extends ListenAddress {
  readonly key: string;
  readonly connectionsMax: number;
}

/** The configured files of the certificate. */
export function tlsFilesOf({ tlsCert, tlsKey }: Config["server"]): TlsFiles | undefined {
  return tlsCert === undefined || tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey };
}
