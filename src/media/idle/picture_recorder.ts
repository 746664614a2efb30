import { IDLE_PICTURES_PER_S_MIN } from "./limits.ts";

/** The room that a {@link PictureRecorder} may fill, counted in pictures. */
export interface PictureRoom {
  /** Takes room for one more picture; false when there is none. The first one always finds room. */
  reserve(): boolean;
  /** Gives room back. */
  free(pictures: number): void;
}

/** The pictures of one source that found room. */
export interface Recording<P> {
  readonly pictures: readonly P[];
  /** When each begins, in microseconds; the first is 0. */
  readonly startsUs: readonly number[];
  /** End of the source's last picture, or where the recording was cut. */
  readonly durationUs: number;
  /** Every how many-th picture of the source was kept: 1, 2, 4, … */
  readonly step: number;
  /** Whether the source goes on behind the last picture. */
  readonly cut: boolean;
}

/**
 * Keeps as many pictures of a source as there is room for. When the room is full, every second one goes, so that the
 * loop keeps its length and its speed; below {@link IDLE_PICTURES_PER_S_MIN} it is cut short instead.
 */
export class PictureRecorder<P> {
  readonly #room: PictureRoom;
  #kept: { readonly picture: P; readonly startUs: number }[] = [];
  /** Pictures of the source so far. */
  #seen = 0;
  #step = 1;
  #endUs = 0;
  #cut = false;

  constructor(room: PictureRoom) {
    this.#room = room;
  }

  /**
   * Tells of the next picture of the source.
   * @param endUs When it ends.
   * @returns Whether to {@link add} it; the others need not even be converted.
   */
  advance(endUs: number): boolean {
    this.#endUs = endUs;
    return this.#seen++ % this.#step === 0;
  }

  /**
   * Keeps the picture that was told of last.
   * @returns False when the recording is over: there is no room for this picture nor for those behind it.
   */
  add(picture: P, startUs: number): boolean {
    while (!this.#room.reserve()) {
      if (this.#kept.length / 2 <= IDLE_PICTURES_PER_S_MIN * startUs / 1e6) {
        this.#cut = true;
        this.#endUs = startUs;
        return false;
      }
      this.#halve();
      if ((this.#seen - 1) % this.#step !== 0) return true;
    }
    this.#kept.push({ picture, startUs });
    return true;
  }

  /** What was kept. */
  finish(): Recording<P> {
    return {
      pictures: this.#kept.map(({ picture }) => picture),
      startsUs: this.#kept.map(({ startUs }) => startUs),
      durationUs: this.#endUs,
      step: this.#step,
      cut: this.#cut,
    };
  }

  #halve(): void {
    const before = this.#kept.length;
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    this.#step *= 2;
    this.#room.free(before - this.#kept.length);
  }
}
