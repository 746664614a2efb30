import assert from "assert";
import { judgeSound } from "../../src/renderer/conformance/judge_sound.ts";
import type { SoundRecord } from "../../src/renderer/conformance/records.ts";
import type { Verdict } from "../../src/renderer/conformance/verdict.ts";
import { assertVerdict } from "../support/doctor/verdict.ts";

/** 20 ms of sound every 20 ms for 10 s, changed. */
function sounds(
  change: (chunk: { index: number; requestedUs: number; timestampUs: number }) => {
    timestampUs?: number;
    sampleRate?: number;
    sampleCount?: number;
  } = () => ({}),
): SoundRecord[] {
  return Array.from({ length: 500 }, (_, index): SoundRecord => {
    const timestampUs = index * 20_000;
    const requestedUs = timestampUs + 20_000;
    const chunk = { sampleRate: 16_000, channels: 1, sampleCount: 320, timestampUs };
    const changes = change({ index, requestedUs, timestampUs });
    return { requestedUs, outcome: { status: "sound", ...chunk, ...changes } };
  });
}

function judgedSound(records: readonly SoundRecord[]): Map<string, Verdict> {
  return new Map(judgeSound(records).map((verdict) => [verdict.name, verdict]));
}

Deno.test("judgeSound: sound that keeps step is ok", () => {
  const verdicts = judgedSound(sounds());
  assertVerdict(verdicts.get("sound"), { level: "ok", text: /^16000 Hz × 1; 10\.00 s$/ });
  assertVerdict(verdicts.get("sound sync"), {
    level: "ok",
    text: /^drift 0 ppm \(0\.0 ms\); ends 0\.0 ms/,
  });
});

Deno.test("judgeSound: drift is measured in ppm and ms, warns early and fails where lips look wrong", () => {
  const drifting = (ppm: number) =>
    sounds(({ timestampUs }) => ({ timestampUs: timestampUs * (1 + ppm / 1e6) }));
  for (
    const [ppm, level] of [[500, "ok"], [2_000, "warning"], [-2_000, "warning"], [
      4_000,
      "failed",
    ]] as const
  ) {
    const verdict = judgedSound(drifting(ppm)).get("sound sync");
    const ms = (ppm * 9.98 / 1000).toFixed(1);
    assertVerdict(verdict, { level, text: new RegExp(`drift ${ppm} ppm \\(${ms} ms\\)`) });
  }
});

Deno.test("judgeSound: ragged chunks are no drift", () => {
  // Twice as much every other time.
  const ragged = sounds(({ index, timestampUs }) =>
    index % 2 === 0
      ? { sampleCount: 640 }
      : { timestampUs: timestampUs + 20_000, sampleCount: 0.001 }
  );
  const verdict = judgedSound(ragged).get("sound sync");
  assert.equal(verdict?.level, "ok", verdict?.text);
});

Deno.test("judgeSound: gaps and lateness warn, going back fails", () => {
  const gap = sounds(({ index, timestampUs }) =>
    index === 99 ? { sampleCount: 160 } : { timestampUs }
  );
  assertVerdict(judgedSound(gap).get("sound sync"), { level: "warning", text: /; 1 gap$/ });
  const late = sounds(({ timestampUs }) => ({ timestampUs: timestampUs - 300_000 }));
  assertVerdict(judgedSound(late).get("sound sync"), {
    level: "warning",
    text: /it comes 300 ms late/,
  });
  const back = sounds(({ index, timestampUs }) =>
    index === 99 ? { timestampUs: 1 } : { timestampUs }
  );
  assertVerdict(judgedSound(back).get("sound sync"), { level: "failed", text: /go back 1 time/ });
});

Deno.test("judgeSound: errors fail, silence and changes warn", () => {
  const error: SoundRecord = { requestedUs: 0, outcome: { status: "error", text: "Gone" } };
  const failed = judgedSound([...sounds(), error]);
  assertVerdict(failed.get("sound"), { level: "failed", text: /1 error, first: Gone/ });
  assert.deepEqual([...failed.keys()], ["sound"]);
  const silent = judgedSound([{ requestedUs: 0, outcome: { status: "silence" } }]);
  assertVerdict(silent.get("sound"), { level: "warning", text: /no sound to check/ });
  const changing = sounds(({ index }) =>
    index > 400 ? { sampleRate: 32_000, sampleCount: 640 } : {}
  );
  assertVerdict(judgedSound(changing).get("sound"), {
    level: "warning",
    text: /16000 Hz × 1, 32000 Hz × 1; 10\.00 s; it changes/,
  });
});
