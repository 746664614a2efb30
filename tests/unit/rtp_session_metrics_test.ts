import assert from "assert";
import { compactNtp } from "../../src/transport/rtp/rtcp_format.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import { RtpSession } from "../../src/transport/rtp/rtp_session.ts";
import { RtpStream } from "../../src/transport/rtp/rtp_stream.ts";
import { createSrtpSender } from "../../src/transport/rtp/srtp.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const KEYS = {
  profile: "aead_aes_128_gcm",
  masterKey: new Uint8Array(16),
  masterSalt: new Uint8Array(12),
} as const;

/** A viewer's RTCP whose packets are not encrypted. */
class SetUp implements Disposable {
  readonly clock: FakeClock = new FakeClock();
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly stream: RtpStream = new RtpStream({
    payloadType: 96,
    clockRate: 90_000,
    clock: this.clock,
    send: (packet) => this.lastSequenceNumber = (packet[2] ?? 0) << 8 | (packet[3] ?? 0),
  });
  /** Why keyframes were asked for. */
  readonly keyframes: string[] = [];
  lastSequenceNumber = 0;
  readonly pathRate: PathRate = new PathRate({
    limits: () => ({ floorKbps: 150, ceilingKbps: 2_500 }),
    nowMs: 0,
  });
  readonly session: RtpSession;

  constructor() {
    this.session = new RtpSession({
      streams: [this.stream],
      cname: "test",
      pathRate: this.pathRate,
      timelineUs: () => 0,
      keyframeRequested: (reason) => this.keyframes.push(reason),
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
  report({ lost256, sentMs, ssrc = this.stream.ssrc, heldMs = 0 }: {
    lost256: number;
    sentMs: number | undefined;
    ssrc?: number;
    /** How long the viewer has had the sender report. */
    heldMs?: number;
  }): void {
    const view = new DataView(new ArrayBuffer(32));
    view.setUint32(0, 0x81c9_0007);
    view.setUint32(8, ssrc);
    view.setUint8(12, lost256);
    view.setUint32(24, sentMs === undefined ? 0 : compactNtp(sentMs));
    view.setUint32(28, Math.round(heldMs * 65.536));
    this.session.receive(new Uint8Array(view.buffer));
  }

  /** A transport-wide report of one packet, which came at once (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). */
  transportReport(sequenceNumber: number): void {
    const view = new DataView(new ArrayBuffer(24));
    view.setUint32(0, 0x8fcd_0005);
    view.setUint16(12, sequenceNumber);
    view.setUint16(14, 1);
    // One packet in a chunk of small deltas, and its delta.
    view.setUint16(20, 0x2001);
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

Deno.test("RtpSession: what is missing and too old to send again is replaced by a keyframe", () => {
  using setUp = new SetUp();
  const { stream, clock, keyframes } = setUp;
  const send = () => stream.send({ payloads: [new Uint8Array(1)], timestampUs: 0, marker: true });
  send();
  const sequenceNumber = setUp.lastSequenceNumber;
  setUp.nack(sequenceNumber, { mask: 0 });
  assert.deepEqual(keyframes, []);
  clock.stall(1_500);
  setUp.nack(sequenceNumber, { mask: 0 });
  assert.deepEqual(keyframes, ["nack"]);
});

Deno.test("RtpSession: of a flood only so much is read, but it is still the viewer's", async () => {
  using setUp = new SetUp();
  const { clock, meter, session } = setUp;
  const nack = new Uint8Array(new DataView(new ArrayBuffer(16)).buffer);
  new DataView(nack.buffer).setUint32(0, 0x81cd_0003);
  for (let packet = 0; packet < 10_000; packet++) assert.equal(session.receive(nack), "newest");
  assert.equal(meter.value("packets_dropped_total", { reason: "rtcp_flood" }), 9_800);
  await clock.advance(1_100);
  setUp.nack(7, { mask: 0 });
  assert.equal(meter.value("rtp_packets_nacked_total"), 1);
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

Deno.test("RtpSession: rate and queue of the path are observed once a second, the queue when it is known", async () => {
  using setUp = new SetUp();
  const { clock, meter, pathRate } = setUp;
  const observed = (name: "video_target_bits_per_second" | "path_queue_seconds") =>
    meter.observed(name).length;
  await clock.advance(2_000);
  const before = observed("video_target_bits_per_second");
  assert.ok(before >= 2 && before <= 3, `${before}`);
  assert.deepEqual(new Set(meter.observed("video_target_bits_per_second")), new Set([1_250_000]));
  assert.equal(observed("path_queue_seconds"), 0);
  setUp.transportReport(pathRate.sent(1_000, clock.now()));
  await clock.advance(1_000);
  assert.equal(observed("video_target_bits_per_second"), before + 1);
  assert.deepEqual(meter.observed("path_queue_seconds"), [0]);
});

Deno.test("RtpSession: a viewer without transport-wide reports is judged by round trip and loss", async () => {
  using setUp = new SetUp();
  const { clock, pathRate } = setUp;
  const report = (roundTripMs: number, lost256 = 0) =>
    setUp.report({ lost256, sentMs: clock.wallMs() - roundTripMs });
  await clock.advance(1_000);
  report(40);
  assert.equal(Math.round(pathRate.view.queueMs ?? -1), 0);
  await clock.advance(1_000);
  report(340);
  assert.equal(Math.round(pathRate.view.queueMs ?? -1), 300);
  await clock.advance(1_000);
  report(340);
  assert.ok(pathRate.view.targetKbps < 1_250);
});

Deno.test("RtpSession: while sender reports are stuck in a queue, it shows by how long they are", async () => {
  using setUp = new SetUp();
  const { clock, pathRate } = setUp;
  await clock.advance(1_000);
  setUp.report({ lost256: 0, sentMs: clock.wallMs() - 40 });
  await clock.advance(1_000);
  // The last one that came is answered again and again, with the round trip that it had.
  const sentMs = clock.wallMs() - 40;
  for (let heldMs = 0; heldMs <= 5_000; heldMs += 1_000) {
    setUp.report({ lost256: 0, sentMs, heldMs });
    const expectedMs = Math.max(0, heldMs - 1_000);
    const { queueMs = -1 } = pathRate.view;
    assert.ok(Math.abs(queueMs - expectedMs) < 2, `${queueMs} ms, held for ${heldMs}`);
    await clock.advance(1_000);
  }
  assert.equal(Math.round(1000 * Math.max(...setUp.meter.observed("round_trip_seconds"))), 40);
});

Deno.test("RtpSession: a viewer that claims to have held a report for hours has a queue of a minute at most", async () => {
  using setUp = new SetUp();
  const { clock, pathRate } = setUp;
  await clock.advance(1_000);
  setUp.report({ lost256: 0, sentMs: clock.wallMs() });
  const heldMs = 8 * 3_600_000;
  setUp.report({ lost256: 0, sentMs: clock.wallMs() - heldMs, heldMs });
  assert.ok((pathRate.view.queueMs ?? -1) <= 60_000, `${pathRate.view.queueMs}`);
});
