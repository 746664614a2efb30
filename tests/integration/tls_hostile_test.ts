import assert from "assert";
import { Buffer } from "node:buffer";
import { connect as connectTls } from "node:tls";
import { CLIENT_STUCK_MS, REQUEST_WAIT_MS } from "../../src/signalling/limits.ts";
import { eventually, within } from "../support/deadline.ts";
import { heldBytes } from "../support/machine/memory.ts";
import { writeCertificate } from "../support/network/openssl.ts";
import { countSockets } from "../support/network/own_sockets.ts";
import { RawClient } from "../support/clients/raw_client.ts";
import { GET, listen, type TestListener } from "../support/parts/test_listener.ts";
import {
  clientHello,
  CONTENT,
  prefixed,
  record,
  serverName,
  Tls13Client,
} from "../support/clients/tls13_client.ts";

/** Clients of each attack. */
const CLIENTS = 3;

/** Longest wait that any client has. */
const TIME_MS = Math.max(REQUEST_WAIT_MS, CLIENT_STUCK_MS) + 1000;

/** What may stay in use after an attack: code that was compiled, and the runtime's pools. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes that an attacker tries to leave behind. */
const MUCH_BYTES = 32 * 1024 * 1024;

const ASK = Buffer.from(`${GET}Connection: close\r\n\r\n`);

/** A listener with TLS, a listener's certificate, and its folder. */
interface Attacked extends AsyncDisposable {
  readonly server: TestListener;
  readonly tls: { readonly cert: string; readonly key: string };
}

async function open(): Promise<Attacked> {
  const folder = await Deno.makeTempDir();
  await writeCertificate(folder, { name: "127.0.0.1" });
  const tls = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  const server = await listen({ tls });
  return {
    server,
    tls,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Asks as an honest client. */
async function isAnswered({ port }: TestListener): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
    socket.write(ASK);
  });
  let heard = "";
  socket.on("data", (bytes: Buffer) => heard += bytes);
  socket.on("error", reject);
  socket.on("close", () => resolve(heard));
  assert.match(await within(promise, { what: "for an answer" }), /^HTTP\/1\.1 200 /);
}

const hello = (options = {}) => record(CONTENT.handshake, clientHello(options), 0x0301);
const repeated = (count: number, bytes: Uint8Array) => Buffer.concat(new Array(count).fill(bytes));
const inRecords = (type: number, bytes: Uint8Array, each: number) =>
  Buffer.concat(
    Array.from(
      { length: Math.ceil(bytes.length / each) },
      (_, at) => record(type, bytes.subarray(at * each, (at + 1) * each)),
    ),
  );
const MODERN = { versions: [0x0304] };

