import assert from "assert";
import { connect as connectTls } from "node:tls";
import { type LogFields, NULL_LOGGER } from "../../src/base/log.ts";
import { REQUEST_WAIT_MS } from "../../src/signalling/limits.ts";
import { resetConnections } from "../support/attacks/reset_connections.ts";
import { eventually, within } from "../support/deadline.ts";
import {
  Client,
  frameHead,
  listen,
  pass,
  refusals,
  UPGRADE,
} from "../support/parts/test_listener.ts";

/** A folder with certificates, removed in the end. */
async function certificates(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  const names = ["old", "new"];
  for (const name of names) {
    const { success } = await new Deno.Command("openssl", {
      args: `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name}
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout ${path}/${name}.key -out ${path}/${name}.pem`
        .split(/\s+/),
      stderr: "null",
    }).output();
    assert.ok(success);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Whose certificate a new connection is shown. */
async function shownBy(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
    resolve(String(socket.getPeerCertificate().subject.CN));
  });
  socket.on("error", reject);
  try {
    return await within(promise, { what: "for a handshake" });
  } finally {
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.destroy();
    await closed;
  }
}

Deno.test("Listener: a renewed certificate is shown to new connections, and the old ones go on", async () => {
  await using folder = await certificates();
  const tls = { cert: `${folder.path}/live.pem`, key: `${folder.path}/live.key` };
  const install = async (name: string, key = name) => {
    await Deno.copyFile(`${folder.path}/${name}.pem`, tls.cert);
    await Deno.copyFile(`${folder.path}/${key}.key`, tls.key);
  };
  const events: string[] = [];
  const note = (event: string, fields?: LogFields) => {
    // The clock of these tests stands in 1970, when no certificate was valid.
    if (event !== "tls_certificate_invalid") events.push(`${event} ${fields?.error ?? ""}`.trim());
  };
  await install("old");
  await using server = await listen({
    tls,
    log: { ...NULL_LOGGER, info: note, error: note },
  });
  assert.equal(await shownBy(server.port), "old");

  const caCerts = [await Deno.readTextFile(`${folder.path}/old.pem`)];
  using socket = new Client(
    await Deno.connectTls({ hostname: "127.0.0.1", port: server.port, caCerts }),
  );
  await socket.say(UPGRADE);
  await socket.hears(/101 /);

  // A renewal that is half done, or went wrong.
  await install("new", "old");
  await server.reload();
  await server.reload();
  assert.equal(await shownBy(server.port), "old");
  assert.deepEqual(events.length, 1);
  assert.match(events[0] ?? "", /^tls_not_reloaded .*live\.key.* does not belong to .*live\.pem/);

  await install("new");
  // Noticed by itself, once a minute.
  await pass(server.clock, 61_000);
  await eventually(() => events.length === 2, { what: "for the new certificate" });
  assert.equal(events[1], "tls_reloaded");
  for (let turn = 0; turn < 5; turn++) assert.equal(await shownBy(server.port), "new");
  await socket.say(frameHead(11));
  await socket.say("still there");
  await socket.hears(/11$/);
});

Deno.test("Listener: over TLS, connections that are reset before they are accepted hold up no other", async () => {
  await using folder = await certificates();
  const tls = { cert: `${folder.path}/old.pem`, key: `${folder.path}/old.key` };
  await using server = await listen({ tls });
  // The clock stands: a pause would not end.
  resetConnections(server.port, 400);
  assert.equal(await shownBy(server.port), "old");
});

/** Descriptors of this process. */
function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("Listener: handshakes that do not go on have their time, and leave no descriptor behind", async () => {
  await using folder = await certificates();
  const tls = { cert: `${folder.path}/old.pem`, key: `${folder.path}/old.key` };
  await using server = await listen({ tls, connectionsMax: 40 });
  assert.equal(await shownBy(server.port), "old");
  const before = descriptors();
  {
    await using clients = new AsyncDisposableStack();
    for (let count = 0; count < 60; count++) {
      const client = clients.use(await server.connect());
      // The beginning of a ClientHello, or nothing at all.
      if (count % 2 === 0) await client.say(Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3));
    }
    await eventually(() => descriptors() <= before + 60 + 40, { what: "for the oldest to go" });
    assert.equal(await shownBy(server.port), "old");
    await pass(server.clock, REQUEST_WAIT_MS + 1000);
    await eventually(() => descriptors() <= before + 60, { what: "for all of them to go" });
  }
});

Deno.test("Listener: over TLS no HTTP/2 is offered, and none is taken", async () => {
  await using folder = await certificates();
  const { log, reasons } = refusals();
  const cert = `${folder.path}/old.pem`;
  await using server = await listen({ tls: { cert, key: `${folder.path}/old.key` }, log });
  const connection = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: server.port,
    caCerts: [await Deno.readTextFile(cert)],
    alpnProtocols: ["h2", "http/1.1"],
  });
  const { alpnProtocol } = await connection.handshake();
  using client = new Client(connection);
  assert.equal(alpnProtocol, null);
  await client.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  await client.done;
  assert.equal(client.heard, "");
  await eventually(() => reasons.length > 0, { what: "for the refusal" });
});

Deno.test("Listener: TLS files that cannot be used, and an address that is taken, are named", async () => {
  await using folder = await certificates();
  const open = async (tls: { cert: string; key: string }, port = 0) => {
    await using _server = await listen({ tls, port });
  };
  const at = (name: string) => `${folder.path}/${name}`;
  const good = { cert: at("old.pem"), key: at("old.key") };
  const refused = (tls: { cert: string; key: string }, words: RegExp) =>
    assert.rejects(open(tls), (error: Error) => words.test(error.message));
  await refused({ ...good, cert: at("none") }, /^Cannot use server\.tls_cert ".*none": No such/);
  await refused({ ...good, cert: good.key }, /^Cannot use server\.tls_cert .*PEM certificate$/);
  await Deno.chmod(good.cert, 0o600);
  await refused({ ...good, key: good.cert }, /^Cannot use server\.tls_key .*PEM private key/);
  await refused({ ...good, key: at("new.key") }, /does not belong to server\.tls_cert/);
  await Deno.chmod(good.key, 0o644);
  await refused(good, /tls_key .*other users .*chmod 6[04]0/);
  await Deno.chmod(good.key, 0o600);
  await using server = await listen({ tls: good });
  await assert.rejects(open(good, server.port), /server\.listen\): another program uses it/);
});
