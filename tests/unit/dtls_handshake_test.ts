import assert from "assert";
import { generateKeyPairSync } from "node:crypto";
import {
  SecureChannel,
  SecureChannelError,
  type SecureMedia,
} from "../../src/transport/dtls/secure_channel.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { heldBytes } from "../support/machine/memory.ts";
import {
  handshakeMessage,
  HELLO,
  type HelloParts,
  list16,
  RawDtlsClient,
  type RawDtlsOptions,
  type Step,
  STEPS,
} from "../support/clients/raw_dtls_client.ts";

const certificate = createServerCertificate();
const FATAL = 2;
const HANDSHAKE = 22;

/** A channel, a client that does as it is told, and what became of the handshake. */
function pair(options: Partial<RawDtlsOptions> = {}, own = certificate) {
  const clock = new FakeClock();
  const sent: Uint8Array[] = [];
  const verdicts: string[] = [];
  const channel = new SecureChannel({
    certificate: own,
    remoteFingerprints: [certificate.fingerprint],
    send: (packet) => {
      sent.push(Uint8Array.from(packet));
      client.receive(packet);
    },
    clock,
  });
  const client = new RawDtlsClient({
    certificate,
    send: (packet) => verdicts.push(channel.receive(packet)),
    ...options,
  });
  let outcome: SecureMedia | Error | undefined;
  channel.establish().then((media) => outcome = media, (error) => outcome = error);
  /** What came of the handshake, when all that can follow has. */
  const settled = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    return outcome;
  };
  return { channel, client, clock, sent, verdicts, settled };
}

type Pair = ReturnType<typeof pair>;

/** The handshake has failed, and the client knows by this alert. */
async function assertRefused({ channel, client, settled }: Pair, alert: number, reason: RegExp) {
  const error = await settled();
  assert.ok(error instanceof SecureChannelError, String(error));
  assert.match(error.message, reason);
  assert.deepEqual(client.alerts, [{ level: FATAL, description: alert, epoch: 0 }]);
  channel.close();
}

const test = (name: string, run: () => Promise<void>) => Deno.test(`SecureChannel: ${name}`, run);

test("a client of our own connects, and learns at once when the server closes", async () => {
  const { channel, client, settled } = pair();
  client.goTo();
  assert.ok(!(await settled() instanceof Error), String(await settled()));
  assert.equal(client.heard.at(-1), "finished");
  channel.close();
  channel.close();
  assert.deepEqual(client.alerts, [{ level: 1, description: 0, epoch: 1 }]);
});

const extensions = (type: number, body?: readonly number[]): Partial<HelloParts> => ({
  extensions: HELLO.extensions.flatMap(([each, own]) => {
    if (each !== type) return [[each, own] as const];
    return body === undefined ? [] : [[each, body] as const];
  }),
});
const added = (type: number, body: readonly number[]): Partial<HelloParts> => ({
  extensions: [...HELLO.extensions, [type, body]],
});

const REFUSED: Readonly<Record<string, readonly [Partial<HelloParts>, number, RegExp]>> = {
  "DTLS 1.0": [{ version: 0xfeff }, 70, /version.*offers DTLS 1\.0; the server supports DTLS 1\.2/],
  "DTLS 1.3": [added(43, [2, 0xfe, 0xfc]), 70, /offers DTLS 1\.3;/],
  "TLS 1.2": [{ version: 0x0303 }, 70, /offers 0x0303;/],
  "AES-256": [{ suites: [0xc02c] }, 40, /cipher suite.*ECDSA_WITH_AES_256_GCM_SHA384;/],
  "ChaCha20": [{ suites: [0xcca9] }, 40, /CHACHA20_POLY1305_SHA256;/],
  "CBC": [{ suites: [0xc00a, 0xc009] }, 40, /AES_256_CBC_SHA, TLS.*AES_128_CBC_SHA;/],
  "an RSA certificate": [{ suites: [0xc02f] }, 40, /ECDHE_RSA/],
  "P-384": [
    extensions(10, list16(24)),
    40,
    /elliptic curve.*offers P-384; the server supports P-256/,
  ],
  "signatures by SHA-384": [extensions(13, list16(0x0503)), 40, /ECDSA with SHA-384;/],
  "SRTP CM_32": [extensions(14, [...list16(2), 0]), 40, /SRTP.*offers SRTP_AES128_CM_HMAC_SHA1_32/],
  "SRTP GCM-256": [extensions(14, [...list16(8), 0]), 40, /offers SRTP_AEAD_AES_256_GCM;/],
  "no SRTP": [extensions(14), 40, /offers none;/],
  "compression": [{ compression: [1] }, 47, /compression/],
  "compressed points": [extensions(11, [1, 1]), 47, /points/],
  "a renegotiation": [extensions(0xff01, [1, 9]), 40, /renegotiation/],
  "an extension twice": [added(10, list16(23)), 50, /ClientHello/],
  "a long session id": [{ sessionId: new Uint8Array(33) }, 50, /ClientHello/],
  "no cipher suites": [{ suites: [] }, 50, /ClientHello/],
};

