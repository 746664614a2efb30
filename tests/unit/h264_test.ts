import { containsKeyframe } from "../support/media/keyframes.ts";
import assert from "assert";
import { packetizeH264, ParameterSetCache, splitAnnexB } from "../../src/media/h264.ts";
import { depacketizeH264 } from "../support/media/depacketize.ts";
import { Random } from "../support/random.ts";

const SPS = Uint8Array.of(0x67, 0x42, 0xc0, 0x1f, 0xda, 0x02, 0x80);
const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);
const SEI = Uint8Array.of(0x06, 0x05, 0x01, 0x2a, 0x80);
const DELIMITER = Uint8Array.of(0x09, 0xf0);

/** A NAL unit of `bytes` bytes whose content holds no start code and no zero at its end. */
function nalOf(header: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => index === 0 ? header : 1 + index % 251);
}

function annexB(nals: readonly Uint8Array[], startCode = [0, 0, 0, 1]): Uint8Array {
  return Uint8Array.from(nals.flatMap((nal) => [...startCode, ...nal]));
}

/** Random content as an encoder may write it: emulation prevented, no zero at the end. */
function randomNal(random: Random, bytes: number): Uint8Array {
  const type = random.pick([1, 1, 1, 5, 6, 7, 8, 10, 14, 20]);
  const nal = Uint8Array.from({ length: bytes }, () => random.oneIn(3) ? 0 : random.below(256));
  for (let index = 2; index < bytes; index++) {
    if (nal[index - 1] === 0 && nal[index - 2] === 0 && (nal[index] ?? 0) <= 3) nal[index] = 0x80;
  }
  nal[0] = random.below(8) << 5 | type;
  if (bytes > 1) nal[bytes - 1] = 0x80;
  return nal;
}

function sizes(payloads: readonly Uint8Array[]): number[] {
  return payloads.map((payload) => payload.length);
}

Deno.test("splitAnnexB: start codes of three and four bytes, mixed", () => {
  const stream = Uint8Array.of(0, 0, 0, 1, ...SPS, 0, 0, 1, ...PPS, 0, 0, 0, 1, 0x65, 1, 0, 2);
  assert.deepEqual(splitAnnexB(stream), [SPS, PPS, Uint8Array.of(0x65, 1, 0, 2)]);
});

Deno.test("splitAnnexB: drops trailing zeros, empty units and what precedes the first start code", () => {
  const stream = Uint8Array.of(9, 9, 0, 0, 1, ...PPS, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0x41, 7, 0, 0);
  assert.deepEqual(splitAnnexB(stream), [PPS, Uint8Array.of(0x41, 7)]);
  for (const none of [[], [0], [0, 0], [0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 2, 3, 4]]) {
    assert.deepEqual(splitAnnexB(Uint8Array.from(none)), []);
  }
});

Deno.test("splitAnnexB: gives views, not copies", () => {
  const stream = annexB([SPS, PPS]);
  for (const nal of splitAnnexB(stream)) assert.equal(nal.buffer, stream.buffer);
});

Deno.test("splitAnnexB: agrees with a search byte by byte, whatever the bytes", () => {
  const random = new Random(1);
  for (let round = 0; round < 20_000; round++) {
    const stream = Uint8Array.from(
      { length: random.below(40) },
      () => random.pick([0, 0, 0, 1, 1, 7]),
    );
    // One character per byte, so that the pattern is plain.
    const units = String.fromCharCode(...stream).split("\0\0\x01").slice(1);
    const expected = units.map((unit) => {
      let end = unit.length;
      while (unit[end - 1] === "\0") end -= 1;
      return [...unit.slice(0, end)].map((character) => character.charCodeAt(0));
    }).filter((unit) => unit.length > 0);
    assert.deepEqual(splitAnnexB(stream).map((nal) => [...nal]), expected);
  }
});

