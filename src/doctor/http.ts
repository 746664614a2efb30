import { Buffer } from "node:buffer";
import http from "node:http";
import https from "node:https";
import { errorText } from "../base/errors.ts";

/** Bytes of a body that are read: what we ask for has a few kilobytes. */
const BODY_BYTES_MAX = 1 << 20;

/** An answer to a request. */
export interface HttpReply {
  readonly status: number;
  readonly body: string;
  /** The other side's clock, in milliseconds since 1970. */
  readonly dateMs: number | undefined;
  /** This host's clock when the answer came, in milliseconds since 1970. */
  readonly receivedMs: number;
  readonly location: string | undefined;
}

/** How a request is made. */
export interface HttpRequest {
  /** Default: GET. */
  readonly method?: "GET" | "POST";
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
  /** `user:password` of Basic authentication. */
  readonly credentials?: string | undefined;
  /** Set for this host's own server, whose certificate is made for another name than an address of this host. */
  readonly takesAnyCertificate?: boolean;
  readonly deadlineMs: number;
}

/**
 * Makes one request on a connection of its own, past any proxy that the environment names, and follows no redirect.
 * @returns An answer of whatever status, or why there is none. Never rejects.
 */
export async function request(
  url: string,
  asked: HttpRequest,
): Promise<HttpReply | { readonly problem: string }> {
  const { method = "GET", token, credentials, takesAnyCertificate = false, deadlineMs } = asked;
  const settings = {
    method,
    agent: false,
    signal: AbortSignal.timeout(deadlineMs),
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(credentials === undefined
        ? {}
        : { Authorization: `Basic ${Buffer.from(credentials).toString("base64")}` }),
      ...(method === "POST" ? { "Content-Length": "0" } : {}),
    },
  } as const;
  try {
    return await read(
      url.startsWith("https:")
        ? https.request(url, { ...settings, rejectUnauthorized: !takesAnyCertificate })
        : http.request(url, settings),
    );
  } catch (error) {
    return {
      problem: settings.signal.aborted
        ? `no answer within ${deadlineMs / 1000} s`
        : describe(error),
    };
  }
}

/** What the usual errors of sockets mean, in words. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was cut",
  EHOSTUNREACH: "no way to that host",
  ENETUNREACH: "no way to that network",
  ENOTFOUND: "its name is not known",
  ETIMEDOUT: "no answer",
};

function describe(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return WORDS[code] ?? errorText(error);
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
