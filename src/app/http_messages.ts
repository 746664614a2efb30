import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** Minimum size for compression, in bytes: a smaller body fits one packet. */
const COMPRESSED_BYTES_MIN = 1024;

const COMPRESSIBLE = /^(?:text\/|application\/(?:json|javascript|[a-z.-]+\+json)|image\/svg)/;

const compress = promisify(gzip);

/**
 * Converts Node's request to a web `Request`. Its URL always has the host `localhost`; the `Host` header has the name
 * that the client used.
 * @param signal Aborted when the client disconnects.
 * @returns `undefined` if there is no such web request: a forbidden method, or a target that is not a path.
 */
export function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", url = "/" } = incoming;
  const address = url.startsWith("/") ? URL.parse(`http://localhost${url}`) : targetOf(url);
  if (address === null) return undefined;
  try {
    return new Request(address, {
      method,
      headers: headersOf(incoming),
      signal,
      ...(hasBody(incoming) ? { body: bodyOf(incoming) } : {}),
    });
  } catch {
    return undefined;
  }
}

/** Whether a request has a body that is read. */
export function hasBody({ method, headers }: IncomingMessage): boolean {
  return method !== "GET" && method !== "HEAD" &&
    (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0);
}

/** The absolute form of a target (RFC 9112 §3.2.2), as sent to proxies, includes the host. */
function targetOf(url: string): URL | null {
  const absolute = URL.parse(url);
  return absolute && URL.parse(`http://localhost${absolute.pathname}${absolute.search}`);
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    headers.append(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
  }
  return headers;
}

/** Reads on demand; the rest of a cancelled body is read and dropped. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  let isOver = false;
  const once = (end: () => void) => () => {
    if (!isOver) end();
    isOver = true;
  };
  return new ReadableStream({
    start(controller) {
      incoming.on("data", (chunk: Buffer) => {
        if (isOver) return;
        controller.enqueue(new Uint8Array(chunk));
        incoming.pause();
      });
      incoming.pause();
      incoming.on("end", once(() => controller.close()));
      const broke = once(() => controller.error(new TypeError("The body broke off")));
      incoming.on("error", broke);
      incoming.on("close", broke);
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      isOver = true;
      incoming.resume();
    },
  }, { highWaterMark: 0 });
}

/** Writes a response whose body is in memory, compressed if the client accepts that. */
export async function sendResponse(
  response: Response,
  { incoming, outgoing }: { incoming: IncomingMessage; outgoing: ServerResponse },
): Promise<void> {
  const { status, headers, body } = response;
  const whole = body === null ? undefined : Buffer.from(await response.arrayBuffer());
  outgoing.statusCode = status;
  for (const [name, value] of headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (whole === undefined) return void outgoing.end();
  if (!isCompressible(headers)) return void outgoing.end(whole);
  outgoing.appendHeader("vary", "Accept-Encoding");
  if (whole.length < COMPRESSED_BYTES_MIN || !takesGzip(incoming)) {
    return void outgoing.end(whole);
  }
  outgoing.setHeader("content-encoding", "gzip");
  // A strong tag identifies exact bytes, so the compressed body gets a weak one (RFC 9110 §8.8.3).
  const etag = headers.get("etag");
  if (etag?.startsWith('"')) outgoing.setHeader("etag", `W/${etag}`);
  outgoing.end(await compress(whole));
}

function isCompressible(headers: Headers): boolean {
  return COMPRESSIBLE.test(headers.get("content-type") ?? "") && !headers.has("content-encoding");
}

/** RFC 9110 §12.5.3, as far as browsers, Prometheus and curl use it. */
function takesGzip({ headers }: IncomingMessage): boolean {
  const accepted = String(headers["accept-encoding"] ?? "").toLowerCase().split(",");
  return accepted.some((each) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/.test(each));
}
