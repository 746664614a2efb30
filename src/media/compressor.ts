import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  type Frame,
  Packet,
  Rational,
} from "node-av/lib";
import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AV_PKT_DATA_QUALITY_STATS,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_SMPTE170M,
  AVERROR_EAGAIN,
  type FFEncoderCodec,
} from "node-av/constants";
import type { EncodedFrame, EncodeOptions, EncoderSettings } from "./encoder.ts";
import { allocatePicture, PictureConverter, rawFrameOf } from "./picture_converter.ts";
import type { EncoderRecipe } from "./ffmpeg_recipes.ts";
import { scaleEvenly } from "./fit.ts";
import { RateClock, RateSteps } from "../rate/encoder_rate.ts";
import { readVp8Quantizer } from "./vp8_quantizer.ts";

/**
 * Keyframes are made on request only, never periodically or at a scene change, because each is a burst that a narrow
 * tunnel has to queue.
 */
const KEYFRAME_INTERVAL_FRAMES = 1_000_000;

/**
 * Rate buffer, in seconds of the target rate. A keyframe may take about half of it, and after a decrease of the rate
 * the excess may be all of it; both queue up in a tunnel. With less, libvpx oscillates between too fine and too coarse
 * pictures.
 */
const RATE_BUFFER_S = 0.25;

/** Pictures up to this many pixels are encoded on one thread, larger ones in slices on two or four. */
const ONE_THREAD_PIXELS_MAX = 1280 * 720;

/**
 * An encoder with a {@link RateClock} is opened for its maximum rate or this many bits per pixel, whichever is less,
 * because its rate buffer keeps the size for that rate. With a smaller buffer libvpx oscillates at high rates; with a
 * larger one it takes seconds to follow a decrease.
 */
const NOMINAL_BITS_PER_PIXEL_MAX = 0.3;

/** Nominal frame rate of an encoder with a {@link RateClock}, until it gets timestamps. */
const CLOCK_FPS = 1000;

/** The coarsest quantizer of each codec. */
const QUANTIZER_MAX = { h264: 51, vp8: 127 } as const;
/** Units of FFmpeg's quality figures for one step of the quantizer (`FF_QP2LAMBDA`). */
const QUALITY_UNITS = 118;

/** A compressed picture. */
export interface CompressedPicture extends EncodedFrame {
  /** Its quantizer relative to the codec's coarsest, 0 to about 1; 1 if the encoder does not report it. */
  readonly coarseness: number;
}

/** One open encoder of one size. The first picture is a keyframe. Calls of `compress` must not overlap. */
export class Compressor {
  /** Encoded width and height relative to those of the pictures. */
  readonly scale: number;
  readonly #recipe: EncoderRecipe;
  readonly #context: CodecContext;
  readonly #clock: RateClock | undefined;
  readonly #steps: RateSteps | undefined;
  readonly #packet = new Packet();
  readonly #shrinking:
    | { readonly converter: PictureConverter; readonly picture: Frame }
    | undefined;
  #kbps: number;

