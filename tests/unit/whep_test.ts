import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { ViewerError } from "../../src/session/door.ts";
import { ERROR_TABLE } from "../../src/signalling/errors.ts";
import type { HttpAppOptions } from "../../src/signalling/http_app.ts";
import {
  IDLE_NAME_CHARS_MAX,
  MESSAGE_BYTES_MAX,
  PARAMS_BYTES_MAX,
  VIEWER_ID_CHARS_MAX,
} from "../../src/signalling/limits.ts";
import { eventually } from "../support/deadline.ts";
import { type FakeDoor, serveFakeDoor } from "../support/fake_door.ts";
import { RecordingMeter } from "../support/recording_meter.ts";

const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";
const OFFERED = fragment("offered");
const RESTARTED = fragment("restarted");

/** The beginning of an offer's request, for those who write the rest by hand. */
const HEAD = `POST /whep/main HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${SDP}\r\n`;

/** Our answers in short, with what a restart has to repeat. */
const ANSWER = [
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
function fragment(ufrag: string): string {
  const credentials = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${"p".repeat(24)}\r\n`;
  const candidate = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n";
  return `${credentials}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n${candidate}`;
}

/** WHEP on a free port, in front of sessions that exist in name only. */
class WhepServer implements AsyncDisposable {
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly log: { readonly event: string; readonly fields: unknown }[] = [];
  readonly errors: string[] = [];
  readonly #server: ReturnType<typeof serveFakeDoor>;

  constructor(options: Partial<HttpAppOptions> = {}) {
    this.#server = serveFakeDoor({
      meter: this.meter,
      log: {
        ...NULL_LOGGER,
        info: (event, fields) => void this.log.push({ event, fields }),
        error: (event) => void this.errors.push(event),
      },
      ...options,
    });
  }

  get door(): FakeDoor {
    return this.#server.door;
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
    this.door.latest.answerSdp = ANSWER;
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

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Status and code of a refusal, which is told as problem details. */
function problem({ status, headers, text }: Answer): [status: number, code: unknown] {
  assert.equal(headers.get("Content-Type"), "application/problem+json");
  assert.equal(headers.get("Cache-Control"), "no-store");
  const { code, detail, title, status: told } = JSON.parse(text);
  assert.equal(told, status);
  assert.ok(detail !== "" && title !== "", text);
  return [status, code];
}

Deno.test("POST: 201 with the answer, its resource and its ETag; only the media holds the viewer", async () => {
  await using server = new WhepServer();
  const { status, headers, text } = await server.offer("/whep/main", {
    "Content-Type": "Application/SDP; charset=utf-8",
  });
  const viewer = server.door.latest;
  assert.equal(status, 201);
  assert.equal(text, viewer.answerSdp);
  assert.deepEqual(
    ["Content-Type", "Location", "ETag", "Accept-Patch", "Cache-Control", "X-Content-Type-Options"]
      .map((name) => headers.get(name)),
    [SDP, `/whep/main/${viewer.id}`, `"ufrag0"`, FRAGMENT, "no-store", "nosniff"],
  );
  assert.deepEqual(server.door.requests, [
    { sessionId: "main", reachedHost: "127.0.0.1", sdp: "v=0\r\n", params: {} },
  ]);
  assert.equal(viewer.fate, "detached");
  assert.deepEqual(server.log, []);
});

Deno.test("POST: idle and params of the query reach the sessions", async () => {
  await using server = new WhepServer();
  const params = encodeURIComponent(JSON.stringify({ voice: "å", n: [1] }));
  assert.equal((await server.offer(`/whep/main?idle=anna&params=${params}&token=x`)).status, 201);
  const { idle, params: given } = server.door.requests[0] ?? {};
  assert.deepEqual([idle, given], ["anna", { voice: "å", n: [1] }]);
});

Deno.test("POST: bad queries, types, bodies and names are refused, counted and logged", async () => {
  await using server = new WhepServer();
  const long = "x".repeat(PARAMS_BYTES_MAX);
  const refusals: [path: string, headers: Record<string, string>, status: number][] = [
    ["/whep/main?params=[]", {}, 400],
    ["/whep/main?params=%7B", {}, 400],
    ["/whep/main?params=%ZZ", {}, 400],
    [`/whep/main?params={"a":"${long}"}`, {}, 400],
    ["/whep/main?idle=", {}, 400],
    [`/whep/main?idle=${"x".repeat(IDLE_NAME_CHARS_MAX + 1)}`, {}, 400],
    ["/whep/a.b", {}, 400],
    ["/whep/%00", {}, 400],
    ["/whep/%E0%A4%A", {}, 400],
    [`/whep/${"x".repeat(65)}`, {}, 400],
    ["/whep/main", { "Content-Type": "text/plain" }, 415],
    ["/whep/main", { "Content-Type": "" }, 415],
    ["/whep/main", { "Content-Type": "application/sdpx" }, 415],
    ["/whep/main", { body: "x".repeat(MESSAGE_BYTES_MAX + 1) }, 413],
  ];
  for (const [path, headers, status] of refusals) {
    const answer = await server.offer(path, headers);
    assert.deepEqual(problem(answer), [status, "bad_message"], `${path} ${answer.text}`);
    assert.equal(answer.headers.get("Accept-Post"), status === 415 ? SDP : null);
  }
  const count = server.meter.value("viewers_refused_total", { code: "bad_message" });
  assert.equal(count, refusals.length);
  assert.ok(server.log.every(({ event }) => event === "viewer_refused"));
  assert.equal(server.log.length, refusals.length);
  // What names no session is no session's, and not for the log.
  assert.ok(!JSON.stringify(server.log).includes("a.b"));
  assert.deepEqual([server.door.requests, server.errors], [[], []]);
});

Deno.test("POST: a body of the longest length is taken, and one of no announced length that is longer is not", async () => {
  await using server = new WhepServer();
  const longest = "x".repeat(MESSAGE_BYTES_MAX);
  assert.equal((await server.offer("/whep/main", { body: longest })).status, 201);
  assert.equal(server.door.requests[0]?.sdp.length, MESSAGE_BYTES_MAX);
  for (const [body, status] of [["v=0\r\nå\r\n", 201], [`${longest}x`, 413]] as const) {
    const length = new TextEncoder().encode(body).length.toString(16);
    const head = `${HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    const answer = await server.tell(`${head}${length}\r\n${body}\r\n0\r\n\r\n`);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
  }
  assert.equal(server.door.requests[1]?.sdp, "v=0\r\nå\r\n");
  assert.deepEqual(server.errors, []);
});

