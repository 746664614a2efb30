import assert from "assert";
import { planDoctor } from "../../src/cli/doctor_plan.ts";
import { probeLibrary } from "../../src/cli/renderer_probe.ts";
import { examine } from "../../src/doctor/diagnosis.ts";
import type { DoctorPlan } from "../../src/doctor/plan.ts";
import type { CheckName, CheckResult } from "../../src/doctor/result.ts";
import { SOON_MS, within } from "../support/deadline.ts";
import { TunnelledSite } from "../support/frp/tunnelled_site.ts";

/** What every run tells, be it that it was not finished. */
const ALWAYS: readonly CheckName[] = ["renderer", "encoder", "server", "frpc", "public_address"];
const ALWAYS_OF_PATH: readonly CheckName[] = ["packet_size", "webrtc", "firewall", "clock"];

/** Takes connections and never answers. */
class Silence implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections: Deno.Conn[] = [];
  readonly #accepting: Promise<void>;

  constructor(port = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#accepting = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.#connections) connection.close();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#connections.push(connection);
  }
}

/** frpc's admin API, whose file names an frps. */
function frpcOf(frpsPort: number): Deno.HttpServer<Deno.NetAddr> {
  const file = `serverAddr = "127.0.0.1"\nserverPort = ${frpsPort}\n`;
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => new URL(url).pathname === "/api/config" ? new Response(file) : Response.json({}),
  );
}

/** Runs the doctor, whose deadline is `deadlineMs`. */
async function run(
  site: TunnelledSite,
  {
    deadlineMs = SOON_MS,
    publicUrl = site.config.server.publicUrl,
    admin = site.admin.url,
    parts = {},
  }: {
    deadlineMs?: number;
    publicUrl?: string | undefined;
    admin?: string;
    parts?: Partial<DoctorPlan>;
  },
): Promise<CheckResult[]> {
  const config = { ...site.config, server: { ...site.config.server, publicUrl } };
  const plan = await planDoctor(config, { source: "test.toml", frpcAdmins: [admin], deadlineMs });
  const results = Array.fromAsync(examine({ ...plan, ...parts }));
  return await within(results, { what: "for the doctor to end", ms: 2 * SOON_MS });
}

function find(results: readonly CheckResult[], check: CheckName): CheckResult {
  return results.find((result) => result.check === check) ?? assert.fail(JSON.stringify(results));
}

Deno.test("doctor: a silent program on the server's port is told, and the run ends by itself", async () => {
  await using site = await TunnelledSite.open({ isServed: false });
  await using _silence = new Silence(site.config.server.listen.port);
  const results = await run(site, {});
  assert.equal(find(results, "server").status, "failed");
  assert.ok(
    results.every(({ text }) => !/^(Not finished|Timed out)/.test(text)),
    JSON.stringify(results),
  );
});

Deno.test("doctor: a silent HTTP front is told, and the ports are checked", async () => {
  await using site = await TunnelledSite.open();
  await using silence = new Silence();
  const results = await run(site, { publicUrl: silence.url });
  assert.match(find(results, "signalling").text, /no answer within 5 s/);
  assert.equal(find(results, "udp_port").status, "ok");
  assert.equal(find(results, "clock").check, "clock");
});

Deno.test("doctor: a silent admin API of frpc is told, and the rest is checked", async () => {
  await using site = await TunnelledSite.open();
  await using silence = new Silence();
  const results = await run(site, { admin: silence.url });
  assert.match(find(results, "frpc").text, /no answer within 4 s/);
  assert.equal(find(results, "webrtc").status, "ok");
});

Deno.test("doctor: an frps that takes connections and says nothing holds nothing up", async () => {
  await using site = await TunnelledSite.open();
  await using silence = new Silence();
  const frpc = frpcOf(silence.port);
  try {
    const results = await run(site, { admin: `http://127.0.0.1:${frpc.addr.port}` });
    assert.equal(find(results, "frpc").status, "failed");
    assert.equal(find(results, "webrtc").status, "ok");
  } finally {
    await frpc.shutdown();
  }
});

const never = () => new Promise<never>(() => {});

/** Parts that never settle, each with the check that says so. */
const HANGING: readonly (readonly [CheckName, Partial<DoctorPlan>])[] = [
  ["renderer", { tryRenderer: never }],
  ["encoder", { tryEncoder: never }],
  ["public_address", { publicAddresses: never }],
];

for (const [check, parts] of HANGING) {
  Deno.test(`doctor: where the ${check} hangs, the deadline ends the run, and what did not finish says so`, async () => {
    await using site = await TunnelledSite.open();
    let ended = false;
    const renderer = parts.tryRenderer && {
      tryRenderer: ({ signal }: { signal: AbortSignal }) => {
        signal.addEventListener("abort", () => ended = true);
        return never();
      },
    };
    const results = await run(site, { deadlineMs: 4_000, parts: { ...parts, ...renderer } });
    const { status, text, fix } = find(results, check);
    assert.equal(status, "failed");
    assert.match(text, /^Timed out: after 4 s the doctor is still waiting for /);
    assert.match(fix ?? "", /--timeout/);
    const told = new Set(results.map((result) => result.check));
    for (const each of [...ALWAYS, ...ALWAYS_OF_PATH]) assert.ok(told.has(each), each);
    for (const each of ALWAYS_OF_PATH) {
      assert.match(find(results, each).text, /^Not finished within 4 s/);
    }
    if (renderer !== undefined) assert.ok(ended, "what was started is ended");
  });
}

Deno.test("doctor: a library's process that never starts is ended when time is up", async () => {
  const ending = new AbortController();
  const job = { library: "/nowhere", options: {}, sessionId: "x", width: 16, height: 16, fps: 1 };
  const probing = probeLibrary(job, {
    deadlineMs: SOON_MS,
    command: ["sleep", "1000"],
    signal: ending.signal,
  });
  ending.abort();
  const started = performance.now();
  assert.equal((await within(probing, { what: "for the process to end" })).kind, "failed");
  // By itself it would have been ended after half a minute.
  assert.ok(performance.now() - started < 25_000);
});
