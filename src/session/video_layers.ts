import type { EncodedSourceFrame } from "../media/frame.ts";
import type { VideoSink } from "../transport/peer_transport.ts";
import { type Layer, LayerChoice } from "./layer_choice.ts";
import { KeyframeRequests } from "./keyframe_requests.ts";
import { type KeyframeReason, VideoBranch, type VideoBranchOptions } from "./video_branch.ts";

/** How often viewers are sorted anew, in milliseconds. */
const SORT_INTERVAL_MS = 500;

/** What {@link VideoLayers} need; rate and failure are those of the main layer. */
export type VideoLayersOptions = Omit<VideoBranchOptions, "layer">;

/**
 * One codec of one session: one encoder for all viewers, and a second one while the paths of some take much less than
 * those of the others. One bad path then does not spoil the picture of all.
 */
export class VideoLayers {
  readonly #options: VideoLayersOptions;
  readonly #main: VideoBranch;
  readonly #choice = new LayerChoice<VideoSink>();
  readonly #requests: KeyframeRequests;
  /** Every viewer, and which layer it is sent. */
  readonly #viewers = new Map<VideoSink, Layer>();
  #low: VideoBranch | undefined;
  /** A host whose encoders are used up does with one. */
  #hasLow = true;
  #sortedAtMs = Number.NEGATIVE_INFINITY;
  /** Second encoders that are being closed. */
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

  /** Sends to a viewer, from the next keyframe on. */
  add(sink: VideoSink): void {
    this.#viewers.set(sink, "main");
    this.#main.add(sink);
  }

  /** Stops sending to a viewer. */
  remove(sink: VideoSink): void {
    this.#viewers.delete(sink);
    this.#choice.forget(sink);
    this.#requests.forget(sink);
    for (const branch of this.branches) branch.remove(sink);
  }

  /** Makes one of the next frames that a viewer gets a keyframe, as often as that is fair to the others. */
  requestKeyframe(sink: VideoSink, reason: KeyframeReason): void {
    if (!this.#viewers.has(sink)) return;
    this.#requests.add({ sink, branch: this.#branchOf(sink), reason });
  }

  /** Looks whether somebody should get another layer. Cheap: called for each picture. */
  sort(): void {
    this.#requests.settle((sink) => this.#branchOf(sink));
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#sortedAtMs < SORT_INTERVAL_MS) return;
    this.#sortedAtMs = nowMs;
    const candidates = [...this.#viewers]
      .filter(([viewer]) => !viewer.isPaused)
      .map(([viewer, layer]) => ({ viewer, layer, targetKbps: viewer.targetKbps }));
    const changes = this.#choice.update(candidates, nowMs);
    for (const viewer of changes) this.#change(viewer);
    if (this.#low?.size === 0 && changes.length === 0) this.#closeLow();
  }

  /**
   * Sends an access unit that the renderer encoded by itself, which is one for all.
   * @returns Whether the renderer should make a keyframe soon.
   */
  pass(frame: EncodedSourceFrame): boolean {
    if (this.#low !== undefined) this.#mergeAll();
    this.#requests.settle(() => this.#main);
    return this.#main.pass(frame);
  }

  /** Frees the encoders. Idempotent. */
  async close(): Promise<void> {
    this.#hasLow = false;
    this.#closeLow();
    await this.#main.close();
    await this.#closing;
  }

  #branchOf(sink: VideoSink): VideoBranch {
    return this.#viewers.get(sink) === "low" ? this.#low ?? this.#main : this.#main;
  }

  #change(viewer: VideoSink): void {
    const to: Layer = this.#viewers.get(viewer) === "low" ? "main" : "low";
    if (to === "low" && !this.#openLow()) return;
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
