import { pemOf } from "../support/clients/certificate_pem.ts";
import assert from "assert";
import { DTLS_CONTENT, splitDtlsRecords } from "../../src/transport/dtls/dtls_records.ts";
import { warmUpHandshake } from "../../src/transport/dtls/handshake_warm_up.ts";
import {
  SecureChannel,
  SecureChannelError,
  type SecureMedia,
} from "../../src/transport/dtls/secure_channel.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { createSrtcpReceiver, createSrtcpSender } from "../../src/transport/rtp/srtcp.ts";
import {
  type DtlsClientOptions,
  plainRecord,
  TestDtlsClient,
} from "../support/clients/dtls_client.ts";

const CLIENT_HELLO = 1;
const REPORT = Uint8Array.of(0x80, 201, 0, 1, 1, 2, 3, 4);
const server = createServerCertificate();
const browser = createServerCertificate();
const stranger = createServerCertificate();

/** A channel whose offer named the browser's certificate, and a client that shakes hands with it. */
function pair(options: DtlsClientOptions = { certificate: browser }) {
  const sent: Uint8Array[] = [];
  const channel = new SecureChannel({
    certificate: server,
    remoteFingerprints: [browser.fingerprint],
    send: (packet) => {
      sent.push(packet);
      client.receive(packet);
    },
  });
  const client = new TestDtlsClient(() => channel, options);
  const established = channel.establish();
  // Who awaits it later still sees the failure.
  established.catch(() => {});
  return { channel, client, established, sent };
}

/** Whether RTCP gets through both ways. */
function assertAgree(media: SecureMedia, client: TestDtlsClient): void {
  const { local, remote } = client.keys();
  const toServer = createSrtcpSender(local).protect(REPORT);
  assert.deepEqual(Uint8Array.from(media.unprotectRtcp(toServer)?.compound ?? []), REPORT);
  const toClient = createSrtcpReceiver(remote).unprotect(media.protectRtcp(REPORT))?.compound;
  assert.deepEqual(Uint8Array.from(toClient ?? []), REPORT);
}

for (const profile of ["aead_aes_128_gcm", "aes_cm_128_hmac_sha1_80"] as const) {
  Deno.test(`SecureChannel: a browser with its own certificate connects, by ${profile}`, async () => {
    const { channel, established, ...rest } = pair({ certificate: browser, profiles: [profile] });
    await using client = rest.client;
    await client.connect();
    assertAgree(await established, client);
    assert.equal(client.keys().local.profile, profile);
    channel.close();
  });
}

Deno.test("SecureChannel: a client that shows a certificate without holding its key is refused", async () => {
  const { key } = pemOf(stranger);
  const { channel, established, ...rest } = pair({ certificate: browser, key });
  await using client = rest.client;
  await client.connect();
  await assert.rejects(established, (error) => {
    assert.ok(error instanceof SecureChannelError);
    assert.match(error.message, /client signature is wrong/);
    return true;
  });
  channel.close();
});

Deno.test("SecureChannel: a client with a certificate that the offer did not name is refused", async () => {
  const { channel, established, ...rest } = pair({ certificate: stranger });
  await using client = rest.client;
  await client.connect();
  await assert.rejects(established, /fingerprint/);
  channel.close();
});

