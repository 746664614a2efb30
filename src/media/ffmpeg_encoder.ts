import { type Frame, Log } from "node-av/lib";
import { AV_LOG_QUIET } from "node-av/constants";
import { AppError } from "../base/errors.ts";
import type {
  EncodedFrame,
  EncodeOptions,
  EncoderFactory,
  EncoderSettings,
  VideoCodec,
  VideoEncoder,
} from "./encoder.ts";
import { allocatePicture, PictureConverter } from "./picture_converter.ts";
import { ENCODER_RECIPES, type EncoderChoice, type EncoderRecipe } from "./ffmpeg_recipes.ts";
import type { RawFrame } from "./frame.ts";
import { Compressor } from "./compressor.ts";
import { PictureLadder } from "../rate/picture_ladder.ts";

/** No encoder could be opened. */
export class EncoderError extends AppError<"no_encoder"> {}

/**
 * Encoders of FFmpeg's libraries: NVENC, x264 and libvpx.
 * @param choice The encoders that may be used.
 * @param options.onFreed An encoder was closed, and its memory freed.
 */
export function createFfmpegEncoders(
  choice: EncoderChoice,
  { onFreed = () => {} }: { onFreed?: () => void } = {},
): EncoderFactory {
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
          return new FfmpegEncoder(recipe, { compressor, settings, onFreed });
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
  readonly #onFreed: () => void;
  /** Calls in progress. */
  #running = 0;
  /** Settles when there are none; `close` waits for it. */
  #quiet: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(
    recipe: EncoderRecipe,
    { compressor, settings, onFreed }: {
      compressor: AdaptiveCompressor;
      settings: EncoderSettings;
      onFreed: () => void;
    },
  ) {
    this.codec = recipe.codec;
    this.name = recipe.name;
    this.#compressor = compressor;
    this.#onFreed = onFreed;
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
    if (this.#running > 0) await (this.#quiet = Promise.withResolvers()).promise;
    this.#converter.close();
    for (const picture of this.#pictures) picture.free();
    await this.#compressor.close();
    this.#onFreed();
  }

  /** Registers work that `close` must wait for, because FFmpeg's threads still use the memory that it frees. */
  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await work();
    } finally {
      if (--this.#running === 0) this.#quiet?.resolve();
    }
  }
}

/**
 * Time until the next try after the host refused another encoder (hardware supports a limited number), in
 * microseconds.
 */
const REFUSAL_US = 10_000_000;

/**
 * Compresses pictures at the size that the rate allows. For another size it opens a second encoder while the first
 * continues, and switches between two pictures, with a keyframe. Calls of `compress` must not overlap.
 */
export class AdaptiveCompressor {
  readonly #recipe: EncoderRecipe;
  readonly #ladder: PictureLadder;
  readonly #settings: EncoderSettings;
  #current: Compressor;
  #next: Compressor | undefined;
  #opening: Promise<void> | undefined;
  #freeing: Promise<void> | undefined;
  #refusedUntilUs = Number.NEGATIVE_INFINITY;

  private constructor(recipe: EncoderRecipe, settings: EncoderSettings, first: Compressor) {
    this.#recipe = recipe;
    this.#settings = settings;
    this.#ladder = new PictureLadder(settings);
    this.#current = first;
  }

  /**
   * @param settings The rate is the maximum and the initial rate.
   * @throws When no encoder can be opened on this host.
   */
  static async open(
    recipe: EncoderRecipe,
    settings: EncoderSettings,
  ): Promise<AdaptiveCompressor> {
    const first = await Compressor.open(recipe, { settings, scale: 1, kbps: settings.bitrateKbps });
    return new AdaptiveCompressor(recipe, settings, first);
  }

  /** See {@link Compressor.compress}. */
  async compress(
    picture: Frame,
    options: EncodeOptions,
  ): Promise<EncodedFrame | undefined> {
    this.#adapt({ nowUs: Number(picture.pts), kbps: options.kbps });
    const compressed = await this.#current.compress(picture, options);
    if (compressed !== undefined) this.#ladder.note(compressed.coarseness);
    return compressed;
  }

  /** Frees every encoder; waits for one that is opening. Not during `compress`. */
  async close(): Promise<void> {
    await Promise.all([this.#opening, this.#freeing]);
    this.#next?.close();
    this.#current.close();
  }

  #adapt({ nowUs, kbps }: { nowUs: number; kbps: number }): void {
    const scale = this.#ladder.scaleAt({ nowUs, kbps });
    if (this.#next !== undefined) {
      this.#freeing = freeSoon(this.#current);
      this.#current = this.#next;
      this.#next = undefined;
    }
    if (scale === this.#current.scale || this.#opening !== undefined) return;
    if (nowUs >= this.#refusedUntilUs) this.#opening = this.#prepare(scale, { nowUs, kbps });
  }

  async #prepare(
    scale: number,
    { nowUs, kbps }: { nowUs: number; kbps: number },
  ): Promise<void> {
    try {
      const [recipe, settings] = [this.#recipe, this.#settings];
      this.#next = await Compressor.open(recipe, { settings, scale, kbps });
    } catch {
      this.#refusedUntilUs = nowUs + REFUSAL_US;
    } finally {
      this.#opening = undefined;
    }
  }
}

/** Frees an encoder without delaying the next picture by the few milliseconds that this takes. */
function freeSoon(compressor: Compressor): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => {
      try {
        compressor.close();
      } finally {
        resolve();
      }
    });
  });
}
