import assert from "assert";
import { IS_LONG } from "../support/long.ts";
import {
  buildExecutable,
  type Ended,
  openFolder,
  runPlain,
} from "../support/servers/executable.ts";

const isRoot = Deno.uid() === 0;
const canMount = isRoot && (await runPlain(["/usr/bin/unshare", "--mount", "true"])).code === 0;

const executable = await buildExecutable();

const ALL_OK = /\n8 ok, 0 warnings, 0 failed, 0 skipped\n$/;

/** Runs a shell script, with `folder` as `$1` and the executable as `$2`, where it may mount. */
function mounted(script: string, folder: string): Promise<Ended> {
  const shell = ["sh", "-eu", "-c", script, "sh", folder, executable];
  return runPlain(["/usr/bin/unshare", "--mount", ...shell], {
    env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" },
  });
}

Deno.test({
  name:
    "executable: it works whatever the temporary folder is like, and names an addon that is not run",
  ignore: !canMount,
  fn: async () => {
    await using folder = await openFolder();
    const temporary = await mounted(
      `mkdir "$1/tmp"
       mount -t tmpfs -o mode=700,size=4k,noexec tmpfs "$1/tmp"
       chown 61111 "$1/tmp"
       TMPDIR=$1/tmp CACHE_DIRECTORY=$1/cache exec env -u PATH "$2" self-test`,
      folder.path,
    );
    assert.equal(temporary.code, 0, temporary.stdout + temporary.stderr);
    assert.match(temporary.stdout, ALL_OK);

    const withoutAddon = (command: string) =>
      mounted(
        `cd "$1"/cache/pinhole-*/app/node_modules/@seydx
         mount --bind . .
         mount -o remount,bind,noexec .
         cd /
         CACHE_DIRECTORY=$1/cache exec "$2" ${command}`,
        folder.path,
      );
    const tested = await withoutAddon("self-test");
    assert.equal(tested.code, 1);
    assert.equal(tested.stderr, "");
    assert.match(tested.stdout, /^failed +addon +.*noexec.*\n +-> .*CACHE_DIRECTORY/);
    assert.match(tested.stdout, /\n4 ok, 0 warnings, 1 failed, 3 skipped\n$/);
    const checked = await withoutAddon("check");
    assert.equal(checked.code, 1);
    assert.equal(checked.stdout, "");
    assert.match(checked.stderr, /^pinhole: The library with FFmpeg does not load: .*noexec.*\n$/);
  },
});

Deno.test({
  name: "executable: a disk that is full at any moment of the first start is named",
  ignore: !canMount || !IS_LONG,
  fn: async () => {
    const full = ["size=4k", "size=100m", "size=250m", "size=251m", "nr_inodes=2", "nr_inodes=10"];
    for (const options of full) {
      await using folder = await openFolder();
      const { code, stdout, stderr } = await mounted(
        `mount -t tmpfs -o mode=755,${options} tmpfs "$1"
         CACHE_DIRECTORY=$1 exec "$2" --version`,
        folder.path,
      );
      assert.equal(code, 1, options);
      assert.equal(stdout, "");
      assert.match(
        stderr,
        /^(pinhole: first start, [^\n]+\n)?pinhole: Cannot unpack into [^\n]+: No space left on [^\n]+\n$/,
        options,
      );
      assert.match(stderr, /set CACHE_DIRECTORY/);
    }
  },
});

Deno.test({
  name: "executable: a disk that is full once it is unpacked does not keep it from running",
  ignore: !canMount || !IS_LONG,
  fn: async () => {
    await using folder = await openFolder();
    const { code, stdout, stderr } = await mounted(
      `mount -t tmpfs -o mode=755,size=600m tmpfs "$1"
       export CACHE_DIRECTORY="$1"
       "$2" --version
       rm -rf "$1"/pinhole-*/deno_dir
       cat /dev/zero > "$1/filler" 2>/dev/null || true
       [ "$(df --output=avail "$1" | tail -n 1)" -eq 0 ]
       exec "$2" self-test`,
      folder.path,
    );
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, ALL_OK);
  },
});