/** What is said instead of a handshake, and the alert that it is answered at most (RFC 8446 §6.2). */
const SAID: Readonly<Record<string, readonly [Uint8Array, ...alerts: number[]]>> = {
  "a ClientHello of SSL 2": [
    Buffer.from(
      "802e0100020015000000100100800300800700c006004002008004008000000a" + "aa".repeat(16),
      "hex",
    ),
    10,
    50,
    70,
  ],
  "a ClientHello of SSL 3": [hello({ version: 0x0300 }), 70],
  "a ClientHello of TLS 1.0": [hello({ version: 0x0301 }), 70],
  "a ClientHello of TLS 1.1": [hello({ version: 0x0302 }), 70],
  "a ClientHello of versions that there will be": [hello({ versions: [0x0a0a, 0x0305] }), 70],
  "no common cipher": [hello({ ciphers: [0x0005, 0x000a, 0x002f] }), 40],
  "no common cipher of TLS 1.3": [hello({ ...MODERN, ciphers: [0x1304] }), 40],
  "no cipher at all": [hello({ ciphers: [] }), 40, 50],
  "a point that is on no curve": [
    hello({ ...MODERN, share: Buffer.alloc(65, 4) }),
    40,
    47,
    50,
    10,
  ],
  "an empty list of names": [hello({ ...MODERN, serverName: prefixed(2) }), 47, 50],
  "an empty name": [hello({ ...MODERN, serverName: serverName("") }), 47, 50, 112],
  "names that contradict each other": [
    hello({
      ...MODERN,
      serverName: prefixed(2, serverName("a.test").subarray(2), serverName("b.test").subarray(2)),
    }),
    47,
    50,
  ],
  "garbage": [crypto.getRandomValues(new Uint8Array(4096)), 10, 22, 50, 70],
  "HTTP in clear text": [ASK, 10, 22, 50, 70],
  "a record that claims 65,535 bytes": [
    Buffer.concat([Buffer.from("160301ffff", "hex"), Buffer.alloc(70_000)]),
    10,
    22,
    50,
  ],
  "a message that claims 16 MiB, and goes on": [
    inRecords(
      CONTENT.handshake,
      Buffer.concat([Buffer.from("01ffffff", "hex"), Buffer.alloc(MUCH_BYTES)]),
      16_384,
    ),
    10,
    22,
    47,
    50,
  ],
  "the beginning of a message that claims 16 MiB": [
    record(CONTENT.handshake, Buffer.from("01ffffff0303", "hex")),
    10,
    22,
    47,
    50,
  ],
  "a Finished first": [
    record(CONTENT.handshake, Buffer.from("1400000c" + "00".repeat(12), "hex")),
    10,
  ],
  "application data first": [record(CONTENT.data, Buffer.alloc(100)), 10],
  "thousands of empty records": [
    repeated(5000, record(CONTENT.handshake, Buffer.alloc(0))),
    10,
    50,
  ],
  "thousands of warnings": [repeated(5000, record(CONTENT.alert, Buffer.of(1, 90))), 10, 50],
  "thousands of ChangeCipherSpec": [repeated(5000, record(CONTENT.ccs, Buffer.of(1))), 10],
  "a ClientHello, then thousands of ChangeCipherSpec": [
    Buffer.concat([hello(MODERN), repeated(5000, record(CONTENT.ccs, Buffer.of(1)))]),
    10,
  ],
  "a ClientHello, then thousands of warnings": [
    Buffer.concat([hello(MODERN), repeated(5000, record(CONTENT.alert, Buffer.of(1, 90)))]),
    10,
    20,
    50,
  ],
  "a second ClientHello": [Buffer.concat([hello(MODERN), hello(MODERN)]), 10, 20],
};

/** Of these, the first message is a good one, and what follows the server's answer is encrypted. */
const GREETED_FIRST = new Set([
  "a ClientHello, then thousands of ChangeCipherSpec",
  "a ClientHello, then thousands of warnings",
  "a second ClientHello",
]);

/** Ways to be a good client so far: each of these is answered by a ServerHello. */
const GREETED: Readonly<Record<string, Uint8Array>> = {
  "a ClientHello of TLS 1.2": hello(),
  "a ClientHello of TLS 1.3": hello(MODERN),
  "a ClientHello for another name": hello({ ...MODERN, serverName: serverName("other.test") }),
  "a ClientHello for a name that is an address": hello({
    ...MODERN,
    serverName: serverName("127.0.0.1"),
  }),
  "a ClientHello in records of one byte": inRecords(CONTENT.handshake, clientHello(MODERN), 1),
};

/** Expects that what the server wrote are alerts alone, and of these. */
function expectAlerts(name: string, bytes: Buffer, alerts: readonly number[]): void {
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at];
    const length = bytes.readUInt16BE(at + 3);
    const body = bytes.subarray(at + 5, at + 5 + length);
    const isGreeting = [CONTENT.handshake, CONTENT.ccs, CONTENT.data].some((each) => each === type);
    if (!(isGreeting && GREETED_FIRST.has(name))) {
      assert.equal(type, CONTENT.alert, `${name}: ${bytes.subarray(at, at + 40).toString("hex")}`);
      assert.ok(alerts.includes(body[1] ?? -1), `${name}: alert ${body[1]}`);
    }
    at += 5 + length;
  }
}

