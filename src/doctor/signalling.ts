import { errorText } from "../base/errors.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { type HttpFailure, type HttpReply, request } from "./http.ts";

/** Answers from the public address of signalling. */
export interface SignallingFound {
  /** `GET /healthz` */
  readonly health: HttpReply | HttpFailure;
  /** `GET /api/path-check/<id>`, of a check that this host's own server opened. */
  readonly known: HttpReply | HttpFailure;
  /** Why a WebSocket did not open; `undefined` if it did. */
  readonly webSocketProblem: string | undefined;
  /** A path prefix under which Pinhole answers; `undefined` if there is none. */
  readonly answersBelow?: string | undefined;
  /** Whether Pinhole answers by http although `server.public_url` says https, or the other way round. */
  readonly answersByOtherScheme?: boolean;
  /** The certificate presented there; `undefined` without TLS. */
  readonly certificate?: Certificate | undefined;
}

const DEADLINE_MS = 5_000;

/** Makes all requests at once. */
export async function probeSignalling(
  origin: string,
  { checkId, webSocketUrl }: { checkId: string; webSocketUrl: string },
): Promise<SignallingFound> {
  const asked = { deadlineMs: DEADLINE_MS };
  const page = new URL(origin).origin;
  const [health, known, webSocketProblem, prefixed, otherScheme, certificate] = await Promise.all([
    request(`${origin}/healthz`, asked),
    // With the Origin header of the page, which the server compares with Host.
    request(`${origin}/api/path-check/${encodeURIComponent(checkId)}`, { ...asked, origin: page }),
    tryWebSocket(webSocketUrl, page),
    request(`${origin}${PREFIX}/healthz`, { ...asked, takesAnyCertificate: true }),
    request(`${withOtherScheme(origin)}/healthz`, { ...asked, takesAnyCertificate: true }),
    readCertificate(origin, asked),
  ]);
  return {
    health,
    known,
    webSocketProblem,
    answersBelow: isHealthy(prefixed) ? `${PREFIX}/` : undefined,
    answersByOtherScheme: isHealthy(otherScheme),
    certificate,
  };
}

/** A path prefix that web servers are often configured to forward alone. */
const PREFIX = "/pinhole";

/** Swaps `http:` and `https:`, on the same port. */
function withOtherScheme(origin: string): string {
  const { protocol, hostname, port } = new URL(origin);
  const isHttps = protocol === "https:";
  return `${isHttps ? "http" : "https"}://${hostname}:${port || (isHttps ? "443" : "80")}`;
}

function isHealthy(reply: HttpReply | HttpFailure): boolean {
  return "status" in reply && reply.status === 200 && reply.body.trim() === "ok";
}

/** Opens a WebSocket and closes it. @returns Why it did not open. */
async function tryWebSocket(url: string, origin: string): Promise<string | undefined> {
  try {
    const socket = await openWebSocket(url, { deadlineMs: DEADLINE_MS, origin });
    await closeWebSocket(socket);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/** Deno's WebSocket takes headers; the browser types, loaded for the viewer page, do not declare them. */
type WebSocketWithHeaders = new (
  url: string,
  options: { readonly headers: Readonly<Record<string, string>> },
) => WebSocket;

/**
 * Opens a WebSocket.
 * @param options.origin Origin header that a browser would send; `undefined` sends none, like other programs.
 * @throws {Error} If it does not open in time, with the reason.
 */
export async function openWebSocket(
  url: string,
  { deadlineMs, origin }: { deadlineMs: number; origin: string | undefined },
): Promise<WebSocket> {
  const socket = origin === undefined
    ? new WebSocket(url)
    : new (WebSocket as unknown as WebSocketWithHeaders)(url, { headers: { Origin: origin } });
  const opened = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => opened.reject(new Error(`it did not open within ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  socket.onopen = () => opened.resolve();
  socket.onerror = (event) =>
    opened.reject(new Error(event instanceof ErrorEvent ? event.message : "it did not open"));
  try {
    await opened.promise;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.onerror = null;
  }
}

/** Time limit for the closing handshake, in milliseconds. */
const CLOSE_MS = 500;

/** Closes a WebSocket, and waits for the closing handshake for a limited time. */
export async function closeWebSocket(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, CLOSE_MS);
  socket.onclose = () => resolve();
  socket.close();
  await promise;
  clearTimeout(timer);
}
