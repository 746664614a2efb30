import assert from "assert";
import { AdaptiveCompressor } from "../../src/media/ffmpeg_encoder.ts";
import { allocatePicture, PictureConverter } from "../../src/media/picture_converter.ts";
import { ENCODER_RECIPES, type EncoderRecipe } from "../../src/media/ffmpeg_recipes.ts";
import { decodeFrames } from "../support/media/decoder.ts";
import { MovingScene } from "../support/media/moving_scene.ts";

const PICTURE = { width: 640, height: 360, fps: 30 } as const;
const SETTINGS = { ...PICTURE, bitrateKbps: 1_500 } as const;
const LOW_KBPS = 50;

/** x264, but `onOpen` hears of each encoder before it is opened, and what it throws fails that. */
function watchedRecipe(onOpen: () => void): EncoderRecipe {
  const recipe = ENCODER_RECIPES.find(({ choice }) => choice === "x264") ?? assert.fail();
  return {
    ...recipe,
    get options() {
      onOpen();
      return recipe.options;
    },
  };
}

/** Compresses the scene picture by picture, giving an encoder that is being opened the time for it. */
async function run(
  compressor: AdaptiveCompressor,
  { scene, seconds, kbps }: { scene: MovingScene; seconds: number; kbps: number },
): Promise<Uint8Array[]> {
  const converter = new PictureConverter();
  using picture = allocatePicture(PICTURE.width, PICTURE.height);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < seconds * PICTURE.fps; at++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const frame = scene.next();
    await converter.convert(frame, picture);
    picture.pts = BigInt(frame.timestampUs);
    const compressed = await compressor.compress(picture, { keyframe: false, kbps });
    if (compressed !== undefined) frames.push(compressed.data);
  }
  converter.close();
  return frames;
}

Deno.test("AdaptiveCompressor: a host that refuses another encoder keeps the size, and is seldom asked", async () => {
  const host = { opened: 0, lenient: false };
  const recipe = watchedRecipe(() => {
    if (host.opened++ > 0 && !host.lenient) throw new Error("No encoder is left");
  });
  const compressor = await AdaptiveCompressor.open(recipe, SETTINGS);
  const scene = new MovingScene(PICTURE);
  const kbps = LOW_KBPS;
  const refused = await run(compressor, { scene, seconds: 10, kbps });
  assert.equal(refused.length, 10 * PICTURE.fps);
  assert.equal(host.opened, 2, "one that serves, and one that was refused");

  host.lenient = true;
  const frames = [...refused, ...await run(compressor, { scene, seconds: 5, kbps })];
  await compressor.close();
  assert.equal(host.opened, 3);
  const sizes = (await decodeFrames("h264", frames)).map(({ height }) => height);
  assert.deepEqual([sizes.at(0), sizes.at(refused.length - 1), sizes.at(-1)], [360, 360, 180]);
});

Deno.test("AdaptiveCompressor: a rate that changes while another encoder is opened holds for that one", async () => {
  const changedKbps = 3 * LOW_KBPS;
  let opened = 0;
  const compressor = await AdaptiveCompressor.open(watchedRecipe(() => opened++), SETTINGS);
  const scene = new MovingScene(PICTURE);
  while (opened < 2) await run(compressor, { scene, seconds: 1 / PICTURE.fps, kbps: LOW_KBPS });
  const kbps = changedKbps;
  await run(compressor, { scene, seconds: 1, kbps });
  const frames = await run(compressor, { scene, seconds: 2, kbps });
  await compressor.close();
  const measured = frames.reduce((sum, { length }) => sum + 8 * length, 0) / 2 / 1000;
  assert.ok(Math.abs(measured / changedKbps - 1) < 0.3, `${measured} kbit/s`);
});
