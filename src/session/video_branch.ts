import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type {
  EncodedFrame,
  EncoderFactory,
  EncoderSettings,
  VideoCodec,
  VideoEncoder,
} from "../media/encoder.ts";
import type { EncodedSourceFrame, RawFrame } from "../media/frame.ts";
import { ParameterSetCache } from "../media/h264.ts";
import { createPacketizer, type Packetizer } from "../media/packetizer.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { Audience } from "./audience.ts";
import type { Layer } from "../rate/layer_choice.ts";
import type { KeyframeReason, SessionMeter } from "./metrics.ts";

/** Minimum time between two keyframes, because each is many times larger than other frames. */
export const KEYFRAME_INTERVAL_MS_MIN = 300;

/** An unchanged picture is sent this often, to keep decoders and tunnels active. */
export const REFRESH_INTERVAL_MS = 1_000;

/** Smaller relative changes of the rate are not passed to the encoder. */
const RATE_CHANGE_MIN = 0.03;

export interface VideoBranchOptions {
  readonly codec: VideoCodec;
  /** For the log. */
  readonly layer: Layer;
  readonly encoders: EncoderFactory;
  readonly settings: EncoderSettings;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  readonly log: Logger;
  /** The rate that the viewers' paths can carry changed, in kbit/s. */
  readonly onRate: (kbps: number) => void;
  /** The encoder could not be opened, or failed. Called once; the branch no longer works then. */
  readonly onFailed: (error: Error) => void;
}

/**
 * One codec of one session: encodes frames and sends the packets to every viewer of that codec. At most one picture
 * waits while another is being compressed; a newer one replaces it.
 */
export class VideoBranch {
  readonly #options: VideoBranchOptions;
  readonly #packetize: Packetizer;
  readonly #audience = new Audience();
  #encoder: VideoEncoder | undefined;
  /** The encoder's target. */
  #rateKbps: number;
  #waiting = false;
  /** The latest picture in the encoder, if it came through {@link keep}. */
  #kept: RawFrame | undefined;
  #encoding: Promise<void> | undefined;
  #keyframeWanted = true;
  #lastKeyframeMs = Number.NEGATIVE_INFINITY;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  readonly #parameterSets = new ParameterSetCache();
  #closed = false;
  readonly #opened: Promise<void>;

  /** Starts opening the encoder at once, so that it is ready when the first viewer has connected. */
  constructor(options: VideoBranchOptions) {
    this.#options = options;
    this.#packetize = createPacketizer(options.codec);
    this.#rateKbps = options.settings.bitrateKbps;
    this.#opened = this.#open();
  }

  /** Number of viewers that receive this codec. */
  get size(): number {
    return this.#audience.size;
  }

  /** Whether a keyframe is due. */
  get isKeyframeWanted(): boolean {
    return this.#keyframeWanted;
  }

  /** When the last keyframe was sent, on the clock's monotonic milliseconds. */
  get lastKeyframeMs(): number {
    return this.#lastKeyframeMs;
  }

  /** FFmpeg's name of the encoder, once it is open. */
  get encoderName(): string | undefined {
    return this.#encoder?.name;
  }

  /** Starts sending to a viewer, from the next keyframe on. */
  add(sink: VideoSink): void {
    this.#audience.add(sink);
    this.requestKeyframe("join");
  }

  /** Stops sending to a viewer. */
  remove(sink: VideoSink): void {
    this.#audience.remove(sink);
  }

  /** Makes one of the next frames a keyframe, subject to {@link KEYFRAME_INTERVAL_MS_MIN}. */
  requestKeyframe(reason: KeyframeReason): void {
    this.#keyframeWanted = true;
    this.#options.meter.count("keyframes_requested_total", { reason });
  }

  /** Encodes a frame; settles when its memory is no longer needed. Does nothing while there are no viewers. */
  async take(frame: RawFrame): Promise<void> {
    await this.#load(frame, undefined);
  }

