// @ts-check
/// <reference lib="dom" />
/** Gets past the browsers' autoplay rules. @module */

/** Makes one video element play: without sound at first, with sound after a gesture. */
export class Playback {
  #video;
  #changed;
  #unmuteOnGesture;
  #blocked = false;

  /**
   * @param {{ video: HTMLVideoElement, muted?: boolean }} options `muted`: leave the sound off.
   * @param {() => void} changed `blocked` was set anew.
   */
  constructor({ video, muted }, changed) {
    this.#video = video;
    this.#changed = changed;
    this.#unmuteOnGesture = !muted;
  }

  /** The browser refused to play; it needs a gesture first. */
  get blocked() {
    return this.#blocked;
  }

  /**
   * Starts to listen for gestures, until `signal` aborts.
   * @param {AbortSignal} signal
   */
  prepare(signal) {
    this.#video.muted = true;
    this.#video.playsInline = true;
    for (const gesture of ["click", "keydown"]) {
      document.addEventListener(gesture, () => this.#gesture(), { signal });
    }
    signal.addEventListener("abort", () => this.#blocked = false);
  }

  async play() {
    try {
      await this.#video.play();
      this.#blocked = false;
    } catch (error) {
      // Any other failure is a play that a newer stream has replaced.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      this.#blocked = true;
    }
    this.#changed();
  }

  #gesture() {
    if (this.#blocked) this.play();
    const stream = this.#video.srcObject;
    if (!(stream instanceof MediaStream) || stream.getAudioTracks().length === 0) return;
    // Once: whoever turns the sound off later means it.
    if (this.#unmuteOnGesture) this.#video.muted = false;
    this.#unmuteOnGesture = false;
  }
}
