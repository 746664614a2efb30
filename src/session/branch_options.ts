import type { RawFrame } from "../media/frame.ts";
import type { IdleClip } from "../media/idle/clip.ts";
import type { BranchEncoderOptions } from "./branch_encoder.ts";
import type { EncodingTurns } from "./encoding_turns.ts";
import type { IdleLoops } from "./loop_player.ts";
import type { SessionMeter } from "./metrics.ts";

/** The idle picture at one moment. */
export interface IdleMoment {
  readonly clip: IdleClip;
  /** The clip's picture, the same object as long as it is shown. */
  readonly picture: RawFrame;
  /** Microseconds since the renderer became idle. */
  readonly elapsedUs: number;
  /** The session's time now, in microseconds. */
  readonly timestampUs: number;
}

export interface VideoBranchOptions extends BranchEncoderOptions {
  /** Missing if the branch encodes all idle pictures itself. */
  readonly idleLoops?: IdleLoops | undefined;
  /** Shared by all sessions. Missing if pictures are compressed at once. */
  readonly turns?: EncodingTurns | undefined;
  readonly meter: SessionMeter;
  /** The rate that the viewers' paths can carry changed, in kbit/s. */
  readonly onRate: (kbps: number) => void;
  /** The renderer, which encodes, should produce a keyframe soon. */
  readonly onKeyframeDue: () => void;
  /** The encoder could not be opened, or failed. Called once; the branch no longer works then. */
  readonly onFailed: (error: Error) => void;
}