Deno.test("POST: what the sessions refuse is told by status, Retry-After and code", async () => {
  await using server = new WhepServer();
  for (const [code, { httpStatus }] of Object.entries(ERROR_TABLE)) {
    if (["bad_message", "unauthorized", "origin_not_allowed", "no_such_viewer"].includes(code)) {
      continue;
    }
    server.door.gate = () =>
      Promise.reject(
        new ViewerError(code as ViewerError["code"], "No", { retryAfterMs: 1_200 }),
      );
    const answer = await server.offer();
    assert.deepEqual(problem(answer), [httpStatus, code]);
    assert.equal(answer.headers.get("Retry-After"), "2");
    assert.equal(JSON.parse(answer.text).retry_after_ms, 1_200);
    assert.equal(server.meter.value("viewers_refused_total", { code }), 1);
  }
  assert.equal(ERROR_TABLE.unsupported_codec.httpStatus, 406);
  assert.equal(ERROR_TABLE.no_free_port.httpStatus, 503);
  assert.deepEqual(server.errors, []);
});

Deno.test("POST: a defect of ours is told without its text, and logged with it", async () => {
  await using server = new WhepServer();
  server.door.gate = () => Promise.reject(new Error("a secret"));
  const answer = await server.offer();
  assert.deepEqual(problem(answer), [500, "internal"]);
  assert.ok(!answer.text.includes("secret"));
  assert.deepEqual(server.errors, ["whep_failed"]);
});

