import assert from "assert";
import { SoundQueue } from "../../src/renderer/bridge/sound_queue.ts";

const MS = 1000;

/** A piece of mono sound at 16 kHz whose samples are all `value`. */
function piece(ms: number, value = 1, sampleRate = 16_000) {
  const samples = new Int16Array(ms * sampleRate / 1000).fill(value);
  return { sampleRate, channels: 1 as const, samples: new Uint8Array(samples.buffer) };
}

const now = (ms: number) => ({ nowUs: ms * MS, beginUs: undefined });
const at = (ms: number, beginMs: number) => ({ nowUs: ms * MS, beginUs: beginMs * MS });

Deno.test("SoundQueue: pieces that come a little early or late follow each other without a gap", () => {
  const queue = new SoundQueue();
  [0, 21, 45, 58, 110].forEach((ms, index) => queue.push(piece(20, index), now(ms)));
  const chunk = queue.take(200 * MS);
  assert.equal(chunk?.timestampUs, 0);
  assert.equal(chunk?.samples.length, 5 * 320);
  assert.deepEqual([0, 320, 640, 960, 1280].map((start) => chunk?.samples[start]), [0, 1, 2, 3, 4]);
  assert.equal(queue.take(1000 * MS), undefined);
});

Deno.test("SoundQueue: after a pause, sound begins when it comes", () => {
  const queue = new SoundQueue();
  queue.push(piece(20), now(0));
  queue.push(piece(20), now(500));
  assert.equal(queue.take(600 * MS)?.timestampUs, 0);
  assert.equal(queue.take(600 * MS)?.timestampUs, 500 * MS);
});

Deno.test("SoundQueue: what is written ahead waits until it is due", () => {
  const queue = new SoundQueue();
  for (let index = 0; index < 50; index++) queue.push(piece(20, index), now(0));
  assert.equal(queue.take(0)?.samples.length, 320);
  assert.equal(queue.take(10 * MS), undefined);
  const chunk = queue.take(100 * MS);
  assert.equal(chunk?.timestampUs, 20 * MS);
  assert.equal(chunk?.samples.length, 5 * 320);
});

Deno.test("SoundQueue: a time that is given is kept, and pieces of two kinds are not joined", () => {
  const queue = new SoundQueue();
  queue.push(piece(20), at(0, 40));
  queue.push(piece(20, 2, 8000), at(0, 60));
  assert.equal(queue.take(39 * MS), undefined);
  assert.deepEqual(queue.take(100 * MS), {
    sampleRate: 16_000,
    channels: 1,
    samples: new Int16Array(320).fill(1),
    timestampUs: 40 * MS,
  });
  assert.equal(queue.take(100 * MS)?.sampleRate, 8000);
});

Deno.test("SoundQueue: old sound is forgotten, and no more than a minute and a second wait", () => {
  const queue = new SoundQueue();
  for (let second = 0; second < 61; second++) {
    assert.ok(queue.push(piece(1000, second), now(0)));
  }
  assert.ok(!queue.push(piece(20), now(0)));
  const chunk = queue.take(9500 * MS);
  assert.equal(chunk?.timestampUs, 8000 * MS);
  assert.equal(chunk?.samples.length, 2 * 16_000);
});

Deno.test("SoundQueue: pieces without end at one moment do not pile up", () => {
  const queue = new SoundQueue();
  const sample = { sampleRate: 48_000, channels: 1 as const, samples: new Uint8Array(2) };
  let taken = 0;
  for (let times = 0; times < 7000; times++) {
    if (queue.push(sample, at(0, 9000))) taken++;
  }
  assert.equal(taken, 6100);
});

Deno.test("SoundQueue: a minute of stereo in pieces of 5 ms is kept whole and in order", () => {
  const queue = new SoundQueue();
  const stereo = (value: number) => ({
    sampleRate: 48_000,
    channels: 2 as const,
    samples: new Uint8Array(new Int16Array(2 * 240).fill(value).buffer),
  });
  for (let index = 0; index < 12_000; index++) {
    assert.ok(queue.push(stereo(index % 1000), now(0)), `piece ${index}`);
  }
  let index = 0;
  for (let ms = 0; ms < 60_000; ms += 500) {
    const { samples = new Int16Array() } = queue.take(ms * MS) ?? {};
    for (let start = 0; start < samples.length; start += 480) {
      assert.equal(samples[start], index++ % 1000);
    }
  }
  index += (queue.take(60_000 * MS)?.samples.length ?? 0) / 480;
  assert.equal(index, 12_000);
});

Deno.test("SoundQueue: what was fetched makes room for more", () => {
  const queue = new SoundQueue();
  const second = { ...piece(1000, 1, 48_000), channels: 2 as const };
  for (let ms = 0; ms < 600_000; ms += 500) {
    assert.ok(queue.push(second, now(ms)), `at ${ms} ms`);
    queue.take(ms * MS);
  }
});

Deno.test("SoundQueue: bytes at an odd address are read", () => {
  const queue = new SoundQueue();
  const samples = new Uint8Array([9, 1, 2, 3, 4]).subarray(1);
  queue.push({ sampleRate: 8000, channels: 2, samples }, now(0));
  assert.deepEqual([...queue.take(0)?.samples ?? []], [0x0201, 0x0403]);
});
