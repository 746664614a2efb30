import assert from "assert";
import { ViewerError } from "../../src/session/session_api.ts";
import type { HttpAppOptions } from "../../src/signalling/http_app.ts";
import { CLIENT_MESSAGE_BYTES_MAX } from "../../src/signalling/limits.ts";
import { FAKE_CANDIDATE, serveFakeSessions, until } from "../support/parts/fake_sessions.ts";
import { Random } from "../support/random.ts";

/** Signalling on a free port of loopback. */
async function serve(options: Partial<HttpAppOptions> = {}) {
  const server = await serveFakeSessions(options);
  return { ...server, url: `ws://127.0.0.1:${server.port}` };
}

/** A client with a real WebSocket. */
class Client {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #opened: Promise<void>;
  readonly #waiting: ((message: Record<string, unknown>) => void)[] = [];
  readonly #messages: Record<string, unknown>[] = [];

  constructor(url: string, headers: Record<string, string> = {}) {
    // Deno takes options here; where a file asks for the types of the DOM, those of Deno do not count.
    this.socket = new WebSocket(url, { headers } as unknown as string[]);
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason }) => resolve({ code, reason });
    });
    this.#opened = new Promise((resolve, reject) => {
      this.socket.onopen = () => resolve();
      this.socket.onerror = () => reject(new Error("The WebSocket did not open"));
    });
    this.socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#messages.push(message);
      else waiting(message);
    };
  }

  static async open(url: string, headers?: Record<string, string>): Promise<Client> {
    const client = new Client(url, headers);
    await client.#opened;
    return client;
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  next(): Promise<Record<string, unknown>> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Offers, and takes what an answered offer brings. */
  async join(): Promise<Record<string, unknown>> {
    this.say({ type: "offer", sdp: "v=0" });
    const answer = await this.next();
    assert.equal(answer.type, "answer");
    assert.deepEqual(await this.next(), { type: "candidate", candidate: FAKE_CANDIDATE });
    assert.deepEqual(await this.next(), { type: "state", state: "connecting" });
    return answer;
  }

  async leave(): Promise<void> {
    this.socket.close(1000);
    await this.closed;
  }
}

Deno.test("WebSockets: a whole conversation over a real socket", async () => {
  await using server = await serve();
  const client = await Client.open(`${server.url}/ws/main`);
  const answer = await client.join();
  assert.deepEqual(answer, { type: "answer", sdp: "v=0\r\n", viewer: server.sessions.latest.id });
  assert.equal(server.sessions.requests[0]?.reachedHost, "127.0.0.1");
  server.sessions.latest.become("connected");
  assert.deepEqual(await client.next(), { type: "state", state: "connected" });
  client.say({ type: "bye" });
  assert.equal((await client.closed).code, 1000);
  assert.equal(server.sessions.latest.fate, "bye");
});

Deno.test("WebSockets: the dialect of existing pages, end to end", async () => {
  await using server = await serve();
  const client = await Client.open(`${server.url}/ws/main`);
  client.say({ type: "webrtc_offer", sdp: "v=0", user_id: "u1", avatar_id: "anna" });
  const { timestamp, ...answer } = await client.next();
  assert.deepEqual(answer, { type: "webrtc_answer", sdp: "v=0\r\n" });
  assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60);
  assert.deepEqual(await client.next(), {
    type: "webrtc_ice_candidate",
    candidate: FAKE_CANDIDATE,
  });
  assert.equal((await client.next()).type, "webrtc_state");
  client.say({ type: "webrtc_ice_candidate", candidate: FAKE_CANDIDATE });
  client.say({ type: "text_input", text: "hello" });
  await until(() => server.sessions.latest.heard.length > 0);
  assert.deepEqual(server.sessions.latest.heard, ['{"type":"text_input","text":"hello"}']);
  server.sessions.latest.say('{"type":"asr","text":"hi"}');
  assert.deepEqual(await client.next(), { type: "asr", text: "hi" });
  server.sessions.latest.end(new ViewerError("renderer_failed", "The renderer failed"));
  const { type, content, code } = await client.next();
  assert.deepEqual([type, content, code], ["error", "The renderer failed", "renderer_failed"]);
  assert.equal((await client.closed).code, 4500);
});

Deno.test("WebSockets: pages of other origins are told so", async () => {
  await using server = await serve({
    site: () => ({ allowedOrigins: ["https://friend.example"] }),
  });
  const stranger = await Client.open(`${server.url}/ws/main`, { Origin: "https://evil.example" });
  const { type, code, message } = await stranger.next();
  assert.deepEqual([type, code], ["error", "origin_not_allowed"]);
  assert.match(String(message), /Pages of "https:\/\/evil\.example" .* server\.allowed_origins/);
  assert.equal((await stranger.closed).code, 4403);
  for (const Origin of ["https://friend.example", server.url.replace("ws:", "http:")]) {
    const friend = await Client.open(`${server.url}/ws/main`, { Origin });
    await friend.join();
    await friend.leave();
  }
});

