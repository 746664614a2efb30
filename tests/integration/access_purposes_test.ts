import assert from "assert";
import { SignJWT } from "jose";
import type { LogFields, Logger } from "../../src/base/log.ts";
import { createAccessCheck, mintToken, type Purpose } from "../../src/signalling/access.ts";
import { serveFakeSessions } from "../support/parts/fake_sessions.ts";
import { within } from "../support/deadline.ts";
import { FakeListener, RegistrySetUp } from "../support/parts/registry_set_up.ts";
import { startTestServer } from "../support/servers/test_server.ts";

const SECRET = "a secret that is long enough for HS256: 0123456789";
const key = new TextEncoder().encode(SECRET);
const check = createAccessCheck(key);

/** A file with the secret, removed in the end. */
async function secretFile(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, SECRET);
  await Deno.chmod(path, 0o600);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

async function statusOf(url: string, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers });
  await response.body?.cancel();
  return response.status;
}

/** What a WebSocket ends with, or the protocol that it opened with when it stays open for an offer. */
async function opened(url: string, protocols: string[] = []): Promise<string | number> {
  const socket = new WebSocket(url, protocols);
  const told = Promise.withResolvers<string | number>();
  socket.onopen = () => socket.send('{"type":"bye"}');
  socket.onclose = ({ code }) => told.resolve(code === 1000 ? socket.protocol : code);
  return await within(told.promise, { what: "for the WebSocket to close" });
}

Deno.test("access: a token opens what it is for, and nothing else", async () => {
  const tokens = {
    one: await mintToken(key, { session: "demo", ttlS: 60 }),
    some: await mintToken(key, { session: "de*", ttlS: 60 }),
    all: await mintToken(key, { session: "*", ttlS: 60 }),
    metrics: await mintToken(key, { metrics: true, ttlS: 60 }),
  };
  const allowed = async (purpose: Purpose) => {
    const names: string[] = [];
    for (const [name, token] of Object.entries(tokens)) {
      if (await check(new Request(`http://h/?token=${token}`), purpose)) names.push(name);
    }
    return names;
  };
  assert.deepEqual(await allowed({ session: "demo" }), ["one", "some", "all"]);
  assert.deepEqual(await allowed({ session: "other" }), ["all"]);
  assert.deepEqual(await allowed("any_session"), ["one", "some", "all"]);
  assert.deepEqual(await allowed("all_sessions"), ["all"]);
  assert.deepEqual(await allowed("metrics"), ["metrics"]);
});

Deno.test("access: a token whose claims name no session or no end opens nothing", async () => {
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const claims: Record<string, unknown>[] = [
    {},
    ...["", "**", "a*b", "*a", " ", "\0", "a/b", "é*", "x".repeat(65)].map((session) => ({
      session,
    })),
    ...[null, true, 0, 1, [], [""], ["*"], {}, { "*": true }].map((session) => ({ session })),
    ...[1, "true", "metrics", [], [true], {}].map((metrics) => ({ metrics })),
    ...[null, "never", [], {}, true, `${inAnHour}`].map((exp) => ({
      session: "*",
      metrics: true,
      exp,
    })),
    ...[null, "", "other", [], ["other"], {}, "pinhole "].map((aud) => ({
      session: "*",
      metrics: true,
      aud,
    })),
    { session: "*", metrics: true, nbf: inAnHour },
    { session: "*", metrics: true, nbf: "now" },
  ];
  const purposes: Purpose[] = ["metrics", "all_sessions", "any_session"];
  purposes.push(...["main", "", "*", "a*b"].map((session) => ({ session })));
  for (const given of claims) {
    const token = await new SignJWT({ exp: inAnHour, aud: "pinhole", ...given })
      .setProtectedHeader({ alg: "HS256" }).sign(key);
    for (const purpose of purposes) {
      const access = await check(new Request(`http://h/?token=${token}`), purpose);
      assert.equal(access, undefined, `${JSON.stringify(given)} for ${JSON.stringify(purpose)}`);
    }
  }
});

Deno.test("access: a token may stand beside the subprotocol, which alone is answered", async () => {
  await using server = await serveFakeSessions({ access: check });
  const url = `ws://127.0.0.1:${server.port}/ws/demo`;
  const token = await mintToken(key, { session: "demo", ttlS: 60 });
  assert.equal(await opened(url, ["pinhole", `bearer.${token}`]), "pinhole");
  assert.equal(await opened(url, [`bearer.${token}`, "pinhole"]), "pinhole");
  assert.equal(await opened(`${url}?token=${token}`, ["pinhole"]), "pinhole");
  assert.equal(await opened(`${url}?token=${token}`), "");
  assert.equal(await opened(url, ["pinhole"]), 4401);
  assert.equal(await opened(url, ["pinhole", "bearer.x"]), 4401);
});

Deno.test("access: with a secret, metrics and the session list take tokens of their own", async () => {
  await using server = await serveFakeSessions({ access: check });
  const url = (path: string) => `http://127.0.0.1:${server.port}${path}`;
  const one = await mintToken(key, { session: "demo", ttlS: 60 });
  const all = await mintToken(key, { session: "*", ttlS: 60 });
  const metrics = await mintToken(key, { metrics: true, ttlS: 60 });
  for (const token of [undefined, one, all]) {
    assert.equal(await statusOf(url("/metrics"), token), 401);
  }
  assert.equal(await statusOf(url("/metrics"), metrics), 200);
  for (const token of [undefined, one, metrics]) {
    assert.equal(await statusOf(url("/api/sessions"), token), 401);
  }
  assert.equal(await statusOf(url("/api/sessions"), all), 200);
});

