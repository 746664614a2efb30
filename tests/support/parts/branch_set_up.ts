import { NULL_LOGGER } from "../../../src/base/log.ts";
import type { EncodedSourceFrame } from "../../../src/media/frame.ts";
import type { EncodingTurns } from "../../../src/session/encoding_turns.ts";
import type { IdleLoops } from "../../../src/session/loop_player.ts";
import { VideoBranch } from "../../../src/session/video_branch.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import type { FakeSink } from "./fake_peer.ts";
import { FakeEncoders, rawFrame } from "./fake_source.ts";
import { RecordingMeter } from "./recording_meter.ts";

/** What the encoder of a test's branch is opened with. */
export const BRANCH_SETTINGS = { width: 16, height: 16, fps: 30, bitrateKbps: 100 } as const;

/** A branch with a fake encoder and clock, and what became of it. */
export interface BranchSetUp {
  readonly branch: VideoBranch;
  readonly encoders: FakeEncoders;
  readonly clock: FakeClock;
  readonly meter: RecordingMeter;
  readonly failures: readonly Error[];
  /** Times at which the renderer was asked for a keyframe, in milliseconds. */
  readonly asked: readonly number[];
  /** Rates that the branch told of, in kbit/s. */
  readonly rates: readonly number[];
  /** Brings a picture and lets it be encoded. */
  readonly show: (timestampUs: number) => Promise<void>;
}

/** An open branch of H.264 without viewers. */
export async function openBranch(
  encoders: FakeEncoders = new FakeEncoders(),
  { clock = new FakeClock(), turns, idleLoops }: {
    clock?: FakeClock;
    turns?: EncodingTurns;
    idleLoops?: IdleLoops;
  } = {},
): Promise<BranchSetUp> {
  const meter = new RecordingMeter();
  const failures: Error[] = [];
  const rates: number[] = [];
  const asked: number[] = [];
  const branch = new VideoBranch({
    codec: "h264",
    layer: "main",
    encoders,
    settings: BRANCH_SETTINGS,
    turns,
    idleLoops,
    clock,
    meter,
    log: NULL_LOGGER,
    onRate: (kbps) => rates.push(kbps),
    onKeyframeDue: () => asked.push(clock.now()),
    onFailed: (error) => failures.push(error),
  });
  await settle();
  const show = async (timestampUs: number) => {
    await branch.take(rawFrame(timestampUs));
    await settle();
  };
  return { branch, encoders, clock, meter, failures, asked, rates, show };
}

/** An access unit of a renderer that encodes. */
export function passed(
  timestampUs: number,
  { keyframe = false }: { keyframe?: boolean } = {},
): EncodedSourceFrame {
  const data = Uint8Array.of(0, 0, 0, 1, keyframe ? 0x65 : 0x41, 1, 2, 3);
  return { kind: "h264", data, keyframe, timestampUs };
}

/** Timestamps and keyframe marks of what a viewer got. */
export function framesOf(sink: FakeSink): string[] {
  return sink.frames.map(({ timestampUs, keyframe }) => `${timestampUs}${keyframe ? "k" : ""}`);
}
