import assert from "assert";
import {
  judgeBadSession,
  judgeClosing,
  judgeMessages,
  judgeReopening,
  judgeSession,
  judgeThroughput,
  judgeTogether,
} from "../../src/renderer/conformance/judge_library.ts";
import { judgePictures } from "../../src/renderer/conformance/judge_pictures.ts";
import type {
  FrameRecord,
  RenderRecord,
  StreamRecord,
} from "../../src/renderer/conformance/records.ts";
import type { Verdict } from "../../src/renderer/conformance/verdict.ts";
import { assertVerdict } from "../support/doctor/verdict.ts";

const FRAME_US = 40_000;
const ASKED = { width: 640, height: 360, fps: 25 };
const MIB = 2 ** 20;

function frame(index: number, changes: Partial<FrameRecord> = {}): RenderRecord {
  const requestedUs = index * FRAME_US;
  return {
    requestedUs,
    ms: 5,
    outcome: {
      status: "frame",
      frame: {
        format: "nv12",
        size: { width: 640, height: 360 },
        timestampUs: requestedUs,
        overwritten: false,
        encoded: undefined,
        ...changes,
      },
    },
  };
}

function frames(count: number, change: (index: number) => Partial<FrameRecord> = () => ({})) {
  return Array.from({ length: count }, (_, index) => frame(index, change(index)));
}

/** Judges a stream of 50 good frames, but for what is given. */
function judged(changes: Partial<StreamRecord>): Map<string, Verdict> {
  const verdicts = judgePictures({
    asked: ASKED,
    ms: 2_000,
    renders: frames(50),
    skipped: 0,
    sounds: undefined,
    keyframeAskedAt: undefined,
    ...changes,
  });
  return new Map(verdicts.map((verdict) => [verdict.name, verdict]));
}

Deno.test("judgePictures: a good stream is ok in every respect, with its figures", () => {
  const verdicts = [...judged({}).values()];
  assert.deepEqual(verdicts.map(({ level, name }) => `${level} ${name}`), [
    "ok frames",
    "ok pace",
    "ok format",
    "ok timestamps",
    "ok frame memory",
  ]);
  const text = verdicts.map((verdict) => verdict.text).join("\n");
  assert.match(text, /50 frames, 0 × IDLE in 50 calls/);
  assert.match(text, /25\.0 calls\/s; a call takes 5\.00 ms \(p50\), 5\.00 ms \(p95\)/);
  assert.match(text, /^nv12 640×360$/m);
});

Deno.test("judgePictures: percentiles are those of the calls", () => {
  const renders = frames(100).map((call, index) => ({ ...call, ms: index + 1 }));
  const pace = judged({ renders }).get("pace");
  assert.match(pace?.text ?? "", /50\.0 ms \(p50\), 95\.0 ms \(p95\), 100 ms \(max\)/);
});

Deno.test("judgePictures: errors fail with the first text, also where there is none", () => {
  const error = (text: string): RenderRecord => (
    { requestedUs: 0, ms: 1, outcome: { status: "error", text } }
  );
  const named = judged({ renders: [error("lib.so: pinhole_render failed with status -1: Lost")] });
  assertVerdict(named.get("frames"), { level: "failed", text: /1 error, first: .*: Lost$/ });
  const mute = judged({
    renders: [...frames(3), error("lib.so: pinhole_render failed with status -8")],
  });
  assertVerdict(mute.get("frames"), { level: "failed", text: /pinhole_last_error gives no text/ });
});

Deno.test("judgePictures: a stream that ends or only idles is a warning, and has nothing more to judge", () => {
  const renders = [0, 1].map((index): RenderRecord => ({
    requestedUs: index * FRAME_US,
    ms: 1,
    outcome: { status: index === 0 ? "idle" : "end" },
  }));
  const verdicts = judged({ renders });
  assertVerdict(verdicts.get("frames"), {
    level: "warning",
    text: /0 frames, 1 × IDLE in 2 calls; it ended the stream; no frame to check/,
  });
  assert.deepEqual([...verdicts.keys()], ["frames", "pace"]);
});

Deno.test("judgePictures: skipped moments warn, and fail when more than half are", () => {
  for (
    const [given, skipped, level] of [[95, 5, "ok"], [90, 10, "warning"], [
      40,
      60,
      "failed",
    ]] as const
  ) {
    const verdict = judged({ renders: frames(given), skipped, ms: 4_000 }).get("pace");
    assertVerdict(verdict, { level, text: level === "ok" ? /./ : /cannot keep 25 fps/ });
  }
});

Deno.test("judgePictures: another size than asked for, and changes, are warnings", () => {
  const small = { size: { width: 512, height: 512 } };
  assertVerdict(judged({ renders: frames(9, () => small) }).get("format"), {
    level: "warning",
    text: /^nv12 512×512; not 640×360 as requested/,
  });
  const changing = frames(9, (index) => index > 4 ? { format: "bgr24" } : {});
  assertVerdict(judged({ renders: changing }).get("format"), {
    level: "warning",
    text: /^nv12, bgr24 640×360; it changes/,
  });
});

Deno.test("judgePictures: timestamps that go back fail, ones of another clock warn", () => {
  const back = frames(9, (index) => index === 5 ? { timestampUs: 4 * FRAME_US - 7_000 } : {});
  assertVerdict(judged({ renders: back }).get("timestamps"), {
    level: "failed",
    text: /they go back 1 time, by 7\.00 ms at most/,
  });
  const far = frames(9, (index) => ({ timestampUs: 5_000_000 + index * FRAME_US }));
  assertVerdict(judged({ renders: far }).get("timestamps"), {
    level: "warning",
    text: /5\.0 s from the requested time; they do not follow/,
  });
});

