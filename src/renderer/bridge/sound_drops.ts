import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import { Tally } from "../../base/tally.ts";
import { AUDIO_AHEAD_MS_MAX, SOUND_DROPPED_INTERVAL_MS } from "./limits.ts";

/**
 * Counts the sound of one session that was dropped because its writer wrote too far ahead, and logs it in summary.
 * @param options.log Adds the session's id to its events.
 * @returns The tally, in milliseconds.
 */
export function soundDrops({ clock, log }: { clock: Clock; log: Logger }): Tally<"too_far_ahead"> {
  return new Tally(clock, (ms) => {
    log.warn("renderer_sound_dropped", { ms: Math.round(ms), ahead_ms_max: AUDIO_AHEAD_MS_MAX });
  }, { perSecond: 1000 / SOUND_DROPPED_INTERVAL_MS, burst: 1 });
}
