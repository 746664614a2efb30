import assert from "assert";
import type { HttpApp } from "../../src/signalling/http_app.ts";
import {
  CLIENT_WINDOW_BYTES,
  FRAME_PIECES_MAX,
  MESSAGE_FRAGMENTS_MAX,
} from "../../src/signalling/limits.ts";
import { type Client, echo, frameHead, listen, UPGRADE } from "../support/parts/test_listener.ts";

/** The close frame for a client that breaks a limit, as text: 1008 (RFC 6455 §7.4.1), without a reason. */
const POLICY_CLOSE = new RegExp(new TextDecoder().decode(new Uint8Array([0x88, 2, 0x03, 0xf0])));

/** One byte of a text, masked with zeros: the first of a message, one between, or the last. */
function fragment(place: "first" | "between" | "last"): number[] {
  const head = { first: 0x01, between: 0x00, last: 0x80 }[place];
  return [head, 0x80 | 1, 0, 0, 0, 0, 0x78];
}

async function sayFragments(client: Client, count: number): Promise<void> {
  const between = Array(count - 2).fill(fragment("between")).flat();
  await client.say(new Uint8Array([...fragment("first"), ...between, ...fragment("last")]));
}

Deno.test("Listener: a message in more fragments than libraries make of one closes its WebSocket", async () => {
  await using server = await listen();
  using client = await server.connect();
  await client.say(UPGRADE);
  await client.hears(/101 /);
  for (let turn = 1; turn <= 3; turn++) {
    await sayFragments(client, MESSAGE_FRAGMENTS_MAX);
    await client.hears(new RegExp(`(${MESSAGE_FRAGMENTS_MAX}[^]*){${turn}}$`));
  }
  await sayFragments(client, MESSAGE_FRAGMENTS_MAX + 1);
  await client.hears(POLICY_CLOSE);
});

Deno.test("Listener: a frame that drips in byte by byte is not held for long", async () => {
  await using server = await listen();
  using client = await server.connect();
  await client.say(UPGRADE);
  await client.hears(/101 /);
  await client.say(frameHead(CLIENT_WINDOW_BYTES - 1));
  // Several bytes may arrive as one piece.
  for (let said = 0; said < 20 * FRAME_PIECES_MAX && !POLICY_CLOSE.test(client.heard); said++) {
    await client.say("x");
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.match(client.heard, POLICY_CLOSE);
});

/** Refuses what is sent, as it is when a token is missing, and echoes the rest. */
const refusing: HttpApp = async (request, connection) => {
  if (request.headers.has("Authorization")) return await echo(request, connection);
  return new Response("Refused\n", { status: 401 });
};

/** A body in chunks (RFC 9112 §7.1). */
function inChunks(text: string): string {
  const chunks = text.match(/[^]{1,1000}/g) ?? [];
  return [...chunks, ""].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
}

Deno.test("Listener: a body that was not read does not stand before the next request of its connection", async () => {
  await using server = await listen({ app: refusing });
  const text = "x".repeat(200 * 1024);
  const whole = `Content-Length: ${text.length}\r\n\r\n${text}`;
  const chunked = `Transfer-Encoding: chunked\r\n\r\n${inChunks(text)}`;
  for (const method of ["POST", "GET", "TRACE"]) {
    for (const body of [whole, chunked]) {
      using client = await server.connect();
      for (let turn = 1; turn <= 7; turn++) {
        await client.say(`${method} / HTTP/1.1\r\nHost: a\r\n${body}`);
        await client.hears(new RegExp(`(HTTP/1\\.1 40[01] [^]*){${turn}}$`));
      }
      await client.say(`POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n${body}`);
      await client.hears(new RegExp(`200 OK[^]*\n${text.length}\n`));
    }
  }
});

Deno.test("Listener: a body that no request may have ends its connection behind the answer", async () => {
  await using server = await listen({ app: refusing });
  using client = await server.connect();
  const bytes = CLIENT_WINDOW_BYTES + 1;
  await client.say(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
  await client.hears(/^HTTP\/1\.1 401 [^]*connection: close/i);
  await client.say("x".repeat(bytes));
  await client.leave();
});
