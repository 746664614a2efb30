// @ts-check
/// <reference lib="dom" />
/** Gets past the browsers' autoplay rules. @module */

/** Keys on these do something to them; the click that may follow counts as a gesture. */
const CONTROLS = "a,button,input,select,textarea,summary,[contenteditable],[role=button]";

/** Makes one video element play: without sound at first, with sound after a gesture. */
export class Playback {
  #video;
  #changed;
  /** Whether the next gesture turns the sound on. */
  #unmuteOnGesture;
  /** What `muted` was set to here last; anything else is somebody else's decision. @type {boolean | undefined} */
  #muted;
  #blocked = false;

  /**
   * @param {{ video: HTMLVideoElement, muted?: boolean }} options `muted`: leave the sound off.
   * @param {() => void} changed `blocked` may be another.
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
   * Listens for gestures until `signal` aborts. The first time the sound goes off, as browsers want it; later it stays as
   * it was left.
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
      // Any other failure is a play that a newer stream has replaced.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      if (!this.#video.muted) return this.#playSilently();
      this.#blocked = true;
    }
    this.#changed();
  }

  /** Pictures without sound are better than none: the next gesture turns it on again. */
  #playSilently() {
    this.#setMuted({ muted: true });
    this.#unmuteOnGesture = true;
    return this.play();
  }

  #gesture() {
    if (this.#blocked) this.play();
    const stream = this.#video.srcObject;
    if (!(stream instanceof MediaStream) || stream.getAudioTracks().length === 0) return;
    // Once: people who turn the sound off later mean it.
    if (this.#unmuteOnGesture) this.#setMuted({ muted: false });
    this.#unmuteOnGesture = false;
  }

  /** The page or the person has decided about the sound, which no later gesture overrules. */
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
 * Whether a key is pressed for the stream: keys that move the focus, type into a field or belong to the browser are not.
 * @param {KeyboardEvent} event
 */
function isGesture({ key, ctrlKey, altKey, metaKey, target }) {
  if (ctrlKey || altKey || metaKey) return false;
  if (target instanceof Element && target.closest(CONTROLS)) return false;
  return key === "Enter" || key.length === 1;
}
