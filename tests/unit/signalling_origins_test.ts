import assert from "assert";
import { isOriginAllowed, parseReachedHost } from "../../src/signalling/origins.ts";

const HOST = "51.161.209.200:10110";

function allows(origin: string | undefined, options: { host?: string; allowed?: string[] } = {}) {
  return isOriginAllowed({ origin, host: options.host ?? HOST, allowed: options.allowed ?? [] });
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

Deno.test("parseReachedHost: strips port and brackets", () => {
  assert.equal(parseReachedHost("51.161.209.200:10110"), "51.161.209.200");
  assert.equal(parseReachedHost("gpu-1.example.com"), "gpu-1.example.com");
  assert.equal(parseReachedHost("[2001:db8::1]:9000"), "2001:db8::1");
  assert.equal(parseReachedHost("[::ffff:192.0.2.1]"), "::ffff:192.0.2.1");
  assert.equal(parseReachedHost("localhost:9000"), "localhost");
});

Deno.test("parseReachedHost: lets nothing through that is no host", () => {
  const hostile = [
    "",
    ":9000",
    "a b",
    "a\r\na=candidate",
    "user@host",
    "host/path",
    "2001:db8::1",
    "[fe80::1%eth0]",
    "[]",
    "host:port",
    "host:123456",
    "é.example",
    "x".repeat(254),
  ];
  for (const header of hostile) assert.equal(parseReachedHost(header), undefined, header);
});
