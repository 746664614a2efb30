import type { SourceFrame } from "../media/frame.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { type Layer, type LayerCandidate, LayerChoice } from "../rate/layer_choice.ts";
import { KeyframeRequests } from "./keyframe_requests.ts";
import type { KeyframeRequestReason } from "./metrics.ts";
import type { IdleMoment, VideoBranchOptions } from "./branch_options.ts";
import { VideoBranch } from "./video_branch.ts";
import type { Clock } from "../base/clock.ts";
import type { FrameDrop } from "../base/shared_metrics.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { PictureOutput } from "./frame_loop.ts";
import type { IdleClip } from "../media/idle/clip.ts";

export interface VideoProgramOptions {
  readonly clock: Clock;
  /** The session's time now, in microseconds. */
  readonly timelineUs: () => number;
  /** Opens the encoders for a codec. */
  readonly openLayers: (codec: VideoCodec) => VideoLayers;
}

/** Frame timestamps further ahead of the session's time, in microseconds, are replaced. */
const AHEAD_US_MAX = 500_000;

/** Why a picture would be dropped by all of these. */
function fullByAll(
  parts: readonly { readonly fullBy: FrameDrop | undefined }[],
): FrameDrop | undefined {
  const reasons = new Set(parts.map(({ fullBy }) => fullBy));
  if (reasons.has(undefined)) return undefined;
  // An encoder may have room again before the next picture is due.
  return reasons.has("encoder_busy") ? "encoder_busy" : [...reasons][0];
}

/**
 * What the viewers of a session see: the renderer's frames or the idle pictures, on one monotonic timeline, in every
 * codec that they need. Switching between the two changes only the picture.
 */
export class VideoProgram implements PictureOutput {
  readonly #options: VideoProgramOptions;
  readonly #codecs = new Map<VideoCodec, VideoLayers>();
  readonly #idle = new IdlePictures();
  #lastUs = Number.NEGATIVE_INFINITY;

  constructor(options: VideoProgramOptions) {
    this.#options = options;
  }

  /** The encoders for a codec, opened if needed. */
  layers(codec: VideoCodec): VideoLayers {
    let layers = this.#codecs.get(codec);
    if (layers === undefined) {
      layers = this.#options.openLayers(codec);
      this.#codecs.set(codec, layers);
    }
    return layers;
  }

  /** The encoders for a codec, if they are open. */
  layersIfOpen(codec: VideoCodec): VideoLayers | undefined {
    return this.#codecs.get(codec);
  }

  /** Removes a codec whose encoder failed. */
  forget(codec: VideoCodec): void {
    this.#codecs.delete(codec);
  }

  /** Shows this clip while the renderer has no picture. */
  useIdleClip(clip: IdleClip): void {
    this.#idle.use(clip);
  }

