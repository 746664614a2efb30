import { type Context, Hono } from "hono";
import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { SessionApi } from "../session/session_api.ts";
import type { Access } from "./access.ts";
import type { ClientConnection } from "./client_connection.ts";
import { type Asset, assetResponder } from "./asset_responder.ts";
import {
  failureText,
  HOST_REFUSED,
  originRefusal,
  type Refusal,
  TOKEN_REFUSED,
} from "./refusals.ts";
import { SESSION_ID_PATTERN } from "./limits.ts";
import type { SignallingMeter } from "./metrics.ts";
import { addOperators, type OperatorsOptions } from "./operators.ts";
import { isOriginAllowed, reachedHostOf, type SiteOptions } from "./origins.ts";
import { addPathCheck, type PathCheckApi } from "./path_check.ts";
import { protectVisitors, RESOURCE_POLICY } from "./response_headers.ts";
import { createWhepApp } from "./whep.ts";
import { WebSockets, type WebSocketsOptions } from "./web_socket.ts";

export interface HttpAppOptions extends OperatorsOptions, SiteOptions {
  readonly sessions: SessionApi;
  /** Static files by path; `/` is the viewer page. */
  readonly assets: ReadonlyMap<string, Asset>;
  /** Reasons why the server is not ready, as text; empty if it is. */
  readonly health: () => readonly string[];
  /** Whether the paths for operators are served here or by {@link createOperatorsApp}. */
  readonly operators?: "here" | "elsewhere";
  /** Whether clients connect over TLS. Default: false. */
  readonly isTls?: boolean;
  readonly pathChecks: PathCheckApi;
  readonly log: Logger;
  readonly meter: SignallingMeter;
  /** Default: the host's clock. */
  readonly clock?: Clock;
  /** Limits of the WebSockets, and the signal that ends them. */
  readonly webSockets?: WebSocketsOptions;
}

/** Answers one HTTP request. Never rejects. */
export type HttpApp = (
  request: Request,
  connection: ClientConnection,
) => Response | Promise<Response>;

/** Path segments shown in logs and traces, including the empty one before the first slash. */
const SHOWN_SEGMENTS = 3;

/** The part of a path to show in logs and traces: the rest may be a viewer's secret id. */
export function shownPath(path: string): string {
  return path.split("/").slice(0, SHOWN_SEGMENTS).join("/");
}

/** Creates the request handler: page, browser client, health, metrics, session list and signalling. */
export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { assets, health, operators = "here" } = options;
  const sockets = new WebSockets(options.webSockets);
  const app = createApp(options);
  addPages(app, { assets, health });
  if (operators === "here") addOperators(app, options);
  addPathCheck(app, options);
  app.route("/whep", createWhepApp(options));
  app.get("/ws/:session", (c) => openSignalling(c, { ...options, sockets }));
  return (request, connection) => app.fetch(request, { connection });
}

/** Creates the request handler of the operators' address: health, metrics, session list and `assets`. */
export function createOperatorsApp(
  options:
    & OperatorsOptions
    & SiteOptions
    & Pick<HttpAppOptions, "assets" | "health" | "log" | "isTls">,
): HttpApp {
  const app = createApp(options);
  addPages(app, options);
  addOperators(app, options);
  return (request) => app.fetch(request);
}

function addPages(
  app: Hono,
  { assets, health }: Pick<HttpAppOptions, "assets" | "health">,
): void {
  for (const [path, asset] of assets) {
    const respond = assetResponder(asset);
    app.get(path, (c) => respond(c.req.raw));
  }
  // Path checks request it from any page, and only see that there is a response.
  app.get("/healthz", (c) => c.text("ok\n", 200, { [RESOURCE_POLICY]: "cross-origin" }));
  app.get("/readyz", (c) => {
    const reasons = health();
    return reasons.length === 0 ? c.text("ready\n") : c.text(`${reasons.join("\n")}\n`, 503);
  });
}

function createApp(
  options: SiteOptions & Pick<HttpAppOptions, "log" | "isTls">,
): Hono {
  const { log, isTls = false } = options;
  const app = new Hono();
  app.use(protectVisitors({ isTls, framers: () => options.site().allowedOrigins }));
  app.notFound((c) => c.text("Not found\n", 404));
  app.onError((error, c) => {
    const { method } = c.req;
    const path = shownPath(c.req.path);
    log.error("http_failed", { method, path, error: failureText(error) });
    return c.text("Internal server error\n", 500);
  });
  return app;
}

async function openSignalling(
  c: Context,
  { sockets, ...options }: HttpAppOptions & { sockets: WebSockets },
): Promise<Response> {
  const sessionId = c.req.param("session") ?? "";
  if (!SESSION_ID_PATTERN.test(sessionId)) {
    return c.text("A session id is 1 to 64 of A-Z a-z 0-9 _ -\n", 400);
  }
  if (c.req.header("Upgrade")?.toLowerCase() !== "websocket") {
    return c.text("This path needs a WebSocket connection\n", 426, { Upgrade: "websocket" });
  }
  const reachedHost = reachedHostOf(c.req.raw);
  if (reachedHost === undefined) return c.text(`${HOST_REFUSED.message}\n`, 400);
  if (!sockets.makeRoom()) {
    options.log.warn("web_sockets_full");
    return c.text("Too many connections; try again later\n", 503, { "Retry-After": "5" });
  }
  const { sessions, log, meter, clock = SYSTEM_CLOCK } = options;
  const admission = await admit(c, { ...options, sessionId });
  const connection = { sessionId, reachedHost, sessions, clock, log, meter, ...admission };
  try {
    sockets.accept(c.req.raw, { ...connection, client: connectionOf(c) });
    return c.body(null);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return c.text(`${error.message}\n`, 400);
  }
}

async function admit(
  c: Context,
  { sessionId, access, site }: HttpAppOptions & { sessionId: string },
): Promise<{ refusal: Refusal } | Partial<Access>> {
  if (!isOriginAllowed(c.req.raw, site())) return { refusal: originRefusal(c.req.raw) };
  if (access === undefined) return {};
  return await access(c.req.raw, { session: sessionId }) ?? { refusal: TOKEN_REFUSED };
}

/** Hono passes the second argument of `fetch` as `env`. */
function connectionOf({ env }: Context): ClientConnection {
  return env.connection;
}
