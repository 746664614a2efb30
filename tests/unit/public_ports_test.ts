import assert from "assert";
import { planReload } from "../../src/app/reload_plan.ts";
import { formatReach } from "../../src/cli/reach_lines.ts";
import { formatDefaultConfig } from "../support/documents/config_document.ts";
import { formatTunnel, TUNNEL_DEFAULTS } from "../../src/cli/frpc.ts";
import { warningsOf } from "../../src/config/checks.ts";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { formatPublicPort, parsePublicPort } from "../../src/config/public_port.ts";

type Variables = Readonly<Record<string, string>>;

/** Parses the keys of `[webrtc]`. */
function parse(lines: string, env: Variables = {}) {
  return parseConfig({ text: `[webrtc]\n${lines}\n`, fileName: "config.toml", env });
}

function configOf(lines: string, env?: Variables): Config {
  const parsed = parse(lines, env);
  if ("problems" in parsed) assert.fail(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

function problemsOf(lines: string, env?: Variables): string {
  const parsed = parse(lines, env);
  return "problems" in parsed ? parsed.problems.map(formatProblem).join("\n") : "";
}

Deno.test("public_ports: an entry has a local port, a transport, a host and a public port", () => {
  const entries = [
    "10111/udp=41022",
    "10111/tcp=203.0.113.7:41023",
    "10111=media.example.com:41024",
    "1=[2001:db8::7]:65535",
  ];
  for (const text of entries) {
    const entry = parsePublicPort(text);
    assert.ok(entry, text);
    assert.equal(formatPublicPort(entry), text);
  }
  const bad = [
    "",
    "10111",
    "=1",
    "10111=",
    "0=1",
    "1=0",
    "70000=1",
    "1=70000",
    "1/sctp=2",
    "1/UDP=2",
    " 1=2",
    "1=2 ",
    "1==2",
    "1=a b:2",
    "1=0.0.0.0:2",
    "1=::1:2",
    "1=[203.0.113.7]:2",
    "1=[example.com]:2",
    "1=[::]:2",
    "1=203.0.113.7",
    "1=:2",
    "-1=2",
    "1=2=3",
    "1/udp/tcp=2",
    `1=${"a".repeat(300)}:2`,
  ];
  for (const text of bad) assert.equal(parsePublicPort(text), undefined, text);
});

Deno.test("public_ports: faults name the entry", () => {
  const two = "port_min = 10111\nport_max = 10112\n";
  const cases: readonly (readonly [string, RegExp])[] = [
    ['public_ports = ["x"]', /webrtc\.public_ports\[0\] = "x": must be "LOCAL\/udp=PUBLIC"/],
    ["public_ports = [1]", /public_ports\[0\] = 1: must be/],
    ['public_ports = "10111=1"', /public_ports = "10111=1": must be a list/],
    ['public_ports = ["10111=1024", "10113=1025"]', /"10113=1025" does not/],
    ['public_ports = ["10111=41000"]', /an entry for port 10112 over UDP too.*"10112\/udp=/],
    ['public_ports = ["10111=41000", "10112=41000"]', /"10111=41000" and "10112=41000" have the/],
    ['public_ports = ["10111=1024", "10111/udp=1025"]', /one entry for port 10111/],
    [
      'public_ports = ["10111=6000", "10112=41000"]',
      /must not have "10111=6000": browsers block port 6000/,
    ],
    ['public_ports = ["10111/tcp=41000"]', /has "10111\/tcp=41000", but webrtc\.tcp = false/],
    ["udp = false", /webrtc\.udp = false.*must be true with webrtc\.tcp = false/],
    [
      'udp = false\ntcp = true\npublic_ports = ["10111/udp=41000"]',
      /has "10111\/udp=41000", but webrtc\.udp = false/,
    ],
    [
      'tcp = true\npublic_ports = ["10111/tcp=41000"]',
      /an entry for port 10112 over TCP too.*"10112\/tcp=/,
    ],
  ];
  for (const [lines, expected] of cases) assert.match(problemsOf(two + lines), expected, lines);
  assert.match(
    problemsOf(
      `${two}public_ip = "203.0.113.7"\npublic_ports = ["10111=1024", "10112=203.0.113.7:1024"]`,
    ),
    /"10111=1024" and "10112=203\.0\.113\.7:1024" have the same/,
  );
});

Deno.test("public_ports: a transport without entries keeps the usual numbers", () => {
  const { reach } = configOf(`
port_min = 10111
port_max = 10112
public_port_min = 20111
tcp = true
public_ports = ["10111/tcp=41000", "10112/tcp=media.example.com:41001"]`);
  const places = reach.ports.map(({ port, udp, tcp }) => [port, udp?.port, tcp?.port, tcp?.host]);
  assert.deepEqual(places, [
    [10111, 20111, 41000, undefined],
    [10112, 20112, 41001, "media.example.com"],
  ]);
});

Deno.test("public_ports: a variable gives them too, separated by commas", () => {
  const env = { PINHOLE_WEBRTC_PUBLIC_PORTS: "10111=41000, 10112=41001" };
  const { reach } = configOf("port_max = 10112", env);
  assert.deepEqual(reach.ports.map(({ udp }) => udp?.port), [41000, 41001]);
});

Deno.test("public_ports: a reload moves the public places of the bound ports", () => {
  const running = configOf("port_max = 10112");
  const lines = 'port_max = 10112\npublic_ports = ["10111=41000", "10112=41001"]';
  const { changes, config } = planReload(running, configOf(lines));
  assert.deepEqual(changes.live, ["webrtc.public_ports"]);
  assert.deepEqual(config.reach.ports.map(({ port, udp }) => [port, udp?.port]), [
    [10111, 41000],
    [10112, 41001],
  ]);
});

const RUNPOD = {
  RUNPOD_PUBLIC_IP: "203.0.113.7",
  RUNPOD_TCP_PORT_22: "40022",
  RUNPOD_TCP_PORT_10111: "41111",
  RUNPOD_TCP_PORT_10112: "41112",
};

Deno.test("provider: RunPod maps TCP alone, and only what it maps is bound", () => {
  const { webrtc, reach, sessions } = configOf("", RUNPOD);
  assert.equal(webrtc.publicIp, "203.0.113.7");
  assert.deepEqual([webrtc.udp, webrtc.tcp], [false, true]);
  assert.deepEqual(reach.ports.map(({ port, udp, tcp }) => [port, udp, tcp?.port]), [
    [10111, undefined, 41111],
    [10112, undefined, 41112],
  ]);
  assert.equal(sessions.max, 2);
  assert.deepEqual(formatReach(configOf("", RUNPOD)), [
    "TCP 10111 is 203.0.113.7:41111: RUNPOD_TCP_PORT_10111 = 41111",
    "TCP 10112 is 203.0.113.7:41112: RUNPOD_TCP_PORT_10112 = 41112",
  ]);
});

Deno.test("provider: a wish above 70000 is a port whose public number is the local one", () => {
  const { reach } = configOf("", { RUNPOD_TCP_PORT_70000: "30123", RUNPOD_TCP_PORT_22: "40022" });
  assert.deepEqual(reach.ports.map(({ port, tcp }) => [port, tcp?.port]), [[30123, 30123]]);
});

Deno.test("provider: Vast.ai maps UDP and TCP apart", () => {
  const { webrtc, reach } = configOf("", {
    PUBLIC_IPADDR: "203.0.113.8",
    VAST_TCP_PORT_22: "40022",
    VAST_UDP_PORT_10111: "41022",
    VAST_TCP_PORT_10111: "41023",
  });
  assert.deepEqual([webrtc.publicIp, webrtc.udp, webrtc.tcp], ["203.0.113.8", true, true]);
  assert.deepEqual(reach.ports.map(({ port, udp, tcp }) => [port, udp?.port, tcp?.port]), [
    [10111, 41022, 41023],
  ]);
});

Deno.test("provider: what is set in the configuration counts, and none reads nothing", () => {
  const set = configOf('public_ip = "203.0.113.99"\ntcp = true', { VAST_UDP_PORT_10111: "41022" });
  assert.equal(set.webrtc.publicIp, "203.0.113.99");
  assert.deepEqual([set.webrtc.udp, set.webrtc.tcp], [true, true]);
  // The file that comes with the program has every key, with its default.
  const shipped = parseConfig({
    text: formatDefaultConfig(),
    fileName: "config.toml",
    env: RUNPOD,
  });
  assert.ok("config" in shipped);
  assert.deepEqual(shipped.config, configOf("", RUNPOD));
  const none = configOf('provider = "none"', RUNPOD);
  assert.deepEqual([none.webrtc.publicIp, none.webrtc.udp, none.reach.ports.length], [
    undefined,
    true,
    5,
  ]);
  const own = configOf('port_max = 10111\npublic_ports = ["10111=999"]\nprovider = "vast"', {
    VAST_UDP_PORT_10111: "41022",
  });
  assert.equal(own.reach.ports[0]?.udp?.port, 999);
});

Deno.test("provider: rubbish is told and ignored, and so is a host that maps no media port", () => {
  const rubbish = {
    RUNPOD_PUBLIC_IP: "over there",
    RUNPOD_TCP_PORT_x: "1",
    RUNPOD_TCP_PORT_10112: "\u001b[31m",
    RUNPOD_TCP_PORT_10113: "70000",
    RUNPOD_TCP_PORT_22: "40022",
  };
  const config = configOf("", rubbish);
  assert.equal(config.reach.ports.length, 5, "as without a provider");
  const warnings = warningsOf(config);
  for (const name of ["PUBLIC_IP", "TCP_PORT_x", "TCP_PORT_10112", "TCP_PORT_10113"]) {
    assert.ok(warnings.some((line) => line.startsWith(`RUNPOD_${name} = `)), name);
  }
  assert.ok(warnings.every((line) => !line.includes("\u001b")));
  assert.match(warnings.at(-1) ?? "", /RunPod maps no media port.*port 10111.*70000/);
  assert.deepEqual(warningsOf(configOf("", { RUNPOD_TCP_PORT_10111: "1024" })), []);
});

Deno.test("provider: rubbish alone is told too, and a host that maps nothing for what is on is an error", () => {
  const warnings = warningsOf(configOf("", { RUNPOD_TCP_PORT_10111: "abc" }));
  assert.match(warnings[0] ?? "", /^RUNPOD_TCP_PORT_10111 = "abc" of RunPod makes no sense/);
  const udp = { VAST_UDP_PORT_10111: "41022" };
  assert.match(
    problemsOf("udp = false\ntcp = true", udp),
    /webrtc\.udp = false: leaves no media port with webrtc\.tcp = true: Vast\.ai maps none/,
  );
});

Deno.test("provider: a public number that browsers block is left out, and told", () => {
  const env = { ...RUNPOD, RUNPOD_TCP_PORT_10111: "10080" };
  const config = configOf("", env);
  assert.deepEqual(config.reach.ports.map(({ port }) => port), [10112]);
  assert.match(warningsOf(config).join("\n"), /RUNPOD_TCP_PORT_10111 = 10080 of RunPod is ignored/);
});

Deno.test("provider: beside public_ports it tells the address alone", () => {
  const lines = 'port_max = 10111\npublic_ports = ["10111/udp=999"]';
  const { webrtc, reach } = configOf(lines, {
    PUBLIC_IPADDR: "203.0.113.8",
    VAST_UDP_PORT_10111: "41022",
    VAST_TCP_PORT_10111: "41023",
  });
  assert.deepEqual([webrtc.publicIp, webrtc.tcp], ["203.0.113.8", false]);
  assert.deepEqual([reach.ports[0]?.udp?.port, reach.ports[0]?.tcp], [999, undefined]);
});

Deno.test("public_ports: a reload for other ports than the bound ones waits for the restart", () => {
  const three = '["10111=41000", "10112=41001", "10113=41002"]';
  const running = configOf(`port_max = 10113\npublic_ports = ${three}`);
  const others = [
    'port_max = 10112\npublic_ports = ["10111=42000", "10112=42001"]',
    'port_min = 10120\nport_max = 10121\npublic_ports = ["10120=42000", "10121=42001"]',
    `port_max = 10113\ntcp = true\npublic_ports = ${three.replaceAll("4100", "4200")}`,
  ];
  for (const lines of others) {
    const { changes, config } = planReload(running, configOf(lines));
    assert.ok(changes.restart.includes("webrtc.public_ports"), lines);
    assert.deepEqual(config.reach, running.reach);
    assert.deepEqual(config.webrtc.publicPorts, running.webrtc.publicPorts);
  }
});

Deno.test("provider: its address stays as long as its ports", () => {
  const running = configOf("", RUNPOD);
  for (const lines of ['provider = "none"', "port_min = 10200\nport_max = 10204"]) {
    const { changes, config } = planReload(running, configOf(lines, RUNPOD));
    assert.ok(changes.restart.includes("webrtc.public_ip"), lines);
    assert.equal(config.webrtc.publicIp, "203.0.113.7");
    assert.deepEqual(config.reach, running.reach);
  }
});

Deno.test("pinhole check: consecutive ports of one source share a line", () => {
  assert.deepEqual(formatReach(configOf("")), [
    "UDP 10111-10115 is (the address that the viewer used):10111-10115: the same numbers",
  ]);
  const lines = 'public_port_min = 20111\ntcp = true\npublic_ip = "203.0.113.7"';
  assert.deepEqual(formatReach(configOf(lines)), [
    "UDP 10111-10115 is 203.0.113.7:20111-20115: webrtc.public_port_min = 20111",
    "TCP 10111-10115 is 203.0.113.7:20111-20115: webrtc.public_port_min = 20111",
  ]);
});

Deno.test("pinhole frpc: follows the map", () => {
  const config = configOf(`
port_max = 10112
tcp = true
udp = false
public_ip = "203.0.113.7"
public_ports = ["10111=41000", "10112=41007"]`);
  const text = formatTunnel(config, { ...TUNNEL_DEFAULTS, source: "config.toml" });
  const proxies = [
    ...text.matchAll(/type = "(\w+)"\nlocalIP = .*\nlocalPort = (\d+)\nremotePort = (\d+)/g),
  ]
    .map(([, ...fields]) => fields.join(" "));
  assert.deepEqual(proxies.slice(1), ["tcp 10111 41000", "tcp 10112 41007"]);
  const twice = configOf(
    'port_max = 10112\npublic_ports = ["10111=a.example:41000", "10112=b.example:41000"]',
  );
  assert.throws(
    () => formatTunnel(twice, { ...TUNNEL_DEFAULTS, source: "config.toml" }),
    /public port UDP 41000 twice/,
  );
});
