// @ts-check
/// <reference lib="dom" />
/** Handles the browsers' autoplay rules. @module */

/** Keys on these elements operate them; a resulting click counts as a gesture. */
const CONTROLS = "a,button,input,select,textarea,summary,[contenteditable],[role=button]";

/** Plays a video element: muted at first, with sound after a gesture. */
export class Playback {
  #video;
  #changed;
  /** Whether the next gesture turns the sound on. */
  #unmuteOnGesture;
  /**
   * The last value of `muted` that was set here; another value was set by the page or the user. @type {boolean |
   * undefined}
   */
  #muted;
  #blocked = false;

  /**
   * @param {{ video: HTMLVideoElement, muted?: boolean }} options `muted`: keep the sound off.
   * @param {() => void} changed `blocked` may have changed.
   */
  constructor({ video, muted }, changed) {
    this.#video = video;
    this.#changed = changed;
    this.#unmuteOnGesture = !muted;
  }

  /** Whether the browser refused to play and needs a gesture. */
  get blocked() {
    return this.#blocked;
  }

  /**
   * Listens for gestures until `signal` aborts. Mutes the video the first time, as browsers require; later keeps its
   * setting.
   * @param {AbortSignal} signal
   */
  prepare(signal) {
    if (this.#muted === undefined) this.#setMuted({ muted: true });
    this.#video.playsInline = true;
    document.addEventListener("click", () => this.#gesture(), { signal });
    document.addEventListener("keydown", (event) => isGesture(event) && this.#gesture(), {
      signal,
    });
    this.#video.addEventListener("volumechange", () => this.#volumeChanged(), { signal });
    signal.addEventListener("abort", () => this.#blocked = false);
  }

  /** Never rejects. @returns {Promise<void>} */
  async play() {
    try {
      await this.#video.play();
      this.#blocked = false;
    } catch (error) {
      // Any other failure means that a newer stream replaced this one.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      if (!this.#video.muted) return this.#playSilently();
      this.#blocked = true;
    }
    this.#changed();
  }

  /** Plays muted, because pictures without sound are better than none; the next gesture turns the sound on again. */
  #playSilently() {
    this.#setMuted({ muted: true });
    this.#unmuteOnGesture = true;
    return this.play();
  }

  #gesture() {
    if (this.#blocked) this.play();
    const stream = this.#video.srcObject;
    if (!(stream instanceof MediaStream) || stream.getAudioTracks().length === 0) return;
    // Only once: if the user mutes the video later, it stays muted.
    if (this.#unmuteOnGesture) this.#setMuted({ muted: false });
    this.#unmuteOnGesture = false;
  }

  /** The page or the user has set the sound, so later gestures do not change it. */
  #volumeChanged() {
    if (this.#video.muted === this.#muted) return;
    this.#muted = this.#video.muted;
    this.#unmuteOnGesture = false;
  }

  /** @param {{ muted: boolean }} wish */
  #setMuted({ muted }) {
    this.#muted = muted;
    this.#video.muted = muted;
  }
}

/**
 * Whether a key press counts as a gesture: keys that move the focus, type into a field or belong to the browser do
 * not.
 * @param {KeyboardEvent} event
 */
function isGesture({ key, ctrlKey, altKey, metaKey, target }) {
  if (ctrlKey || altKey || metaKey) return false;
  if (target instanceof Element && target.closest(CONTROLS)) return false;
  return key === "Enter" || key.length === 1;
}
