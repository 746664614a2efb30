import { parseRtp, type RtpPacket } from "../support/media/rtp_packet.ts";
import { extendSequenceNumber } from "../../src/base/sequence_numbers.ts";
import assert from "assert";
import { RtpStream, type RtpStreamOptions } from "../../src/transport/rtp/rtp_stream.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import type { PlainPacket, SrtpSender } from "../../src/transport/rtp/srtp.ts";

/** Leaves packets readable, and notes what they were given for encryption. */
class OpenSrtp implements SrtpSender {
  readonly given: PlainPacket[] = [];

  protect(packet: PlainPacket, target: Uint8Array): number {
    this.given.push({ ...packet });
    target.set(packet.payload, packet.headerBytes);
    return packet.headerBytes + packet.payload.length;
  }
}

function setUp(
  { started = true, repetition }:
    & { started?: boolean }
    & Pick<RtpStreamOptions, "repetition"> = {},
) {
  const sent: Uint8Array[] = [];
  const srtp = new OpenSrtp();
  const clock = new FakeClock();
  const stream = new RtpStream({
    payloadType: 96,
    clockRate: 90_000,
    clock,
    send: (packet) => void sent.push(packet.slice()),
    ...(repetition && { repetition }),
  });
  if (started) stream.start(srtp);
  return { stream, srtp, clock, sent, packets: () => sent.map(parsed) };
}

function parsed(packet: Uint8Array): RtpPacket {
  const rtp = parseRtp(packet);
  assert.ok(rtp);
  return rtp;
}

/** Payloads of one byte each. */
function payloads(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => Uint8Array.of(at));
}

Deno.test("RtpStream: one frame's packets have one timestamp, following numbers, and a marker at the end", () => {
  const { stream, packets } = setUp();
  stream.send({ payloads: payloads(3), timestampUs: 0, marker: true });
  stream.send({ payloads: payloads(2), timestampUs: 33_333, marker: true });
  const all = packets();
  const first = all[0]?.sequenceNumber ?? 0;
  assert.deepEqual(all.map((p) => (p.sequenceNumber - first) & 0xffff), [0, 1, 2, 3, 4]);
  assert.deepEqual(all.map(({ marker }) => marker), [false, false, true, false, true]);
  const step = ((all[3]?.timestamp ?? 0) - (all[0]?.timestamp ?? 0)) >>> 0;
  assert.equal(step, Math.floor(33_333 * 0.09));
  assert.deepEqual(new Set(all.map(({ ssrc }) => ssrc)), new Set([stream.ssrc]));
  assert.equal(stream.packetsSent, 5);
  assert.equal(stream.payloadBytesSent, 5);
  assert.equal(stream.bytesSent, 5 * 13);
});

Deno.test("RtpStream: before it is started nothing leaves and no number is spent", () => {
  const { stream, srtp, sent, packets } = setUp({ started: false });
  stream.send({ payloads: payloads(3), timestampUs: 0, marker: true });
  assert.deepEqual([sent.length, stream.packetsSent], [0, 0]);
  stream.start(srtp);
  stream.send({ payloads: payloads(1), timestampUs: 0, marker: true });
  assert.equal(packets().length, 1);
});

Deno.test("RtpStream: header extensions stand in each packet that is sent with them", () => {
  const { stream, packets } = setUp();
  const extensions = [{ id: 5, data: Uint8Array.of(0, 0, 0) }];
  stream.send({ payloads: payloads(2), timestampUs: 0, marker: true, extensions });
  stream.send({ payloads: payloads(1), timestampUs: 1, marker: true });
  assert.deepEqual(packets().map((packet) => packet.extensions.length), [1, 1, 0]);
});

Deno.test("RtpStream: a packet is sent again as the same bytes", () => {
  const { stream, sent, packets } = setUp();
  stream.send({ payloads: payloads(4), timestampUs: 0, marker: true });
  const lost = packets()[2]?.sequenceNumber ?? 0;
  assert.equal(stream.resend([lost]).packets, 1);
  assert.deepEqual(sent[4], sent[2]);
  assert.equal(stream.packetsRetransmitted, 1);
  assert.equal(stream.packetsSent, 4);
  assert.equal(stream.bytesSent, 5 * 13);
});

