import assert from "assert";
import type { HttpApp } from "../../src/signalling/http_app.ts";
import {
  CLIENT_STUCK_MS,
  CLIENT_WINDOW_BYTES,
  REQUEST_WAIT_MS,
} from "../../src/signalling/limits.ts";
import { eventually } from "../support/deadline.ts";
import { resetConnections } from "../support/attacks/reset_connections.ts";
import {
  type Client,
  echo,
  frameHead,
  GET,
  listen,
  pass,
  refusals,
  UPGRADE,
} from "../support/parts/test_listener.ts";

Deno.test("Listener: silence, a head that does not end and a kept connection end after a while", async () => {
  await using server = await listen();
  using silent = await server.connect();
  using slow = await server.connect();
  using kept = await server.connect();
  await slow.say(GET);
  await kept.say(`${GET}\r\n`);
  await kept.hears(/^HTTP\/1\.1 200 /);
  await pass(server.clock, REQUEST_WAIT_MS - 2000);
  await slow.say("X-More: 1\r\n");
  await kept.say(`${GET}\r\n`);
  await kept.hears(/200 [^]*200 /);
  assert.ok(!silent.isClosed && !slow.isClosed);
  await pass(server.clock, 3000);
  await Promise.all([silent.done, slow.done]);
  assert.equal(slow.heard, "");
  assert.ok(!kept.isClosed, "it asked in between");
  await pass(server.clock, REQUEST_WAIT_MS);
  await kept.done;
});

Deno.test("Listener: a WebSocket and a request that is being answered may take their time", async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const app: HttpApp = async (request, connection) => {
    if (!request.headers.has("Upgrade")) await answered;
    return await echo(request, connection);
  };
  await using server = await listen({ app });
  using socket = await server.connect();
  using request = await server.connect();
  await socket.say(UPGRADE);
  await socket.hears(/101 /);
  await request.say(`${GET}\r\n`);
  await pass(server.clock, 10 * REQUEST_WAIT_MS);
  answer();
  await request.hears(/200 /);
  await socket.say(frameHead(3));
  await socket.say("abc");
  await socket.hears(/3$/);
});

Deno.test("Listener: an upgrade behind a request that is being answered ends the connection", async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const app: HttpApp = async (request) => {
    if (request.headers.has("Upgrade")) return new Response("Not here\n", { status: 403 });
    await answered;
    return new Response("late\n");
  };
  await using server = await listen({ app });
  using greedy = await server.connect();
  await greedy.say(`${GET}\r\n${UPGRADE}`);
  await greedy.done;
  answer();
  using honest = await server.connect();
  await honest.say(`${GET}\r\n`);
  await honest.hears(/late/);
});

Deno.test("Listener: a message without an end is not held, and ends its connection", async () => {
  await using server = await listen();
  using honest = await server.connect();
  using endless = await server.connect();
  for (const each of [honest, endless]) {
    await each.say(UPGRADE);
    await each.hears(/101 /);
  }
  const text = "x".repeat(CLIENT_WINDOW_BYTES / 2);
  for (let turn = 1; turn <= 6; turn++) {
    await honest.say(frameHead(text.length));
    await honest.say(text);
    await honest.hears(new RegExp(`(${text.length}[^]*){${turn}}`));
  }
  await endless.say(frameHead(60 * 1024 * 1024));
  let said = 0;
  const flood = (async () => {
    for (;;) {
      await endless.say(text);
      said += text.length;
    }
  })().catch(() => {});
  await pass(server.clock, 0);
  await pass(server.clock, CLIENT_STUCK_MS + 1000);
  await endless.done;
  await flood;
  // Beside the window there are the buffers of four sockets.
  assert.ok(said < 48 * 1024 * 1024, `${said} bytes were taken`);
  assert.ok(!honest.isClosed);
});

/** Opens a WebSocket and begins a message, of which `bytes` are sent and the end is not. */
async function beginMessage(client: Client, bytes: number): Promise<void> {
  await client.say(UPGRADE);
  await client.hears(/101 /);
  await client.say(frameHead(CLIENT_WINDOW_BYTES - 1));
  await client.say("x".repeat(bytes));
}

Deno.test("Listener: unfinished messages of many clients together are bounded, and cost the longest first", async () => {
  const { log, reasons } = refusals();
  await using server = await listen({ log, backlogBytesMax: 1024 * 1024 });
  using small = await server.connect();
  await beginMessage(small, 20 * 1024);
  await using crowd = new AsyncDisposableStack();
  const clients: Client[] = [];
  for (let count = 0; count < 9; count++) {
    const client = crowd.use(await server.connect());
    clients.push(client);
    await beginMessage(client, (100 + count) * 1024);
  }
  await clients[0]?.say("x".repeat(128 * 1024));
  await clients[0]?.done;
  await eventually(() => reasons.length > 0, { what: "for the refusal" });
  assert.deepEqual(reasons, ["backlog"]);
  assert.deepEqual(clients.filter(({ isClosed }) => isClosed), [clients[0]]);

  // What was given up is free again: another has as much room.
  using next = await server.connect();
  await beginMessage(next, 100 * 1024);
  await pass(server.clock, 0);
  assert.ok(!next.isClosed && !small.isClosed);
  assert.equal(reasons.length, 1);
});