Deno.test("admin_listen: metrics and the session list are served there alone, and nothing else is", async () => {
  await using server = await startTestServer({ server: { admin_listen: "127.0.0.1:0" } });
  const main = `http://${server.host}`;
  const admin = `http://127.0.0.1:${server.adminPort}`;
  for (const path of ["/metrics", "/api/sessions"]) {
    assert.equal(await statusOf(main + path), 404, path);
    assert.equal(await statusOf(admin + path), 200, path);
  }
  assert.equal(await statusOf(`${main}/`), 200);
  for (const path of ["/", "/ws/demo", "/whep/demo"]) {
    assert.equal(await statusOf(admin + path), 404, path);
  }
});

Deno.test("viewer_only: such a viewer says nothing to the renderer, by no way, and is told so", async () => {
  await using setUp = new RegistrySetUp();
  const listener = new FakeListener();
  const shared = { sessionId: "demo", sdp: "h264", reachedHost: "198.51.100.1" };
  const request = { ...shared, params: { steer: 1 }, viewerOnly: true };
  const handle = await setUp.registry.join(request, listener);
  handle.message("over signalling");
  setUp.peers.made[0]?.listener.message("over the data channel");
  assert.deepEqual(setUp.renderer.latest.heard, []);
  assert.deepEqual(setUp.renderer.latest.options.params, {});
  assert.match(listener.notices[0]?.message ?? "", /allows watching only/);
});

Deno.test("viewer_only: the claim of a token reaches the sessions over WebSocket and WHEP", async () => {
  await using server = await serveFakeSessions({ access: check });
  const at = `127.0.0.1:${server.port}`;
  for (const viewerOnly of [true, false]) {
    const token = await mintToken(key, { session: "demo", viewerOnly, ttlS: 60 });
    const socket = new WebSocket(`ws://${at}/ws/demo?token=${token}`);
    const answered = new Promise((resolve) => socket.onmessage = resolve);
    socket.onopen = () => socket.send('{"type":"offer","sdp":"v=0"}');
    await within(answered, { what: "for the answer" });
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await within(closed, { what: "for the close" });
    const response = await fetch(`http://${at}/whep/demo`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` },
      body: "v=0\r\n",
    });
    await response.body?.cancel();
    assert.equal(response.status, 201);
    const requests = server.sessions.requests.splice(0);
    assert.deepEqual(requests.map((request) => request.viewerOnly), [viewerOnly, viewerOnly]);
  }
});

Deno.test("access: no token and no viewer id gets into log or metrics, whatever goes wrong", async () => {
  await using file = await secretFile();
  const lines: string[] = [];
  const write = (event: string, fields?: LogFields) =>
    void lines.push(`${event} ${JSON.stringify(fields)}`);
  const log: Logger = {
    debug: write,
    info: write,
    warn: write,
    error: write,
    child: (fields) => ({ ...log, info: (event, more) => write(event, { ...fields, ...more }) }),
  };
  await using server = await startTestServer({ auth: { secret_file: file.path } }, { log });
  const good = await mintToken(key, { session: "demo", ttlS: 60 });
  const metrics = await mintToken(key, { metrics: true, ttlS: 60 });
  const wrong = await mintToken(new Uint8Array(32), { session: "demo", ttlS: 60 });
  const ws = server.signallingUrl("demo");
  const http = `http://${server.host}`;
  for (const token of [good, wrong]) {
    await opened(`${ws}?token=${token}`);
    await opened(ws, ["pinhole", `bearer.${token}`]);
    await statusOf(`${http}/api/sessions?token=${token}`);
    await statusOf(`${http}/whep/demo/${token}?token=${token}`, token);
    await statusOf(`${http}/api/path-check/${token}`, token);
    const offer = await fetch(`${http}/whep/demo?token=${token}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: "nonsense",
    });
    assert.ok(!(await offer.text()).includes(token));
    const broken = await fetch(`${http}/ws/demo?token=${token}`, {
      headers: { Authorization: `Bearer ${token}`, Upgrade: "websocket" },
    });
    assert.ok(!(await broken.text()).includes(token));
  }
  const shown = await fetch(`${http}/metrics`, { headers: { Authorization: `Bearer ${metrics}` } });
  assert.equal(shown.status, 200);
  const everything = lines.join("\n") + await shown.text();
  assert.match(everything, /viewer_refused/);
  for (const secret of [good, wrong, metrics, SECRET]) assert.ok(!everything.includes(secret));
});

Deno.test("access: a viewer_only claim of another's making takes rights away, whatever its type", async () => {
  for (const claim of [true, "true", 1, null, "no"]) {
    const token = await new SignJWT({ session: "demo", viewer_only: claim })
      .setProtectedHeader({ alg: "HS256" })
      .setAudience("pinhole")
      .setExpirationTime("1m")
      .sign(key);
    const request = new Request(`http://a/?token=${token}`);
    assert.deepEqual(await check(request, { session: "demo" }), { viewerOnly: true }, `${claim}`);
  }
});
