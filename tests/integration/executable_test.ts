import assert from "assert";
import { exists } from "../../deploy/build/files.ts";
import { eventually } from "../support/deadline.ts";
import { IS_LONG } from "../support/long.ts";
import {
  buildExecutable,
  type Ended,
  openFolder,
  runPlain,
} from "../support/servers/executable.ts";
import { compileReference } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

const VERSION = /^pinhole \d+\.\d+\.\d+(?:\+[0-9a-f]{12}(?:-dirty)?)?\n$/;

/** A folder's name that a script must not take apart. */
const ODD_NAME = "we,ird %s '\"`$(x)\\ \n*";

const isRoot = Deno.uid() === 0;
const canMount = isRoot && (await runPlain(["/usr/bin/unshare", "--mount", "true"])).code === 0;
/** Of nobody, in the range that no Debian gives away by itself. */
const STRANGER = String(61_000 + Math.floor(Math.random() * 500));

const executable = await buildExecutable();

/** Runs the executable with an unpacked folder in `cache`. */
function run(
  args: readonly string[],
  { cache, program = executable }: { cache: string; program?: string },
): Promise<Ended> {
  return runPlain([program, ...args], { env: { CACHE_DIRECTORY: cache } });
}

function asStranger(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const become = [`--reuid=${STRANGER}`, `--regid=${STRANGER}`, "--clear-groups", "--"];
  return runPlain(["/usr/bin/setpriv", ...become, ...command], { env });
}

async function unpackedIn(cache: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(cache)) names.push(name);
  return names.sort();
}

function refused({ code, stdout, stderr }: Ended, why: RegExp): void {
  assert.equal(code, 1, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, why);
  assert.match(stderr, /^(pinhole: first start, [^\n]+\n)?pinhole: [^\n]+\n$/);
}

const LONG = { ignore: !IS_LONG };

Deno.test(
  "executable: two first starts at once serve from one folder, and later ones find it",
  LONG,
  async () => {
    await using folder = await openFolder({ "-pin hole": executable });
    const cache = `${folder.path}/${ODD_NAME}`;
    for (const name of ["pinhole-old", "pinhole-used", "pinhole-foreign"]) {
      await Deno.mkdir(`${cache}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${cache}/pinhole-old/.in-use`, "");
    await Deno.writeTextFile(`${cache}/pinhole-used/.in-use`, "");
    using used = await Deno.open(`${cache}/pinhole-used/.in-use`);
    await used.lock();
    const launch = {
      command: ["./-pin hole", "--config", "/dev/null"],
      cwd: folder.path,
      // Renderers on CUDA are often started with it, and a narrower permission to run programs would not bear it.
      env: { CACHE_DIRECTORY: cache, LD_LIBRARY_PATH: "/nowhere" },
    } as const;
    const config = {
      "renderer.library": await compileReference(),
      "renderer.isolation": "process",
      "video.width": 320,
      "video.height": 180,
    };
    const start = () => ServerProcess.start({ launch, config, ports: 1 });
    let home = "";
    {
      await using stack = new AsyncDisposableStack();
      const starts = await Promise.allSettled([start(), start()]);
      // Whichever runs is ended, even when the other did not come up.
      for (const each of starts) if (each.status === "fulfilled") stack.use(each.value);
      const servers = starts.map((each) => {
        if (each.status === "rejected") throw each.reason;
        return each.value;
      });
      const names = await unpackedIn(cache);
      assert.deepEqual(names.slice(0, 1), [".lock"]);
      assert.deepEqual(names.slice(2), ["pinhole-foreign", "pinhole-used"]);
      home = `${cache}/${names[1]}`;
      for (const server of servers) {
        assert.deepEqual(server.complaints, []);
        const started = server.log.find(({ event }) => event === "renderer_process_started");
        assert.equal(await Deno.readLink(`/proc/${started?.pid}/exe`), `${home}/pinhole`);
        assert.equal(await Deno.readLink(`/proc/${server.pid}/exe`), `${home}/pinhole`);
      }
      assert.equal((await runPlain(["/usr/bin/flock", "-n", `${home}/.in-use`, "true"])).code, 1);
      for (const server of servers) report("first start, two at once", server);
    }
    assert.equal((await runPlain(["/usr/bin/flock", "-n", `${home}/.in-use`, "true"])).code, 0);
    const before = await Deno.stat(home);
    {
      await using again = await start();
      assert.equal((await Deno.stat(home)).ino, before.ino);
      report("second start", again);
    }
    await Deno.truncate(`${home}/pinhole`, 1000);
    const { code, stdout } = await run(["--version"], { cache });
    assert.equal(code, 0);
    assert.match(stdout, VERSION);
    assert.notEqual((await Deno.stat(home)).ino, before.ino);
  },
);

Deno.test("executable: commands, arguments and exit codes are the program's own", async () => {
  await using folder = await openFolder();
  // Such as a user's home may have it, above the cache.
  await Deno.writeTextFile(`${folder.path}/package.json`, "{ broken");
  const cache = `${folder.path}/cache`;
  const config = `${folder.path}/config.toml`;
  await Deno.writeTextFile(config, "[video]\nwidht = 1280\n");
  const wrong = await run(["check", "--config", config], { cache });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /video\.widht.*video\.width/);
  await Deno.writeTextFile(config, "[video]\nwidth = 1280\n");
  assert.equal((await run(["check", "--config", config], { cache })).code, 0);
  const odd = await run([ODD_NAME, "b  c"], { cache });
  assert.equal(odd.code, 2);
  assert.ok(odd.stderr.includes(`Unknown command "${ODD_NAME}"`), odd.stderr);
  const { stdout } = await run(["--help"], { cache });
  assert.match(stdout, /^Pinhole streams frames/);
});

