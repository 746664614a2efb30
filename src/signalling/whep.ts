import { type Context, Hono, type Next } from "hono";
import { cors } from "hono/cors";
import type { Logger } from "../base/log.ts";
import { type SessionApi, ViewerError, type ViewerListener } from "../session/session_api.ts";
import type { AccessCheck } from "./access.ts";
import { type BodyFailure, readBody } from "./body.ts";
import {
  ERROR_TABLE,
  failureText,
  HOST_REFUSED,
  originRefusal,
  type Refusal,
  refusalOf,
  TOKEN_REFUSED,
} from "./refusals.ts";
import {
  CLIENT_MESSAGE_BYTES_MAX,
  REQUEST_BODY_WAIT_MS,
  SESSION_ID_PATTERN,
  VIEWER_ID_CHARS_MAX,
} from "./limits.ts";
import { fitsParams, isIdleName, isObject, type JsonObject, PARAMS_TOO_LONG } from "./messages.ts";
import type { SignallingMeter } from "./metrics.ts";
import { isOriginAllowed, reachedHostOf, type SiteOptions } from "./origins.ts";
import { formatSdpFragment, parseSdpFragment } from "./sdp_fragment.ts";

export interface WhepOptions extends SiteOptions {
  readonly sessions: SessionApi;
  readonly access?: AccessCheck;
  readonly log: Logger;
  readonly meter: SignallingMeter;
}

