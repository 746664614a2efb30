import assert from "assert";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import { MovingScene } from "../support/media/moving_scene.ts";

const PICTURE = { width: 1920, height: 1080, fps: 30 } as const;
const CEILING_KBPS = 2_500;
const LOW_KBPS = 600;

Deno.test("encoder: a large picture follows a fall of the rate as fast as a small one, vp8", async () => {
  const settings = { ...PICTURE, bitrateKbps: CEILING_KBPS };
  const encoder = await createFfmpegEncoders("auto").open("vp8", settings);
  const scene = new MovingScene(PICTURE);
  const pictures = Array.from({ length: 8 }, () => scene.next());
  let count = 0;
  const encode = async (seconds: number, kbps: number) => {
    let bytes = 0;
    for (let at = 0; at < seconds * PICTURE.fps; at++) {
      const picture = pictures[count % pictures.length] ?? assert.fail();
      await encoder.load({ ...picture, timestampUs: Math.round(count++ * 1e6 / PICTURE.fps) });
      bytes += (await encoder.encode({ keyframe: false, kbps }))?.data.length ?? 0;
    }
    return bytes * 8 / seconds / 1000;
  };
  // Longer than libvpx takes before it holds on to the quality that it has.
  await encode(6, CEILING_KBPS);
  const measured = await encode(1, LOW_KBPS);
  await encoder.close();
  assert.ok(measured < 1.5 * LOW_KBPS, `${measured} instead of ${LOW_KBPS} kbit/s`);
});
