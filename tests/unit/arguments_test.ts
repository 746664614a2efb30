import assert from "assert";
import { parseArguments } from "../../src/cli/arguments.ts";
import { type CommandName, COMMANDS } from "../../src/cli/commands.ts";
import { formatHelp } from "../../src/cli/help.ts";
import { formatPortList } from "../../src/base/public_ports.ts";

Deno.test("parseArguments: a token is for sessions, to talk or to watch, or for metrics", () => {
  const grant = (...args: string[]) => {
    const command = parseArguments(["token", ...args]);
    assert(typeof command === "object" && command.name === "token", String(command));
    return command.grant;
  };
  assert.deepEqual(grant("--session", "a"), { session: "a", ttlS: 3600 });
  assert.deepEqual(grant("--session", "a-*", "--viewer-only", "--ttl", "2d"), {
    session: "a-*",
    viewerOnly: true,
    ttlS: 172_800,
  });
  assert.deepEqual(grant("--metrics", "--ttl", "90s"), { metrics: true, ttlS: 90 });
});

Deno.test("parseArguments: serve is what a bare call and bare options mean", () => {
  const serve = { name: "serve", config: undefined, logLevel: undefined };
  assert.deepEqual(parseArguments([]), serve);
  assert.deepEqual(parseArguments(["serve"]), serve);
  assert.deepEqual(parseArguments(["--config", "a.toml"]), { ...serve, config: "a.toml" });
  assert.deepEqual(parseArguments(["serve", "--config=a=b.toml", "--log-level", "debug"]), {
    name: "serve",
    config: "a=b.toml",
    logLevel: "debug",
  });
});

Deno.test("parseArguments: self-test takes no configuration", () => {
  assert.deepEqual(parseArguments(["self-test"]), { name: "self-test", json: false });
  assert.deepEqual(parseArguments(["self-test", "--json"]), { name: "self-test", json: true });
  assert.match(String(parseArguments(["self-test", "--config", "x"])), /Unknown option/);
  assert.match(String(parseArguments(["self-test", "x"])), /takes no argument "x"/);
});

Deno.test("parseArguments: check takes the same options", () => {
  assert.deepEqual(parseArguments(["check", "--config", "x"]), {
    name: "check",
    config: "x",
    logLevel: undefined,
  });
});

Deno.test("parseArguments: help and version win over everything else", () => {
  for (const args of [["--help"], ["-h"], ["help"], ["--nonsense", "--help"], ["no", "-h"]]) {
    assert.deepEqual(parseArguments(args), { name: "help", about: undefined });
  }
  for (const args of [["doctor", "--help"], ["doctor", "-h", "--no"], ["help", "doctor"]]) {
    assert.deepEqual(parseArguments(args), { name: "help", about: "doctor" });
  }
  assert.deepEqual(parseArguments(["check", "--version"]), { name: "version" });
});

Deno.test("parseArguments: what is wrong is said in words that name it", () => {
  const cases: readonly [string[], RegExp][] = [
    [["start"], /command "start".*serve, check, .*token/],
    [["serve", "now"], /no argument "now"/],
    [["renderer-test"], /path of a library/],
    [["renderer-test", "a.so", "b.so"], /"b.so"/],
    [["renderer-test", "a.so", "--width", "7"], /--width is "7".*even/],
    [["renderer-test", "a.so", "--options", "[1]"], /--options.*JSON object/],
    [["token"], /--session or --metrics/],
    [["token", "--metrics", "--session", "a"], /--metrics without --session/],
    [["token", "--metrics", "--viewer-only"], /--metrics without --session/],
    [["token", "--session", "a b"], /--session is "a b"/],
    [["token", "--session", "a", "--ttl", "soon"], /--ttl is "soon".*12h/],
    [["bridge-host", "x"], /no arguments/],
    [["renderer-test-host", "x"], /renderer-test-host takes no arguments/],
    [["--conf", "x"], /option "--conf".*--config/],
    [["--config"], /--config needs a value/],
    [["--config="], /--config needs a value/],
    [["--config", "a", "--config", "b"], /--config is given twice/],
    [["--log-level", "loud"], /--log-level is "loud".*debug, info, warn, error/],
  ];
  for (const [args, expected] of cases) {
    const result = parseArguments(args);
    assert.equal(typeof result, "string", args.join(" "));
    assert.match(String(result), expected);
  }
});

Deno.test("parseArguments: renderer-test takes a library and its options in any order", () => {
  const defaults = { options: {}, width: 1280, height: 720, fps: 30, seconds: 5 };
  const parsed = parseArguments(["renderer-test", "a.so"]);
  assert.deepEqual(parsed, { name: "renderer-test", library: "a.so", ...defaults });
  const args = ["renderer-test", "--options", '{"a":1}', "--fps=25", "a.so", "--seconds", "2"];
  assert.deepEqual(parseArguments(args), {
    name: "renderer-test",
    library: "a.so",
    ...defaults,
    options: { a: 1 },
    fps: 25,
    seconds: 2,
  });
});

Deno.test("formatHelp: the whole names every command, and each command its options, in 80 columns", () => {
  const whole = formatHelp();
  for (const [name, { options }] of Object.entries(COMMANDS)) {
    assert.match(whole, new RegExp(`^  ${name} `, "m"));
    const text = formatHelp(name as CommandName);
    assert.match(text, new RegExp(`^Usage: pinhole ${name} `));
    for (const option of Object.keys(options)) {
      assert.match(text, new RegExp(`^  ${option}(?: |$)`, "m"), `${name} ${option}`);
    }
    for (const line of text.split("\n")) {
      // Addresses are not broken up, and the last lines are for all commands.
      assert.ok(line.length <= 100, line);
    }
  }
});

Deno.test("formatPortList: runs of ports are shortened", () => {
  assert.equal(formatPortList([10111, 10112, 10113, 10115]), "10111-10113,10115");
  assert.equal(formatPortList([10111]), "10111");
  assert.equal(formatPortList([1, 3, 5, 6]), "1,3,5-6");
});
