import type { IdleClip } from "../media/idle/clip.ts";
import type { EncodedLoop, LoopUnit } from "../media/idle/encoded_loop.ts";
import type { LoopFormat, LoopRates, SharedLoop } from "../media/idle/encoded_loops.ts";

/** Idle loops that are encoded once for all sessions. */
export interface IdleLoops {
  of(clip: IdleClip, format: LoopFormat): LoopRates;
  /** Asks to encode an idle picture. @returns What to call when that is done; `undefined` if it should be skipped. */
  claimLive(): (() => void) | undefined;
}

/**
 * During shorter pauses of the renderer, in microseconds, such as between two utterances, the session encodes the idle
 * pictures itself, so that they cost no keyframe.
 */
export const PAUSE_US_MAX = 2_000_000;

/** Maximum units that a late session sends at once; otherwise it continues from a keyframe. */
const BEHIND_MAX = 4;

/** A loop that takes this much more than the path can carry is stopped. */
const TOO_MUCH = 1.15;
/** Only after this time, in milliseconds: the target drops for a moment whenever a queue is drained. */
const TOO_MUCH_MS = 500;
/** How long a loop of a higher rate must fit before it is used, in milliseconds. */
const BETTER_MS = 3_000;

/** The state of a session at one of its frames. */
export interface PlayMoment {
  /** Microseconds since the renderer became idle. */
  readonly elapsedUs: number;
  readonly nowMs: number;
  /** The rate that the viewers' paths can carry. */
  readonly kbps: number;
  /** A keyframe was requested and may be sent. */
  readonly isKeyframeDue: boolean;
  /** At least one viewer sees the stream, and would see it jump. */
  readonly isFollowed: boolean;
  /** A frame would be late for every viewer. */
  readonly isBlocked: boolean;
}

/** Units to send, oldest first. */
export interface Played {
  readonly units: readonly LoopUnit[];
  /** Number of units that were due and are skipped, because the path is full. */
  readonly leftOut: number;
}

const NOTHING: Played = { units: [], leftOut: 0 };

/**
 * Selects the units of a shared idle loop that a session sends. The loop has the position of the idle pictures, so that
 * the change from them, and to a loop of another rate, is possible at every keyframe without a jump. Pure: times are
 * arguments.
 */
export class LoopPlayer {
  readonly #rates: LoopRates;
  #shared: SharedLoop | undefined;
  #release: () => void = () => {};
  /** How far the loop is ahead of the idle pictures; 0 unless it started with a jump. */
  #shiftUs = 0;
  /** Number of the last unit that was sent or skipped. */
  #last = -1;
  /** Number of the unit that was due when the session encoded an idle picture itself. */
  #passed = -1;
  /** Units were skipped, so the next one must be a keyframe. */
  #isBroken = false;
  #tooMuchSinceMs: number | undefined;
  #betterSinceMs: number | undefined;

  constructor(rates: LoopRates) {
    this.#rates = rates;
  }

  /** Whether the last frame that viewers received is from a loop. */
  get isPlaying(): boolean {
    return this.#shared !== undefined;
  }

  /** Something else is sent from now on. Idempotent. */
  stop(): void {
    this.#release();
    this.#release = () => {};
    this.#shared = undefined;
    this.#shiftUs = 0;
    this.#tooMuchSinceMs = undefined;
    this.#betterSinceMs = undefined;
  }

  /** The units to send now. @returns `undefined` if the session has to encode the idle picture itself. */
  next(moment: PlayMoment): Played | undefined {
    const wanted = this.#rates.best(moment.kbps);
    const shared = this.#shared;
    if (shared === undefined) return wanted === undefined ? undefined : this.#begin(wanted, moment);
    if (this.#isTooMuch(shared, { wanted, moment })) {
      this.stop();
      return undefined;
    }
    return this.#change(shared, { wanted, moment }) ?? this.#goOn(shared.loop, moment);
  }

