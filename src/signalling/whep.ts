import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import type { Logger } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import { type SessionDoor, ViewerError, type ViewerListener } from "../session/door.ts";
import type { AccessCheck } from "./access.ts";
import { ERROR_TABLE, failureText, type Refusal, refusalOf } from "./errors.ts";
import { MESSAGE_BYTES_MAX, SESSION_ID_PATTERN, VIEWER_ID_CHARS_MAX } from "./limits.ts";
import { fitsParams, isIdleName, isObject, type JsonObject, PARAMS_TOO_LONG } from "./messages.ts";
import { isOriginAllowed, parseReachedHost } from "./origins.ts";
import { formatSdpFragment, parseSdpFragment } from "./sdp_fragment.ts";

/** What WHEP is made of. */
export interface WhepOptions {
  readonly door: SessionDoor;
  readonly allowedOrigins: readonly string[];
  readonly access?: AccessCheck;
  readonly log: Logger;
  readonly meter: Meter;
}

/** What a request is refused with: a code of signalling, or one of HTTP alone. */
type WhepRefusal = Refusal | {
  readonly status: 404 | 412 | 413 | 415 | 428;
  readonly code: string;
  readonly message: string;
};

const SDP = "application/sdp";
const SDP_FRAGMENT = "application/trickle-ice-sdpfrag";
const EXPOSED_HEADERS = ["Location", "ETag", "Accept-Patch", "Retry-After", "WWW-Authenticate"];

const NO_RESOURCE: WhepRefusal = {
  status: 404,
  code: "no_such_viewer",
  message: "There is no such resource, or it has ended",
};

/** A WHEP client hears nothing besides its media: there is nobody to tell. */
const SILENT: ViewerListener = {
  state() {},
  message: () => false,
  notice() {},
  ended() {},
};

/**
 * WebRTC-HTTP Egress Protocol (draft-ietf-wish-whep-03): `POST` an offer to `/whep/<session_id>`, `PATCH` and `DELETE`
 * what `Location` names. The resource is the viewer's secret id, so whoever has its address needs no further token, and
 * the server keeps no list of its own. A client that goes without a `DELETE` loses its place as any other viewer does
 * whose signalling broke off.
 */
export function createWhepApp(options: WhepOptions): Hono {
  const whep = new Hono();
  whep.use(async (c, next) => {
    // The answer to OPTIONS is made by what comes next, and keeps these.
    if (c.req.method === "OPTIONS") {
      c.header("Accept-Post", SDP);
      c.header("Accept-Patch", SDP_FRAGMENT);
    }
    await next();
  });
  whep.use(crossOrigin(options));
  whep.use(async (c, next) => {
    if (isAllowed(c, c.req.header("Origin"), options)) return await next();
    const message = "server.allowed_origins does not list this page's origin";
    return refuse(c, { code: "origin_not_allowed", message });
  });
  whep.use(bodyLimit({
    maxSize: MESSAGE_BYTES_MAX,
    onError: (c) =>
      refuse(c, {
        status: 413,
        code: "bad_message",
        message: `A body may have ${MESSAGE_BYTES_MAX} bytes at most`,
      }),
  }));
  whep.post("/:session", (c) => guarded(c, options, () => join(c, options)));
  whep.patch("/:session/:viewer", (c) => guarded(c, options, () => patch(c, options)));
  whep.delete("/:session/:viewer", (c) => guarded(c, options, () => leave(c, options)));
  return whep;
}

async function join(c: Context, options: WhepOptions): Promise<Response> {
  const { door, access } = options;
  const sessionId = c.req.param("session") ?? "";
  if (!SESSION_ID_PATTERN.test(sessionId)) {
    return refuse(c, {
      code: "bad_message",
      message: "A session id is 1 to 64 of A-Z a-z 0-9 _ -",
    });
  }
  if (access !== undefined && !await access(c.req.raw, sessionId)) {
    const message = "This session needs an access token that is valid for it; see `pinhole token`";
    return refuse(c, { code: "unauthorized", message });
  }
  if (!hasType(c, SDP)) return refuse(c, wrongType(SDP));
  const reachedHost = parseReachedHost(hostOf(c));
  if (reachedHost === undefined) {
    return refuse(c, { code: "bad_message", message: "The Host header names no host" });
  }
  const wishes = readWishes(c);
  if ("code" in wishes) return refuse(c, wishes);
  const request = { sessionId, reachedHost, sdp: await c.req.text(), ...wishes };
  const viewer = await door.join(request, SILENT, { signal: c.req.raw.signal });
  // From here on only its packets show that the client is there.
  viewer.detach();
  return c.body(viewer.answerSdp, 201, {
    "Content-Type": SDP,
    "Location": `/whep/${sessionId}/${viewer.id}`,
    "ETag": etag(viewer.iceUfrag),
    "Accept-Patch": SDP_FRAGMENT,
    "Cache-Control": "no-store",
  });
}

