import { type FrameRecord, framesOf, type StreamRecord } from "./records.ts";
import { count, formatMs, noText, type Verdict, verdictOf } from "./verdict.ts";

/** Below this fraction of the requested frames, the stream is unusable. */
const PACE_MIN = 0.5;
/** Below this fraction, it is visible. */
const PACE_GOOD = 0.95;
/** Tolerated difference between requested and returned timestamp. */
const AWAY_MAX_US = 1_000_000;
/** A viewer that joins waits for a keyframe. */
const KEYFRAME_WAIT_MAX_US = 1_000_000;

/** H.264 NAL unit types (ITU-T H.264 table 7-1). */
const NAL_IDR = 5;
const NAL_SPS = 7;
const NAL_PPS = 8;

/** Judges frames that were requested at the stream's pace. Pure. */
export function judgePictures(stream: StreamRecord): Verdict[] {
  const frames = framesOf(stream);
  const verdicts = [judgeStatus(stream, frames), judgePace(stream)];
  if (frames.length === 0) return verdicts;
  verdicts.push(judgeFormat(stream, frames), judgeTimestamps(stream, frames), judgeMemory(frames));
  if (frames.some(({ format }) => format === "h264")) verdicts.push(judgeKeyframes(stream));
  return verdicts;
}

function judgeStatus({ renders }: StreamRecord, frames: readonly FrameRecord[]): Verdict {
  const texts = renders.flatMap(({ outcome }) => outcome.status === "error" ? [outcome.text] : []);
  const times = (status: string) => renders.filter(({ outcome }) => outcome.status === status);
  const idle = times("idle").length;
  return verdictOf("frames", {
    seen: `${count(frames.length, "frame")}, ${idle} × IDLE in ${count(renders.length, "call")}`,
    failures: [
      texts.length > 0 ? `${count(texts.length, "error")}, first: ${texts[0]}` : undefined,
    ],
    warnings: [
      noText(texts[0]),
      times("end").length > 0 ? "it ended the stream" : undefined,
      frames.length === 0 && texts.length === 0 ? "no frame to check" : undefined,
    ],
  });
}

function judgePace({ asked, ms, renders, skipped }: StreamRecord): Verdict {
  const took = renders.map((call) => call.ms).toSorted((a, b) => a - b);
  const at = (percent: number) => took[Math.ceil(took.length * percent / 100) - 1] ?? 0;
  const perSecond = renders.length / ms * 1000;
  const part = renders.length / (renders.length + skipped);
  const slow = `it cannot keep ${asked.fps} fps: ${count(skipped, "moment")} skipped`;
  return verdictOf("pace", {
    seen: `${perSecond.toFixed(1)} calls/s; a call takes ${formatMs(at(50))} (p50), ` +
      `${formatMs(at(95))} (p95), ${formatMs(at(100))} (max)`,
    failures: [part < PACE_MIN ? slow : undefined],
    warnings: [part >= PACE_MIN && part < PACE_GOOD ? slow : undefined],
  });
}

function judgeFormat({ asked }: StreamRecord, frames: readonly FrameRecord[]): Verdict {
  const formats = new Set(frames.map(({ format }) => format));
  const sizes = new Set(
    frames.flatMap(({ size }) => size === undefined ? [] : [`${size.width}×${size.height}`]),
  );
  const wanted = `${asked.width}×${asked.height}`;
  return verdictOf("format", {
    seen: [[...formats].join(", "), [...sizes].join(", ")].filter((part) => part !== "").join(" "),
    warnings: [
      formats.size > 1 || sizes.size > 1 ? "it changes during the stream" : undefined,
      [...sizes].some((size) => size !== wanted)
        ? `not ${wanted} as requested; Pinhole scales it`
        : undefined,
    ],
  });
}

function judgeTimestamps(stream: StreamRecord, frames: readonly FrameRecord[]): Verdict {
  const stepsBack = frames.flatMap(({ timestampUs }, index) => {
    const before = frames[index - 1]?.timestampUs ?? timestampUs;
    return before > timestampUs ? [before - timestampUs] : [];
  });
  const awayUs = stream.renders.map(({ requestedUs, outcome }) =>
    outcome.status === "frame" ? Math.abs(outcome.frame.timestampUs - requestedUs) : 0
  );
  const away = Math.max(...awayUs);
  return verdictOf("timestamps", {
    seen: `at most ${formatMs(away / 1000)} from the requested time`,
    failures: [
      stepsBack.length > 0
        ? `they go back ${count(stepsBack.length, "time")}, by ${
          formatMs(Math.max(...stepsBack) / 1000)
        } at most`
        : undefined,
    ],
    warnings: [away > AWAY_MAX_US ? "they do not follow the timeline" : undefined],
  });
}

function judgeMemory(frames: readonly FrameRecord[]): Verdict {
  const written = frames.filter(({ overwritten }) => overwritten).length;
  return verdictOf("frame memory", {
    seen: written === 0 ? `${count(frames.length, "frame")} stayed as they were` : "",
    failures: [
      written > 0
        ? `${written} of ${
          count(frames.length, "frame")
        } changed before the next pinhole_render: use two buffers`
        : undefined,
    ],
  });
}

function judgeKeyframes({ renders, keyframeAskedAt }: StreamRecord): Verdict {
  const units = renders.flatMap(({ requestedUs, outcome }, index) =>
    outcome.status === "frame" && outcome.frame.encoded !== undefined
      ? [{ index, requestedUs, ...outcome.frame.encoded }]
      : []
  );
  const keyframes = units.filter(({ keyframe }) => keyframe);
  const has = (types: readonly number[], wanted: readonly number[]) =>
    wanted.every((type) => types.includes(type));
  const broken = keyframes.filter((unit) => !has(unit.nalTypes, [NAL_SPS, NAL_PPS, NAL_IDR]));
  const silent = units.filter((unit) => !unit.keyframe && unit.nalTypes.includes(NAL_IDR));
  const answer = keyframes.find(({ index }) => index >= (keyframeAskedAt ?? Infinity));
  const askedUs = renders[keyframeAskedAt ?? -1]?.requestedUs ?? 0;
  const lastUs = renders.at(-1)?.requestedUs ?? 0;
  const waitedUs = (answer?.requestedUs ?? lastUs) - askedUs;
  return verdictOf("keyframes", {
    seen: `${keyframes.length} in ${count(units.length, "access unit")}`,
    failures: [
      units.some(({ nalTypes }) => nalTypes.length === 0) ? "some have no start code" : undefined,
      units[0]?.keyframe === false ? "the first access unit is not a keyframe" : undefined,
      broken.length > 0 ? `${broken.length} without SPS, PPS and IDR slice` : undefined,
      silent.length > 0 ? `${silent.length} not flagged PINHOLE_FRAME_KEYFRAME` : undefined,
    ],
    warnings: [
      keyframeAskedAt === undefined ? "pinhole_request_keyframe is missing" : undefined,
      keyframeAskedAt !== undefined && waitedUs > KEYFRAME_WAIT_MAX_US
        ? `none came within ${formatMs(waitedUs / 1000)} of a request`
        : undefined,
    ],
  });
}