Deno.test("Listener: bytes count no longer once their message, their request or their client is done", async () => {
  const { log, reasons } = refusals();
  await using server = await listen({ log, backlogBytesMax: 256 * 1024 });
  const text = "x".repeat(100 * 1024);
  using talker = await server.connect();
  await talker.say(UPGRADE);
  await talker.hears(/101 /);
  using poster = await server.connect();
  for (let turn = 1; turn <= 5; turn++) {
    await talker.say(frameHead(text.length));
    await talker.say(text);
    await talker.hears(new RegExp(`(${text.length}[^]*){${turn}}`));
    await poster.say(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    await poster.hears(new RegExp(`(\n${text.length}\n[^]*){${turn}}`));
    using leaver = await server.connect();
    await beginMessage(leaver, text.length);
    await leaver.leave();
  }
  assert.deepEqual(reasons, []);
});

Deno.test("Listener: a WebSocket that is only kept alive holds nothing", async () => {
  const { log, reasons } = refusals();
  await using server = await listen({ log, backlogBytesMax: 8 * 1024 });
  using client = await server.connect();
  await client.say(UPGRADE);
  await client.hears(/101 /);
  // A ping of 125 bytes, masked with zeros.
  const ping = new Uint8Array(131);
  ping.set([0x89, 0x80 | 125]);
  for (let turn = 0; turn < 100; turn++) {
    client.heard = "";
    await client.say(ping);
    await eventually(() => client.heard.length >= 127 || client.isClosed, { what: "for a pong" });
    assert.ok(!client.isClosed, `after ${turn} pings`);
  }
  assert.deepEqual(reasons, []);
});

Deno.test("Listener: HTTP/2 is refused, in however small pieces it begins, and what only looks like it is not", async () => {
  const { log, reasons } = refusals();
  await using server = await listen({ log });
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  using whole = await server.connect();
  await whole.say(`${preface}\0\0\0\x04\0\0\0\0\0`);
  using slow = await server.connect();
  for (const letter of preface) {
    await slow.say(letter);
    await pass(server.clock, 0);
  }
  await Promise.all([whole.done, slow.done]);
  assert.deepEqual([whole.heard, slow.heard], ["", ""]);
  await eventually(() => reasons.length === 2, { what: "for both refusals" });
  assert.deepEqual(reasons, ["http2", "http2"]);
  using upgrading = await server.connect();
  await upgrading.say(`${GET}Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n`);
  await upgrading.say(`X-Text: ${preface.slice(0, 14)}\r\n\r\n`);
  await upgrading.hears(/^HTTP\/1\.1 200 /);
  assert.equal(reasons.length, 2);
});

Deno.test("Listener: connections that are reset before they are accepted hold up no other", async () => {
  await using server = await listen();
  // The clock stands: a pause would not end.
  resetConnections(server.port, 400);
  using client = await server.connect();
  await client.say(`${GET}\r\n`);
  await client.hears(/200 /);
});

Deno.test("Listener: when connections run out, the one that asks for nothing makes room", async () => {
  await using server = await listen({ connectionsMax: 3 });
  using socket = await server.connect();
  await socket.say(UPGRADE);
  await socket.hears(/101 /);
  using idle = await server.connect();
  await pass(server.clock, 10);
  using later = await server.connect();
  await pass(server.clock, 10);
  using guest = await server.connect();
  await guest.say(`${GET}\r\n`);
  await guest.hears(/200 /);
  await idle.done;
  assert.ok(!later.isClosed && !socket.isClosed);
});

Deno.test("Listener: when connections run out, bodies that do not come make room, the oldest first", async () => {
  await using server = await listen({ connectionsMax: 3 });
  const body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12";
  using socket = await server.connect();
  await socket.say(UPGRADE);
  await socket.hears(/101 /);
  using slow = await server.connect();
  await slow.say(body);
  await pass(server.clock, 10);
  using later = await server.connect();
  await later.say(body);
  await pass(server.clock, 10);
  using guest = await server.connect();
  await guest.say(`${GET}\r\n`);
  await guest.hears(/200 /);
  await slow.done;
  assert.ok(!later.isClosed && !socket.isClosed);
  await later.say("345");
  await later.hears(/200 /);
});

Deno.test("Listener: when every connection is in use, one more is closed and the others stay", async () => {
  await using server = await listen({ connectionsMax: 2 });
  using one = await server.connect();
  using two = await server.connect();
  for (const each of [one, two]) {
    await each.say(UPGRADE);
    await each.hears(/101 /);
  }
  using third = await server.connect();
  await third.done;
  assert.equal(third.heard, "");
  for (const each of [one, two]) {
    await each.say(frameHead(2));
    await each.say("ab");
    await each.hears(/2$/);
  }
});

Deno.test("Listener: there is no port behind it, and each connection takes one descriptor", async () => {
  await using server = await listen();
  const before = await ownSockets();
  assert.deepEqual(
    (await listeningPorts(before)).filter((port) => port !== server.port),
    [],
  );
  await using clients = new AsyncDisposableStack();
  for (let count = 0; count < 20; count++) {
    const client = clients.use(await server.connect());
    await client.say(count < 10 ? `${GET}\r\n` : UPGRADE);
    await client.hears(/200 |101 /);
  }
  // One at each end.
  assert.equal((await ownSockets()).size - before.size, 40);
});

/** TCP ports on which these sockets of this process listen. */
async function listeningPorts(own: ReadonlySet<string>): Promise<number[]> {
  const ports: number[] = [];
  for (const line of (await Deno.readTextFile("/proc/net/tcp")).split("\n")) {
    const [, local = "", , state = "", ...rest] = line.trim().split(/\s+/);
    const isOwn = rest[5] !== undefined && own.has(rest[5]);
    if (state === "0A" && isOwn) ports.push(parseInt(local.split(":")[1] ?? "", 16));
  }
  return ports;
}

/** Inode numbers of this process's sockets. */
async function ownSockets(): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    const link = await Deno.readLink(`/proc/self/fd/${name}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    if (inode !== undefined) found.add(inode);
  }
  return found;
}
