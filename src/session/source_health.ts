import type { IdleReason } from "../media/frame.ts";

/**
 * How a session's source does. `opening`: it is not open yet. `waiting`: it was asked, and has not answered. `frames`:
 * viewers see its pictures. `idle`: it says that it has nothing to show. `failing`: its last call failed. `stalled`: a
 * call is under way for too long. `no_writer`, `silent_writer`: nothing feeds it. `ended`: no picture will come.
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

/** What is known of a source, for operators. */
export interface SourceHealth {
  readonly state: SourceState;
  /** When its last frame came, on the session's clock; `undefined` before the first. */
  readonly lastFrameMs: number | undefined;
  /** Calls for a picture that failed since one did not. */
  readonly failuresInARow: number;
  /** What the last failure said; `undefined` since a call went well. */
  readonly error: string | undefined;
}

/** Of a source of which nothing is known yet. */
export const UNKNOWN_HEALTH: SourceHealth = {
  state: "opening",
  lastFrameMs: undefined,
  failuresInARow: 0,
  error: undefined,
};
