import assert from "assert";
import {
  type FakeSessionsServer,
  serveFakeSessions,
  until,
} from "../support/parts/fake_sessions.ts";

const UTF8 = new TextEncoder();

/** Closes with 1001, what browsers send when their page goes (RFC 6455 §7.4.1). */
const GOING_AWAY = new Uint8Array([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);

/** A text frame of a client, masked with zeros (RFC 6455 §5.2). */
function textFrame(text: string): Uint8Array<ArrayBuffer> {
  const payload = UTF8.encode(text);
  assert.ok(payload.length < 126);
  return new Uint8Array([0x81, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

/** A WebSocket by hand, which can misbehave below what a WebSocket lets a program do, and answers no ping. */
class RawClient implements Disposable {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Opens a WebSocket and has an offer answered, or says `first` instead. */
  static async open(
    { port, sessions }: FakeSessionsServer,
    first = '{"type":"offer","sdp":""}',
  ): Promise<RawClient> {
    const client = new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
    const lines = [
      "GET /ws/main HTTP/1.1",
      "Host: localhost",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    await client.write(UTF8.encode([...lines, "", ""].join("\r\n")));
    await client.read(/101 Switching Protocols/);
    await client.write(textFrame(first));
    await client.read(/"type":"state"/);
    assert.equal(sessions.latest.fate, "attached");
    return client;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#connection.write(bytes);
  }

  /** Reads until the bytes, taken as text, hold `pattern`. */
  async read(pattern: RegExp): Promise<string> {
    const buffer = new Uint8Array(4096);
    let text = "";
    while (!pattern.test(text)) {
      const length = await this.#connection.read(buffer);
      assert.notEqual(length, null, `closed after ${JSON.stringify(text)}`);
      text += new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    }
    return text;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

Deno.test("departureOf: 1000, 1001 and a close without a code end the viewer", async () => {
  await using server = await serveFakeSessions();
  const frames = [
    [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8],
    GOING_AWAY,
    [0x88, 0x80, 0, 0, 0, 0],
  ];
  for (const frame of frames) {
    using client = await RawClient.open(server);
    await client.write(new Uint8Array(frame));
    await until(() => server.sessions.latest.fate === "bye");
  }
});

Deno.test("departureOf: any other code lets go of the viewer", async () => {
  await using server = await serveFakeSessions();
  using client = await RawClient.open(server);
  // 4000
  await client.write(new Uint8Array([0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0]));
  await until(() => server.sessions.latest.fate === "detached");
});

Deno.test("departureOf: a connection that breaks off lets go of its viewer", async () => {
  await using server = await serveFakeSessions();
  const lastBytes = [
    [],
    // The head of a frame whose rest never comes.
    [0x81, 0xfe, 0xff],
    // Text that is no UTF-8.
    [0x81, 0x81, 0, 0, 0, 0, 0xff],
    // The head of a frame of 4 GiB.
    [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
  ];
  for (const bytes of lastBytes) {
    {
      using client = await RawClient.open(server);
      await client.write(new Uint8Array(bytes));
    }
    await until(() => server.sessions.latest.fate === "detached");
  }
});

Deno.test("departureOf: a client that answers no ping counts as broken off", async () => {
  await using server = await serveFakeSessions({ webSockets: { idleS: 0.5 } });
  using _silent = await RawClient.open(server);
  await until(() => server.sessions.latest.fate === "detached");
});

Deno.test("ViewerConnection: a broken-off viewer is taken up again on a new socket, then ended by it", async () => {
  await using server = await serveFakeSessions();
  const former = await RawClient.open(server);
  const viewer = server.sessions.latest;
  // The former connection is still open on this side when the page is back: a tunnel broke, and nobody said so.
  const resume = JSON.stringify({ type: "resume", viewer: viewer.id });
  using second = await RawClient.open(server, resume);
  former[Symbol.dispose]();
  viewer.become("connected");
  assert.match(await second.read(/connected/), /"state":"connected"/);
  await second.write(GOING_AWAY);
  await until(() => viewer.fate === "bye");
  assert.equal(server.sessions.viewers.length, 1);
});
