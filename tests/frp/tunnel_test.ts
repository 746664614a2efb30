import assert from "assert";
import { TUNNEL_PROTOCOLS } from "../../src/tunnel/settings.ts";
import { eventually } from "../support/deadline.ts";
import { frpTest, FrpTunnel, type FrpTunnelOptions } from "../support/frp/frp.ts";
import { EchoHost } from "../support/frp/frp_host.ts";
import { PublicPorts } from "../support/frp/frp_ports.ts";

/** What fits into one Ethernet frame. */
const DATAGRAM_BYTES = 1472;

for (const protocol of TUNNEL_PROTOCOLS) {
  frpTest(`pinhole frpc: by ${protocol}, signalling, UDP and TCP pass`, async () => {
    const tls = protocol === "wss" ? await makeCertificate() : undefined;
    await using it = await start({ protocol, ...(tls && { tls, cuttable: true }) });
    assert.equal(await it.host.fetchText(), "here");
    const data = crypto.getRandomValues(new Uint8Array(DATAGRAM_BYTES));
    using visitor = it.host.visit();
    assert.deepEqual(await visitor.echo(data), data);
    const bytes = data.subarray(0, 100);
    assert.deepEqual(await it.host.echoBytes(bytes), bytes);
    const statuses = await it.tunnel.status();
    assert.deepEqual(statuses.map(({ status }) => status), ["running", "running", "running"]);
  });
}

frpTest("tunnel: comes back by itself, and gives a visitor new source ports", async (test) => {
  await using it = await start({ cuttable: true });
  const { host, tunnel } = it;
  using visitor = host.visit();
  const data = new TextEncoder().encode("ping");
  await visitor.echo(data);

  await test.step("after its connection was cut", async () => {
    await tunnel.cutWorkConnections();
    await expectBack();
  });
  await test.step("after frpc was killed", async () => {
    await tunnel.killClient();
    await assert.rejects(host.fetchText());
    await tunnel.startClient();
    await expectBack();
  });
  await test.step("after frps was killed", async () => {
    await tunnel.killServer();
    await tunnel.startServer();
    await expectBack();
  });
  await test.step("after an edited proxy was reloaded", async () => {
    const edited = tunnel.clientConfig.replace(
      /^type = "udp"$/m,
      '$&\ntransport.bandwidthLimit = "1MB"',
    );
    assert.notEqual(edited, tunnel.clientConfig);
    await tunnel.reloadClient(edited);
    await expectBack();
  });

  // Two of them may happen to be the same number.
  assert.ok(host.sources.length > 2, `Source ports: ${host.sources}`);

  async function expectBack(): Promise<void> {
    await visitor.echo(data);
    assert.equal(await host.fetchText(), "here");
  }
});

frpTest("frpc.toml: frpc goes on trying while frps is not there", async () => {
  await using it = await start();
  const { host, tunnel } = it;
  await tunnel.killServer();
  await tunnel.killClient();
  const back = tunnel.startClient();
  await eventually(() => /connect to server error.*refused/.test(tunnel.lastWords), {
    what: () => `for frpc to find nobody:\n${tunnel.lastWords}`,
  });
  await Promise.all([back, tunnel.startServer()]);
  assert.equal(await host.fetchText(), "here");
});

/** A certificate for the web server that frps needs before it. */
async function makeCertificate(): Promise<{ cert: string; key: string }> {
  const path = await Deno.makeTempDir();
  const { success } = await new Deno.Command("openssl", {
    args: `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=frps
      -keyout ${path}/key.pem -out ${path}/cert.pem`.split(/\s+/),
    stderr: "null",
  }).output();
  assert.ok(success);
  const read = (name: string) => Deno.readTextFile(`${path}/${name}.pem`);
  const [cert, key] = await Promise.all([read("cert"), read("key")]);
  await Deno.remove(path, { recursive: true });
  return { cert, key };
}

/** A tunnel to an {@link EchoHost}. */
async function start(
  options: Pick<FrpTunnelOptions, "protocol" | "cuttable" | "tls"> = {},
): Promise<{ host: EchoHost; tunnel: FrpTunnel } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const ports = stack.use(PublicPorts.reserve(1));
  const host = stack.use(new EchoHost(ports));
  const tunnel = stack.use(await FrpTunnel.start({ ports, mapping: host.mapping, ...options }));
  const moved = stack.move();
  return { host, tunnel, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
