import { type Clock, sleep } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type {
  EncoderFactory,
  EncoderSettings,
  VideoCodec,
  VideoEncoder,
} from "../media/encoder.ts";
import type { Layer } from "../rate/layer_choice.ts";

/** Time after which an unused encoder, which holds some 20 MiB, is closed, in milliseconds. */
export const REST_MS = 10_000;

export interface BranchEncoderOptions {
  readonly codec: VideoCodec;
  /** For the log. */
  readonly layer: Layer;
  readonly encoders: EncoderFactory;
  readonly settings: EncoderSettings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The encoder of a branch, which is closed while it is not needed. */
export class BranchEncoder {
  readonly #options: BranchEncoderOptions;
  readonly #onFailed: (error: unknown) => void;
  #open: VideoEncoder | undefined;
  #state: "opens" | "open" | "rests" | "wakes" = "opens";
  #opened: Promise<void>;
  /** Settles when former encoders are closed. */
  #closing: Promise<unknown> = Promise.resolve();
  #neededAtMs: number;

  /**
   * Starts opening it.
   * @param onFailed Called if it cannot be opened.
   */
  constructor(options: BranchEncoderOptions, onFailed: (error: unknown) => void) {
    this.#options = options;
    this.#onFailed = onFailed;
    this.#neededAtMs = options.clock.now();
    this.#opened = this.#begin();
  }

  /** `undefined` while it is closed or opening. */
  get open(): VideoEncoder | undefined {
    return this.#open;
  }

  /** Whether it has been opened; it may be closed because it is not needed at present. */
  get isReady(): boolean {
    return this.#state !== "opens";
  }

  /** It is needed, or may be soon: opens it if it rests. */
  stir(): void {
    this.#neededAtMs = this.#options.clock.now();
    if (this.#state !== "rests") return;
    this.#state = "wakes";
    this.#opened = this.#begin();
  }

  /**
   * As {@link stir}, and waits until it is open, but no longer than one frame, because sound must not wait.
   * @returns `undefined` if there is nothing to wait for.
   */
  awake(): Promise<void> | undefined {
    this.stir();
    return this.#state === "wakes" ? this.#awake() : undefined;
  }

  /** Closes it if it was not needed for {@link REST_MS}. Must not be called while it encodes. */
  restWhenQuiet(): void {
    const { clock, codec, layer, log } = this.#options;
    const encoder = this.#open;
    if (encoder === undefined || clock.now() - this.#neededAtMs < REST_MS) return;
    this.#open = undefined;
    this.#state = "rests";
    log.info("encoder_rests", { codec, layer });
    this.#free(encoder);
  }

  /** Frees it, after opening if necessary. Must not be called while it encodes. Idempotent. */
  async close(): Promise<void> {
    await this.#opened;
    if (this.#open !== undefined) this.#free(this.#open);
    await this.#closing;
  }

  async #awake(): Promise<void> {
    const { clock, settings } = this.#options;
    const isOpen = new AbortController();
    await Promise.race([this.#opened, sleep(clock, 1000 / settings.fps, isOpen.signal)]);
    isOpen.abort();
  }

  async #begin(): Promise<void> {
    const { encoders, codec, layer, settings, log } = this.#options;
    try {
      this.#open = await encoders.open(codec, settings);
      this.#state = "open";
      log.info("encoder_opened", { codec, layer, encoder: this.#open.name });
    } catch (error) {
      this.#onFailed(error);
    }
  }

  #free(encoder: VideoEncoder): void {
    const { codec, layer, log } = this.#options;
    const closed = encoder.close().catch((error) => {
      log.warn("encoder_not_closed", { codec, layer, error: errorText(error) });
    });
    this.#closing = Promise.all([this.#closing, closed]).then(() => {});
  }
}
