import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import { type AccessCheck, createAccessCheck, mintToken } from "../../src/signalling/access.ts";
import { createHttpApp, type HttpApp, type HttpAppOptions } from "../../src/signalling/http_app.ts";
import { VIEWER_ASSETS } from "../../src/viewer/assets.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { FakeSessions, NO_CONNECTION, serveApp } from "../support/parts/fake_sessions.ts";
import type { Random } from "../support/random.ts";
import { fuzz, hostileText } from "./harness.ts";

const SECRET = new Uint8Array(32).fill(7);
const TOKEN = await mintToken(SECRET, { session: "*", ttlS: 3_600 });

const METHODS = [
  "GET",
  "GET",
  "GET",
  "HEAD",
  "POST",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "QUERY",
];
const PATHS = [
  ...VIEWER_ASSETS.keys(),
  ...["/healthz", "/readyz", "/metrics", "/api/sessions", "/ws/main", "/ws/", "/ws", "/whep/main"],
  ...["/api/path-check", "/api/path-check/x", "/api/path-check", "/nowhere"],
];
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  "Host": ["127.0.0.1:9000", "[::1]:9000", "", "a b", "example.com:99999", "..", "[::1", "\x7f"],
  "Origin": [
    "null",
    "http://127.0.0.1:9000",
    "https://evil.example",
    "http://",
    "::",
    "http://[::1",
  ],
  "Upgrade": ["websocket", "WebSocket", "h2c", ""],
  "Connection": ["Upgrade", "close", "keep-alive, Upgrade", ""],
  "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "", "x"],
  "Sec-WebSocket-Version": ["13", "8", ""],
  "Authorization": [
    "Bearer x",
    "Bearer",
    "Bearer  a.b.c",
    "Basic eDp5",
    "Bearer eyJhbGciOiJub25lIn0.e30.",
  ],
  "If-None-Match": ["*", '"x"', 'W/"x"', "x"],
  "Accept-Encoding": ["gzip", "br;q=2", "*"],
  "Range": ["bytes=0-", "bytes=9-1"],
  "Content-Length": ["0", "-1", "99999999999999999999"],
  "Transfer-Encoding": ["chunked", "x"],
  "Expect": ["100-continue"],
};

function hostilePath(random: Random): string {
  const path = random.pick(PATHS);
  switch (random.below(9)) {
    case 0:
      return `${path}${encode(random, hostileText(random, random.oneIn(100) ? 8_000 : 60))}`;
    case 1:
      return `${path}?token=${encode(random, hostileText(random))}&session=%ff`;
    case 2:
      return `/${path.slice(1).replaceAll("/", random.pick(["//", "/./", "/../", "%2f", "\\"]))}`;
    case 3:
    case 4:
      return `${path}?token=${TOKEN}`;
    default:
      return path;
  }
}

/** What may stand in a URL, with escapes that decode to no UTF-8 among it. */
function encode(random: Random, text: string): string {
  if (random.oneIn(2)) return encodeURIComponent(text.toWellFormed());
  return text.replaceAll(
    /[^\w%./-]/g,
    () => random.pick(["%", "%f", "%ff", "%00", "%c3%28", "%zz"]),
  );
}

function hostileHeaders(random: Random): Headers {
  // As nearly every client says it.
  const headers = new Headers(random.oneIn(4) ? {} : { Host: "127.0.0.1:9000" });
  for (let count = random.below(6); count > 0; count--) {
    const [name, values] = random.pick(Object.entries(HEADERS));
    const value = random.oneIn(6)
      ? hostileText(random, random.oneIn(50) ? 5_000 : 40)
      : random.pick(values);
    // Only what a header may hold gets through Deno's own parser.
    headers.append(name, value.replaceAll(/[^\x20-\x7e]/g, "?"));
  }
  return headers;
}

/** An app whose every part answers, and what it logged as its own failure. */
function open(
  access: AccessCheck = createAccessCheck(SECRET),
): { app: HttpApp; sessions: FakeSessions; failures: unknown[] } {
  const sessions = new FakeSessions();
  const failures: unknown[] = [];
  const options: HttpAppOptions = {
    sessions,
    assets: VIEWER_ASSETS,
    health: () => ["warming up"],
    metricsText: () => Promise.resolve("metrics 1\n"),
    sessionsJson: () => [],
    portsJson: () => [],
    pathChecks: {
      open: () => Promise.resolve({ id: "id", expiresInMs: 1_000, ports: [] }),
      report: (id) => (id === "x" ? [] : undefined),
    },
    site: () => ({ allowedOrigins: ["https://page.example"] }),
    access,
    log: {
      ...NULL_LOGGER,
      // That a client left in the middle of its body is Deno's news, and no failure of the app.
      error: (_, { error, ...rest } = {}) =>
        /read request body/.test(String(error)) || failures.push({ error, ...rest }),
    },
    meter: NULL_METER,
    // A handshake that is right by chance has no connection behind it, and its deadline would outlast the test.
    clock: new FakeClock(),
  };
  return { app: createHttpApp(options), sessions, failures };
}

