import { TokenBucket } from "../base/token_bucket.ts";
import { KEYFRAME_ALLOWANCE } from "./keyframe_allowance.ts";
import type { FrameInfo, VideoSink } from "../transport/peer_transport.ts";

/**
 * A viewer whose path stays full for so long, in milliseconds, while others see on, is left out until it is free again:
 * that costs all of them a keyframe, while a path that is full for a moment costs its viewer a moment.
 */
const FULL_MS_MAX = 500;

interface Watcher {
  /**
   * `follows` had a keyframe, and every frame since. The others need one: `new` begins with it, and `left_out` goes on
   * from it.
   */
  state: "new" | "follows" | "left_out";
  fullSinceMs: number | undefined;
  /** Each return costs the others a keyframe. */
  readonly returns: TokenBucket;
  /** It could go on, and waits for its allowance. */
  isPutOff: boolean;
}

/** The viewers of one encoder: what their paths take together, and who gets which frame. */
export class Audience {
  readonly #watchers = new Map<VideoSink, Watcher>();

  get size(): number {
    return this.#watchers.size;
  }

  /** Whether somebody takes pictures at present. */
  get isWatching(): boolean {
    return this.#sinks.length > 0;
  }

  /** Begins with the next keyframe. */
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

  /** The rate that all paths take, in kbit/s; `undefined` while nobody takes pictures. */
  get targetKbps(): number | undefined {
    const sinks = this.#sinks;
    return sinks.length === 0 ? undefined : Math.min(...sinks.map(({ targetKbps }) => targetKbps));
  }

  /** Whether a frame would be late for everybody. */
  get isBlocked(): boolean {
    const sinks = this.#sinks;
    return sinks.length > 0 && sinks.every(({ isFull }) => isFull);
  }

  /** Whether somebody who was left out could go on from a keyframe. */
  get hasReturned(): boolean {
    return [...this.#watchers].some(([sink, { state }]) => state === "left_out" && !sink.isFull);
  }

  /**
   * Looks for those who were left out and could go on from a keyframe.
   * @returns Whether one may have it, and how many have to wait from now on since they returned too often.
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

  /** Sends a frame to all who can use it. @returns How many were left out from this frame on. */
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
      // What follows would refer to a frame that the viewer does not have.
      watcher.state = "left_out";
      leftOut++;
    }
    return leftOut;
  }

  #reaches(sink: VideoSink, payloads: readonly Uint8Array[], info: FrameInfo): boolean {
    try {
      return sink.sendFrame(payloads, info);
    } catch (error) {
      // A defect of ours, met by one viewer, must not cost the others their picture.
      reportError(error);
      return true;
    }
  }

  /** Those who take pictures at present. */
  get #sinks(): VideoSink[] {
    return [...this.#watchers.keys()].filter(({ isPaused }) => !isPaused);
  }
}
