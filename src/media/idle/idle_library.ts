import { Log } from "node-av/lib";
import { AV_LOG_QUIET } from "node-av/constants";
import { errorText } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { RawFrame } from "../frame.ts";
import { drawIdleCard } from "./card.ts";
import {
  type ClipPictures,
  type IdleClip,
  type IdleFormat,
  loopPictures,
  stillPicture,
} from "./clip.ts";
import { IdleError, type IdleErrorCode } from "./idle_error.ts";
import { IDLE_MEMORY_BYTES_MAX } from "./limits.ts";
import { type Holding, PictureMemory } from "./memory.ts";
import { PictureRecorder, type Recording } from "./picture_recorder.ts";
import { decodeFirst, type PictureSink, recordPictures } from "./record.ts";

/** What an {@link IdleLibrary} is made of. */
export interface IdleLibraryOptions {
  /** Path of what is shown unless another one is asked for; left out: the built-in card. */
  readonly source?: string | undefined;
  /** Paths by name. */
  readonly sources: Readonly<Record<string, string>>;
  /** Default: {@link IDLE_MEMORY_BYTES_MAX}. */
  readonly memoryBytesMax?: number;
  readonly log: Logger;
}

/** A configured source that cannot be shown. */
export interface IdleProblem {
  /** Key in the config file, such as `idle.sources.anna`. */
  readonly key: string;
  readonly path: string;
  readonly code: IdleErrorCode;
  /** The end of a sentence about the path. */
  readonly reason: string;
}

/** One configured source. */
interface Source {
  readonly name: string;
  readonly path: string;
}

/** A source in one size, while it is made and after. */
interface Entry extends Holding {
  /** Rejects when the source cannot be shown. */
  readonly pictures: Promise<ClipPictures>;
  /** Others held memory that it would have needed. */
  squeezed: boolean;
}

const CARD = "card";
const DEFAULT = "default";

/**
 * The pictures that viewers see while there is nothing else. Each source is decoded once for each size and frame rate,
 * one source at a time, and shared by all who show it.
 */
export class IdleLibrary {
  readonly #default: Source | undefined;
  readonly #named: ReadonlyMap<string, Source>;
  readonly #memory: PictureMemory<Entry>;
  readonly #memoryBytesMax: number;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  /** Settles when the last decoding that was asked for is over. */
  #decoded: Promise<unknown> = Promise.resolve();

