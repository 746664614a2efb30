import { type Clock, sleep } from "../base/clock.ts";
import type { Meter } from "../base/meter.ts";
import type { FrameSource, RawFrame } from "../media/frame.ts";

/** What a frame loop needs. */
export interface FrameLoopOptions {
  readonly source: FrameSource;
  /** Frames per second, at most. */
  readonly fps: number;
  readonly clock: Clock;
  readonly meter: Meter;
  /** The session's time now, in microseconds. */
  readonly timelineUs: () => number;
  /** Takes a frame; its memory is the source's again when the promise settles. */
  readonly deliver: (frame: RawFrame) => Promise<void>;
  /** A call of the source failed, for the `inARow`-th time without a good one between. */
  readonly onError: (error: unknown, inARow: number) => void;
  /** Ends the loop, after the call that is under way. */
  readonly signal: AbortSignal;
}

/** Pause after a failed call, so that a source that always fails does not spin. */
const ERROR_PAUSE_MS = 200;

/**
 * Asks the source for one frame each 1/fps seconds until it ends or `signal` aborts. A frame that could not begin in
 * time is skipped, never made up for: what is late is dropped before it costs anything.
 */
export async function runFrameLoop(options: FrameLoopOptions): Promise<void> {
  const { source, clock, meter, signal } = options;
  const pacer = new Pacer({ intervalMs: 1000 / options.fps, startMs: clock.now() });
  let errorsInARow = 0;
  while (!signal.aborted) {
    const begun = clock.now();
    try {
      const result = await source.render(options.timelineUs());
      meter.observe("render_seconds", (clock.now() - begun) / 1000);
      errorsInARow = 0;
      if (result.status === "end") return;
      if (result.status === "frame" && !signal.aborted) await options.deliver(result.frame);
    } catch (error) {
      meter.count("renderer_errors_total", { call: "render" });
      options.onError(error, ++errorsInARow);
      await sleep(clock, ERROR_PAUSE_MS, signal);
    }
    const next = pacer.next(clock.now());
    if (next.skipped > 0) meter.count("frames_dropped_total", { reason: "late" }, next.skipped);
    await sleep(clock, next.waitMs, signal);
  }
}

/** Says when the next frame of a steady rate is due. Pure: `nowMs` is an argument. */
export class Pacer {
  readonly #intervalMs: number;
  #dueMs: number;

  constructor(options: { intervalMs: number; startMs: number }) {
    this.#intervalMs = options.intervalMs;
    this.#dueMs = options.startMs;
  }

  /**
   * Moves on to the next frame that can still begin in time.
   * @returns How long to wait for it, and how many frames were too late to begin.
   */
  next(nowMs: number): { waitMs: number; skipped: number } {
    this.#dueMs += this.#intervalMs;
    const lateMs = nowMs - this.#dueMs;
    // A timer that fires a little late is no reason to skip: up to one interval is caught up.
    const skipped = Math.max(0, Math.floor(lateMs / this.#intervalMs));
    this.#dueMs += skipped * this.#intervalMs;
    return { waitMs: Math.max(0, this.#dueMs - nowMs), skipped };
  }
}
