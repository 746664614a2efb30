import assert from "assert";
import { plannedRange } from "../support/parts/planned_ports.ts";
import type { Config } from "../../src/config/config.ts";
import { parseConfig, type ParsedConfig } from "../../src/config/parse.ts";
import { formatProblem } from "../../src/config/problem.ts";

function parse(text: string, env: Record<string, string> = {}): ParsedConfig {
  return parseConfig({ text, fileName: "config.toml", env });
}

function configOf(text: string, env: Record<string, string> = {}): Config {
  const parsed = parse(text, env);
  if ("problems" in parsed) assert.fail(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

function problemsOf(text: string, env: Record<string, string> = {}): string[] {
  const parsed = parse(text, env);
  return "problems" in parsed ? parsed.problems.map(formatProblem) : [];
}

Deno.test("parseConfig: an empty file gives every default, resolved", () => {
  const expected: Config = {
    server: {
      listen: { hostname: "0.0.0.0", port: 9000 },
      publicUrl: undefined,
      tlsCert: undefined,
      tlsKey: undefined,
      adminListen: undefined,
      allowedOrigins: [],
      drainS: 0,
    },
    webrtc: {
      publicIp: undefined,
      portMin: 10111,
      portMax: 10115,
      publicPortMin: 10111,
      listen: "0.0.0.0",
      publicPorts: [],
      provider: "auto",
      peersPerPort: 1,
      udp: true,
      tcp: false,
      connectTimeoutS: 10,
      idleTimeoutS: 30,
    },
    video: {
      width: 1280,
      height: 720,
      fps: 30,
      codec: "auto",
      encoder: "auto",
      bitrateKbps: 2500,
      minBitrateKbps: 150,
      adaptiveSize: true,
    },
    audio: { enabled: true, bitrateKbps: 48 },
    renderer: { library: undefined, bridge: undefined, isolation: "none", options: {} },
    idle: { source: undefined, sources: {} },
    sessions: { max: 5, viewersPerSession: 8, refuseWhenBusy: true },
    auth: { secretFile: undefined },
    log: { level: "info", format: "auto" },
    reach: { ports: plannedRange({ portMin: 10111, portMax: 10115 }), provider: undefined },
  };
  assert.deepEqual(configOf(""), expected);
});

Deno.test("parseConfig: values are parsed and normalized", () => {
  const config = configOf(`
    [server]
    listen = "[::]:9001"
    public_url = "HTTP://Example.COM:80/"
    tls_cert = "cert.pem"
    tls_key = "key.pem"
    allowed_origins = ["*", "https://Example.com:443"]
    [webrtc]
    public_ip = "tunnel.example.com"
    port_min = 20000
    port_max = 20009
    public_port_min = 30000
    peers_per_port = 4
    [renderer.options]
    device = 1
    nested = { list = [1, 2.5, "x", true], "__proto__" = { polluted = true } }
    [idle.sources]
    anna = "/srv/anna.mp4"
  `);
  assert.deepEqual(config.server.listen, { hostname: "::", port: 9001 });
  assert.equal(config.server.publicUrl, "http://example.com");
  assert.deepEqual(config.server.allowedOrigins, ["*", "https://example.com"]);
  assert.equal(config.webrtc.publicIp, "tunnel.example.com");
  assert.equal(config.webrtc.publicPortMin, 30000);
  assert.equal(config.sessions.max, 40);
  assert.equal(
    JSON.stringify(config.renderer.options),
    '{"device":1,"nested":{"list":[1,2.5,"x",true],"__proto__":{"polluted":true}}}',
  );
  assert.equal(Reflect.get({}, "polluted"), undefined);
  assert.deepEqual(config.idle.sources, { anna: "/srv/anna.mp4" });
});

Deno.test("parseConfig: variables override the file, each type in its own form", () => {
  const config = configOf("[webrtc]\nport_min = 10112\n[audio]\nenabled = true", {
    PINHOLE_WEBRTC_PORT_MIN: "10113",
    PINHOLE_AUDIO_ENABLED: "false",
    PINHOLE_SERVER_ALLOWED_ORIGINS: "https://a.example, http://b.example:8080",
    PINHOLE_VIDEO_CODEC: "vp8",
    PINHOLE_RENDERER_OPTIONS: '{"model":null}',
    PINHOLE_IDLE_SOURCES: '{"anna":"a.png"}',
  });
  assert.equal(config.webrtc.portMin, 10113);
  assert.deepEqual(config.audio, { enabled: false, bitrateKbps: 48 });
  assert.deepEqual(config.server.allowedOrigins, ["https://a.example", "http://b.example:8080"]);
  assert.equal(config.video.codec, "vp8");
  assert.deepEqual(config.renderer.options, { model: null });
  assert.deepEqual(config.idle.sources, { anna: "a.png" });
  const cleared = configOf('[server]\nallowed_origins = ["*"]\n[webrtc]\npublic_ip = "192.0.2.1"', {
    PINHOLE_SERVER_ALLOWED_ORIGINS: "",
    PINHOLE_WEBRTC_PUBLIC_IP: "",
  });
  assert.deepEqual(cleared.server.allowedOrigins, []);
  assert.equal(cleared.webrtc.publicIp, undefined);
});

Deno.test("parseConfig: variables of the tests are left alone", () => {
  const env = {
    PINHOLE_BROWSER: "x",
    PINHOLE_FIREFOX: "x",
    PINHOLE_CC: "x",
    PINHOLE_TEST_ANY: "x",
  };
  assert.deepEqual(problemsOf("", env), []);
});

Deno.test("parseConfig: all problems of the file and the variables are reported at once", () => {
  const text = `
    [webtrc]
    port_min = 1
    [webrtc]
    port_mni = 10111
    port_max = 70000
    tcp = "yes"
    [video]
    width = 1279
    min_bitrate_kbps = 3000
  `;
  const env = { PINHOLE_VIDEO_FPS: "fast", PINHOLE_VIDEO_FSP: "30" };
  assert.deepEqual(problemsOf(text, env), [
    "config.toml: [webtrc]: unknown section; did you mean [webrtc]?",
    "config.toml: webrtc.port_mni = 10111: unknown key; did you mean webrtc.port_min?",
    'PINHOLE_VIDEO_FSP: "30": unknown variable; did you mean PINHOLE_VIDEO_FPS?',
    "config.toml: webrtc.port_max = 70000: must be a whole number from 1 to 65535",
    'config.toml: webrtc.tcp = "yes": must be true or false',
    "config.toml: video.width = 1279: must be an even number from 16 to 7680",
    'PINHOLE_VIDEO_FPS: video.fps = "fast": must be a whole number from 1 to 240',
    "config.toml: video.min_bitrate_kbps = 3000: must not be above video.bitrate_kbps = 2500 (default)",
  ]);
});

Deno.test("parseConfig: text that is no TOML is reported with line and column, and variables still are", () => {
  assert.deepEqual(problemsOf('[server]\nlisten = "a\n', { PINHOLE_VIDEO_FPS: "0" }), [
    "config.toml:2:12: not valid TOML: control characters are not allowed in strings",
    "PINHOLE_VIDEO_FPS: video.fps = 0: must be a whole number from 1 to 240",
  ]);
  // Rules over several keys wait until the file can be read: its port_max may well fit.
  assert.equal(problemsOf("[", { PINHOLE_WEBRTC_PORT_MIN: "20000" }).length, 1);
});

Deno.test("parseConfig: a section or key that stands there twice is named, with both lines", () => {
  const cases: readonly (readonly [text: string, problem: string])[] = [
    [
      "[video]\nfps = 2\n\n[audio]\n[video]",
      "5:2: [video]: written twice, in lines 1 and 5; merge the two",
    ],
    [
      '\r\n [ video ] # here\r\n[ "video" ]',
      "3:2: [video]: written twice, in lines 2 and 3; merge the two",
    ],
    [
      "[renderer.options]\n[audio]\n[renderer.options]",
      "3:2: [renderer.options]: written twice, in lines 1 and 3; merge the two",
    ],
    ["video.fps = 2\n[video]", "2:2: [video]: set above; merge the two"],
    ["video = { fps = 2 }\n[video]", "2:2: [video]: set above; merge the two"],
    // The first is part of a text.
    [
      'renderer.options.a = """\n[video]\n"""\nvideo.fps = 2\n[video]',
      "5:2: [video]: set above; merge the two",
    ],
    ["[video]\nfps = 2\nfps = 3", "3:1: fps: set twice; remove one of the two"],
    ["renderer = { options = 1, options = 2 }", "1:27: options: set twice; remove one of the two"],
    [
      '[auth]\n"a b" = 1\n"a b" = 2',
      "3:1: not valid TOML: trying to redefine an already defined table or value",
    ],
  ];
  for (const [text, problem] of cases) {
    assert.deepEqual(problemsOf(text), [`config.toml:${problem}`], text);
  }
});

const REFUSED: readonly (readonly [key: string, toml: string])[] = [
  ["server.listen", '""'],
  ["server.listen", '"9000"'],
  ["server.listen", '":9000"'],
  ["server.listen", '"::1:9000"'],
  ["server.listen", '"[127.0.0.1]:9000"'],
  ["server.listen", '"0.0.0.0:65536"'],
  ["server.listen", '"0.0.0.0:9000 "'],
  ["server.listen", '"300.0.0.1:9000"'],
  ["server.listen", "9000"],
  ["server.public_url", '"ws://a.example"'],
  ["server.public_url", '"http://a.example/path"'],
  ["server.public_url", '"http://a.example?"'],
  ["server.public_url", '"http://user@a.example"'],
  ["server.public_url", '"http:a.example"'],
  ["server.public_url", '"http://a.example:99999"'],
  ["server.public_url", '"a.example:80"'],
  ["server.tls_cert", '"a\\u0000b"'],
  ["server.allowed_origins", '"*"'],
  ["server.allowed_origins[1]", '["*", "example.com"]'],
  ["server.allowed_origins[0]", "[7]"],
  ["webrtc.public_ip", '"0.0.0.0"'],
  ["webrtc.public_ip", '"::"'],
  ["webrtc.public_ip", '"[2001:db8::1]"'],
  ["webrtc.public_ip", '"fe80::1%eth0"'],
  ["webrtc.public_ip", '"192.0.2.1:10111"'],
  ["webrtc.public_ip", '"192.0.2.256"'],
  ["webrtc.public_ip", '"-a.example"'],
  ["webrtc.public_ip", '"http://a.example"'],
  ["webrtc.listen", '"localhost"'],
  ["webrtc.listen", '""'],
  ["webrtc.port_min", "0"],
  ["webrtc.port_min", "10111.5"],
  ["webrtc.port_min", "nan"],
  ["webrtc.port_min", '"10111"'],
  ["webrtc.port_min", "[10111]"],
  ["webrtc.port_min", "2026-11-22"],
  ["webrtc.peers_per_port", "0"],
  ["webrtc.tcp", "1"],
  ["webrtc.connect_timeout_s", "0"],
  ["video.height", "721"],
  ["video.fps", "241"],
  ["video.codec", '"H264"'],
  ["video.encoder", '"cpu"'],
  ["video.bitrate_kbps", "-1"],
  ["audio.bitrate_kbps", "511"],
  ["audio.enabled", '"true"'],
  ["renderer.bridge", '"a/b"'],
  ["renderer.isolation", '"thread"'],
  ["renderer.options", "[]"],
  ["renderer.options.when", "{ when = 2026-11-22 }"],
  ["renderer.options.a[1].b", "{ a = [1, { b = inf }] }"],
  ["idle.sources", '["a.png"]'],
  ["idle.sources.anna", '{ anna = "" }'],
  ["idle.sources.anna", "{ anna = 3 }"],
  ["sessions.max", "-1"],
  ["sessions.viewers_per_session", "0"],
  ["sessions.refuse_when_busy", '"no"'],
  ["log.level", '"trace"'],
  ["log.format", "true"],
];

for (const [place, toml] of REFUSED) {
  const [section, key] = place.split(/[.[]/);
  Deno.test(`parseConfig: ${section}.${key} = ${toml} is refused at ${place}`, () => {
    const parsed = parse(`[${section}]\n${key} = ${toml}`);
    assert.ok("problems" in parsed);
    assert.deepEqual(parsed.problems.map((problem) => problem.key), [place]);
    assert.match(parsed.problems[0]?.rule ?? "", /^must be /);
  });
}

const ACCEPTED: readonly (readonly [section: string, line: string])[] = [
  ["server", 'listen = "localhost:0"'],
  ["server", 'listen = "127.0.0.1:9000"'],
  ["server", 'listen = "[::1]:65535"'],
  ["server", 'public_url = "https://[2001:db8::1]:8443"'],
  ["webrtc", 'public_ip = "2001:db8::1"'],
  ["webrtc", 'public_ip = "my_host"'],
  ["webrtc", 'listen = "::"'],
  ["webrtc", "port_min = 1\nport_max = 1000"],
  ["webrtc", "port_min = 10115"],
  ["webrtc", "public_port_min = 65531"],
  ["webrtc", "port_min = 9000\nport_max = 9000"],
  ["video", 'codec = "h264"\nencoder = "nvenc"'],
  ["video", 'codec = "vp8"\nencoder = "vpx"'],
  ["video", "bitrate_kbps = 150"],
  ["renderer", 'bridge = "talking-head_1"'],
];

for (const [section, lines] of ACCEPTED) {
  Deno.test(`parseConfig: [${section}] ${lines.replaceAll("\n", ", ")} is accepted`, () => {
    assert.deepEqual(problemsOf(`[${section}]\n${lines}`), []);
  });
}