/** A refusal with its HTTP status. */
interface WhepRefusal extends Refusal {
  /** Default: the status of the code. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

type Outcome = Response | WhepRefusal;

interface RespondOptions extends WhepOptions {
  readonly handle: (c: Context, options: WhepOptions) => Promise<Outcome> | Outcome;
}

const SDP = "application/sdp";
const SDP_FRAGMENT = "application/trickle-ice-sdpfrag";
const EXPOSED_HEADERS = ["Location", "ETag", "Accept-Patch", "Retry-After", "WWW-Authenticate"];

const NO_RESOURCE: WhepRefusal = {
  code: "no_such_viewer",
  message: "This resource does not exist or has ended; send a new offer",
};

const BODY_REFUSED: Readonly<Record<BodyFailure, WhepRefusal>> = {
  too_long: {
    status: 413,
    code: "bad_message",
    message: `A body may have at most ${CLIENT_MESSAGE_BYTES_MAX} bytes`,
  },
  too_slow: {
    status: 408,
    code: "bad_message",
    message: `The body did not arrive within ${REQUEST_BODY_WAIT_MS / 1000} s`,
  },
  broken_off: {
    code: "bad_message",
    message: "The connection ended before the whole body arrived",
  },
};

/** A WHEP client gets only media, so events are ignored. */
const SILENT: ViewerListener = {
  state() {},
  notice() {},
  ended() {},
};

/**
 * WebRTC-HTTP Egress Protocol (draft-ietf-wish-whep-03): `POST` an offer to `/whep/<session_id>`, `PATCH` and `DELETE`
 * the resource in `Location`. The resource contains the viewer's secret id, so requests to it need no token, and there
 * is no separate list. A client that leaves without `DELETE` loses its place like any other viewer whose signalling
 * broke.
 */
export function createWhepApp(options: WhepOptions): Hono {
  const whep = new Hono();
  whep.use(answerOptions);
  whep.use(cors({
    origin: (origin, c) => isOriginAllowed(c.req.raw, options.site()) ? origin : null,
    allowMethods: ["GET", "POST", "PATCH", "DELETE", "OPTIONS"],
    allowHeaders: ["Content-Type", "Authorization", "If-Match"],
    exposeHeaders: EXPOSED_HEADERS,
    maxAge: 600,
  }));
  const on = (handle: RespondOptions["handle"]) => (c: Context) =>
    respond(c, { ...options, handle });
  // RFC 9725 §4.1: neither has a representation.
  whep.get("/:session", on((c) => c.body(null, 204)));
  whep.post("/:session", on(join));
  whep.all("/:session", on(() => wrongMethod("GET, POST, OPTIONS")));
  whep.get("/:session/:viewer", on((c) => find(c, options) ? c.body(null, 204) : NO_RESOURCE));
  whep.patch("/:session/:viewer", on(patch));
  whep.delete("/:session/:viewer", on(leave));
  whep.all("/:session/:viewer", on(() => wrongMethod("GET, PATCH, DELETE, OPTIONS")));
  return whep;
}

async function join(c: Context, { access, sessions }: WhepOptions): Promise<Outcome> {
  const sessionId = c.req.param("session") ?? "";
  if (!SESSION_ID_PATTERN.test(sessionId)) {
    return badMessage("A session id is 1 to 64 of A-Z a-z 0-9 _ -");
  }
  const granted = access && await access(c.req.raw, { session: sessionId });
  if (access !== undefined && granted === undefined) return TOKEN_REFUSED;
  if (!hasType(c, SDP)) return wrongType("Accept-Post", SDP);
  const reachedHost = reachedHostOf(c.req.raw);
  if (reachedHost === undefined) return HOST_REFUSED;
  const wishes = readWishes(c);
  if ("code" in wishes) return wishes;
  const body = await readBody(c.req.raw);
  if (typeof body !== "string") return BODY_REFUSED[body.failure];
  const request = { sessionId, reachedHost, sdp: body, ...wishes, ...granted };
  const viewer = await sessions.join(request, SILENT, { signal: c.req.raw.signal });
  // From here on only its packets show that the client is alive.
  viewer.detach();
  return c.body(viewer.answerSdp, 201, {
    "Content-Type": SDP,
    "Location": `/whep/${sessionId}/${viewer.id}`,
    "ETag": etag(viewer.iceUfrag),
    "Accept-Patch": SDP_FRAGMENT,
    "Cache-Control": "no-store",
  });
}

/** Accepts candidates, which are ignored; new credentials restart ICE (RFC 9725 §4.3, which WHEP follows). */
async function patch(c: Context, options: WhepOptions): Promise<Outcome> {
  // Check before waiting for the body of an unauthorized client.
  if (find(c, options) === undefined) return NO_RESOURCE;
  if (!hasType(c, SDP_FRAGMENT)) return wrongType("Accept-Patch", SDP_FRAGMENT);
  const body = await readBody(c.req.raw);
  if (typeof body !== "string") return BODY_REFUSED[body.failure];
  // It may have ended meanwhile.
  const viewer = find(c, options);
  if (viewer === undefined) return NO_RESOURCE;
  const match = c.req.header("If-Match");
  if (match === undefined) {
    const message = "If-Match must be the ETag of the answer, or * to restart ICE";
    return { status: 428, code: "bad_message", message };
  }
  if (!matches(match, viewer.iceUfrag)) {
    const message = "If-Match is the ETag of an earlier ICE session; use the newest ETag";
    return { status: 412, code: "bad_message", message };
  }
  const fragment = parseSdpFragment(body);
  if (fragment === undefined) return badMessage("The body is not an SDP fragment");
  // Some clients send * with every candidate, so only new credentials mean a restart.
  const restarted = fragment.ice && viewer.restartIce(fragment.ice);
  if (restarted === undefined) return c.body(null, 204);
  return c.body(formatSdpFragment(viewer.answerSdp, restarted), 200, {
    "Content-Type": SDP_FRAGMENT,
    "ETag": etag(restarted.ufrag),
    "Cache-Control": "no-store",
  });
}

function leave(c: Context, options: WhepOptions): Outcome {
  const viewer = find(c, options);
  if (viewer === undefined) return NO_RESOURCE;
  viewer.bye();
  return c.body(null, 200);
}

function find(c: Context, { sessions }: WhepOptions): ReturnType<SessionApi["find"]> {
  const [session = "", viewer = ""] = [c.req.param("session"), c.req.param("viewer")];
  return viewer.length > VIEWER_ID_CHARS_MAX ? undefined : sessions.find(session, viewer);
}

/** The query has the other fields of a WebSocket offer: `?idle=NAME&params={…}`. */
function readWishes(
  c: Context,
): { readonly idle?: string; readonly params: JsonObject } | WhepRefusal {
  const [idle, text = "{}"] = [c.req.query("idle"), c.req.query("params")];
  let params: unknown;
  try {
    params = JSON.parse(text);
  } catch {
    // Refused below.
  }
  if (!isObject(params)) return badMessage("params must be a JSON object");
  if (!fitsParams(params)) return badMessage(PARAMS_TOO_LONG);
  if (idle === undefined) return { params };
  return isIdleName(idle)
    ? { params, idle }
    : badMessage("idle must be the name of an idle source");
}

/** Answers a request. Never rejects. A refused offer is counted and logged, as on a WebSocket. */
async function respond(c: Context, { handle, ...options }: RespondOptions): Promise<Response> {
  const outcome = await outcomeOf(c, { handle, ...options });
  if (outcome instanceof Response) return outcome;
  const session = c.req.param("session") ?? "";
  const isOffer = c.req.method === "POST" && c.req.param("viewer") === undefined;
  // A client that has left does not count as refused.
  if (isOffer && !c.req.raw.signal.aborted) {
    const { code, message: reason } = outcome;
    options.meter.count("viewers_refused_total", { code });
    const known = SESSION_ID_PATTERN.test(session) ? { session } : {};
    options.log.info("viewer_refused", { ...known, code, reason });
  }
  return refuse(c, outcome);
}

async function outcomeOf(c: Context, { handle, ...options }: RespondOptions): Promise<Outcome> {
  if (!isOriginAllowed(c.req.raw, options.site())) return originRefusal(c.req.raw);
  try {
    return await handle(c, options);
  } catch (error) {
    if (!(error instanceof ViewerError)) {
      // Do not log the path, which may contain a viewer's secret.
      const session = c.req.param("session");
      options.log.error("whep_failed", { session, error: failureText(error) });
    }
    return refusalOf(error);
  }
}

/** An error body as problem details (RFC 9457). */
function refuse(c: Context, refusal: WhepRefusal): Response {
  const { code, message: detail, retryAfterMs, reason, headers = {} } = refusal;
  const { status = ERROR_TABLE[code].httpStatus } = refusal;
  const problem = { title: code.replaceAll("_", " "), status, detail, code, reason };
  const wait = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs };
  return c.body(JSON.stringify({ ...problem, ...wait }), status as 400, {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    ...(status === 401 ? { "WWW-Authenticate": 'Bearer realm="pinhole"' } : {}),
    ...(retryAfterMs === undefined ? {} : { "Retry-After": `${Math.ceil(retryAfterMs / 1000)}` }),
    ...headers,
  });
}

