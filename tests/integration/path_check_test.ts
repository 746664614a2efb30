import assert from "assert";
import { checkUdpPath, type PathOutcome } from "../../src/doctor/path_client.ts";
import { mintToken } from "../../src/signalling/access.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { UdpRelay } from "../support/network/udp_relay.ts";

/** One port as `POST /api/path-check` tells of it. */
interface Port {
  readonly local_port: number;
  readonly address: string;
  readonly port: number;
  readonly transports: readonly string[];
  readonly ufrag: string;
  readonly pwd: string;
}

interface Check {
  readonly id: string;
  readonly expires_in_s: number;
  readonly ports: readonly Port[];
}

const DEADLINE = { deadlineMs: 30_000 };

function post(server: TestServer, init: RequestInit & { query?: string } = {}): Promise<Response> {
  const { query = "", ...rest } = init;
  return fetch(`http://${server.host}/api/path-check${query}`, { ...rest, method: "POST" });
}

async function open(server: TestServer): Promise<Check> {
  const response = await post(server);
  assert.equal(response.status, 201);
  return await response.json();
}

/** What has arrived, without how often: whoever checks may have to repeat itself. */
async function report(server: TestServer, id: string): Promise<unknown> {
  const response = await fetch(`http://${server.host}/api/path-check/${id}`);
  assert.equal(response.status, 200);
  const { ports } = await response.json();
  for (const { arrivals } of ports) {
    for (const arrival of arrivals) {
      assert.ok(arrival.count >= 1);
      delete arrival.count;
    }
  }
  return { ports };
}

/** Checks one of its ports, at its own place or at another. */
function probe(
  { ufrag, pwd, local_port }: Port,
  { port = local_port, sizeBytes = 0 }: { port?: number; sizeBytes?: number } = {},
): Promise<PathOutcome> {
  return checkUdpPath({ to: { hostname: "127.0.0.1", port }, ufrag, pwd, sizeBytes }, DEADLINE);
}

Deno.test("path check: names each bound port with the address that answers name", async () => {
  await using server = await startTestServer({
    webrtc: { public_ip: "203.0.113.7", public_port_min: 50_000 },
  });
  const response = await post(server);
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("Cache-Control"), "no-store");
  const { id, ports, ...rest }: Check = await response.json();
  assert.match(id, /^[\w-]{22}$/);
  assert.deepEqual(rest, { expires_in_s: 30 });
  assert.deepEqual(
    ports.map(({ ufrag: _, pwd: __, ...port }) => port),
    server.ports.map((local, at) => ({
      local_port: local,
      address: "203.0.113.7",
      port: 50_000 + at,
      transports: ["udp"],
    })),
  );
  assert.equal(new Set(ports.flatMap(({ ufrag, pwd }) => [ufrag, pwd])).size, 4);
});

Deno.test("path check: without a public address it names the one that was used", async () => {
  await using server = await startTestServer();
  const { ports } = await open(server);
  assert.deepEqual(ports.map(({ address }) => address), ["127.0.0.1", "127.0.0.1"]);
});

Deno.test("path check: is answered at whichever port it arrives, takes no place, and tells where", async () => {
  await using server = await startTestServer();
  const { id, ports: [one, two] } = await open(server);
  assert(one !== undefined && two !== undefined);
  await using relay = new UdpRelay();
  relay.passTo(two.local_port);
  const direct = await probe(one);
  const crossed = await probe(one, { port: relay.port });
  assert(direct.kind === "answered" && crossed.kind === "answered");
  const from = ({ seenFrom }: typeof direct) => `${seenFrom.hostname}:${seenFrom.port}`;
  const udp = { transport: "udp" };
  assert.deepEqual(await report(server, id), {
    ports: [
      {
        local_port: one.local_port,
        port: one.port,
        arrivals: [
          { local_port: one.local_port, from: from(direct), ...udp },
          { local_port: two.local_port, from: from(crossed), ...udp },
        ],
      },
      { local_port: two.local_port, port: two.port, arrivals: [] },
    ],
  });
  assert.equal(await server.usedPlaces(), 0);
  assert.deepEqual(await server.sessions(), []);
  assert.equal(await server.metric("path_checks_total", { outcome: "opened" }), 1);
});

Deno.test("path check: a padded check is answered by a datagram of its size", async () => {
  await using server = await startTestServer();
  const [one] = (await open(server)).ports;
  assert(one !== undefined);
  assert.equal((await probe(one, { sizeBytes: 1472 })).kind, "answered");
});

Deno.test("path check: neither another password nor another port's is answered", async () => {
  await using server = await startTestServer();
  const { id, ports: [one, two] } = await open(server);
  assert(one !== undefined && two !== undefined);
  const to = { hostname: "127.0.0.1", port: one.local_port };
  const target = { to, ufrag: one.ufrag, pwd: two.pwd };
  assert.equal((await checkUdpPath(target, { deadlineMs: 700 })).kind, "silent");
  assert.ok(await server.metric("stun_rejected_total", { reason: "integrity" }) > 0);
  const { ports } = await report(server, id) as { ports: { arrivals: unknown[] }[] };
  assert.deepEqual(ports.flatMap(({ arrivals }) => arrivals), []);
});

Deno.test("path check: an id that never was is a 404 in JSON", async () => {
  await using server = await startTestServer();
  const response = await fetch(`http://${server.host}/api/path-check/nonsense`);
  assert.equal(response.status, 404);
  assert.equal((await response.json()).code, "no_such_path_check");
});

Deno.test("path check: pages of other origins are refused, unless they are allowed", async () => {
  const page = "https://example.com";
  await using server = await startTestServer({ server: { allowed_origins: [page] } });
  const allowed = await post(server, { headers: { Origin: page } });
  assert.equal(allowed.status, 201);
  assert.equal(allowed.headers.get("Access-Control-Allow-Origin"), page);
  const { id } = await allowed.json();
  const url = `http://${server.host}/api/path-check/${id}`;
  const read = await fetch(url, { headers: { Origin: page } });
  assert.equal(read.headers.get("Access-Control-Allow-Origin"), page);
  await read.body?.cancel();
  const other = { headers: { Origin: "https://example.org" } };
  for (const refused of [await post(server, other), await fetch(url, other)]) {
    assert.equal(refused.status, 403);
    assert.equal(refused.headers.get("Access-Control-Allow-Origin"), null);
    assert.equal((await refused.json()).code, "origin_not_allowed");
  }
});

Deno.test("path check: with a secret it takes any valid token, whatever its session", async () => {
  const secret = "a secret that is long enough for HS256: 0123456789";
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, secret);
  await Deno.chmod(file, 0o600);
  try {
    await using server = await startTestServer({ auth: { secret_file: file } });
    const key = new TextEncoder().encode(secret);
    const good = await mintToken(key, { session: "demo", ttlS: 60 });
    const late = await mintToken(key, { session: "demo", ttlS: -1 });
    const status = async (init: Parameters<typeof post>[1]) => {
      const response = await post(server, init);
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await status({}), 401);
    assert.equal(await status({ query: `?token=${late}` }), 401);
    assert.equal(await status({ query: `?token=${good}` }), 201);
    assert.equal(await status({ headers: { Authorization: `Bearer ${good}` } }), 201);
  } finally {
    await Deno.remove(file);
  }
});
