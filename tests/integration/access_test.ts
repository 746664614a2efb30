import assert from "assert";
import { SignJWT } from "jose";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { readSecret, SecretError } from "../../src/app/secret.ts";
import { createAccessCheck, mintToken } from "../../src/signalling/access.ts";
import { serveFakeSessions } from "../support/parts/fake_sessions.ts";
import { startTestServer } from "../support/servers/test_server.ts";

const SECRET = "a secret that is long enough for HS256: 0123456789";
const key = new TextEncoder().encode(SECRET);

/** A file with a secret, removed in the end. */
async function secretFile(text: string, mode = 0o600): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, mode);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

function request(token: string | undefined): Request {
  return new Request(`http://h/ws/demo${token === undefined ? "" : `?token=${token}`}`);
}

Deno.test("access: a token fits its session, or its beginning, and nothing else", async () => {
  const check = createAccessCheck(key);
  const exact = await mintToken(key, { session: "demo", ttlS: 60 });
  const beginning = await mintToken(key, { session: "de*", ttlS: 60 });
  assert.ok(await check(request(exact), { session: "demo" }));
  assert.ok(!await check(request(exact), { session: "demo2" }));
  assert.ok(await check(request(beginning), { session: "demo" }));
  assert.ok(!await check(request(beginning), { session: "other" }));
  const headers = { Authorization: `Bearer ${exact}` };
  assert.ok(await check(new Request("http://h/ws/demo", { headers }), { session: "demo" }));
});

Deno.test("access: expired, unsigned, foreign and garbled tokens are refused", async () => {
  const check = createAccessCheck(key);
  const sign = (header: { alg: string }, secret = key) =>
    new SignJWT({ session: "demo" }).setProtectedHeader(header).setAudience("pinhole")
      .setExpirationTime("1m").sign(secret);
  const good = await sign({ alg: "HS256" });
  assert.ok(await check(request(good), { session: "demo" }));
  const [, payload] = good.split(".");
  const none = btoa('{"alg":"none"}').replaceAll("=", "");
  const tokens = [
    undefined,
    "",
    "x",
    `${none}.${payload}.`,
    good.slice(0, -2),
    await sign({ alg: "HS512" }, new Uint8Array(64)),
    await sign({ alg: "HS256" }, new TextEncoder().encode("another secret of thirty-two bytes")),
    await mintToken(key, { session: "demo", ttlS: -1 }),
    await new SignJWT({ session: "demo" }).setProtectedHeader({ alg: "HS256" })
      .setAudience("pinhole").sign(key),
    "x".repeat(5000),
  ];
  for (const token of tokens) {
    assert.ok(!await check(request(token), { session: "demo" }), token?.slice(0, 20));
  }
});

Deno.test("access: a server with a secret tells who comes without a token, and lets others in", async () => {
  await using file = await secretFile(`${SECRET}\n`);
  await using server = await startTestServer({ auth: { secret_file: file.path } });
  const closed = async (token: string | undefined) => {
    const query = token === undefined ? "" : `?token=${token}`;
    const socket = new WebSocket(`ws://${server.host}/ws/demo${query}`);
    const messages: string[] = [];
    socket.onmessage = ({ data }) => messages.push(data);
    socket.onopen = () => socket.send(JSON.stringify({ type: "offer", sdp: "nonsense" }));
    const { code } = await new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
    return { code, error: JSON.parse(messages[0] ?? "{}").code };
  };
  assert.deepEqual(await closed(undefined), { code: 4401, error: "unauthorized" });
  const token = await mintToken(key, { session: "demo", ttlS: 60 });
  assert.deepEqual(await closed(token), { code: 4400, error: "bad_sdp" }, "let in, and read");
  const list = (query: string) => fetch(`http://${server.host}/api/sessions${query}`);
  for (const query of ["", `?token=${token}`]) {
    const response = await list(query);
    await response.body?.cancel();
    assert.equal(response.status, 401);
  }
  const all = await mintToken(key, { session: "*", ttlS: 60 });
  assert.deepEqual(await (await list(`?token=${all}`)).json(), []);
});

Deno.test("readSecret: short, readable and missing files are refused in words", async () => {
  await using good = await secretFile(`${SECRET}\n`);
  assert.deepEqual(await readSecret(good.path), key);
  await using short = await secretFile("short");
  await using open = await secretFile(SECRET, 0o644);
  const refused = (path: string, words: RegExp) =>
    assert.rejects(readSecret(path), (error) => {
      assert(error instanceof SecretError);
      assert.match(error.message, words);
      return true;
    });
  await refused(short.path, /5 bytes and needs at least 32/);
  const isRoots = (await Deno.stat(open.path)).uid === 0;
  const mended = isRoots ? /other users .*chmod 640/ : /other users .*chmod 600/;
  await refused(open.path, mended);
  // The group may read what root gave it, and change nothing.
  await using given = await secretFile(SECRET, 0o640);
  if (isRoots) assert.deepEqual(await readSecret(given.path), key);
  if (isRoots) await Deno.chown(given.path, 65534, null);
  await refused(given.path, /other users .*chmod 600/);
  await using shared = await secretFile(SECRET, 0o660);
  await refused(shared.path, mended);
  await refused("/nowhere/secret", /auth\.secret_file "\/nowhere\/secret"/);
});

Deno.test("access: a Host header that makes no address is refused like any other without a token", async () => {
  const failures: unknown[] = [];
  const log = { ...NULL_LOGGER, error: (event: string) => failures.push(event) };
  await using server = await serveFakeSessions({ access: createAccessCheck(key), log });
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const head = "GET /api/sessions?token=x HTTP/1.1\r\nHost: example.com:99999\r\n";
  await connection.write(new TextEncoder().encode(`${head}Connection: close\r\n\r\n`));
  const answer = await new Response(connection.readable).text();
  assert.match(answer, /^HTTP\/1\.1 401 /);
  assert.deepEqual(failures, []);
});