Deno.test("judgePictures: a frame that was written too early fails", () => {
  const renders = frames(9, (index) => ({ overwritten: index === 3 }));
  assertVerdict(judged({ renders }).get("frame memory"), {
    level: "failed",
    text: /^1 of 9 frames changed before the next pinhole_render/,
  });
});

Deno.test("judgePictures: keyframes must say so, be whole, come first and when they are asked for", () => {
  const whole = [7, 8, 5];
  const units = (change: (index: number) => { keyframe: boolean; nalTypes: readonly number[] }) =>
    frames(50, (index) => ({ format: "h264", size: undefined, encoded: change(index) }));
  const slice = { keyframe: false, nalTypes: [1] };
  const key = { keyframe: true, nalTypes: whole };
  const good = units((index) => index % 25 === 0 ? key : slice);
  const cases: readonly [RenderRecord[], Verdict["level"], RegExp][] = [
    [good, "ok", /^2 in 50 access units$/],
    [units(() => slice), "failed", /the first access unit is not a keyframe/],
    [
      units((i) => i === 0 ? { ...key, nalTypes: [5] } : slice),
      "failed",
      /1 without SPS, PPS and IDR/,
    ],
    [units((i) => i === 0 ? key : { ...slice, nalTypes: [5] }), "failed", /49 not flagged/],
    [units((i) => i === 0 ? key : { ...slice, nalTypes: [] }), "failed", /no start code/],
    [units((i) => i === 0 ? key : slice), "warning", /none came within 1\.2 s/],
  ];
  for (const [renders, level, text] of cases) {
    const verdict = judged({ renders, keyframeAskedAt: 20 }).get("keyframes");
    assertVerdict(verdict, { level, text });
  }
  assertVerdict(judged({ renders: good }).get("keyframes"), {
    level: "warning",
    text: /pinhole_request_keyframe is missing/,
  });
});

Deno.test("judgeSession: names what the library can do, and warns when opening waits", () => {
  assertVerdict(judgeSession({ ms: 3, optional: ["audio", "message"] }), {
    level: "ok",
    text: /open in 3\.00 ms; optional functions: audio, message$/,
  });
  assertVerdict(judgeSession({ ms: 900, optional: [] }), {
    level: "warning",
    text: /none; pinhole_session_open should return at once/,
  });
});

Deno.test("judgeThroughput: memory that grows with the frames is a warning", () => {
  const grown = (mib: number) =>
    judgeThroughput({
      frames: 1_000,
      ms: 2_000,
      memory: [{ frame: 100, bytes: 80 * MIB }, { frame: 1_000, bytes: (80 + mib) * MIB }],
    });
  const [throughput, memory] = grown(4);
  assertVerdict(throughput, { level: "ok", text: /^500 frames\/s/ });
  assertVerdict(memory, { level: "ok", text: /^\+4\.0 MiB over 900 frames$/ });
  assertVerdict(grown(-4)[1], { level: "ok", text: /^-4\.0 MiB/ });
  assertVerdict(grown(225)[1], {
    level: "warning",
    text: /each frame seems to leak 256 KiB/,
  });
  const none = judgeThroughput({ frames: 0, ms: 5, memory: [] });
  assert.deepEqual(none.map(({ level }) => level), ["warning"]);
});

Deno.test("judgeTogether: a refused second session warns, errors fail", () => {
  assertVerdict(judgeTogether({ frames: 120, ms: 1_000, errors: [] }), {
    level: "ok",
    text: /^120 frames\/s together$/,
  });
  assertVerdict(judgeTogether({ refused: "lib.so: pinhole_session_open failed with status -1" }), {
    level: "warning",
    text: /the second is refused: .*; pinhole_last_error gives no text$/,
  });
  assertVerdict(judgeTogether({ frames: 119, ms: 1_000, errors: ["Lost"] }), {
    level: "failed",
    text: /1 error, first: Lost/,
  });
});

Deno.test("judgeMessages: refusals and an endless supply warn, a failed poll fails", () => {
  assertVerdict(judgeMessages({ sent: undefined, polled: undefined }), {
    level: "ok",
    text: /^accepts none, sends none$/,
  });
  assertVerdict(judgeMessages({ sent: { count: 4, refusals: ["No"] }, polled: { sizes: [3] } }), {
    level: "warning",
    text: /^accepted 3 of 4, sent 1; refused 1: No$/,
  });
  const sizes = Array.from({ length: 100 }, () => 65_536);
  assertVerdict(judgeMessages({ sent: undefined, polled: { sizes } }), {
    level: "warning",
    text: /never returns 0, for no more messages/,
  });
  assertVerdict(judgeMessages({ sent: undefined, polled: { sizes: [], error: "Too long" } }), {
    level: "failed",
    text: /Too long/,
  });
});

Deno.test("judgeBadSession, judgeClosing, judgeReopening: what is refused, slow or broken shows", () => {
  assert.equal(judgeBadSession({ error: "No place" }).level, "ok");
  assert.equal(judgeBadSession({ error: undefined }).level, "warning");
  assert.equal(judgeBadSession({ error: "x failed with status -4" }).level, "warning");
  assert.equal(judgeClosing({ ms: 3, failures: [] }).level, "ok");
  assert.equal(judgeClosing({ ms: 3_000, failures: [] }).level, "warning");
  assertVerdict(judgeClosing({ ms: 3, failures: ["pinhole_close failed with status -9"] }), {
    level: "failed",
    text: /status -9/,
  });
  assert.equal(judgeReopening({ error: undefined }).level, "ok");
  assert.equal(judgeReopening({ error: "In use" }).level, "warning");
});
