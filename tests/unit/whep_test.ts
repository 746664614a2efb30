import assert from "assert";
import { ViewerError, type ViewerErrorCode } from "../../src/session/session_api.ts";
import { ERROR_TABLE } from "../../src/signalling/refusals.ts";
import {
  CLIENT_MESSAGE_BYTES_MAX,
  IDLE_NAME_CHARS_MAX,
  PARAMS_BYTES_MAX,
} from "../../src/signalling/limits.ts";
import { eventually } from "../support/deadline.ts";
import { FRAGMENT, HEAD, problem, SDP, WhepServer } from "../support/parts/whep_server.ts";

Deno.test("POST: 201 with the answer, its resource and its ETag; only the media holds the viewer", async () => {
  await using server = await WhepServer.open();
  const { status, headers, text } = await server.offer("/whep/main", {
    "Content-Type": "Application/SDP; charset=utf-8",
  });
  const viewer = server.sessions.latest;
  assert.equal(status, 201);
  assert.equal(text, viewer.answerSdp);
  assert.deepEqual(
    ["Content-Type", "Location", "ETag", "Accept-Patch", "Cache-Control", "X-Content-Type-Options"]
      .map((name) => headers.get(name)),
    [SDP, `/whep/main/${viewer.id}`, `"ufrag0"`, FRAGMENT, "no-store", "nosniff"],
  );
  assert.deepEqual(server.sessions.requests, [
    { sessionId: "main", reachedHost: "127.0.0.1", sdp: "v=0\r\n", params: {} },
  ]);
  assert.equal(viewer.fate, "detached");
  assert.deepEqual(server.log, []);
});

Deno.test("POST: idle and params of the query reach the sessions", async () => {
  await using server = await WhepServer.open();
  const params = encodeURIComponent(JSON.stringify({ voice: "å", n: [1] }));
  assert.equal((await server.offer(`/whep/main?idle=anna&params=${params}&token=x`)).status, 201);
  const { idle, params: given } = server.sessions.requests[0] ?? {};
  assert.deepEqual([idle, given], ["anna", { voice: "å", n: [1] }]);
});

Deno.test("POST: bad queries, types, bodies and names are refused, counted and logged", async () => {
  await using server = await WhepServer.open();
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
    ["/whep/main", { body: "x".repeat(CLIENT_MESSAGE_BYTES_MAX + 1) }, 413],
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
  assert.deepEqual([server.sessions.requests, server.errors], [[], []]);
});

Deno.test("POST: a body of the longest length is taken, and one of no announced length that is longer is not", async () => {
  await using server = await WhepServer.open();
  const longest = "x".repeat(CLIENT_MESSAGE_BYTES_MAX);
  assert.equal((await server.offer("/whep/main", { body: longest })).status, 201);
  assert.equal(server.sessions.requests[0]?.sdp.length, CLIENT_MESSAGE_BYTES_MAX);
  for (const [body, status] of [["v=0\r\nå\r\n", 201], [`${longest}x`, 413]] as const) {
    const length = new TextEncoder().encode(body).length.toString(16);
    const head = `${HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    const answer = await server.tell(`${head}${length}\r\n${body}\r\n0\r\n\r\n`);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
  }
  assert.equal(server.sessions.requests[1]?.sdp, "v=0\r\nå\r\n");
  assert.deepEqual(server.errors, []);
});

Deno.test("POST: what the sessions refuse is told by status, Retry-After and code", async () => {
  await using server = await WhepServer.open();
  for (const [name, { httpStatus }] of Object.entries(ERROR_TABLE)) {
    if (["bad_message", "unauthorized", "origin_not_allowed", "no_such_viewer"].includes(name)) {
      continue;
    }
    const code = name as ViewerErrorCode;
    server.sessions.gate = () =>
      Promise.reject(
        new ViewerError(code, "No", { retryAfterMs: 1_200, reason: "busy" }),
      );
    const answer = await server.offer();
    assert.deepEqual(problem(answer), [httpStatus, code]);
    assert.equal(answer.headers.get("Retry-After"), "2");
    assert.equal(JSON.parse(answer.text).retry_after_ms, 1_200);
    assert.equal(JSON.parse(answer.text).reason, "busy");
    assert.equal(server.meter.value("viewers_refused_total", { code }), 1);
  }
  assert.equal(ERROR_TABLE.unsupported_codec.httpStatus, 406);
  assert.equal(ERROR_TABLE.no_free_port.httpStatus, 503);
  assert.deepEqual(server.errors, []);
});

Deno.test("POST: a defect of ours is told without its text, and logged with it", async () => {
  await using server = await WhepServer.open();
  server.sessions.gate = () => Promise.reject(new Error("a secret"));
  const answer = await server.offer();
  assert.deepEqual(problem(answer), [500, "internal"]);
  assert.ok(!answer.text.includes("secret"));
  assert.deepEqual(server.errors, ["whep_failed"]);
});

Deno.test("POST: a client that leaves before its answer is neither refused nor a failure", async () => {
  await using server = await WhepServer.open();
  const hold = Promise.withResolvers<void>();
  server.sessions.gate = () => hold.promise;
  const leaving = new AbortController();
  const asked = fetch(`http://127.0.0.1:${server.port}/whep/main`, {
    method: "POST",
    headers: { "Content-Type": SDP },
    body: "v=0\r\n",
    signal: leaving.signal,
  });
  await eventually(() => server.sessions.departure !== undefined, { what: "for the offer" });
  assert.ok(!server.sessions.departure?.aborted);
  leaving.abort();
  await assert.rejects(asked);
  await eventually(() => server.sessions.departure?.aborted === true, { what: "to hear of it" });
  hold.reject(new ViewerError("internal", "Gone"));
  // A request of its own, behind everything that the other one brings about.
  await server.ask("GET", "/whep/main");
  assert.deepEqual([server.log, server.errors], [[], []]);
});

Deno.test("POST: a client that leaves within its body is no failure of the server", async () => {
  await using server = await WhepServer.open();
  for (const framing of ["Content-Length: 100", "Transfer-Encoding: chunked"]) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(`${HEAD}${framing}\r\n\r\n5\r\n`));
  }
  assert.equal((await server.offer()).status, 201);
  assert.deepEqual([server.errors, server.sessions.requests.length], [[], 1]);
});

Deno.test("POST: a Host header that makes no address is 400", async () => {
  await using server = await WhepServer.open();
  const head = HEAD.replace("localhost", "a b:99999");
  const answer = await server.tell(`${head}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.deepEqual([server.errors, server.sessions.requests], [[], []]);
});
