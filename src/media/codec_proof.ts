import { Buffer } from "node:buffer";
import { Codec, CodecContext, FFmpegError, Frame, getFFmpegInfo, Packet } from "node-av/lib";
import { AV_CODEC_ID_H264, AV_CODEC_ID_OPUS, AV_CODEC_ID_VP8 } from "node-av/constants";
import { OPUS_PACKET_SAMPLES, OPUS_SAMPLE_RATE } from "./audio_encoder.ts";
import type { VideoCodec } from "./encoder.ts";
import { createFfmpegEncoders } from "./ffmpeg_encoder.ts";
import { createOpusEncoder } from "./opus_encoder.ts";

const DECODERS = {
  h264: AV_CODEC_ID_H264,
  vp8: AV_CODEC_ID_VP8,
  opus: AV_CODEC_ID_OPUS,
} as const;

const SIZE = { width: 320, height: 180 } as const;
const KBPS = 1000;

/** Largest mean difference of the luma before and after, of 255: a wrong picture differs by dozens. */
const LUMA_DIFFERENCE_MAX = 12;

/** A tone of one second; the first packets of an encoder are quiet. */
const TONE = { hertz: 440, packets: 50, amplitude: 8000, loudMin: 0.05 } as const;

/** An encoder's result that the decoder gave back. */
export interface CodecProof {
  /** FFmpeg's name of the encoder, such as `libx264`. */
  readonly encoder: string;
  /** Size of the picture, or of all packets of the sound, in bytes. */
  readonly bytes: number;
}

/** Version of the FFmpeg in the native addon. */
export function readFfmpegVersion(): string {
  return getFFmpegInfo().version;
}

/**
 * Encodes a picture with the encoder that a session would get, decodes it, and compares the two.
 * @throws If there is no encoder, or the decoded picture is another one.
 */
export async function proveVideoCodec(codec: VideoCodec): Promise<CodecProof> {
  const { width, height } = SIZE;
  const luma = drawLuma();
  const chroma = new Uint8Array(luma.length / 4).fill(128);
  const encoder = await createFfmpegEncoders("auto").open(codec, {
    ...SIZE,
    fps: 30,
    bitrateKbps: KBPS,
    adaptiveSize: false,
  });
  try {
    await encoder.load({
      kind: "raw",
      format: "i420",
      ...SIZE,
      planes: [
        { data: luma, strideBytes: width },
        { data: chroma, strideBytes: width / 2 },
        { data: chroma, strideBytes: width / 2 },
      ],
      timestampUs: 0,
    });
    const encoded = await encoder.encode({ keyframe: true, kbps: KBPS });
    if (encoded === undefined) throw new Error(`${encoder.name} gave no picture`);
    await decode(codec, [encoded.data], (frame) => {
      if (frame.width !== width || frame.height !== height) {
        throw new Error(
          `A picture of ${width}x${height} came back as ${frame.width}x${frame.height}`,
        );
      }
      const difference = meanDifference(luma, frame);
      if (difference > LUMA_DIFFERENCE_MAX) {
        throw new Error(
          `${encoder.name} gave another picture (luma differs by ${difference} of 255)`,
        );
      }
    });
    return { encoder: encoder.name, bytes: encoded.data.length };
  } finally {
    await encoder.close();
  }
}

/**
 * Encodes a tone as Opus and decodes it.
 * @throws If there is no encoder, or the decoded sound is silent.
 */
export async function proveOpus(): Promise<CodecProof> {
  const samples = Int16Array.from(
    { length: OPUS_PACKET_SAMPLES * TONE.packets },
    (_, at) => TONE.amplitude * Math.sin(2 * Math.PI * TONE.hertz * at / OPUS_SAMPLE_RATE),
  );
  const encoder = createOpusEncoder({ bitrateKbps: 64 });
  try {
    const packets = await encoder.encode({
      sampleRate: OPUS_SAMPLE_RATE,
      channels: 1,
      samples,
      timestampUs: 0,
    });
    let loudest = 0;
    await decode("opus", packets.map(({ data }) => data), (frame) => {
      loudest = Math.max(loudest, loudnessOf(frame));
    });
    if (loudest < TONE.loudMin) throw new Error("A tone came back silent");
    return { encoder: "libopus", bytes: packets.reduce((sum, { data }) => sum + data.length, 0) };
  } finally {
    await encoder.close();
  }
}

/** A diagonal gradient with a bright square: neither flat nor symmetric. */
function drawLuma(): Uint8Array {
  const { width, height } = SIZE;
  return Uint8Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    const isSquare = x >= 40 && x < 104 && y >= 32 && y < 96;
    return isSquare ? 220 : 32 + Math.floor(128 * (x + y) / (width + height));
  });
}

function meanDifference(luma: Uint8Array, frame: Frame): number {
  const decoded = frame.data?.[0];
  const stride = frame.linesize[0];
  if (decoded === undefined || stride === undefined) throw new Error("The picture has no luma");
  let sum = 0;
  for (const [at, value] of luma.entries()) {
    const [x, y] = [at % SIZE.width, Math.floor(at / SIZE.width)];
    sum += Math.abs(value - (decoded[y * stride + x] ?? 0));
  }
  return Math.round(sum / luma.length);
}

/** The largest sample of the first channel, of 1: FFmpeg's decoders of Opus give planes of floats. */
function loudnessOf(frame: Frame): number {
  const plane = frame.data?.[0];
  if (plane === undefined) return 0;
  const bytes = Uint8Array.from(plane);
  const floats = new Float32Array(bytes.buffer, 0, Math.min(frame.nbSamples, bytes.length >> 2));
  return floats.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
}

/** Decodes packets, and passes each frame; it is only valid until `take` returns. */
async function decode(
  codec: keyof typeof DECODERS,
  packets: readonly Uint8Array[],
  take: (frame: Frame) => void,
): Promise<void> {
  const decoder = Codec.findDecoder(DECODERS[codec]);
  if (decoder === null) throw new Error(`This FFmpeg has no decoder for ${codec}`);
  using context = new CodecContext();
  context.allocContext3(decoder);
  context.threadCount = 1;
  if (codec === "opus") context.sampleRate = OPUS_SAMPLE_RATE;
  FFmpegError.throwIfError(await context.open2(decoder), `open the decoder for ${codec}`);
  using packet = new Packet();
  using frame = new Frame();
  frame.alloc();
  let frames = 0;
  // A packet without data makes the decoder give what it still holds.
  for (const data of [...packets, undefined]) {
    packet.alloc();
    if (data !== undefined) packet.data = Buffer.from(data);
    const sent = data === undefined ? context.sendPacket(null) : context.sendPacket(packet);
    FFmpegError.throwIfError(await sent, `decode ${codec}`);
    while (await context.receiveFrame(frame) >= 0) {
      take(frame);
      frames++;
    }
    packet.unref();
  }
  if (frames === 0) throw new Error(`The decoder for ${codec} gave nothing back`);
}
