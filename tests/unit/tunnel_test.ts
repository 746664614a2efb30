import assert from "assert";
import { parse } from "toml";
import { parseConfig } from "../../src/config/parse.ts";
import type { Config } from "../../src/config/config.ts";
import { ConfigError } from "../../src/config/load.ts";
import { formatTunnel, TUNNEL_DEFAULTS, type TunnelOptions } from "../../src/cli/frpc.ts";
import { tomlString } from "../../src/tunnel/toml.ts";

const SERVER = { hostname: "192.0.2.1", port: 7000 };

interface Proxy {
  readonly name: string;
  readonly type: string;
  readonly localIP: string;
  readonly localPort: number;
  readonly remotePort: number;
}

/** What of frpc.toml the tests look at. */
interface FrpcFile {
  readonly serverAddr: string;
  readonly serverPort: number;
  readonly udpPacketSize: number;
  readonly auth: { readonly token: string };
  readonly transport: { readonly protocol: string; readonly tcpMux: boolean };
  readonly webServer: { readonly port: number; readonly password: string };
  readonly proxies: readonly Proxy[];
}

Deno.test("pinhole frpc: the defaults map 9000 to 10110 and five media ports one to one", () => {
  const { proxies, ...file } = frpcFile("");
  assert.equal(file.serverAddr, SERVER.hostname);
  assert.equal(file.serverPort, SERVER.port);
  const media = [10111, 10112, 10113, 10114, 10115].map((port) => proxy(`udp_${port}`, port, port));
  assert.deepEqual(proxies, [proxy("gpu_server_api", 9000, 10110), ...media]);
});

Deno.test("pinhole frpc: signalling is mapped to the port of public_url", () => {
  const cases = [
    ["http://203.0.113.7:8080", 8080],
    ["http://example.com", 80],
    ["https://example.com", 443],
    ["http://[2001:db8::1]:81", 81],
  ] as const;
  for (const [url, port] of cases) {
    const [api] = frpcFile(`[server]\npublic_url = "${url}"`).proxies;
    assert.equal(api?.remotePort, port, url);
  }
});

Deno.test("pinhole frpc: follows the offset of public_port_min", () => {
  const { proxies } = frpcFile("[webrtc]\npublic_port_min = 20111\nport_max = 10112");
  assert.deepEqual(proxies, [
    proxy("gpu_server_api", 9000, 20110),
    proxy("udp_20111", 10111, 20111),
    proxy("udp_20112", 10112, 20112),
  ]);
});

Deno.test("pinhole frpc: maps each media port for TCP too when webrtc.tcp is on", () => {
  const { proxies } = frpcFile("[webrtc]\ntcp = true\nport_max = 10112");
  assert.deepEqual(proxies.slice(1), [
    proxy("udp_10111", 10111, 10111),
    proxy("tcp_10111", 10111, 10111),
    proxy("udp_10112", 10112, 10112),
    proxy("tcp_10112", 10112, 10112),
  ]);
});

Deno.test("pinhole frpc: localIP is loopback, or the one address that is listened on", () => {
  const cases = [
    ["0.0.0.0", "127.0.0.1"],
    ["127.0.0.1", "127.0.0.1"],
    ["192.0.2.5", "192.0.2.5"],
    ["::", "::1"],
    ["0:0::0", "::1"],
    ["2001:db8::5", "2001:db8::5"],
  ] as const;
  for (const [listen, expected] of cases) {
    const host = listen.includes(":") ? `[${listen}]` : listen;
    const { proxies } = frpcFile(`server.listen = "${host}:9000"\nwebrtc.listen = "${listen}"`);
    assert.deepEqual([...new Set(proxies.map(({ localIP }) => localIP))], [expected]);
  }
});

