import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { EncoderFactory, EncoderSettings, VideoCodec } from "../encoder.ts";
import type { MediaMeter } from "../metrics.ts";
import type { ClipPictures, IdleClip } from "./clip.ts";
import { encodeLoop } from "./encode_loop.ts";
import type { EncodedLoop } from "./encoded_loop.ts";
import { IDLE_LOOP_BYTES_MAX } from "./limits.ts";
import { roundOf } from "./loop_moments.ts";
import { loopRates } from "./loop_rates.ts";
import { type Holding, PictureMemory } from "./picture_memory.ts";

/** Time before a failed loop is encoded again, in milliseconds. */
const RETRY_MS = 60_000;

/**
 * A loop that no session requested for this long, in milliseconds, is not encoded when its turn comes. Sessions repeat
 * their requests with each frame, but the rate of a path passes through many values until it has settled.
 */
const STALE_MS = 1_000;

/**
 * With the first loop of a clip, one of at most this part of the highest rate is encoded. Paths become slow suddenly, and
 * often many at once; their sessions would all encode the idle pictures themselves until there is a loop that fits.
 */
const FALLBACK_SHARE = 1 / 5;

export interface EncodedLoopsOptions {
  readonly encoders: EncoderFactory;
  readonly clock: Clock;
  readonly meter: MediaMeter;
  readonly log: Logger;
  /** Default: {@link IDLE_LOOP_BYTES_MAX}. */
  readonly bytesMax?: number;
}

/** The encoding that a session needs. */
export interface LoopFormat {
  readonly codec: VideoCodec;
  /** Those of the session's encoder; the rate is the maximum. */
  readonly settings: EncoderSettings;
}

/** A loop that is encoded. */
export interface SharedLoop {
  readonly loop: EncodedLoop;
  /** The rate of its encoder. */
  readonly kbps: number;
  /** Keeps it in memory. @returns A function that releases it; idempotent. */
  use(): () => void;
}

/** The loops of one idle clip in one format. */
export interface LoopRates {
  /**
   * The best encoded loop for a path of this rate; `undefined` if there is none. If the loop for this rate is missing,
   * its encoding starts.
   */
  best(kbps: number): SharedLoop | undefined;
}

/** A loop in memory. */
interface Entry extends Holding {
  readonly key: string;
  /** `undefined` while it is being encoded. */
  loop: EncodedLoop | undefined;
}

interface Rate {
  readonly kbps: number;
  entry: Entry | undefined;
  failedAtMs: number;
  askedAtMs: number;
}

/**
 * Idle loops that are encoded once for all sessions of the same size, codec and rate. Each is encoded when a session
 * first needs it, one at a time, and stays in memory until others need the space.
 */
export class EncodedLoops {
  readonly #options: EncodedLoopsOptions;
  readonly #memory: PictureMemory<Entry>;
  /** By clip, whose pictures all leases share, then by format. */
  readonly #clips = new WeakMap<ClipPictures, Map<string, LoopRates>>();
  readonly #stop = new AbortController();
  #keys = 0;
  #isEncoding = false;
  /** Idle pictures that sessions encode at this moment. */
  #liveEncodes = 0;
  /** Settles when the last requested loop is encoded. */
  #made: Promise<unknown> = Promise.resolve();

  constructor(options: EncodedLoopsOptions) {
    this.#options = options;
    this.#memory = new PictureMemory(options.bytesMax ?? IDLE_LOOP_BYTES_MAX);
  }

  /** Bytes of all loops. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** The loops of a clip in a format. */
  of(clip: IdleClip, format: LoopFormat): LoopRates {
    const formats = this.#clips.get(clip.pictures) ?? new Map<string, LoopRates>();
    this.#clips.set(clip.pictures, formats);
    const key = formatKey(format);
    const known = formats.get(key);
    if (known !== undefined) return known;
    const { name, pictures } = clip;
    const rates = loopRates(format.settings.bitrateKbps).map((kbps): Rate => ({
      kbps,
      entry: undefined,
      failedAtMs: Number.NEGATIVE_INFINITY,
      askedAtMs: Number.NEGATIVE_INFINITY,
    }));
    const loops = {
      best: (kbps: number) => this.#best(rates, { kbps, name, pictures, format }),
    };
    formats.set(key, loops);
    return loops;
  }

