import assert from "assert";
import { fileURLToPath } from "node:url";
import { writeCertificate } from "../support/network/openssl.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** Runs a command with a configuration. @param options.limit Of its open files, which it cannot raise. */
async function run(
  command: string,
  config: string,
  { limit }: { limit?: number } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(path, config);
  const [program = "", ...args] = [
    ...(limit === undefined ? [] : ["prlimit", `--nofile=${limit}:${limit}`]),
    ...[Deno.execPath(), "run", "-A", MAIN, command, "--config", path],
  ];
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
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
  assert.match(
    stdout,
    /\.toml is valid\nUDP 45111-45112 is \(.*\):45111-45112: the same numbers\n$/,
  );
  assert.match(stderr, /^pinhole: \S+\.toml: webrtc\.listen = "127\.0\.0\.1" .*\n$/);
  const fine = await run("check", "");
  assert.deepEqual([fine.code, fine.stderr], [0, ""]);
});

Deno.test("check: a process with few descriptors is told what that costs and what mends it", async () => {
  const { code, stdout, stderr } = await run("check", "webrtc.tcp = true", { limit: 300 });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\.toml is valid\nUDP .*\nTCP .*\n$/);
  assert.match(
    stderr,
    /^pinhole: \S+\.toml: This process may have 300 open files, .* HTTP .* ICE-TCP .*\..*\n$/,
  );
  const [, wanted] = /LimitNOFILE=(\d+)/.exec(stderr) ?? [];
  const enough = await run("check", "webrtc.tcp = true", { limit: Number(wanted) });
  assert.deepEqual([enough.code, enough.stderr], [0, ""]);
});

Deno.test("serve: what is valid but doubtful is a warning of the log", async () => {
  const { stderr } = await run("serve", DOUBTFUL);
  const line = stderr.split("\n").find((line) => line.includes("config_doubtful")) ?? "{}";
  const { level, problem } = JSON.parse(line);
  assert.equal(level, "warn", stderr);
  assert.match(problem, /^webrtc\.listen = "127\.0\.0\.1" /);
});

Deno.test("check: a certificate that has expired is named with its day", async () => {
  const folder = await Deno.makeTempDir();
  const config = `server.tls_cert = "${folder}/cert.pem"\nserver.tls_key = "${folder}/key.pem"\n`;
  try {
    await writeCertificate(folder, { name: "203.0.113.1" });
    assert.deepEqual((await run("check", config)).code, 0);
    const days = ["20200101000000Z", "20210203000000Z"] as const;
    await writeCertificate(folder, { name: "203.0.113.1", days });
    const { code, stderr } = await run("check", config);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /server\.tls_cert .*cert\.pem": the certificate expired on 2021-02-03; renew it/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
