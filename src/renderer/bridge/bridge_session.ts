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
import type { OpenMessage } from "./server_messages.ts";
import { SessionMessages } from "./session_messages.ts";
import { soundDrops } from "./sound_drops.ts";
import { SoundQueue, soundUs, toSamples } from "./sound_queue.ts";
import { Waker } from "./waker.ts";
import type { AudioMessage, Pace, SessionFeatures } from "./writer_messages.ts";
import type { WriterPort } from "./writer_port.ts";
import { WriterTimeline } from "./writer_timeline.ts";

/** What a session of a bridge needs. */
export interface BridgeSessionOptions {
  /** What writers are told of it. */
  readonly open: OpenMessage;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly meter: SharedMeter;
  /** Adds the session's id to its events. */
  readonly log: Logger;
  /** The writer has answered a call for a picture. */
  readonly onAnswered?: () => void;
  /** Called once, when the session closes. */
  readonly onClosed: () => void;
}

/** How a writer took the opening of a session; `undefined` when none did. */
export type Opened = SessionFeatures | RendererError | undefined;

/**
 * One session, between the server that asks it for pictures and a writer that brings them, or is not there. It keeps
 * one picture that has not been shown, and the slot of the one that is being shown.
 */
export class BridgeSession implements FrameSource {
  readonly #options: BridgeSessionOptions;
  readonly #sound = new SoundQueue();
  readonly #soundDrops: Tally<"too_far_ahead">;
  readonly #opened = Promise.withResolvers<Opened>();
  #port: WriterPort | undefined;
  /** The newest picture, which nobody has seen. */
  #pending: BridgeFrame | undefined;
  /** The slot of the picture that was given last. */
  #held: Slot | undefined;
  /** Whether the viewers see a picture of the writer. */
  #showing = false;
  /** Whether they ever did. */
  #hasShown = false;
  #idle = false;
  #over: "end" | "failed" | undefined;
  #closed = false;
  #failures: { render?: RendererError; audio?: RendererError } = {};
  #refusal: RendererError | undefined;
  #heardMs = Number.NEGATIVE_INFINITY;
  /** When the writer was asked for what it has not answered yet. */
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

  /** Settles when a writer has answered, or when there is none. */
  get opened(): Promise<Opened> {
    if (this.#port === undefined) this.#opened.resolve(undefined);
    return this.#opened.promise;
  }

  /** A writer is there. */
  attach(port: WriterPort): void {
    this.#port = port;
    port.send(this.#options.open);
    if (this.#bitsPerSecond !== undefined) this.setBitrate(this.#bitsPerSecond);
  }

  /** The writer is gone. */
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

  /** A picture came; it takes the place of one that nobody has seen. */
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

  /** Sound came. */
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

  /** A piece of sound of this length lies too far ahead to be kept. */
  dropSound(ms: number): void {
    this.#options.meter.count("audio_dropped_total", { reason: "too_far_ahead" });
    this.#soundDrops.add("too_far_ahead", ms);
  }

  /** The writer has nothing to show. */
  takeIdle(): void {
    this.#pending?.slot.release();
    this.#pending = undefined;
    this.#idle = true;
    this.#answered();
  }

  /** The stream is over. */
  takeEnd(): void {
    this.#over = "end";
    this.#answered();
  }

  /** The session will never work. */
  fail(): void {
    this.#over = "failed";
    this.#waker.wake();
  }

  /** A call failed. Of several failures that nobody has seen the newest is kept. */
  takeFailure(call: "render" | "audio", text: string): void {
    this.#failures[call] = new RendererError("render_failed", text);
    if (call === "render") return this.#answered();
    delete this.#wantedMs.audio;
    this.#waker.wake();
  }

  /** A message for the viewers came. */
  takeMessage(data: Uint8Array): void {
    this.#messages.take(data);
  }

  /** The writer has opened the session, or refuses it. */
  takeOpened(opened: SessionFeatures | RendererError): void {
    if (opened instanceof RendererError) this.#refusal = opened;
    this.#opened.resolve(opened);
    this.#waker.wake();
  }

  /**
   * Gives a picture that has not been given yet. Where there is none, it waits for one for up to 100 ms, so that a loop
   * which calls this follows the pace of its writer.
   * @throws {RendererError} What the writer said.
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

  /** @throws {RendererError} What the writer said. */
  async audio(timestampUs: number): Promise<AudioChunk | undefined> {
    if (this.#options.pace === "writer") {
      return this.#sound.take(Math.max(timestampUs, this.#timeline.nowUs));
    }
    // A library's calls for one session never overlap: sound would only wait behind the picture.
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

  /** Sends a message of a viewer on, if a writer is there and reads. */
  message(data: Uint8Array): MessageRefusal | undefined {
    return this.#messages.forward(data, this.#port);
  }

  pollMessage(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#messages.poll());
  }

  messagesDropped(count: number): void {
    this.#messages.drop(count);
  }

  /** A writer that has said that it has nothing to show, or showed something before, is no reason. */
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

  /** What a call for a picture gets now; `undefined`: worth to wait. */
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

  /** @returns `undefined` for a picture that cannot be read: the writer is disconnected for it. */
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

  /** A time that the writer gave on the session's timeline; `undefined` where it gave none. */
  #placed(timestampUs: number, aheadUsMax: number): number | undefined {
    if (timestampUs === 0) return undefined;
    const clockOffsetUs = this.#port?.clockOffsetUs ?? 0;
    return this.#timeline.place(timestampUs, { clockOffsetUs, aheadUsMax });
  }

  #until<T>(ask: () => T | undefined): Promise<T | undefined> {
    return this.#waker.until(ask, { clock: this.#options.clock, waitMs: PICTURE_WAIT_MS });
  }

  /** What was asked for is there, or will not come. */
  #answered(): void {
    delete this.#wantedMs.frame;
    this.#waker.wake();
    this.#options.onAnswered?.();
  }
}
