import type { RawFrame, SourceFrame } from "../media/frame.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { type Layer, type LayerCandidate, LayerChoice } from "../rate/layer_choice.ts";
import { KeyframeRequests } from "./keyframe_requests.ts";
import type { KeyframeRequestReason } from "./metrics.ts";
import { VideoBranch, type VideoBranchOptions } from "./video_branch.ts";

/** How often viewers are assigned to layers, in milliseconds. */
const SORT_INTERVAL_MS = 500;
/** If the renderer's own encoding was sent within this time, all viewers get it, regardless of their limits. */
const PASSED_MS = 3_000;

/** `onRate` and `onFailed` are for the main layer. */
export interface VideoLayersOptions extends Omit<VideoBranchOptions, "layer"> {
  /** The renderer, which encodes, should produce a keyframe soon. */
  readonly onKeyframeDue: () => void;
}

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
  #sortedAtMs = Number.NEGATIVE_INFINITY;
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
      await Promise.all(this.#sorted().map((branch) => branch.take(frame)));
    } else if (this.#options.codec === "h264") {
      this.#passedAtMs = this.#options.clock.now();
      if (this.#low !== undefined) this.#mergeAll();
      this.#requests.settle(() => this.#main);
      if (this.#main.pass(frame)) this.#options.onKeyframeDue();
    }
  }

  /** Shows a picture that stays for a while: see {@link VideoBranch.keep}. */
  async keep(picture: RawFrame, timestampUs: number): Promise<void> {
    await Promise.all(this.#sorted().map((branch) => branch.keep(picture, timestampUs)));
  }

  /** Repeats the last picture if that is due: see {@link VideoBranch.refresh}. */
  refresh(timestampUs: number): void {
    for (const branch of this.#sorted()) branch.refresh(timestampUs);
  }

  /** Frees the encoders. Idempotent. */
  async close(): Promise<void> {
    this.#hasLow = false;
    this.#closeLow();
    await this.#main.close();
    await this.#closing;
  }

  /** The open encoders, after reassigning viewers to layers. Cheap: called for each picture. */
  #sorted(): readonly VideoBranch[] {
    this.#sort();
    return this.branches;
  }

  #sort(): void {
    this.#requests.settle((sink) => this.#branchOf(sink));
    this.placeLimited();
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#sortedAtMs < SORT_INTERVAL_MS) return;
    this.#sortedAtMs = nowMs;
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
    return this.#low.encoderName !== undefined;
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
