import assert from "assert";
import { mintToken } from "../../src/signalling/access.ts";
import { browserTest, firefoxTest } from "../support/browsers/browser.ts";
import { assertSteady, BrowserPage } from "../support/browsers/browser_page.ts";
import { eventually } from "../support/deadline.ts";
import {
  assertNothingLeft,
  checkPath,
  MappedServer,
  PUBLIC_ADDRESS,
} from "../support/browsers/path_check_page.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

/** Frames that a loaded machine may leave out; a stream that is taken over or started anew shows a larger hole. */
const GAP_MAX = 30;

/** Firefox has loopback addresses for pages only that may use the microphone, and even then only if told so. */
const preferences = {
  "media.peerconnection.ice.loopback": true,
  "permissions.default.microphone": 1,
};

browserTest("path check: finds a whole path, and disturbs no stream", async (browser) => {
  await using mapped = await MappedServer.start({ ports: 3 });
  const { server } = mapped;
  await using page = await BrowserPage.open(browser, server.origin);
  assertSteady(await page.read(15), { gapMax: GAP_MAX });

  const check = checkPath(page.page);
  assertSteady(await page.read(30), { gapMax: GAP_MAX });
  const { verdict, tone, lines } = await check;

  assert.match(verdict, /^Everything works\. Every port answers, and the first picture came /);
  assert.equal(tone, "good");
  assert.deepEqual(lines.map(({ state, title }) => [state, title]), [
    ["ok", "Page and HTTP"],
    ["ok", "WebSocket"],
    ["ok", `UDP ${mapped.at(0)}`],
    ["ok", `UDP ${mapped.at(1)}`],
    ["ok", `UDP ${mapped.at(2)}`],
    ["ok", "Connection (ICE)"],
    ["ok", "Encryption (DTLS)"],
    ["ok", "First video packet"],
    ["ok", "First picture"],
  ]);
  for (const { words } of lines) assert.match(words, /after \d+ ms$/);
  assertSteady(await page.read(15), { gapMax: GAP_MAX });
  await assertNothingLeft(page, { server, viewers: 1 });
  assert.deepEqual([...page.errors, ...server.complaints], []);
});

browserTest("path check: names the port that stays silent", async (browser) => {
  await using mapped = await MappedServer.start({
    ports: 3,
    route: (port) => port === 1 ? null : port,
  });
  await using page = await BrowserPage.open(browser, mapped.server.origin);
  const { verdict, tone, lines } = await checkPath(page.page);
  assert.equal(verdict, `1 of 3 ports does not answer over UDP: ${mapped.at(1)}.`);
  assert.equal(tone, "bad");
  const ports = lines.filter(({ title }) => title.startsWith("UDP"));
  assert.deepEqual(ports.map(({ state }) => state), ["ok", "failed", "ok"]);
  assert.equal(ports[1]?.words, `No answer from ${mapped.at(1)} over UDP`);
});

browserTest("path check: tells two ports that are swapped", async (browser) => {
  await using mapped = await MappedServer.start({
    ports: 3,
    route: (port) => port === 0 ? 1 : port === 1 ? 0 : port,
  });
  const { portMin } = mapped.server;
  await using page = await BrowserPage.open(browser, mapped.server.origin);
  const { verdict, tone, lines } = await checkPath(page.page);
  assert.equal(verdict, `Ports ${portMin} and ${portMin + 1} are swapped over UDP.`);
  assert.equal(tone, "bad");
  const ports = lines.filter(({ title }) => title.startsWith("UDP"));
  assert.deepEqual(ports.map(({ state }) => state), ["failed", "failed", "ok"]);
  assert.equal(
    ports[0]?.words,
    `maps to the server's port ${portMin + 1}, not to ${portMin}`,
  );
});

browserTest("path check: tells when no UDP comes through at all", async (browser) => {
  await using mapped = await MappedServer.start({ ports: 2, route: () => null });
  await using page = await BrowserPage.open(browser, mapped.server.origin);
  const { verdict, tone, tries, lines } = await checkPath(page.page);
  assert.equal(verdict, `No port of ${PUBLIC_ADDRESS} answers over UDP.`);
  assert.equal(tone, "bad");
  assert.match(tries.join("\n"), /Try another network[^]*mapped[^]*webrtc\.public_ip/);
  assert.deepEqual(lines.at(-1), {
    state: "skipped",
    title: "A real connection",
    words: "needs a port that answers",
  });
});

browserTest("path check: skips the real connection when no place is free", async (browser) => {
  await using mapped = await MappedServer.start({ ports: 1 });
  await using page = await BrowserPage.open(browser, mapped.server.origin);
  await page.read(1);
  const { verdict, tone, lines } = await checkPath(page.page);
  assert.equal(verdict, "Every port answers. A connection was not tested.");
  assert.equal(tone, "warn");
  assert.equal(lines.at(-1)?.state, "skipped");
  assert.match(lines.at(-1)?.words ?? "", /port/);
  await assertNothingLeft(page, { server: mapped.server, viewers: 1 });
});

browserTest(
  "path check: tells a WebSocket that is refused from a server that is away",
  async (browser) => {
    await using front = new PlainFront();
    await using mapped = await MappedServer.start({
      ports: 1,
      config: { "server.allowed_origins": front.origin },
    });
    front.target = mapped.server.origin;
    await using page = await BrowserPage.open(browser, front.origin);
    const refused = await checkPath(page.page);
    assert.match(refused.verdict, /^HTTP works, but no WebSocket opens at 127\.0\.0\.1:\d+\.$/);
    assert.deepEqual(refused.lines.map(({ state }) => state), ["ok", "failed", "ok", "skipped"]);

    front.target = undefined;
    const away = await checkPath(page.page);
    assert.match(away.verdict, /^The server at 127\.0\.0\.1:\d+ answers with HTTP 502\.$/);
    assert.deepEqual(away.lines.map(({ state }) => state), [
      "failed",
      "skipped",
      "skipped",
      "skipped",
    ]);
  },
);

