import { type Frame, Log } from "node-av/lib";
import { AV_LOG_QUIET } from "node-av/constants";
import { AppError } from "../base/errors.ts";
import { AdaptiveCompressor } from "./adaptive_compressor.ts";
import type {
  EncodedFrame,
  EncodeOptions,
  EncoderFactory,
  EncoderSettings,
  VideoCodec,
  VideoEncoder,
} from "./encoder.ts";
import { allocatePicture, PictureConverter } from "./ffmpeg_frames.ts";
import { ENCODER_RECIPES, type EncoderChoice, type EncoderRecipe } from "./ffmpeg_recipes.ts";
import type { RawFrame } from "./frame.ts";

/** No encoder could be opened. */
export class EncoderError extends AppError<"no_encoder"> {}

/**
 * Encoders of FFmpeg's libraries: NVENC, x264 and libvpx.
 * @param choice The encoders that may be used.
 */
export function createFfmpegEncoders(choice: EncoderChoice): EncoderFactory {
  Log.setLevel(AV_LOG_QUIET);
  // On a host without NVENC only the first session tries it.
  const unavailable = new Set<string>();
  return {
    async open(codec, settings) {
      const reasons: string[] = [];
      for (const recipe of ENCODER_RECIPES) {
        if (recipe.codec !== codec || (choice !== "auto" && choice !== recipe.choice)) continue;
        if (unavailable.has(recipe.name)) continue;
        try {
          const compressor = await AdaptiveCompressor.open(recipe, settings);
          return new FfmpegEncoder(recipe, { compressor, settings });
        } catch (error) {
          reasons.push(`${recipe.name}: ${error instanceof Error ? error.message : error}`);
          if (choice === "auto" && recipe.choice === "nvenc") unavailable.add(recipe.name);
        }
      }
      throw new EncoderError(
        "no_encoder",
        `No ${codec} encoder could be opened with video.encoder = "${choice}"${
          reasons.length > 0 ? ` (${reasons.join("; ")})` : ""
        }${choice === "auto" ? "" : '; "auto" uses an encoder that this host has'}`,
      );
    },
  };
}

class FfmpegEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly name: string;
  readonly #compressor: AdaptiveCompressor;
  readonly #converter = new PictureConverter();
  /** Two buffers: one is filled while the other is compressed. */
  readonly #pictures: readonly [Frame, Frame];
  #loaded: Frame | undefined;
  /** The last loaded picture, encoded or not. */
  #latest: Frame | undefined;
  #encoding: Frame | undefined;
  #pending: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    recipe: EncoderRecipe,
    { compressor, settings }: { compressor: AdaptiveCompressor; settings: EncoderSettings },
  ) {
    this.codec = recipe.codec;
    this.name = recipe.name;
    this.#compressor = compressor;
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

  encode(options: EncodeOptions): Promise<EncodedFrame | undefined> {
    const picture = this.#loaded;
    if (this.#closed || picture === undefined) return Promise.resolve(undefined);
    this.#loaded = undefined;
    this.#encoding = picture;
    return this.#track(async () => {
      try {
        return await this.#compressor.compress(picture, options);
      } finally {
        this.#encoding = undefined;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending.catch(() => {});
    this.#converter.close();
    for (const picture of this.#pictures) picture.free();
    await this.#compressor.close();
  }

  /** Registers work that `close` must wait for, because FFmpeg's threads still use the memory that it frees. */
  #track<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    // Keep no results: otherwise each frame would hold all previous ones.
    this.#pending = Promise.allSettled([this.#pending, running]).then(() => {});
    return running;
  }
}
