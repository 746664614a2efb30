import assert from "assert";
import { parseRtcp, type RtcpPacket } from "../../src/transport/rtp/rtcp.ts";
import { NACK_SEQUENCE_NUMBERS_MAX } from "../../src/transport/rtp/rtcp_feedback.ts";
import { formatBye, formatSenderReport } from "../../src/transport/rtp/rtcp_format.ts";
import { Random } from "../support/random.ts";

const SENDER = 0x0102_0304;
const MEDIA = 0xa0b0_c0d0;
const SOURCES = [1, 2, 3, 4, 0xa0, 0xb0, 0xc0, 0xd0];

/** An RTCP packet: `count` is the number of blocks, or a feedback message's format. */
function packetOf(type: number, count: number, body: readonly number[]): Uint8Array<ArrayBuffer> {
  assert.equal(body.length % 4, 0);
  const words = body.length / 4;
  return Uint8Array.from([0x80 | count, type, words >>> 8, words & 0xff, ...body]);
}

function compoundOf(...packets: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(packets.flatMap((packet) => [...packet]));
}

/** The only packet of a compound that is well-formed. */
function onlyPacket(compound: Uint8Array): RtcpPacket {
  const { packets, malformed } = parseRtcp(compound);
  assert.ok(!malformed);
  assert.equal(packets.length, 1);
  const [packet] = packets;
  assert.ok(packet);
  return packet;
}

const REPORT_BLOCK = [
  ...[0xa0, 0xb0, 0xc0, 0xd0],
  ...[64, 0xff, 0xff, 0xfe], // a quarter; −2
  ...[0, 1, 0xff, 0xff],
  ...[0, 0, 1, 0x2c],
  ...[0x11, 0x22, 0x33, 0x44],
  ...[0, 1, 0, 0],
];
const REPORT = {
  ssrc: MEDIA,
  fractionLost: 0.25,
  cumulativeLost: -2,
  highestSequenceNumber: 0x1ffff,
  jitter: 300,
  lastSenderReport: 0x1122_3344,
  delaySinceLastSenderReport: 65_536,
};
const RECEIVER_REPORT = packetOf(201, 1, [1, 2, 3, 4, ...REPORT_BLOCK]);
const PLI = packetOf(206, 1, SOURCES);
/** One packet, number 7, that arrived 250 µs after the reference time of 64 ms. */
const TRANSPORT_FEEDBACK = packetOf(205, 15, [
  ...SOURCES,
  ...[0, 7, 0, 1, 0, 0, 1, 42],
  ...[0x20, 1, 1, 0],
]);

function nackOf(...entries: readonly number[]): Uint8Array {
  return packetOf(205, 1, [
    ...SOURCES,
    ...entries.flatMap((entry) => [entry >>> 8, entry & 0xff]),
  ]);
}

Deno.test("parseRtcp: receiver report", () => {
  assert.deepEqual(onlyPacket(RECEIVER_REPORT), {
    type: "receiver_report",
    senderSsrc: SENDER,
    reports: [REPORT],
  });
});

Deno.test("parseRtcp: profile-specific extensions of a report are skipped", () => {
  const extended = packetOf(201, 1, [1, 2, 3, 4, ...REPORT_BLOCK, 9, 9, 9, 9]);
  assert.deepEqual(onlyPacket(extended), onlyPacket(RECEIVER_REPORT));
});

Deno.test("parseRtcp: cumulative loss is a signed 24-bit number", () => {
  for (const [bytes, expected] of [[[0x7f, 0xff, 0xff], 8_388_607], [[0x80, 0, 0], -8_388_608]]) {
    assert.ok(Array.isArray(bytes));
    const report = onlyPacket(packetOf(
      201,
      1,
      [1, 2, 3, 4, ...REPORT_BLOCK].with(9, bytes[0] ?? 0)
        .with(10, bytes[1] ?? 0).with(11, bytes[2] ?? 0),
    ));
    assert.ok(report.type === "receiver_report");
    assert.equal(report.reports[0]?.cumulativeLost, expected);
  }
});

