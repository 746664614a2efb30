import type { FrameInfo, VideoSink } from "../transport/peer_transport.ts";

/**
 * A viewer whose path stays full for so long, in milliseconds, while others see on, is left out until it is free again:
 * that costs all of them a keyframe, while a path that is full for a moment costs its viewer a moment.
 */
const FULL_MS_MAX = 500;

interface Watcher {
  /** Had a keyframe, and every frame since: what comes before can not be decoded. */
  follows: boolean;
  /** Was left out, and needs a keyframe to go on. */
  leftOut: boolean;
  fullSinceMs: number | undefined;
}

/** The viewers of one encoder: what their paths take together, and who gets which frame. */
export class Audience {
  readonly #watchers = new Map<VideoSink, Watcher>();

  get size(): number {
    return this.#watchers.size;
  }

  /** Begins with the next keyframe. */
  add(sink: VideoSink): void {
    this.#watchers.set(sink, { follows: false, leftOut: false, fullSinceMs: undefined });
  }

  remove(sink: VideoSink): void {
    this.#watchers.delete(sink);
  }

  /** The rate that all paths take, in kbit/s; `undefined` without viewers. */
  get targetKbps(): number | undefined {
    if (this.#watchers.size === 0) return undefined;
    return Math.min(...[...this.#watchers.keys()].map(({ targetKbps }) => targetKbps));
  }

  /** Whether a frame would be late for everybody. */
  get isBlocked(): boolean {
    return this.#watchers.size > 0 && [...this.#watchers.keys()].every(({ isFull }) => isFull);
  }

  /** Whether somebody who was left out could go on from a keyframe. */
  get hasReturned(): boolean {
    return [...this.#watchers].some(([sink, { leftOut }]) => leftOut && !sink.isFull);
  }

  /** Sends a frame to all who can use it. @returns How many were left out from this frame on. */
  send(payloads: readonly Uint8Array[], info: FrameInfo, nowMs: number): number {
    let leftOut = 0;
    for (const [sink, watcher] of this.#watchers) {
      if (sink.isFull) watcher.fullSinceMs ??= nowMs;
      else watcher.fullSinceMs = undefined;
      const isLate = nowMs - (watcher.fullSinceMs ?? nowMs) > FULL_MS_MAX;
      if (watcher.follows && isLate) {
        watcher.follows = false;
        watcher.leftOut = true;
        leftOut++;
      }
      if (info.keyframe && !isLate) {
        watcher.follows = true;
        watcher.leftOut = false;
      }
      if (watcher.follows) sink.sendFrame(payloads, info);
    }
    return leftOut;
  }
}
