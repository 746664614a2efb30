import assert from "assert";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import { FreedMemory } from "../../src/media/freed_memory.ts";
import { eventually } from "../support/deadline.ts";
import { MovingScene } from "../support/media/moving_scene.ts";

const SIZE = { width: 512, height: 512 } as const;
const ENCODERS = 24;
const MIB = 2 ** 20;

Deno.test("encoder: the memory of closed ones is returned to the system", async () => {
  const freed = new FreedMemory({ clock: SYSTEM_CLOCK });
  const encoders = createFfmpegEncoders("x264", { onFreed: () => freed.note() });
  const scene = new MovingScene({ ...SIZE, fps: 30 });
  const picture = scene.next();
  const openOne = async () => {
    const encoder = await encoders.open("h264", { ...SIZE, fps: 30, bitrateKbps: 2_000 });
    await encoder.load(picture);
    await encoder.encode({ keyframe: true, kbps: 2_000 });
    return encoder;
  };
  await (await openOne()).close();
  const before = Deno.memoryUsage().rss;
  // At the same time, so that they are on many threads.
  const opened = await Promise.all(Array.from({ length: ENCODERS }, openOne));
  const taken = Deno.memoryUsage().rss - before;
  assert.ok(taken > ENCODERS * 2 * MIB, `${taken / MIB} MiB for ${ENCODERS} encoders`);
  await Promise.all(opened.map((encoder) => encoder.close()));
  const kept = () => (Deno.memoryUsage().rss - before) / taken;
  await eventually(() => kept() < 0.2, { what: () => `for the memory, ${kept()} of it is kept` });
  await freed.close();
});
