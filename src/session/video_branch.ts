import { errorText } from "../base/errors.ts";
import type { FrameDrop } from "../base/shared_metrics.ts";
import type { EncodedFrame } from "../media/encoder.ts";
import type { EncodedSourceFrame, RawFrame } from "../media/frame.ts";
import type { IdleClip } from "../media/idle/clip.ts";
import type { LoopUnit } from "../media/idle/encoded_loop.ts";
import { createPacketizer, type Packetizer } from "../media/packetizer.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { Audience } from "./audience.ts";
import { BranchEncoder } from "./branch_encoder.ts";
import type { IdleMoment, VideoBranchOptions } from "./branch_options.ts";
import { LoopPlayer } from "./loop_player.ts";
import type { KeyframeReason } from "./metrics.ts";
import { RendererStream } from "./renderer_stream.ts";

/** Minimum time between two keyframes, because each is many times larger than other frames. */
export const KEYFRAME_INTERVAL_MS_MIN = 300;

/** An unchanged picture is sent this often, to keep decoders and tunnels active. */
export const REFRESH_INTERVAL_MS = 1_000;

/** Smaller relative changes of the rate are not passed to the encoder. */
const RATE_CHANGE_MIN = 0.03;

/** While a loop is being encoded, sessions that wait for it encode at least every third idle picture. */
const SKIPPED_IN_A_ROW_MAX = 2;

/**
 * One codec of one session: encodes frames and sends the packets to every viewer of that codec. At most one picture
 * waits while another is being compressed; a newer one replaces it.
 */
export class VideoBranch {
  readonly #options: VideoBranchOptions;
  readonly #packetize: Packetizer;
  readonly #audience = new Audience();
  readonly #encoder: BranchEncoder;
  readonly #renderer: RendererStream;
  /** The encoder's target. */
  #rateKbps: number;
  #waiting = false;
  #room: PromiseWithResolvers<void> | undefined;
  /** The latest picture in the encoder, if it came through {@link keep}. */
  #kept: RawFrame | undefined;
  #encoding: Promise<void> | undefined;
  #keyframeWanted = true;
  #lastKeyframeMs = Number.NEGATIVE_INFINITY;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #lastSentUs = Number.NEGATIVE_INFINITY;
  #closed = false;
  #player: LoopPlayer | undefined;
  #playerClip: IdleClip | undefined;
  /** Idle pictures that were skipped to leave time to the encoding of a loop. */
  #skippedInARow = 0;
  /** The picture of a shared loop that viewers see; the encoder has another one. */
  #played: RawFrame | undefined;
  /** {@link #played} is being loaded into the encoder. */
  #restoring: Promise<void> | undefined;
  /** Viewers received other frames after the encoder's last one, so its next one must be a keyframe. */
  #isBehind = false;
  /** Number of other frames that viewers received: a picture whose encoding began before the last one is not sent. */
  #era = 0;