Deno.test("POST: a client that leaves before its answer is neither refused nor a failure", async () => {
  await using server = new WhepServer();
  const hold = Promise.withResolvers<void>();
  server.door.gate = () => hold.promise;
  const leaving = new AbortController();
  const asked = fetch(`http://127.0.0.1:${server.port}/whep/main`, {
    method: "POST",
    headers: { "Content-Type": SDP },
    body: "v=0\r\n",
    signal: leaving.signal,
  });
  await eventually(() => server.door.departure !== undefined, { what: "for the offer" });
  assert.ok(!server.door.departure?.aborted);
  leaving.abort();
  await assert.rejects(asked);
  await eventually(() => server.door.departure?.aborted === true, { what: "to hear of it" });
  hold.reject(new ViewerError("internal", "Gone"));
  // A request of its own, behind everything that the other one brings about.
  await server.ask("GET", "/whep/main");
  assert.deepEqual([server.log, server.errors], [[], []]);
});

Deno.test("POST: a client that leaves within its body is no failure of the server", async () => {
  await using server = new WhepServer();
  for (const framing of ["Content-Length: 100", "Transfer-Encoding: chunked"]) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(`${HEAD}${framing}\r\n\r\n5\r\n`));
  }
  assert.equal((await server.offer()).status, 201);
  assert.deepEqual([server.errors, server.door.requests.length], [[], 1]);
});

Deno.test("PATCH: candidates are taken with the ETag or *, and change nothing", async () => {
  await using server = new WhepServer();
  const resource = await server.join();
  const alone = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=end-of-candidates\r\n";
  for (const match of ['"ufrag0"', '"old", "ufrag0"', "*", '"*"']) {
    for (const body of [OFFERED, alone, alone.replaceAll("\r", "")]) {
      const { status, headers, text } = await server.patch(resource, { "If-Match": match, body });
      assert.deepEqual([status, headers.get("ETag"), text], [204, null, ""], match);
    }
  }
  assert.equal(server.door.latest.iceUfrag, "ufrag0");
  assert.equal(server.door.latest.fate, "detached");
});

Deno.test("PATCH: other credentials restart ICE, and the answer has new ones with all candidates", async () => {
  await using server = new WhepServer();
  const resource = await server.join();
  await server.patch(resource, { "If-Match": '"ufrag0"' });
  for (
    const [match, ufrag, ours] of [["*", "again", 1], ['"*"', "twice", 2], ['"ufrag2"', "3rd+", 3]]
  ) {
    const answer = await server.patch(resource, {
      "If-Match": String(match),
      "body": fragment(String(ufrag)),
    });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get("Content-Type"), FRAGMENT);
    assert.equal(answer.headers.get("ETag"), `"ufrag${ours}"`);
    assert.equal(answer.headers.get("Cache-Control"), "no-store");
    assert.deepEqual(answer.text.split("\r\n"), [
      "a=ice-lite",
      "a=ice-options:ice2 trickle",
      "a=group:BUNDLE 0 1",
      `a=ice-ufrag:ufrag${ours}`,
      `a=ice-pwd:${"p".repeat(32)}`,
      "m=video 9 UDP/TLS/RTP/SAVPF 96",
      "a=mid:1",
      "a=candidate:1 1 udp 2130706431 203.0.113.7 10111 typ host",
      "a=candidate:2 1 tcp 1671430143 203.0.113.7 10111 typ host tcptype passive",
      "a=end-of-candidates",
      "",
    ]);
  }
});

