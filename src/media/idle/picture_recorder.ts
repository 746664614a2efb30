import { IDLE_PICTURES_PER_S_MIN } from "./limits.ts";

/** Memory for a {@link PictureRecorder}, counted in pictures. */
export interface PictureRoom {
  /** Reserves memory for one more picture; false if there is none. The first picture always gets it. */
  reserve(): boolean;
  /** Releases memory. */
  free(pictures: number): void;
}

/** The recorded pictures of one source. */
export interface Recording<P> {
  readonly pictures: readonly P[];
  /** Start of each, in microseconds; the first is 0. */
  readonly startsUs: readonly number[];
  /** End of the source's last picture, or where the recording was cut. */
  readonly durationUs: number;
  /** Every `step`-th picture of the source was kept: 1, 2, 4, … */
  readonly step: number;
  /** Whether the source continues after the last picture. */
  readonly cut: boolean;
}

/**
 * Records as many pictures of a source as fit into memory. When it is full, every second picture is dropped, so that
 * the loop keeps its length and speed; below {@link IDLE_PICTURES_PER_S_MIN} it is cut instead.
 */
export class PictureRecorder<P> {
  readonly #room: PictureRoom;
  #kept: { readonly picture: P; readonly startUs: number }[] = [];
  /** Number of pictures of the source so far. */
  #seen = 0;
  #step = 1;
  #endUs = 0;
  #cut = false;

  constructor(room: PictureRoom) {
    this.#room = room;
  }

  /**
   * Announces the next picture of the source.
   * @param endUs End of the picture.
   * @returns Whether to {@link add} it; others need not be converted.
   */
  advance(endUs: number): boolean {
    this.#endUs = endUs;
    return this.#seen++ % this.#step === 0;
  }

  /**
   * Adds the picture that was announced last.
   * @returns False if the recording is complete: there is no memory for this and later pictures.
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

  /** The recording so far. */
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
