import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { ViewerError } from "../../src/session/session_api.ts";
import { createHttpApp } from "../../src/signalling/http_app.ts";
import type { PathCheckApi } from "../../src/signalling/path_check.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { FakeSessions, NO_CONNECTION } from "../support/parts/fake_sessions.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const CHECK = {
  id: "one",
  expiresInMs: 30_000,
  ports: [{
    localPort: 10_111,
    address: "203.0.113.7",
    port: 20_111,
    transports: ["udp", "tcp"],
    credentials: { ufrag: "u", pwd: "p" },
  }],
} as const;

function setUp(
  checks: Partial<PathCheckApi> = {},
) {
  const clock = new FakeClock();
  const meter = new RecordingMeter();
  const hosts: string[] = [];
  const app = createHttpApp({
    sessions: new FakeSessions(),
    assets: new Map(),
    health: () => [],
    metricsText: () => Promise.resolve(""),
    sessionsJson: () => [],
    portsJson: () => [],
    pathChecks: {
      open(host) {
        hosts.push(host);
        return Promise.resolve(CHECK);
      },
      report: () => undefined,
      ...checks,
    },
    site: () => ({ allowedOrigins: [] }),
    log: NULL_LOGGER,
    meter,
    clock,
  });
  const info = NO_CONNECTION;
  const post = async (host = "pinhole.example:9000") =>
    await app(
      new Request("http://elsewhere/api/path-check", { method: "POST", headers: { Host: host } }),
      info,
    );
  const get = async (id: string) =>
    await app(new Request(`http://pinhole.example:9000/api/path-check/${id}`), info);
  return { clock, meter, hosts, post, get };
}

Deno.test("POST /api/path-check: tells id, time and ports", async () => {
  const { hosts, post } = setUp();
  const response = await post();
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), {
    id: "one",
    expires_in_s: 30,
    ports: [{
      local_port: 10_111,
      address: "203.0.113.7",
      port: 20_111,
      transports: ["udp", "tcp"],
      ufrag: "u",
      pwd: "p",
    }],
  });
  assert.deepEqual(hosts, ["pinhole.example"]);
});

Deno.test("POST /api/path-check: takes four at once and four a second, and says when the next may come", async () => {
  const { clock, meter, post } = setUp();
  const statuses = async (count: number) => {
    const found: number[] = [];
    for (let at = 0; at < count; at++) found.push((await post()).status);
    return found;
  };
  assert.deepEqual(await statuses(5), [201, 201, 201, 201, 429]);
  const refused = await post();
  assert.equal(refused.headers.get("Retry-After"), "1");
  assert.equal((await refused.json()).code, "too_many_path_checks");
  await clock.advance(500);
  assert.deepEqual(await statuses(3), [201, 201, 429]);
  assert.equal(meter.value("path_checks_total", { outcome: "opened" }), 6);
  assert.equal(meter.value("path_checks_total", { outcome: "refused" }), 3);
});

Deno.test("POST /api/path-check: an address that cannot be found is told in words", async () => {
  const { post } = setUp({
    open: () => Promise.reject(new ViewerError("internal", 'Cannot find the address of "x"')),
  });
  const response = await post();
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), {
    code: "internal",
    message: 'Cannot find the address of "x"',
  });
});

Deno.test("POST /api/path-check: a Host header that names no host is refused, and takes no turn", async () => {
  const { post, hosts } = setUp();
  for (const host of ["a b", "..", "a..b", "[::1", "[::::]", ""]) {
    const response = await post(host);
    assert.equal(response.status, 400, host);
    assert.equal((await response.json()).code, "unknown_host");
  }
  assert.deepEqual(hosts, []);
  assert.equal((await post()).status, 201);
});

Deno.test("GET /api/path-check/<id>: tells arrivals, with brackets around IPv6", async () => {
  const arrival = { localPort: 10_112, count: 3 };
  const transport = "tcp" as const;
  const { get } = setUp({
    report: (id) =>
      id === "one"
        ? [{
          localPort: 10_111,
          port: 20_111,
          arrivals: [
            { ...arrival, from: { transport, hostname: "127.0.0.1", port: 5 } },
            { ...arrival, from: { transport, hostname: "::1", port: 6 } },
          ],
        }]
        : undefined,
  });
  const told = { local_port: 10_112, transport, count: 3 };
  assert.deepEqual(await (await get("one")).json(), {
    ports: [{
      local_port: 10_111,
      port: 20_111,
      arrivals: [{ ...told, from: "127.0.0.1:5" }, { ...told, from: "[::1]:6" }],
    }],
  });
  assert.equal((await get("two")).status, 404);
});