for (const [what, [hello, alert, reason]] of Object.entries(REFUSED)) {
  Deno.test(`SecureChannel: a client that offers ${what} alone is told so at once`, async () => {
    const state = pair({ hello });
    state.client.take("hello");
    await assertRefused(state, alert, reason);
  });
}

test("a client that names no groups, and one that leaves DTLS 1.3 out of its second hello, connect", async () => {
  for (const hello of [extensions(10), added(43, [4, 0xfe, 0xfc, 0xfe, 0xfd])]) {
    const { channel, client, settled } = pair({ hello });
    client.goTo();
    assert.ok(!(await settled() instanceof Error), String(await settled()));
    channel.close();
  }
});

/** A body with some bytes replaced. */
function edited(body: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = Uint8Array.from(body);
  copy.set(bytes, at);
  return copy;
}

const BROKEN: readonly (readonly [Step, string, (body: Uint8Array) => Uint8Array, number])[] = [
  ["hello", "cut off", (body) => body.subarray(0, 40), 50],
  ["hello", "longer than its parts", (body) => Uint8Array.of(...body, 0), 50],
  ["hello", "with a session id past its end", (body) => edited(body, 34, 255), 50],
  ["hello", "with a cookie past its end", (body) => edited(body, 35, 255), 50],
  ["hello", "with an odd list of suites", (body) => edited(body, 36, 0, 3), 50],
  ["hello", "with a list of suites past its end", (body) => edited(body, 36, 255, 254), 50],
  ["hello", "with extensions past its end", (body) => edited(body, 44, 255), 50],
  ["hello", "with a cookie", (b) => Uint8Array.of(...b.slice(0, 35), 2, 1, 2, ...b.slice(36)), 47],
  ["certificate", "empty", () => new Uint8Array(0), 50],
  ["certificate", "without certificates", () => new Uint8Array(3), 40],
  ["certificate", "with a list past its end", (body) => edited(body, 0, 255), 50],
  ["certificate", "with a certificate past its end", (body) => edited(body, 3, 255), 50],
  ["certificate", "of somebody else", (body) => edited(body, 60, 1, 2, 3), 42],
  ["keyExchange", "empty", () => new Uint8Array(0), 50],
  ["keyExchange", "with a key past its end", (body) => edited(body, 0, 255), 50],
  ["keyExchange", "with a key too short", (body) => edited(body.subarray(0, 65), 0, 64), 47],
  ["keyExchange", "with a point off the curve", (body) => edited(body, 60, 1, 2, 3), 47],
  ["keyExchange", "with the point at infinity", () => Uint8Array.of(1, 0), 47],
  [
    "keyExchange",
    "with a compressed point",
    (body) => Uint8Array.of(33, 2 + ((body[65] ?? 0) & 1), ...body.subarray(2, 34)),
    47,
  ],
  ["verify", "empty", () => new Uint8Array(0), 50],
  ["verify", "with a signature past its end", (body) => edited(body, 2, 255), 50],
  ["verify", "without a signature", () => Uint8Array.of(4, 3, 0, 0), 51],
  ["verify", "with a wrong signature", (body) => edited(body, 20, 1, 2, 3), 51],
  ["verify", "by an unknown hash", (body) => edited(body, 0, 2), 47],
  ["verify", "by an algorithm of other keys", (body) => edited(body, 1, 1), 47],
  ["finished", "empty", () => new Uint8Array(0), 50],
  ["finished", "too long", (body) => Uint8Array.of(...body, 0), 50],
  ["finished", "wrong", (body) => edited(body, 3, 1, 2, 3), 51],
];

for (const [step, what, edit, alert] of BROKEN) {
  test(`a ${step} ${what} ends the handshake with alert ${alert}`, async () => {
    const state = pair({ edit: (each, body) => each === step ? edit(body) : body });
    state.client.goTo(step);
    await assertRefused(state, alert, /client|ClientHello/);
  });
}

test("a message out of its turn, or of a type that clients do not send, ends the handshake", async () => {
  for (const type of [0, 1, 2, 4, 11, 12, 14, 15, 16, 20, 24, 99]) {
    for (const [sequence, step] of STEPS.slice(0, -1).entries()) {
      const due = { hello: 1, certificate: 11, keyExchange: 16, verify: 15 };
      if (due[step as keyof typeof due] === type) continue;
      const state = pair();
      for (const before of STEPS.slice(0, sequence)) state.client.take(before);
      const body = new Uint8Array(30);
      state.client.plain(HANDSHAKE, handshakeMessage({ type, sequence, body }));
      await assertRefused(state, 10, new RegExp(`Unexpected handshake message ${type} `));
    }
  }
});

