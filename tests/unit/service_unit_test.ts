import assert from "assert";
import { fileURLToPath } from "node:url";

const UNIT = fileURLToPath(new URL("../../deploy/pinhole.service", import.meta.url));
/** The public end of the tunnel, which runs on another machine. */
const FRPS_UNIT = fileURLToPath(new URL("../../deploy/frps.service", import.meta.url));

/** Tenths of the scale of `systemd-analyze security`: 0 is a locked box, 100 a program that may do anything. */
const EXPOSURE_MAX = 20;

/** Runs systemd-analyze on a copy of the unit that starts a program that is there. */
async function analyze(...args: string[]): Promise<{ code: number; text: string }> {
  return await analyzeUnit(UNIT, args);
}

async function analyzeUnit(
  unit: string,
  args: readonly string[],
): Promise<{ code: number; text: string }> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/${unit.slice(unit.lastIndexOf("/") + 1)}`;
  const text = await Deno.readTextFile(unit);
  await Deno.writeTextFile(path, text.replace(/\/usr\/local\/bin\/\w+/, "/bin/true"));
  const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
    args: [...args, path],
  }).output();
  await Deno.remove(folder, { recursive: true });
  const decoder = new TextDecoder();
  return { code, text: `${decoder.decode(stdout)}${decoder.decode(stderr)}` };
}

async function isInstalled(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("systemd-analyze", {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Where the tool is missing, the tests of the unit are left out. */
const ignore = !await isInstalled();

Deno.test("pinhole.service: systemd takes every line of it", { ignore }, async () => {
  assert.deepEqual(await analyze("verify"), { code: 0, text: "" });
});

Deno.test("pinhole.service: it may do little beyond its work", { ignore }, async () => {
  const { code, text } = await analyze(
    "security",
    "--offline=yes",
    "--no-pager",
    `--threshold=${EXPOSURE_MAX}`,
  );
  assert.equal(code, 0, text);
});

Deno.test(
  "frps.service: systemd takes every line of it, and it may do little",
  { ignore },
  async () => {
    assert.deepEqual(await analyzeUnit(FRPS_UNIT, ["verify"]), { code: 0, text: "" });
    const security = ["security", "--offline=yes", "--no-pager", `--threshold=${EXPOSURE_MAX}`];
    const { code, text } = await analyzeUnit(FRPS_UNIT, security);
    assert.equal(code, 0, text);
  },
);

Deno.test("pinhole.service: what the server needs is left open", async () => {
  const lines = (await Deno.readTextFile(UNIT)).split("\n");
  const valueOf = (name: string) =>
    lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  assert.equal(valueOf("Type"), "notify");
  assert.equal(valueOf("MemoryDenyWriteExecute"), "no", "V8 writes the code that it runs");
  assert.equal(valueOf("PrivateDevices"), undefined, "it would hide the GPU");
  assert.equal(valueOf("DynamicUser"), undefined, "a writer of the bridge is the same user");
  assert.match(valueOf("RestrictAddressFamilies") ?? "", /\bAF_UNIX\b/);
  assert.match(valueOf("ExecReload") ?? "", /-HUP \$MAINPID$/);
  assert.equal(
    valueOf("StartLimitIntervalSec"),
    "0",
    "some failures in a row must not end it for good",
  );
  assert.equal(
    valueOf("RestartPreventExitStatus"),
    "2",
    "a wrong configuration does not mend itself",
  );
});
