import type { Clock } from "../base/clock.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { SourceFrame } from "../media/frame.ts";
import type { PictureOutput } from "./frame_loop.ts";
import { IdlePictures } from "./idle_pictures.ts";
import type { IdleClip } from "../media/idle/clip.ts";
import type { VideoLayers } from "./video_layers.ts";

export interface VideoProgramOptions {
  readonly clock: Clock;
  /** The session's time now, in microseconds. */
  readonly timelineUs: () => number;
  /** Opens the encoders for a codec. */
  readonly openLayers: (codec: VideoCodec) => VideoLayers;
}

/** Frame timestamps further ahead of the session's time, in microseconds, are replaced. */
const AHEAD_US_MAX = 500_000;

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
  existing(codec: VideoCodec): VideoLayers | undefined {
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
    const picture = this.#idle.at(timestampUs);
    if (picture === undefined) return this.hold();
    await Promise.all(this.#layers.map((layers) => layers.keep(picture, timestampUs)));
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
