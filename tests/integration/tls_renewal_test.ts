import assert from "assert";
import type { Buffer } from "node:buffer";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { eventually, within } from "../support/deadline.ts";
import { writeCertificate } from "../support/network/openssl.ts";
import { countSockets } from "../support/network/own_sockets.ts";
import { frameHead, GET, listen, UPGRADE } from "../support/parts/test_listener.ts";

const RENEWALS = 20;
const ASKING = 20;
const HOLDING = 10;

const ASK = `${GET}Connection: close\r\n\r\n`;

/** A folder with two certificates, of which one is in use. */
async function certificates(): Promise<
  AsyncDisposable & {
    readonly tls: { readonly cert: string; readonly key: string };
    readonly use: (number: number) => Promise<void>;
  }
> {
  const folder = await Deno.makeTempDir();
  for (const name of ["0", "1"]) {
    await Deno.mkdir(`${folder}/${name}`);
    await writeCertificate(`${folder}/${name}`, { name: "127.0.0.1" });
  }
  const tls = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  const use = async (number: number) => {
    await Deno.copyFile(`${folder}/${number % 2}/cert.pem`, tls.cert);
    await Deno.copyFile(`${folder}/${number % 2}/key.pem`, tls.key);
  };
  await use(0);
  return { tls, use, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

function connect(port: number, connected: (socket: TLSSocket) => void): TLSSocket {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
    connected(socket);
  });
  return socket;
}

/** Asks once on a connection that is made for it. @returns The server's certificate. */
async function ask(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let shown = "";
  let heard = "";
  const socket = connect(port, (socket) => {
    shown = String(socket.getPeerCertificate().fingerprint256);
    socket.write(ASK);
  });
  socket.on("data", (bytes: Buffer) => heard += bytes);
  socket.on("error", reject);
  socket.on("close", () => resolve());
  await within(promise, { what: "for an answer" });
  assert.match(heard, /^HTTP\/1\.1 200 /);
  return shown;
}

/** A WebSocket over which something is said now and then. */
class Holder {
  isClosed = false;
  #heard = "";
  readonly #socket: TLSSocket;
  readonly #closed: Promise<void>;

  constructor(port: number) {
    this.#socket = connect(port, (socket) => socket.write(UPGRADE));
    this.#socket.on("data", (bytes: Buffer) => this.#heard += bytes);
    this.#socket.on("error", () => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = promise;
    this.#socket.on("close", () => {
      this.isClosed = true;
      resolve();
    });
  }

  async opened(): Promise<void> {
    await eventually(() => / 101 /.test(this.#heard), { what: "for a WebSocket" });
  }

  /** Says something, and waits for its echo. */
  async talk(): Promise<void> {
    this.#heard = "";
    this.#socket.write(frameHead(5));
    this.#socket.write("hello");
    const isThere = () => this.#heard.endsWith("5") || this.isClosed;
    await eventually(isThere, { what: "for an echo" });
    assert.ok(!this.isClosed, "a WebSocket was closed");
  }

  async leave(): Promise<void> {
    this.#socket.destroy();
    await this.#closed;
  }
}

Deno.test("Listener: certificates that are renewed under load cost no request and no connection", async () => {
  await using folder = await certificates();
  await using server = await listen({ tls: folder.tls });
  await ask(server.port);
  const sockets = countSockets();
  const holders = Array.from({ length: HOLDING }, () => new Holder(server.port));
  for (const holder of holders) await holder.opened();
  let isOver = false;
  const answers = new Array(ASKING).fill(0);
  const shown = new Set<string>();
  const failures: string[] = [];
  const keepAsking = async (_: unknown, client: number) => {
    while (!isOver) {
      await ask(server.port).then((certificate) => shown.add(certificate), (error) => {
        failures.push(String(error));
      });
      answers[client]++;
    }
  };
  const asking = Array.from({ length: ASKING }, keepAsking);
  for (let turn = 1; turn <= RENEWALS; turn++) {
    await folder.use(turn);
    await server.reload();
    // The first may still be asked of the former listener, the second is not.
    const before = [...answers];
    const all = () => answers.every((count, client) => count >= (before[client] ?? 0) + 2);
    await eventually(all, { what: "for answers" });
    for (const holder of holders) await holder.talk();
    server.clock.advance(4_000);
  }
  isOver = true;
  await Promise.all(asking);
  assert.deepEqual(failures, []);
  assert.equal(shown.size, 2);
  for (const holder of holders) await holder.leave();
  await eventually(() => countSockets() <= sockets, {
    what: () => `for ${countSockets() - sockets} sockets to go`,
  });
});