  constructor({ source, sources, memoryBytesMax, log }: IdleLibraryOptions) {
    Log.setLevel(AV_LOG_QUIET);
    this.#default = source === undefined ? undefined : { name: DEFAULT, path: source };
    this.#named = new Map(
      Object.entries(sources).map(([name, path]) => [name, { name, path }]),
    );
    this.#memoryBytesMax = memoryBytesMax ?? IDLE_MEMORY_BYTES_MAX;
    this.#memory = new PictureMemory(this.#memoryBytesMax);
    this.#log = log;
  }

  /** Bytes of decoded pictures that are kept now. */
  get memoryBytes(): number {
    return this.#memory.bytes;
  }

  /** Decodes the first picture of each source. @returns What is wrong, in the order of the config; empty when all is well. */
  async check(): Promise<IdleProblem[]> {
    const keys = [
      ...(this.#default === undefined ? [] : [{ key: "idle.source", ...this.#default }]),
      ...[...this.#named.values()].map((each) => ({ key: `idle.sources.${each.name}`, ...each })),
    ];
    const problems: IdleProblem[] = [];
    for (const { key, path } of keys) {
      try {
        await this.#inTurn(() => decodeFirst(path));
      } catch (error) {
        const { code, path: at, reason } = asIdleError(error, path);
        problems.push({ key, path: at, code, reason });
      }
    }
    return problems;
  }

  /**
   * Leases the clip of a source. It comes when all of it is decoded: at once, or in seconds when it is a video that nobody
   * showed yet. A source that cannot be shown any more is logged, and the built-in card comes instead.
   *
   * @param name From the config; any other, and none, is the default source.
   */
  async clip(name: string | undefined, format: IdleFormat): Promise<IdleClip> {
    const source = (name === undefined ? undefined : this.#named.get(name)) ?? this.#default;
    if (source === undefined || this.#stop.signal.aborted) return await this.#card(format);
    const key = `${source.path}\n${format.width}x${format.height} ${format.fps}`;
    try {
      return await this.#lease(key, {
        name: source.name,
        open: (entry) => this.#inTurn(() => this.#record(source, { format, entry })),
      });
    } catch {
      return await this.#card(format);
    }
  }

  /** Stops what is being decoded and waits for it. Leased clips stay as they are. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#decoded;
  }

  #card({ width, height }: IdleFormat): Promise<IdleClip> {
    return this.#lease(`${CARD}\n${width}x${height}`, {
      name: CARD,
      open: async (entry) => {
        this.#memory.reserve(entry, pictureBytes({ width, height }));
        return stillPicture(await drawIdleCard({ width, height }));
      },
    });
  }

  async #lease(
    key: string,
    { name, open }: { name: string; open: (entry: Entry) => Promise<ClipPictures> },
  ): Promise<IdleClip> {
    const known = this.#memory.get(key);
    if (known !== undefined) this.#memory.use(known);
    const entry = known ?? this.#open(key, open);
    let used = true;
    const release = () => {
      if (!used) return;
      used = false;
      this.#memory.release(key, entry);
      // With more room it would have been better: the next one gets another try.
      if (entry.squeezed && entry.users === 0) this.#memory.remove(key, entry);
    };
    try {
      const { still, frameAt } = await entry.pictures;
      return { name, still, frameAt, release };
    } catch (error) {
      release();
      this.#memory.remove(key, entry);
      throw error;
    }
  }

  #open(key: string, open: (entry: Entry) => Promise<ClipPictures>): Entry {
    const opening = Promise.withResolvers<ClipPictures>();
    const entry: Entry = { bytes: 0, users: 0, squeezed: false, pictures: opening.promise };
    this.#memory.add(key, entry);
    opening.resolve(open(entry));
    return entry;
  }

  async #record(
    source: Source,
    { format, entry }: { format: IdleFormat; entry: Entry },
  ): Promise<ClipPictures> {
    const begunMs = performance.now();
    const bytes = pictureBytes(format);
    const recorder = new PictureRecorder<RawFrame>({
      reserve: () => this.#memory.reserve(entry, bytes),
      free: (pictures) => this.#memory.free(entry, pictures * bytes),
    });
    const log = this.#log.child({ source: source.name, path: source.path });
    const sink: PictureSink = {
      recorder,
      signal: this.#stop.signal,
      onDamaged: (reason) => log.warn("idle_source_damaged", { reason }),
    };
    try {
      await recordPictures(source.path, { format, sink });
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        log.error("idle_source_failed", { reason: asIdleError(error, source.path).reason });
      }
      throw error;
    }
    const recording = recorder.finish();
    const fields = { ...summary(recording), bytes: entry.bytes };
    log.info("idle_clip_ready", { ...fields, ms: Math.round(performance.now() - begunMs) });
    if (recording.step > 1 || recording.cut) {
      // Alone it would fill more than half: it gives up every second picture only when it needs all.
      entry.squeezed = 2 * entry.bytes <= this.#memoryBytesMax;
      log.warn("idle_clip_reduced", { ...fields, memory_bytes_max: this.#memoryBytesMax });
    }
    return loopPictures(recording, format);
  }

  /** Runs one decoding after the other: they may take seconds, and the processor belongs to live sessions. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#decoded.then(work);
    this.#decoded = run.catch(() => {});
    return run;
  }
}

/** Bytes of one I420 picture. */
function pictureBytes({ width, height }: { width: number; height: number }): number {
  return width * height * 3 / 2;
}

function summary({ pictures, durationUs, step, cut }: Recording<RawFrame>) {
  const seconds = durationUs / 1e6;
  return {
    pictures: pictures.length,
    seconds: Math.round(seconds * 1000) / 1000,
    pictures_per_s: Math.round(pictures.length / seconds * 10) / 10,
    step,
    cut,
  };
}

function asIdleError(error: unknown, path: string): IdleError {
  return error instanceof IdleError
    ? error
    : new IdleError("not_decodable", { path, reason: errorText(error), cause: error });
}