Deno.test("RtpStream: what was never sent, or too long ago, is not sent again", () => {
  const { stream, packets, clock } = setUp();
  stream.send({ payloads: payloads(200), timestampUs: 0, marker: true });
  const first = packets()[0]?.sequenceNumber ?? 0;
  const unknown = [(first - 1) & 0xffff, (first + 200) & 0xffff];
  assert.deepEqual(stream.resend(unknown), { packets: 0, isTooLate: false });
  assert.deepEqual(stream.resend([first]), { packets: 1, isTooLate: false });
  for (let i = 0; i < 2; i++) {
    stream.send({ payloads: payloads(200), timestampUs: 0, marker: true });
  }
  clock.stall(100);
  const { packets: known, isTooLate } = stream.resend([first, (first + 88) & 0xffff]);
  assert.equal(known, 1, "512 are kept of 600");
  assert.ok(isTooLate);
  clock.stall(950);
  assert.deepEqual(stream.resend([(first + 599) & 0xffff]), { packets: 0, isTooLate: true });
});

Deno.test("RtpStream: what a keyframe took the place of, or is about to, is not sent again", () => {
  const { stream, packets } = setUp();
  const send = ({ keyframe }: { keyframe: boolean }) =>
    stream.send({ payloads: payloads(2), timestampUs: 0, marker: true, keyframe });
  const numbers = () => packets().map(({ sequenceNumber }) => sequenceNumber);
  send({ keyframe: true });
  send({ keyframe: false });
  assert.deepEqual(stream.resend(numbers()), { packets: 4, isTooLate: false });
  send({ keyframe: true });
  const superseded = numbers().slice(0, 4);
  const needed = numbers().slice(-2);
  assert.deepEqual(stream.resend(superseded), { packets: 0, isTooLate: false });
  assert.deepEqual(stream.resend(needed), { packets: 2, isTooLate: false });
  stream.forget();
  assert.deepEqual(stream.resend(needed), { packets: 0, isTooLate: false });
});

Deno.test("RtpStream: a packet that is asked for all the time is sent once in 40 ms, four times in all", () => {
  const { stream, packets, clock } = setUp();
  stream.send({ payloads: payloads(1), timestampUs: 0, marker: true });
  const lost = packets()[0]?.sequenceNumber ?? 0;
  const resentAt: number[] = [];
  for (; clock.now() < 1_000; clock.stall(10)) {
    if (stream.resend([lost, lost, lost]).packets > 0) resentAt.push(clock.now());
  }
  assert.deepEqual(resentAt, [0, 40, 80, 120]);
  assert.equal(stream.packetsRetransmitted, 4);
});

Deno.test("RtpStream: where much is lost, each packet leaves twice, some milliseconds apart, as the same bytes", async () => {
  const missed: number[] = [];
  const repetition = { isRepeating: true, resent: (packets: number) => void missed.push(packets) };
  const { stream, packets, clock, sent } = setUp({ repetition });
  stream.send({ payloads: payloads(3), timestampUs: 0, marker: true });
  assert.equal(sent.length, 3);
  await clock.advance(10);
  assert.equal(sent.length, 6);
  assert.deepEqual(sent.slice(3), sent.slice(0, 3));
  assert.equal(stream.packetsSent, 3);
  const lost = packets()[1]?.sequenceNumber ?? 0;
  await clock.advance(50);
  stream.resend([lost]);
  await clock.advance(50);
  assert.deepEqual(packets().slice(6).map(({ sequenceNumber }) => sequenceNumber), [lost, lost]);
  stream.resend([lost]);
  assert.deepEqual(missed, [1, 0]);
  repetition.isRepeating = false;
  await clock.advance(50);
  const before = sent.length;
  stream.send({ payloads: payloads(1), timestampUs: 1e5, marker: true, keyframe: true });
  await clock.advance(50);
  assert.equal(sent.length, before + 1);
});

Deno.test("RtpStream: sequence numbers wrap, and the rollover counter says how often", () => {
  const { stream, srtp, packets } = setUp();
  for (let i = 0; i < 140; i++) {
    stream.send({ payloads: payloads(1000), timestampUs: 0, marker: true });
  }
  let expected = srtp.given[0]?.sequenceNumber ?? 0;
  for (const { sequenceNumber, rolloverCounter } of srtp.given) {
    assert.equal(rolloverCounter * 65_536 + sequenceNumber, expected);
    expected++;
  }
  assert.equal(srtp.given.at(-1)?.rolloverCounter, 2);
  const last = packets().at(-1)?.sequenceNumber ?? 0;
  assert.equal(extendSequenceNumber(last, expected - 1), expected - 1);
  assert.equal(stream.resend([last]).packets, 1);
});

