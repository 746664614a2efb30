import assert from "assert";
import { isOriginAllowed, reachedHostOf } from "../../src/signalling/origins.ts";

const HOST = "51.161.209.200:10110";

function requestTo(host: string, headers: Record<string, string> = {}): Request {
  return new Request("http://elsewhere/", { headers: { ...headers, Host: host } });
}

function allows(
  origin: string | undefined,
  { host = HOST, allowed = [] }: { host?: string; allowed?: string[] } = {},
): boolean {
  const headers = origin === undefined ? {} : { Origin: origin };
  return isOriginAllowed(requestTo(host, headers), allowed);
}

Deno.test("isOriginAllowed: programs without an origin and the server's own page always may", () => {
  assert.ok(allows(undefined));
  assert.ok(allows(`http://${HOST}`));
  assert.ok(allows(`https://${HOST}`));
  assert.ok(allows("https://pinhole.example", { host: "Pinhole.Example:443" }));
  assert.ok(allows("http://pinhole.example", { host: "pinhole.example:80" }));
  assert.ok(allows("http://[::1]:9000", { host: "[::1]:9000" }));
  assert.ok(allows(`http://${HOST}`, { allowed: ["https://example.com"] }));
});

Deno.test("isOriginAllowed: other pages may not, unless they are listed", () => {
  for (const origin of ["http://evil.example", "http://51.161.209.200", "null", "", "file://"]) {
    assert.ok(!allows(origin), origin);
  }
  assert.ok(!allows("http://51.161.209.200:10110.evil.example"));
  assert.ok(!allows("http://evil.example", { host: "evil.example@51.161.209.200" }));
  const allowed = ["https://Example.com:443/", "null"];
  assert.ok(allows("https://example.com", { allowed }));
  assert.ok(allows("null", { allowed }));
  assert.ok(!allows("http://example.com", { allowed }));
  assert.ok(!allows("https://sub.example.com", { allowed }));
});

Deno.test("isOriginAllowed: a star lets every page in", () => {
  for (const origin of ["http://evil.example", "null", ""]) {
    assert.ok(allows(origin, { allowed: ["*"] }));
  }
});

Deno.test("reachedHostOf: strips port and brackets", () => {
  const reached = {
    "51.161.209.200:10110": "51.161.209.200",
    "gpu-1.example.com": "gpu-1.example.com",
    "gpu_1.example.com.:80": "gpu_1.example.com.",
    "[2001:db8::1]:9000": "2001:db8::1",
    "[::ffff:192.0.2.1]": "::ffff:192.0.2.1",
    "localhost:9000": "localhost",
    [`${"x".repeat(63)}.example`]: `${"x".repeat(63)}.example`,
  };
  for (const [header, host] of Object.entries(reached)) {
    assert.equal(reachedHostOf(requestTo(header)), host);
  }
});

Deno.test("reachedHostOf: lets nothing through that is no host, nor what stands elsewhere", () => {
  const hostile = [
    "",
    ":9000",
    "a b",
    "a=candidate",
    ".",
    "..",
    "a..b",
    ".a",
    "[::1",
    "[::::]",
    "[1.2.3.4]",
    `${"x".repeat(64)}.example`,
    "user@host",
    "host/path",
    "2001:db8::1",
    "[fe80::1%eth0]",
    "[]",
    "host:port",
    "host:123456",
    `${"x.".repeat(127)}x`,
  ];
  for (const header of hostile) {
    assert.equal(reachedHostOf(requestTo(header)), undefined, header);
  }
  assert.equal(reachedHostOf(new Request("http://localhost/")), undefined);
});