  /**
   * Takes one of the places for sessions that encode idle pictures themselves. While a loop is being encoded there are
   * fewer places than processors: otherwise the sessions that wait for it would leave it hardly any time.
   * @returns A function that releases it; `undefined` if all are taken.
   */
  claimLive(): (() => void) | undefined {
    const places = Math.max(1, navigator.hardwareConcurrency - 1);
    if (this.#isEncoding && this.#liveEncodes >= places) return undefined;
    this.#liveEncodes++;
    return () => void this.#liveEncodes--;
  }

  /** Stops encoding. Loops in use stay valid. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#made;
  }

  #best(
    rates: readonly Rate[],
    wish: { kbps: number; name: string; pictures: ClipPictures; format: LoopFormat },
  ): SharedLoop | undefined {
    let missing: Rate | undefined;
    for (const rate of rates) {
      const entry = this.#entryOf(rate);
      const fits = rate.kbps <= wish.kbps;
      if (entry?.loop !== undefined && (fits || entry.loop.neededKbps <= wish.kbps)) {
        if (missing !== undefined) this.#ask(missing, { ...wish, rates });
        return this.#shared(entry, { loop: entry.loop, kbps: rate.kbps });
      }
      if (fits) missing ??= rate;
    }
    if (missing !== undefined) this.#ask(missing, { ...wish, rates });
    return undefined;
  }

  #shared(entry: Entry, { loop, kbps }: { loop: EncodedLoop; kbps: number }): SharedLoop {
    return {
      loop,
      kbps,
      use: () => {
        this.#memory.use(entry);
        let used = true;
        return () => {
          if (!used) return;
          used = false;
          this.#memory.release(entry.key, entry);
          this.#show();
        };
      },
    };
  }

  /** `undefined` if there is none, or it was evicted. */
  #entryOf(rate: Rate): Entry | undefined {
    const { entry } = rate;
    if (entry !== undefined && this.#memory.get(entry.key) !== entry) rate.entry = undefined;
    return rate.entry;
  }

  #ask(
    rate: Rate,
    wish: { rates: readonly Rate[]; name: string; pictures: ClipPictures; format: LoopFormat },
  ): void {
    const { name, pictures, format } = wish;
    const { clock } = this.#options;
    rate.askedAtMs = clock.now();
    const isMade = rate.entry !== undefined;
    if (isMade || this.#stop.signal.aborted || clock.now() - rate.failedAtMs < RETRY_MS) return;
    const entry: Entry = { key: `${this.#keys++}`, bytes: 0, users: 0, loop: undefined };
    rate.entry = entry;
    this.#memory.add(entry.key, entry);
    // One at a time, to leave the processor to the sessions.
    this.#made = this.#made.then(async () => {
      const { codec, settings } = format;
      const { width, height } = settings;
      const about = { source: name, codec, width, height, kbps: Math.round(rate.kbps) };
      const log = this.#options.log.child(about);
      const isStale = clock.now() - rate.askedAtMs > STALE_MS;
      if (isStale || !await this.#make(entry, { rate, pictures, format, log })) {
        if (!isStale) rate.failedAtMs = clock.now();
        rate.entry = undefined;
        this.#memory.remove(entry.key, entry);
      }
      this.#memory.release(entry.key, entry);
      this.#show();
      const fallback = wish.rates.find(({ kbps }) =>
        kbps <= FALLBACK_SHARE * format.settings.bitrateKbps
      );
      const needed = entry.loop?.neededKbps ?? 0;
      if (fallback !== undefined && needed > fallback.kbps) this.#ask(fallback, wish);
    });
  }

  /** @returns Whether the loop is encoded. */
  async #make(
    entry: Entry,
    { rate, pictures, format, log }: {
      rate: Rate;
      pictures: ClipPictures;
      format: LoopFormat;
      log: Logger;
    },
  ): Promise<boolean> {
    const { encoders, clock, meter } = this.#options;
    const { codec } = format;
    const settings = { ...format.settings, bitrateKbps: rate.kbps };
    const begunMs = clock.now();
    this.#isEncoding = true;
    try {
      this.#stop.signal.throwIfAborted();
      const round = roundOf(pictures, settings);
      log.info("idle_loop_encoding", { pictures: round.moments.length });
      const reserve = (bytes: number) => this.#memory.reserve(entry, bytes);
      const { signal } = this.#stop;
      entry.loop = await encodeLoop(round, { encoders, codec, settings, reserve, signal });
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn("idle_loop_failed", { error: errorText(error) });
      return false;
    } finally {
      this.#isEncoding = false;
    }
    const { loop } = entry;
    if (loop === undefined) {
      const bytesMax = this.#options.bytesMax ?? IDLE_LOOP_BYTES_MAX;
      log.warn("idle_loop_too_large", { bytes: entry.bytes, memory_bytes_max: bytesMax });
      return false;
    }
    meter.count("idle_loops_encoded_total", { codec });
    const { length: pictureCount, keyframes, bytes, neededKbps } = loop;
    log.info("idle_loop_ready", {
      pictures: pictureCount,
      keyframes,
      bytes,
      needed_kbps: Math.round(neededKbps),
      ms: Math.round(clock.now() - begunMs),
    });
    return true;
  }

  #show(): void {
    const { meter } = this.#options;
    meter.gauge("idle_loops", this.#memory.size);
    meter.gauge("idle_loop_bytes", this.#memory.bytes);
  }
}

/** Sessions with the same key may share loops. */
function formatKey({ codec, settings }: LoopFormat): string {
  const { width, height, fps, bitrateKbps, adaptiveSize = true } = settings;
  return `${codec} ${width}x${height} ${fps} ${bitrateKbps} ${adaptiveSize}`;
}