test("what is encrypted before its time, under other epochs, or without meaning, does nothing", async () => {
  const { channel, client, verdicts, settled } = pair();
  client.goTo("verify");
  const record = (contentType: number, content: number[], options = {}) =>
    channel.receive(client.seal(contentType, Uint8Array.from(content), options));
  for (const type of [20, 21, 23, 24]) assert.equal(record(type, [2, 40]), "dtls_unexpected");
  for (const epoch of [2, 3, 0xffff]) {
    assert.equal(record(HANDSHAKE, [20], { epoch }), "dtls_unexpected");
  }
  client.plain(20, Uint8Array.of(1));
  client.plain(20, Uint8Array.of(1));
  client.plain(20, Uint8Array.of(1, 1));
  assert.deepEqual(verdicts.slice(-3), ["taken", "taken", "dtls_unexpected"]);
  client.take("finished");
  assert.ok(!(await settled() instanceof Error), String(await settled()));
  for (const epoch of [2, 3, 0xffff]) {
    for (const type of [21, 22, 23]) {
      assert.equal(record(type, [2, 40], { epoch }), "dtls_unexpected");
    }
  }
  channel.close();
});

test("after the handshake no handshake message does anything, however long it claims to be", async () => {
  const { channel, client, sent, settled } = pair();
  client.goTo();
  await settled();
  const sentBefore = sent.length;
  const before = heldBytes();
  const body = new Uint8Array(1_240);
  const verdicts = new Set<string>();
  for (let turn = 0; turn < 20; turn++) {
    const claims = { type: 11, sequence: 6 + turn, body, length: 0xff_ffff };
    for (const message of [claims, { ...claims, type: 1 }, { ...claims, pieceLength: 0xff_ffff }]) {
      verdicts.add(channel.receive(client.seal(HANDSHAKE, handshakeMessage(message))));
    }
  }
  assert.deepEqual([...verdicts], ["dtls_unexpected", "dtls_flood"]);
  assert.ok(heldBytes() - before < 2_000_000, `${heldBytes() - before} bytes are held`);
  assert.equal(sent.length, sentBefore);
  let closed = 0;
  channel.onClosed(() => closed++);
  const alert = client.seal(21, Uint8Array.of(1, 0));
  assert.equal(channel.receive(alert), "newest", "the keys are the same");
  assert.equal(closed, 1);
  channel.close();
});

test("a hello to renegotiate is not answered, and alerts that are none end nothing", async () => {
  const { channel, client, sent, settled } = pair();
  client.goTo();
  await settled();
  let closed = 0;
  channel.onClosed(() => closed++);
  const before = sent.length;
  const hello = handshakeMessage({ type: 1, sequence: 0, body: new Uint8Array(60) });
  assert.equal(channel.receive(client.seal(HANDSHAKE, hello)), "dtls_unexpected");
  for (const content of [[], [2], [2, 40, 0], [1, 90], [1, 100]]) {
    channel.receive(client.seal(21, Uint8Array.from(content)));
  }
  assert.equal(sent.length, before);
  assert.equal(closed, 0);
  channel.close();
});

test("a client that repeats its flight gets the answer again, and not without end", async () => {
  const { channel, client, clock, sent, settled } = pair();
  client.goTo();
  await settled();
  const [finished] = sent.slice(-1);
  const repeat = () => channel.receive(client.seal(HANDSHAKE, client.finished()));
  const before = sent.length;
  assert.equal(repeat(), "taken");
  assert.deepEqual(sent.slice(before), [finished]);
  assert.equal(repeat(), "taken");
  assert.equal(sent.length, before + 1, "it has just been sent");
  await clock.advance(100);
  repeat();
  assert.equal(sent.length, before + 2);
  for (let turn = 0; turn < 300; turn++) {
    await clock.advance(100);
    repeat();
  }
  assert.ok(sent.length <= before + 32, `${sent.length - before} datagrams`);
  channel.close();
});

test("a hello that is repeated brings the very answer again", async () => {
  const { channel, client, clock, sent } = pair();
  const asSent: Uint8Array[] = [];
  const recording = pair({ send: (packet) => asSent.push(packet) });
  recording.client.take("hello");
  recording.channel.close();
  const [hello] = asSent;
  assert.ok(hello);
  channel.receive(hello);
  const [answer] = sent;
  channel.receive(hello);
  assert.equal(sent.length, 2);
  await clock.advance(100);
  channel.receive(hello);
  assert.deepEqual(sent, [answer, answer, answer]);
  const flight = [2, 11, 12, 13, 14];
  assert.deepEqual(client.heard, [...flight, ...flight, ...flight]);
  channel.close();
});

test("a certificate whose key cannot sign ends the handshake with alert 80, and nothing else", async () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const state = pair({}, { ...certificate, privateKey: publicKey });
  state.client.goTo("hello");
  await assertRefused(state, 80, /DTLS handshake failed/);
});
