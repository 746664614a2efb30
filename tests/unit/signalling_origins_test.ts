import assert from "assert";
import {
  isOriginAllowed,
  mayBeRebound,
  reachedHostOf,
  type Site,
} from "../../src/signalling/origins.ts";

const HOST = "51.161.209.200:10110";

function requestTo(host: string, headers: Record<string, string> = {}): Request {
  return new Request("http://elsewhere/", { headers: { ...headers, Host: host } });
}

function allows(
  origin: string | undefined,
  { host = HOST, allowed = [], ...site }:
    & { host?: string; allowed?: string[] }
    & Partial<Site> = {},
): boolean {
  const headers = origin === undefined ? {} : { Origin: origin };
  return isOriginAllowed(requestTo(host, headers), { allowedOrigins: allowed, ...site });
}

Deno.test("isOriginAllowed: programs without an origin and the server's own page always may", () => {
  assert.ok(allows(undefined));
  assert.ok(allows(`http://${HOST}`));
  assert.ok(allows(`https://${HOST}`));
  assert.ok(allows("http://localhost:9000", { host: "localhost:9000" }));
  const publicUrl = "https://Pinhole.example/";
  assert.ok(allows("https://pinhole.example", { host: "Pinhole.Example:443", publicUrl }));
  assert.ok(allows("http://pinhole.example", { host: "pinhole.example:80", publicUrl }));
  assert.ok(allows("http://gpu.lan:9000", { host: "gpu.lan:9000", publicHost: "GPU.lan" }));
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

Deno.test("isOriginAllowed: a name that anybody can have resolve to the server is not its own", () => {
  for (
    const host of ["evil.example:9000", "evil.example", "localhost.evil.example", "1.2.3.4.evil"]
  ) {
    assert.ok(!allows(`http://${host}`, { host }), host);
    assert.ok(!allows(`http://${host}`, { host, publicUrl: "https://pinhole.example" }), host);
    assert.ok(!allows(`http://${host}`, { host, allowed: ["https://pinhole.example"] }), host);
    assert.ok(allows(`http://${host}`, { host, allowed: ["*"] }), host);
  }
});

Deno.test("isOriginAllowed: the page of public_url may, whatever Host a proxy sends", () => {
  const publicUrl = "https://pinhole.example:8443/live/";
  for (const host of ["127.0.0.1:9000", "pinhole.example:8443", "backend", ""]) {
    assert.ok(allows("https://pinhole.example:8443", { host, publicUrl }), host);
    assert.ok(!allows("https://evil.example", { host, publicUrl }), host);
  }
});

Deno.test("mayBeRebound: browsers under names that the server does not know, and no programs", () => {
  const site = { allowedOrigins: ["https://page.example"], publicUrl: "https://pinhole.example" };
  const asks = (host: string, headers: Record<string, string>) =>
    mayBeRebound(requestTo(host, headers), site);
  const browsers = [
    { "Accept-Language": "" },
    { "Accept-Language": "en" },
    { Referer: "http://evil.example/" },
    { "Sec-Fetch-Site": "same-origin" },
    { Origin: "http://evil.example" },
    { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)" },
  ];
  for (const headers of browsers as Record<string, string>[]) {
    for (const host of ["evil.example:9000", "pinhole:9000", ""]) assert.ok(asks(host, headers));
    for (
      const host of [
        "127.0.0.1:9000",
        "[::1]",
        "localhost:1",
        "pinhole.example",
        "page.example:9000",
      ]
    ) {
      assert.ok(!asks(host, headers), host);
    }
  }
  assert.ok(!asks("pinhole:9000", { "User-Agent": "Prometheus/3.5.0", Accept: "text/plain" }));
  assert.ok(!asks("pinhole.monitoring.svc:9000", { "User-Agent": "curl/8.5" }));
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
