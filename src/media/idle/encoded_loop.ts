import { Loop } from "./clip.ts";

/** One encoded picture of a loop: an H.264 access unit or a VP8 frame. */
export interface LoopUnit {
  /** As in `EncodedFrame`; shared, must not be modified. */
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  /** Microseconds from the start of the round. */
  readonly startUs: number;
}

/** A keyframe may take this many seconds of the rate, as with the encoders of sessions. */
const KEYFRAME_S = 0.25;
/** The rate is averaged over this time, in microseconds. */
const WINDOW_US = 1_000_000;

/**
 * An encoded idle clip, which all sessions that show it share. It repeats without end; units are numbered from 0
 * across all rounds, so that consecutive units have consecutive numbers. Decoding may start at any keyframe.
 */
export class EncodedLoop {
  /** Whether it is a single picture, so that every position looks the same. */
  readonly still: boolean;
  /** Bytes of all units. */
  readonly bytes: number;
  /** Number of keyframes per round. */
  readonly keyframes: number;
  /** The rate that a path must carry for it, in kbit/s; it may be far below the rate of its encoder. */
  readonly neededKbps: number;
  readonly durationUs: number;
  readonly #units: readonly [LoopUnit, ...LoopUnit[]];
  readonly #times: Loop;
  readonly #halfFrameUs: number;

  /**
   * @param units One round, in order; the first starts at 0 and is a keyframe.
   * @param options.fps Rate of the sessions that show it. A unit starts half a frame before its time, as with
   * `loopPictures`.
   * @throws {RangeError} If the first unit is not a keyframe.
   */
  constructor(
    units: readonly LoopUnit[],
    { still, durationUs, fps }: { still: boolean; durationUs: number; fps: number },
  ) {
    const [first, ...others] = units;
    if (first?.keyframe !== true) throw new RangeError("A loop must begin with a keyframe");
    this.#units = [first, ...others];
    this.still = still;
    this.durationUs = durationUs;
    this.bytes = units.reduce((sum, { data }) => sum + data.length, 0);
    this.keyframes = units.filter(({ keyframe }) => keyframe).length;
    this.neededKbps = neededKbps(units, durationUs);
    this.#times = new Loop({ startsUs: units.map(({ startUs }) => startUs), durationUs });
    this.#halfFrameUs = 500_000 / fps;
  }

  /** Number of units per round. */
  get length(): number {
    return this.#units.length;
  }

  /** Number of the unit at `elapsedUs` microseconds after the start. */
  numberAt(elapsedUs: number): number {
    const atUs = elapsedUs + this.#halfFrameUs;
    return Math.floor(atUs / this.durationUs) * this.length + this.#times.indexAt(atUs);
  }

  /** The unit with a number. */
  unit(number: number): LoopUnit {
    return this.#units[number % this.length] ?? this.#units[0];
  }

  /** Start of the unit with a number, in microseconds after the start of the loop. */
  startUsOf(number: number): number {
    return Math.floor(number / this.length) * this.durationUs + this.unit(number).startUs;
  }

  /** Number of the first keyframe from a number on. */
  keyframeFrom(number: number): number {
    let found = number;
    while (!this.unit(found).keyframe) found++;
    return found;
  }

  /** Number of the last keyframe up to a number. */
  keyframeUpTo(number: number): number {
    let found = number;
    while (!this.unit(found).keyframe) found--;
    return found;
  }
}

/** The maximum over all seconds, including those across the seam, and over the single units. */
function neededKbps(units: readonly LoopUnit[], durationUs: number): number {
  const twice = [
    ...units,
    ...units.map((unit) => ({
      ...unit,
      startUs: unit.startUs + durationUs,
    })),
  ];
  let [most, bytes, from] = [0, 0, 0];
  for (const { data, startUs } of twice) {
    bytes += data.length;
    while (startUs - (twice[from]?.startUs ?? startUs) >= WINDOW_US) {
      bytes -= twice[from]?.data.length ?? 0;
      from++;
    }
    most = Math.max(most, bytes / (WINDOW_US / 1e6), data.length / KEYFRAME_S);
  }
  return most * 8 / 1000;
}
