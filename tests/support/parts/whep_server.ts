import assert from "assert";
import { NULL_LOGGER } from "../../../src/base/log.ts";
import type { HttpAppOptions } from "../../../src/signalling/http_app.ts";
import { type FakeSessions, type FakeSessionsServer, serveFakeSessions } from "./fake_sessions.ts";
import { RecordingMeter } from "./recording_meter.ts";

/** Media types of offers and answers, and of pieces of them. */
export const SDP: string = "application/sdp";
export const FRAGMENT: string = "application/trickle-ice-sdpfrag";
/** What a browser sends of its candidates: those of its offer, and those of a restart. */
export const OFFERED: string = fragment("offered");
export const RESTARTED: string = fragment("restarted");

/** The beginning of an offer's request, for those who write the rest by hand. */
export const HEAD: string =
  `POST /whep/main HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${SDP}\r\n`;

/** Our answers in short, with what a restart has to repeat. */
export const ANSWER: string = [
  "v=0",
  "o=- 1 1 IN IP4 203.0.113.7",
  "a=ice-lite",
  "a=ice-options:ice2 trickle",
  "a=group:BUNDLE 0 1",
  "m=audio 0 UDP/TLS/RTP/SAVPF 111",
  "a=mid:0",
  "m=video 10111 UDP/TLS/RTP/SAVPF 96",
  "c=IN IP4 203.0.113.7",
  "a=mid:1",
  "a=ice-ufrag:ufrag0",
  "a=candidate:1 1 udp 2130706431 203.0.113.7 10111 typ host",
  "a=candidate:2 1 tcp 1671430143 203.0.113.7 10111 typ host tcptype passive",
  "a=end-of-candidates",
  "",
].join("\r\n");

/** What a browser sends of its candidates. */
export function fragment(ufrag: string): string {
  const credentials = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${"p".repeat(24)}\r\n`;
  const candidate = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n";
  return `${credentials}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n${candidate}`;
}

/** WHEP on a free port, in front of sessions that exist in name only. */
export class WhepServer implements AsyncDisposable {
  readonly meter: RecordingMeter;
  readonly log: { readonly event: string; readonly fields: unknown }[];
  readonly errors: string[];
  readonly #server: FakeSessionsServer;

  private constructor(
    server: FakeSessionsServer,
    seen: Pick<WhepServer, "meter" | "log" | "errors">,
  ) {
    this.#server = server;
    this.meter = seen.meter;
    this.log = seen.log;
    this.errors = seen.errors;
  }

  /** Opens one. */
  static async open(options: Partial<HttpAppOptions> = {}): Promise<WhepServer> {
    const meter = new RecordingMeter();
    const log: { readonly event: string; readonly fields: unknown }[] = [];
    const errors: string[] = [];
    const server = await serveFakeSessions({
      meter,
      log: {
        ...NULL_LOGGER,
        info: (event, fields) => void log.push({ event, fields }),
        error: (event) => void errors.push(event),
      },
      ...options,
    });
    return new WhepServer(server, { meter, log, errors });
  }

  get sessions(): FakeSessions {
    return this.#server.sessions;
  }

  get port(): number {
    return this.#server.port;
  }

  /** A request to a path of this server; what it answers is read to its end. */
  async ask(
    method: string,
    path: string,
    { body, ...headers }: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const { status } = response;
    return { status, headers: response.headers, text: await response.text() };
  }

  offer(path = "/whep/main", headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask("POST", path, { "Content-Type": SDP, "body": "v=0\r\n", ...headers });
  }

  /** Has an offer answered. @returns The resource's path. */
  async join(): Promise<string> {
    const { headers } = await this.offer();
    this.sessions.latest.answerSdp = ANSWER;
    return headers.get("Location") ?? "";
  }

  patch(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask("PATCH", path, { "Content-Type": FRAGMENT, "body": OFFERED, ...headers });
  }

  /** Bytes on a connection of their own, which the server closes. @returns What it says. */
  async tell(request: string): Promise<string> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const answer = new Response(connection.readable).text();
    const bytes = new TextEncoder().encode(request);
    for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
    return await answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

/** What a request was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Status and code of a refusal, which is told as problem details. */
export function problem({ status, headers, text }: Answer): [status: number, code: unknown] {
  assert.equal(headers.get("Content-Type"), "application/problem+json");
  assert.equal(headers.get("Cache-Control"), "no-store");
  const { code, detail, title, status: told } = JSON.parse(text);
  assert.equal(told, status);
  assert.ok(detail !== "" && title !== "", text);
  return [status, code];
}