  private constructor(
    recipe: EncoderRecipe,
    { context, clock, scale, kbps }: {
      context: CodecContext;
      clock: RateClock | undefined;
      scale: number;
      kbps: number;
    },
  ) {
    this.scale = scale;
    this.#recipe = recipe;
    this.#context = context;
    this.#clock = clock;
    this.#steps = recipe.rateBy === "steps" ? new RateSteps(kbps) : undefined;
    this.#kbps = kbps;
    this.#packet.alloc();
    this.#shrinking = scale === 1 ? undefined : {
      converter: new PictureConverter(),
      picture: allocatePicture(context.width, context.height),
    };
  }

  /**
   * Opens an encoder, off the event loop.
   * @param settings For the full-size pictures; the rate is the maximum.
   * @param scale Encoded width and height relative to the full size.
   * @param kbps The initial rate.
   * @throws When this host cannot open it.
   */
  static async open(
    recipe: EncoderRecipe,
    { settings, scale, kbps }: { settings: EncoderSettings; scale: number; kbps: number },
  ): Promise<Compressor> {
    const { fps, bitrateKbps } = settings;
    const size = scaleEvenly(settings, scale);
    const pixelsPerMs = size.width * size.height * fps / 1000;
    const nominalKbps = Math.min(bitrateKbps, pixelsPerMs * NOMINAL_BITS_PER_PIXEL_MAX);
    const byClock = recipe.rateBy === "clock";
    const context = await openContext(recipe, {
      ...size,
      // libvpx smooths frame intervals close to the nominal one; with this one, all intervals differ enough.
      fps: byClock ? CLOCK_FPS : fps,
      bitrateKbps: byClock ? nominalKbps : kbps,
    });
    const clock = byClock ? new RateClock({ fps, nominalKbps }) : undefined;
    return new Compressor(recipe, { context, clock, scale, kbps });
  }

  /**
   * Compresses a full-size picture whose `pts` is its time in microseconds.
   * @returns `undefined` if the rate control skipped it.
   */
  async compress(
    picture: Frame,
    { keyframe, kbps }: EncodeOptions,
  ): Promise<CompressedPicture | undefined> {
    const timestampUs = Number(picture.pts);
    const shrunk = await this.#shrink(picture, timestampUs);
    this.#followRate(kbps, timestampUs);
    shrunk.pts = BigInt(this.#clock?.tell(timestampUs, kbps) ?? timestampUs);
    shrunk.pictType = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    FFmpegError.throwIfError(await this.#context.sendFrame(shrunk), "encode");
    return this.#receive(timestampUs);
  }

  /** Frees the encoder. Not during `compress`. */
  close(): void {
    this.#shrinking?.converter.close();
    this.#shrinking?.picture.free();
    this.#packet.free();
    this.#context.freeContext();
  }

  #followRate(kbps: number, timestampUs: number): void {
    if (this.#recipe.rateBy === "context" && kbps !== this.#kbps) setRate(this.#context, kbps);
    this.#kbps = kbps;
    const step = this.#steps?.next(kbps, timestampUs);
    if (step !== undefined) setRate(this.#context, step);
  }

  async #shrink(picture: Frame, timestampUs: number): Promise<Frame> {
    if (this.#shrinking === undefined) return picture;
    const { converter, picture: shrunk } = this.#shrinking;
    await converter.convert(rawFrameOf(picture, timestampUs), shrunk);
    return shrunk;
  }

  /** At once: encoders without delay compress while they take the picture, and this only takes the result. */
  #receive(timestampUs: number): CompressedPicture | undefined {
    const status = this.#context.receivePacketSync(this.#packet);
    if (status === AVERROR_EAGAIN) return undefined;
    FFmpegError.throwIfError(status, "encode");
    try {
      const { data, isKeyframe } = this.#packet;
      if (data === null) return undefined;
      const { codec } = this.#recipe;
      return {
        codec,
        data: new Uint8Array(data),
        keyframe: isKeyframe,
        timestampUs,
        coarseness: this.#quantizer(data) / QUANTIZER_MAX[codec],
      };
    } finally {
      this.#packet.unref();
    }
  }

  #quantizer(data: Uint8Array): number {
    if (this.#recipe.codec === "vp8") return readVp8Quantizer(data);
    const quality = this.#packet.getSideData(AV_PKT_DATA_QUALITY_STATS);
    return quality === null ? QUANTIZER_MAX.h264 : quality.readUInt32LE(0) / QUALITY_UNITS;
  }
}

async function openContext(
  recipe: EncoderRecipe,
  settings: EncoderSettings,
): Promise<CodecContext> {
  const codec = Codec.findEncoderByName(recipe.name as FFEncoderCodec);
  if (codec === null) throw new Error("not part of this FFmpeg");
  const options = Dictionary.fromObject({ ...recipe.options });
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
  try {
    FFmpegError.throwIfError(await context.open2(codec, options), "open");
  } catch (error) {
    context.freeContext();
    throw error;
  } finally {
    options.free();
  }
  return context;
}

function threadsFor({ width, height }: EncoderSettings): number {
  const pixels = width * height;
  if (pixels <= ONE_THREAD_PIXELS_MAX) return 1;
  return Math.min(navigator.hardwareConcurrency, pixels <= 4 * ONE_THREAD_PIXELS_MAX ? 2 : 4);
}

function setRate(context: CodecContext, kbps: number): void {
  const bitsPerSecond = Math.round(kbps * 1000);
  context.bitRate = BigInt(bitsPerSecond);
  // With all three equal, FFmpeg selects libvpx's constant bitrate mode.
  context.rcMinRate = BigInt(bitsPerSecond);
  context.rcMaxRate = BigInt(bitsPerSecond);
  context.rcBufferSize = Math.round(bitsPerSecond * RATE_BUFFER_S);
}
