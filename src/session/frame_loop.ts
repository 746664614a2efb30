import { type Clock, sleep } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { FrameDrop } from "../base/shared_metrics.ts";
import type { AudioChunk, FrameSource, RenderResult, SourceFrame } from "../media/frame.ts";
import type { SessionMeter, SourceCall } from "./metrics.ts";
import { type SourceHealth, UNKNOWN_HEALTH } from "./source_health.ts";

/** Receives the pictures of a {@link FrameLoop}. */
export interface PictureOutput {
  /** Why a frame would be dropped now, and none should be rendered. */
  readonly fullBy: FrameDrop | undefined;
  /** Settles when there is room for a frame. */
  readonly room: Promise<unknown>;
  /** Shows a frame; its memory belongs to the source again when the promise settles. */
  show(frame: SourceFrame): Promise<void>;
  /** The previous picture is still current. */
  hold(): void;
  /** The source has no picture at present: it is idle, failing, or stuck in a call. */
  idle(): Promise<void>;
}

/** Receives the sound of a {@link FrameLoop}. */
export interface SoundOutput {
  /** Whether a viewer receives sound: otherwise a chunk would be dropped. */
  readonly isHeard: boolean;
  take(chunk: AudioChunk): void;
}

export interface FrameLoopOptions {
  readonly source: FrameSource;
  /** Name of the renderer, for the log. */
  readonly renderer: string;
  /** Frames per second, at most. */
  readonly fps: number;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  readonly log: Logger;
  /** The session's time now, in microseconds. */
  readonly timelineUs: () => number;
  readonly pictures: PictureOutput;
  /** Missing if sound is not sent. */
  readonly sound?: SoundOutput | undefined;
  /** Passes a message on to the viewers. */
  readonly message: (data: Uint8Array) => void;
  /** Ends the loop at once, even while a call is stuck. */
  readonly signal: AbortSignal;
}

/** During a call longer than this, viewers see the idle picture. */
const STALL_MS = 500;

/**
 * Doubling pauses after failed calls, in milliseconds, so that a source that always fails causes no busy loop and does
 * not flood the log.
 */
const ERROR_PAUSE_MS = { min: 200, max: 5_000 } as const;

/** In shorter waits, sound is not fetched at half time. */
const HALFWAY_SOUND_MS_MIN = 12;

/** The source is asked at least this often, also while the encoder is stuck: it may have become idle, or ended. */
const UNASKED_MS_MAX = 500;

/**
 * Sound that no viewer receives is fetched this often at most, and messages while pictures are left out: each call is a
 * change of threads, and with more sessions than the server carries they are more than the pictures.
 */
const RARE_MS = 100;

/** Messages fetched per picture; the rest wait for the next picture. */
const MESSAGES_PER_FRAME_MAX = 16;

/** Result of a call of the source. */
type Outcome<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "error"; readonly error: unknown }
  | { readonly kind: "aborted" };

/** What follows a picture. */
type TurnEnd = "go_on" | "end" | "failed" | "aborted";

/**
 * Requests one picture every 1/fps seconds, with sound and messages, until the source ends or the signal aborts. Late
 * pictures are skipped before they cost anything; there is no catching up.
 */