/** Candidates are taken and not dialled; new credentials restart ICE (RFC 9725 §4.3, which WHEP follows). */
async function patch(c: Context, options: WhepOptions): Promise<Response> {
  const viewer = resume(c, options);
  if (viewer === undefined) return refuse(c, NO_RESOURCE);
  // Taking it up again made it ours; nobody else may have held it.
  try {
    if (!hasType(c, SDP_FRAGMENT)) return refuse(c, wrongType(SDP_FRAGMENT));
    const fragment = parseSdpFragment(await c.req.text());
    if (fragment === undefined) {
      return refuse(c, { code: "bad_message", message: "The body is no SDP fragment" });
    }
    const match = c.req.header("If-Match");
    if (match === undefined) {
      const message = "If-Match names the ICE session: the ETag of the answer, or * to restart it";
      return refuse(c, { status: 428, code: "bad_message", message });
    }
    if (match !== "*" && match !== etag(viewer.iceUfrag)) {
      const message = "If-Match names an ICE session that was restarted since";
      return refuse(c, { status: 412, code: "bad_message", message });
    }
    if (fragment.ice === undefined || match !== "*") return c.body(null, 204);
    const restarted = viewer.restartIce(fragment.ice);
    return c.body(formatSdpFragment({ ...restarted, candidate: viewer.candidate }), 200, {
      "Content-Type": SDP_FRAGMENT,
      "ETag": etag(restarted.ufrag),
    });
  } finally {
    viewer.detach();
  }
}

function leave(c: Context, options: WhepOptions): Response {
  const viewer = resume(c, options);
  if (viewer === undefined) return refuse(c, NO_RESOURCE);
  viewer.bye();
  return c.body(null, 200);
}

function resume(c: Context, { door }: WhepOptions): ReturnType<SessionDoor["resume"]> | undefined {
  const [session = "", viewer = ""] = [c.req.param("session"), c.req.param("viewer")];
  if (viewer.length > VIEWER_ID_CHARS_MAX) return undefined;
  try {
    return door.resume(session, viewer, SILENT);
  } catch (error) {
    if (error instanceof ViewerError && error.code === "no_such_viewer") return undefined;
    throw error;
  }
}

/** What an offer over a WebSocket brings beside its SDP comes in the query: `?idle=NAME&params={…}`. */
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
  if (!isObject(params)) return { code: "bad_message", message: "params is a JSON object" };
  if (!fitsParams(params)) return { code: "bad_message", message: PARAMS_TOO_LONG };
  if (idle === undefined) return { params };
  if (!isIdleName(idle)) return { code: "bad_message", message: "idle names an idle source" };
  return { params, idle };
}

/** Answers what the sessions refuse, and counts it. */
async function guarded(
  c: Context,
  { log }: WhepOptions,
  handle: () => Promise<Response> | Response,
): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    if (!(error instanceof ViewerError)) {
      log.error("whep_failed", { session: c.req.param("session"), error: failureText(error) });
    }
    return refuse(c, refusalOf(error));
  }
}

/** An error body as problem details (RFC 9457). */
function refuse(c: Context, refusal: WhepRefusal): Response {
  const { code, message } = refusal;
  const status = "status" in refusal ? refusal.status : ERROR_TABLE[refusal.code].httpStatus;
  const retryAfterMs = "retryAfterMs" in refusal ? refusal.retryAfterMs : undefined;
  const headers = {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    ...(status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
    ...(retryAfterMs === undefined ? {} : { "Retry-After": `${Math.ceil(retryAfterMs / 1000)}` }),
  };
  const details = {
    type: "about:blank",
    title: code.replaceAll("_", " "),
    status,
    detail: message,
  };
  const extension = retryAfterMs === undefined ? { code } : { code, retry_after_ms: retryAfterMs };
  return c.body(JSON.stringify({ ...details, ...extension }), status as 400, headers);
}

function crossOrigin(options: WhepOptions): ReturnType<typeof cors> {
  return cors({
    origin: (origin, c) => isAllowed(c, origin, options) ? origin : null,
    allowMethods: ["POST", "PATCH", "DELETE", "OPTIONS"],
    allowHeaders: ["Content-Type", "Authorization", "If-Match"],
    exposeHeaders: EXPOSED_HEADERS,
    maxAge: 600,
  });
}

function isAllowed(c: Context, origin: string | undefined, options: WhepOptions): boolean {
  return isOriginAllowed({ origin, host: hostOf(c), allowed: options.allowedOrigins });
}

function hostOf(c: Context): string {
  return c.req.header("Host") ?? new URL(c.req.url).host;
}

function hasType(c: Context, type: string): boolean {
  return c.req.header("Content-Type")?.split(";", 1)[0]?.trim().toLowerCase() === type;
}

function wrongType(type: string): WhepRefusal {
  return { status: 415, code: "bad_message", message: `The body's Content-Type has to be ${type}` };
}

function etag(iceUfrag: string): string {
  return `"${iceUfrag}"`;
}
