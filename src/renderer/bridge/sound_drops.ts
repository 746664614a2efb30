import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import { AUDIO_AHEAD_MS_MAX, SOUND_DROPPED_INTERVAL_MS } from "./limits.ts";

/** The sound of one session that was dropped, as its writer wrote too far ahead. */
export class SoundDrops {
  readonly #clock: Clock;
  readonly #log: Logger;
  #ms = 0;
  #loggedMs = Number.NEGATIVE_INFINITY;

  /** @param options.log Adds the session's id to its events. */
  constructor({ clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Counts a piece, and puts what was dropped since the last time into the log, when that is due. */
  add(ms: number): void {
    this.#ms += ms;
    const nowMs = this.#clock.now();
    if (nowMs - this.#loggedMs < SOUND_DROPPED_INTERVAL_MS) return;
    const droppedMs = Math.round(this.#ms);
    this.#log.warn("renderer_sound_dropped", { ms: droppedMs, ahead_ms_max: AUDIO_AHEAD_MS_MAX });
    this.#ms = 0;
    this.#loggedMs = nowMs;
  }
}
