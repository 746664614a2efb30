/** What a viewer may say to the renderer in the long run, for each second. */
const MESSAGES_PER_SECOND = 120;
const BYTES_PER_SECOND = 256 * 1024;

/** What it may say at once: two seconds' worth of messages, and a few of the longest. */
const MESSAGES_AT_ONCE = 240;
const BYTES_AT_ONCE = 512 * 1024;

/**
 * Bounds what one viewer sends to the renderer, so that a page that floods costs neither the renderer nor the other
 * viewers anything. Pointer moves come once for each frame of a screen, which fits twice. Pure: times are arguments.
 */
export class MessageBudget {
  #messages = MESSAGES_AT_ONCE;
  #bytes = BYTES_AT_ONCE;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Takes a message out of the budget. @returns False when it does not fit in. */
  take(bytes: number, nowMs: number): boolean {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#messages = Math.min(MESSAGES_AT_ONCE, this.#messages + seconds * MESSAGES_PER_SECOND);
    this.#bytes = Math.min(BYTES_AT_ONCE, this.#bytes + seconds * BYTES_PER_SECOND);
    if (this.#messages < 1 || this.#bytes < bytes) return false;
    this.#messages -= 1;
    this.#bytes -= bytes;
    return true;
  }
}