export class FrameLoop {
  readonly #options: FrameLoopOptions;
  readonly #pacer: Pacer;
  #steps = 0;
  /** When the source was last asked for a picture. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #soundAtMs = Number.NEGATIVE_INFINITY;
  #messagesAtMs = Number.NEGATIVE_INFINITY;
  /** Whether a viewer received sound when it was last fetched. */
  #wasHeard = true;
  /** Whether the time of the next picture was waited for. */
  #hasWaited = false;
  #health: SourceHealth = { ...UNKNOWN_HEALTH, state: "waiting" };
  readonly #pauses: Readonly<Record<SourceCall, ErrorPause>> = {
    render: new ErrorPause(),
    audio: new ErrorPause(),
    poll_message: new ErrorPause(),
  };

  constructor(options: FrameLoopOptions) {
    this.#options = options;
    const { fps, clock, timelineUs } = options;
    const intervalMs = 1000 / fps;
    // Aligned to whole intervals of the timeline, so that a picture and sound that begin on a full second are in sync.
    const sinceMs = (timelineUs() / 1000) % intervalMs;
    this.#pacer = new Pacer({ intervalMs, startMs: clock.now() - sinceMs });
  }

  /**
   * Counts the times at which a picture was shown or could have been. It keeps counting while a call of the source is
   * stuck.
   */
  get steps(): number {
    return this.#steps;
  }

  /** State of the source. */
  get health(): SourceHealth {
    return this.#health;
  }

  /**
   * Runs until the source ends or the signal aborts.
   * @returns `settled`: whether every call has returned; a stuck one may still use the source. `failed`: whether the
   * source reported a permanent failure.
   */
  async run(): Promise<{ settled: boolean; failed: boolean }> {
    const { clock, pictures, signal } = this.#options;
    while (!signal.aborted) {
      this.#steps++;
      if (this.#pauses.render.lasts(clock.now())) {
        await pictures.idle();
      } else {
        const fullBy = this.#fullBy();
        const turn = await (fullBy === undefined ? this.#turn() : this.#delayed(fullBy));
        if (turn === "aborted") return { settled: false, failed: false };
        if (turn !== "go_on") return { settled: true, failed: turn === "failed" };
      }
      if (!await this.#pace()) return { settled: false, failed: false };
    }
    return { settled: true, failed: false };
  }

  /** Why a frame could not be shown now. */
  #fullBy(): FrameDrop | undefined {
    const { pictures, clock } = this.#options;
    const isRecent = clock.now() - this.#askedAtMs < UNASKED_MS_MAX;
    return isRecent && this.#health.state === "frames" ? pictures.fullBy : undefined;
  }

  /** Requests the picture when there is room for it; leaves it out, at no cost, if that is too late. */
  async #delayed(reason: FrameDrop): Promise<TurnEnd> {
    const { pictures, clock, meter } = this.#options;
    if (!await this.#sound()) return "aborted";
    const areRecent = clock.now() - this.#messagesAtMs < RARE_MS;
    if (!areRecent && !await this.#messages()) return "aborted";
    const { nextDueMs } = this.#pacer;
    const leftMs = Math.max(0, nextDueMs - clock.now());
    await new Promise<void>((resolve) => {
      const cancel = clock.after(leftMs, resolve);
      void pictures.room.then(() => {
        cancel();
        resolve();
      });
    });
    // From the next picture's time on, there is only that one.
    if (this.#fullBy() === undefined && clock.now() < nextDueMs) return await this.#turn();
    meter.count("frames_dropped_total", { reason });
    this.#hasWaited = true;
    return "go_on";
  }

  async #turn(): Promise<TurnEnd> {
    const { source, clock, meter, timelineUs } = this.#options;
    const begunMs = this.#askedAtMs = clock.now();
    const timestampUs = timelineUs();
    const outcome = await this.#guard("render", source.render(timestampUs));
    if (outcome.kind === "aborted") return "aborted";
    if (outcome.kind === "error") {
      meter.count("renders_total", { result: "error" });
      await this.#options.pictures.idle();
      return "go_on";
    }
    meter.observe("render_seconds", (clock.now() - begunMs) / 1000);
    const { status } = outcome.value;
    meter.count("renders_total", { result: status });
    this.#noteResult(outcome.value);
    if (status === "end" || status === "failed") return status;
    // Fetch the sound first: it would be delayed by the conversion of the picture.
    if (!await this.#sound() || !await this.#messages()) return "aborted";
    await this.#show(outcome.value);
    return "go_on";
  }

  #noteResult(result: RenderResult): void {
    const { clock, source } = this.#options;
    const nowMs = clock.now();
    const lastFrameMs = result.status === "frame" ? nowMs : this.#health.lastFrameMs;
    const state = result.status === "frame" || result.status === "unchanged"
      ? "frames"
      : result.status === "idle"
      ? source.idleReason?.() ?? "idle"
      : "ended";
    this.#health = { state, lastFrameMs, failuresInARow: 0, error: undefined };
  }

  async #show(result: RenderResult): Promise<void> {
    const { pictures } = this.#options;
    switch (result.status) {
      case "frame":
        return await pictures.show(result.frame);
      case "unchanged":
        return pictures.hold();
      default:
        return await pictures.idle();
    }
  }

  get #isHeard(): boolean {
    return this.#options.sound?.isHeard ?? false;
  }

  /** Fetches the sound up to now. @returns False if the signal aborted meanwhile. */
  async #sound(): Promise<boolean> {
    const { source, clock, sound: output, timelineUs } = this.#options;
    const nowMs = clock.now();
    if (source.audio === undefined || this.#pauses.audio.lasts(nowMs)) return true;
    const [isHeard, wasHeard] = [this.#isHeard, this.#wasHeard];
    if (!isHeard && nowMs - this.#soundAtMs < RARE_MS) return true;
    this.#soundAtMs = nowMs;
    this.#wasHeard = isHeard;
    const sound = await this.#guard("audio", source.audio(timelineUs()));
    // A chunk that began when no viewer received sound is long, and would delay what follows.
    if (sound.kind === "value" && sound.value !== undefined && wasHeard) output?.take(sound.value);
    return sound.kind !== "aborted";
  }

  /** Fetches messages of the source. @returns False if the signal aborted meanwhile. */
  async #messages(): Promise<boolean> {
    const { source, clock, message } = this.#options;
    if (this.#pauses.poll_message.lasts(clock.now())) return true;
    this.#messagesAtMs = clock.now();
    for (let count = 0; source.pollMessage && count < MESSAGES_PER_FRAME_MAX; count++) {
      const polled = await this.#guard("poll_message", source.pollMessage());
      if (polled.kind === "aborted") return false;
      if (polled.kind === "error" || polled.value === undefined) return true;
      message(polled.value);
    }
    return true;
  }

  /** Waits for a call; while it takes too long, shows the idle picture at the usual frame rate. */
  async #guard<T>(call: SourceCall, pending: Promise<T>): Promise<Outcome<T>> {
    const { clock, pictures, signal } = this.#options;
    let outcome: Outcome<T> | undefined;
    // Attach one handler for the whole wait: a call that never returns must not collect one per picture.
    let wake = () => {};
    const wait = (ms: number) =>
      new Promise<void>((resolve) => {
        const done = () => {
          cancel();
          signal.removeEventListener("abort", done);
          resolve();
        };
        const cancel = clock.after(ms, done);
        signal.addEventListener("abort", done);
        wake = done;
        if (outcome !== undefined || signal.aborted) done();
      });
    pending.then(
      (value) => outcome = { kind: "value", value },
      (error) => outcome = { kind: "error", error },
    ).finally(() => wake());
    await wait(STALL_MS);
    if (outcome === undefined && !signal.aborted) {
      this.#noteStall(call);
    }
    while (outcome === undefined && !signal.aborted) {
      this.#steps++;
      await pictures.idle();
      await wait(this.#pacer.next(clock.now()).waitMs);
    }
    return this.#noted(call, outcome ?? { kind: "aborted" });
  }

  #noteStall(call: SourceCall): void {
    const { meter, log, renderer } = this.#options;
    meter.count("renderer_stalls_total", { call });
    log.warn("renderer_stalled", { renderer, call });
    this.#health = { ...this.#health, state: "stalled" };
  }

  #noted<T>(call: SourceCall, outcome: Outcome<T>): Outcome<T> {
    const { clock, meter, log, renderer } = this.#options;
    if (outcome.kind === "value") this.#pauses[call].end();
    if (outcome.kind === "error") {
      const inARow = this.#pauses[call].begin(clock.now());
      const error = errorText(outcome.error);
      meter.count("renderer_errors_total", { call });
      log.error("renderer_call_failed", { renderer, call, in_a_row: inARow, error });
      if (call === "render") {
        this.#health = { ...this.#health, state: "failing", failuresInARow: inARow, error };
      }
    }
    return outcome;
  }

  /** Waits for the next picture's time. @returns False if the signal aborted during a call. */
  async #pace(): Promise<boolean> {
    const { source, clock, meter, signal } = this.#options;
    const { waitMs, skipped } = this.#pacer.next(clock.now());
    if (skipped > 0) meter.count("frames_dropped_total", { reason: "late" }, skipped);
    const hasWaited = this.#hasWaited;
    this.#hasWaited = false;
    // Otherwise a wait of nothing lets the event loop do its other work.
    if (hasWaited && waitMs === 0) return true;
    const dueMs = clock.now() + waitMs;
    if (waitMs >= HALFWAY_SOUND_MS_MIN && source.audio !== undefined && this.#isHeard) {
      // Fetched twice per picture, chunks are about as long as packets, so players buffer less sound.
      await sleep(clock, waitMs / 2, signal);
      if (!signal.aborted && !await this.#sound()) return false;
    }
    await sleep(clock, Math.max(0, dueMs - clock.now()), signal);
    return true;
  }
}

