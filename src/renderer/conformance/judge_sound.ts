import type { SoundRecord } from "./records.ts";
import { count, formatMs, type Verdict, verdictOf } from "./verdict.ts";

/** From this distance on, lips and sound are visibly out of sync. */
const DRIFT_FAILED_MS = 30;
const DRIFT_WARNING_MS = 10;
/** If sound ends this far from the requested time, the picture must be delayed as much. */
const OFFSET_MAX_MS = 200;
/** Tolerance for rounded timestamps. */
const JOINT_MAX_US = 2_000;

interface Chunk {
  readonly requestedUs: number;
  readonly startUs: number;
  readonly endUs: number;
}

/** Judges the sound of a stream against its timeline. Pure. */
export function judgeSound(sounds: readonly SoundRecord[]): Verdict[] {
  const heard = sounds.flatMap(({ requestedUs, outcome }) =>
    outcome.status === "sound" ? [{ requestedUs, ...outcome }] : []
  );
  const texts = sounds.flatMap(({ outcome }) => outcome.status === "error" ? [outcome.text] : []);
  const kinds = new Set(heard.map(({ sampleRate, channels }) => `${sampleRate} Hz × ${channels}`));
  const seconds = heard.reduce((sum, chunk) => sum + chunk.sampleCount / chunk.sampleRate, 0);
  const sound = verdictOf("sound", {
    seen: kinds.size === 0 ? "" : `${[...kinds].join(", ")}; ${seconds.toFixed(2)} s`,
    failures: [
      texts.length > 0 ? `${count(texts.length, "error")}, first: ${texts[0]}` : undefined,
    ],
    warnings: [
      kinds.size > 1 ? "it changes during the stream" : undefined,
      heard.length === 0 && texts.length === 0 ? "no sound to check" : undefined,
    ],
  });
  // Sound with gaps has no timeline to judge.
  if (heard.length < 2 || texts.length > 0) return [sound];
  return [
    sound,
    judgeTimeline(heard.map(({ requestedUs, timestampUs, sampleCount, sampleRate }) => ({
      requestedUs,
      startUs: timestampUs,
      endUs: timestampUs + sampleCount * 1_000_000 / sampleRate,
    }))),
  ];
}

function judgeTimeline(chunks: readonly Chunk[]): Verdict {
  const joints = chunks.slice(1).map(({ startUs }, index) =>
    startUs - (chunks[index]?.endUs ?? startUs)
  );
  const gaps = joints.filter((us) => us > JOINT_MAX_US).length;
  const overlaps = joints.filter((us) => us < -JOINT_MAX_US).length;
  const { offsetMs, driftMs, ppm } = drift(chunks);
  const drifts = `it drifts from the pictures: ${formatMs(Math.abs(driftMs))} in ${
    formatMs(durationUs(chunks) / 1000)
  }`;
  const drifted = Math.abs(driftMs);
  return verdictOf("sound sync", {
    seen: `drift ${ppm.toFixed(0)} ppm (${driftMs.toFixed(1)} ms); ` +
      `ends ${offsetMs.toFixed(1)} ms from the requested time`,
    failures: [
      overlaps > 0 ? `its timestamps go back ${count(overlaps, "time")}` : undefined,
      drifted >= DRIFT_FAILED_MS ? drifts : undefined,
    ],
    warnings: [
      drifted >= DRIFT_WARNING_MS && drifted < DRIFT_FAILED_MS ? drifts : undefined,
      gaps > 0 ? count(gaps, "gap") : undefined,
      Math.abs(offsetMs) > OFFSET_MAX_MS
        ? `it comes ${formatMs(Math.abs(offsetMs))} ${offsetMs < 0 ? "late" : "early"}`
        : undefined,
    ],
  });
}

/**
 * How the end of the sound drifts against the requested times: the slope of a linear fit, because single chunks may
 * vary.
 */
function drift(chunks: readonly Chunk[]): { offsetMs: number; driftMs: number; ppm: number } {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const offsets = chunks.map(({ requestedUs, endUs }) => endUs - requestedUs);
  const middleUs = mean(chunks.map(({ requestedUs }) => requestedUs));
  const offsetUs = mean(offsets);
  let [covariance, variance] = [0, 0];
  chunks.forEach(({ requestedUs }, index) => {
    covariance += (requestedUs - middleUs) * ((offsets[index] ?? offsetUs) - offsetUs);
    variance += (requestedUs - middleUs) ** 2;
  });
  const slope = variance === 0 ? 0 : covariance / variance;
  return {
    offsetMs: offsetUs / 1000,
    driftMs: slope * durationUs(chunks) / 1000,
    ppm: slope * 1_000_000,
  };
}

function durationUs(chunks: readonly Chunk[]): number {
  return (chunks.at(-1)?.requestedUs ?? 0) - (chunks[0]?.requestedUs ?? 0);
}