/** Attacks, then expects that another client is answered, and that nothing of the attack is left. */
async function attack(
  { server }: Attacked,
  act: () => Promise<void>,
  { what }: { readonly what: string },
): Promise<void> {
  const sockets = countSockets();
  await act();
  await isAnswered(server);
  await eventually(() => {
    server.clock.advance(1000);
    return countSockets() <= sockets;
  }, { what: () => `for ${countSockets() - sockets} sockets to go after ${what}` });
}

Deno.test("TLS: what is no handshake is answered by its alert at most, and leaves nothing behind", async () => {
  await using attacked = await open();
  const { server } = attacked;
  await isAnswered(server);
  const before = heldBytes();
  for (const [what, [bytes, ...alerts]] of Object.entries(SAID)) {
    await attack(attacked, async () => {
      using clients = new DisposableStack();
      const all: RawClient[] = [];
      for (let count = 0; count < CLIENTS; count++) {
        const address = { hostname: "127.0.0.1", port: server.port };
        const client = clients.use(new RawClient(await Deno.connect(address)));
        all.push(client);
        await client.say(bytes);
      }
      await isAnswered(server);
      server.clock.advance(TIME_MS);
      const over = () => all.every(({ isOver }) => isOver);
      await eventually(over, { what: `for the connections to end after ${what}` });
      for (const { heard } of all) expectAlerts(what, Buffer.concat(heard), alerts);
    }, { what });
  }
  const more = heldBytes() - before;
  assert.ok(more < HELD_BYTES_MAX, `${more} bytes more`);
});

Deno.test("TLS: a ClientHello for another name or in pieces of one byte is one, and one that does not go on has its time", async () => {
  await using attacked = await open();
  const { server } = attacked;
  for (const [what, bytes] of Object.entries(GREETED)) {
    for (const piece of [1, bytes.length]) {
      await attack(attacked, async () => {
        const address = { hostname: "127.0.0.1", port: server.port };
        const connection = await Deno.connect(address);
        connection.setNoDelay();
        using client = new RawClient(connection);
        for (let at = 0; at < bytes.length; at += piece) {
          await client.say(bytes.subarray(at, at + piece));
        }
        const greeted = () => client.heard.length > 0;
        await eventually(greeted, { what: `for an answer to ${what} in pieces of ${piece}` });
        assert.equal(client.heard[0]?.[0], CONTENT.handshake, what);
        server.clock.advance(TIME_MS);
        await eventually(() => client.isOver, { what: `for its end after ${what}` });
      }, { what });
    }
  }
});

/** What is said thousands of times on a connection that is established. */
const SAID_LATER: Readonly<Record<string, (client: Tls13Client) => Uint8Array>> = {
  "key updates": (client) => client.keyUpdate(),
  "empty records": (client) => client.seal(CONTENT.data, Buffer.alloc(0)),
  "empty handshake records": (client) => client.seal(CONTENT.handshake, Buffer.alloc(0)),
  "warnings": (client) => client.seal(CONTENT.alert, Buffer.of(1, 90)),
  "ChangeCipherSpec in clear text": () => record(CONTENT.ccs, Buffer.of(1)),
  "ChangeCipherSpec, encrypted": (client) => client.seal(CONTENT.ccs, Buffer.of(1)),
  "pieces of a message that claims 16 MiB": (client) =>
    client.seal(CONTENT.handshake, Buffer.alloc(8192, 0xff)),
  "a ClientHello": (client) => client.seal(CONTENT.handshake, clientHello(MODERN)),
  "session tickets": (client) =>
    client.seal(CONTENT.handshake, Buffer.concat([Buffer.of(4), prefixed(3, Buffer.alloc(40))])),
  "records that cannot be decrypted": () => record(CONTENT.data, Buffer.alloc(100)),
};

const TIMES = 5000;

Deno.test("TLS: floods of what is no data end the connection, and no other one's", async () => {
  await using attacked = await open();
  const { server } = attacked;
  await isAnswered(server);
  const before = heldBytes();
  for (const [what, make] of Object.entries(SAID_LATER)) {
    await attack(attacked, async () => {
      using client = await Tls13Client.connect(server.port);
      for (let count = 0; count < TIMES; count++) {
        if (!await client.say(make(client))) break;
        // Else the server, which is in this process, would not have its turn.
        if (count % 20 === 0) await new Promise((resolve) => setTimeout(resolve));
      }
      server.clock.advance(TIME_MS);
      await within(client.over, { what: `for the end after ${what}` });
    }, { what });
  }
  const more = heldBytes() - before;
  assert.ok(more < HELD_BYTES_MAX, `${more} bytes more`);
});

