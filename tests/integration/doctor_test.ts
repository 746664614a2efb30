import { pemOf } from "../support/clients/certificate_pem.ts";
import assert from "assert";
import { planDoctor } from "../../src/cli/doctor_plan.ts";
import { examine } from "../../src/doctor/diagnosis.ts";
import type { CheckName, CheckResult } from "../../src/doctor/result.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { FakeFrpcAdmin, PUBLIC_IP, TunnelledSite } from "../support/frp/tunnelled_site.ts";

/** Where nobody listens (RFC 863, in a world that has given it up). */
const DISCARD_PORT = 9;

/** Names of the checks that ended in a way, with what they are about. */
function named(results: readonly CheckResult[], status: CheckResult["status"]): string[] {
  return results.filter((result) => result.status === status)
    .map(({ check, subject }) => subject === undefined ? check : `${check} ${subject}`);
}

/** The first result of a check. */
function find(results: readonly CheckResult[], check: CheckName, subject?: string): CheckResult {
  const found = results.find((result) =>
    result.check === check && (subject === undefined || result.subject === subject)
  );
  return found ?? assert.fail(`no result of ${check}`);
}

/** Holds every complaint to have a fix. */
function assertFixes(results: readonly CheckResult[]): void {
  for (const { check, status, fix } of results) {
    if (status === "failed" || status === "warning") assert.ok(fix, `${check} has no fix`);
  }
}

