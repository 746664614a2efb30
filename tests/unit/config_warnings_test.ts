import assert from "assert";
import { parseConfig } from "../../src/config/parse.ts";
import { warningsOf } from "../../src/config/checks.ts";

function warningsFor(
  listen: { page: string; media: string; publicIp?: string },
): string[] {
  const text = `server.listen = "${listen.page}"\n[webrtc]\nlisten = "${listen.media}"\n` +
    `public_ip = "${listen.publicIp ?? ""}"`;
  const parsed = parseConfig({ text, fileName: "config.toml", env: {} });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return warningsOf(parsed.config);
}

Deno.test("warningsOf: media on loopback under a page that others reach is told with both keys and the fix", () => {
  const pages = ["0.0.0.0:9000", "192.0.2.5:9000", "[::]:9000", "gpu.example:9000"];
  for (const page of pages) {
    for (const media of ["127.0.0.1", "127.0.0.2", "::1", "0:0:0:0:0:0:0:1"]) {
      const warnings = warningsFor({ page, media });
      assert.equal(warnings.length, 1, `${page} ${media}`);
      const [warning = ""] = warnings;
      assert.ok(warning.includes(`server.listen = "${page}"`), warning);
      assert.ok(warning.startsWith(`webrtc.listen = "${media}"`), warning);
      assert.match(warning, /set webrtc\.listen to "0\.0\.0\.0", or webrtc\.public_ip/);
    }
  }
});

Deno.test("warningsOf: nothing is said behind a tunnel, on this host alone, and on a network", () => {
  const fine = [
    { page: "0.0.0.0:9000", media: "127.0.0.1", publicIp: "203.0.113.7" },
    { page: "127.0.0.1:9000", media: "127.0.0.1" },
    { page: "localhost:9000", media: "127.0.0.1" },
    { page: "[::1]:9000", media: "::1" },
    { page: "0.0.0.0:9000", media: "0.0.0.0" },
    { page: "0.0.0.0:9000", media: "192.0.2.5" },
    { page: "[::]:9000", media: "2001:db8::1" },
    { page: "127.0.0.1:9000", media: "0.0.0.0" },
  ];
  for (const listen of fine) assert.deepEqual(warningsFor(listen), [], JSON.stringify(listen));
});
