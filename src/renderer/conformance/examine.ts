import { errorText } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import type { FrameSource, FrameSourceFactory } from "../../media/frame.ts";
import { openRendererLibrary } from "../library.ts";
import type { RendererLibrary } from "../library_symbols.ts";
import { RendererError, type RendererErrorCode } from "../renderer_error.ts";
import { type CallState, watchCalls } from "../watched_calls.ts";
import {
  judgeBadSession,
  judgeClosing,
  judgeMessages,
  judgeReopening,
  judgeSession,
  judgeThroughput,
  judgeTogether,
} from "./judge_library.ts";
import { judgePictures } from "./judge_pictures.ts";
import { judgeSound } from "./judge_sound.ts";
import {
  measureMessages,
  measureStream,
  measureThroughput,
  measureTogether,
  Timeline,
} from "./measure.ts";
import { type AskedStream, framesOf } from "./records.ts";
import { type NalUnits, Subject } from "./library_under_test.ts";
import { returning, StuckError } from "./time_limit.ts";
import { formatMs, type Verdict, verdictOf } from "./verdict.ts";

/** Includes loading of models. */
const OPEN_MAX_MS = 60_000;
const CLOSE_MAX_MS = 20_000;

export interface ExamineOptions {
  /** Path of the shared library. */
  readonly path: string;
  /** Passed to the library as JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Format that its sessions are opened with. */
  readonly asked: AskedStream;
  /** Duration of the test at the stream's pace. */
  readonly seconds: number;
  /** A call on a session that takes longer counts as stuck, in milliseconds. */
  readonly callMaxMs: number;
  readonly nalUnits: NalUnits;
  /** Called before each call of the library, and after it returned. */
  readonly onCalls?: (state: CallState) => void;
}

/** Progress of an examination: a step that begins, or a result. */
export type Remark = { readonly begins: string } | Verdict;

/**
 * Examines a renderer library through the binding that the server uses. Stops at the first fault that makes the other
 * tests impossible. Closes the library afterwards, unless it is stuck.
 *
 * The library runs in this process: a crash ends it, and the last `onCalls` tells where.
 */
export async function* examineLibrary(options: ExamineOptions): AsyncGenerator<Remark> {
  const { path } = options;
  const warnings = new Warnings();
  try {
    yield { begins: `load ${path}` };
    const startMs = performance.now();
    const opening = await open(options, warnings).catch((error: unknown) => asRefusal(error));
    if (opening instanceof RendererError) return yield* judgeRefusal(opening);
    yield* judgeRefusal(undefined);
    yield verdictOf("open", { seen: formatMs(performance.now() - startMs) });

    const kept = yield* examineSession(opening, { options, warnings });
    if (kept !== undefined) {
      yield* examineOthers(opening, { options, kept });
      yield* examineClosing(opening, { kept, warnings });
    } else {
      await close(opening);
    }
    yield { begins: "open again" };
    yield judgeReopening({ error: await reopen(options) });
  } catch (error) {
    if (!(error instanceof StuckError)) throw error;
    yield verdictOf(error.call, { seen: "", failures: [error.message] });
  }
}

/** An open session and its position on the timeline. */
interface KeptSession {
  readonly subject: Subject;
  readonly timeline: Timeline;
}

async function* examineSession(
  factory: FrameSourceFactory,
  { options, warnings }: { options: ExamineOptions; warnings: Warnings },
): AsyncGenerator<Remark, KeptSession | undefined> {
  const { asked, seconds } = options;
  yield { begins: `open a session of ${asked.width}×${asked.height} at ${asked.fps} fps` };
  const startMs = performance.now();
  const source = await openSession(factory, { asked, id: "one" }).catch(asRefusal);
  if (source instanceof RendererError) {
    yield verdictOf("session", { seen: "", failures: [source.message] });
    return undefined;
  }
  yield judgeSession({ ms: performance.now() - startMs, optional: optionalFunctions(source) });
  const subject = new Subject(source, options);
  const timeline = new Timeline(asked.fps);

  yield { begins: `request frames and sound for ${seconds} s` };
  const stream = await measureStream(subject, { asked, seconds, timeline });
  yield* judgePictures(stream);
  if (stream.sounds !== undefined) yield* judgeSound(stream.sounds);

  if (subject.ended) return { subject, timeline };
  if (framesOf(stream).length > 0) {
    yield { begins: "request 1000 frames without a pause, for at most 10 s" };
    yield* judgeThroughput(await measureThroughput(subject, timeline));
  }
  yield { begins: "exchange messages" };
  const takeRefusals = () => warnings.take("renderer_message_failed");
  yield judgeMessages(await measureMessages(subject, { timeline, takeRefusals }));
  return { subject, timeline };
}

