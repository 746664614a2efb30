import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import type { AudioEncoder } from "../../src/media/audio_encoder.ts";
import { AudioBranch } from "../../src/session/audio_branch.ts";
import { settle } from "../support/parts/fake_clock.ts";

const CHUNK = {
  samples: new Float32Array(960),
  sampleRate: 48_000,
  channels: 1,
  timestampUs: 0,
} as unknown as Parameters<AudioBranch["take"]>[0];

/** A listener that counts what it gets. */
function createSink() {
  return {
    isPaused: false,
    count: 0,
    sendPacket() {
      this.count++;
    },
  };
}

Deno.test("AudioBranch: sends to those who take sound at present, and encodes for nobody else", async () => {
  let encoded = 0;
  const encoder: AudioEncoder = {
    encode() {
      encoded++;
      const packet = { data: Uint8Array.of(1), timestampUs: 0, startsTalkspurt: false };
      return Promise.resolve([packet]);
    },
    close: () => Promise.resolve(),
  };
  const branch = new AudioBranch(encoder, { meter: NULL_METER, log: NULL_LOGGER });
  const [one, other] = [createSink(), createSink()];
  const take = async () => {
    branch.take(CHUNK);
    await settle();
  };
  await take();
  assert.equal(encoded, 0);
  for (const sink of [one, one, other]) branch.add(sink);
  await take();
  assert.deepEqual([encoded, one.count, other.count], [1, 1, 1]);
  one.isPaused = true;
  await take();
  assert.deepEqual([encoded, one.count, other.count], [2, 1, 2]);
  other.isPaused = true;
  await take();
  assert.equal(encoded, 2);
  one.isPaused = false;
  await take();
  assert.deepEqual([encoded, one.count, other.count], [3, 2, 2]);
  await branch.close();
});
