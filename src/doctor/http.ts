import { Buffer } from "node:buffer";
import http from "node:http";
import https from "node:https";
import { errorText } from "../base/errors.ts";

/** Limit of a body, in bytes: the documents requested here have a few kilobytes. */
const BODY_BYTES_MAX = 1 << 20;

/** An answer to a request. */
export interface HttpReply {
  readonly status: number;
  readonly body: string;
  /** The server's clock from the Date header, in milliseconds since 1970. */
  readonly dateMs: number | undefined;
  /** This host's clock when the answer arrived, in milliseconds since 1970. */
  readonly receivedMs: number;
  readonly location: string | undefined;
}

/** Why there is no answer. */
export interface HttpFailure {
  /** For people. */
  readonly problem: string;
  readonly cause: FailureCause;
}

/**
 * `refused`: nothing listens there. `silent`: connecting timed out, as when a firewall drops packets. `unanswered`:
 * connected, but no answer. `cut`: the connection was closed. `protocol`: the answer is not HTTP, or not TLS for https.
 * `certificate`: TLS with a certificate that browsers refuse.
 */
export type FailureCause =
  | "refused"
  | "silent"
  | "unanswered"
  | "cut"
  | "protocol"
  | "certificate"
  | "other";

/** Options of {@link request}. */
export interface HttpRequest {
  /** Default: GET. */
  readonly method?: "GET" | "POST";
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
  /** `user:password` of Basic authentication. */
  readonly credentials?: string | undefined;
  /** The Origin header that a browser would send, such as `https://example.com`. */
  readonly origin?: string | undefined;
  /** Set for this host's own server, whose certificate is for a name, not for an address of this host. */
  readonly takesAnyCertificate?: boolean;
  readonly deadlineMs: number;
}

/**
 * Makes one request on a new connection. Ignores proxies from the environment, and follows no redirect.
 * @returns An answer with any status, or why there is none. Never rejects.
 */
export async function request(
  url: string,
  asked: HttpRequest,
): Promise<HttpReply | HttpFailure> {
  const { method = "GET", token, credentials, origin, deadlineMs } = asked;
  const { takesAnyCertificate = false } = asked;
  const settings = {
    method,
    agent: false,
    signal: AbortSignal.timeout(deadlineMs),
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(credentials === undefined
        ? {}
        : { Authorization: `Basic ${Buffer.from(credentials).toString("base64")}` }),
      ...(origin === undefined ? {} : { Origin: origin }),
      ...(method === "POST" ? { "Content-Length": "0" } : {}),
    },
  } as const;
  const progress = { isConnected: false };
  try {
    const outgoing = url.startsWith("https:")
      ? https.request(url, { ...settings, rejectUnauthorized: !takesAnyCertificate })
      : http.request(url, settings);
    outgoing.on("socket", (socket) => {
      socket.on("connect", () => progress.isConnected = true);
    });
    return await read(outgoing);
  } catch (error) {
    if (!settings.signal.aborted) return describe(error);
    const late = `within ${deadlineMs / 1000} s`;
    return progress.isConnected
      ? { problem: `connected, but no answer ${late}`, cause: "unanswered" }
      : { problem: `neither an answer nor a refusal ${late}`, cause: "silent" };
  }
}

/** The usual socket errors, by code. */
const FAILURES: Readonly<Record<string, HttpFailure>> = {
  ECONNREFUSED: { problem: "connection refused", cause: "refused" },
  ECONNRESET: { problem: "connection reset", cause: "cut" },
  EHOSTUNREACH: { problem: "no route to host", cause: "other" },
  ENETUNREACH: { problem: "network is unreachable", cause: "other" },
  ENOTFOUND: { problem: "the host name does not resolve", cause: "other" },
  ETIMEDOUT: { problem: "connection timed out", cause: "silent" },
};

function describe(error: unknown): HttpFailure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const problem = errorText(error);
  return FAILURES[code] ?? { problem, cause: causeOf(`${code} ${problem}`) };
}

function causeOf(text: string): FailureCause {
  if (/cert|self.signed|LEAF_SIGNATURE|ALTNAME/i.test(text)) return "certificate";
  if (/HPE_|parse|invalid.*(HTTP|message)|protocol|record|packet length|ssl|tls/i.test(text)) {
    return "protocol";
  }
  return /hang up|closed|EOF/i.test(text) ? "cut" : "other";
}

function read(outgoing: http.ClientRequest): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("error", reject);
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > BODY_BYTES_MAX) incoming.destroy(new Error("the answer is too long"));
        else chunks.push(chunk);
      });
      incoming.on("end", () => {
        const dateMs = Date.parse(incoming.headers.date ?? "");
        resolve({
          status: incoming.statusCode ?? 0,
          body: Buffer.concat(chunks).toString(),
          dateMs: Number.isNaN(dateMs) ? undefined : dateMs,
          receivedMs: Date.now(),
          location: incoming.headers.location,
        });
      });
    });
    outgoing.end();
  });
}
