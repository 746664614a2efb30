import assert from "assert";
import { fileURLToPath } from "node:url";
import { bridgeName, FOLDER, openSource, withBridge } from "../support/renderers/bridge.ts";
import { PythonWriter } from "../support/renderers/bridge_python.ts";
import { eventually } from "../support/deadline.ts";

const MODULES = fileURLToPath(new URL("../../deploy/python/", import.meta.url));

/** Runs lines of Python, with `name` as a variable. @returns Its exit code (142 after 20 s) and its standard error. */
async function runPython(
  lines: readonly string[],
  { name }: { name: string },
): Promise<{ code: number; words: string }> {
  const head = ["import os, signal, sys, pinhole_bridge", "signal.alarm(20)", "name = sys.argv[1]"];
  const { code, stderr } = await new Deno.Command("python3", {
    args: ["-c", [...head, ...lines].join("\n"), name],
    env: { PYTHONPATH: MODULES, PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "null",
  }).output();
  return { code, words: new TextDecoder().decode(stderr) };
}

Deno.test("pinhole_bridge.connect: a second program is refused by name, and gets in when the first is gone", async () => {
  await withBridge(async ({ name, factory }) => {
    const source = await openSource(factory);
    await using python = PythonWriter.start("writer.py", name);
    await python.hear("opened");
    await using second = PythonWriter.start("writer.py", name);
    assert.equal(await second.hear("refused"), "taken");
    const words = `Another writer feeds the bridge "${name}": writer.py, process ${python.pid}`;
    assert.equal(await second.hear("text"), words);
    assert.equal((await second.status).code, 3);
    python.kill("SIGKILL");
    await python.status;
    await using third = PythonWriter.start("writer.py", name);
    assert.equal(await third.hear("opened"), "one");
    await source.close();
  });
});

Deno.test("pinhole_bridge.connect: while it waits it says once which socket for, and what makes it", async () => {
  const name = bridgeName();
  await using python = PythonWriter.start("writer.py", name);
  const words =
    `No Pinhole server at ${FOLDER}/pinhole-${name}.sock (No such file or directory): ` +
    `set \`renderer.bridge = "${name}"\` in its config.toml; waiting for it\n`;
  await eventually(() => python.words === words, { what: () => `for its words: ${python.words}` });
  await withBridge(async () => {
    await python.hear("connected");
    assert.equal(python.words, words);
  }, { name });
});

Deno.test("pinhole_bridge.connect: a server that is not there in time is named with what makes it", async () => {
  const name = bridgeName();
  const { code, words } = await runPython(["pinhole_bridge.connect(name, timeout=0.2)"], { name });
  assert.equal(code, 1);
  const last =
    `pinhole_bridge.BridgeUnavailable: No Pinhole server at ${FOLDER}/pinhole-${name}.sock (No such file ` +
    `or directory): set \`renderer.bridge = "${name}"\` in its config.toml`;
  assert.equal(words.trimEnd().split("\n").at(-1), last);
});

Deno.test("pinhole_bridge.connect: another user is told at once whose program it has to be", async () => {
  await withBridge(async ({ name }) => {
    const path = `${FOLDER}/pinhole-${name}.sock`;
    // Root becomes another user; anybody else loses the right to the socket.
    const root = Deno.uid() === 0;
    if (!root) await Deno.chmod(path, 0);
    const become = root ? ["os.seteuid(65534)"] : [];
    const { code, words } = await runPython([...become, "pinhole_bridge.connect(name)"], { name });
    assert.equal(code, 1);
    assert.match(
      words,
      /BridgeUnavailable: Permission denied at \S+: run this program as the server's user, \w+\n$/,
    );
    assert.ok(words.includes(path), words);
  });
});