/** RFC 9725 §4.2 requires 200, where others answer 204, and `Accept-Post`. */
async function answerOptions(c: Context, next: Next): Promise<void> {
  await next();
  if (c.req.method !== "OPTIONS") return;
  c.res = new Response(null, { status: 200, headers: c.res.headers });
  c.res.headers.set("Accept-Post", SDP);
  c.res.headers.set("Accept-Patch", SDP_FRAGMENT);
}

function hasType(c: Context, type: string): boolean {
  return c.req.header("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase() === type;
}

function badMessage(message: string): WhepRefusal {
  return { code: "bad_message", message };
}

/** RFC 9110 §15.5.16 and RFC 5789 §2.2: includes the accepted type. */
function wrongType(header: "Accept-Post" | "Accept-Patch", type: string): WhepRefusal {
  const message = `The Content-Type of the body must be ${type}`;
  return { ...badMessage(message), status: 415, headers: { [header]: type } };
}

function wrongMethod(allowed: string): WhepRefusal {
  return {
    ...badMessage(`This path takes only ${allowed}`),
    status: 405,
    headers: { Allow: allowed },
  };
}

/** ETag of the ICE session (RFC 9725 §4.3.1); a username fragment has only characters that are valid in a tag. */
function etag(iceUfrag: string): string {
  return `"${iceUfrag}"`;
}

/** RFC 9110 §13.1.1. Accepts `"*"` like `*`, as in the draft's example; no tag of this server has that value. */
function matches(ifMatch: string, iceUfrag: string): boolean {
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  return tags.some((tag) => tag === "*" || tag === '"*"' || tag === etag(iceUfrag));
}
