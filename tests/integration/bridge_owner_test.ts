import assert from "assert";
import { fileURLToPath } from "node:url";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import { openBridge } from "../../src/renderer/bridge/bridge.ts";
import { BridgeError } from "../../src/renderer/bridge/bridge_error.ts";
import {
  bridgeName,
  filesOf,
  FOLDER,
  openSource,
  withBridge,
} from "../support/renderers/bridge.ts";
import { eventually, within } from "../support/deadline.ts";

const MODULES = fileURLToPath(new URL("../../deploy/python/", import.meta.url));
/** Only root can make files of another user, and become one. */
const ignore = Deno.uid() !== 0;
const NOBODY = 65_534;
const SOMEBODY = 65_533;

async function expectRefused(name: string, words: RegExp): Promise<void> {
  const options = { name, log: NULL_LOGGER, meter: NULL_METER, clock: SYSTEM_CLOCK };
  await assert.rejects(openBridge(options), (error) => {
    assert(error instanceof BridgeError, String(error));
    assert.equal(error.code, "bridge_taken");
    assert.match(error.message, words);
    return true;
  });
}

/** Starts Python with `name` and `path` of the socket as variables. */
function startPython(lines: readonly string[], name: string): Deno.ChildProcess {
  const head = [
    "import os, signal, socket, sys, time",
    "signal.alarm(20)",
    "name = sys.argv[1]",
    `path = "${FOLDER}/pinhole-%s.sock" % name`,
  ];
  return new Deno.Command("python3", {
    args: ["-u", "-c", [...head, ...lines].join("\n"), name],
    env: { PYTHONPATH: MODULES, PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test({
  name: "openBridge: files that another user made first are refused, with the owner, and stay",
  ignore,
  async fn() {
    for (const suffix of ["", ".sock"]) {
      const name = bridgeName();
      const path = `${FOLDER}/pinhole-${name}${suffix}`;
      await Deno.writeTextFile(path, "");
      await Deno.chown(path, NOBODY, NOBODY);
      try {
        const words = `Cannot use "${path}": a file of the user nobody is there. Remove it`;
        await expectRefused(name, new RegExp(words));
        assert.deepEqual(await filesOf(name), [`pinhole-${name}${suffix}`]);
      } finally {
        await Deno.remove(path);
      }
    }
  },
});

Deno.test("openBridge: symbolic links are refused, and what they name is left alone", async () => {
  const target = await Deno.makeTempFile();
  await Deno.writeTextFile(target, "precious");
  for (const suffix of ["", ".sock"]) {
    const name = bridgeName();
    const path = `${FOLDER}/pinhole-${name}${suffix}`;
    await Deno.symlink(target, path);
    try {
      await expectRefused(name, /a symbolic link of the user \w+ is there/);
      assert.equal(await Deno.readTextFile(target), "precious");
    } finally {
      await Deno.remove(path);
    }
  }
  await Deno.remove(target);
});

Deno.test({
  name: "pinhole_bridge.connect: another user's program at the socket is no server",
  ignore,
  async fn() {
    const name = bridgeName();
    const impostor = startPython([
      `os.setuid(${NOBODY})`,
      "os.umask(0)",
      "server = socket.socket(socket.AF_UNIX)",
      "server.bind(path)",
      "server.listen()",
      "time.sleep(15)",
    ], name);
    const there = async () => (await filesOf(name)).length > 0;
    await eventually(there, { what: "for the other program's socket" });
    const victim = startPython([
      "import pinhole_bridge",
      `os.setuid(${SOMEBODY})`,
      "pinhole_bridge.connect(name)",
    ], name);
    const { code, stderr } = await within(victim.output(), { what: "for the program to end" });
    impostor.kill("SIGKILL");
    await impostor.output();
    await Deno.remove(`${FOLDER}/pinhole-${name}.sock`);
    assert.equal(code, 1);
    assert.match(
      new TextDecoder().decode(stderr),
      /BridgeUnavailable: The program at \S+ runs as the user nobody, not as this user/,
    );
  },
});

Deno.test("Bridge: descriptors that a writer sends along are not kept", async () => {
  await withBridge(async ({ name, factory }) => {
    const source = await openSource(factory);
    const writer = startPython([
      "import array, json, struct",
      "connection = socket.socket(socket.AF_UNIX)",
      "connection.connect(path)",
      'hello = json.dumps({"version": 1, "writer": "x", "clock_us": 0, "pace": "writer"}).encode()',
      "passed = [os.open('/dev/null', os.O_RDONLY) for _ in range(50)]",
      "rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', passed))]",
      "connection.sendmsg([struct.pack('<IHH', len(hello), 1, 0) + hello], rights)",
      "print('sent')",
      "connection.recv(100)",
    ], name);
    const { code } = await within(writer.output(), { what: "for the writer to end" });
    assert.equal(code, 0);
    const open = [...Deno.readDirSync("/proc/self/fd")].filter(({ name: number }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${number}`) === "/dev/null";
      } catch {
        return false;
      }
    });
    assert.ok(open.length < 10, `${open.length} descriptors of /dev/null are open`);
    await source.close();
  });
});
