import assert from "assert";
import {
  type EncodedFrame,
  VIDEO_CODECS,
  type VideoCodec,
  type VideoEncoder,
} from "../../src/media/encoder.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import type { RawFrame } from "../../src/media/frame.ts";
import { decodeFrames } from "../support/media/decoder.ts";
import { MovingScene } from "../support/media/moving_scene.ts";

const PICTURE = { width: 640, height: 360, fps: 30 } as const;
const WHOLE = "640x360";
const HALF = "320x180";
/** Too little for a picture with this much texture, and enough for any. */
const LOW_KBPS = 50;
const HIGH_KBPS = 1_500;
/** More than enough pictures for an encoder to open meanwhile. */
const FRAMES_MAX = 3_000;

function open(codec: VideoCodec): Promise<VideoEncoder> {
  return createFfmpegEncoders("auto").open(codec, { ...PICTURE, bitrateKbps: HIGH_KBPS });
}

async function encode(
  encoder: VideoEncoder,
  { frame, kbps = HIGH_KBPS }: { frame: RawFrame; kbps?: number },
): Promise<EncodedFrame[]> {
  await encoder.load(frame);
  const encoded = await encoder.encode({ keyframe: false, kbps });
  return encoded === undefined ? [] : [encoded];
}

/** Encodes the scene until a keyframe comes that nobody asked for. */
async function encodeToNextSize(
  encoder: VideoEncoder,
  { scene, kbps }: { scene: MovingScene; kbps: number },
): Promise<EncodedFrame[]> {
  const frames: EncodedFrame[] = [];
  for (let at = 0; at < FRAMES_MAX; at++) {
    // Opening takes its time, and this goes much faster than a stream does.
    await new Promise((resolve) => setTimeout(resolve));
    frames.push(...await encode(encoder, { frame: scene.next(), kbps }));
    if (frames.at(-1)?.keyframe) return frames;
  }
  assert.fail("The size does not change");
}

for (const codec of VIDEO_CODECS) {
  Deno.test(`encoder: pictures are smaller while the rate is low, and whole again after it, ${codec}`, async () => {
    const encoder = await open(codec);
    const scene = new MovingScene(PICTURE);
    const frames = await encode(encoder, { frame: scene.next() });
    frames.push(...await encodeToNextSize(encoder, { scene, kbps: LOW_KBPS }));
    const downAt = frames.length - 1;
    frames.push(...await encodeToNextSize(encoder, { scene, kbps: HIGH_KBPS }));
    frames.push(...await encode(encoder, { frame: scene.next() }));
    await encoder.close();

    const pictures = await decodeFrames(codec, frames.map(({ data }) => data));
    const sizes = pictures.map(({ width, height }) => `${width}x${height}`);
    const upAt = frames.length - 2;
    const expected = sizes.map((_, at) => at >= downAt && at < upAt ? HALF : WHOLE);
    assert.deepEqual(sizes, expected);
    assert.deepEqual(pictures.flatMap(({ keyframe }, at) => keyframe ? [at] : []), [
      0,
      downAt,
      upAt,
    ]);
    // Nothing is lost, and nothing comes twice or late.
    assert.equal(frames.length, scene.count);
    frames.forEach(({ timestampUs }, at) =>
      assert.equal(timestampUs, Math.round(at * 1_000_000 / PICTURE.fps))
    );
    // At so few bits a picture may be the one before once more, but no other.
    const codes = pictures.slice(downAt).map(({ code }) => code?.frameNumber ?? assert.fail());
    codes.forEach((code, at) =>
      assert.ok(code <= downAt + at && code >= (codes[at - 1] ?? downAt))
    );
    assert.equal(codes[0], downAt);
    assert.equal(codes.at(-2), upAt);
    assert.equal(codes.at(-1), upAt + 1);
  });

  Deno.test(`encoder: a still is sent again whole when the rate is back, ${codec}`, async () => {
    const encoder = await open(codec);
    const scene = new MovingScene(PICTURE);
    await encode(encoder, { frame: scene.next() });
    await encodeToNextSize(encoder, { scene, kbps: LOW_KBPS });
    const last = scene.count - 1;
    const nowUs = last * 1_000_000 / PICTURE.fps;
    const stills: EncodedFrame[] = [];
    for (let second = 1; second < 30 && !stills.at(-1)?.keyframe; second++) {
      assert.ok(encoder.reload(nowUs + second * 1_000_000));
      const still = await encoder.encode({ keyframe: false, kbps: HIGH_KBPS });
      if (still !== undefined) stills.push(still);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const whole = stills.at(-1);
    assert.ok(whole?.keyframe);
    const [picture] = await decodeFrames(codec, [whole.data]);
    assert.equal(`${picture?.width}x${picture?.height}`, WHOLE);
    assert.equal(picture?.code?.frameNumber, last);
    await encoder.close();
  });

  Deno.test(`encoder: it can be closed at any time of a change of size, ${codec}`, async () => {
    const scene = new MovingScene(PICTURE);
    // The change falls due about one second after the rate has fallen, which takes some pictures to show.
    for (let count = 30; count < 66; count += 4) {
      const encoder = await open(codec);
      const low = { keyframe: false, kbps: LOW_KBPS };
      for (let at = 0; at < count; at++) {
        await encode(encoder, { frame: scene.next(), kbps: LOW_KBPS });
      }
      await encoder.load(scene.next());
      const underWay = encoder.encode(low);
      await Promise.all([encoder.close(), encoder.close(), underWay]);
      assert.equal(await encoder.encode(low), undefined);
      assert.ok(!encoder.reload(0));
    }
  });
}