Deno.test({
  name: "executable: a user without a home needs no variable and no permission",
  ignore: !isRoot || !IS_LONG,
  fn: async () => {
    await using folder = await openFolder({ pinhole: executable });
    const cache = `/var/tmp/pinhole-${STRANGER}`;
    try {
      const { code, stdout, stderr } = await asStranger([`${folder.path}/pinhole`, "--version"]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, VERSION);
      const { uid, mode } = await Deno.lstat(cache);
      assert.deepEqual([uid, (mode ?? 0) & 0o7777], [Number(STRANGER), 0o700]);
      const tested = await asStranger([`${folder.path}/pinhole`, "self-test"]);
      assert.equal(tested.code, 0, tested.stdout + tested.stderr);
      await Deno.rename(cache, `${cache}.moved`);
      await Deno.symlink(`${cache}.moved`, cache);
      refused(await asStranger([`${folder.path}/pinhole`, "--version"]), /it is a link/);
    } finally {
      for (const path of [cache, `${cache}.moved`]) {
        await Deno.remove(path, { recursive: true }).catch(() => {});
      }
    }
  },
});

Deno.test("executable: a damaged file is refused, and leaves nothing behind", async () => {
  await using folder = await openFolder({ pinhole: executable });
  const program = `${folder.path}/pinhole`;
  const { size } = await Deno.stat(program);
  const cache = `${folder.path}/cache`;
  // Of the small files, of Deno, and of the addon.
  for (const at of [9_000, size >> 2, size - (size >> 2)]) {
    await flipBit(program, at);
    refused(await run(["--version"], { cache, program }), /is damaged .*checksums.* copy it here/);
    await flipBit(program, at);
  }
  await Deno.truncate(program, size - 1);
  const short = await run(["--version"], { cache, program });
  refused(short, /pinhole is damaged \(it should have \d+ bytes\); copy it here again/);
  assert.deepEqual(await unpackedIn(cache), [".lock"]);
});

async function flipBit(path: string, at: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  await file.seek(at, Deno.SeekMode.Start);
  await file.read(byte);
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(byte.map((value) => value ^ 1));
}

Deno.test("executable: a first start that is killed does not spoil the next one", async () => {
  await using folder = await openFolder();
  const cache = `${folder.path}/cache`;
  const killed = new Deno.Command(executable, {
    args: ["--version"],
    env: { CACHE_DIRECTORY: cache },
    stdout: "null",
    stderr: "null",
    // A process group, so that everything which unpacks is killed at once.
    detached: true,
  }).spawn();
  await eventually(() => exists(`${cache}/.new/pinhole`), { what: "for a file" });
  await runPlain(["/usr/bin/kill", "-KILL", "--", `-${killed.pid}`]);
  await killed.status;
  assert.ok(await exists(`${cache}/.new`));
  const { code, stdout } = await run(["--version"], { cache });
  assert.equal(code, 0);
  assert.match(stdout, VERSION);
  const names = await unpackedIn(cache);
  assert.equal(names.length, 2, names.join());
  assert.equal((await run(["check"], { cache })).code, 0);
});

