import type { IdleReason } from "../media/frame.ts";

/**
 * State of a session's source. `opening`: not open yet. `waiting`: the first call has not returned. `frames`: viewers
 * see its pictures. `idle`: it reports IDLE. `failing`: its last call failed. `stalled`: a call takes too long.
 * `no_writer`, `silent_writer`: no program feeds the bridge. `ended`: there will be no more pictures.
 */
export type SourceState =
  | "opening"
  | "waiting"
  | "frames"
  | "idle"
  | "failing"
  | "stalled"
  | "ended"
  | IdleReason;

/** Status of a source, for operators. */
export interface SourceHealth {
  readonly state: SourceState;
  /** Time of its last frame, on the session's clock; `undefined` before the first. */
  readonly lastFrameMs: number | undefined;
  /** Number of calls for a picture that failed since the last success. */
  readonly failuresInARow: number;
  /** Message of the last failure; `undefined` once a call has succeeded since. */
  readonly error: string | undefined;
}

/** Status of a source that has not been called yet. */
export const UNKNOWN_HEALTH: SourceHealth = {
  state: "opening",
  lastFrameMs: undefined,
  failuresInARow: 0,
  error: undefined,
};