Deno.test("parseRtcp: sender report with a report block", () => {
  const info = [0xe0, 0, 0, 1, 0x80, 0, 0, 0, 0, 1, 0x5f, 0x90, 0, 0, 0, 7, 0, 0, 4, 0];
  assert.deepEqual(onlyPacket(packetOf(200, 1, [1, 2, 3, 4, ...info, ...REPORT_BLOCK])), {
    type: "sender_report",
    senderSsrc: SENDER,
    ntpSeconds: 0xe000_0001,
    ntpFraction: 0x8000_0000,
    rtpTimestamp: 90_000,
    packetCount: 7,
    octetCount: 1024,
    reports: [REPORT],
  });
});

Deno.test("parseRtcp: NACK lists the first number and those of its mask, across the wrap", () => {
  assert.deepEqual(onlyPacket(nackOf(0xfffe, 0b1000_0000_0000_0101, 7, 0)), {
    type: "nack",
    senderSsrc: SENDER,
    mediaSsrc: MEDIA,
    sequenceNumbers: [0xfffe, 0xffff, 1, 14, 7],
  });
});

Deno.test("parseRtcp: NACK lists no more than the limit", () => {
  const entries = Array.from({ length: 300 }, (_, index) => [index * 17, 0xffff]).flat();
  const nack = onlyPacket(nackOf(...entries));
  assert.ok(nack.type === "nack");
  assert.deepEqual(nack.sequenceNumbers, Array.from(Array(NACK_SEQUENCE_NUMBERS_MAX).keys()));
});

Deno.test("parseRtcp: PLI and FIR", () => {
  assert.deepEqual(onlyPacket(PLI), { type: "pli", senderSsrc: SENDER, mediaSsrc: MEDIA });
  const requests = [0xa0, 0xb0, 0xc0, 0xd0, 200, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0];
  assert.deepEqual(onlyPacket(packetOf(206, 4, [...SOURCES, ...requests])), {
    type: "fir",
    senderSsrc: SENDER,
    requests: [{ ssrc: MEDIA, sequenceNumber: 200 }, { ssrc: 5, sequenceNumber: 1 }],
  });
});

Deno.test("parseRtcp: REMB is mantissa times a power of two", () => {
  const rembOf = (rate: readonly number[]) =>
    onlyPacket(packetOf(206, 15, [
      ...[1, 2, 3, 4, 0, 0, 0, 0],
      ...[0x52, 0x45, 0x4d, 0x42, 1, ...rate],
      ...[0xa0, 0xb0, 0xc0, 0xd0],
    ]));
  const expected = { type: "remb", senderSsrc: SENDER, ssrcs: [MEDIA] };
  // Exponent 3, mantissa 0x20001.
  assert.deepEqual(rembOf([0x0e, 0x00, 0x01]), { ...expected, bitsPerSecond: 0x20001 * 8 });
  assert.deepEqual(rembOf([0, 0, 0]), { ...expected, bitsPerSecond: 0 });
  assert.deepEqual(rembOf([0xff, 0xff, 0xff]), { ...expected, bitsPerSecond: 0x3ffff * 2 ** 63 });
});

Deno.test("parseRtcp: transport-wide feedback", () => {
  assert.deepEqual(onlyPacket(TRANSPORT_FEEDBACK), {
    type: "transport_feedback",
    senderSsrc: SENDER,
    mediaSsrc: MEDIA,
    feedbackCount: 42,
    arrivals: [{ sequenceNumber: 7, receivedAtUs: 64_250 }],
  });
});

Deno.test("parseRtcp: application feedback of others is skipped", () => {
  const other = packetOf(206, 15, [...SOURCES, 0x41, 0x42, 0x43, 0x44, 0, 0, 0, 0]);
  assert.deepEqual(parseRtcp(other), { packets: [], malformed: false });
});

