import type { RawFrame } from "../media/frame.ts";
import type { IdleClip } from "../media/idle/clip.ts";

/** Says which picture is on while a session's renderer is idle. Pure: times are arguments. */
export class IdlePictures {
  #clip: IdleClip | undefined;
  #sinceUs: number | undefined;

  /** Uses a clip from now on, and releases it when it is replaced, or in the end. */
  use(clip: IdleClip): void {
    this.#clip?.release();
    this.#clip = clip;
  }

  /** Releases the clip. */
  close(): void {
    this.#clip?.release();
    this.#clip = undefined;
  }

  /** The renderer has a picture again. */
  end(): void {
    this.#sinceUs = undefined;
  }

  /**
   * The picture that is on at `timestampUs` of the session's timeline. A clip begins anew each time that the renderer
   * falls idle.
   * @returns The clip's own picture, the same object for as long as it is on; `undefined` when there is no clip yet.
   */
  at(timestampUs: number): RawFrame | undefined {
    this.#sinceUs ??= timestampUs;
    return this.#clip?.frameAt(timestampUs - this.#sinceUs);
  }
}
