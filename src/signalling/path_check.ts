import { formatHostPort } from "../base/host_port.ts";
import type { Context, Hono } from "hono";
import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { takeFromAll, TokenBucket } from "../base/token_bucket.ts";
import type { AccessCheck } from "./access.ts";
import { ERROR_TABLE, HOST_REFUSED, originRefusal, type Refusal, refusalOf } from "./refusals.ts";
import { PATH_CHECKS } from "./limits.ts";
import type { SignallingMeter } from "./metrics.ts";
import { isOriginAllowed, reachedHostOf, type SiteOptions } from "./origins.ts";

/** One media port in a path check. */
export interface AnnouncedPort {
  readonly localPort: number;
  /** Public IP literal. */
  readonly address: string;
  /** Public port. */
  readonly port: number;
  readonly transports: readonly ("udp" | "tcp")[];
  /** ICE credentials for the checks of this port. */
  readonly credentials: { readonly ufrag: string; readonly pwd: string };
}

/** A started path check. */
export interface OpenedPathCheck {
  /** Unguessable. */
  readonly id: string;
  readonly expiresInMs: number;
  readonly ports: readonly AnnouncedPort[];
}

/** Arrivals with one port's credentials. */
export interface PortReport {
  readonly localPort: number;
  /** Public port. */
  readonly port: number;
  readonly arrivals: readonly {
    /** Port at which it arrived. */
    readonly localPort: number;
    readonly from: {
      readonly transport: "udp" | "tcp";
      readonly hostname: string;
      readonly port: number;
    };
    readonly count: number;
  }[];
}

/** The interface of path checks for signalling. */
export interface PathCheckApi {
  /**
   * Starts a check for a client that reached the server by `reachedHost`.
   * @throws {ViewerError} When no public address is known.
   */
  open(reachedHost: string): Promise<OpenedPathCheck>;
  /** Arrivals so far; `undefined` for a check that does not exist or has ended. */
  report(id: string): readonly PortReport[] | undefined;
}

export interface PathCheckOptions extends SiteOptions {
  readonly pathChecks: PathCheckApi;
  readonly access?: AccessCheck;
  readonly meter: SignallingMeter;
  readonly clock?: Clock;
}

type Status = 400 | 401 | 403 | 404 | 429 | 500 | 503;

const PATH = "/api/path-check";
const NO_STORE = { "Cache-Control": "no-store" };

const TOKEN_REFUSED: Refusal = {
  code: "unauthorized",
  message: "A path check needs a valid access token; `pinhole token --session ID` prints one",
};

/** Adds the two requests of a path check (see docs/signalling.md) to the HTTP side. */
export function addPathCheck(app: Hono, options: PathCheckOptions): void {
  const rate = new TokenBucket(PATH_CHECKS);
  app.post(PATH, (c) => open(c, { ...options, rate }));
  app.get(`${PATH}/:id`, (c) => {
    if (!allowOrigin(c, options)) return refuse(c, originRefusal(c.req.raw));
    // No token needed: the id is a secret that an authorized client got.
    const ports = options.pathChecks.report(c.req.param("id"));
    if (ports !== undefined) return c.json({ ports: ports.map(formatReport) }, 200, NO_STORE);
    const message = "This path check does not exist or has expired; start a new one";
    return c.json({ code: "no_such_path_check", message }, 404, NO_STORE);
  });
}

async function open(
  c: Context,
  options: PathCheckOptions & { rate: TokenBucket },
): Promise<Response> {
  const { pathChecks, access, meter, rate, clock = SYSTEM_CLOCK } = options;
  if (!allowOrigin(c, options)) return refuse(c, originRefusal(c.req.raw));
  if (access !== undefined && await access(c.req.raw, "any_session") === undefined) {
    return refuse(c, TOKEN_REFUSED);
  }
  const reachedHost = reachedHostOf(c.req.raw);
  if (reachedHost === undefined) return refuse(c, HOST_REFUSED);
  const waitMs = takeFromAll([rate], clock.now());
  if (waitMs > 0) return tooMany(c, { waitMs, meter });
  try {
    const check = await pathChecks.open(reachedHost);
    meter.count("path_checks_total", { outcome: "opened" });
    return c.json(formatCheck(check), 201, NO_STORE);
  } catch (error) {
    return refuse(c, refusalOf(error));
  }
}

/** Whether the page may send the request; if so, sets the headers that let it read the response. */
function allowOrigin(c: Context, { site }: SiteOptions): boolean {
  if (!isOriginAllowed(c.req.raw, site())) return false;
  const origin = c.req.header("Origin");
  if (origin !== undefined) {
    c.header("Access-Control-Allow-Origin", origin);
    c.header("Vary", "Origin");
  }
  return true;
}

function refuse(c: Context, { code, message }: Refusal): Response {
  return c.json({ code, message }, ERROR_TABLE[code].httpStatus as Status, NO_STORE);
}

function tooMany(
  c: Context,
  { waitMs, meter }: { waitMs: number; meter: SignallingMeter },
): Response {
  meter.count("path_checks_total", { outcome: "refused" });
  const message = "Too many path checks at once; try again later";
  const retryAfter = String(Math.max(1, Math.ceil(waitMs / 1000)));
  return c.json({ code: "too_many_path_checks", message }, 429, {
    ...NO_STORE,
    "Retry-After": retryAfter,
  });
}

function formatCheck({ id, expiresInMs, ports }: OpenedPathCheck): unknown {
  return {
    id,
    expires_in_s: Math.floor(expiresInMs / 1000),
    ports: ports.map(({ localPort, address, port, transports, credentials }) => ({
      local_port: localPort,
      address,
      port,
      transports,
      ufrag: credentials.ufrag,
      pwd: credentials.pwd,
    })),
  };
}

function formatReport({ localPort, port, arrivals }: PortReport): unknown {
  return {
    local_port: localPort,
    port,
    arrivals: arrivals.map(({ localPort, from, count }) => ({
      local_port: localPort,
      transport: from.transport,
      from: formatHostPort(from.hostname, from.port),
      count,
    })),
  };
}
