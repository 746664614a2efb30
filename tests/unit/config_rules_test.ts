import assert from "assert";
import { parseConfig } from "../../src/config/parse.ts";
import { formatProblem } from "../../src/config/problem.ts";

function problemsOf(text: string, env: Record<string, string> = {}): string[] {
  const parsed = parseConfig({ text, fileName: "my.toml", env });
  return "problems" in parsed ? parsed.problems.map(formatProblem) : [];
}

Deno.test("parseConfig: a certificate needs its key, and a key its certificate", () => {
  assert.deepEqual(problemsOf('[server]\ntls_cert = "a.pem"'), [
    'my.toml: server.tls_cert = "a.pem": needs server.tls_key as well',
  ]);
  assert.deepEqual(problemsOf('[server]\ntls_key = "a.pem"'), [
    'my.toml: server.tls_key = "a.pem": needs server.tls_cert as well',
  ]);
  assert.deepEqual(problemsOf('[server]\ntls_key = "a.pem"', { PINHOLE_SERVER_TLS_CERT: "b" }), []);
});

Deno.test("parseConfig: a range that ends before it begins names both ends and who set them", () => {
  assert.deepEqual(problemsOf("[webrtc]\nport_min = 20000"), [
    "my.toml: webrtc.port_min = 20000: must not be above webrtc.port_max = 10115 (default)",
  ]);
  assert.deepEqual(problemsOf("[webrtc]\nport_max = 5"), [
    "my.toml: webrtc.port_min = 10111 (default): must not be above webrtc.port_max = 5",
  ]);
  assert.deepEqual(problemsOf("[webrtc]\nport_max = 20005", { PINHOLE_WEBRTC_PORT_MIN: "20006" }), [
    "PINHOLE_WEBRTC_PORT_MIN: webrtc.port_min = 20006: " +
    "must not be above webrtc.port_max = 20005 (my.toml)",
  ]);
});

Deno.test("parseConfig: a range has 1000 ports at most", () => {
  assert.deepEqual(problemsOf("[webrtc]\nport_min = 20000\nport_max = 21000"), [
    "my.toml: webrtc.port_max = 21000: must be less than 1000 above webrtc.port_min = 20000",
  ]);
  assert.deepEqual(problemsOf("[webrtc]\nport_min = 20000\nport_max = 20999"), []);
});

Deno.test("parseConfig: the public range ends at 65535", () => {
  assert.deepEqual(problemsOf("[webrtc]\npublic_port_min = 65532"), [
    "my.toml: webrtc.public_port_min = 65532: must be at most 65531: as many ports as " +
    "webrtc.port_min = 10111 (default) to webrtc.port_max = 10115 (default) must fit below 65536",
  ]);
});

Deno.test("parseConfig: no public port is one that browsers send nothing to", () => {
  assert.deepEqual(problemsOf("[webrtc]\nport_min = 10078\nport_max = 10082"), [
    "my.toml: webrtc.public_port_min = 0 (default): must not put port 10080 into the public ports " +
    "10078 to 10082: browsers block that port",
  ]);
  const mapped = "[webrtc]\nport_min = 10078\nport_max = 10082\npublic_port_min = ";
  assert.deepEqual(problemsOf(`${mapped}20000`), []);
  assert.match(
    problemsOf(`${mapped}5058`).join(),
    /must not put port 5060 into the public ports 5058 to 5062/,
  );
});

Deno.test("parseConfig: with ICE-TCP the HTTP port is outside the range, without it may be inside", () => {
  const text = '[server]\nlisten = "0.0.0.0:10112"\n[webrtc]\n';
  assert.deepEqual(problemsOf(text), []);
  assert.deepEqual(problemsOf(`${text}tcp = true`), [
    'my.toml: server.listen = "0.0.0.0:10112": must be outside webrtc.port_min = 10111 (default) ' +
    "to webrtc.port_max = 10115 (default), which webrtc.tcp = true uses for TCP too",
  ]);
  const elsewhere =
    '[server]\nlisten = "127.0.0.1:10112"\n[webrtc]\nlisten = "192.0.2.1"\ntcp = true';
  assert.deepEqual(problemsOf(elsewhere), []);
});

Deno.test("parseConfig: codec and encoder agree", () => {
  assert.deepEqual(problemsOf('[video]\ncodec = "h264"\nencoder = "vpx"'), [
    'my.toml: video.codec = "h264": must be "auto" or "vp8" with video.encoder = "vpx"',
  ]);
  for (const encoder of ["nvenc", "x264"]) {
    assert.equal(problemsOf(`[video]\ncodec = "vp8"\nencoder = "${encoder}"`).length, 1);
    assert.equal(problemsOf(`[video]\ncodec = "auto"\nencoder = "${encoder}"`).length, 0);
  }
});

Deno.test("parseConfig: frames come from a library or a bridge, not both", () => {
  assert.deepEqual(problemsOf('[renderer]\nlibrary = "/lib/a.so"\nbridge = "b"'), [
    'my.toml: renderer.library = "/lib/a.so": must be "" with renderer.bridge = "b"; ' +
    "set only one of the two",
  ]);
});

Deno.test("parseConfig: a rule over several keys waits until each of them is valid", () => {
  assert.deepEqual(problemsOf('[webrtc]\nport_min = 20000\nport_max = "x"'), [
    'my.toml: webrtc.port_max = "x": must be a whole number from 1 to 65535',
  ]);
});

Deno.test("parseConfig: a broken value of the file is a problem even where a variable overrides it", () => {
  assert.deepEqual(problemsOf("[video]\nfps = 0", { PINHOLE_VIDEO_FPS: "30" }), [
    "my.toml: video.fps = 0: must be a whole number from 1 to 240",
  ]);
});
