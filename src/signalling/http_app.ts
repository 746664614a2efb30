import { type Context, Hono } from "hono";
import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import type { SessionDoor } from "../session/door.ts";
import type { AccessCheck } from "./access.ts";
import { type Asset, assetResponder } from "./assets.ts";
import { failureText, type Refusal } from "./errors.ts";
import { SESSION_ID_PATTERN } from "./limits.ts";
import { isOriginAllowed, parseReachedHost } from "./origins.ts";
import { addPathCheck, type PathCheckDoor } from "./path_check.ts";
import { createWhepApp } from "./whep.ts";
import { WebSockets, type WebSocketsOptions } from "./web_socket.ts";

/** What the HTTP side of the server is made of. */
export interface HttpAppOptions {
  readonly door: SessionDoor;
  /** Static files by path; `/` is the viewer page. */
  readonly assets: ReadonlyMap<string, Asset>;
  /** Why the server is not ready, one reason in words each; empty when it is. */
  readonly health: () => readonly string[];
  /** The metrics in the text format of Prometheus. */
  readonly metricsText: () => Promise<string>;
  /** What `/api/sessions` shows; anything that JSON can hold. */
  readonly sessionsJson: () => unknown;
  readonly pathChecks: PathCheckDoor;
  /** Origins of pages besides the server's own; `*` for every page. */
  readonly allowedOrigins: readonly string[];
  /** Checks access tokens; left out where everybody may come in. */
  readonly access?: AccessCheck;
  readonly log: Logger;
  readonly meter: Meter;
  /** Default: the host's clock. */
  readonly clock?: Clock;
  /** Limits of the WebSockets, and the signal that ends them. */
  readonly webSockets?: WebSocketsOptions;
}

/** Answers one HTTP request, as `Deno.serve` calls it. Never rejects. */
export type HttpApp = (
  request: Request,
  info: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

/** The type of Prometheus' text format, version 0.0.4. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Stands for all sessions where one is asked for; no session can have it as its name. */
const ALL_SESSIONS = "";

const ORIGIN_REFUSED: Refusal = {
  code: "origin_not_allowed",
  message: "Pages of this origin may not connect; server.allowed_origins lists those that may",
};

const TOKEN_REFUSED: Refusal = {
  code: "unauthorized",
  message: "This session needs an access token that is valid for it; see `pinhole token`",
};

/** Builds the handler for `Deno.serve`: page, browser client, health, metrics, session list and signalling. */
export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { assets, health, metricsText, sessionsJson, log } = options;
  const sockets = new WebSockets(options.webSockets);
  const app = new Hono();

  app.use(async (c, next) => {
    await next();
    c.res.headers.set("X-Content-Type-Options", "nosniff");
  });
  for (const [path, asset] of assets) {
    const respond = assetResponder(asset);
    app.get(path, (c) => respond(c.req.raw));
  }
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", (c) => {
    const reasons = health();
    return reasons.length === 0 ? c.text("ready\n") : c.text(`${reasons.join("\n")}\n`, 503);
  });
  app.get(
    "/metrics",
    async (c) => c.body(await metricsText(), 200, { "Content-Type": METRICS_TYPE }),
  );
  app.get("/api/sessions", async (c) => {
    // The list names every session, so it takes a token for every session.
    if (options.access !== undefined && !await options.access(c.req.raw, ALL_SESSIONS)) {
      return c.text("This needs an access token for all sessions\n", 401, {
        "WWW-Authenticate": "Bearer",
      });
    }
    return c.json(sessionsJson(), 200, { "Cache-Control": "no-store" });
  });
  addPathCheck(app, options);
  app.route("/whep", createWhepApp(options));
  app.get("/ws/:session", (c) => openSignalling(c, { ...options, sockets }));
  app.notFound((c) => c.text("Not found\n", 404));
  app.onError((error, c) => {
    const { method, path } = c.req;
    log.error("http_failed", { method, path, error: failureText(error) });
    return c.text("Internal server error\n", 500);
  });
  return (request) => app.fetch(request);
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
    return c.text("Connect to this path with a WebSocket\n", 426, { Upgrade: "websocket" });
  }
  const host = c.req.header("Host") ?? new URL(c.req.url).host;
  const reachedHost = parseReachedHost(host);
  if (reachedHost === undefined) return c.text("The Host header names no host\n", 400);
  if (!sockets.hasRoom) {
    options.log.warn("web_sockets_full");
    return c.text("Too many connections; try again later\n", 503, { "Retry-After": "5" });
  }
  const { door, log, meter, clock = SYSTEM_CLOCK, allowedOrigins, access } = options;
  const connection = { sessionId, reachedHost, door, clock, log, meter };
  const origin = c.req.header("Origin");
  let refusal: Refusal | undefined;
  if (!isOriginAllowed({ origin, host, allowed: allowedOrigins })) refusal = ORIGIN_REFUSED;
  else if (access !== undefined && !await access(c.req.raw, sessionId)) refusal = TOKEN_REFUSED;
  try {
    return sockets.accept(
      c.req.raw,
      refusal === undefined ? connection : { ...connection, refusal },
    );
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return c.text(`${error.message}\n`, 400);
  }
}