Deno.test("executable: a folder that others may change, or that cannot be made, is refused", async () => {
  await using folder = await openFolder();
  const cache = `${folder.path}/cache`;
  await Deno.mkdir(cache);
  for (const mode of [0o777, 0o1777, 0o775, 0o757]) {
    await Deno.chmod(cache, mode);
    refused(await run(["--version"], { cache }), /others may write there \(mode 1?7\d\d\)/);
  }
  await Deno.chmod(cache, 0o755);
  if (isRoot) {
    await Deno.chown(cache, Number(STRANGER), 0);
    refused(await run(["--version"], { cache }), /belongs to user \d+, not to 0; set CACHE_DIRECT/);
  }
  assert.deepEqual(await unpackedIn(cache), []);
  refused(
    await run(["--version"], { cache: "/proc/none" }),
    /cannot create directory '\/proc\/none'/,
  );
});

Deno.test("executable: a folder in one where others may replace it is refused", async () => {
  await using folder = await openFolder();
  const parent = `${folder.path}/parent`;
  const cache = `${parent}/cache`;
  const link = `${folder.path}/link`;
  await Deno.mkdir(cache, { recursive: true, mode: 0o700 });
  await Deno.symlink(cache, link);
  for (const mode of [0o777, 0o775, 0o757, 0o2775]) {
    await Deno.chmod(parent, mode);
    for (const given of [cache, `${cache}//`, link]) {
      const ended = await run(["--version"], { cache: given });
      refused(ended, /others may write to the folder around it \(mode 2?7\d\d\); run chmod go-w/);
    }
  }
  await Deno.chmod(parent, 0o755);
  await Deno.chmod(folder.path, 0o777);
  refused(await run(["--version"], { cache: link }), /write to the folder around it \(mode 777\)/);
  await Deno.chmod(folder.path, 0o755);
  if (isRoot) {
    await Deno.chown(parent, Number(STRANGER), 0);
    refused(await run(["--version"], { cache }), /folder around it belongs to user \d+; set CACHE/);
    await Deno.chown(parent, 0, 0);
    await runPlain(["/usr/bin/chown", "-h", STRANGER, link]);
    refused(await run(["--version"], { cache: link }), /it is a link of user \d+; remove it/);
  }
  assert.deepEqual(await unpackedIn(cache), []);
});

Deno.test({
  name: "executable: a dynamic user's folder behind systemd's link is taken",
  ignore: !isRoot || !IS_LONG,
  fn: async () => {
    await using folder = await openFolder({ pinhole: executable });
    await Deno.mkdir(`${folder.path}/private/pinhole`, { recursive: true, mode: 0o755 });
    await Deno.chown(`${folder.path}/private/pinhole`, Number(STRANGER), Number(STRANGER));
    await Deno.symlink("private/pinhole", `${folder.path}/cache`);
    const env = { CACHE_DIRECTORY: `${folder.path}/cache` };
    const { code, stdout, stderr } = await asStranger([`${folder.path}/pinhole`, "--version"], env);
    assert.equal(code, 0, stderr);
    assert.match(stdout, VERSION);
  },
});

Deno.test({
  name: "executable: a disk that is full, read-only or mounted noexec is named",
  ignore: !canMount,
  fn: async () => {
    await using folder = await openFolder();
    const on = (options: string) => {
      const script = `mount -t tmpfs -o "mode=755,$1" tmpfs "$2" && exec "$3" --version`;
      const args = ["sh", options, folder.path, executable];
      const env = { CACHE_DIRECTORY: folder.path, PATH: "/usr/bin:/bin:/usr/sbin:/sbin" };
      return runPlain(["/usr/bin/unshare", "--mount", "sh", "-c", script, ...args], { env });
    };
    refused(await on("size=64m"), /which takes \d+ MB: No space left on the disk; make room/);
    refused(await on("ro"), /Read-only file system/);
    refused(await on("noexec"), /its disk is mounted noexec/);
  },
});

function report(what: string, { startup }: ServerProcess): void {
  const megabytes = (Deno.statSync(executable).size / 1e6).toFixed(0);
  const text = `executable of ${megabytes} MB, ${what}: listening after ` +
    `${Math.round(startup.listeningMs)} ms, ready after ${Math.round(startup.readyMs)} ms\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
