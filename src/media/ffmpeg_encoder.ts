import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  type Frame,
  Log,
  Packet,
  Rational,
} from "node-av/lib";
import {
  AV_LOG_QUIET,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_SMPTE170M,
  AVERROR_EAGAIN,
  type FFEncoderCodec,
} from "node-av/constants";
import { AppError } from "../base/errors.ts";
import type {
  EncodedFrame,
  EncoderFactory,
  EncoderSettings,
  VideoCodec,
  VideoEncoder,
} from "./encoder.ts";
import { allocatePicture, PictureConverter } from "./ffmpeg_frames.ts";
import type { RawFrame } from "./frame.ts";

/** No encoder could be opened. */
export class EncoderError extends AppError<"no_encoder"> {}

/** Which encoders may be used; `auto` tries NVENC first and falls back to the CPU. */
export type EncoderChoice = "auto" | "nvenc" | "x264" | "vpx";

/** An FFmpeg encoder with the options that make it send each picture at once. */
interface EncoderRecipe {
  readonly choice: Exclude<EncoderChoice, "auto">;
  readonly codec: VideoCodec;
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

/** In the order in which `auto` tries them. */
const RECIPES: readonly EncoderRecipe[] = [
  {
    choice: "nvenc",
    codec: "h264",
    name: "h264_nvenc",
    options: {
      preset: "p3",
      tune: "ull",
      profile: "baseline",
      rc: "cbr",
      delay: "0",
      zerolatency: "1",
      "forced-idr": "1",
    },
  },
  {
    choice: "x264",
    codec: "h264",
    name: "libx264",
    options: {
      preset: "veryfast",
      tune: "zerolatency",
      profile: "baseline",
      "forced-idr": "1",
      sc_threshold: "0",
    },
  },
  {
    choice: "vpx",
    codec: "vp8",
    name: "libvpx",
    options: {
      deadline: "realtime",
      "cpu-used": "8",
      "lag-in-frames": "0",
      "auto-alt-ref": "0",
      "error-resilient": "default",
      "static-thresh": "100",
      "max-intra-rate": "450",
    },
  },
];

/**
 * A keyframe is made when one is asked for, never by the clock or for a cut: each is a burst that a thin tunnel has to
 * queue.
 */
const KEYFRAME_INTERVAL_FRAMES = 1_000_000;

/** Half a second of the target rate: keyframes get room without a burst of seconds. */
const RATE_BUFFER_S = 0.5;

/** Pictures up to this many pixels are encoded on one thread; larger ones are cut into slices for two or four. */
const ONE_THREAD_PIXELS_MAX = 1280 * 720;

/**
 * Encoders of FFmpeg's libraries: NVENC, x264 and libvpx.
 * @param choice Which of them may be used.
 */
export function createFfmpegEncoders(choice: EncoderChoice): EncoderFactory {
  Log.setLevel(AV_LOG_QUIET);
  // A host without NVENC says so once; later sessions do not ask again.
  const unavailable = new Set<string>();
  return {
    async open(codec, settings) {
      const reasons: string[] = [];
      for (const recipe of RECIPES) {
        if (recipe.codec !== codec || (choice !== "auto" && choice !== recipe.choice)) continue;
        if (unavailable.has(recipe.name)) continue;
        try {
          return await openEncoder(recipe, settings);
        } catch (error) {
          reasons.push(`${recipe.name}: ${error instanceof Error ? error.message : error}`);
          if (choice === "auto" && recipe.choice === "nvenc") unavailable.add(recipe.name);
        }
      }
      throw new EncoderError(
        "no_encoder",
        `No ${codec} encoder could be opened with video.encoder = "${choice}"${
          reasons.length > 0 ? ` (${reasons.join("; ")})` : ""
        }${choice === "auto" ? "" : '; "auto" takes what this host has'}`,
      );
    },
  };
}

async function openEncoder(
  recipe: EncoderRecipe,
  settings: EncoderSettings,
): Promise<VideoEncoder> {
  const codec = Codec.findEncoderByName(recipe.name as FFEncoderCodec);
  if (codec === null) throw new Error("not part of this FFmpeg");
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = settings.width;
  context.height = settings.height;
  context.pixelFormat = AV_PIX_FMT_YUV420P;
  context.colorRange = AVCOL_RANGE_MPEG;
  context.colorSpace = AVCOL_SPC_SMPTE170M;
  context.timeBase = new Rational(1, 1_000_000);
  context.framerate = new Rational(settings.fps, 1);
  context.gopSize = KEYFRAME_INTERVAL_FRAMES;
  context.maxBFrames = 0;
  context.threadCount = threadsFor(settings);
  setRate(context, settings.bitrateKbps);
  const options = Dictionary.fromObject({ ...recipe.options });
  try {
    FFmpegError.throwIfError(await context.open2(codec, options), "open");
  } catch (error) {
    context.freeContext();
    throw error;
  } finally {
    options.free();
  }
  return new FfmpegEncoder(recipe, context, settings);
}

function threadsFor({ width, height }: EncoderSettings): number {
  const pixels = width * height;
  if (pixels <= ONE_THREAD_PIXELS_MAX) return 1;
  return Math.min(navigator.hardwareConcurrency, pixels <= 4 * ONE_THREAD_PIXELS_MAX ? 2 : 4);
}

function setRate(context: CodecContext, kbps: number): void {
  const bitsPerSecond = Math.round(kbps * 1000);
  context.bitRate = BigInt(bitsPerSecond);
  context.rcMaxRate = BigInt(bitsPerSecond);
  context.rcBufferSize = Math.round(bitsPerSecond * RATE_BUFFER_S);
}

class FfmpegEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly name: string;
  readonly #context: CodecContext;
  readonly #converter = new PictureConverter();
  readonly #packet = new Packet();
  /** Two pictures: one is being filled while the other is compressed. */
  readonly #pictures: readonly [Frame, Frame];
  #loaded: Frame | undefined;
  /** What was loaded last, encoded or not. */
  #latest: Frame | undefined;
  #encoding: Frame | undefined;
  #pending: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(recipe: EncoderRecipe, context: CodecContext, settings: EncoderSettings) {
    this.codec = recipe.codec;
    this.name = recipe.name;
    this.#context = context;
    this.#packet.alloc();
    const { width, height } = settings;
    this.#pictures = [allocatePicture(width, height), allocatePicture(width, height)];
  }

  load(frame: RawFrame): Promise<void> {
    const picture = this.#pictures.find((candidate) => candidate !== this.#encoding);
    if (this.#closed || picture === undefined) return Promise.resolve();
    this.#loaded = undefined;
    if (this.#latest === picture) this.#latest = undefined;
    return this.#track(async () => {
      await this.#converter.convert(frame, picture);
      picture.pts = BigInt(Math.round(frame.timestampUs));
      this.#loaded = picture;
      this.#latest = picture;
    });
  }

  reload(timestampUs: number): boolean {
    const picture = this.#latest;
    if (this.#closed || picture === undefined || picture === this.#encoding) return false;
    picture.pts = BigInt(Math.round(timestampUs));
    this.#loaded = picture;
    return true;
  }

  encode({ keyframe }: { keyframe: boolean }): Promise<EncodedFrame | undefined> {
    const picture = this.#loaded;
    if (this.#closed || picture === undefined) return Promise.resolve(undefined);
    this.#loaded = undefined;
    this.#encoding = picture;
    return this.#track(async () => {
      try {
        picture.pictType = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
        FFmpegError.throwIfError(await this.#context.sendFrame(picture), "encode");
        return await this.#receive();
      } finally {
        this.#encoding = undefined;
      }
    });
  }

  setBitrate(kbps: number): void {
    if (!this.#closed) setRate(this.#context, kbps);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending.catch(() => {});
    this.#converter.close();
    this.#packet.free();
    for (const picture of this.#pictures) picture.free();
    this.#context.freeContext();
  }

  async #receive(): Promise<EncodedFrame | undefined> {
    const status = await this.#context.receivePacket(this.#packet);
    if (status === AVERROR_EAGAIN) return undefined;
    FFmpegError.throwIfError(status, "encode");
    try {
      const { data, isKeyframe, pts } = this.#packet;
      if (data === null) return undefined;
      return {
        codec: this.codec,
        data: new Uint8Array(data),
        keyframe: isKeyframe,
        timestampUs: Number(pts),
      };
    } finally {
      this.#packet.unref();
    }
  }

  /** Remembers work that `close` has to wait for: FFmpeg's threads still use the memory that it frees. */
  #track<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    // Of no more than their end, or each frame would hold all that were before it.
    this.#pending = Promise.allSettled([this.#pending, running]).then(() => {});
    return running;
  }
}
