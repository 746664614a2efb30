import { MESSAGE_BYTES_MAX } from "../../base/limits.ts";
import { errorText } from "../../base/errors.ts";
import {
  type MessageRecord,
  POLLED_MAX,
  type ThroughputRecord,
  type TogetherRecord,
} from "./judge_library.ts";
import type { AskedStream, RenderRecord, SoundRecord, StreamRecord } from "./records.ts";
import type { Subject } from "./library_under_test.ts";
import { StuckError } from "./time_limit.ts";

/** Enough for a leak to show. */
const THROUGHPUT_FRAMES = 1_000;
const THROUGHPUT_MAX_MS = 10_000;
/** By then, a library's initial allocations are done. */
const SETTLED_FRAMES = 100;
const TOGETHER_FRAMES = 60;
const TOGETHER_MAX_MS = 5_000;

/** Position of a session on its timeline; it never goes back between measurements. */
export class Timeline {
  readonly frameUs: number;
  #nowUs = 0;

  /** @param fps Frames per second. */
  constructor(fps: number) {
    this.frameUs = 1_000_000 / fps;
  }

  /** Timestamp of the next frame, after skipping so many. */
  next(skipped = 0): number {
    const nowUs = this.#nowUs + skipped * this.frameUs;
    this.#nowUs = nowUs + this.frameUs;
    return Math.round(nowUs);
  }
}

/** Requests frames and sound at the pace of the stream, skipping late ones, as the server does. */
export async function measureStream(
  subject: Subject,
  { asked, seconds, timeline }: { asked: AskedStream; seconds: number; timeline: Timeline },
): Promise<StreamRecord> {
  const renders: RenderRecord[] = [];
  const sounds: SoundRecord[] = [];
  const moments = Math.max(1, Math.round(seconds * asked.fps));
  let keyframeAskedAt: number | undefined;
  let skipped = 0;
  const startMs = performance.now();
  const until = (moment: number) => {
    const waitMs = startMs + moment * timeline.frameUs / 1000 - performance.now();
    return new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
  };
  for (let moment = 0; moment < moments && !subject.ended;) {
    await until(moment);
    const passed = Math.floor((performance.now() - startMs) * 1000 / timeline.frameUs) - moment;
    const late = Math.max(0, Math.min(passed, moments - 1 - moment));
    skipped += late;
    moment += late + 1;
    noteOverwritten(renders, subject);
    if (keyframeAskedAt === undefined && moment > moments / 2) {
      if (subject.source.requestKeyframe !== undefined) keyframeAskedAt = renders.length;
      subject.source.requestKeyframe?.();
    }
    const requestedUs = timeline.next(late);
    renders.push(await subject.render(requestedUs));
    subject.remember();
    const sound = await subject.listen(requestedUs);
    if (sound !== undefined) sounds.push(sound);
  }
  // Wait for the end of the last frame, too.
  if (!subject.ended) await until(moments);
  const ms = performance.now() - startMs;
  noteOverwritten(renders, subject);
  const heard = subject.source.audio === undefined ? undefined : sounds;
  return { asked, ms, renders, skipped, sounds: heard, keyframeAskedAt };
}

/** Checks the last frame again, just before the library may change it. */
function noteOverwritten(renders: RenderRecord[], subject: Subject): void {
  const last = renders.at(-1);
  if (last?.outcome.status !== "frame" || !subject.overwritten()) return;
  const frame = { ...last.outcome.frame, overwritten: true };
  renders[renders.length - 1] = { ...last, outcome: { status: "frame", frame } };
}

/** Requests frames without a pause. */
export async function measureThroughput(
  subject: Subject,
  timeline: Timeline,
): Promise<ThroughputRecord> {
  const memory: { frame: number; bytes: number }[] = [];
  const note = (frame: number) => memory.push({ frame, bytes: Deno.memoryUsage().rss });
  const startMs = performance.now();
  let frames = 0;
  for (let calls = 0; calls < THROUGHPUT_FRAMES && !subject.ended; calls++) {
    const { outcome } = await subject.render(timeline.next());
    if (outcome.status === "frame") frames++;
    if (frames === SETTLED_FRAMES && memory.length === 0) note(frames);
    if (performance.now() - startMs > THROUGHPUT_MAX_MS) break;
  }
  const ms = performance.now() - startMs;
  if (frames > SETTLED_FRAMES) note(frames);
  return { frames, ms, memory };
}

/** Renders two sessions at the same time. */
export async function measureTogether(
  subjects: readonly { readonly subject: Subject; readonly timeline: Timeline }[],
): Promise<TogetherRecord> {
  const startMs = performance.now();
  const records = await Promise.all(subjects.map(async ({ subject, timeline }) => {
    const calls: RenderRecord[] = [];
    for (let call = 0; call < TOGETHER_FRAMES && !subject.ended; call++) {
      calls.push(await subject.render(timeline.next()));
      if (performance.now() - startMs > TOGETHER_MAX_MS) break;
    }
    return calls;
  }));
  const outcomes = records.flat().map(({ outcome }) => outcome);
  return {
    frames: outcomes.filter(({ status }) => status === "frame").length,
    ms: performance.now() - startMs,
    errors: outcomes.flatMap((outcome) => outcome.status === "error" ? [outcome.text] : []),
  };
}

/**
 * Sends messages of all kinds and fetches the library's.
 * @param takeRefusals Returns the texts of refusals since the last call.
 */
export async function measureMessages(
  subject: Subject,
  { timeline, takeRefusals }: { timeline: Timeline; takeRefusals: () => readonly string[] },
): Promise<MessageRecord> {
  const { source } = subject;
  const letters = [
    new TextEncoder().encode('{"type":"pointer","x":0.5,"y":0.5}'),
    new TextEncoder().encode("not JSON"),
    new Uint8Array([0, 255, 128]),
    new Uint8Array(MESSAGE_BYTES_MAX).fill(120),
  ];
  takeRefusals();
  for (const letter of letters) source.message?.(letter);
  // Calls are serialized: after this one, everything sent before has been processed.
  await subject.render(timeline.next());
  const sent = source.message === undefined
    ? undefined
    : { count: letters.length, refusals: takeRefusals() };
  return { sent, polled: await poll(subject) };
}

async function poll(subject: Subject): Promise<MessageRecord["polled"]> {
  if (subject.source.pollMessage === undefined) return undefined;
  const sizes: number[] = [];
  try {
    while (sizes.length < POLLED_MAX) {
      const message = await subject.poll();
      if (message === undefined) break;
      sizes.push(message.byteLength);
    }
  } catch (error) {
    if (error instanceof StuckError) throw error;
    return { sizes, error: errorText(error) };
  }
  return { sizes };
}