  /** Starts opening the encoder at once, so that it is ready when the first viewer has connected. */
  constructor(options: VideoBranchOptions) {
    this.#options = options;
    this.#packetize = createPacketizer(options.codec);
    this.#rateKbps = options.settings.bitrateKbps;
    this.#encoder = new BranchEncoder(options, (error) => this.#fail(error));
    this.#renderer = new RendererStream(() => options.onKeyframeDue());
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

  /** Whether the encoder is open, or was closed because it is not needed at present. */
  get isReady(): boolean {
    return this.#encoder.isReady;
  }

  /** Why a picture would be dropped: one still waits to be compressed, or it would be late for every viewer. */
  get fullBy(): FrameDrop | undefined {
    if (this.#waiting) return "encoder_busy";
    return !this.#renderer.isEncoded && this.#audience.isBlocked ? "path_full" : undefined;
  }

  /** Settles when no picture waits; never, as far as is known now, if the paths are full. */
  get room(): Promise<void> {
    if (!this.#waiting) return new Promise((resolve) => this.fullBy ?? resolve());
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
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
    const { clock, meter } = this.#options;
    this.#keyframeWanted = true;
    // Asked only once its next access unit has come, the renderer would answer a picture later.
    if (this.#renderer.isEncoded && this.#keyframeDue(clock.now())) this.#renderer.ask(clock.now());
    meter.count("keyframes_requested_total", { reason });
  }

  /** Encodes a frame; settles when its memory is no longer needed. Does nothing while there are no viewers. */
  async take(frame: RawFrame): Promise<void> {
    this.#renderer.skip();
    if (this.#restoring !== undefined) await this.#restoring;
    await this.#load(frame, undefined);
  }

  /**
   * Shows a picture that may stay for long, such as an idle picture; called repeatedly while it stays. It is encoded
   * until it was compressed once, because a dropped one would leave viewers with the previous picture. After that it
   * is repeated like {@link refresh}. If a loop that is encoded for all sessions is available, its units are sent
   * instead.
   */
  async keep(moment: IdleMoment): Promise<void> {
    if (this.#restoring !== undefined) await this.#restoring;
    // After frames of the renderer, the first idle picture must be a keyframe.
    if (this.#renderer.isShown && this.#isKeyframeRecent(this.#options.clock.now())) return;
    if (this.#play(moment)) return;
    const { picture, timestampUs } = moment;
    if (this.#kept === picture && this.refresh(timestampUs)) return;
    const done = this.#options.idleLoops?.claimLive();
    if (this.#options.idleLoops !== undefined && done === undefined) {
      if (++this.#skippedInARow <= SKIPPED_IN_A_ROW_MAX) return;
    }
    this.#skippedInARow = 0;
    await this.#load({ ...picture, timestampUs }, picture);
    void Promise.resolve(this.#encoding).finally(done);
  }

  /** Frames may come soon: opens the encoder if it was closed and will be needed. */
  stir(): void {
    if (!this.#closed && !this.#renderer.isEncoded) this.#encoder.stir();
  }

  /**
   * Repeats the last picture if a viewer waits for a keyframe, or if nothing was sent for a second. An access unit of the
   * renderer cannot be repeated.
   * @param timestampUs The session's time now.
   * @returns False if a picture is due and there is none: the caller should supply one.
   */
  refresh(timestampUs: number): boolean {
    if (!this.isReady || !this.#audience.isWatching || this.#closed) return true;
    if (this.#waiting || (this.#encoding ?? this.#restoring) !== undefined) return true;
    const nowMs = this.#options.clock.now();
    const isDue = this.#keyframeDue(nowMs);
    if (this.#renderer.isShown && isDue) this.#renderer.ask(nowMs);
    if (this.#renderer.isShown) return true;
    if (!isDue && nowMs - this.#lastSentMs < REFRESH_INTERVAL_MS) return true;
    if (this.#played !== undefined) {
      const restored = this.#load({ ...this.#played, timestampUs }, undefined);
      this.#restoring = restored.finally(() => this.#restoring = undefined);
      return true;
    }
    this.#waiting = this.#encoder.open?.reload(timestampUs) ?? false;
    this.#pump();
    return this.#encoding !== undefined;
  }

  /**
   * Sends an access unit that the renderer encoded; H.264 only. After other pictures, it is not sent unless it is a
   * keyframe, because it would refer to frames before them.
   */
  pass(unit: EncodedSourceFrame): void {
    // Even if nobody watches: the renderer may send its parameter sets only once.
    const data = this.#renderer.read(unit);
    if (!this.#audience.isWatching || this.#closed) return this.#renderer.hide();
    this.#followPaths();
    const nowMs = this.#options.clock.now();
    if (!this.#renderer.isShown && !unit.keyframe) {
      this.#drop("no_keyframe");
      return this.#renderer.ask(nowMs);
    }
    this.#supersede();
    this.#leaveLoop();
    this.#renderer.show();
    this.#send({ ...unit, codec: "h264", data });
    if (this.#keyframeDue(nowMs)) this.#renderer.ask(nowMs);
    if ((this.#encoding ?? this.#restoring) === undefined) this.#encoder.restWhenQuiet();
  }

  /** Frees the encoder. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#player?.stop();
    await this.#restoring;
    await this.#encoding;
    await this.#encoder.close();
  }

  /** Sends the units of a shared loop that are due. @returns False if there is no loop to send. */
  #play({ clip, picture, elapsedUs, timestampUs }: IdleMoment): boolean {
    const { clock, meter } = this.#options;
    const player = this.#playerOf(clip);
    if (player === undefined || this.#closed) return false;
    if (!this.#audience.isWatching) {
      player.stop();
      return false;
    }
    this.#followPaths();
    const nowMs = clock.now();
    const wasPlaying = player.isPlaying;
    const { isBlocked } = this.#audience;
    const isFollowed = this.#audience.isFollowed && !this.#renderer.isShown;
    const [isKeyframeDue, kbps] = [this.#keyframeDue(nowMs), this.#rateKbps];
    const moment = { elapsedUs, nowMs, kbps, isKeyframeDue, isFollowed, isBlocked };
    const played = player.next(moment);
    if (played === undefined) return false;
    if (!wasPlaying) this.#enterLoop();
    this.#played = picture;
    const { units, leftOut } = played;
    if (leftOut > 0) meter.count("frames_dropped_total", { reason: "path_full" }, leftOut);
    this.#sendUnits(units, timestampUs);
    if (this.#encoding === undefined) this.#encoder.restWhenQuiet();
    return true;
  }

  #playerOf(clip: IdleClip): LoopPlayer | undefined {
    const { idleLoops, codec, settings } = this.#options;
    if (this.#playerClip !== clip && idleLoops !== undefined) {
      this.#player?.stop();
      this.#player = new LoopPlayer(idleLoops.of(clip, { codec, settings }));
      this.#playerClip = clip;
    }
    return this.#player;
  }

  #sendUnits(units: readonly LoopUnit[], timestampUs: number): void {
    const { codec, settings } = this.#options;
    for (const [index, { data, keyframe }] of units.entries()) {
      const late = units.length - 1 - index;
      const atUs = timestampUs - late * 1e6 / settings.fps;
      this.#send({ codec, data, keyframe, timestampUs: Math.max(atUs, this.#lastSentUs + 1) });
    }
  }

  #enterLoop(): void {
    this.#supersede();
    this.#renderer.leave(this.#options.clock.now());
    this.stir();
  }

  /** From here on, viewers do not have the frames that the encoder's next one would refer to. */
  #supersede(): void {
    this.#era++;
    this.#isBehind = true;
    this.#makeRoom();
    this.#kept = undefined;
  }

  #leaveLoop(): void {
    this.#player?.stop();
    this.#played = undefined;
  }

  async #load(frame: RawFrame, kept: RawFrame | undefined): Promise<void> {
    if (!this.#audience.isWatching || this.#closed) return;
    this.#leaveLoop();
    const era = this.#era;
    const waking = this.#encoder.awake();
    if (waking !== undefined) await waking;
    const encoder = this.#encoder.open;
    if (encoder === undefined || this.#closed) return;
    if (this.#audience.isBlocked) return this.#drop("path_full");
    if (this.#waiting) this.#drop("encoder_busy");
    this.#waiting = false;
    this.#kept = undefined;
    try {
      await encoder.load(frame);
    } catch (error) {
      return this.#fail(error);
    }
    if (era !== this.#era) return;
    this.#kept = kept;
    this.#waiting = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#encoding !== undefined || !this.#waiting || this.#closed) return;
    const { turns } = this.#options;
    const encoding = turns === undefined ? this.#encode() : turns.run(() => this.#encode());
    this.#encoding = encoding.finally(() => {
      this.#encoding = undefined;
      this.#pump();
    });
  }

  /** The waiting picture waits no more. */
  #makeRoom(): void {
    this.#waiting = false;
    this.#room?.resolve();
    this.#room = undefined;
  }

  async #encode(): Promise<void> {
    // Meanwhile a shared loop may have replaced the picture, or a newer one is being converted.
    if (!this.#waiting || this.#closed) return;
    this.#makeRoom();
    const { clock, meter, codec } = this.#options;
    const begun = clock.now();
    const era = this.#era;
    this.#followPaths();
    try {
      const encoded = await this.#encoder.open?.encode({
        keyframe: this.#isBehind || this.#keyframeDue(begun),
        kbps: this.#rateKbps,
      });
      meter.observe("encode_seconds", (clock.now() - begun) / 1000, { codec });
      if (encoded === undefined) {
        this.#kept = undefined;
        return this.#drop("encoder_skipped");
      }
      if (era !== this.#era) return this.#drop("superseded");
      if (encoded.keyframe) this.#isBehind = false;
      this.#renderer.leave(begun);
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
    return this.#keyframeWanted && !this.#isKeyframeRecent(nowMs);
  }

  #isKeyframeRecent(nowMs: number): boolean {
    return nowMs - this.#lastKeyframeMs < KEYFRAME_INTERVAL_MS_MIN;
  }

  #send(frame: EncodedFrame): void {
    const { clock, meter } = this.#options;
    const { codec, timestampUs, keyframe } = frame;
    const begun = this.#lastSentMs = clock.now();
    if (keyframe) {
      // Any keyframe satisfies the requests, also one that was not requested: encoders produce some when they change
      // the size.
      this.#keyframeWanted = false;
      this.#lastKeyframeMs = begun;
    }
    this.#lastSentUs = timestampUs;
    const payloads = this.#packetize(frame.data);
    meter.count("frames_sent_total", { codec });
    const leftOut = this.#audience.send(payloads, { timestampUs, keyframe }, begun);
    if (leftOut > 0) meter.count("viewers_left_out_total", {}, leftOut);
    meter.observe("send_seconds", (clock.now() - begun) / 1000, { codec });
  }

  #drop(reason: FrameDrop): void {
    this.#options.meter.count("frames_dropped_total", { reason });
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    const { codec, layer, log } = this.#options;
    log.error("encoder_failed", { codec, layer, error: errorText(error) });
    void this.#encoder.close();
    this.#options.onFailed(error instanceof Error ? error : new Error(errorText(error)));
  }
}