  get fullBy(): FrameDrop | undefined {
    return fullByAll(this.#layers);
  }

  get room(): Promise<unknown> {
    return Promise.race(this.#layers.map(({ room }) => room));
  }

  async show(frame: SourceFrame): Promise<void> {
    this.#idle.end();
    const dated = { ...frame, timestampUs: this.#advance(frame.timestampUs) };
    await Promise.all(this.#layers.map((layers) => layers.take(dated)));
  }

  hold(): void {
    const timestampUs = this.#advance(this.#options.timelineUs());
    for (const layers of this.#layers) layers.refresh(timestampUs);
  }

  async idle(): Promise<void> {
    const timestampUs = this.#advance(this.#options.timelineUs());
    const moment = this.#idle.at(timestampUs);
    if (moment === undefined) return this.hold();
    await Promise.all(this.#layers.map((layers) => layers.keep(moment)));
  }

  /** The renderer may have pictures soon: opens the encoders that were closed meanwhile. */
  stir(): void {
    for (const layers of this.#layers) layers.stir();
  }

  /** Closes every encoder and releases the idle clip. */
  async close(): Promise<void> {
    this.#idle.close();
    await Promise.all(this.#layers.map((layers) => layers.close()));
  }

  get #layers(): readonly VideoLayers[] {
    return [...this.#codecs.values()];
  }

  /** The timestamp to send a picture with: its own if it continues from the last one, otherwise the session's time. */
  #advance(wantedUs: number): number {
    const nowUs = this.#options.timelineUs();
    const believable = wantedUs > this.#lastUs && wantedUs <= nowUs + AHEAD_US_MAX;
    this.#lastUs = Math.max(believable ? wantedUs : nowUs, this.#lastUs + 1);
    return this.#lastUs;
  }
}

/** Selects the picture to show while a session's renderer is idle. Pure: times are arguments. */
class IdlePictures {
  #clip: IdleClip | undefined;
  #sinceUs: number | undefined;

  /** Uses a clip from now on; it is released when it is replaced or on close. */
  use(clip: IdleClip): void {
    this.#clip?.release();
    this.#clip = clip;
  }

  /** Releases the clip. */
  close(): void {
    this.#clip?.release();
    this.#clip = undefined;
  }

  /** The renderer has a picture again; the next idle time starts the clip at its beginning. */
  end(): void {
    this.#sinceUs = undefined;
  }

  /**
   * The picture at `timestampUs` of the session's timeline. A clip restarts each time the renderer becomes idle.
   * @returns `undefined` while there is no clip.
   */
  at(timestampUs: number): IdleMoment | undefined {
    this.#sinceUs ??= timestampUs;
    const [clip, elapsedUs] = [this.#clip, timestampUs - this.#sinceUs];
    if (clip === undefined) return undefined;
    return { clip, picture: clip.frameAt(elapsedUs), elapsedUs, timestampUs };
  }
}

/** How often viewers are assigned to layers, in milliseconds. */
const ASSIGN_INTERVAL_MS = 500;
/** If the renderer's own encoding was sent within this time, all viewers get it, regardless of their limits. */
const PASSED_MS = 3_000;

/** `onRate` and `onFailed` are for the main layer. */
export type VideoLayersOptions = Omit<VideoBranchOptions, "layer">;

/**
 * One codec of one session: one encoder for all viewers, and a second one while some paths carry much less than the
 * others, so that one bad path does not reduce the quality for all.
 */
export class VideoLayers {
  readonly #options: VideoLayersOptions;
  readonly #main: VideoBranch;
  readonly #choice = new LayerChoice<VideoSink>();
  readonly #requests: KeyframeRequests;
  /** Every viewer with its layer. */
  readonly #viewers = new Map<VideoSink, Layer>();
  #low: VideoBranch | undefined;
  /** False once the host cannot open a second encoder. */
  #hasLow = true;
  #assignedAtMs = Number.NEGATIVE_INFINITY;
  #passedAtMs = Number.NEGATIVE_INFINITY;
  /** Settles when the second encoders that are closing have closed. */
  #closing: Promise<unknown> = Promise.resolve();

  constructor(options: VideoLayersOptions) {
    this.#options = options;
    this.#requests = new KeyframeRequests(options);
    this.#main = new VideoBranch({ ...options, layer: "main" });
  }

  /** The encoders that are open. */
  get branches(): readonly VideoBranch[] {
    return this.#low === undefined ? [this.#main] : [this.#main, this.#low];
  }

  /** Why a picture would be dropped in every layer: see {@link VideoBranch.fullBy}. */
  get fullBy(): FrameDrop | undefined {
    return fullByAll(this.branches);
  }

  /** Settles when there is room for a picture. */
  get room(): Promise<unknown> {
    return Promise.race(this.branches.map(({ room }) => room));
  }

  /** Starts sending to a viewer, from the next keyframe on, in the layer that fits its own limit. */
  add(sink: VideoSink): void {
    this.#viewers.set(sink, "main");
    this.placeLimited();
    if (this.#viewers.get(sink) === "main") this.#main.add(sink);
  }

  /** Stops sending to a viewer. */
  remove(sink: VideoSink): void {
    this.#viewers.delete(sink);
    this.#choice.forget(sink);
    this.#requests.forget(sink);
    for (const branch of this.branches) branch.remove(sink);
  }

  /** Requests a keyframe for a viewer, within its allowance. */
  requestKeyframe(sink: VideoSink, reason: KeyframeRequestReason): void {
    if (!this.#viewers.has(sink)) return;
    this.#requests.add({ sink, branch: this.#branchOf(sink), reason });
  }

  /**
   * Moves viewers whose own limit is too low for the others to the low layer at once. Call when a viewer's limit may
   * have changed: otherwise the next picture would have the lower rate for all.
   */
  placeLimited(): void {
    if (!this.#hasLow || this.#options.clock.now() - this.#passedAtMs < PASSED_MS) return;
    for (const viewer of this.#choice.limited(this.#candidates)) {
      // This viewer waits until the second encoder is open, so that the others need not wait.
      this.#openLow();
      this.#change(viewer);
    }
  }

  /**
   * Encodes a frame of the renderer; settles when its memory is no longer needed. An access unit (H.264, the same for
   * all viewers) is sent unchanged.
   */
  async take(frame: SourceFrame): Promise<void> {
    if (frame.kind === "raw") {
      await Promise.all(this.#assigned().map((branch) => branch.take(frame)));
    } else if (this.#options.codec === "h264") {
      this.#passedAtMs = this.#options.clock.now();
      if (this.#low !== undefined) this.#mergeAll();
      this.#requests.settle(() => this.#main);
      this.#main.pass(frame);
    }
  }

  /** Shows a picture that stays for a while: see {@link VideoBranch.keep}. */
  async keep(moment: IdleMoment): Promise<void> {
    await Promise.all(this.#assigned().map((branch) => branch.keep(moment)));
  }

  /** Frames may come soon: see {@link VideoBranch.stir}. */
  stir(): void {
    for (const branch of this.branches) branch.stir();
  }

  /** Repeats the last picture if that is due: see {@link VideoBranch.refresh}. */
  refresh(timestampUs: number): void {
    for (const branch of this.#assigned()) branch.refresh(timestampUs);
  }

  /** Frees the encoders. Idempotent. */
  async close(): Promise<void> {
    this.#hasLow = false;
    this.#closeLow();
    await this.#main.close();
    await this.#closing;
  }

  /** The open encoders, after reassigning viewers to layers. Cheap: called for each picture. */
  #assigned(): readonly VideoBranch[] {
    this.#assign();
    return this.branches;
  }

  #assign(): void {
    this.#requests.settle((sink) => this.#branchOf(sink));
    this.placeLimited();
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#assignedAtMs < ASSIGN_INTERVAL_MS) return;
    this.#assignedAtMs = nowMs;
    const changes = this.#choice.update(this.#candidates, nowMs);
    for (const viewer of changes) {
      if (this.#viewers.get(viewer) === "low" || this.#openLow()) this.#change(viewer);
    }
    if (this.#low?.size === 0 && changes.length === 0) this.#closeLow();
  }

  #branchOf(sink: VideoSink): VideoBranch {
    return this.#viewers.get(sink) === "low" ? this.#low ?? this.#main : this.#main;
  }

  /** The viewers that receive pictures at present. */
  get #candidates(): LayerCandidate<VideoSink>[] {
    return [...this.#viewers].filter(([viewer]) => !viewer.isPaused).map(([viewer, layer]) => {
      const { targetKbps, limitKbps } = viewer;
      return { viewer, layer, targetKbps, limitKbps };
    });
  }

  /** Moves a viewer to the other layer, whose encoder is open or opening. */
  #change(viewer: VideoSink): void {
    const to: Layer = this.#viewers.get(viewer) === "low" ? "main" : "low";
    this.#branchOf(viewer).remove(viewer);
    this.#viewers.set(viewer, to);
    this.#choice.forget(viewer);
    this.#branchOf(viewer).add(viewer);
    this.#options.meter.count("layer_changes_total", { to });
  }

  /** @returns Whether the second encoder is ready: until then viewers stay where they are. */
  #openLow(): boolean {
    if (!this.#hasLow) return false;
    this.#low ??= new VideoBranch({
      ...this.#options,
      layer: "low",
      onRate: () => {},
      onFailed: () => {
        this.#hasLow = false;
        this.#mergeAll();
      },
    });
    return this.#low.isReady;
  }

  #mergeAll(): void {
    for (const [viewer, layer] of this.#viewers) if (layer === "low") this.#change(viewer);
    this.#closeLow();
  }

  #closeLow(): void {
    const low = this.#low;
    this.#low = undefined;
    if (low !== undefined) this.#closing = Promise.all([this.#closing, low.close()]).then(() => {});
  }
}
