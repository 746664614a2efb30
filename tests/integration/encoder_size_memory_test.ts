import assert from "assert";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import { MovingScene } from "../support/media/moving_scene.ts";

const PICTURE = { width: 640, height: 360, fps: 30 } as const;
const [LOW_KBPS, HIGH_KBPS] = [50, 1_500] as const;
/** Every encoder that is kept holds a megabyte or more. */
const CHANGES = 80;
const GROWTH_BYTES_MAX = 50_000_000;
/** Fewer pictures than a stream has in the same time, or it would take long; odd, so that all take their turn. */
const INTERVAL_US = 1_000_001;

Deno.test("encoder: changes of size leave no memory behind", async () => {
  const settings = { ...PICTURE, bitrateKbps: HIGH_KBPS };
  const encoder = await createFfmpegEncoders("auto").open("h264", settings);
  const scene = new MovingScene(PICTURE);
  const pictures = Array.from({ length: 16 }, () => scene.next());
  let nowUs = 0;
  const encode = async (kbps: number) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    nowUs += INTERVAL_US;
    const picture = pictures[nowUs % pictures.length] ?? assert.fail();
    await encoder.load({ ...picture, timestampUs: nowUs });
    return await encoder.encode({ keyframe: false, kbps });
  };
  const change = async (changes: number) => {
    for (let at = 0; at < changes; at++) {
      const kbps = at % 2 === 0 ? LOW_KBPS : HIGH_KBPS;
      const endUs = nowUs + 60_000_000;
      while (nowUs < endUs) {
        if ((await encode(kbps))?.keyframe) break;
      }
      assert.ok(nowUs < endUs, "the size changes");
    }
  };
  await encode(HIGH_KBPS);
  await change(10);
  const before = Deno.memoryUsage().rss;
  await change(CHANGES);
  const grown = Deno.memoryUsage().rss - before;
  await encoder.close();
  assert.ok(grown < GROWTH_BYTES_MAX, `${grown} bytes after ${CHANGES} changes`);
});
