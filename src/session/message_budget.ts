import { TokenBucket, type TokenRate } from "../base/token_bucket.ts";

/** What a viewer may say to the renderer. At once: two seconds' worth of messages, and a few of the longest. */
const MESSAGES: TokenRate = { perSecond: 120, burst: 240 };
const BYTES: TokenRate = { perSecond: 256 * 1024, burst: 512 * 1024 };

/**
 * Bounds what one viewer sends to the renderer, so that a page that floods costs neither the renderer nor the other
 * viewers anything. Pointer moves come once for each frame of a screen, which fits twice. Pure: times are arguments.
 */
export class MessageBudget {
  readonly #messages = new TokenBucket(MESSAGES);
  readonly #bytes = new TokenBucket(BYTES);

  /** Takes a message out of the budget. @returns False when it does not fit in. */
  take(bytes: number, nowMs: number): boolean {
    return this.#messages.waitMs(nowMs) === 0 && this.#bytes.take(nowMs, bytes) &&
      this.#messages.take(nowMs);
  }
}
