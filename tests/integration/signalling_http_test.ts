import assert from "assert";
import { type LogFields, type Logger, NULL_LOGGER } from "../../src/base/log.ts";
import type { HttpAppOptions } from "../../src/signalling/http_app.ts";
import { serveFakeSessions } from "../support/parts/fake_sessions.ts";

const ASSETS = new Map([
  ["/", { type: "text/html; charset=utf-8", body: "<!doctype html><title>Page</title>" }],
  ["/pinhole.js", { type: "text/javascript; charset=utf-8", body: "export {};" }],
]);

/** Serves an app with two assets on a free port of loopback. */
async function serve(options: Partial<HttpAppOptions> = {}) {
  const server = await serveFakeSessions({
    assets: ASSETS,
    sessionsJson: () => [{ id: "main" }],
    ...options,
  });
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

/** Status, type and text of a response; the type as a parser of media types would see it. */
async function shown(response: Response): Promise<[number, string | undefined, string]> {
  const type = response.headers.get("Content-Type")?.toLowerCase().replaceAll(" ", "");
  return [response.status, type, await response.text()];
}

Deno.test("createHttpApp: serves page and client with their types, and nothing may be sniffed or inlined", async () => {
  await using server = await serve();
  const page = await fetch(`${server.url}/?session=main`);
  const policy = page.headers.get("Content-Security-Policy") ?? "";
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.match(policy, /connect-src 'self' ws: wss:/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(page.headers.get("X-Content-Type-Options"), "nosniff");
  assert.deepEqual(await shown(page), [200, "text/html;charset=utf-8", ASSETS.get("/")?.body]);

  const client = await fetch(`${server.url}/pinhole.js`);
  assert.equal(client.headers.get("Access-Control-Allow-Origin"), "*");
  assert.deepEqual(await shown(client), [200, "text/javascript;charset=utf-8", "export {};"]);
});

Deno.test("createHttpApp: an asset that the browser has already is not sent again", async () => {
  await using server = await serve();
  const first = await fetch(`${server.url}/pinhole.js`);
  await first.body?.cancel();
  assert.equal(first.headers.get("Cache-Control"), "no-cache");
  const etag = first.headers.get("ETag") ?? "";
  assert.match(etag, /^"[\w-]{22}"$/);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await fetch(`${server.url}/pinhole.js`, { headers: { "If-None-Match": known } });
    assert.equal(again.status, 304);
    assert.equal(again.headers.get("ETag"), etag);
  }
  const other = await fetch(`${server.url}/`, { headers: { "If-None-Match": etag } });
  assert.equal(other.status, 200);
  await other.body?.cancel();
});

Deno.test("createHttpApp: health, metrics and sessions", async () => {
  const reasons: string[] = [];
  await using server = await serve({
    health: () => reasons,
    metricsText: () => Promise.resolve("pinhole_sessions 0\n"),
  });
  const get = async (path: string) => shown(await fetch(server.url + path));
  const text = "text/plain;charset=utf-8";
  assert.deepEqual(await get("/healthz"), [200, text, "ok\n"]);
  assert.deepEqual(await get("/readyz"), [200, text, "ready\n"]);
  reasons.push("No UDP port is bound", "The renderer is not loaded");
  assert.deepEqual(await get("/readyz"), [
    503,
    text,
    "No UDP port is bound\nThe renderer is not loaded\n",
  ]);
  assert.equal((await get("/healthz"))[0], 200);
  assert.deepEqual(await get("/metrics"), [
    200,
    "text/plain;version=0.0.4;charset=utf-8",
    "pinhole_sessions 0\n",
  ]);
  assert.deepEqual(await get("/api/sessions"), [200, "application/json", '[{"id":"main"}]']);
});

Deno.test("createHttpApp: HEAD answers as GET without a body", async () => {
  await using server = await serve();
  for (const path of ["/", "/pinhole.js", "/healthz", "/metrics", "/api/sessions"]) {
    const head = await fetch(server.url + path, { method: "HEAD" });
    const get = await fetch(server.url + path);
    await get.body?.cancel();
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("Content-Type"), get.headers.get("Content-Type"));
    assert.equal(await head.text(), "");
  }
});

