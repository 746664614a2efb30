import assert from "assert";
import { VIDEO_CODECS } from "../../src/media/encoder.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import type { RawFrame } from "../../src/media/frame.ts";
import { heldBytes } from "../support/machine/memory.ts";
import { Random } from "../support/random.ts";

const SIZE = { width: 320, height: 180 } as const;
const FRAMES = 300;

for (const codec of VIDEO_CODECS) {
  Deno.test(`encoder: what was encoded is not kept, ${codec}`, async () => {
    const settings = { ...SIZE, fps: 30, bitrateKbps: 4_000 };
    const encoder = await createFfmpegEncoders("auto").open(codec, settings);
    const random = new Random(3);
    const encode = async (frames: number) => {
      let bytes = 0;
      for (let index = 0; index < frames; index++) {
        await encoder.load(noise(random, index));
        bytes +=
          (await encoder.encode({ keyframe: false, kbps: settings.bitrateKbps }))?.data.length ?? 0;
      }
      return bytes;
    };
    await encode(30);
    const before = heldBytes();
    const encodedBytes = await encode(FRAMES);
    const grownBytes = heldBytes() - before;
    await encoder.close();
    assert.ok(encodedBytes > 2_000_000, `${encodedBytes} bytes were encoded`);
    assert.ok(grownBytes < encodedBytes / 4, `${grownBytes} of ${encodedBytes} bytes are held`);
  });
}

/** A picture that takes many bytes to encode. */
function noise(random: Random, index: number): RawFrame {
  const { width, height } = SIZE;
  const plane = (width: number, height: number) => ({
    data: random.bytes(width * height),
    strideBytes: width,
  });
  return {
    kind: "raw",
    format: "i420",
    width,
    height,
    planes: [plane(width, height), plane(width / 2, height / 2), plane(width / 2, height / 2)],
    timestampUs: index * 33_333,
  };
}
