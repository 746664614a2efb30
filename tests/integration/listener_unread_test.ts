import assert from "assert";
import type { HttpApp } from "../../src/signalling/http_app.ts";
import { countSockets } from "../support/network/own_sockets.ts";
import { eventually, within } from "../support/deadline.ts";
import { GET, listen, pass, type TestListener } from "../support/parts/test_listener.ts";

const CLIENTS = 5;

/** More than the host holds for a connection, at both ends. */
const REQUESTS = 40;
const ANSWER = new Uint8Array(1024 * 1024);
const answers: HttpApp = () => Promise.resolve(new Response(ANSWER));

/** Connects, asks many times, and reads nothing. */
async function connectUnread(server: TestListener, caCerts?: string[]): Promise<Deno.Conn> {
  const address = { hostname: "127.0.0.1", port: server.port };
  const connection = caCerts === undefined
    ? await Deno.connect(address)
    : await Deno.connectTls({ ...address, caCerts });
  const bytes = new TextEncoder().encode(`${GET}\r\n`.repeat(REQUESTS));
  assert.equal(await connection.write(bytes), bytes.length);
  return connection;
}

async function connectAll(server: TestListener, caCerts?: string[]): Promise<Deno.Conn[]> {
  const clients: Deno.Conn[] = [];
  while (clients.length < CLIENTS) clients.push(await connectUnread(server, caCerts));
  return clients;
}

/** Lets the time pass until the server has none of these clients any more. */
async function letsGo(
  server: TestListener,
  before: number,
): Promise<void> {
  await eventually(() => {
    server.clock.advance(1000);
    // Their own ends stay open.
    return countSockets() <= before + CLIENTS;
  }, { what: () => `for ${countSockets() - before - CLIENTS} sockets to go` });
}

/** Closes clients, and waits for their ends of the connections: the next test counts sockets too. */
async function closeAll(clients: readonly Deno.Conn[], before: number): Promise<void> {
  for (const client of clients) client.close();
  await eventually(() => countSockets() <= before, {
    what: () => `for ${countSockets() - before} sockets of clients to go`,
  });
}

/** The options of a listener with TLS, and what its clients trust. */
async function certificate(): Promise<{ tls: { cert: string; key: string }; trusted: string[] }> {
  const path = await Deno.makeTempDir();
  const tls = { cert: `${path}/live.pem`, key: `${path}/live.key` };
  const { success } = await new Deno.Command("openssl", {
    args: `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=live
      -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE
      -keyout ${tls.key} -out ${tls.cert}`.split(/\s+/),
    stderr: "null",
  }).output();
  assert.ok(success);
  return { tls, trusted: [await Deno.readTextFile(tls.cert)] };
}

Deno.test("Listener: clients that ask and read nothing keep no descriptor when they have had their time", async () => {
  await using server = await listen({ app: answers });
  const before = countSockets();
  const clients = await connectAll(server);
  await letsGo(server, before);
  await closeAll(clients, before);
});

Deno.test("Listener: over TLS too, clients that read nothing keep no descriptor", async () => {
  const { tls, trusted } = await certificate();
  await using server = await listen({ app: answers, tls });
  const before = countSockets();
  const clients = await connectAll(server, trusted);
  await letsGo(server, before);
  await closeAll(clients, before);
});

Deno.test("Listener: over TLS a client that reads nothing makes room for another, descriptor and all", async () => {
  const { tls, trusted } = await certificate();
  await using server = await listen({ app: answers, tls, connectionsMax: CLIENTS });
  const before = countSockets();
  const clients = await connectAll(server, trusted);
  // As many as fit, until their answers fill what the host holds.
  await pass(server.clock, 100);
  clients.push(await connectUnread(server, trusted));
  const expected = before + 2 * CLIENTS + 1;
  await eventually(() => countSockets() === expected, {
    what: () => `for ${countSockets() - expected} sockets to go`,
  });
  await closeAll(clients, before);
});

Deno.test({
  name: "Listener: without FFI the server closes all the same while clients read nothing over TLS",
  permissions: { net: true, read: true, write: true, run: ["openssl"], ffi: false },
  fn: async () => {
    const { tls, trusted } = await certificate();
    const server = await listen({ app: answers, tls });
    const clients = await connectAll(server, trusted);
    await pass(server.clock, 100);
    const closed = Promise.resolve(server[Symbol.asyncDispose]());
    await within(closed, { what: "for the server to close" });
    for (const client of clients) client.close();
  },
});
