import assert from "assert";
import { compactNtp } from "../../src/transport/rtcp_format.ts";
import { PathRate } from "../../src/transport/path_rate.ts";
import { RtpSession } from "../../src/transport/rtp_session.ts";
import { RtpStream } from "../../src/transport/rtp_stream.ts";
import { createSrtpSender } from "../../src/transport/srtp.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { RecordingMeter } from "../support/recording_meter.ts";

const KEYS = {
  profile: "aead_aes_128_gcm",
  masterKey: new Uint8Array(16),
  masterSalt: new Uint8Array(12),
} as const;

/** A viewer's RTCP whose packets are not encrypted. */
class SetUp implements Disposable {
  readonly clock: FakeClock = new FakeClock();
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly stream: RtpStream = new RtpStream({ payloadType: 96, clockRate: 90_000, send() {} });
  readonly session: RtpSession;

  constructor() {
    this.session = new RtpSession({
      streams: [this.stream],
      cname: "test",
      pathRate: new PathRate({ limits: { floorKbps: 150, ceilingKbps: 2500 }, nowMs: 0 }),
      timelineUs: () => 0,
      keyframeRequested() {},
      send() {},
      clock: this.clock,
      meter: this.meter,
    });
    this.session.start({
      rtp: createSrtpSender(KEYS),
      protectRtcp: (compound) => compound,
      unprotectRtcp: (compound) => ({ compound, newest: true }),
    });
  }

  /** A receiver report (RFC 3550 §6.4.2); `sentMs` is the wall clock of the sender report that it answers at once. */
  report({ lost256, sentMs, ssrc = this.stream.ssrc }: {
    lost256: number;
    sentMs: number | undefined;
    ssrc?: number;
  }): void {
    const view = new DataView(new ArrayBuffer(32));
    view.setUint32(0, 0x81c9_0007);
    view.setUint32(8, ssrc);
    view.setUint8(12, lost256);
    view.setUint32(24, sentMs === undefined ? 0 : compactNtp(sentMs));
    this.session.receive(new Uint8Array(view.buffer));
  }

  /** A NACK of one packet and the `mask` behind it (RFC 4585 §6.2.1). */
  nack(sequenceNumber: number, { mask, ssrc = this.stream.ssrc }: { mask: number; ssrc?: number }) {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint32(0, 0x81cd_0003);
    view.setUint32(8, ssrc);
    view.setUint16(12, sequenceNumber);
    view.setUint16(14, mask);
    this.session.receive(new Uint8Array(view.buffer));
  }

  [Symbol.dispose](): void {
    this.session.close();
  }
}

Deno.test("RtpSession: round trip and loss are observed once for each report on the video", async () => {
  using setUp = new SetUp();
  const { clock, meter } = setUp;
  const sentMs = clock.wallMs();
  await clock.advance(80);
  setUp.report({ lost256: 64, sentMs });
  setUp.report({ lost256: 0, sentMs: undefined });
  setUp.report({ lost256: 255, sentMs, ssrc: setUp.stream.ssrc ^ 1 });
  assert.deepEqual(meter.observed("packet_loss_ratio"), [0.25, 0]);
  const [roundTripS = 0, ...others] = meter.observed("round_trip_seconds");
  assert.ok(Math.abs(roundTripS - 0.08) < 0.001, `${roundTripS}`);
  assert.deepEqual(others, []);
});

Deno.test("RtpSession: packets that a NACK asks for are counted, of our own streams alone", () => {
  using setUp = new SetUp();
  setUp.nack(7, { mask: 0b101 });
  setUp.nack(7, { mask: 0b101, ssrc: setUp.stream.ssrc ^ 1 });
  assert.equal(setUp.meter.value("rtp_packets_nacked_total"), 3);
  assert.equal(setUp.meter.value("rtp_packets_retransmitted_total"), 0);
});

Deno.test("RtpSession: bitrateKbps is that of the last full second", async () => {
  using setUp = new SetUp();
  const { clock, session, stream } = setUp;
  const send = (packets: number) => {
    const payloads = Array<Uint8Array>(packets).fill(new Uint8Array(1000));
    stream.send({ payloads, timestampUs: 0, marker: true });
  };
  assert.equal(session.bitrateKbps, 0);
  send(100);
  await clock.advance(1_000);
  // With the header and the tag of each packet.
  assert.equal(session.bitrateKbps, 100 * (1000 + 12 + 16) * 8 / 1000);
  await clock.advance(1_000);
  assert.equal(session.bitrateKbps, 0);
});
