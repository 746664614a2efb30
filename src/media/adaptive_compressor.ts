import type { Frame } from "node-av/lib";
import { Compressor } from "./compressor.ts";
import type { EncodedFrame, EncodeOptions, EncoderSettings } from "./encoder.ts";
import type { EncoderRecipe } from "./ffmpeg_recipes.ts";
import { PictureLadder } from "../rate/picture_ladder.ts";

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
