import assert from "assert";
import { parseConfig } from "../../src/config/parse.ts";
import { formatProblem } from "../../src/config/problem.ts";

function problemOf(text: string, env: Record<string, string> = {}, fileName = "c.toml"): string {
  const parsed = parseConfig({ text, fileName, env });
  assert.ok("problems" in parsed);
  assert.equal(parsed.problems.length, 1, parsed.problems.map(formatProblem).join("\n"));
  return parsed.problems.map(formatProblem).join();
}

const NEAREST: readonly (readonly [text: string, line: string])[] = [
  ["[webrtc]\nport_mni = 1", "webrtc.port_mni = 1: unknown key; did you mean webrtc.port_min?"],
  ["[webrtc]\nPort_Min = 1", "webrtc.Port_Min = 1: unknown key; did you mean webrtc.port_min?"],
  ["[video]\nbitrate = 1", "video.bitrate = 1: unknown key; did you mean video.bitrate_kbps?"],
  ["[webrtc]\nurl = 1", "webrtc.url = 1: unknown key"],
  ["[server]\nurl = 1", "server.url = 1: unknown key; did you mean server.public_url?"],
  ["[server]\nport_min = 1", "server.port_min = 1: unknown key; did you mean webrtc.port_min?"],
  ["port_min = 1", "port_min = 1: unknown key; did you mean webrtc.port_min?"],
  ["[vidoe]\nfps = 30", "[vidoe]: unknown section; did you mean [video]?"],
  ["[options]\na = 1", "[options]: unknown section; did you mean renderer.options?"],
  ["[[webtrc]]", "webtrc = [{}]: unknown key; did you mean [webrtc]?"],
  ["[frpc]", "[frpc]: unknown section"],
  ["[video]\nsaturation = 1", "video.saturation = 1: unknown key"],
  ["[video]\nconstructor = 1", "video.constructor = 1: unknown key"],
  ["[video]\n__proto__ = 1", "video.__proto__ = 1: unknown key"],
  ["[toString]", "[toString]: unknown section"],
  ['[video]\n"" = 1', 'video."" = 1: unknown key'],
  ["server = 3", "server = 3: must be a section: a line [server] and its keys below"],
  ["[[server]]", "server = [{}]: must be a section: a line [server] and its keys below"],
];

for (const [text, line] of NEAREST) {
  Deno.test(`formatProblem: ${JSON.stringify(text)} is explained`, () => {
    assert.equal(problemOf(text), `c.toml: ${line}`);
  });
}

Deno.test("formatProblem: an unknown variable is explained with the nearest one", () => {
  assert.equal(
    problemOf("", { PINHOLE_PORT_MIN: "1" }),
    'PINHOLE_PORT_MIN: "1": unknown variable; did you mean PINHOLE_WEBRTC_PORT_MIN?',
  );
  assert.equal(problemOf("", { PINHOLE_X: "1" }), 'PINHOLE_X: "1": unknown variable');
});

Deno.test("formatProblem: a variable that holds a table says how to write it", () => {
  assert.equal(
    problemOf("", { PINHOLE_RENDERER_OPTIONS: "device=0" }),
    'PINHOLE_RENDERER_OPTIONS: renderer.options = "device=0": ' +
      "must be a table of JSON values, written as a JSON object",
  );
});

Deno.test("formatProblem: values that may be secrets are hidden", () => {
  const said = [
    problemOf('[auth]\nsecret = "hunter2"'),
    problemOf('[auth]\nsecret_file = "hunter2\\nhunter2"'),
    problemOf('[server]\ntls_key = "-----BEGIN hunter2\\n"\ntls_cert = "a"'),
    problemOf("[renderer.options]\napi_key = { }\nTOKEN = [ 1979-05-27 ]"),
    problemOf("", { PINHOLE_AUTH_SECRET: "hunter2" }),
    problemOf('[auth]\nsecret = "hunter2'),
  ];
  for (const line of said) assert.doesNotMatch(line, /hunter2|1979/);
  assert.equal(
    said[0],
    "c.toml: auth.secret = (hidden): unknown key; did you mean auth.secret_file?",
  );
});

Deno.test("formatProblem: long values are shortened and unprintable ones escaped", () => {
  const long = problemOf(`[video]\ncodec = "${"x".repeat(5000)}"`);
  assert.match(long, /codec = "x{60}…": must be/);
  const escape = problemOf('[video]\ncodec = "\\u001b[31m\\u202e\\u0085\\"\\\\"');
  assert.match(escape, /codec = "\\u001b\[31m\\u202e\\u0085\\"\\\\": must be/);
  const emoji = problemOf(`[video]\ncodec = "${"😀".repeat(70)}"`);
  assert.match(emoji, /codec = "(😀){60}…": must be/u);
  const list = problemOf("[video]\ncodec = [1, [2], [], { a = 1 }, 5, 6]");
  assert.match(list, /codec = \[1, \[…\], \[\], {…}, …\]: must be/);
  assert.match(problemOf("[video]\ncodec = 1979-05-27"), /codec = 1979-05-27: must be/);
  assert.match(problemOf(`[${"k".repeat(5000)}]`), /^c\.toml: \["k{60}…"\]: unknown section$/);
  assert.match(problemOf("x", {}, "a\x1bb.toml"), /^a\\u001bb\.toml:1:1: not valid TOML/);
});

Deno.test("formatProblem: a deep place is shortened, and too deep a value refused", () => {
  const nested = `${"[".repeat(40)}1${"]".repeat(40)}`;
  assert.equal(
    problemOf(`[renderer.options]\na = ${nested}`),
    "c.toml: renderer.options.a[0][0][0]… = [[…]]: must be nested at most 32 deep",
  );
});
