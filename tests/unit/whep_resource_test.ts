import assert from "assert";
import { CLIENT_MESSAGE_BYTES_MAX, VIEWER_ID_CHARS_MAX } from "../../src/signalling/limits.ts";
import {
  FRAGMENT,
  fragment,
  HEAD,
  OFFERED,
  problem,
  RESTARTED,
  SDP,
  WhepServer,
} from "../support/parts/whep_server.ts";

Deno.test("PATCH: candidates are taken with the ETag or *, and change nothing", async () => {
  await using server = await WhepServer.open();
  const resource = await server.join();
  const alone = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=end-of-candidates\r\n";
  for (const match of ['"ufrag0"', '"old", "ufrag0"', "*", '"*"']) {
    for (const body of [OFFERED, alone, alone.replaceAll("\r", "")]) {
      const { status, headers, text } = await server.patch(resource, { "If-Match": match, body });
      assert.deepEqual([status, headers.get("ETag"), text], [204, null, ""], match);
    }
  }
  assert.equal(server.sessions.latest.iceUfrag, "ufrag0");
  assert.equal(server.sessions.latest.fate, "detached");
});

Deno.test("PATCH: of a resource that is not there no body is waited for", async () => {
  await using server = await WhepServer.open();
  const answer = await server.tell(
    "PATCH /whep/main/nobody HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
      "Content-Type: application/trickle-ice-sdpfrag\r\nContent-Length: 500\r\n\r\nabc",
  );
  assert.match(answer, /^HTTP\/1\.1 404 /);
});

Deno.test("PATCH: other credentials restart ICE, and the answer has new ones with all candidates", async () => {
  await using server = await WhepServer.open();
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
  await using server = await WhepServer.open();
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
  await refused({ "If-Match": "*", "body": "x".repeat(CLIENT_MESSAGE_BYTES_MAX + 1) }, 413);
  const pwd = `a=ice-pwd:${"p".repeat(24)}`;
  const bodies = ["", "nonsense", "a=ice-ufrag:abcd", pwd, `a=ice-ufrag:ab\n${pwd}`, "{}\r\n"];
  for (const body of bodies) await refused({ "If-Match": "*", body }, 400);
  assert.equal(server.sessions.latest.iceUfrag, "ufrag0");
  // No offer was refused.
  assert.deepEqual(server.log, []);
});

Deno.test("DELETE: ends the viewer with 200, whatever If-Match says; then there is no resource", async () => {
  await using server = await WhepServer.open();
  const resource = await server.join();
  const { status } = await server.ask("DELETE", resource, { "If-Match": '"other"' });
  assert.equal(status, 200);
  assert.equal(server.sessions.latest.fate, "bye");
  assert.deepEqual(problem(await server.ask("DELETE", resource)), [404, "no_such_viewer"]);
  assert.deepEqual(problem(await server.patch(resource)), [404, "no_such_viewer"]);
  assert.deepEqual(problem(await server.ask("GET", resource)), [404, "no_such_viewer"]);
});

Deno.test("resource: is found under its session and its whole id only", async () => {
  await using server = await WhepServer.open();
  const resource = await server.join();
  const { id } = server.sessions.latest;
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
  assert.equal(server.sessions.latest.fate, "detached");
});

Deno.test("GET: endpoint and resource have no content; other methods are 405 with those that go", async () => {
  await using server = await WhepServer.open();
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
  await using server = await WhepServer.open({
    site: () => ({ allowedOrigins: ["https://a.example"] }),
  });
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
  await using server = await WhepServer.open({
    site: () => ({ allowedOrigins: ["https://a.example"] }),
  });
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
  const { id } = server.sessions.latest;
  const joined = server.sessions.viewers.length;
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
  assert.deepEqual([server.sessions.viewers.length, server.sessions.latest.fate], [
    joined,
    "detached",
  ]);
  assert.equal(server.meter.value("viewers_refused_total", { code: "origin_not_allowed" }), 3);
});

Deno.test("tokens: the body of an offer without one is not waited for", async () => {
  const isRead: boolean[] = [];
  await using server = await WhepServer.open({
    access: ({ bodyUsed }) => {
      isRead.push(bodyUsed);
      return Promise.resolve(undefined);
    },
  });
  const answer = await server.tell(
    `${HEAD}Connection: close\r\nContent-Length: 500\r\n\r\nabc`,
  );
  assert.match(answer, /^HTTP\/1\.1 401 /);
  assert.deepEqual(isRead, [false]);
});

Deno.test("tokens: an offer needs one for its session, what Location names needs none", async () => {
  const asked: unknown[] = [];
  await using server = await WhepServer.open({
    access: (request, purpose) => {
      asked.push(purpose);
      const isRight = request.headers.get("Authorization") === "Bearer right";
      return Promise.resolve(isRight ? { viewerOnly: false } : undefined);
    },
  });
  const refused = await server.offer("/whep/main", { Authorization: "Bearer wrong" });
  assert.deepEqual(problem(refused), [401, "unauthorized"]);
  assert.equal(refused.headers.get("WWW-Authenticate"), 'Bearer realm="pinhole"');
  assert.deepEqual(server.sessions.requests, []);
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
