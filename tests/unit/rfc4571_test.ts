import assert from "assert";
import { formatFrames, framedBytes, FrameReader } from "../../src/ports/rfc4571.ts";
import { Random } from "../support/random.ts";

const PACKETS = [
  Uint8Array.of(1),
  Uint8Array.of(2, 3),
  new Uint8Array(300).fill(4),
  new Uint8Array(1500).fill(5),
  Uint8Array.of(6),
];

/** Reads chunks one after the other, and keeps what came out. */
function read(reader: FrameReader, ...chunks: Uint8Array[]): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (const chunk of chunks) {
    assert.ok(reader.push(chunk, (packet) => packets.push(packet.slice())));
  }
  return packets;
}

Deno.test("formatFrames: each packet stands behind its length, most significant byte first", () => {
  const frames = formatFrames([Uint8Array.of(7, 8, 9), new Uint8Array(0x0102)]);
  assert.deepEqual([...frames.subarray(0, 7)], [0, 3, 7, 8, 9, 1, 2]);
  assert.equal(frames.length, framedBytes(new Uint8Array(3)) + framedBytes(new Uint8Array(0x0102)));
  assert.deepEqual(formatFrames([]), new Uint8Array(0));
});

Deno.test("FrameReader: a stream that is split at any byte gives the same packets", () => {
  const stream = formatFrames(PACKETS);
  for (let at = 0; at <= stream.length; at++) {
    const found = read(new FrameReader(1500), stream.subarray(0, at), stream.subarray(at));
    assert.deepEqual(found, PACKETS, `split at ${at}`);
  }
});

Deno.test("FrameReader: a stream that comes byte by byte, or in pieces of any size, gives the same packets", () => {
  const stream = formatFrames(PACKETS);
  const bytes = Array.from(stream, (byte) => Uint8Array.of(byte));
  assert.deepEqual(read(new FrameReader(1500), ...bytes), PACKETS);
  const random = new Random(4_571);
  for (let round = 0; round < 200; round++) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const size = random.between(1, 700);
      chunks.push(stream.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(read(new FrameReader(1500), ...chunks), PACKETS);
  }
});

Deno.test("FrameReader: null packets are passed over, wherever they stand", () => {
  const stream = formatFrames([
    new Uint8Array(0),
    Uint8Array.of(1),
    new Uint8Array(0),
    Uint8Array.of(2),
  ]);
  for (let at = 0; at <= stream.length; at++) {
    const found = read(new FrameReader(1500), stream.subarray(0, at), stream.subarray(at));
    assert.deepEqual(found, [Uint8Array.of(1), Uint8Array.of(2)]);
  }
});

Deno.test("FrameReader: a length above the limit breaks the stream for good, at its second byte", () => {
  const good = formatFrames([Uint8Array.of(1)]);
  const reader = new FrameReader(1500);
  const found: number[] = [];
  const push = (...bytes: number[]) =>
    reader.push(Uint8Array.of(...bytes), (packet) => found.push(packet[0] ?? 0));
  assert.ok(push(...good, 0x05));
  assert.ok(!push(0xdd), "1501 bytes");
  assert.ok(!push(...good));
  assert.deepEqual(found, [1]);
});

Deno.test("FrameReader: packets before a length that is too long are given", () => {
  const stream = Uint8Array.of(
    ...formatFrames([Uint8Array.of(1)]),
    0xff,
    0xff,
    ...new Uint8Array(3_000),
  );
  const found: number[] = [];
  assert.ok(!new FrameReader(1500).push(stream, (packet) => found.push(packet[0] ?? 0)));
  assert.deepEqual(found, [1]);
});