Deno.test("parseRtcp: BYE with a reason, padding, and unknown types between", () => {
  const bye = packetOf(203, 2, [1, 2, 3, 4, 0, 0, 0, 9, 3, 0x62, 0x79, 0x65]);
  const extendedReport = packetOf(207, 0, [1, 2, 3, 4]);
  const padded = packetOf(206, 1, [...SOURCES, 0, 0, 0, 4]).with(0, 0xa1);
  const { packets, malformed } = parseRtcp(
    compoundOf(RECEIVER_REPORT, extendedReport, bye, padded),
  );
  assert.ok(!malformed);
  assert.deepEqual(packets.map(({ type }) => type), ["receiver_report", "bye", "pli"]);
  assert.deepEqual(packets[1], { type: "bye", ssrcs: [SENDER, 9] });
});

Deno.test("parseRtcp: gives what came before something malformed", () => {
  const malformed = [
    Uint8Array.of(0x80, 201),
    PLI.with(0, 0x41), // version 1
    PLI.with(2, 1), // longer than the datagram
    PLI.with(0, 0xa1).with(11, 0), // padding of 0 bytes
    PLI.with(0, 0xa1).with(11, 9), // more padding than content
    PLI.with(0, 0xa1).with(11, 4), // padding where the media source belongs
    packetOf(201, 1, [1, 2, 3, 4, ...REPORT_BLOCK.slice(4)]),
    packetOf(200, 0, [1, 2, 3, 4]),
    packetOf(201, 0, []),
    packetOf(203, 2, [1, 2, 3, 4]),
    packetOf(205, 15, SOURCES),
    packetOf(206, 15, [...SOURCES, 0x52, 0x45, 0x4d, 0x42, 1, 0, 0, 0]),
  ];
  for (const packet of malformed) {
    const result = parseRtcp(compoundOf(RECEIVER_REPORT, packet, PLI));
    assert.ok(result.malformed, `accepted ${packet}`);
    assert.deepEqual(result.packets, parseRtcp(RECEIVER_REPORT).packets);
  }
  assert.deepEqual(parseRtcp(new Uint8Array(0)), { packets: [], malformed: true });
});

Deno.test("parseRtcp: random and mutated compounds never throw", () => {
  const random = new Random(9);
  const seeds = [
    compoundOf(RECEIVER_REPORT, PLI, nackOf(5, 0xffff, 80, 1)),
    TRANSPORT_FEEDBACK,
    packetOf(206, 15, [...SOURCES, 0x52, 0x45, 0x4d, 0x42, 1, 9, 9, 9, 0, 0, 0, 1]),
    packetOf(206, 4, [...SOURCES, 1, 2, 3, 4, 5, 0, 0, 0]),
    formatSenderReport({
      ssrc: 1,
      wallMs: 1e12,
      rtpTimestamp: 2,
      packetCount: 3,
      octetCount: 4,
      cname: "name",
    }),
    formatBye({ ssrc: 1, cname: "name" }),
  ];
  let parsed = 0;
  for (let round = 0; round < 40_000; round++) {
    const input = random.oneIn(5)
      ? random.bytes(random.below(80))
      : random.mutate(random.pick(seeds));
    if (input.length >= 4 && random.oneIn(3)) {
      input.set([0x80 | random.below(32), random.between(199, 208), 0, (input.length >>> 2) - 1]);
    }
    parsed += parseRtcp(input).packets.length;
  }
  assert.ok(parsed > 5_000, `only ${parsed} packets were parsed`);
});

Deno.test("parseRtcp: reads from views into a larger buffer", () => {
  const buffer = new Uint8Array(100).fill(0xee);
  buffer.set(RECEIVER_REPORT, 13);
  const view = buffer.subarray(13, 13 + RECEIVER_REPORT.length);
  assert.deepEqual(parseRtcp(view), parseRtcp(RECEIVER_REPORT));
});

Deno.test("parseRtcp: a compound reports on no more packets than one message may", () => {
  // Two runs say of 8192 packets that none arrived.
  const runs = [0x1f, 0xff, 0x1f, 0xff];
  const message = packetOf(205, 15, [...SOURCES, 0, 0, 0x20, 0, 0, 0, 0, 1, ...runs]);
  assert.ok(!parseRtcp(message).malformed);
  const { packets, malformed } = parseRtcp(compoundOf(...Array<Uint8Array>(60).fill(message)));
  assert.ok(malformed);
  assert.equal(packets.length, 1);
});