Deno.test("pinhole frpc: a client for one half has only that, and a port of its own for status", () => {
  const media = frpcFile("", { part: "media" });
  const signalling = frpcFile("", { part: "signalling" });
  assert.deepEqual(media.proxies.map(({ type }) => type), Array(5).fill("udp"));
  assert.deepEqual(signalling.proxies.map(({ name }) => name), ["gpu_server_api"]);
  assert.notEqual(media.webServer.port, signalling.webServer.port);
});

Deno.test("pinhole frpc: token and password are variables, never values", () => {
  const file = frpcFile("", { tokenVariable: "MY_TOKEN" });
  assert.equal(file.auth.token, "{{ with .Envs.MY_TOKEN }}{{ . }}{{ end }}");
  assert.equal(file.webServer.password, "{{ with .Envs.FRPC_ADMIN_PASSWORD }}{{ . }}{{ end }}");
});

Deno.test("pinhole frpc: both ends agree about what has to be the same", () => {
  for (const protocol of ["tcp", "kcp", "websocket"] as const) {
    const frpc = frpcFile("", { protocol });
    const frps = parse(text("", { protocol, output: "frps" }));
    assert.equal(frpc.transport.protocol, protocol);
    assert.equal(frpc.udpPacketSize, 1500);
    assert.equal(frps.udpPacketSize, 1500);
    assert.equal((frps.transport as FrpcFile["transport"]).tcpMux, frpc.transport.tcpMux);
    assert.equal(frps.bindPort, frpc.serverPort);
  }
});

Deno.test("pinhole frpc: frps listens where the protocol of frpc arrives", () => {
  assert.equal(parse(text("", { output: "frps", protocol: "kcp" })).kcpBindPort, 7000);
  assert.equal(parse(text("", { output: "frps", protocol: "quic" })).quicBindPort, 7000);
  assert.ok(!("quicBindPort" in parse(text("", { output: "frps" }))));
});

Deno.test("pinhole frpc: by wss, frps has a port of its own behind the web server's", () => {
  const cases = [[undefined, 443, 7000], [8443, 8443, 7000], [7000, 7000, 7001]] as const;
  for (const [asked, webServer, own] of cases) {
    const options = { protocol: "wss", server: { hostname: "a.example", port: asked } } as const;
    assert.equal(frpcFile("", options).serverPort, webServer);
    const frps = text("", { ...options, output: "frps" });
    assert.equal(parse(frps).bindPort, own);
    assert.match(frps, new RegExp(`must allow: TCP ${webServer}, TCP 10110, UDP`));
    assert.match(frps, new RegExp(`listens on port ${webServer} and terminates TLS`));
    assert.match(frps, new RegExp(`location = /~!frp {\n.*http://127\\.0\\.0\\.1:${own};`));
  }
});

Deno.test("pinhole frpc: by every protocol but wss, an address alone means frps's own port", () => {
  const server = { hostname: "a.example", port: undefined };
  assert.equal(frpcFile("", { server }).serverPort, 7000);
  assert.equal(frpcFile("", { server, protocol: "quic" }).serverPort, 7000);
});

Deno.test("pinhole frpc --frps: allows exactly the mapped ports, and names those of the firewall", () => {
  const config = '[server]\npublic_url = "http://example.com:8080"\n[webrtc]\ntcp = true';
  const frps = text(config, { output: "frps" });
  assert.deepEqual(plain(parse(frps).allowPorts), [
    { start: 8080, end: 8080 },
    { start: 10111, end: 10115 },
  ]);
  assert.match(frps, /TCP 7000, TCP 8080, UDP 10111-10115, TCP 10111-10115\./);
  const shipped = plain(parse(text("", { output: "frps" })).allowPorts);
  assert.deepEqual(shipped, [{ start: 10110, end: 10115 }]);
});

Deno.test("pinhole frpc --frps: has proxyBindAddr ready for a server with several addresses", () => {
  const line = (config: string) =>
    /^# (proxyBindAddr = .*)$/m.exec(text(config, { output: "frps" }))?.[1] ?? "";
  const both =
    '[server]\npublic_url = "http://203.0.113.1:80"\n[webrtc]\npublic_ip = "203.0.113.9"';
  assert.deepEqual(plain(parse(line(both))), { proxyBindAddr: "203.0.113.9" });
  assert.match(line('[webrtc]\npublic_ip = "a.example"'), /the IP address of a\.example/);
});