fuzz("createHttpApp: any path, method and header gets an answer that is no failure of the server", {
  seed: 8,
  open: () => open(),
  async feed({ app, failures }, random) {
    const method = random.pick(METHODS);
    const url = `http://127.0.0.1:9000${hostilePath(random)}`;
    const request = new Request(url, { method, headers: hostileHeaders(random) });
    const response = await app(request, NO_CONNECTION);
    assert.deepEqual(failures, [], url);
    assert.ok(response.status < 500 || response.status === 503, `${response.status} for ${url}`);
    assert.equal(response.headers.get("X-Content-Type-Options"), "nosniff", url);
    if (response.status >= 400) {
      assert.ok((await response.text()).length < 500, url);
    }
    return String(response.status);
  },
  reaches: ["200", "400", "401", "403", "404", "426", "429", "503"],
});

/**
 * A request as bytes, good or not. None asks for a WebSocket: Deno never settles the upgrade of a client that leaves in
 * the middle of it, which would count as a leak of this test.
 */
function hostileRequest(random: Random): Uint8Array {
  const lines = [`${random.pick(METHODS)} ${hostilePath(random)} HTTP/1.1`];
  // What has many of them is refused for the first; what has few gets as far as the app.
  const rare = random.pick([3, 15, 60]);
  if (!random.oneIn(rare)) lines.push("Host: 127.0.0.1:9000");
  for (const [name, values] of Object.entries(HEADERS)) {
    if (name !== "Upgrade" && random.oneIn(rare)) lines.push(`${name}: ${random.pick(values)}`);
  }
  if (random.oneIn(4)) lines.push(`${hostileText(random)}: ${hostileText(random)}`);
  const bytes = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
  return random.oneIn(3) ? random.mutate(bytes) : bytes;
}

/**
 * Connections that are open at a time. When there are so many, the oldest gives up: it waits for the rest of what seems
 * to be cut off, while all that came after it was looked at. A time alone would judge the load of the host.
 */
const TALKS_MAX = 32;

/** How long one of so many may take to end by itself, in milliseconds. */
const PATIENCE_MS = 10;

/** One client's connection. */
class Talk {
  /** Whether it is over. */
  outcome: string | undefined;
  readonly over: Promise<void>;
  #connection: Deno.TcpConn | undefined;

  /** Sends the bytes, waits for the first of an answer, or not, and leaves. */
  constructor(request: Uint8Array, { port, leaves }: { port: number; leaves: boolean }) {
    this.over = this.#run(request, { port, leaves }).then((outcome) => {
      this.outcome ??= outcome;
    });
  }

  giveUp(): void {
    if (this.outcome !== undefined || this.#connection === undefined) return;
    this.outcome = "no answer";
    this.#connection.close();
  }

  async #run(
    request: Uint8Array,
    { port, leaves }: { port: number; leaves: boolean },
  ): Promise<string> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(request);
    const answer = new Uint8Array(20);
    this.#connection = connection;
    const bytes = leaves ? 0 : await connection.read(answer).catch(() => null);
    if (this.outcome === undefined) connection.close();
    if (leaves) return "left";
    return bytes === null ? "closed" : new TextDecoder().decode(answer).slice(9, 12);
  }
}

/** Waits until there is room for another one. @returns Those that are over. */
async function makeRoom(talks: Talk[]): Promise<string[]> {
  if (talks.length >= TALKS_MAX) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, PATIENCE_MS));
    await Promise.race([late, ...talks.map(({ over }) => over)]);
    clearTimeout(timer);
    if (talks.every(({ outcome }) => outcome === undefined)) {
      talks[0]?.giveUp();
      await talks[0]?.over;
    }
  }
  const over = talks.filter(({ outcome }) => outcome !== undefined);
  talks.splice(0, talks.length, ...talks.filter((talk) => !over.includes(talk)));
  return over.map(({ outcome }) => outcome ?? "");
}

fuzz("createHttpApp: bytes that are hardly HTTP leave the server serving", {
  seed: 9,
  // Each is a TCP connection of its own, which costs a quarter of a millisecond or more.
  inputs: 5_000,
  perRound: 5_000,
  async open() {
    const check = createAccessCheck(SECRET);
    // The token is looked at as always, and then let in for one session.
    const parts = open(async (request, purpose) => {
      const access = await check(request, purpose);
      const letIn = typeof purpose === "object" && purpose.session === "main";
      return access ?? (letIn ? { viewerOnly: false } : undefined);
    });
    const server = await serveApp(parts.app);
    return { ...parts, server, talks: [] as Talk[], outcomes: [] as string[] };
  },
  async feed({ server, failures, talks, outcomes }, random) {
    const { port } = server.address;
    talks.push(new Talk(hostileRequest(random), { port, leaves: random.oneIn(3) }));
    outcomes.push(...await makeRoom(talks));
    assert.deepEqual(failures, []);
    return outcomes.shift() ?? "begun";
  },
  async close({ server, sessions, failures, talks }) {
    while (talks.length > 0) {
      for (const talk of talks) talk.giveUp();
      await Promise.race(talks.map(({ over }) => over));
      await makeRoom(talks);
    }
    const response = await fetch(`http://127.0.0.1:${server.address.port}/healthz`);
    assert.equal(await response.text(), "ok\n");
    await server.close();
    assert.ok(sessions.viewers.every(({ fate }) => fate !== "attached"));
    assert.deepEqual(failures, []);
  },
  reaches: ["200", "400", "404", "503", "left"],
  growthBytesMax: 5_000_000,
});