  /**
   * Shows a picture that may stay for long, such as an idle picture; called repeatedly while it stays. It is encoded
   * until it was compressed once, because a dropped one would leave viewers with the previous picture. After that it
   * is repeated like {@link refresh}.
   * @param picture The same object each time.
   * @param timestampUs The session's time now.
   */
  async keep(picture: RawFrame, timestampUs: number): Promise<void> {
    if (this.#kept === picture && this.refresh(timestampUs)) return;
    await this.#load({ ...picture, timestampUs }, picture);
  }

  /**
   * Repeats the last picture if a viewer waits for a keyframe, or if nothing was sent for a second.
   * @param timestampUs The session's time now.
   * @returns False if a picture is due and there is none: the caller should supply one.
   */
  refresh(timestampUs: number): boolean {
    const busy = this.#waiting || this.#encoding !== undefined;
    if (this.#encoder === undefined || !this.#audience.isWatching || this.#closed || busy) {
      return true;
    }
    const nowMs = this.#options.clock.now();
    if (!this.#keyframeDue(nowMs) && nowMs - this.#lastSentMs < REFRESH_INTERVAL_MS) return true;
    this.#waiting = this.#encoder.reload(timestampUs);
    this.#pump();
    return this.#encoding !== undefined;
  }

  /**
   * Sends an access unit that the renderer encoded; H.264 only.
   * @returns Whether the renderer should make a keyframe soon.
   */
  pass({ data, keyframe, timestampUs }: EncodedSourceFrame): boolean {
    if (!this.#audience.isWatching || this.#closed) return false;
    this.#kept = undefined;
    this.#followPaths();
    const nowMs = this.#options.clock.now();
    const complete = this.#parameterSets.complete(data);
    this.#send({ codec: "h264", data: complete, keyframe, timestampUs });
    return this.#keyframeDue(nowMs);
  }

  /** Frees the encoder. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opened;
    await this.#encoding;
    await this.#encoder?.close();
  }

  async #open(): Promise<void> {
    const { encoders, codec, layer, settings, log } = this.#options;
    try {
      this.#encoder = await encoders.open(codec, settings);
      log.info("encoder_opened", { codec, layer, encoder: this.#encoder.name });
    } catch (error) {
      this.#fail(error);
    }
  }

  async #load(frame: RawFrame, kept: RawFrame | undefined): Promise<void> {
    if (this.#encoder === undefined || !this.#audience.isWatching || this.#closed) return;
    if (this.#audience.isBlocked) return this.#drop("path_full");
    if (this.#waiting) this.#drop("encoder_busy");
    this.#waiting = false;
    this.#kept = undefined;
    try {
      await this.#encoder.load(frame);
    } catch (error) {
      return this.#fail(error);
    }
    this.#kept = kept;
    this.#waiting = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#encoding !== undefined || !this.#waiting || this.#closed) return;
    this.#waiting = false;
    this.#encoding = this.#encode().finally(() => {
      this.#encoding = undefined;
      this.#pump();
    });
  }

  async #encode(): Promise<void> {
    const { clock, meter, codec } = this.#options;
    const begun = clock.now();
    this.#followPaths();
    try {
      const encoded = await this.#encoder?.encode({
        keyframe: this.#keyframeDue(begun),
        kbps: this.#rateKbps,
      });
      meter.observe("encode_seconds", (clock.now() - begun) / 1000, { codec });
      if (encoded === undefined) {
        this.#kept = undefined;
        return this.#drop("encoder_skipped");
      }
      this.#send(encoded);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Sets the rate to what the viewers' paths can carry. */
  #followPaths(): void {
    const { targetKbps = this.#rateKbps } = this.#audience;
    if (this.#audience.hasReturned && !this.#keyframeWanted) this.#letReturn();
    if (Math.abs(targetKbps - this.#rateKbps) < RATE_CHANGE_MIN * this.#rateKbps) return;
    this.#rateKbps = targetKbps;
    this.#options.onRate(targetKbps);
  }

  #letReturn(): void {
    const { clock, meter } = this.#options;
    const { isDue, putOff } = this.#audience.returning(clock.now());
    if (isDue) this.requestKeyframe("left_out");
    if (putOff > 0) meter.count("keyframes_suppressed_total", { reason: "left_out" }, putOff);
  }

  #keyframeDue(nowMs: number): boolean {
    return this.#keyframeWanted && nowMs - this.#lastKeyframeMs >= KEYFRAME_INTERVAL_MS_MIN;
  }

  #send(frame: EncodedFrame): void {
    const { clock, meter } = this.#options;
    const { codec } = frame;
    const begun = this.#lastSentMs = clock.now();
    if (frame.keyframe) {
      // Any keyframe satisfies the requests, also one that was not requested: encoders produce some when they change
      // the size.
      this.#keyframeWanted = false;
      this.#lastKeyframeMs = begun;
    }
    const payloads = this.#packetize(frame.data);
    meter.count("frames_sent_total", { codec });
    const { timestampUs, keyframe } = frame;
    const leftOut = this.#audience.send(payloads, { timestampUs, keyframe }, begun);
    if (leftOut > 0) meter.count("viewers_left_out_total", {}, leftOut);
    meter.observe("send_seconds", (clock.now() - begun) / 1000, { codec });
  }

  #drop(reason: "path_full" | "encoder_busy" | "encoder_skipped"): void {
    this.#options.meter.count("frames_dropped_total", { reason });
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.log.error("encoder_failed", {
      codec: this.#options.codec,
      layer: this.#options.layer,
      error: errorText(error),
    });
    this.#encoder?.close().catch(() => {});
    this.#options.onFailed(error instanceof Error ? error : new Error(errorText(error)));
  }
}