browserTest(
  "path check: reports as plain text, without secrets, on an insecure origin",
  async (browser) => {
    await using secret = await secretFile();
    await using mapped = await MappedServer.start({
      ports: 2,
      config: {
        "auth.secret_file": secret.path,
        // The name of the page, by which the server has to be known.
        "server.public_url": "http://viewer.test",
      },
    });
    const token = await mintToken(secret.key, { session: "demo", ttlS: 600 });
    const origin = mapped.server.origin.replace("127.0.0.1", "viewer.test");
    await using page = await BrowserPage.open(browser, `${origin}/?token=${token}`);
    assert.ok(!await page.page.evaluate("isSecureContext"));
    const { verdict, lines } = await checkPath(page.page);
    assert.equal(verdict, "Every port answers. A connection was not tested.");
    assert.match(lines.at(-1)?.words ?? "", /token/);

    await page.page.click("#path-copy");
    await page.page.getByText("Copied", { exact: true }).waitFor();
    const report = await page.page.inputValue("#path-report");
    assert.match(report, new RegExp(`\\[ok\\] UDP ${mapped.at(1)}: first answer after`));
    assert.ok(report.includes(`${verdict}\n`) && report.includes(origin));
    for (const hidden of [token, "token=", "ufrag", "pwd"]) assert.ok(!report.includes(hidden));
    await page.page.locator("#path-report").waitFor();
  },
  { args: ["--host-resolver-rules=MAP viewer.test 127.0.0.1"] },
);

browserTest("path check: leaves nothing behind when it is stopped", async (browser) => {
  await using mapped = await MappedServer.start({ ports: 2, route: () => null });
  await using page = await BrowserPage.open(browser, mapped.server.origin);
  await page.page.click("#power");
  // Nothing ends by its own time limit.
  await page.page.clock.install();
  await page.page.clock.pauseAt(Date.now() + 60_000);
  await page.page.click("#path-button");
  await page.page.locator('#path-steps [data-state="running"] b', { hasText: "UDP" }).first()
    .waitFor();
  await page.page.getByText("Stop the check").click();
  await page.page.locator("#path-check").waitFor({ state: "hidden" });
  await assertNothingLeft(page, { server: mapped.server, viewers: 0 });
  assert.deepEqual(page.errors, []);
});

browserTest("path check: tells a browser without WebRTC", async (browser) => {
  await using server = await ServerProcess.start({ ports: 1 });
  await using page = await BrowserPage.open(browser, server.origin);
  await page.page.evaluate("delete globalThis.RTCPeerConnection");
  const { verdict, tries, lines } = await checkPath(page.page);
  assert.match(verdict, /^This browser has no WebRTC/);
  assert.match(tries[0] ?? "", /^Switch WebRTC on/);
  assert.deepEqual(lines.map(({ state }) => state), ["ok", "ok", "skipped", "failed"]);
});

browserTest("path check: tests TCP too where the server has it", async (browser) => {
  await using server = await ServerProcess.start({ ports: 2, config: { "webrtc.tcp": true } });
  await using page = await BrowserPage.open(browser, server.origin);
  const { verdict, lines } = await checkPath(page.page);
  assert.match(verdict, /^Everything works/);
  const ports = lines.filter(({ title }) => /^(UDP|TCP)/.test(title));
  assert.deepEqual(ports.map(({ state, title }) => `${state} ${title.slice(0, 3)}`), [
    "ok UDP",
    "ok UDP",
    "ok TCP",
    "ok TCP",
  ]);
});

firefoxTest("path check: finds a whole path, and a silent port, from Firefox", async (firefox) => {
  await using mapped = await MappedServer.start({
    ports: 3,
    route: (port) => port === 2 ? null : port,
  });
  const page = await firefox.newPage();
  await page.goto(mapped.server.origin);
  await page.click("#path-button");
  await eventually(() => page.$eval("#path-copy-row", (row) => !row.hasAttribute("hidden")), {
    what: "for the verdict",
  });
  const report = await page.$eval("textarea#path-report", (area) => area.value);
  assert.match(report, new RegExp(`1 of 3 ports does not answer over UDP: ${mapped.at(2)}`));
  assert.match(report, new RegExp(`\\[ok\\] UDP ${mapped.at(0)}`));
  assert.match(report, /\[ok\] First picture/);
}, { preferences });

/** A file with a secret, removed in the end. */
async function secretFile(): Promise<AsyncDisposable & { path: string; key: Uint8Array }> {
  const text = "a secret that is long enough for HS256: 0123456789";
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, 0o600);
  return {
    path,
    key: new TextEncoder().encode(text),
    [Symbol.asyncDispose]: () => Deno.remove(path),
  };
}

/** A proxy that knows nothing of WebSockets. */
class PlainFront implements AsyncDisposable {
  /** Origin of the server behind it; `undefined`: it is away. */
  target: string | undefined;
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => this.#pass(request),
  );

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #pass(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    if (this.target === undefined) return new Response("Bad gateway", { status: 502 });
    const headers = new Headers(request.headers);
    for (const name of ["host", "connection", "upgrade"]) headers.delete(name);
    const { method } = request;
    const reply = await fetch(this.target + pathname + search, { method, headers });
    const { status } = reply;
    const body = status === 304 ? null : await reply.bytes();
    const shown = new Headers(reply.headers);
    // They are about the bytes that came, which fetch has unpacked.
    for (const name of ["content-encoding", "content-length"]) shown.delete(name);
    return new Response(body, { status, headers: shown });
  }
}
