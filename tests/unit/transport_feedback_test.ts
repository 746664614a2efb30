import assert from "assert";
import {
  type PacketArrival,
  parseTransportFeedback,
  TRANSPORT_FEEDBACK_PACKETS_MAX,
} from "../../src/rate/transport_feedback.ts";
import { Random } from "../support/random.ts";

/** A transport-wide feedback message; reference time in 64 ms, deltas as bytes. */
function feedbackOf(
  { base, count, reference = 1, chunks, deltas }: {
    base: number;
    count: number;
    reference?: number;
    chunks: readonly number[];
    deltas: readonly number[];
  },
): DataView {
  const body = [
    ...[1, 2, 3, 4, 0xa0, 0xb0, 0xc0, 0xd0],
    ...[base >>> 8, base & 0xff, count >>> 8, count & 0xff],
    ...[(reference >>> 16) & 0xff, (reference >>> 8) & 0xff, reference & 0xff, 42],
    ...chunks.flatMap((chunk) => [chunk >>> 8, chunk & 0xff]),
    ...deltas,
  ];
  while (body.length % 4 !== 0) body.push(0);
  return new DataView(Uint8Array.from(body).buffer);
}

function arrivalsOf(feedback: DataView): readonly PacketArrival[] {
  const parsed = parseTransportFeedback(feedback);
  assert.ok(parsed);
  return parsed.arrivals;
}

Deno.test("parseTransportFeedback: sources and message count", () => {
  const feedback = feedbackOf({ base: 1, count: 0, chunks: [], deltas: [] });
  assert.deepEqual(parseTransportFeedback(feedback), {
    type: "transport_feedback",
    senderSsrc: 0x0102_0304,
    mediaSsrc: 0xa0b0_c0d0,
    feedbackCount: 42,
    arrivals: [],
  });
});

Deno.test("parseTransportFeedback: a run of small deltas, across the wrap", () => {
  // Run length: symbol 1, three times.
  const feedback = feedbackOf({ base: 0xffff, count: 3, chunks: [0x2003], deltas: [0, 4, 255] });
  assert.deepEqual(arrivalsOf(feedback), [
    { sequenceNumber: 0xffff, receivedAtUs: 64_000 },
    { sequenceNumber: 0, receivedAtUs: 65_000 },
    { sequenceNumber: 1, receivedAtUs: 65_000 + 255 * 250 },
  ]);
});

Deno.test("parseTransportFeedback: vectors of one and two bits", () => {
  const feedback = feedbackOf({
    base: 10,
    count: 17,
    // 14 one-bit symbols: the first and the last received. Then two-bit symbols: 2, 0, 1, and four to spare.
    chunks: [0b10_1000_0000_0000_01, 0b11_10_00_01_00_00_00_00],
    deltas: [4, 4, 0xff, 0xfc, 8],
  });
  const received = arrivalsOf(feedback).filter(({ receivedAtUs }) => receivedAtUs !== undefined);
  assert.equal(arrivalsOf(feedback).length, 17);
  assert.deepEqual(received, [
    { sequenceNumber: 10, receivedAtUs: 65_000 },
    { sequenceNumber: 23, receivedAtUs: 66_000 },
    // A large delta of −4: packets may overtake each other.
    { sequenceNumber: 24, receivedAtUs: 65_000 },
    { sequenceNumber: 26, receivedAtUs: 67_000 },
  ]);
});

Deno.test("parseTransportFeedback: the reference time has a sign", () => {
  const feedback = feedbackOf({ base: 1, count: 1, reference: -2, chunks: [0x2001], deltas: [1] });
  assert.deepEqual(arrivalsOf(feedback), [{ sequenceNumber: 1, receivedAtUs: -128_000 + 250 }]);
});

Deno.test("parseTransportFeedback: a message that contradicts itself is malformed", () => {
  const deltas = [1, 1, 1, 1];
  const malformed = [
    feedbackOf({ base: 1, count: 9, chunks: [0x2009], deltas: [1, 1] }), // deltas missing
    feedbackOf({ base: 1, count: 9, chunks: [0x2001, 0x2001], deltas: [] }), // chunks missing
    feedbackOf({ base: 1, count: 2, chunks: [0x6002], deltas }), // symbol 3
    feedbackOf({ base: 1, count: 7, chunks: [0xc003], deltas }), // symbol 3 in a vector
    feedbackOf({
      base: 1,
      count: TRANSPORT_FEEDBACK_PACKETS_MAX + 1,
      chunks: [0x1fff, 0x1fff],
      deltas: [],
    }),
  ];
  for (const feedback of malformed) assert.equal(parseTransportFeedback(feedback), undefined);
  assert.equal(parseTransportFeedback(new DataView(new ArrayBuffer(15))), undefined);
  const largest = { base: 1, count: TRANSPORT_FEEDBACK_PACKETS_MAX, deltas: [] };
  assert.equal(
    arrivalsOf(feedbackOf({ ...largest, chunks: [0x1fff, 0x1fff] })).length,
    TRANSPORT_FEEDBACK_PACKETS_MAX,
  );
});

Deno.test("parseTransportFeedback: gives back any pattern of arrivals", () => {
  const random = new Random(10);
  for (let round = 0; round < 2_000; round++) {
    const base = random.below(0x1_0000);
    const chunks: number[] = [];
    const deltas: number[] = [];
    const expected: PacketArrival[] = [];
    let timeUs = 64_000;
    const add = (symbol: number) => {
      const sequenceNumber = (base + expected.length) & 0xffff;
      if (symbol === 0) return expected.push({ sequenceNumber, receivedAtUs: undefined });
      const delta = symbol === 1 ? random.below(256) : random.between(-32_768, 32_767);
      deltas.push(...(symbol === 1 ? [delta] : [(delta >> 8) & 0xff, delta & 0xff]));
      timeUs += 250 * delta;
      return expected.push({ sequenceNumber, receivedAtUs: timeUs });
    };
    for (let count = random.below(12); count > 0; count--) {
      const isRun = random.oneIn(2);
      const bits = random.between(1, 2);
      const symbols = isRun
        ? new Array<number>(random.between(1, 40)).fill(random.below(3))
        : Array.from({ length: 14 / bits }, () => random.below(bits + 1));
      const vector = symbols.reduce((chunk, symbol) => chunk << bits | symbol, bits + 1);
      chunks.push(isRun ? (symbols[0] ?? 0) << 13 | symbols.length : vector);
      symbols.forEach(add);
    }
    assert.deepEqual(
      arrivalsOf(feedbackOf({ base, count: expected.length, chunks, deltas })),
      expected,
    );
  }
});

Deno.test("parseTransportFeedback: random and mutated messages never throw", () => {
  const random = new Random(11);
  const seeds = [
    feedbackOf({
      base: 9,
      count: 12,
      chunks: [0x2005, 0xd555],
      deltas: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    }),
    feedbackOf({ base: 9, count: 8000, chunks: [0x1f40], deltas: [] }),
    feedbackOf({ base: 9, count: 20, chunks: [0xbfff, 0x2014], deltas: new Array(20).fill(3) }),
  ];
  let parsed = 0;
  for (let round = 0; round < 40_000; round++) {
    const input = random.oneIn(5)
      ? random.bytes(random.below(80))
      : random.mutate(new Uint8Array(random.pick(seeds).buffer));
    if (parseTransportFeedback(new DataView(input.buffer))) parsed += 1;
  }
  assert.ok(parsed > 5_000, `only ${parsed} messages were parsed`);
});
