import type { RawFrame } from "../media/frame.ts";

/** Pictures for while the renderer has nothing; they never change and may be read at any time. */
export interface IdleClip {
  /** Whether it is always the same picture. */
  readonly still: boolean;
  /** The picture that is `elapsedUs` after the beginning; the clip repeats. */
  frameAt(elapsedUs: number): RawFrame;
}

/** Says what is shown while a session's renderer is idle. Pure: times are arguments. */
export class IdlePictures {
  #clip: IdleClip | undefined;
  #sinceUs: number | undefined;
  #stillShown = false;

  /** Whether viewers see the idle picture now. */
  get showing(): boolean {
    return this.#sinceUs !== undefined;
  }

  /** Uses a clip from now on. */
  use(clip: IdleClip): void {
    this.#clip = clip;
    this.#stillShown = false;
  }

  /** The renderer has a picture again. */
  end(): void {
    this.#sinceUs = undefined;
    this.#stillShown = false;
  }

  /**
   * The picture to show at `timestampUs` of the session's timeline. A clip begins anew each time that the renderer
   * falls idle.
   * @returns `undefined` when the picture before still holds, or there is no clip yet.
   */
  next(timestampUs: number): RawFrame | undefined {
    this.#sinceUs ??= timestampUs;
    if (this.#clip === undefined || (this.#clip.still && this.#stillShown)) return undefined;
    this.#stillShown = true;
    return this.current(timestampUs);
  }

  /** The picture at `timestampUs` whether or not it was shown before, for an encoder that has none yet. */
  current(timestampUs: number): RawFrame | undefined {
    const frame = this.#clip?.frameAt(timestampUs - (this.#sinceUs ?? timestampUs));
    return frame && { ...frame, timestampUs };
  }
}
