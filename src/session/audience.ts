import { TokenBucket, type TokenRate } from "../base/token_bucket.ts";
import type { FrameInfo, VideoSink } from "../transport/peer_transport.ts";

/**
 * A viewer whose path stays full this long, in milliseconds, while others receive, is skipped until its path is free.
 * Its return costs all viewers a keyframe, so a short congestion only delays that viewer's pictures.
 */
const FULL_MS_MAX = 500;

interface Watcher {
  /**
   * `follows`: has received a keyframe and every frame since. `new` and `left_out` viewers need a keyframe to start or
   * continue.
   */
  state: "new" | "follows" | "left_out";
  fullSinceMs: number | undefined;
  /** Limits returns, since each costs the others a keyframe. */
  readonly returns: TokenBucket;
  /** It could continue, but has used up its returns. */
  isPutOff: boolean;
}

/** The viewers of one encoder: the rate that all their paths can carry, and which viewer gets which frame. */
export class Audience {
  readonly #watchers = new Map<VideoSink, Watcher>();

  get size(): number {
    return this.#watchers.size;
  }

  /** Whether any viewer receives pictures at present. */
  get isWatching(): boolean {
    return this.#sinks.length > 0;
  }

  /** Whether any viewer has received a keyframe and every frame since. */
  get isFollowed(): boolean {
    return [...this.#watchers].some(([sink, { state }]) => state === "follows" && !sink.isPaused);
  }

  /** Adds a viewer, which starts with the next keyframe. */
  add(sink: VideoSink): void {
    this.#watchers.set(sink, {
      state: "new",
      fullSinceMs: undefined,
      returns: new TokenBucket(KEYFRAME_ALLOWANCE),
      isPutOff: false,
    });
  }

  remove(sink: VideoSink): void {
    this.#watchers.delete(sink);
  }

  /** The rate that all paths can carry, in kbit/s; `undefined` while no viewer receives pictures. */
  get targetKbps(): number | undefined {
    const sinks = this.#sinks;
    return sinks.length === 0 ? undefined : Math.min(...sinks.map(({ targetKbps }) => targetKbps));
  }

  /** Whether a frame would be late for every viewer. */
  get isBlocked(): boolean {
    const sinks = this.#sinks;
    return sinks.length > 0 && sinks.every(({ isFull }) => isFull);
  }

  /** Whether a skipped viewer could continue from a keyframe. */
  get hasReturned(): boolean {
    return [...this.#watchers].some(([sink, { state }]) => state === "left_out" && !sink.isFull);
  }

  /**
   * Looks for skipped viewers that could continue from a keyframe.
   * @returns Whether a keyframe is due for them, and how many have to wait from now on because they returned too
   * often.
   */
  returning(nowMs: number): { readonly isDue: boolean; readonly putOff: number } {
    let putOff = 0;
    for (const [sink, watcher] of this.#watchers) {
      if (watcher.state !== "left_out" || sink.isFull) continue;
      if (this.#watchers.size === 1 || watcher.returns.take(nowMs)) return { isDue: true, putOff };
      if (!watcher.isPutOff) putOff++;
      watcher.isPutOff = true;
    }
    return { isDue: false, putOff };
  }

  /** Sends a frame to all viewers that can use it. @returns How many are skipped from this frame on. */
  send(payloads: readonly Uint8Array[], info: FrameInfo, nowMs: number): number {
    let leftOut = 0;
    for (const [sink, watcher] of this.#watchers) {
      if (sink.isPaused) {
        watcher.state = "new";
        continue;
      }
      if (sink.isFull) watcher.fullSinceMs ??= nowMs;
      else watcher.fullSinceMs = undefined;
      const isLate = nowMs - (watcher.fullSinceMs ?? nowMs) > FULL_MS_MAX;
      if (watcher.state === "follows" && isLate) {
        watcher.state = "left_out";
        leftOut++;
      }
      if (info.keyframe && !isLate) {
        watcher.state = "follows";
        watcher.isPutOff = false;
      }
      if (watcher.state !== "follows") continue;
      if (this.#reaches(sink, payloads, info)) continue;
      // The next frames would refer to a frame that the viewer does not have.
      watcher.state = "left_out";
      leftOut++;
    }
    return leftOut;
  }

  #reaches(sink: VideoSink, payloads: readonly Uint8Array[], info: FrameInfo): boolean {
    try {
      return sink.sendFrame(payloads, info);
    } catch (error) {
      // An internal error for one viewer must not interrupt the others.
      reportError(error);
      return true;
    }
  }

  /** The viewers that receive pictures at present. */
  get #sinks(): VideoSink[] {
    return [...this.#watchers.keys()].filter(({ isPaused }) => !isPaused);
  }
}

/**
 * How many keyframes one viewer may cause for all viewers of its encoding. Losses come in bursts and may need repeated
 * requests, so three in a burst; then one in 5 s. A keyframe takes up to a quarter of a second of the rate, so a
 * viewer that always requests one costs the others 5 % of theirs.
 */
export const KEYFRAME_ALLOWANCE: TokenRate = { perSecond: 1 / 5, burst: 3 };
