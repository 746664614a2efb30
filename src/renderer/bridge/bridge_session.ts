import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import type { SharedMeter } from "../../base/shared_metrics.ts";
import type { Tally } from "../../base/tally.ts";
import type {
  AudioChunk,
  FrameSource,
  IdleReason,
  MessageRefusal,
  RenderResult,
} from "../../media/frame.ts";
import { RendererError } from "../renderer_error.ts";
import type { BridgeFrame } from "./frame_reader.ts";
import {
  AUDIO_TIMESTAMP_AHEAD_US_MAX,
  PICTURE_WAIT_MS,
  SILENCE_MS,
  TIMESTAMP_ERROR_US_MAX,
} from "./limits.ts";
import type { Slot } from "./ring.ts";
import type { OpenMessage, WriterPort } from "./server_messages.ts";
import { SessionMessages } from "./session_messages.ts";
import { soundDrops, SoundQueue, soundUs, toSamples } from "./sound_queue.ts";
import { Waker } from "./waker.ts";
import type { AudioMessage, Pace, SessionFeatures } from "./writer_messages.ts";
import { WriterTimeline } from "./writer_timeline.ts";

export interface BridgeSessionOptions {
  /** The message that announces it to writers. */
  readonly open: OpenMessage;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly meter: SharedMeter;
  /** Adds the session's id to its events. */
  readonly log: Logger;
  /** The writer answered a request for a picture. */
  readonly onAnswered?: () => void;
  /** Called once, when the session closes. */
  readonly onClosed: () => void;
}

/** A writer's answer to the opening of a session; `undefined` if there is no writer. */
export type Opened = SessionFeatures | RendererError | undefined;

/**
 * One session, between the server that requests pictures and a writer, if connected, that supplies them. Keeps one
 * picture that has not been shown, and the slot of the picture that is being shown.
 */
export class BridgeSession implements FrameSource {
  readonly #options: BridgeSessionOptions;
  readonly #sound = new SoundQueue();
  readonly #soundDrops: Tally<"too_far_ahead">;
  readonly #opened = Promise.withResolvers<Opened>();
  #port: WriterPort | undefined;
  /** The newest picture, not shown yet. */
  #pending: BridgeFrame | undefined;
  /** The slot of the picture that was returned last. */
  #held: Slot | undefined;
  /** Whether viewers currently see a picture of the writer. */
  #showing = false;
  /** Whether they ever did. */
  #hasShown = false;
  #idle = false;
  #over: "end" | "failed" | undefined;
  #closed = false;
  #failures: { render?: RendererError; audio?: RendererError } = {};
  #refusal: RendererError | undefined;
  #heardMs = Number.NEGATIVE_INFINITY;
  /** When the unanswered requests to the writer were sent. */
  #wantedMs: { frame?: number; audio?: number } = {};
  #answeredSound: AudioChunk | undefined;
  #bitsPerSecond: number | undefined;
  #lastFrameUs = 0;
  readonly #messages: SessionMessages;
  readonly #timeline: WriterTimeline;
  readonly #waker = new Waker();

  constructor(options: BridgeSessionOptions) {
    this.#options = options;
    this.#timeline = new WriterTimeline(options.clock);
    this.#soundDrops = soundDrops(options);
    this.#messages = new SessionMessages({ ...options, session: options.open.session });
  }

  /** Name of the session. */
  get id(): string {
    return this.#options.open.id;
  }