Deno.test("SecureChannel: once connected, no record that anybody can write does anything", async () => {
  const { channel, established, sent, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  const media = await established;
  let closed = 0;
  channel.onClosed(() => closed++);
  const hello = client.sent.find((packet) => packet[13] === CLIENT_HELLO) ?? new Uint8Array();
  const changeCipherSpec = plainRecord(DTLS_CONTENT.changeCipherSpec, Uint8Array.of(1));
  const alert = (level: number, description: number) =>
    plainRecord(DTLS_CONTENT.alert, Uint8Array.of(level, description));
  const forgeries = [
    hello,
    Uint8Array.of(...changeCipherSpec, ...hello),
    alert(1, 0),
    alert(2, 40),
    ...[0, 24, 25, 63].map((type) => plainRecord(type, new Uint8Array(0))),
    ...client.sent,
  ];
  const before = sent.length;
  for (const packet of forgeries) channel.receive(packet);
  // The browser's own Finished among them is answered, as a repetition has to be; nothing else is.
  assert.ok(sent.length - before <= 2, `${sent.length - before} answers`);
  assert.equal(closed, 0);
  assertAgree(media, client);
  for (const packet of forgeries.slice(0, 8)) {
    assert.equal(channel.receive(packet), "dtls_unexpected");
  }
  channel.close();
});

Deno.test("SecureChannel: an alert counts when the browser's keys made it, and only then", async () => {
  const { channel, established, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  await established;
  let closed = 0;
  channel.onClosed(() => closed++);
  const authentic = client.encrypt(DTLS_CONTENT.alert, Uint8Array.of(1, 0));
  const forged = Uint8Array.from(authentic);
  forged.set([~(forged.at(-1) ?? 0)], forged.length - 1);
  // Begins like a plaintext close_notify where the nonce stands.
  const disguised = plainRecord(DTLS_CONTENT.alert, new Uint8Array(30).fill(1, 0, 1), { epoch: 1 });
  assert.equal(channel.receive(forged), "dtls_forged");
  assert.equal(channel.receive(disguised), "dtls_forged");
  const harmless = client.encrypt(DTLS_CONTENT.alert, Uint8Array.of(1, 90), 100);
  assert.equal(channel.receive(harmless), "newest");
  assert.equal(closed, 0);
  assert.equal(channel.receive(authentic), "taken");
  assert.equal(closed, 1);
  channel.close();
});

Deno.test("SecureChannel: alerts and data before the handshake is done are dropped", async () => {
  const { channel, established, ...rest } = pair();
  await using client = rest.client;
  for (const type of [DTLS_CONTENT.alert, DTLS_CONTENT.applicationData, 24]) {
    assert.equal(channel.receive(plainRecord(type, Uint8Array.of(1, 0))), "dtls_unexpected");
  }
  await client.connect();
  assertAgree(await established, client);
  channel.close();
});

Deno.test("SecureChannel: datagrams that are no records are dropped", () => {
  const { channel } = pair();
  for (const bytes of [1, 12, 14, 100]) {
    assert.equal(channel.receive(new Uint8Array(bytes).fill(22)), "dtls_malformed");
  }
  channel.close();
});

Deno.test("SecureChannel: a viewer that never finishes its handshake messages fills no memory", () => {
  const { channel } = pair();
  // A piece of a message that is a mebibyte long.
  const piece = Uint8Array.of(11, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, ...new Uint8Array(1024));
  const record = plainRecord(DTLS_CONTENT.handshake, piece);
  let taken = 0;
  for (let i = 0; i < 1_000; i++) if (channel.receive(record) === "taken") taken++;
  assert.ok(taken > 10 && taken < 40, `${taken} KiB were taken`);
  channel.close();
});

Deno.test("SecureChannel: after close nothing goes out or in", async () => {
  const { channel, established, sent, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  await established;
  channel.close();
  channel.close();
  const before = sent.length;
  for (const packet of client.sent) assert.equal(channel.receive(packet), "taken");
  assert.equal(sent.length, before);
});

Deno.test("warmUpHandshake: comes to its end, and leaves nothing behind", async () => {
  warmUpHandshake(server);
  await new Promise((resolve) => setTimeout(resolve, 700));
});

Deno.test("SecureChannel: a record counts once, and is the newest when it was sent after all others", async () => {
  const { channel, established, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  await established;
  const data = (sequenceNumber: number) =>
    client.encrypt(DTLS_CONTENT.applicationData, Uint8Array.of(1), sequenceNumber);
  const verdicts = [data(200), data(199), data(199), data(200), data(300), data(210)];
  assert.deepEqual(verdicts.map((packet) => channel.receive(packet)), [
    "newest",
    "taken",
    "dtls_replayed",
    "dtls_replayed",
    "newest",
    "dtls_replayed",
  ]);
  const forged = data(301);
  forged.set([~(forged.at(-1) ?? 0)], forged.length - 1);
  assert.equal(channel.receive(forged), "dtls_forged");
  assert.equal(channel.receive(data(301)), "newest", "what is forged uses nothing up");
  channel.close();
});

Deno.test("SecureChannel: from anywhere it takes new data of the browser, and nothing else", async () => {
  const { channel } = pair();
  const { channel: connected, established, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  await established;
  const { applicationData, alert } = DTLS_CONTENT;
  const data = (sequenceNumber: number) =>
    client.encrypt(applicationData, Uint8Array.of(1), sequenceNumber);
  let closed = 0;
  connected.onClosed(() => closed++);
  const refused = [
    new Uint8Array(0),
    client.encrypt(alert, Uint8Array.of(2, 0), 400),
    Uint8Array.of(...data(401), ...client.encrypt(alert, Uint8Array.of(2, 0), 402)),
    ...client.sent,
    plainRecord(applicationData, new Uint8Array(40), { epoch: 1, sequenceNumber: 403 }),
  ];
  for (const packet of refused) assert.ok(!connected.receiveStray(packet));
  assert.equal(closed, 0);
  assert.ok(connected.receiveStray(data(300)));
  assert.ok(!connected.receiveStray(data(300)));
  assert.ok(!connected.receiveStray(data(299)));
  assert.ok(connected.receiveStray(Uint8Array.of(...data(301), ...data(302))));
  assert.ok(!channel.receiveStray(data(500)), "there are no keys yet");
  channel.close();
  connected.close();
});

Deno.test("SecureChannel: each piece of data that is authentic and new is handed on once", async () => {
  const { channel, established, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  await established;
  const data = (byte: number, sequenceNumber: number) =>
    client.encrypt(DTLS_CONTENT.applicationData, Uint8Array.of(byte), sequenceNumber);
  assert.equal(channel.receive(data(1, 200)), "newest", "though nobody takes it");
  const received: number[] = [];
  channel.onData((content) => received.push(...content));
  const forged = data(2, 201);
  forged.set([~(forged.at(-1) ?? 0)], forged.length - 1);
  for (const packet of [forged, data(3, 202), data(3, 202), data(4, 203)]) channel.receive(packet);
  assert.deepEqual(received, [3, 4]);
  channel.close();
});

Deno.test("SecureChannel: no two records under the keys have the same number", async () => {
  const { channel, established, sent, ...rest } = pair();
  await using client = rest.client;
  await client.connect();
  await established;
  for (let turn = 0; turn < 30; turn++) channel.sendData(Uint8Array.of(turn));
  const numbers = sent.flatMap((packet) => splitDtlsRecords(packet) ?? [])
    .filter(({ epoch }) => epoch === 1).map(({ sequenceNumber }) => sequenceNumber);
  assert.equal(numbers.length, 31, "the Finished, and what came after it");
  assert.deepEqual(numbers, numbers.map((_, index) => (numbers[0] ?? 0) + index));
  channel.close();
  const before = sent.length;
  channel.sendData(Uint8Array.of(1));
  assert.equal(sent.length, before);
});
