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
import { type Holding, PictureMemory } from "./picture_memory.ts";
import { PictureRecorder, type Recording } from "./picture_recorder.ts";
import { decodeFirst, type PictureSink, recordPictures } from "./record.ts";

export interface IdleLibraryOptions {
  /** Path of the default source; missing: the built-in card. */
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
  /** The reason as the end of a sentence about the path. */
  readonly reason: string;
}

/** One configured source. */
interface Source {
  readonly name: string;
  readonly path: string;
}

/** A source in one size, decoding or decoded. */
interface Entry extends Holding {
  /** Rejects when the source cannot be shown. */
  readonly pictures: Promise<ClipPictures>;
  /** It was reduced because others held memory that it needed. */
  squeezed: boolean;
}

const CARD = "card";
const DEFAULT = "default";

/**
 * The pictures that viewers see while the renderer has none. Each source is decoded once per size and frame rate, one
 * source at a time, and shared by all sessions.
 */
export class IdleLibrary {
  readonly #default: Source | undefined;
  readonly #named: ReadonlyMap<string, Source>;
  readonly #memory: PictureMemory<Entry>;
  readonly #memoryBytesMax: number;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  /** Settles when the last requested decoding is done. */
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

  /** Bytes of decoded pictures in memory. */
  get memoryBytes(): number {
    return this.#memory.bytes;
  }

  /**
   * Decodes the first picture of each source. @returns The problems, in the order of the config; empty if there are
   * none.
   */
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
   * Leases the clip of a source. Settles when all of it is decoded: at once, or after seconds for a video that was not
   * shown before. If a source can no longer be shown, that is logged, and the clip is the built-in card.
   *
   * @param name A name from the config; any other, or none, selects the default source.
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

  /** Stops decoding and waits for it. Leased clips stay valid. Idempotent. */
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
      // It was reduced for lack of memory: decode it again for the next lease.
      if (entry.squeezed && entry.users === 0) this.#memory.remove(key, entry);
    };
    try {
      const pictures = await entry.pictures;
      return { name, pictures, frameAt: pictures.frameAt, release };
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
      // If it fills more than half the memory now, it was not reduced because of others.
      entry.squeezed = 2 * entry.bytes <= this.#memoryBytesMax;
      log.warn("idle_clip_reduced", { ...fields, memory_bytes_max: this.#memoryBytesMax });
    }
    return loopPictures(recording, format);
  }

  /** Decodes one source at a time: decoding may take seconds, and live sessions need the CPU. */
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