async function* examineOthers(
  factory: FrameSourceFactory,
  { options, kept }: { options: ExamineOptions; kept: KeptSession },
): AsyncGenerator<Remark> {
  const { asked } = options;
  yield { begins: "open a second session beside the first" };
  const source = await openSession(factory, { asked, id: "two" }).catch(asRefusal);
  if (source instanceof RendererError) {
    yield judgeTogether({ refused: source.message });
  } else {
    const second = { subject: new Subject(source, options), timeline: new Timeline(asked.fps) };
    yield judgeTogether(await measureTogether([kept, second]));
    await second.subject.close();
  }
  yield { begins: "open a session of an impossible size" };
  const impossible = { ...asked, width: 0, height: 0 };
  const opened = await openSession(factory, { asked: impossible, id: "bad" }).catch(asRefusal);
  const refused = opened instanceof RendererError;
  yield judgeBadSession({ error: refused ? opened.message : undefined });
  if (!refused) await new Subject(opened, options).close();
}

async function* examineClosing(
  factory: FrameSourceFactory,
  { kept, warnings }: { kept: KeptSession; warnings: Warnings },
): AsyncGenerator<Remark> {
  yield { begins: "close" };
  const startMs = performance.now();
  await kept.subject.close();
  await close(factory);
  const failures = warnings.take("renderer_close_failed");
  yield judgeClosing({ ms: performance.now() - startMs, failures });
}

/** Loading checks three things at once; the error tells which of them passed. */
function* judgeRefusal(error: RendererError | undefined): Generator<Verdict> {
  const steps: readonly { name: string; codes: readonly RendererErrorCode[]; seen: string }[] = [
    { name: "load", codes: ["library_missing", "library_unloadable"], seen: "loads" },
    { name: "ABI version", codes: ["abi_version"], seen: "1" },
    { name: "symbols", codes: ["symbol_missing"], seen: "all that are required" },
  ];
  for (const { name, codes, seen } of steps) {
    // A library without its symbols may have no version function either.
    if (name === "ABI version" && error?.code === "symbol_missing") continue;
    const fails = error !== undefined && codes.includes(error.code);
    yield verdictOf(name, {
      seen: fails ? "" : seen,
      failures: [fails ? error.message : undefined],
    });
    if (fails) return;
  }
  if (error !== undefined) yield verdictOf("open", { seen: "", failures: [error.message] });
}

/** @returns Why a second opening failed; `undefined` if it did not. */
async function reopen(options: ExamineOptions): Promise<string | undefined> {
  try {
    const factory = await open(options, new Warnings());
    try {
      const source = await openSession(factory, { asked: options.asked, id: "again" });
      await new Subject(source, options).render(0);
    } finally {
      await close(factory);
    }
    return undefined;
  } catch (error) {
    if (error instanceof StuckError) throw error;
    return errorText(error);
  }
}

function open(
  { path, options, onCalls = () => {} }: ExamineOptions,
  log: Logger,
): Promise<FrameSourceFactory> {
  const call = { name: "pinhole_open", limitMs: OPEN_MAX_MS };
  const wrap = (library: RendererLibrary) => watchCalls(library, onCalls);
  return returning(openRendererLibrary({ path, options, log, wrap }), call);
}

function openSession(
  factory: FrameSourceFactory,
  { asked, id }: { asked: AskedStream; id: string },
): Promise<FrameSource> {
  const call = { name: "pinhole_session_open", limitMs: OPEN_MAX_MS };
  return returning(factory.open({ ...asked, sessionId: id, params: {} }), call);
}

function close(factory: FrameSourceFactory): Promise<void> {
  return returning(factory.close(), { name: "pinhole_close", limitMs: CLOSE_MAX_MS });
}

/** The library's own error; rethrows any other. */
function asRefusal(error: unknown): RendererError {
  if (error instanceof RendererError) return error;
  throw error;
}

function optionalFunctions(source: FrameSource): string[] {
  const found = {
    audio: source.audio,
    message: source.message,
    poll_message: source.pollMessage,
    set_bitrate: source.setBitrate,
    request_keyframe: source.requestKeyframe,
  };
  return Object.entries(found)
    .filter(([_, member]) => member !== undefined)
    .map(([name]) => name);
}

/** Collects failures that the binding can only log. */
class Warnings implements Logger {
  #kept: { readonly event: string; readonly text: string }[] = [];

  /** Returns the texts of an event since the last call. */
  take(event: string): string[] {
    const taken = this.#kept.filter((warning) => warning.event === event);
    this.#kept = this.#kept.filter((warning) => warning.event !== event);
    return taken.map(({ text }) => text);
  }

  warn(event: string, fields: LogFields = {}): void {
    const { error, call, status } = fields;
    this.#kept.push({ event, text: String(error ?? `${call} failed with status ${status}`) });
  }

  child(): Logger {
    return this;
  }

  debug(): void {}
  info(): void {}
  error(): void {}
}
