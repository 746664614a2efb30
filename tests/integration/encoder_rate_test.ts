import assert from "assert";
import type { EncodedFrame, VideoCodec, VideoEncoder } from "../../src/media/encoder.ts";
import { VIDEO_CODECS } from "../../src/media/encoder.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import { MovingScene } from "../support/media/moving_scene.ts";

const PICTURE = { width: 512, height: 512, fps: 25 } as const;
const CEILING_KBPS = 2_500;

/** An encoder and what it is given. */
class Run {
  readonly encoder: VideoEncoder;
  kbps = CEILING_KBPS;
  readonly #scene = new MovingScene(PICTURE);

  private constructor(encoder: VideoEncoder) {
    this.encoder = encoder;
  }

  static async open(codec: VideoCodec): Promise<Run> {
    const settings = { ...PICTURE, bitrateKbps: CEILING_KBPS };
    return new Run(await createFfmpegEncoders("auto").open(codec, settings));
  }

  async encode(count: number, { keyframe = false } = {}): Promise<EncodedFrame[]> {
    const frames: EncodedFrame[] = [];
    for (let at = 0; at < count; at++) {
      await this.encoder.load(this.#scene.next());
      const frame = await this.encoder.encode({ keyframe, kbps: this.kbps });
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.encoder.close();
  }
}

for (const codec of VIDEO_CODECS) {
  Deno.test(`encoder: the rate follows down and up within half a second, without a keyframe, ${codec}`, async () => {
    await using run = await Run.open(codec);
    await run.encode(4 * PICTURE.fps);
    // 1800 is within a tenth of what libvpx was opened for, which it would smooth.
    for (const kbps of [1_200, 600, 300, 2_500, 1_800, 900, 300, 1_800]) {
      run.kbps = kbps;
      const settling = await run.encode(PICTURE.fps / 2);
      const settled = await run.encode(2 * PICTURE.fps);
      const measured = rateOf(settled);
      assert.ok(Math.abs(measured / kbps - 1) < 0.2, `${measured} instead of ${kbps} kbit/s`);
      const burst = rateOf(settling);
      assert.ok(burst < 1.6 * kbps, `${burst} at first instead of ${kbps} kbit/s`);
      assert.ok([...settling, ...settled].every(({ keyframe }) => !keyframe));
    }
  });

  Deno.test(`encoder: a keyframe takes less than a fifth of a second of the rate, ${codec}`, async () => {
    await using run = await Run.open(codec);
    for (const kbps of [2_500, 1_200, 600, 300]) {
      run.kbps = kbps;
      await run.encode(2 * PICTURE.fps);
      const [frame] = await run.encode(1, { keyframe: true });
      assert.ok(frame?.keyframe);
      const ms = frame.data.length * 8 / kbps;
      assert.ok(ms < 200, `${frame.data.length} bytes are ${ms} ms at ${kbps} kbit/s`);
    }
  });

  Deno.test(`encoder: no pictures of ten times the others' size at a rate that ramps up, ${codec}`, async () => {
    await using run = await Run.open(codec);
    run.kbps = 200;
    await run.encode(3 * PICTURE.fps);
    for (let kbps = 200; kbps < CEILING_KBPS; kbps *= 1.02) {
      run.kbps = kbps;
      for (const { data } of await run.encode(1)) {
        const ms = data.length * 8 / kbps;
        assert.ok(ms < 150, `${data.length} bytes are ${ms} ms at ${kbps} kbit/s`);
      }
    }
  });
}

/** In kbit/s. */
function rateOf(frames: readonly EncodedFrame[]): number {
  const bits = frames.reduce((sum, { data }) => sum + data.length * 8, 0);
  return bits * PICTURE.fps / frames.length / 1000;
}
