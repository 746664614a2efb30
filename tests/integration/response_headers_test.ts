import assert from "assert";
import { VIEWER_ASSETS } from "../../src/viewer/assets.ts";
import { serveFakeSessions } from "../support/parts/fake_sessions.ts";

/** A request for every kind of answer that the server has. */
const REQUESTS: readonly { path: string; method?: string; status: number }[] = [
  { path: "/", status: 200 },
  { path: "/pinhole.js", status: 200 },
  { path: "/healthz", status: 200 },
  { path: "/readyz", status: 200 },
  { path: "/metrics", status: 200 },
  { path: "/api/sessions", status: 200 },
  { path: "/api/path-check", method: "POST", status: 201 },
  { path: "/ws/demo", status: 426 },
  { path: "/ws/a.b", status: 400 },
  { path: "/whep/demo", method: "POST", status: 415 },
  { path: "/whep/demo/nobody", method: "DELETE", status: 404 },
  { path: "/nothing", status: 404 },
];

Deno.test("protectVisitors: every answer forbids what it does not need", async () => {
  await using server = await serveFakeSessions({ assets: VIEWER_ASSETS });
  for (const { path, method = "GET", status } of REQUESTS) {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    await response.body?.cancel();
    const { headers } = response;
    assert.equal(response.status, status, path);
    assert.equal(headers.get("X-Content-Type-Options"), "nosniff", path);
    assert.equal(headers.get("Referrer-Policy"), "no-referrer", path);
    assert.match(headers.get("Permissions-Policy") ?? "", /microphone=\(\)/, path);
    const policy = headers.get("Content-Security-Policy") ?? "";
    assert.match(policy, /^default-src 'none'; /, path);
    assert.match(policy, /frame-ancestors 'self'/, path);
    assert.doesNotMatch(policy, /unsafe|\*/, path);
    const isForAll = VIEWER_ASSETS.has(path) || path === "/healthz";
    const embeddable = isForAll ? "cross-origin" : "same-origin";
    assert.equal(headers.get("Cross-Origin-Resource-Policy"), embeddable, path);
    for (const name of ["Strict-Transport-Security", "Cross-Origin-Opener-Policy"]) {
      assert.equal(headers.get(name), null, `${path} without TLS: ${name}`);
    }
  }
});

Deno.test("protectVisitors: over TLS, browsers are told to stay there", async () => {
  await using server = await serveFakeSessions({ assets: VIEWER_ASSETS, isTls: true });
  for (const { path, method = "GET" } of REQUESTS) {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    await response.body?.cancel();
    assert.equal(response.headers.get("Strict-Transport-Security"), "max-age=2592000", path);
    assert.equal(response.headers.get("Cross-Origin-Opener-Policy"), "same-origin", path);
  }
});

Deno.test("protectVisitors: nothing of another origin may read what is not public", async () => {
  await using server = await serveFakeSessions({
    assets: VIEWER_ASSETS,
    site: () => ({ allowedOrigins: ["https://ok.example"] }),
  });
  for (const path of ["/metrics", "/api/sessions", "/healthz"]) {
    for (const origin of ["https://evil.example", "https://ok.example"]) {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
        headers: { Origin: origin },
      });
      await response.body?.cancel();
      assert.equal(response.headers.get("Access-Control-Allow-Origin"), null, path);
    }
  }
});

Deno.test("protectVisitors: pages that may connect may show the page in a frame", async () => {
  const frames = async (allowedOrigins: string[]) => {
    await using server = await serveFakeSessions({
      assets: VIEWER_ASSETS,
      site: () => ({ allowedOrigins }),
    });
    const response = await fetch(`http://127.0.0.1:${server.port}/`);
    await response.body?.cancel();
    const policy = response.headers.get("Content-Security-Policy") ?? "";
    return /frame-ancestors ([^;]*)/.exec(policy)?.[1];
  };
  assert.equal(await frames([]), "'self'");
  assert.equal(
    await frames(["https://Page.example:443/", "http://a.example:81", "null"]),
    "'self' https://page.example http://a.example:81",
  );
  assert.equal(await frames(["*"]), "*");
});

Deno.test("operators: a page under a name that the server does not know reads nothing, and is told why", async () => {
  const publicUrl = "https://pinhole.example";
  await using server = await serveFakeSessions({ site: () => ({ allowedOrigins: [], publicUrl }) });
  const ask = async (path: string, host: string, headers: Record<string, string>) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const lines = Object.entries({ Host: host, Connection: "close", ...headers });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${head}\r\n`));
    return await new Response(connection.readable).text();
  };
  const browser = { "Accept-Language": "en", "Accept": "*/*" };
  for (const path of ["/metrics", "/api/sessions", "/api/ports"]) {
    const refused = await ask(path, "evil.example:9000", browser);
    assert.match(refused, /^HTTP\/1\.1 403 [^]*"evil\.example:9000"[^]*set server\.public_url/);
    assert.match(await ask(path, "pinhole:9000", {}), /^HTTP\/1\.1 200 /);
    for (const host of ["127.0.0.1:9000", "localhost:9000", "pinhole.example"]) {
      assert.match(await ask(path, host, browser), /^HTTP\/1\.1 200 /, host);
    }
  }
});
