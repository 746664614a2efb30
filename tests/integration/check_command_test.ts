import assert from "assert";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** Runs a command with a configuration. */
async function run(
  command: string,
  config: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(path, config);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, command, "--config", path],
  }).output();
  await Deno.remove(path);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The last line keeps a server from getting so far as to listen there. */
const DOUBTFUL = `server.listen = "0.0.0.0:9000"
webrtc = { listen = "127.0.0.1", port_min = 45111, port_max = 45112 }
renderer.library = "/nowhere/librenderer.so"
log.format = "json"
`;

Deno.test("check: what is valid but doubtful is a line on standard error, and no failure", async () => {
  const { code, stdout, stderr } = await run("check", DOUBTFUL);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\.toml is valid\n$/);
  assert.match(stderr, /^pinhole: \S+\.toml: webrtc\.listen = "127\.0\.0\.1" .*\n$/);
  const fine = await run("check", "");
  assert.deepEqual([fine.code, fine.stderr], [0, ""]);
});

Deno.test("serve: what is valid but doubtful is a warning of the log", async () => {
  const { stderr } = await run("serve", DOUBTFUL);
  const line = stderr.split("\n").find((line) => line.includes("config_doubtful")) ?? "{}";
  const { level, problem } = JSON.parse(line);
  assert.equal(level, "warn", stderr);
  assert.match(problem, /^webrtc\.listen = "127\.0\.0\.1" /);
});
