import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { createPeerFactory } from "../../src/transport/peer_factory.ts";
import { formatBindingRequest } from "../../src/transport/ice/stun_format.ts";
import { RawDtlsClient } from "../support/clients/raw_dtls_client.ts";
import { offerOf } from "../support/clients/raw_viewer.ts";
import { consentAnswer } from "../support/parts/checks.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { A, FakePort } from "../support/parts/fake_port.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const SERVER_HELLO = 2;
const DTLS_FIRST_BYTE_MIN = 20;
const certificate = createServerCertificate();
const BROWSER_ICE = { ufrag: "OWNU", pwd: "ownpasswordownpassword00" };

/** A viewer's peer on a port without a socket, which has not consented yet. */
function setUp() {
  const port = new FakePort();
  port.answers = false;
  const meter = new RecordingMeter();
  const factory = createPeerFactory({
    ports: [port],
    codecs: ["vp8"],
    certificate,
    clock: new FakeClock(),
    meter,
    log: NULL_LOGGER,
  });
  const peer = factory.read(offerOf(certificate, BROWSER_ICE)).accept({
    localPort: port.port,
    publicAddresses: { udp: { address: "203.0.113.7", port: 10_111 }, tcp: undefined },
    timelineUs: () => 0,
    audio: false,
    rateLimits: () => ({ floorKbps: 150, ceilingKbps: 2_500 }),
    listener: {
      secured() {},
      firstFrame() {},
      keyframeRequested() {},
      message() {},
      failed() {},
      closed() {},
    },
  });
  const client = new RawDtlsClient({ certificate, send: (packet) => port.receive(packet, A) });
  const check = () =>
    port.receive(
      formatBindingRequest({
        transactionId: crypto.getRandomValues(new Uint8Array(12)),
        key: new TextEncoder().encode(/^a=ice-pwd:(\S+)/m.exec(peer.answerSdp)?.[1]),
        username: `${peer.iceUfrag}:${BROWSER_ICE.ufrag}`,
        priority: 1,
        role: "controlling",
        tieBreaker: 1n,
        useCandidate: true,
      }),
      A,
    );
  const hear = () => {
    for (const { packet } of port.sent.splice(0)) {
      if ((packet[0] ?? 0) >= DTLS_FIRST_BYTE_MIN) client.receive(packet);
    }
    return client.heard;
  };
  return { port, meter, peer, client, check, hear };
}

const withheld = (meter: RecordingMeter) =>
  meter.value("packets_withheld_total", { kind: "handshake" });

Deno.test("a handshake takes one round trip to the server's flight, without a cookie", () => {
  const { port, meter, peer, client, check, hear } = setUp();
  check();
  const [request] = port.asked;
  assert.ok(request);
  port.receive(consentAnswer(request.packet, { password: BROWSER_ICE.pwd }), A);
  client.take("hello");
  assert.equal(hear()[0], SERVER_HELLO);
  assert.equal(withheld(meter), 0);
  peer.close();
});

Deno.test("a flight that is too long for an address without consent follows when there is consent", () => {
  const { port, meter, peer, client, check, hear } = setUp();
  check();
  const [request] = port.asked;
  assert.ok(request);
  client.take("hello");
  assert.deepEqual(hear(), []);
  assert.equal(withheld(meter), 1);
  port.receive(consentAnswer(request.packet, { password: BROWSER_ICE.pwd }), A);
  assert.equal(hear()[0], SERVER_HELLO);
  peer.close();
});
