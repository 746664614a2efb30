import type { RawFrame } from "../media/frame.ts";
import type { IdleClip } from "../media/idle/clip.ts";

/** Says what is shown while a session's renderer is idle. Pure: times are arguments. */
export class IdlePictures {
  #clip: IdleClip | undefined;
  #sinceUs: number | undefined;
  /** The clip's own picture that was shown last. */
  #shown: RawFrame | undefined;

  /** Whether viewers see the idle picture now. */
  get showing(): boolean {
    return this.#sinceUs !== undefined;
  }

  /** Uses a clip from now on, and releases it when it is replaced, or in the end. */
  use(clip: IdleClip): void {
    this.#clip?.release();
    this.#clip = clip;
    this.#shown = undefined;
  }

  /** Releases the clip. */
  close(): void {
    this.#clip?.release();
    this.#clip = undefined;
  }

  /** The renderer has a picture again. */
  end(): void {
    this.#sinceUs = undefined;
    this.#shown = undefined;
  }

  /**
   * The picture to show at `timestampUs` of the session's timeline. A clip begins anew each time that the renderer
   * falls idle.
   * @returns `undefined` when the picture before still holds, or there is no clip yet.
   */
  next(timestampUs: number): RawFrame | undefined {
    this.#sinceUs ??= timestampUs;
    const picture = this.#clip?.frameAt(timestampUs - this.#sinceUs);
    if (picture === undefined || picture === this.#shown) return undefined;
    this.#shown = picture;
    return { ...picture, timestampUs };
  }

  /** The picture at `timestampUs` whether or not it was shown before, for an encoder that has none yet. */
  current(timestampUs: number): RawFrame | undefined {
    const picture = this.#clip?.frameAt(timestampUs - (this.#sinceUs ?? timestampUs));
    return picture && { ...picture, timestampUs };
  }
}
