import assert from "assert";
import { fileURLToPath } from "node:url";
import denoJson from "../../deno.json" with { type: "json" };
import { openFolder, runPlain } from "../support/servers/executable.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** Those of the executable: see deploy/build/compile.ts. */
const PERMISSIONS = denoJson.tasks["start-isolated"].command.split(" ")
  .filter((word) => word.startsWith("--allow-"));
const WITHOUT_FFI = PERMISSIONS.filter((word) => word !== "--allow-ffi");

const CHECKS = ["addon", "h264", "vp8", "opus", "udp", "page", "dtls", "packet_path"] as const;

const isRoot = Deno.uid() === 0;
const canIsolate = isRoot && (await runPlain(["/usr/bin/unshare", "--net", "true"])).code === 0;

const packages = await findPackages();

/** Where Deno finds the packages, which an empty environment does not say. */
async function findPackages(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

interface Shown {
  readonly status: string;
  readonly text: string;
}

/** Runs a command from source in an empty folder, without a variable but the one of Deno's cache. */
async function run(
  args: readonly string[],
  { permissions = PERMISSIONS, before = [] }: {
    permissions?: readonly string[];
    before?: readonly string[];
  } = {},
) {
  await using folder = await openFolder();
  const deno = [Deno.execPath(), "run", "--no-prompt", "--no-check", "--cached-only"];
  return await runPlain([...before, ...deno, ...permissions, MAIN, ...args], {
    cwd: folder.path,
    env: { DENO_DIR: packages, NO_COLOR: "1" },
  });
}

/** The lines by their check; the line of a fix belongs to the one above. */
function parse(stdout: string): Map<string, Shown & { readonly fix?: string }> {
  const lines = new Map<string, Shown & { fix?: string }>();
  let last: (Shown & { fix?: string }) | undefined;
  for (const line of stdout.trimEnd().split("\n").slice(0, -1)) {
    const [, fix] = /^ +-> (.+)$/.exec(line) ?? [];
    if (fix !== undefined && last !== undefined) {
      last.fix = fix;
      continue;
    }
    const [, status = "", check = "", text = ""] = /^(\w+) +(\w+) +(.+)$/.exec(line) ?? [];
    const shown: Shown & { fix?: string } = { status, text };
    last = shown;
    lines.set(check, shown);
  }
  return lines;
}

Deno.test("self-test: from an empty folder and without an environment every part works", async () => {
  const { code, stdout, stderr } = await run(["self-test"]);
  assert.equal(code, 0, stdout + stderr);
  assert.equal(stderr, "");
  const lines = parse(stdout);
  assert.deepEqual([...lines.keys()], [...CHECKS]);
  for (const [check, { status, text }] of lines) {
    assert.equal(status, "ok", `${check}: ${text}`);
    assert.match(text, /\(\d+ ms\)$/);
  }
  assert.match(lines.get("h264")?.text ?? "", /^(libx264|h264_nvenc) /);
  assert.match(lines.get("vp8")?.text ?? "", /^libvpx /);
  assert.match(stdout, /\n8 ok, 0 warnings, 0 failed, 0 skipped\n$/);
});

Deno.test("self-test: without the permission for FFI the addon's line says so", async () => {
  const { code, stdout, stderr } = await run(["self-test"], { permissions: WITHOUT_FFI });
  assert.equal(code, 1, stdout + stderr);
  assert.equal(stderr, "");
  const lines = parse(stdout);
  const addon = lines.get("addon");
  assert.equal(addon?.status, "failed");
  assert.match(addon?.text ?? "", /may not load native libraries/);
  assert.match(addon?.fix ?? "", /--allow-ffi/);
  const statuses = CHECKS.slice(1).map((check) => lines.get(check)?.status);
  assert.deepEqual(statuses, ["skipped", "skipped", "skipped", "ok", "ok", "ok", "ok"]);
  assert.match(lines.get("packet_path")?.text ?? "", /^deno encrypts packets, deno sends them/);
});

Deno.test("self-test: JSON has the same results, for programs", async () => {
  const { code, stdout } = await run(["self-test", "--json"], {
    permissions: WITHOUT_FFI.filter((word) => word !== "--allow-net"),
  });
  assert.equal(code, 1);
  const { healthy, counts, checks } = JSON.parse(stdout);
  assert.ok(!healthy);
  assert.deepEqual(counts, { ok: 1, warning: 0, failed: 4, skipped: 3 });
  assert.deepEqual(checks.map(({ check }: { check: string }) => check), [...CHECKS]);
  for (const { check, status, fix, values } of checks) {
    if (status === "failed") assert.match(fix, /--allow-(ffi|net)/, check);
    assert.equal(typeof values.ms, "number");
  }
});

Deno.test({
  name: "self-test: a host without its loopback interface is named at once",
  ignore: !canIsolate,
  fn: async () => {
    const before = ["/usr/bin/unshare", "--net"];
    const { code, stdout } = await run(["self-test"], { before });
    assert.equal(code, 1, stdout);
    const lines = parse(stdout);
    for (const check of ["udp", "page"]) {
      assert.equal(lines.get(check)?.status, "failed", stdout);
      assert.match(lines.get(check)?.fix ?? "", /ip link set lo up/);
    }
    assert.match(lines.get("udp")?.text ?? "", /refused a datagram/);
    assert.equal(lines.get("dtls")?.status, "ok");
  },
});

Deno.test("an addon that does not load is one line for the other commands, without a stack", async () => {
  for (const command of ["check", "serve", "doctor"]) {
    const { code, stdout, stderr } = await run([command], { permissions: WITHOUT_FFI });
    assert.equal(code, 1, stderr);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /^pinhole: The library with FFmpeg does not load: [^\n]+self-test[^\n]+\n$/,
    );
  }
  const version = await run(["--version"], { permissions: WITHOUT_FFI });
  assert.equal(version.code, 0, version.stderr);
});