/** Increasing pauses between the calls of a function that keeps failing. Pure: times are arguments. */
class ErrorPause {
  #errorsInARow = 0;
  #untilMs = Number.NEGATIVE_INFINITY;

  lasts(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }

  /** A call failed. @returns Number of failures in a row. */
  begin(nowMs: number): number {
    this.#errorsInARow++;
    const pauseMs = ERROR_PAUSE_MS.min * 2 ** Math.min(this.#errorsInARow - 1, 10);
    this.#untilMs = nowMs + Math.min(pauseMs, ERROR_PAUSE_MS.max);
    return this.#errorsInARow;
  }

  /** A call succeeded. */
  end(): void {
    this.#errorsInARow = 0;
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }
}

/** Computes when the next frame of a steady rate is due. Pure: `nowMs` is an argument. */
export class Pacer {
  readonly #intervalMs: number;
  #dueMs: number;

  constructor(options: { intervalMs: number; startMs: number }) {
    this.#intervalMs = options.intervalMs;
    this.#dueMs = options.startMs;
  }

  /** When the next frame is due. */
  get nextDueMs(): number {
    return this.#dueMs + this.#intervalMs;
  }

  /**
   * Advances to the next frame that can still start in time.
   * @returns How long to wait for it, and how many late frames were skipped.
   */
  next(nowMs: number): { waitMs: number; skipped: number } {
    this.#dueMs += this.#intervalMs;
    const lateMs = nowMs - this.#dueMs;
    // A timer may fire late, so up to one interval is caught up instead of skipped.
    const skipped = Math.max(0, Math.floor(lateMs / this.#intervalMs));
    this.#dueMs += skipped * this.#intervalMs;
    return { waitMs: Math.max(0, this.#dueMs - nowMs), skipped };
  }
}