  /** Starts a loop if one of its keyframes is due, or may be sent early. */
  #begin(shared: SharedLoop, moment: PlayMoment): Played | undefined {
    const { loop } = shared;
    const { elapsedUs, isFollowed, isKeyframeDue, isBlocked } = moment;
    const due = loop.numberAt(elapsedUs);
    // A session that is late may have left out the moment of the keyframe.
    const before = this.#passed < due ? this.#passed : due - 1;
    this.#passed = due;
    const isTime = !isFollowed || isKeyframeDue || elapsedUs >= PAUSE_US_MAX;
    if (isBlocked || !isTime) return undefined;
    if (mayJump(loop, moment)) return this.#jump(shared, { to: loop.keyframeFrom(due), moment });
    const at = loop.keyframeUpTo(due);
    return at > before && due - at < BEHIND_MAX ? this.#enter(shared, { at, moment }) : undefined;
  }

  /** Changes to a loop of another rate at a keyframe. @returns `undefined` if it does not. */
  #change(
    shared: SharedLoop,
    { wanted, moment }: { wanted: SharedLoop | undefined; moment: PlayMoment },
  ): Played | undefined {
    if (wanted === undefined || wanted.loop === shared.loop) {
      this.#betterSinceMs = undefined;
      return undefined;
    }
    const isBetter = wanted.kbps > shared.kbps;
    this.#betterSinceMs = isBetter ? this.#betterSinceMs ?? moment.nowMs : undefined;
    if (moment.isBlocked) return undefined;
    if (isBetter && moment.nowMs - (this.#betterSinceMs ?? 0) < BETTER_MS) return undefined;
    const { loop } = wanted;
    const elapsedUs = moment.elapsedUs + this.#shiftUs;
    const due = loop.numberAt(elapsedUs);
    if (loop.still) {
      // A still picture that was sent costs nothing any more.
      if (!isBetter && !moment.isKeyframeDue) return undefined;
      return this.#jump(wanted, { to: loop.keyframeFrom(due), moment });
    }
    const at = loop.keyframeUpTo(due);
    const isNew = loop.startUsOf(at) > shared.loop.startUsOf(Math.max(0, this.#last));
    return isNew && due - at < BEHIND_MAX ? this.#enter(wanted, { at, moment }) : undefined;
  }

  #jump(
    shared: SharedLoop,
    { to, moment }: { to: number; moment: PlayMoment },
  ): Played {
    this.#shiftUs = shared.loop.startUsOf(to) - moment.elapsedUs;
    return this.#enter(shared, { at: to, moment });
  }

  #enter(
    shared: SharedLoop,
    { at, moment }: { at: number; moment: PlayMoment },
  ): Played {
    if (shared.loop !== this.#shared?.loop) {
      this.#release();
      this.#release = shared.use();
    }
    this.#shared = shared;
    this.#last = at - 1;
    this.#isBroken = false;
    this.#tooMuchSinceMs = undefined;
    this.#betterSinceMs = undefined;
    return this.#upTo(shared.loop, shared.loop.numberAt(moment.elapsedUs + this.#shiftUs));
  }

  #goOn(loop: EncodedLoop, moment: PlayMoment): Played {
    const due = loop.numberAt(moment.elapsedUs + this.#shiftUs);
    if (moment.isBlocked) {
      const leftOut = Math.max(0, due - this.#last);
      this.#isBroken ||= leftOut > 0;
      this.#last = Math.max(due, this.#last);
      return { units: [], leftOut };
    }
    if ((moment.isKeyframeDue || this.#isBroken) && mayJump(loop, moment)) {
      const shared = this.#shared;
      const to = loop.keyframeFrom(this.#last + 1);
      if (shared !== undefined) return this.#jump(shared, { to, moment });
    }
    // The due unit is before the last one if the idle time restarted.
    const isBehind = due - this.#last > BEHIND_MAX || due < this.#last;
    if (!this.#isBroken && !isBehind) return this.#upTo(loop, due);
    const keyframe = loop.keyframeUpTo(due);
    this.#isBroken = due - keyframe >= BEHIND_MAX || (keyframe <= this.#last && !isBehind);
    this.#last = this.#isBroken ? due : keyframe - 1;
    return this.#upTo(loop, due);
  }

  #upTo(loop: EncodedLoop, due: number): Played {
    if (due <= this.#last) return NOTHING;
    const units: LoopUnit[] = [];
    while (this.#last < due) units.push(loop.unit(++this.#last));
    return { units, leftOut: 0 };
  }

  #isTooMuch(
    { loop, kbps }: SharedLoop,
    { wanted, moment }: { wanted: SharedLoop | undefined; moment: PlayMoment },
  ): boolean {
    const isTooMuch = wanted === undefined && kbps > moment.kbps &&
      loop.neededKbps > TOO_MUCH * moment.kbps;
    this.#tooMuchSinceMs = isTooMuch ? this.#tooMuchSinceMs ?? moment.nowMs : undefined;
    if (this.#tooMuchSinceMs === undefined) return false;
    // The refreshes of a still picture are small; only a keyframe would be too much.
    return loop.still ? moment.isKeyframeDue : moment.nowMs - this.#tooMuchSinceMs >= TOO_MUCH_MS;
  }
}

/** Whether the position may change: every position looks the same, or no viewer sees the stream yet. */
function mayJump({ still }: EncodedLoop, { isFollowed }: PlayMoment): boolean {
  return still || !isFollowed;
}
