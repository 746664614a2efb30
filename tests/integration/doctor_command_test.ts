import assert from "assert";
import { fileURLToPath } from "node:url";
import denoJson from "../../deno.json" with { type: "json" };
import { CHECK_NAMES, type CheckResult, STATUSES } from "../../src/doctor/result.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import { openUdpPort } from "../../src/ports/udp_port.ts";
import { freePortRange } from "../support/servers/test_server.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Where no frpc is: whoever runs these tests may have one. */
const NO_FRPC = "http://127.0.0.1:9";

/** Those of the executable: see deploy/build/compile.ts. */
const EXECUTABLE_PERMISSIONS = denoJson.tasks["start-isolated"].command.split(" ")
  .filter((word) => word.startsWith("--allow-"));

/** Runs `pinhole doctor` in a process of its own. */
async function doctor(
  args: readonly string[],
  values: Readonly<Record<string, string>>,
  { permissions = ["-A"], limit }: {
    permissions?: readonly string[];
    /** Of its open files, which it cannot raise. */
    limit?: number;
  } = {},
) {
  const inherited = Object.entries(Deno.env.toObject())
    .filter(([name]) => !name.startsWith("PINHOLE_"));
  const given = Object.entries(values)
    .map(([key, value]) => [`PINHOLE_${key.replace(".", "_").toUpperCase()}`, value]);
  const [program = "", ...all] = [
    ...(limit === undefined ? [] : ["prlimit", `--nofile=${limit}:${limit}`]),
    ...[Deno.execPath(), "run", ...permissions, "main.ts", "doctor", "--config", "/dev/null"],
    // The host may be busy with other tests.
    ...["--timeout", "120"],
    ...args,
  ];
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: all,
    cwd: ROOT,
    clearEnv: true,
    env: Object.fromEntries([...inherited, ...given]),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Two free media ports, on loopback; the port of HTTP is any free one. */
function freePorts(): Record<string, string> {
  const { portMin, portMax } = freePortRange(2);
  return {
    "server.listen": "127.0.0.1:0",
    "webrtc.listen": "127.0.0.1",
    "webrtc.port_min": `${portMin}`,
    "webrtc.port_max": `${portMax}`,
    "video.width": "160",
    "video.height": "120",
  };
}

Deno.test("pinhole doctor: prints a line for each check, with the fix below, and leaves with 0", async () => {
  const { code, out, err } = await doctor(["--frpc-admin", NO_FRPC], freePorts());
  assert.equal(err, "");
  assert.equal(code, 0, out);
  const lines = out.trimEnd().split("\n");
  assert.match(lines.at(-1) ?? "", /^\d+ ok, \d+ warnings?, 0 failed, \d+ skipped$/);
  for (const line of lines.slice(0, -1)) {
    assert.match(line, /^(ok|warning|skipped) +[a-z_]+( \d+)? +\S|^ {9}-> \S/);
  }
  assert.ok(lines.some((line) => line.startsWith("ok       webrtc  ")), out);
  assert.ok(!out.includes("\x1b"), "no colour but on a terminal");
});

Deno.test("pinhole doctor: what mends several ports is said once, below the last of them", async () => {
  // Nobody listens at that address, where the ports are said to be.
  const values = { ...freePorts(), "webrtc.public_ip": "127.0.0.2", "webrtc.tcp": "true" };
  const { code, out } = await doctor(["--frpc-admin", NO_FRPC], values);
  assert.equal(code, 1, out);
  const lines = out.split("\n");
  const udp = lines.flatMap((line, at) => line.startsWith("failed   udp_port") ? [at] : []);
  assert.equal(udp.length, 2, out);
  const hints = lines.flatMap((line, at) => /-> .* udp proxies/.test(line) ? [at] : []);
  assert.deepEqual(hints, [(udp.at(-1) ?? 0) + 1], out);
});

Deno.test("pinhole doctor --json: prints one document, and leaves with 1 when something failed", async () => {
  const values = { ...freePorts(), "renderer.library": "/nowhere/lib.so" };
  const { code, out } = await doctor(["--json", "--frpc-admin", NO_FRPC], values);
  assert.equal(code, 1);
  const { healthy, counts, checks } = JSON.parse(out);
  assert.ok(healthy === false);
  assert.deepEqual(Object.keys(counts), [...STATUSES]);
  assert.equal(counts.failed, 1);
  for (const { check, status, text } of checks) {
    assert.ok(CHECK_NAMES.includes(check), check);
    assert.ok(STATUSES.includes(status), status);
    assert.equal(typeof text, "string");
  }
  const failed = checks.filter(({ status }: { status: string }) => status === "failed");
  assert.equal(failed[0].check, "renderer");
});

Deno.test("pinhole doctor: few descriptors are a warning with what mends it, and the rest is checked", async () => {
  const { code, out } = await doctor(["--json", "--frpc-admin", NO_FRPC], freePorts(), {
    permissions: EXECUTABLE_PERMISSIONS,
    limit: 300,
  });
  assert.equal(code, 0, out);
  const [first, ...rest] = JSON.parse(out).checks;
  assert.deepEqual([first.check, first.status], ["config", "warning"]);
  assert.match(first.text, /may have 300 open files/);
  assert.match(first.fix, /LimitNOFILE=\d+/);
  assert.ok(rest.some((each: CheckResult) => each.check === "webrtc" && each.status === "ok"), out);
});

Deno.test("pinhole doctor: with the executable's permissions, which hide /proc, a taken port is told as such", async () => {
  const values = freePorts();
  const port = Number(values["webrtc.port_min"]);
  const other = openUdpPort("127.0.0.1", port);
  const args = ["--frpc-admin", NO_FRPC];
  const { code, out } = await doctor(args, values, { permissions: EXECUTABLE_PERMISSIONS });
  await other.close();
  assert.equal(code, 1);
  assert.match(
    out,
    new RegExp(`^failed +ports ${port} +UDP ${port} is in use by another program$`, "m"),
  );
  assert.doesNotMatch(out, /bound by the server/);
});

Deno.test("pinhole doctor: tells every problem of the configuration, and leaves with 2", async () => {
  const values = { "webrtc.port_min": "0", "video.codec": "av1" };
  const { code, out } = await doctor(["--json"], values);
  assert.equal(code, 2);
  const { checks } = JSON.parse(out);
  assert.deepEqual(
    checks.map(({ check, status }: Record<string, string>) => `${check} ${status}`),
    ["config failed", "config failed"],
  );
  const keys = checks.map(({ text }: Record<string, string>) => text?.split(":")[0]);
  // A process has its variables in no particular order.
  assert.deepEqual(keys.sort(), ["PINHOLE_VIDEO_CODEC", "PINHOLE_WEBRTC_PORT_MIN"]);
});

Deno.test("parseArguments: doctor takes --config, --json, --running and --frpc-admin", () => {
  const defaults = { name: "doctor", config: undefined, json: false, frpcAdmins: [] };
  assert.deepEqual(parseArguments(["doctor"]), defaults);
  assert.deepEqual(parseArguments(["doctor", "--running"]), { ...defaults, running: true });
  assert.deepEqual(parseArguments(["doctor", "--timeout", "60"]), { ...defaults, timeoutS: 60 });
  assert.match(String(parseArguments(["doctor", "--timeout", "0"])), /whole number from 1 to 600/);
  const all = ["doctor", "--json", "--config", "a.toml", "--frpc-admin=http://127.0.0.1:7500/"];
  assert.deepEqual(parseArguments(all), {
    name: "doctor",
    config: "a.toml",
    json: true,
    frpcAdmins: ["http://127.0.0.1:7500"],
  });
  const admins = ["http://127.0.0.1:7500", "http://127.0.0.1:7501"];
  const twice = parseArguments(["doctor", ...admins.flatMap((url) => ["--frpc-admin", url])]);
  assert.deepEqual(twice, { ...defaults, frpcAdmins: admins });
  assert.match(String(parseArguments(["doctor", "x"])), /doctor takes no argument "x"/);
  assert.match(
    String(parseArguments(["doctor", "--frpc-admin", "7400"])),
    /"7400" but must be a URL/,
  );
});
