import assert from "assert";
import { ConfigError, loadConfig } from "../../src/config/load.ts";
import { readEnvironment } from "../../src/config/variables.ts";

/** Runs `body` with the path of a fresh empty folder. */
async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What loading without a path gives in a folder. A process of its own, as the working directory is shared. */
async function loadIn(folder: string): Promise<unknown> {
  const script = `
    import { loadConfig } from ${JSON.stringify(import.meta.resolve("../../src/config/load.ts"))};
    const loaded = await loadConfig({ path: undefined, env: { PINHOLE_VIDEO_WIDTH: "640" } }).then(
      ({ config: { video }, file }) => [file ?? null, video.width, video.fps],
      (error) => error.message,
    );
    console.log(JSON.stringify(loaded));`;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--config", config, script],
    cwd: folder,
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

/** The ConfigError that loading gives. */
async function refusalOf(path: string): Promise<ConfigError> {
  const error = await loadConfig({ path, env: {} }).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(error instanceof ConfigError, String(error));
  assert.equal(error.code, "bad_config");
  assert.ok(error.problems.length > 0);
  return error;
}

Deno.test("loadConfig: without a path, ./config.toml is read if it is there, or else the defaults hold", () =>
  inFolder(async (folder) => {
    assert.deepEqual(await loadIn(folder), [null, 640, 30]);
    await Deno.writeTextFile(`${folder}/config.toml`, "[video]\nfps = 25");
    assert.deepEqual(await loadIn(folder), ["config.toml", 640, 25]);
    await Deno.remove(`${folder}/config.toml`);
    await Deno.mkdir(`${folder}/config.toml`);
    assert.equal(await loadIn(folder), "config.toml: cannot be read: it is a folder; give a file");
  }));

Deno.test("loadConfig: a named file is read, with a byte order mark and Windows line ends too", () =>
  inFolder(async (folder) => {
    const path = `${folder}/my.toml`;
    await Deno.writeTextFile(path, "\ufeff[video]\r\nfps = 25\r\n");
    const { config, file } = await loadConfig({ path, env: {} });
    assert.equal(file, path);
    assert.equal(config.video.fps, 25);
  }));

Deno.test("loadConfig: a file that cannot be read is a problem that says why", () =>
  inFolder(async (folder) => {
    const messageOf = async (path: string) => (await refusalOf(path)).message.replace(folder, "");
    assert.match(
      await messageOf(`${folder}/none`),
      /^\/none: cannot be read: there is no such file/,
    );
    assert.equal(await messageOf(folder), ": cannot be read: it is a folder; give a file");
    await Deno.writeFile(`${folder}/plain`, new Uint8Array([0x23, 0xe9]));
    assert.match(await messageOf(`${folder}/plain/x`), /^\/plain\/x: cannot be read: /);
    assert.match(await messageOf(`${folder}/plain`), /^\/plain: not valid TOML: .*UTF-8$/);
    assert.match(await messageOf("/dev/zero"), /^\/dev\/zero: must have at most/);
  }));

Deno.test("ConfigError: the message is one line with the first problem and the number of others", () =>
  inFolder(async (folder) => {
    const path = `${folder}/my.toml`;
    await Deno.writeTextFile(path, "[video]\nfps = 0\nwidth = 1\nheight = 1");
    const error = await refusalOf(path);
    assert.equal(
      error.message,
      `${path}: video.fps = 0: must be a whole number from 1 to 240 (and 2 more; see \`pinhole check\`)`,
    );
    assert.equal(error.problems.length, 3);
  }));

Deno.test("readEnvironment: gives the variables of Pinhole and no others", () => {
  Deno.env.set("PINHOLE_TEST_CONFIG_LOAD", "here");
  try {
    const env = readEnvironment();
    assert.equal(env["PINHOLE_TEST_CONFIG_LOAD"], "here");
    assert.deepEqual(Object.keys(env).filter((name) => !name.startsWith("PINHOLE_")), []);
    assert.ok(Deno.env.has("PATH"));
  } finally {
    Deno.env.delete("PINHOLE_TEST_CONFIG_LOAD");
  }
});