/** Takes a UDP port in a process of its own. */
async function takePort(port: number): Promise<AsyncDisposable & { readonly pid: number }> {
  const code = `Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: ${port} });
    console.log("taken"); setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--unstable-net", code],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

Deno.test("doctor: finds nothing wrong where nothing is", async () => {
  await using site = await TunnelledSite.open({ ports: 5 });
  const results = await site.examine();
  assert.deepEqual(named(results, "failed"), []);
  assert.deepEqual(named(results, "warning").filter((name) => name !== "clock"), []);
  const { portMin } = site.config.webrtc;
  const ports = Array.from({ length: 5 }, (_, at) => `udp_port ${portMin + at}`);
  const fine = named(results, "ok");
  for (
    const name of [
      "config",
      "ports",
      "renderer",
      "encoder",
      "server",
      "frpc",
      "public_address",
      "signalling",
      "same_server",
      "websocket",
      ...ports,
      "port_mapping",
      "packet_size",
      "webrtc",
    ]
  ) {
    assert.ok(fine.includes(name), `${name}: ${JSON.stringify(results)}`);
  }
  assert.match(find(results, "server").text, /^Running at .*process \d+\)$/);
  assert.equal(find(results, "packet_size").values?.bytes, 1472);
  assert.ok(Number(find(results, "webrtc").values?.first_picture_ms) > 0);
  assert.match(String(find(results, "udp_port").values?.from), /^127\.0\.0\.1:\d+$/);
});

Deno.test("doctor: starts the server by itself when none runs, and ends it", async () => {
  await using site = await TunnelledSite.open({ isServed: false });
  const results = await site.examine();
  assert.deepEqual(named(results, "failed"), []);
  assert.match(find(results, "server").text, /started one/);
  assert.equal(find(results, "webrtc").status, "ok");
  const { hostname, port } = site.config.server.listen;
  await assert.rejects(Deno.connect({ hostname, port }), Deno.errors.ConnectionRefused);
});

Deno.test("doctor: names the process that has a port, and goes on with the others", async () => {
  await using site = await TunnelledSite.open({ isServed: false });
  const { portMin, portMax } = site.config.webrtc;
  await using holder = await takePort(portMin);
  const check = async () => {
    const results = await site.examine();
    assert.deepEqual(named(results, "failed"), [`ports ${portMin}`]);
    assert.equal(find(results, "ports").values?.pid, holder.pid);
    assert.equal(find(results, "udp_port", `${portMax}`).status, "ok");
    assertFixes(results);
  };
  await check();
  await using _running = await site.serve();
  await check();
});

Deno.test("doctor: names both ends of ports that are swapped", async () => {
  await using site = await TunnelledSite.open({ ports: 3 });
  const { portMin } = site.config.webrtc;
  site.media[0]?.passTo(portMin + 1);
  site.media[1]?.passTo(portMin);
  const results = await site.examine();
  const wrong = results.filter(({ check, status }) =>
    check === "port_mapping" && status === "failed"
  );
  assert.deepEqual(wrong.map(({ subject, values }) => [subject, values]), [
    [`${portMin}`, { local_port: portMin, arrives_at: portMin + 1 }],
    [`${portMin + 1}`, { local_port: portMin + 1, arrives_at: portMin }],
  ]);
  assertFixes(results);
});

Deno.test("doctor: a public address that leads elsewhere fails every port", async () => {
  await using site = await TunnelledSite.open();
  const { portMin } = site.config.webrtc;
  const results = await site.examine({ webrtc: { publicIp: "127.0.0.3" } });
  assert.deepEqual(named(results, "failed"), [
    "public_address",
    `udp_port ${portMin}`,
    `udp_port ${portMin + 1}`,
  ]);
  assert.match(find(results, "udp_port").text, /its checks do not reach the server/);
  // Where signalling is reached, and the ports are as well.
  assert.match(find(results, "public_address").fix ?? "", /webrtc\.public_ip = "127\.0\.0\.1"/);
  assert.equal(find(results, "webrtc").status, "skipped");
  assertFixes(results);
});

Deno.test("doctor: where nothing at all comes back, it says that this host alone cannot tell why", async () => {
  await using site = await TunnelledSite.open();
  site.signalling.refuse();
  const results = await site.examine({ webrtc: { publicIp: "127.0.0.3" } });
  const { status, fix } = find(results, "public_address");
  assert.equal(status, "failed");
  assert.match(fix ?? "", /hairpin.*Check my path/);
  assert.equal(find(results, "signalling").status, "failed");
  assertFixes(results);
});

Deno.test("doctor: a port that is not forwarded fails alone, and the rest is checked", async () => {
  await using site = await TunnelledSite.open({ ports: 3 });
  const last = site.config.webrtc.portMax;
  site.media.at(-1)?.passTo(DISCARD_PORT);
  const results = await site.examine();
  assert.deepEqual(named(results, "failed"), [`udp_port ${last}`]);
  assert.match(find(results, "udp_port", `${last}`).text, new RegExp(`${PUBLIC_IP}:${last}/udp`));
  assert.equal(find(results, "webrtc").status, "ok");
  assertFixes(results);
});

Deno.test("doctor: with webrtc.tcp each port is checked over TCP too", async () => {
  await using site = await TunnelledSite.open({ config: { webrtc: { tcp: true } } });
  const { portMin, portMax } = site.config.webrtc;
  site.mediaTcp[1]?.refuse();
  const results = await site.examine();
  assert.equal(
    results.filter(({ check, status }) => check === "ports" && status === "ok").length,
    2,
  );
  assert.equal(find(results, "tcp_port", `${portMin}`).status, "ok");
  assert.deepEqual(named(results, "failed"), [`tcp_port ${portMax}`]);
  assertFixes(results);
});

Deno.test("doctor: signalling that is not reached is told apart from media that is", async () => {
  await using site = await TunnelledSite.open();
  site.signalling.refuse();
  const results = await site.examine();
  assert.deepEqual(named(results, "failed"), ["signalling"]);
  assert.match(find(results, "signalling").text, /connection refused/);
  assert.equal(find(results, "udp_port").status, "ok");
  assert.equal(find(results, "webrtc").status, "skipped");
  assertFixes(results);
});

Deno.test("doctor: another server behind the public address is found out", async () => {
  await using site = await TunnelledSite.open();
  await using other = await TunnelledSite.open();
  const results = await site.examine({ server: { publicUrl: other.config.server.publicUrl } });
  assert.ok(named(results, "failed").includes("same_server"));
  assert.match(find(results, "same_server").text, /Another Pinhole/);
  assertFixes(results);
});

Deno.test("doctor: answers with a changed bit are not taken for the server's", async () => {
  const flip = (reply: Uint8Array) => {
    const changed = reply.slice();
    changed[30] = (changed[30] ?? 0) ^ 1;
    return changed;
  };
  await using site = await TunnelledSite.open({ alterReply: flip });
  const { portMin, portMax } = site.config.webrtc;
  const results = await site.examine();
  assert.ok(named(results, "failed").includes(`udp_port ${portMin}`));
  assert.match(find(results, "udp_port", `${portMin}`).text, /without this server's signature/);
  assert.equal(find(results, "udp_port", `${portMax}`).status, "ok");
  assertFixes(results);
});

Deno.test("doctor: a library that cannot be opened is named, and the path is checked with the test pattern", async () => {
  await using site = await TunnelledSite.open({ isServed: false });
  const results = await site.examine({ renderer: { library: "/nowhere/lib.so" } });
  assert.deepEqual(named(results, "failed"), ["renderer"]);
  assert.match(find(results, "renderer").text, /\/nowhere\/lib\.so/);
  assert.equal(find(results, "webrtc").status, "ok");
  assertFixes(results);
});

Deno.test("doctor: frpc that is not logged in, wants a password or lacks a proxy is told", async () => {
  await using site = await TunnelledSite.open({ ports: 3 });
  const { admin } = site;
  const [api, first, second, third] = admin.proxies;
  assert(api !== undefined && first !== undefined && second !== undefined && third !== undefined);
  const frpc = async () => (await site.examine()).filter(({ check }) => check === "frpc");

  admin.proxies = [];
  const [notLoggedIn] = await frpc();
  assert.equal(notLoggedIn?.status, "failed");
  assert.match(notLoggedIn?.text ?? "", /not logged in/);

  const refused = { ...third, status: "start error", err: "port already used" };
  admin.proxies = [api, { ...second, local_addr: first.local_addr }, refused];
  const wrong = await frpc();
  assert.deepEqual(named(wrong, "failed"), [
    `frpc ${first.name}`,
    `frpc ${second.name}`,
    `frpc ${third.name}`,
  ]);
  assert.match(wrong[2]?.text ?? "", /port already used/);
  assertFixes(wrong);

  admin.credentials = "admin:secret";
  const [closed] = await frpc();
  assert.equal(closed?.status, "warning");
  assert.match(closed?.fix ?? "", /FRPC_ADMIN_PASSWORD/);
});

Deno.test("doctor: two clients of frp, one for signalling and one for media, are looked at together", async () => {
  await using site = await TunnelledSite.open({ isServed: false });
  const [api, ...media] = site.admin.proxies;
  assert(api !== undefined);
  site.admin.proxies = [api];
  await using other = new FakeFrpcAdmin(media);
  const frpc = async (frpcAdmins: readonly string[]) => {
    const plan = await planDoctor(site.config, { source: "test.toml", frpcAdmins });
    return (await Array.fromAsync(examine(plan))).filter(({ check }) => check === "frpc");
  };
  const both = await frpc([site.admin.url, other.url]);
  assert.deepEqual(both.map(({ status, values }) => [status, values?.proxies]), [["ok", 3]]);
  const one = await frpc([site.admin.url]);
  assert.deepEqual(named(one, "failed"), media.map(({ name }) => `frpc ${name}`));
});

Deno.test("doctor: a certificate that browsers refuse is told, and does not hide the local server", async () => {
  const folder = await Deno.makeTempDir();
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  try {
    const pem = pemOf(createServerCertificate());
    await Deno.writeTextFile(cert, pem.cert);
    await Deno.writeTextFile(key, pem.key, { mode: 0o600 });
    const config = { server: { tls_cert: cert, tls_key: key } };
    await using site = await TunnelledSite.open({ config });
    const publicUrl = site.config.server.publicUrl?.replace("http:", "https:");
    const results = await site.examine({ server: { publicUrl } });
    assert.deepEqual(named(results, "failed"), ["signalling"]);
    assert.match(find(results, "signalling").text, /certificate/i);
    assert.equal(find(results, "server").status, "ok");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("doctor: with a secret it mints its own token", async () => {
  const secretFile = await Deno.makeTempFile();
  await Deno.writeTextFile(secretFile, "a secret that is long enough for HS256: 0123456789");
  await Deno.chmod(secretFile, 0o600);
  try {
    await using site = await TunnelledSite.open({ config: { auth: { secret_file: secretFile } } });
    assert.deepEqual(named(await site.examine(), "failed"), []);
    const results = await site.examine({ auth: { secretFile: undefined } });
    assert.deepEqual(named(results, "failed"), ["server"]);
    assert.match(find(results, "server").text, /access token/);
  } finally {
    await Deno.remove(secretFile);
  }
});