Deno.test("PATCH: without If-Match 428, with that of another ICE session 412, and nothing restarts", async () => {
  await using server = new WhepServer();
  const resource = await server.join();
  await server.patch(resource, { "If-Match": "*" });
  const refused = async (headers: Record<string, string>, status: number) => {
    const answer = await server.patch(resource, { body: RESTARTED, ...headers });
    assert.deepEqual(problem(answer), [status, "bad_message"], JSON.stringify(headers));
  };
  await refused({}, 428);
  for (const match of ["", '"ufrag1"', 'W/"ufrag0"', "ufrag0", '"ufrag0']) {
    await refused({ "If-Match": match }, 412);
  }
  await refused({ "If-Match": "*", "Content-Type": SDP }, 415);
  await refused({ "If-Match": "*", "body": "x".repeat(MESSAGE_BYTES_MAX + 1) }, 413);
  const pwd = `a=ice-pwd:${"p".repeat(24)}`;
  const bodies = ["", "nonsense", "a=ice-ufrag:abcd", pwd, `a=ice-ufrag:ab\n${pwd}`, "{}\r\n"];
  for (const body of bodies) await refused({ "If-Match": "*", body }, 400);
  assert.equal(server.door.latest.iceUfrag, "ufrag0");
  // No offer was refused.
  assert.deepEqual(server.log, []);
});

Deno.test("DELETE: ends the viewer with 200, whatever If-Match says; then there is no resource", async () => {
  await using server = new WhepServer();
  const resource = await server.join();
  const { status } = await server.ask("DELETE", resource, { "If-Match": '"other"' });
  assert.equal(status, 200);
  assert.equal(server.door.latest.fate, "bye");
  assert.deepEqual(problem(await server.ask("DELETE", resource)), [404, "no_such_viewer"]);
  assert.deepEqual(problem(await server.patch(resource)), [404, "no_such_viewer"]);
  assert.deepEqual(problem(await server.ask("GET", resource)), [404, "no_such_viewer"]);
});

Deno.test("resource: is found under its session and its whole id only", async () => {
  await using server = new WhepServer();
  const resource = await server.join();
  const { id } = server.door.latest;
  const paths = [
    `/whep/other/${id}`,
    `/whep/main/${id}x`,
    `/whep/main/${id.slice(1)}`,
    `/whep/main/${"x".repeat(VIEWER_ID_CHARS_MAX + 1)}`,
    "/whep/%E0%A4%A/%E0%A4%A",
  ];
  for (const path of paths) {
    assert.deepEqual(problem(await server.ask("DELETE", path)), [404, "no_such_viewer"], path);
  }
  for (const path of ["/whep", "/whep/", `${resource}/more`]) {
    assert.equal((await server.offer(path)).status, 404, path);
  }
  assert.equal(server.door.latest.fate, "detached");
});

Deno.test("GET: endpoint and resource have no content; other methods are 405 with those that go", async () => {
  await using server = new WhepServer();
  const resource = await server.join();
  for (const path of ["/whep/main", resource]) {
    for (const method of ["GET", "HEAD"]) {
      const { status, text } = await server.ask(method, path);
      assert.deepEqual([status, text], [204, ""], `${method} ${path}`);
    }
  }
  const refusals = [
    ["PUT", "/whep/main", "GET, POST, OPTIONS"],
    ["DELETE", "/whep/main", "GET, POST, OPTIONS"],
    ["PATCH", "/whep/main", "GET, POST, OPTIONS"],
    ["POST", resource, "GET, PATCH, DELETE, OPTIONS"],
    ["PUT", resource, "GET, PATCH, DELETE, OPTIONS"],
  ] as const;
  for (const [method, path, allow] of refusals) {
    const answer = await server.ask(method, path);
    assert.deepEqual(problem(answer), [405, "bad_message"], `${method} ${path}`);
    assert.equal(answer.headers.get("Allow"), allow);
  }
  assert.deepEqual(server.log, []);
});

Deno.test("OPTIONS: 200 with what may be sent, and what pages may do", async () => {
  await using server = new WhepServer({ allowedOrigins: ["https://a.example"] });
  for (const path of ["/whep/main", "/whep/main/x"]) {
    const { status, headers, text } = await server.ask("OPTIONS", path, {
      "Origin": "https://a.example",
      "Access-Control-Request-Method": "PATCH",
      "Access-Control-Request-Headers": "if-match,content-type",
    });
    assert.deepEqual([status, text], [200, ""]);
    const told = ["Accept-Post", "Accept-Patch", "Access-Control-Allow-Origin", "ETag"];
    assert.deepEqual(told.map((name) => headers.get(name)), [
      SDP,
      FRAGMENT,
      "https://a.example",
      null,
    ]);
    const list = (name: string) => headers.get(name)?.toLowerCase().split(/, ?/) ?? [];
    for (const name of ["content-type", "authorization", "if-match"]) {
      assert.ok(list("Access-Control-Allow-Headers").includes(name), name);
    }
    for (const method of ["post", "patch", "delete"]) {
      assert.ok(list("Access-Control-Allow-Methods").includes(method), method);
    }
    assert.ok(list("Vary").includes("origin"));
  }
  const plain = await server.ask("OPTIONS", "/whep/main");
  assert.deepEqual([plain.status, plain.headers.get("Accept-Post")], [200, SDP]);
});

