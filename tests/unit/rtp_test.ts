import { parseRtp } from "../support/media/rtp_packet.ts";
import { extendSequenceNumber, sequenceDelta } from "../../src/base/sequence_numbers.ts";
import assert from "assert";
import { classifyPacket } from "../../src/transport/packet_kind.ts";
import {
  formatPlayoutDelay,
  type RtpHeader,
  rtpHeaderBytes,
  writeRtpHeader,
} from "../../src/transport/rtp/rtp.ts";
import { Random } from "../support/random.ts";

const HEADER: RtpHeader = {
  payloadType: 102,
  sequenceNumber: 0xfedc,
  timestamp: 0x89abcdef,
  ssrc: 0xdeadbeef,
  marker: true,
};

function randomHeader(random: Random): RtpHeader {
  return {
    payloadType: random.below(128),
    sequenceNumber: random.below(0x1_0000),
    timestamp: random.uint32(),
    ssrc: random.uint32(),
    marker: random.oneIn(2),
    extensions: Array.from({ length: random.below(4) }, () => ({
      id: random.between(1, 14),
      data: random.bytes(random.between(1, 16)),
    })),
  };
}

Deno.test("writeRtpHeader: twelve bytes without extensions", () => {
  const target = new Uint8Array(20).fill(0xaa);
  assert.equal(writeRtpHeader(target, HEADER), 12);
  assert.deepEqual(
    [...target],
    [
      0x80,
      0xe6,
      0xfe,
      0xdc,
      0x89,
      0xab,
      0xcd,
      0xef,
      0xde,
      0xad,
      0xbe,
      0xef,
      ...Array(8).fill(0xaa),
    ],
  );
  assert.equal(writeRtpHeader(target, { ...HEADER, extensions: [] }), 12);
});

Deno.test("writeRtpHeader: playout delay and transport-wide number as one-byte extensions", () => {
  const target = new Uint8Array(40).fill(0xaa);
  const extensions = [
    { id: 3, data: Uint8Array.of(0x12, 0x34) },
    { id: 14, data: formatPlayoutDelay({ minMs: 0, maxMs: 0 }) },
  ];
  assert.equal(rtpHeaderBytes(extensions), 24);
  assert.equal(writeRtpHeader(target, { ...HEADER, marker: false, extensions }), 24);
  assert.deepEqual([...target.subarray(0, 2)], [0x90, 0x66]);
  assert.deepEqual(
    [...target.subarray(12, 25)],
    // 0xBEDE, two words, 3|2 bytes, 14|3 bytes, one byte of padding; then what was there before.
    [0xbe, 0xde, 0, 2, 0x31, 0x12, 0x34, 0xe2, 0, 0, 0, 0, 0xaa],
  );
});

Deno.test("writeRtpHeader: a field beyond its bits wraps, as a counter does", () => {
  const target = new Uint8Array(12);
  writeRtpHeader(target, { ...HEADER, sequenceNumber: 0x1_0002, timestamp: 0x1_0000_0003 });
  const parsed = parseRtp(target);
  assert.equal(parsed?.sequenceNumber, 2);
  assert.equal(parsed?.timestamp, 3);
});

Deno.test("writeRtpHeader: refuses what does not fit", () => {
  const large = new Uint8Array(100);
  const write = (id: number, bytes: number) => () =>
    writeRtpHeader(large, { ...HEADER, extensions: [{ id, data: new Uint8Array(bytes) }] });
  assert.throws(() => writeRtpHeader(new Uint8Array(11), HEADER), RangeError);
  assert.throws(write(0, 1), RangeError);
  assert.throws(write(15, 1), RangeError);
  assert.throws(write(1, 17), RangeError);
  assert.doesNotThrow(write(14, 16));
});

Deno.test("formatPlayoutDelay: two 12-bit fields in steps of 10 ms", () => {
  assert.deepEqual(formatPlayoutDelay({ minMs: 0, maxMs: 0 }), Uint8Array.of(0, 0, 0));
  assert.deepEqual(formatPlayoutDelay({ minMs: 100, maxMs: 409 }), Uint8Array.of(0, 0xa0, 0x28));
  assert.deepEqual(
    formatPlayoutDelay({ minMs: 40_950, maxMs: 99_999 }),
    Uint8Array.of(255, 255, 255),
  );
});

Deno.test("parseRtp: gives back what was written", () => {
  const random = new Random(5);
  for (let round = 0; round < 5_000; round++) {
    const header = randomHeader(random);
    const payload = random.bytes(random.below(50));
    const packet = random.bytes(rtpHeaderBytes(header.extensions) + payload.length);
    const at = writeRtpHeader(packet, header);
    packet.set(payload, at);
    assert.deepEqual(parseRtp(packet), { ...header, payload });
  }
});