/** Goes away at some point. */
const LEFT: Readonly<Record<string, (server: TestListener) => Promise<void>>> = {
  "before a word": async ({ port }) =>
    (await Deno.connect({ hostname: "127.0.0.1", port })).close(),
  "within a record's header": (server) => sayAndGo(server, hello().subarray(0, 3)),
  "within a ClientHello": (server) => sayAndGo(server, hello().subarray(0, 50)),
  "after a ClientHello": (server) => sayAndGo(server, hello(MODERN)),
  "after the handshake": async ({ port }) => {
    using _client = await Tls13Client.connect(port);
  },
  "within a request": async ({ port }) => {
    using client = await Tls13Client.connect(port);
    await client.say(client.seal(CONTENT.data, ASK.subarray(0, 20)));
  },
  "within a record of a request": async ({ port }) => {
    using client = await Tls13Client.connect(port);
    await client.say(client.seal(CONTENT.data, ASK).subarray(0, 20));
  },
  "after a request": async ({ port }) => {
    using client = await Tls13Client.connect(port);
    await client.say(client.seal(CONTENT.data, ASK));
  },
  "after its goodbye": async ({ port }) => {
    using client = await Tls13Client.connect(port);
    await client.say(client.seal(CONTENT.alert, Buffer.of(1, 0)));
    await within(client.over, { what: "for the server's" });
  },
};

async function sayAndGo({ port }: TestListener, bytes: Uint8Array): Promise<void> {
  using client = new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  await client.say(bytes);
}

Deno.test("TLS: clients that go at any point leave nothing behind", async () => {
  await using attacked = await open();
  const { server } = attacked;
  for (const [what, go] of Object.entries(LEFT)) {
    const all = () => Promise.all(Array.from({ length: 20 }, () => go(server)));
    await attack(attacked, async () => void await all(), { what });
  }
});

/** Runs openssl s_client with these commands on its standard input. @returns What it printed. */
async function sClient(
  { port }: TestListener,
  { args, says }: { args: readonly string[]; says: readonly string[] },
): Promise<string> {
  const child = new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const input = child.stdin.getWriter();
  for (const line of says) {
    await input.write(new TextEncoder().encode(line)).catch(() => {});
    // Each read of its input is one command.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await input.close().catch(() => {});
  const { stdout, stderr } = await within(output, { what: "for openssl to end" });
  return Buffer.concat([stdout, stderr]).toString();
}

Deno.test("TLS: a client that asks for renegotiation is refused", async () => {
  await using attacked = await open();
  await attack(attacked, async () => {
    const says = ["R\n", "R\n", "R\n"];
    const text = await sClient(attacked.server, { args: ["-tls1_2"], says });
    assert.match(text, /RENEGOTIATING/);
    assert.match(text, /no.renegotiation|alert number 100|closed|wrong|reset|unexpected/i);
  }, { what: "renegotiation" });
});

Deno.test("TLS: a flood of resumptions leaves nothing behind", async () => {
  await using attacked = await open();
  const { server } = attacked;
  await isAnswered(server);
  const before = heldBytes();
  await attack(attacked, async () => {
    let session: Buffer | undefined;
    for (let count = 0; count < 300; count++) {
      const options = { host: "127.0.0.1", port: server.port, rejectUnauthorized: false };
      const socket = connectTls({ ...options, ...(session && { session }) });
      socket.on("session", (ticket: Buffer) => session = ticket);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.on("secureConnect", () => socket.end());
      socket.on("error", () => {});
      await within(closed, { what: "for a connection to close" });
    }
  }, { what: "resumptions" });
  const more = heldBytes() - before;
  assert.ok(more < HELD_BYTES_MAX, `${more} bytes more`);
});
