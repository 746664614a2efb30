import assert from "assert";
import { SentPackets } from "../../src/rate/sent_packets.ts";
import { feedbackOf } from "../sim/stream.ts";

/** Packets 0, 1, 2 … of `count`, sent a millisecond after each other, each larger by a byte. */
function sentPackets(count: number): SentPackets {
  const sent = new SentPackets();
  for (let number = 0; number < count; number++) sent.add(100 + number, number);
  return sent;
}

/** What a viewer says that had packets at these milliseconds; `undefined` had none. */
function told(arrivals: Readonly<Record<number, number | undefined>>) {
  return feedbackOf(
    Object.entries(arrivals).map(([number, atMs]) => ({
      sequenceNumber: Number(number) & 0xffff,
      receivedAtUs: atMs === undefined ? undefined : atMs * 1000,
    })),
  );
}

/** Sending times of the packets that a report told of, with a question mark where one is missing. */
function settled(sent: SentPackets, arrivals: Readonly<Record<number, number | undefined>>) {
  return sent.settle(told(arrivals)).map(({ sentAtMs, receivedAtMs }) =>
    `${sentAtMs}${receivedAtMs === undefined ? "?" : ""}`
  );
}

Deno.test("SentPackets: a report tells when each packet left, when it came, and how much video it was", () => {
  const sent = sentPackets(3);
  const [first, second, ...others] = sent.settle(told({ 0: 70, 2: 75 }));
  assert.deepEqual(others, []);
  assert.deepEqual([first?.sentAtMs, second?.sentAtMs], [0, 2]);
  assert.deepEqual([first?.videoBytes, second?.videoBytes], [100, 102]);
  assert.equal((second?.receivedAtMs ?? 0) - (first?.receivedAtMs ?? 0), 5);
});

Deno.test("SentPackets: a packet that is told of again counts once", () => {
  const sent = sentPackets(3);
  assert.deepEqual(settled(sent, { 0: 50, 1: 51 }), ["0", "1"]);
  assert.deepEqual(settled(sent, { 0: 50, 1: 51, 2: 52 }), ["2"]);
  assert.deepEqual(settled(sent, { 0: 50, 1: undefined, 2: 52 }), []);
});

Deno.test("SentPackets: a packet that was missing and then came is told of as both, once each", () => {
  const sent = sentPackets(3);
  assert.deepEqual(settled(sent, { 0: 50, 1: undefined, 2: 52 }), ["0", "1?", "2"]);
  assert.deepEqual(settled(sent, { 1: undefined }), []);
  assert.deepEqual(settled(sent, { 1: 90 }), ["1"]);
  assert.deepEqual(settled(sent, { 1: 90 }), []);
});

Deno.test("SentPackets: reports that overtake each other are both taken", () => {
  const sent = sentPackets(6);
  assert.deepEqual(settled(sent, { 3: 53, 4: 54, 5: 55 }), ["3", "4", "5"]);
  assert.deepEqual(settled(sent, { 0: 50, 1: undefined, 2: 52 }), ["0", "2"]);
});

Deno.test("SentPackets: packets that were never sent, or that are forgotten, are left out", () => {
  const sent = sentPackets(5_000);
  assert.deepEqual(settled(sent, { 5_000: 50, 40_000: 50, 65_535: 50 }), []);
  assert.deepEqual(settled(sent, { 903: 50, 904: 50, 4_999: 50 }), ["904", "4999"]);
  assert.deepEqual(new SentPackets().settle(told({ 0: 50, 65_535: undefined })), []);
});

Deno.test("SentPackets: waitingSinceMs is when the oldest packet left that was not told of", () => {
  const sent = new SentPackets();
  assert.equal(sent.waitingSinceMs, undefined);
  for (let number = 0; number < 10; number++) sent.add(100, 1_000 + number);
  assert.equal(sent.waitingSinceMs, 1_000);
  sent.settle(told({ 0: 50, 1: undefined, 2: 52 }));
  assert.equal(sent.waitingSinceMs, 1_003);
  sent.settle(told({ 9: 60 }));
  assert.equal(sent.waitingSinceMs, undefined, "what was skipped will not be told of any more");
  sent.add(100, 2_000);
  assert.equal(sent.waitingSinceMs, 2_000);
});

Deno.test("SentPackets: who never tells anything is waited for as long as is remembered", () => {
  const sent = sentPackets(10_000);
  assert.equal(sent.waitingSinceMs, 10_000 - 4_096);
});

Deno.test("SentPackets: what went another way counts neither as waiting nor when it is told of", () => {
  const sent = sentPackets(10);
  sent.forget();
  assert.equal(sent.waitingSinceMs, undefined);
  assert.deepEqual(settled(sent, { 7: 50, 8: undefined, 9: 52 }), []);
  sent.add(100, 10);
  assert.equal(sent.waitingSinceMs, 10);
  assert.deepEqual(settled(sent, { 9: 52, 10: 60 }), ["10"]);
});

Deno.test("SentPackets: numbers go on when 16 bits are used up, many times", () => {
  const sent = new SentPackets();
  let expected = 0;
  // Some hours of video.
  for (let batch = 0; batch < 5_000; batch++) {
    const numbers = Array.from({ length: 100 }, (_, at) => sent.add(at, 10 * batch));
    assert.equal(numbers[0], expected);
    expected += 100;
    const lost = numbers.at(50) ?? 0;
    const fates = sent.settle(
      feedbackOf(numbers.map((number) => ({
        sequenceNumber: number & 0xffff,
        receivedAtUs: number === lost ? undefined : 10_000 * batch,
      }))),
    );
    assert.equal(fates.length, 100);
    assert.ok(fates.every(({ sentAtMs }) => sentAtMs === 10 * batch));
    assert.deepEqual(fates.filter(({ receivedAtMs }) => receivedAtMs === undefined).length, 1);
    assert.equal(sent.waitingSinceMs, undefined);
  }
});

Deno.test("SentPackets: the viewer's clock goes on when its 24 bits are used up, and is never below zero", () => {
  const sent = new SentPackets();
  // The largest reference time, and behind it the smallest.
  const lastUs = (2 ** 23 - 1) * 64_000;
  const timesUs = [
    lastUs - 64_000,
    lastUs,
    lastUs + 64_000 - 2 ** 24 * 64_000,
    -5_000_000,
    0,
    lastUs,
  ];
  let beforeMs = 0;
  for (const [at, receivedAtUs] of timesUs.entries()) {
    sent.add(1, at);
    const [fate] = sent.settle(feedbackOf([{ sequenceNumber: at, receivedAtUs }]));
    const receivedAtMs = fate?.receivedAtMs ?? assert.fail();
    assert.ok(receivedAtMs > beforeMs, `${receivedAtMs} after ${beforeMs}`);
    if (at === 1 || at === 2) assert.equal(receivedAtMs - beforeMs, 64);
    beforeMs = receivedAtMs;
  }
});