Deno.test("parseRtp: contributing sources, other extension profiles and padding are skipped", () => {
  const packet = Uint8Array.from([
    ...[0x80 | 0x20 | 0x10 | 2, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ...[9, 9, 9, 9, 8, 8, 8, 8],
    ...[0x10, 0x00, 0, 1, 5, 1, 0xff, 0],
    ...[70, 71, 72, 0, 0, 3],
  ]);
  const parsed = parseRtp(packet);
  assert.deepEqual(parsed?.payload, Uint8Array.of(70, 71, 72));
  assert.deepEqual(parsed?.extensions, []);
});

Deno.test("parseRtp: padding between elements is skipped, ids 0 with length and 15 end the list", () => {
  const packetOf = (elements: number[]) =>
    Uint8Array.from([0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 2, ...elements]);
  const idsOf = (elements: number[]) =>
    parseRtp(packetOf(elements))?.extensions.map(({ id }) => id);
  assert.deepEqual(idsOf([0x10, 7, 0, 0, 0x20, 7, 0, 0]), [1, 2]);
  assert.deepEqual(idsOf([0x10, 7, 0x01, 0, 0, 0x20, 7, 0]), [1]);
  assert.deepEqual(idsOf([0x10, 7, 0xf0, 0, 0x20, 7, 0, 0]), [1]);
  assert.deepEqual(idsOf([0x10, 7, 0, 0, 0, 0, 0x23, 7]), [1]);
});

Deno.test("parseRtp: malformed packets give undefined", () => {
  const good = new Uint8Array(16);
  writeRtpHeader(good, HEADER);
  const change = (index: number, value: number) =>
    good.map((byte, at) => at === index ? value : byte);
  assert.ok(parseRtp(good));
  assert.equal(parseRtp(good.subarray(0, 11)), undefined);
  assert.equal(parseRtp(change(0, 0x40)), undefined);
  assert.equal(parseRtp(change(0, 0x82)), undefined);
  assert.equal(parseRtp(change(0, 0x90).with(15, 1)), undefined);
  assert.equal(parseRtp(change(0, 0xa0)), undefined);
  assert.equal(parseRtp(change(0, 0xa0).with(15, 5)), undefined);
  assert.equal(parseRtp(change(0, 0xa0).with(15, 4))?.payload.length, 0);
});

Deno.test("parseRtp: random and mutated packets never throw", () => {
  const random = new Random(6);
  for (let round = 0; round < 30_000; round++) {
    const header = randomHeader(random);
    const packet = random.bytes(random.between(rtpHeaderBytes(header.extensions), 120));
    writeRtpHeader(packet, header);
    const input = random.oneIn(4) ? random.bytes(random.below(60)) : random.mutate(packet);
    const parsed = parseRtp(input);
    if (parsed) assert.ok(parsed.payload.length <= input.length - 12);
    classifyPacket(input);
  }
});

Deno.test("sequenceDelta: is signed and wraps at 2^16", () => {
  assert.equal(sequenceDelta(5, 3), 2);
  assert.equal(sequenceDelta(3, 5), -2);
  assert.equal(sequenceDelta(1, 0xffff), 2);
  assert.equal(sequenceDelta(0xffff, 1), -2);
  assert.equal(sequenceDelta(0x8000, 0), -32_768);
  assert.equal(sequenceDelta(0x7fff, 0), 32_767);
});

Deno.test("extendSequenceNumber: follows a count through wraps, back and forth", () => {
  const random = new Random(7);
  let extended = 65_000;
  for (let round = 0; round < 10_000; round++) {
    const next = Math.max(0, extended + random.between(-20_000, 30_000));
    assert.equal(extendSequenceNumber(next & 0xffff, extended), next);
    extended = next;
  }
  assert.ok(extended > 0x1_0000_0);
});

Deno.test("classifyPacket: tells the protocols of a port apart by their first bytes", () => {
  const kindOf = (first: number, second: number, bytes = 40) => {
    const packet = new Uint8Array(bytes);
    packet.set([first, second]);
    return classifyPacket(packet);
  };
  assert.deepEqual([0, 3].map((first) => kindOf(first, 1)), ["stun", "stun"]);
  assert.deepEqual([20, 22, 63].map((first) => kindOf(first, 254)), ["dtls", "dtls", "dtls"]);
  assert.deepEqual(
    [4, 19, 64, 79, 127, 192, 255].map((first) => kindOf(first, 0)),
    Array(7).fill("unknown"),
  );
  assert.deepEqual(
    [0, 96, 127, 191, 224, 255].map((second) => kindOf(0x80, second)),
    Array(6).fill("rtp"),
  );
  assert.deepEqual(
    [192, 200, 201, 206, 223].map((second) => kindOf(0x81, second)),
    Array(5).fill("rtcp"),
  );
  assert.deepEqual([128, 191].map((first) => kindOf(first, 96)), ["rtp", "rtp"]);
});

Deno.test("classifyPacket: packets shorter than their protocol's header are unknown", () => {
  for (const [first, second, least] of [[0, 1, 20], [22, 254, 13], [128, 96, 12], [128, 200, 8]]) {
    assert.ok(first !== undefined && second !== undefined && least !== undefined);
    const packet = new Uint8Array(least);
    packet.set([first, second]);
    assert.notEqual(classifyPacket(packet), "unknown");
    assert.equal(classifyPacket(packet.subarray(0, least - 1)), "unknown");
  }
  assert.equal(classifyPacket(new Uint8Array(0)), "unknown");
});