Deno.test("pinhole frpc --plain: ports that keep their number take one rule, others one each", () => {
  const same = text("", { output: "plain", server: undefined });
  assert.match(same, /^nft .* udp dport 10111-10115 dnat to \$HOST$/m);
  assert.match(same, /^nft .* tcp dport 10110 dnat to \$HOST:9000$/m);
  assert.match(same, /^iptables .*-p udp --dport 10111:10115 -j DNAT --to-destination \$HOST$/m);
  const moved = text("[webrtc]\npublic_port_min = 20111\nport_max = 10112", { output: "plain" });
  assert.match(moved, /^nft .* udp dport 20111 dnat to \$HOST:10111$/m);
  assert.match(moved, /^nft .* udp dport 20112 dnat to \$HOST:10112$/m);
  assert.match(moved, /^#\s+UDP 20111-20112 -> HOST 10111-10112$/m);
});

Deno.test("pinhole frpc --plain: says which listeners nobody would reach", () => {
  const config = 'server.listen = "127.0.0.1:9000"\nwebrtc.listen = "127.0.0.1"';
  const first = (options: Partial<TunnelOptions>) =>
    text(config, { output: "plain", ...options }).split("\n")[0] ?? "";
  assert.match(first({}), /server\.listen and webrtc\.listen must not be on loopback/);
  assert.match(first({ part: "media" }), /First: webrtc\.listen must not/);
  assert.doesNotMatch(text("", { output: "plain" }), /loopback/);
});

Deno.test("pinhole frpc: frps is looked for at the configured public address", () => {
  const cases = [
    ['[webrtc]\npublic_ip = "203.0.113.7"', "203.0.113.7"],
    ['[server]\npublic_url = "https://a.example:8443"', "a.example"],
    ['[server]\npublic_url = "http://[2001:db8::1]:81"', "2001:db8::1"],
  ] as const;
  for (const [config, host] of cases) {
    assert.equal(frpcFile(config, { server: undefined }).serverAddr, host);
  }
});

Deno.test("pinhole frpc: what cannot be mapped is said with the key and the fix", () => {
  const cases: readonly [string, RegExp][] = [
    ["", /--server ADDRESS, or set server\.public_url or webrtc\.public_ip/],
    ['[server]\nlisten = "0.0.0.0:0"', /server\.listen.*fixed port/],
    ["[webrtc]\npublic_port_min = 1", /server\.public_url: must be set/],
    [
      '[server]\npublic_url = "http://a.example:10112"\n[webrtc]\ntcp = true',
      /server\.public_url: its port 10112 must be outside 10111-10115.*webrtc\.tcp/,
    ],
  ];
  for (const [config, expected] of cases) {
    refuses(() => text(config, { server: undefined }), expected);
  }
});

Deno.test("pinhole frpc: a public port that frps itself has is said with its key and the other way out", () => {
  const at = (port: number) => ({ server: { hostname: "192.0.2.1", port } });
  const url = '[server]\npublic_url = "http://a.example:7000"';
  const tcp = "[webrtc]\ntcp = true";
  const cases: readonly [string, Partial<TunnelOptions>, RegExp][] = [
    [url, {}, /server\.public_url: maps public TCP port 7000 for gpu_server_api.*\(bindPort\)/],
    [url, { output: "frps" }, /\(bindPort\); change it, or .*--server ADDRESS:PORT$/],
    [url, { protocol: "quic" }, /\(bindPort\)/],
    ["", at(10110), /webrtc\.public_port_min: maps public TCP port 10110 for gpu_server_api/],
    [tcp, at(10113), /webrtc\.public_port_min: maps public TCP port 10113 for tcp_10113/],
    ["", { protocol: "kcp", ...at(10111) }, /public UDP port 10111 for udp_.*\(kcpBindPort\)/],
    ["", { protocol: "quic", ...at(10115) }, /public UDP port 10115 for udp_.*\(quicBindPort\)/],
    ["", { protocol: "quic", part: "media", ...at(10115) }, /\(quicBindPort\)/],
    [url, { protocol: "wss", ...at(443) }, /TCP port 7000 .*\(bindPort\); change it$/],
  ];
  for (const [config, options, expected] of cases) refuses(() => text(config, options), expected);
  // Nothing listens on UDP there, nobody maps that port, the web server before frps has it, or there is no frps.
  text("", at(10111));
  text("", { part: "media", ...at(10110) });
  text('[server]\npublic_url = "https://a.example"', { protocol: "wss", ...at(443) });
  text(url, { output: "plain" });
});

Deno.test("pinhole frpc: a listener with the port of frpc's admin API is said with its key and the other way out", () => {
  const listen = (address: string) => `server.listen = "${address}"`;
  const cases: readonly [string, Partial<TunnelOptions>, RegExp][] = [
    [listen("0.0.0.0:7400"), {}, /server\.listen: uses TCP port 7400.* --admin ADDRESS:PORT$/],
    [listen("127.0.0.1:7401"), { part: "media" }, /server\.listen: uses TCP port 7401/],
    [listen("[::]:7400"), { part: "signalling" }, /server\.listen/],
    [listen("localhost:7400"), {}, /server\.listen/],
    ['server.admin_listen = "127.0.0.1:7400"', {}, /server\.admin_listen: uses TCP port 7400/],
    [
      "[webrtc]\ntcp = true\nport_min = 7399\nport_max = 7401",
      { part: "media" },
      /webrtc\.port_min: uses TCP port 7401, on which frpc's admin API listens/,
    ],
    ["", { admin: { hostname: "0.0.0.0", port: 9000 } }, /server\.listen: uses TCP port 9000/],
  ];
  for (const [config, options, expected] of cases) refuses(() => text(config, options), expected);
  text(listen("192.0.2.5:7400"));
  text(listen("127.0.0.1:7401"));
  text(listen("127.0.0.1:7400"), { output: "frps" });
  text("[webrtc]\nport_min = 7399\nport_max = 7401");
});

Deno.test("tomlString: TOML reads the very text back, and no template begins in it", () => {
  const texts = [
    "",
    "a",
    '"',
    "\\",
    "a\nb\r\t\0\x7f",
    '"\nserverPort = 1',
    "{{ .Envs.HOME }}",
    "{{{",
  ];
  for (const each of [...texts, "é 中 🎥", "{ {", "\\u007b{"]) {
    const quoted = tomlString(each);
    assert.equal(parse(`key = ${quoted}`).key, each);
    assert.ok(!quoted.includes("{{"), quoted);
    assert.ok(!quoted.includes("\n"), quoted);
  }
});

function configOf(toml: string): Config {
  const parsed = parseConfig({ text: toml, fileName: "test.toml", env: {} });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.config;
}

function text(toml: string, options: Partial<TunnelOptions> = {}): string {
  const all = { ...TUNNEL_DEFAULTS, server: SERVER, source: "test.toml", ...options };
  return formatTunnel(configOf(toml), all);
}

function refuses(print: () => string, expected: RegExp): void {
  assert.throws(print, (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, expected);
    return true;
  });
}

function frpcFile(toml: string, options: Partial<TunnelOptions> = {}): FrpcFile {
  return plain(parse(text(toml, options))) as FrpcFile;
}

/** The parser's tables have no prototype, which strict equality minds. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function proxy(name: string, localPort: number, remotePort: number): Proxy {
  const type = name.startsWith("udp") ? "udp" : "tcp";
  return { name, type, localIP: "127.0.0.1", localPort, remotePort };
}