Deno.test("createHttpApp: what is not there is 404 in plain text", async () => {
  await using server = await serve();
  for (const path of ["/nothing", "/ws", "/ws/", "/ws/a/b", "/pinhole.js/", "/%2e%2e/secret"]) {
    const response = await fetch(server.url + path);
    assert.equal(response.headers.get("X-Content-Type-Options"), "nosniff");
    assert.deepEqual(await shown(response), [404, "text/plain;charset=utf-8", "Not found\n"], path);
  }
  const posted = await fetch(`${server.url}/`, { method: "POST", body: "x" });
  assert.equal((await shown(posted))[0], 404);
});

Deno.test("createHttpApp: a wrong session id is 400, no upgrade is 426", async () => {
  await using server = await serve();
  const status = async (path: string) => (await shown(await fetch(server.url + path)))[0];
  for (const id of ["a%2Fb", "%FF", "a%20b", "a.b", "%00", "x".repeat(65), "%E4%BD%A0"]) {
    assert.equal(await status(`/ws/${id}`), 400, id);
  }
  for (const id of ["a", "A-z_09", "x".repeat(64)]) {
    assert.equal(await status(`/ws/${id}`), 426, id);
  }
});

Deno.test("createHttpApp: a failing handler is a plain 500 and a logged event", async () => {
  const events: [string, LogFields | undefined][] = [];
  const log: Logger = { ...NULL_LOGGER, error: (event, fields) => events.push([event, fields]) };
  await using server = await serve({
    log,
    sessionsJson: () => {
      throw new Error("secret path");
    },
  });
  const response = await fetch(`${server.url}/api/sessions`);
  assert.equal(response.headers.get("X-Content-Type-Options"), "nosniff");
  assert.deepEqual(await shown(response), [
    500,
    "text/plain;charset=utf-8",
    "Internal server error\n",
  ]);
  assert.deepEqual(events, [
    ["http_failed", { method: "GET", path: "/api/sessions", error: "secret path" }],
  ]);
});

Deno.test("createHttpApp: the log of a failure holds neither the query nor a secret id of the path", async () => {
  const shown: unknown[] = [];
  const fail = () => {
    throw new Error("broken");
  };
  await using server = await serve({
    log: { ...NULL_LOGGER, error: (_event, fields) => shown.push(fields?.path) },
    pathChecks: { open: fail, report: fail },
    sessionsJson: fail,
  });
  for (const path of ["/api/path-check/secret?token=secret", "/api/sessions?token=secret"]) {
    const response = await fetch(server.url + path);
    await response.body?.cancel();
    assert.equal(response.status, 500);
  }
  assert.deepEqual(shown, ["/api/path-check", "/api/sessions"]);
});

Deno.test("createHttpApp: a broken handshake is 400", async () => {
  await using server = await serve();
  const statusOf = async (lines: string[]) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const request = ["GET /ws/main HTTP/1.1", ...lines, "", ""].join("\r\n");
    await connection.write(new TextEncoder().encode(request));
    const buffer = new Uint8Array(4096);
    const length = await connection.read(buffer) ?? 0;
    return new TextDecoder().decode(buffer.subarray(0, length)).split(" ")[1];
  };
  const upgrade = ["Upgrade: websocket", "Connection: Upgrade"];
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  assert.equal(await statusOf(["Host: localhost", ...upgrade]), "400");
  assert.equal(await statusOf(["Host: localhost", "Upgrade: websocket", key]), "400");
  assert.equal(await statusOf(["Host: fe80::1", ...upgrade, key]), "400");
  assert.equal(await statusOf(["Host: localhost", ...upgrade, key]), "101");
});
