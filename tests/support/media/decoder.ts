import { readBlockCode } from "./block_code.ts";
import { Buffer } from "node:buffer";
import { Codec, CodecContext, FFmpegError, Frame, Packet } from "node-av/lib";
import { AV_CODEC_ID_H264, AV_CODEC_ID_VP8, AVERROR_EAGAIN } from "node-av/constants";
import type { VideoCodec } from "../../../src/media/encoder.ts";
import type { BlockCode } from "../../../src/renderer/block_code.ts";

/** A picture as a viewer would see it. */
export interface DecodedPicture {
  readonly width: number;
  readonly height: number;
  readonly keyframe: boolean;
  /** What the test pattern wrote into it. */
  readonly code: BlockCode | undefined;
  /** Luma of the lowest row. */
  readonly lowestRow: Uint8Array;
}

/**
 * Decodes one encoded frame after another.
 * @throws {Error} At the first that does not give a picture.
 */
export async function decodeFrames(
  codec: VideoCodec,
  frames: readonly Uint8Array[],
): Promise<DecodedPicture[]> {
  const decoder = Codec.findDecoder(codec === "h264" ? AV_CODEC_ID_H264 : AV_CODEC_ID_VP8);
  if (decoder === null) throw new Error(`No decoder for ${codec}`);
  using context = new CodecContext();
  context.allocContext3(decoder);
  context.threadCount = 1;
  FFmpegError.throwIfError(await context.open2(decoder), "open");
  const pictures: DecodedPicture[] = [];
  for (const data of frames) pictures.push(await decode(context, data));
  return pictures;
}

async function decode(context: CodecContext, data: Uint8Array): Promise<DecodedPicture> {
  using packet = new Packet();
  packet.alloc();
  packet.data = Buffer.from(data);
  FFmpegError.throwIfError(await context.sendPacket(packet), "decode");
  using frame = new Frame();
  frame.alloc();
  const status = await context.receiveFrame(frame);
  if (status === AVERROR_EAGAIN) throw new Error("The frame gave no picture");
  FFmpegError.throwIfError(status, "decode");
  const { width, height } = frame;
  const image = greyImage(frame);
  const lowestRow = Uint8Array.from(
    { length: width },
    (_, x) => image.data[4 * ((height - 1) * width + x)] ?? 0,
  );
  return { width, height, keyframe: frame.keyFrame === 1, code: readBlockCode(image), lowestRow };
}

/** The luma of a picture as RGBA: a block code has no colour. */
function greyImage(frame: Frame): { data: Uint8Array; width: number; height: number } {
  const { width, height } = frame;
  const luma = frame.data?.[0];
  const stride = frame.linesize[0];
  if (luma === undefined || stride === undefined) throw new Error("The picture has no luma");
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      data.fill(luma[y * stride + x] ?? 0, at, at + 3);
    }
  }
  return { data, width, height };
}