  /** Settles when a writer has answered, or if there is none. */
  get opened(): Promise<Opened> {
    if (this.#port === undefined) this.#opened.resolve(undefined);
    return this.#opened.promise;
  }

  /** A writer connected. */
  attach(port: WriterPort): void {
    this.#port = port;
    port.send(this.#options.open);
    if (this.#bitsPerSecond !== undefined) this.setBitrate(this.#bitsPerSecond);
  }

  /** The writer disconnected. */
  detach(): void {
    this.#port = undefined;
    this.#pending?.slot.release();
    this.#pending = undefined;
    this.#idle = false;
    this.#refusal = undefined;
    this.#heardMs = Number.NEGATIVE_INFINITY;
    this.#wantedMs = {};
    this.#sound.clear();
    this.#messages.forget();
    this.#opened.resolve(undefined);
    this.#waker.wake();
  }

  /** Handles a picture; it replaces one that has not been shown. */
  takeFrame(frame: BridgeFrame): void {
    if (this.#pending !== undefined) {
      this.#pending.slot.release();
      this.#options.meter.count("frames_dropped_total", { reason: "superseded" });
    }
    const timestampUs = this.#options.pace === "server"
      ? frame.timestampUs
      : this.#placed(frame.timestampUs, TIMESTAMP_ERROR_US_MAX) ?? this.#timeline.nowUs;
    this.#pending = { ...frame, timestampUs };
    this.#heardMs = this.#options.clock.now();
    this.#idle = false;
    this.#answered();
  }

  /** Handles sound. */
  takeSound(message: AudioMessage): void {
    const { sampleRate, channels, samples, timestampUs } = message;
    if (this.#options.pace === "server") {
      delete this.#wantedMs.audio;
      this.#answeredSound = samples.byteLength === 0
        ? undefined
        : { sampleRate, channels, samples: toSamples(samples), timestampUs };
      return this.#waker.wake();
    }
    const beginUs = this.#placed(timestampUs, AUDIO_TIMESTAMP_AHEAD_US_MAX);
    const taken = this.#sound.push(message, { nowUs: this.#timeline.nowUs, beginUs });
    if (!taken) this.dropSound(soundUs(message) / 1000);
  }

  /** Counts a chunk of sound of this length that was dropped because it was too far ahead. */
  dropSound(ms: number): void {
    this.#options.meter.count("audio_dropped_total", { reason: "too_far_ahead" });
    this.#soundDrops.add("too_far_ahead", ms);
  }

  /** The writer has no picture. */
  takeIdle(): void {
    this.#pending?.slot.release();
    this.#pending = undefined;
    this.#idle = true;
    this.#answered();
  }

  /** The stream has ended. */
  takeEnd(): void {
    this.#over = "end";
    this.#answered();
  }

  /** The session failed permanently. */
  fail(): void {
    this.#over = "failed";
    this.#waker.wake();
  }

  /** A call failed. Keeps only the newest failure until it is reported. */
  takeFailure(call: "render" | "audio", text: string): void {
    this.#failures[call] = new RendererError("render_failed", text);
    if (call === "render") return this.#answered();
    delete this.#wantedMs.audio;
    this.#waker.wake();
  }

  /** Handles a message for the viewers. */
  takeMessage(data: Uint8Array): void {
    this.#messages.take(data);
  }

  /** The writer opened or refused the session. */
  takeOpened(opened: SessionFeatures | RendererError): void {
    if (opened instanceof RendererError) this.#refusal = opened;
    this.#opened.resolve(opened);
    this.#waker.wake();
  }

  /**
   * Returns the next picture. If there is none, waits up to 100 ms for one, so that the calling loop follows the
   * writer's pace.
   * @throws {RendererError} A failure that the writer reported.
   */
  async render(timestampUs: number): Promise<RenderResult> {
    this.#timeline.correct(timestampUs);
    this.#messages.report(this.#port);
    this.#held?.release();
    this.#held = undefined;
    this.#want("frame", timestampUs);
    return this.#result(timestampUs) ??
      await this.#until(() => this.#result(timestampUs)) ??
      { status: this.#showing ? "unchanged" : "idle" };
  }

  /** @throws {RendererError} A failure that the writer reported. */
  async audio(timestampUs: number): Promise<AudioChunk | undefined> {
    if (this.#options.pace === "writer") {
      return this.#sound.take(Math.max(timestampUs, this.#timeline.nowUs));
    }
    // A library's calls for one session never overlap, so the sound would only wait for the picture.
    if (this.#wantedMs.frame !== undefined) return undefined;
    const begun = this.#wantedMs.audio === undefined;
    this.#want("audio", timestampUs);
    if (begun) await this.#until(() => this.#wantedMs.audio === undefined ? true : undefined);
    const { audio: failure } = this.#failures;
    delete this.#failures.audio;
    if (failure !== undefined) throw failure;
    const sound = this.#answeredSound;
    this.#answeredSound = undefined;
    return sound;
  }

  /** Forwards a viewer's message, if a writer is connected and reads. */
  message(data: Uint8Array): MessageRefusal | undefined {
    return this.#messages.forward(data, this.#port);
  }

  pollMessage(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#messages.poll());
  }

  messagesDropped(count: number): void {
    this.#messages.drop(count);
  }

  /** `undefined` if the writer reported IDLE or has shown pictures before. */
  idleReason(): IdleReason | undefined {
    if (this.#port === undefined) return "no_writer";
    return !this.#idle && !this.#hasShown ? "silent_writer" : undefined;
  }

  setBitrate(bits: number): void {
    const bitsPerSecond = this.#bitsPerSecond = Math.round(bits);
    this.#port?.send({ type: "bitrate", session: this.#options.open.session, bitsPerSecond });
  }

  requestKeyframe(): void {
    this.#port?.send({ type: "keyframe", session: this.#options.open.session });
  }

  /** Ends a `render` that waits. Idempotent. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#soundDrops.close();
    this.#port?.send({ type: "close", session: this.#options.open.session });
    this.detach();
    this.#held?.release();
    this.#held = undefined;
    this.#options.onClosed();
    return Promise.resolve();
  }

  #want(what: "frame" | "audio", timestampUs: number): void {
    const { pace, open, clock } = this.#options;
    if (pace === "writer" || this.#wantedMs[what] !== undefined || this.#port === undefined) return;
    if (what === "frame" && (this.#pending !== undefined || this.#refusal !== undefined)) return;
    if (what === "frame") this.#idle = false;
    this.#wantedMs[what] = clock.now();
    this.#port.send({ type: `want_${what}`, session: open.session, timestampUs });
  }

  /** The result of a call for a picture now; `undefined`: wait. */
  #result(timestampUs: number): RenderResult | undefined {
    const failure = this.#refusal ?? this.#failures.render;
    delete this.#failures.render;
    if (failure !== undefined) {
      this.#showing = false;
      throw failure;
    }
    if (this.#pending !== undefined) return this.#give(this.#pending, timestampUs);
    if (this.#over !== undefined) return { status: this.#over };
    if (this.#port !== undefined && !this.#idle && !this.#isSilent) return undefined;
    this.#showing = false;
    return { status: "idle" };
  }

  /** @returns `undefined` for a picture that cannot be read; its writer is disconnected. */
  #give(
    { read, slot, timestampUs: givenUs }: BridgeFrame,
    requestedUs: number,
  ): RenderResult | undefined {
    this.#pending = undefined;
    this.#held = slot;
    const frame = read();
    if (frame === undefined) return undefined;
    this.#showing = true;
    this.#hasShown = true;
    const timestampUs = this.#options.pace === "server"
      ? givenUs > 0 ? givenUs : requestedUs
      : Math.max(this.#lastFrameUs, givenUs);
    this.#lastFrameUs = timestampUs;
    return { status: "frame", frame: { ...frame, timestampUs } };
  }

  get #isSilent(): boolean {
    const { pace, clock } = this.#options;
    const sinceMs = pace === "writer" ? this.#heardMs : this.#wantedMs.frame ?? clock.now();
    return clock.now() - sinceMs > SILENCE_MS;
  }

  /** Converts the writer's timestamp to the session's timeline; `undefined` if it has none. */
  #placed(timestampUs: number, aheadUsMax: number): number | undefined {
    if (timestampUs === 0) return undefined;
    const clockOffsetUs = this.#port?.clockOffsetUs ?? 0;
    return this.#timeline.place(timestampUs, { clockOffsetUs, aheadUsMax });
  }

  #until<T>(ask: () => T | undefined): Promise<T | undefined> {
    return this.#waker.until(ask, { clock: this.#options.clock, waitMs: PICTURE_WAIT_MS });
  }

  /** A request was answered, or will not be. */
  #answered(): void {
    delete this.#wantedMs.frame;
    this.#waker.wake();
    this.#options.onAnswered?.();
  }
}
