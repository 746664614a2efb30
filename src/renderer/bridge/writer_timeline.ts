import type { Clock } from "../../base/clock.ts";
import { TIMESTAMP_ERROR_US_MAX } from "./limits.ts";

/** Brings the times of a writer's clock onto the timeline of a session. All values are microseconds. */
export class WriterTimeline {
  readonly #clock: Clock;
  /** The beginning of the session on this process's clock. */
  #beganUs: number;

  /** Takes this moment for the beginning, until {@link correct} knows better. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganUs = clock.now() * 1000;
  }

  /** Tells what time it is in the session now. */
  correct(timestampUs: number): void {
    this.#beganUs = this.#clock.now() * 1000 - timestampUs;
  }

  /** The session's time now. */
  get nowUs(): number {
    return this.#clock.now() * 1000 - this.#beganUs;
  }

  /**
   * The session's time at a moment of the writer's clock. What lies far from the present is not believed.
   * @param options.clockOffsetUs What has to be added to the writer's clock to get this process's.
   * @param options.aheadUsMax How far ahead a time may lie.
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
