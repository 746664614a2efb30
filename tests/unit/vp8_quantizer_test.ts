import assert from "assert";
import { Codec, CodecContext, Dictionary, FFmpegError, Packet, Rational } from "node-av/lib";
import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  FF_ENCODER_LIBVPX_VP8,
} from "node-av/constants";
import { allocatePicture, PictureConverter } from "../../src/media/picture_converter.ts";
import { readVp8Quantizer } from "../../src/media/vp8_quantizer.ts";
import { MovingScene } from "../support/media/moving_scene.ts";
import { Random } from "../support/random.ts";

const SIZE = { width: 320, height: 180, fps: 30 } as const;
const FRAMES = 12;

/** What libvpx takes, 0 to 63, and the index that it writes for it. */
const QUANTIZERS = [[0, 0], [4, 4], [10, 12], [30, 39], [50, 88], [63, 127]] as const;

for (const resilience of ["0", "default"]) {
  Deno.test(`readVp8Quantizer: finds what libvpx was told, error-resilient ${resilience}`, async () => {
    for (const [quantizer, index] of QUANTIZERS) {
      const frames = await encode(quantizer, { "error-resilient": resilience });
      assert.deepEqual(frames.map(readVp8Quantizer), frames.map(() => index));
    }
  });
}

Deno.test("readVp8Quantizer: takes whatever bytes there are", () => {
  const random = new Random(17);
  for (let length = 0; length < 300; length++) {
    const quantizer = readVp8Quantizer(random.bytes(length % 40));
    assert.ok(quantizer >= 0 && quantizer <= 127);
  }
});

/** Frames of one quantizer, the first and the seventh of them keyframes. */
async function encode(
  quantizer: number,
  options: Readonly<Record<string, string>>,
): Promise<Uint8Array[]> {
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBVPX_VP8);
  assert.ok(codec);
  using context = new CodecContext();
  context.allocContext3(codec);
  Object.assign(context, { width: SIZE.width, height: SIZE.height, maxBFrames: 0, threadCount: 1 });
  Object.assign(context, { pixelFormat: AV_PIX_FMT_YUV420P, qMin: quantizer, qMax: quantizer });
  Object.assign(context, { timeBase: new Rational(1, SIZE.fps), bitRate: 500_000n });
  using settings = Dictionary.fromObject({
    deadline: "realtime",
    "lag-in-frames": "0",
    ...options,
  });
  FFmpegError.throwIfError(await context.open2(codec, settings), "open");
  const scene = new MovingScene(SIZE);
  const converter = new PictureConverter();
  using picture = allocatePicture(SIZE.width, SIZE.height);
  using packet = new Packet();
  packet.alloc();
  const frames: Uint8Array[] = [];
  for (let at = 0; at < FRAMES; at++) {
    await converter.convert(scene.next(), picture);
    picture.pts = BigInt(at);
    picture.pictType = at % 6 === 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    FFmpegError.throwIfError(await context.sendFrame(picture), "encode");
    FFmpegError.throwIfError(await context.receivePacket(packet), "encode");
    frames.push(new Uint8Array(packet.data ?? assert.fail()));
    packet.unref();
  }
  converter.close();
  return frames;
}
