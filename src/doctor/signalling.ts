import { errorText } from "../base/errors.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { type HttpFailure, type HttpReply, request } from "./http.ts";

/** What came back from the public address of signalling. */
export interface SignallingFound {
  /** `GET /healthz` */
  readonly health: HttpReply | HttpFailure;
  /** `GET /api/path-check/<id>`, of a check that this host's own server began. */
  readonly known: HttpReply | HttpFailure;
  /** Why a WebSocket did not open; `undefined` when it did. */
  readonly webSocketProblem: string | undefined;
  /** A path below which Pinhole answers, where it does not at the root; `undefined` when there is none. */
  readonly answersBelow?: string | undefined;
  /** Whether Pinhole answers by http where `server.public_url` says https, or the other way round. */
  readonly answersByOtherScheme?: boolean;
  /** What is shown there by https; `undefined` where there is no TLS. */
  readonly certificate?: Certificate | undefined;
}

const DEADLINE_MS = 5_000;

/** Asks all at once. */
export async function probeSignalling(
  origin: string,
  { checkId, webSocketUrl }: { checkId: string; webSocketUrl: string },
): Promise<SignallingFound> {
  const asked = { deadlineMs: DEADLINE_MS };
  const page = new URL(origin).origin;
  const [health, known, webSocketProblem, prefixed, otherScheme, certificate] = await Promise.all([
    request(`${origin}/healthz`, asked),
    // As the page asks, whose origin the server compares with the name that it was reached by.
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

/** A path that web servers in front are often told to pass on alone. */
const PREFIX = "/pinhole";

/** `http:` in the place of `https:` and the other way round, on the same port. */
function withOtherScheme(origin: string): string {
  const { protocol, hostname, port } = new URL(origin);
  const isHttps = protocol === "https:";
  return `${isHttps ? "http" : "https"}://${hostname}:${port || (isHttps ? "443" : "80")}`;
}

function isHealthy(reply: HttpReply | HttpFailure): boolean {
  return "status" in reply && reply.status === 200 && reply.body.trim() === "ok";
}

/** Opens a WebSocket and closes it again. @returns Why it did not open. */
async function tryWebSocket(url: string, origin: string): Promise<string | undefined> {
  try {
    const socket = await openWebSocket(url, { deadlineMs: DEADLINE_MS, origin });
    await closeWebSocket(socket);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/** Deno's own takes headers, which the types of browsers, loaded for the viewer page, do not know. */
type WebSocketWithHeaders = new (
  url: string,
  options: { readonly headers: Readonly<Record<string, string>> },
) => WebSocket;

/**
 * Opens a WebSocket.
 * @param options.origin The page that a browser would come from; `undefined` comes as programs do.
 * @throws {Error} When it is not open in time, with why.
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

/** How long the other side may take to agree to a close, in milliseconds. */
const CLOSE_MS = 500;

/** Closes an open WebSocket and waits for the other side to agree, but not for long. */
export async function closeWebSocket(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, CLOSE_MS);
  socket.onclose = () => resolve();
  socket.close();
  await promise;
  clearTimeout(timer);
}
