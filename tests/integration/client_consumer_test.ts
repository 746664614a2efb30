import assert from "assert";

/** The oldest TypeScript that pages may have, one in between, and the newest. */
const TYPESCRIPT_VERSIONS = ["5.0", "5.4", "latest"] as const;

/** The page is no module of this project: `deno check` would look for the client beside it. */
const FILES = {
  "pinhole.d.ts": new URL("../../src/viewer/pinhole.d.ts", import.meta.url),
  "pinhole_player.d.ts": new URL("../../src/viewer/pinhole_player.d.ts", import.meta.url),
  "consumer.ts": new URL("../testdata/pages/consumer.ts.txt", import.meta.url),
};

for (const version of TYPESCRIPT_VERSIONS) {
  const compiler = findCompiler(version);
  Deno.test({
    name: `pinhole.d.ts: a page in TypeScript ${version} compiles with --strict${
      compiler ? "" : " (skipped: npx cannot install it)"
    }`,
    ignore: !compiler,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        for (const [name, url] of Object.entries(FILES)) {
          await Deno.copyFile(url, `${folder}/${name}`);
        }
        const { stdout, success } = await tsc(version, [
          "--strict",
          "--noEmit",
          "--skipLibCheck",
          "false",
          "--target",
          "es2022",
          "--lib",
          "es2022,dom,dom.iterable",
          "--module",
          "es2022",
          "--moduleResolution",
          "bundler",
          `${folder}/consumer.ts`,
        ]);
        assert.ok(success, new TextDecoder().decode(stdout));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

function tsc(version: string, args: readonly string[]): Promise<Deno.CommandOutput> {
  return command(version, args).output();
}

function command(version: string, args: readonly string[]): Deno.Command {
  return new Deno.Command("npx", {
    args: ["-y", "-p", `typescript@${version}`, "tsc", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
}

/** Whether npx has this version, or can install it. */
function findCompiler(version: string): boolean {
  try {
    return command(version, ["--version"]).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
