import type { Clock } from "../../base/clock.ts";
import { TIMESTAMP_ERROR_US_MAX } from "./limits.ts";

/** Converts times of a writer's clock to the timeline of a session. All values are microseconds. */
export class WriterTimeline {
  readonly #clock: Clock;
  /** Start of the session on this process's clock. */
  #beganUs: number;

  /** Assumes that the session starts now, until {@link correct}. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganUs = clock.now() * 1000;
  }

  /** Sets the session's current time. */
  correct(timestampUs: number): void {
    this.#beganUs = this.#clock.now() * 1000 - timestampUs;
  }

  /** The session's time now. */
  get nowUs(): number {
    return this.#clock.now() * 1000 - this.#beganUs;
  }

  /**
   * Converts a time of the writer's clock to the session's time. Times far from the present are replaced by it.
   * @param options.clockOffsetUs Offset from the writer's clock to this process's clock.
   * @param options.aheadUsMax How far ahead a time may be.
   */
  place(
    timestampUs: number,
    { clockOffsetUs, aheadUsMax }: { clockOffsetUs: number; aheadUsMax: number },
  ): number {
    const placedUs = timestampUs + clockOffsetUs - this.#beganUs;
    const { nowUs } = this;
    const aheadUs = placedUs - nowUs;
    const isNear = aheadUs >= -TIMESTAMP_ERROR_US_MAX && aheadUs <= aheadUsMax;
    return isNear ? Math.max(0, placedUs) : nowUs;
  }
}