Deno.test("RtpStream: its clock is 32 bits wide and follows the session's timeline", () => {
  const { stream } = setUp();
  const start = stream.timestampOf(0);
  assert.equal((stream.timestampOf(1_000_000) - start) >>> 0, 90_000);
  // Thirteen hours and a bit later it has wrapped.
  const day = 24 * 3600 * 1_000_000;
  assert.equal((stream.timestampOf(day) - start) >>> 0, (24 * 3600 * 90_000) % 2 ** 32);
  for (const us of [0, 1, day, 30 * day]) {
    assert.ok(stream.timestampOf(us) >= 0 && stream.timestampOf(us) < 2 ** 32);
  }
});

/** Streams of one connection whose packets are numbered together, from a number on. */
function numberedStreams(first: number, ids: readonly (number | undefined)[]) {
  let next = first;
  const counted: number[] = [];
  const sent: RtpPacket[] = [];
  const streams = ids.map((numberExtensionId) => {
    const stream = new RtpStream({
      payloadType: 96,
      clockRate: 90_000,
      clock: new FakeClock(),
      send: (packet) => void sent.push(parsed(packet.slice())),
      sent: (payloadBytes) => {
        counted.push(payloadBytes);
        return next++ & 0xffff;
      },
      numberExtensionId,
    });
    stream.start(new OpenSrtp());
    return stream;
  });
  return { streams, sent, counted };
}

/** What the two bytes of an extension say. */
function numbersOf(packets: readonly RtpPacket[], id: number): (number | undefined)[] {
  return packets.map(({ extensions }) => {
    const data = extensions.find((extension) => extension.id === id)?.data;
    return data && new DataView(data.buffer, data.byteOffset, data.length).getUint16(0);
  });
}

Deno.test("RtpStream: packets of all streams bear following numbers, which wrap, under the negotiated id", () => {
  const { streams: [video, audio], sent, counted } = numberedStreams(65_533, [3, 7]);
  video?.send({ payloads: payloads(3), timestampUs: 0, marker: true });
  audio?.send({ payloads: payloads(1), timestampUs: 0, marker: true });
  video?.send({ payloads: payloads(1), timestampUs: 1, marker: true });
  const [audioPacket] = sent.splice(3, 1);
  assert.deepEqual(numbersOf(sent, 3), [65_533, 65_534, 65_535, 1]);
  assert.deepEqual(numbersOf(audioPacket ? [audioPacket] : [], 7), [0]);
  assert.deepEqual(counted, [1, 1, 1, 1, 1]);
});

Deno.test("RtpStream: a number stands beside other extensions, and payloads stay whole", () => {
  const { streams: [video], sent } = numberedStreams(500, [3]);
  const extensions = [{ id: 5, data: Uint8Array.of(1, 2, 3) }];
  video?.send({ payloads: payloads(2), timestampUs: 0, marker: true, extensions });
  assert.deepEqual(numbersOf(sent, 3), [500, 501]);
  for (const [at, packet] of sent.entries()) {
    assert.deepEqual(packet.extensions.find(({ id }) => id === 5)?.data, Uint8Array.of(1, 2, 3));
    assert.deepEqual(packet.payload, Uint8Array.of(at));
  }
});

Deno.test("RtpStream: a packet that is sent again keeps its number, and takes none", () => {
  const { streams: [video], sent, counted } = numberedStreams(9, [3]);
  video?.send({ payloads: payloads(2), timestampUs: 0, marker: true });
  assert.equal(video?.resend([sent[0]?.sequenceNumber ?? 0]).packets, 1);
  video?.send({ payloads: payloads(1), timestampUs: 1, marker: true });
  assert.deepEqual(numbersOf(sent, 3), [9, 10, 9, 11]);
  assert.equal(counted.length, 3);
});

Deno.test("RtpStream: without a negotiated id packets bear no number, and what is sent is counted all the same", () => {
  const { streams: [video], sent, counted } = numberedStreams(9, [undefined]);
  video?.send({ payloads: payloads(2), timestampUs: 0, marker: true });
  assert.deepEqual(sent.map(({ extensions }) => extensions), [[], []]);
  assert.deepEqual(counted, [1, 1]);
});

Deno.test("RtpStream: before it is started nothing is counted", () => {
  const counted: number[] = [];
  const stream = new RtpStream({
    payloadType: 96,
    clockRate: 90_000,
    clock: new FakeClock(),
    send: () => assert.fail(),
    sent: (bytes) => counted.push(bytes),
    numberExtensionId: 3,
  });
  stream.send({ payloads: payloads(2), timestampUs: 0, marker: true });
  assert.deepEqual(counted, []);
});
