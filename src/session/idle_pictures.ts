import type { RawFrame } from "../media/frame.ts";
import type { IdleClip } from "../media/idle/clip.ts";

/** Selects the picture to show while a session's renderer is idle. Pure: times are arguments. */
export class IdlePictures {
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
   * @returns The clip's picture, the same object as long as it is shown; `undefined` while there is no clip.
   */
  at(timestampUs: number): RawFrame | undefined {
    this.#sinceUs ??= timestampUs;
    return this.#clip?.frameAt(timestampUs - this.#sinceUs);
  }
}