Deno.test("WebSockets: an oversized message closes its own socket only", async () => {
  await using server = await serve();
  const bystander = await Client.open(`${server.url}/ws/other`);
  await bystander.join();
  for (const length of [CLIENT_MESSAGE_BYTES_MAX + 1, 4 * CLIENT_MESSAGE_BYTES_MAX]) {
    const client = await Client.open(`${server.url}/ws/main`);
    client.socket.send("x".repeat(length));
    assert.equal((await client.next()).code, "bad_message");
    assert.equal((await client.closed).code, 4400);
  }
  bystander.say({ type: "message", data: "x".repeat(CLIENT_MESSAGE_BYTES_MAX - 100) });
  await until(() => server.sessions.latest.heard.length === 1);
  await bystander.leave();
});

Deno.test("WebSockets: long reasons are cut to what a close frame holds", async () => {
  await using server = await serve();
  server.sessions.gate = () => Promise.reject(new ViewerError("bad_sdp", "ü".repeat(500)));
  const client = await Client.open(`${server.url}/ws/main`);
  client.say({ type: "offer", sdp: "" });
  assert.equal((await client.next()).message, "ü".repeat(500));
  assert.deepEqual(await client.closed, { code: 4400, reason: "ü".repeat(61) });
});

Deno.test("WebSockets: thousands of garbage messages, and then a normal connection", async () => {
  await using server = await serve();
  const random = new Random(20_261_122);
  const misbehave = async () => {
    const client = await Client.open(`${server.url}/ws/main`);
    for (let i = 0; i < 10; i++) client.socket.send(garbage(random));
    await client.closed;
  };
  for (let round = 0; round < 8; round++) {
    await Promise.all(Array.from({ length: 40 }, misbehave));
  }
  await until(() => server.sessions.viewers.every(({ isAlive }) => !isAlive));
  const client = await Client.open(`${server.url}/ws/main`);
  await client.join();
  await client.leave();
});

/** A message that is broken in one way or another, in a few cases only a wrong one. */
function garbage(random: Random): string | Uint8Array {
  const type = random.pick([
    "offer",
    "candidate",
    "resume",
    "message",
    "webrtc_offer",
    "",
    "__proto__",
  ]);
  const value = random.pick([null, -1, [], {}, "x".repeat(random.below(5000)), { sdp: {} }]);
  const text = JSON.stringify({ type, sdp: value, candidate: value, viewer: value, data: value });
  if (random.oneIn(4)) return new Uint8Array(random.below(300));
  if (random.oneIn(2)) return text.slice(0, random.below(text.length));
  return random.oneIn(2) ? text : text.replaceAll('"', random.pick(["'", "\u0000", "[", "\\"]));
}

Deno.test("WebSockets: sockets have a limit, and one that is gone leaves its place", async () => {
  await using server = await serve({ webSockets: { socketsMax: 2 } });
  for (let i = 0; i < 20; i++) await breakOff(server.port);
  const first = await watching(server.url, "a");
  const second = await watching(server.url, "b");
  await assert.rejects(Client.open(`${server.url}/ws/c`));
  await first.leave();
  await (await openSoon(`${server.url}/ws/c`)).leave();
  await second.leave();
});

Deno.test("WebSockets: when all are taken, the oldest without a viewer makes room", async () => {
  await using server = await serve({ webSockets: { socketsMax: 2 } });
  const viewer = await watching(server.url, "a");
  const silent = await openSoon(`${server.url}/ws/b`);
  const second = await watching(server.url, "c");
  assert.equal((await silent.next()).code, "internal");
  await silent.closed;
  // Both have viewers now.
  await assert.rejects(Client.open(`${server.url}/ws/d`));
  await viewer.leave();
  await second.leave();
});

Deno.test("WebSockets: a client that leaves before the server answers its handshake keeps no place", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let asked = 0;
  await using server = await serve({
    webSockets: { socketsMax: 1 },
    access: async () => {
      asked += 1;
      if (asked === 1) await released;
      return { viewerOnly: false };
    },
  });
  await breakOff(server.port);
  await until(() => asked === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  release();
  const viewer = await watching(server.url, "a");
  await viewer.leave();
});

/** Asks for a WebSocket and is gone before it opens. */
async function breakOff(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const lines = [
    "GET /ws/main HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  await connection.write(new TextEncoder().encode([...lines, "", ""].join("\r\n")));
}

/** Opens a WebSocket as soon as the server has noticed that former ones are gone. */
/** A client that has a viewer. */
async function watching(url: string, session: string): Promise<Client> {
  const client = await openSoon(`${url}/ws/${session}`);
  await client.join();
  return client;
}

async function openSoon(url: string): Promise<Client> {
  for (;;) {
    try {
      return await Client.open(url);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

Deno.test("WebSockets: when the server goes down, every socket is told", async () => {
  const shutdown = new AbortController();
  await using server = await serve({ webSockets: { signal: shutdown.signal } });
  const joined = await Client.open(`${server.url}/ws/main`);
  await joined.join();
  const idle = await Client.open(`${server.url}/ws/main`);
  shutdown.abort();
  const late = await Client.open(`${server.url}/ws/main`);
  for (const client of [joined, idle, late]) {
    assert.equal((await client.next()).code, "shutting_down");
    assert.equal((await client.closed).code, 1001);
  }
  assert.equal(server.sessions.latest.fate, "bye");
});
