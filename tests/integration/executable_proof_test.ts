import assert from "assert";
import { fileURLToPath } from "node:url";
import { proveExecutable } from "../../deploy/build/proof.ts";
import { findTarget } from "../../deploy/build/target.ts";
import { IS_LONG } from "../support/long.ts";
import { openFolder, runPlain } from "../support/servers/executable.ts";

const COMPILE = fileURLToPath(new URL("../../deploy/build/compile.ts", import.meta.url));
const isRoot = Deno.uid() === 0;

/** A program that answers as an executable does, after the commands of `script`. */
async function prove(script: string) {
  await using folder = await openFolder();
  const output = `${folder.path}/program`;
  const text = `#!/bin/sh
PATH=/usr/bin:/bin
${script}
case $1 in
  --version) echo 'pinhole 1.2.3' ;;
  check) echo 'the defaults are valid' ;;
  self-test) echo '8 ok, 0 warnings, 0 failed, 0 skipped' ;;
esac
`;
  await Deno.writeTextFile(output, text);
  await Deno.chmod(output, 0o755);
  return await proveExecutable(output, { target: findTarget() });
}

Deno.test("proveExecutable: it runs in an empty folder, without variables, and as another user", async () => {
  // A shell sets PWD itself, and the one that is given is to unpack into a folder that is removed.
  const { failure, summary } = await prove(`
[ -z "$(ls -A)" ] || { echo "in $(ls -A)" >&2; exit 1; }
others=$(env | grep -Ev '^(PWD|_|PATH|SHLVL|OLDPWD|CACHE_DIRECTORY)=')
[ -z "$others" ] || { echo "with $others" >&2; exit 1; }`);
  assert.equal(failure, undefined);
  assert.match(summary, isRoot ? /^It works as user 0 and as user 61\d\d\d$/ : /^It works as user/);
});

Deno.test("proveExecutable: a failure has the command, the user and what was printed", async () => {
  const failing = await prove(`[ "$1" != self-test ] || { echo 'failed udp'; exit 1; }`);
  assert.match(failing.failure ?? "", /^As user \d+: `pinhole self-test` failed:\nfailed udp$/);
  const silent = await prove("exit 0");
  assert.match(
    silent.failure ?? "",
    /`pinhole --version` printed something else .*:\n\(nothing\)$/,
  );
});

Deno.test({
  name: "proveExecutable: what works only for root is a failure",
  ignore: !isRoot,
  fn: async () => {
    const { failure } = await prove('[ "$(id -u)" = 0 ] || { echo not mine >&2; exit 1; }');
    assert.match(failure ?? "", /^As user 61\d\d\d: `pinhole --version` failed:\nnot mine$/);
  },
});

Deno.test("proveExecutable: an executable for another machine is not run", async () => {
  const triple = Deno.build.arch === "x86_64"
    ? "aarch64-unknown-linux-gnu"
    : "x86_64-unknown-linux-gnu";
  const { failure, summary } = await proveExecutable("/nonexistent", {
    target: findTarget(triple),
  });
  assert.equal(failure, undefined);
  assert.match(summary, /^Not run: it is for /);
});

Deno.test({
  name: "compile: an executable that does not work is replaced by one of the other kind, or none",
  ignore: !IS_LONG,
  fn: async () => {
    await using folder = await openFolder();
    const output = `${folder.path}/pinhole`;
    const build = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const command = [Deno.execPath(), "run", "-A", COMPILE, "--output", output, ...args];
      return runPlain(command, { env: { ...Deno.env.toObject(), ...env } });
    };
    // A program that does nothing, in the place of Deno's runtime and then of Deno.
    const replaced = await build([], { DENORT_BIN: "/bin/true" });
    assert.equal(replaced.code, 0, replaced.stderr);
    assert.match(
      replaced.stdout,
      /^The executable \(by `deno compile`\) does not work\. As user /m,
    );
    assert.match(
      replaced.stdout,
      /^The executable \(self-extracting\) is made\. It works as user /m,
    );
    const none = await build(["--self-extracting", "--deno", "/bin/true"]);
    assert.equal(none.code, 1);
    assert.match(
      none.stderr,
      /The executable \(self-extracting\) does not work\. As user \d+: `pinhole --version` failed:\n.*\n.*a file is incomplete/,
    );
    await assert.rejects(Deno.stat(output), Deno.errors.NotFound);
  },
});
