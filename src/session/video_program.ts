import type { Clock } from "../base/clock.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { EncodedSourceFrame, FrameSource, RawFrame, SourceFrame } from "../media/frame.ts";
import { IdlePictures } from "./idle_pictures.ts";
import type { IdleClip } from "../media/idle/clip.ts";
import type { VideoBranch } from "./video_branch.ts";
import type { VideoLayers } from "./video_layers.ts";

/** What a {@link VideoProgram} needs. */
export interface VideoProgramOptions {
  readonly clock: Clock;
  /** The session's time now, in microseconds. */
  readonly timelineUs: () => number;
  /** Opens what encodes for the viewers of a codec. */
  readonly openLayers: (codec: VideoCodec) => VideoLayers;
}

/** A frame may be dated this far ahead of the session's time, in microseconds, to be believed. */
const AHEAD_US_MAX = 500_000;

/**
 * What the viewers of a session see: the renderer's frames or the idle pictures, on one timeline that never goes back,
 * in every codec that they need. Going from one to the other changes nothing but the picture.
 */
export class VideoProgram {
  readonly #options: VideoProgramOptions;
  readonly #codecs = new Map<VideoCodec, VideoLayers>();
  readonly #idle = new IdlePictures();
  #lastUs = Number.NEGATIVE_INFINITY;

  constructor(options: VideoProgramOptions) {
    this.#options = options;
  }

  /** What encodes for the viewers of a codec, opened if there is nothing. */
  layers(codec: VideoCodec): VideoLayers {
    let layers = this.#codecs.get(codec);
    if (layers === undefined) {
      layers = this.#options.openLayers(codec);
      this.#codecs.set(codec, layers);
    }
    return layers;
  }

  /** What encodes for the viewers of a codec, if it is open. */
  existing(codec: VideoCodec): VideoLayers | undefined {
    return this.#codecs.get(codec);
  }

  /** Leaves a broken codec out from now on. */
  forget(codec: VideoCodec): void {
    this.#codecs.delete(codec);
  }

  /** Shows these pictures while the renderer has nothing. */
  useIdleClip(clip: IdleClip): void {
    this.#idle.use(clip);
  }

  /** Shows a frame of the renderer; settles when its memory is not needed any more. */
  async show(frame: SourceFrame, source: FrameSource): Promise<void> {
    this.#idle.end();
    const timestampUs = this.#advance(frame.timestampUs);
    if (frame.kind === "h264") return this.#pass({ ...frame, timestampUs }, source);
    await this.#take({ ...frame, timestampUs });
  }

  /** Keeps the last picture up. */
  hold(): Promise<void> {
    this.#refresh();
    return Promise.resolve();
  }

  /** Shows the idle picture of this moment. */
  async idle(): Promise<void> {
    const timestampUs = this.#advance(this.#options.timelineUs());
    const picture = this.#idle.at(timestampUs);
    if (picture === undefined) return this.#refresh();
    await Promise.all(this.#sorted().map((branch) => branch.keep(picture, timestampUs)));
  }

  /** Closes every branch and releases the idle clip. */
  async close(): Promise<void> {
    this.#idle.close();
    await Promise.all([...this.#codecs.values()].map((layers) => layers.close()));
  }

  async #take(frame: RawFrame): Promise<void> {
    await Promise.all(this.#sorted().map((branch) => branch.take(frame)));
  }

  /** Sends the last picture once more where that is due. */
  #refresh(): void {
    const timestampUs = this.#advance(this.#options.timelineUs());
    for (const branch of this.#sorted()) branch.refresh(timestampUs);
  }

  #pass(frame: EncodedSourceFrame, source: FrameSource): void {
    if (this.#codecs.get("h264")?.pass(frame)) source.requestKeyframe?.();
  }

  /** Every encoder, after viewers have gone to the one that fits them. */
  #sorted(): VideoBranch[] {
    return [...this.#codecs.values()].flatMap((layers) => {
      layers.sort();
      return layers.branches;
    });
  }

  /** The time that a picture is sent with: its own where it goes on from the last one, else the session's. */
  #advance(wantedUs: number): number {
    const nowUs = this.#options.timelineUs();
    const believable = wantedUs > this.#lastUs && wantedUs <= nowUs + AHEAD_US_MAX;
    this.#lastUs = Math.max(believable ? wantedUs : nowUs, this.#lastUs + 1);
    return this.#lastUs;
  }
}