Deno.test("containsKeyframe: true for IDR slices only", () => {
  assert.ok(containsKeyframe(annexB([DELIMITER, SPS, PPS, SEI, nalOf(0x65, 50)])));
  assert.ok(containsKeyframe(annexB([nalOf(0x65, 9)], [0, 0, 1])));
  assert.ok(!containsKeyframe(annexB([SPS, PPS, nalOf(0x41, 50)])));
  assert.ok(!containsKeyframe(annexB([SPS, PPS])));
  assert.ok(!containsKeyframe(new Uint8Array(0)));
});

Deno.test("packetizeH264: parameter sets and SEI share a STAP-A before the fragments of a keyframe", () => {
  const idr = nalOf(0x65, 3000);
  const payloads = packetizeH264(annexB([DELIMITER, SPS, PPS, SEI, idr]), {
    payloadBytesMax: 1188,
  });
  assert.equal(payloads.length, 4);
  // F 0, importance 3 (the highest of the three), type 24; then a 16-bit length before each unit.
  assert.deepEqual(
    payloads[0],
    Uint8Array.of(0x78, 0, SPS.length, ...SPS, 0, PPS.length, ...PPS, 0, SEI.length, ...SEI),
  );
  const headers = payloads.slice(1).map((payload) => [...payload.subarray(0, 2)]);
  assert.deepEqual(headers, [[0x7c, 0x85], [0x7c, 0x05], [0x7c, 0x45]]);
  assert.deepEqual(depacketizeH264(payloads), [SPS, PPS, SEI, idr]);
});

Deno.test("packetizeH264: a unit that fits alone is sent as it is, without a copy", () => {
  const nal = nalOf(0x41, 1188);
  const accessUnit = annexB([nal]);
  const payloads = packetizeH264(accessUnit, { payloadBytesMax: 1188 });
  assert.deepEqual(payloads, [nal]);
  assert.equal(payloads[0]?.buffer, accessUnit.buffer);
});

Deno.test("packetizeH264: a unit one byte too large becomes two halves", () => {
  const payloads = packetizeH264(annexB([nalOf(0x41, 1189)]), { payloadBytesMax: 1188 });
  assert.deepEqual(sizes(payloads), [2 + 594, 2 + 594]);
});

Deno.test("packetizeH264: a STAP-A is filled to the limit and not beyond", () => {
  const nals = [nalOf(0x67, 10), nalOf(0x68, 20)];
  assert.deepEqual(sizes(packetizeH264(annexB(nals), { payloadBytesMax: 35 })), [35]);
  assert.deepEqual(sizes(packetizeH264(annexB(nals), { payloadBytesMax: 34 })), [10, 20]);
});

Deno.test("packetizeH264: delimiters, filler and types that RTP uses itself are not sent", () => {
  const filler = Uint8Array.of(0x0c, 0xff, 0x80);
  const dropped = [
    DELIMITER,
    filler,
    nalOf(0x60, 5),
    nalOf(0x78, 5),
    nalOf(0x7c, 5),
    nalOf(0x7f, 5),
  ];
  assert.deepEqual(packetizeH264(annexB(dropped), { payloadBytesMax: 100 }), []);
  assert.deepEqual(
    depacketizeH264(
      packetizeH264(annexB([...dropped, SPS, filler, PPS]), { payloadBytesMax: 100 }),
    ),
    [SPS, PPS],
  );
});

Deno.test("packetizeH264: the forbidden bit of any unit marks its STAP-A", () => {
  const [payload] = packetizeH264(annexB([nalOf(0x21, 4), nalOf(0xc1, 4)]), {
    payloadBytesMax: 99,
  });
  assert.equal(payload?.[0], 0x80 | 0x40 | 24);
});