Deno.test("origins: a page that is allowed may read answers and refusals, another gets 403 and nothing", async () => {
  await using server = new WhepServer({ allowedOrigins: ["https://a.example"] });
  const own = `http://127.0.0.1:${server.port}`;
  for (const Origin of ["https://a.example", own]) {
    for (const type of [SDP, "text/plain"]) {
      const { headers } = await server.offer("/whep/main", { Origin, "Content-Type": type });
      assert.equal(headers.get("Access-Control-Allow-Origin"), Origin);
      assert.match(headers.get("Vary") ?? "", /Origin/);
      const exposed = headers.get("Access-Control-Expose-Headers")?.split(",") ?? [];
      for (const name of ["Location", "ETag", "Retry-After"]) assert.ok(exposed.includes(name));
    }
  }
  const { id } = server.door.latest;
  const joined = server.door.viewers.length;
  for (const Origin of ["https://b.example", "null", "https://a.example.b.example"]) {
    const requests = [["POST", "/whep/main"], ["DELETE", `/whep/main/${id}`]] as const;
    for (const [method, path] of requests) {
      const answer = await server.ask(method, path, { Origin, "Content-Type": SDP });
      assert.deepEqual(problem(answer), [403, "origin_not_allowed"]);
      assert.equal(answer.headers.get("Access-Control-Allow-Origin"), null);
    }
    const preflight = await server.ask("OPTIONS", "/whep/main", { Origin });
    assert.equal(preflight.headers.get("Access-Control-Allow-Origin"), null);
  }
  assert.deepEqual([server.door.viewers.length, server.door.latest.fate], [joined, "detached"]);
  assert.equal(server.meter.value("viewers_refused_total", { code: "origin_not_allowed" }), 3);
});

Deno.test("tokens: an offer needs one for its session, what Location names needs none", async () => {
  const asked: unknown[] = [];
  await using server = new WhepServer({
    access: (request, purpose) => {
      asked.push(purpose);
      const isRight = request.headers.get("Authorization") === "Bearer right";
      return Promise.resolve(isRight ? { viewerOnly: false } : undefined);
    },
  });
  const refused = await server.offer("/whep/main", { Authorization: "Bearer wrong" });
  assert.deepEqual(problem(refused), [401, "unauthorized"]);
  assert.equal(refused.headers.get("WWW-Authenticate"), 'Bearer realm="pinhole"');
  assert.deepEqual(server.door.requests, []);
  assert.equal(server.meter.value("viewers_refused_total", { code: "unauthorized" }), 1);
  const granted = await server.offer("/whep/main", { Authorization: "Bearer right" });
  assert.equal(granted.status, 201);
  const resource = granted.headers.get("Location") ?? "";
  assert.ok(!resource.includes("right"));
  assert.equal((await server.patch(resource, { "If-Match": "*" })).status, 204);
  assert.equal((await server.ask("DELETE", resource)).status, 200);
  assert.deepEqual(asked, [{ session: "main" }, { session: "main" }]);
  assert.equal((await server.ask("OPTIONS", "/whep/main")).status, 200, "has no token to show");
});

Deno.test("POST: a Host header that makes no address is 400", async () => {
  await using server = new WhepServer();
  const head = HEAD.replace("localhost", "a b:99999");
  const answer = await server.tell(`${head}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.deepEqual([server.errors, server.door.requests], [[], []]);
});
