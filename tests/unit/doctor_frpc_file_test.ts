import assert from "assert";
import type { ExpectedProxy } from "../../src/doctor/frpc_status.ts";
import { readFrpcFile } from "../../src/doctor/frpc_file.ts";
import { judgeFile } from "../../src/doctor/frpc_judge.ts";
import { frpsOf } from "../../src/doctor/frps.ts";

const EXPECTED: readonly ExpectedProxy[] = [
  {
    name: "gpu_server_api",
    protocol: "tcp",
    listen: "0.0.0.0",
    listenKey: "server.listen",
    localPort: 9000,
    publicPort: 80,
    mayDiffer: true,
  },
  {
    name: "udp_1",
    protocol: "udp",
    listen: "127.0.0.1",
    listenKey: "webrtc.listen",
    localPort: 11,
    publicPort: 1,
    mayDiffer: false,
  },
];

Deno.test("frpsOf: reads where frps is, and takes frp's defaults", () => {
  const of = (text: string) => frpsOf(readFrpcFile(text));
  const usual = { hostname: "a.example", port: 7000, protocol: "tcp", tcpMux: true };
  assert.deepEqual(of('serverAddr = "a.example"'), usual);
  assert.deepEqual(
    of("serverAddr = 'a.example' # here\nserverPort = 7001\ntransport.tcpMux = false"),
    { ...usual, port: 7001, tcpMux: false },
  );
  assert.deepEqual(
    of('serverAddr = "a.example"\n[transport]\nprotocol = "quic"\ntcpMux = false'),
    { ...usual, protocol: "quic", tcpMux: false },
  );
  assert.deepEqual(
    of('serverAddr = "a.example"\ntransport = { protocol = "wss", tcpMux = false }'),
    { ...usual, protocol: "wss", tcpMux: false },
  );
});

Deno.test("judgeFile: names the line of what spoils a proxy, however it is written", () => {
  const proxy = '[[proxies]]\nname = "mine"\ntype = "udp"\nlocalPort = 11\n';
  const spoilers = [
    'transport.proxyProtocolVersion = "v2"',
    "  transport.proxyProtocolVersion='v1' # for the web server",
    'transport = { proxyProtocolVersion = "v2" }',
    '[proxies.transport]\nproxyProtocolVersion = "v2"',
  ];
  for (const spoiler of spoilers) {
    const [line, ...others] = judgeFile(readFrpcFile(`${proxy}${spoiler}\n`), EXPECTED);
    assert.equal(line?.status, "failed", spoiler);
    assert.match(line?.text ?? "", /mine has transport\.proxyProtocolVersion/);
    const lines = spoiler.split("\n").length;
    assert.match(line?.fix ?? "", new RegExp(`Delete line ${4 + lines} of frpc\\.toml`));
    assert.deepEqual(others, []);
  }
});

Deno.test("judgeFile: a limit on media is a warning; other people's proxies are their own matter", () => {
  const limited = (name: string, type: string) =>
    judgeFile(
      readFrpcFile(
        `[[proxies]]\nname = "${name}"\ntype = "${type}"\ntransport.bandwidthLimit = "1MB"\n`,
      ),
      EXPECTED,
    ).map(({ status }) => status);
  assert.deepEqual(limited("udp_1", "udp"), ["warning"]);
  assert.deepEqual(limited("gpu_server_api", "tcp"), [], "signalling is no media");
  assert.deepEqual(limited("ssh", "tcp"), []);
  assert.deepEqual(limited("udp_1", "udp"), ["warning"]);
  assert.deepEqual(judgeFile(readFrpcFile("\u0000 = = [[\n[[proxies]]\n="), EXPECTED), []);
});