Deno.test("packetizeH264: any access unit comes back whole, in payloads of the right size", () => {
  const random = new Random(2);
  for (let round = 0; round < 3_000; round++) {
    const payloadBytesMax = random.pick([3, 4, 5, 20, 100, 1184, 1188]);
    const bytesMax = random.pick([4, 40, 400, payloadBytesMax < 20 ? 400 : 6000]);
    const nals = Array.from(
      { length: random.below(8) },
      () => randomNal(random, random.between(1, bytesMax)),
    );
    const stream = annexB(nals, random.pick([[0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]));
    const payloads = packetizeH264(stream, { payloadBytesMax });
    assert.deepEqual(depacketizeH264(payloads), nals);
    const fragments = payloads.filter((payload) => ((payload[0] ?? 0) & 0x1f) === 28);
    for (const payload of payloads) assert.ok(payload.length <= payloadBytesMax);
    for (const [index, fragment] of fragments.entries()) {
      const next = fragments[index + 1];
      const isLast = ((fragment[1] ?? 0) & 0x40) !== 0;
      if (next && !isLast) assert.ok(Math.abs(next.length - fragment.length) <= 1);
    }
  }
});

Deno.test("packetizeH264: any bytes at all give payloads within the limit", () => {
  const random = new Random(3);
  for (let round = 0; round < 20_000; round++) {
    const stream = Uint8Array.from(
      { length: random.below(80) },
      () => random.oneIn(2) ? random.below(2) : random.below(256),
    );
    const payloadBytesMax = random.between(3, 30);
    const payloads = packetizeH264(stream, { payloadBytesMax });
    assert.ok(payloads.every(({ length }) => length > 0 && length <= payloadBytesMax));
    depacketizeH264(payloads);
  }
});

Deno.test("packetizeH264: limits that cannot hold a fragment are refused", () => {
  for (const payloadBytesMax of [2, 0, -1, NaN, 65_536, Infinity]) {
    assert.throws(() => packetizeH264(annexB([SPS]), { payloadBytesMax }), RangeError);
  }
});

Deno.test("ParameterSetCache: puts remembered sets before a bare IDR picture", () => {
  const cache = new ParameterSetCache();
  const first = annexB([SPS, PPS, nalOf(0x65, 30)]);
  assert.equal(cache.complete(first), first);
  const delta = annexB([nalOf(0x41, 30)]);
  assert.equal(cache.complete(delta), delta);
  const bare = annexB([DELIMITER, SEI, nalOf(0x65, 30)]);
  const completed = cache.complete(bare);
  assert.deepEqual(splitAnnexB(completed), [DELIMITER, SPS, PPS, SEI, nalOf(0x65, 30)]);
  assert.deepEqual(splitAnnexB(bare), [DELIMITER, SEI, nalOf(0x65, 30)]);
});

Deno.test("ParameterSetCache: completes an IDR picture that has one kind only", () => {
  const cache = new ParameterSetCache();
  cache.complete(annexB([SPS, PPS]));
  const completed = cache.complete(annexB([PPS, nalOf(0x65, 30)], [0, 0, 1]));
  assert.deepEqual(splitAnnexB(completed), [SPS, PPS, PPS, nalOf(0x65, 30)]);
});

Deno.test("ParameterSetCache: keeps its own copy, the newest of each id, SPS first", () => {
  const cache = new ParameterSetCache();
  const changed = Uint8Array.of(0x67, 0x42, 0xc0, 0x28, 0xda, 0x09);
  // Exp-Golomb: 00100 is id 3, while eleven leading zeros are far beyond the largest id of 255.
  const third = Uint8Array.of(0x68, 0b0010_0111, 0x80);
  const beyond = Uint8Array.of(0x68, 0, 0b0001_0000, 0x80);
  const stream = annexB([SPS, PPS, third, beyond]);
  cache.complete(stream);
  stream.fill(0xff);
  cache.complete(annexB([changed]));
  const completed = cache.complete(annexB([nalOf(0x65, 30)]));
  assert.deepEqual(splitAnnexB(completed), [changed, PPS, third, nalOf(0x65, 30)]);
});

Deno.test("ParameterSetCache: an IDR picture before any set passes unchanged", () => {
  const bare = annexB([nalOf(0x65, 30)]);
  assert.deepEqual(new ParameterSetCache().complete(bare), bare);
});
