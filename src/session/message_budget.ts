import { TokenBucket, type TokenRate } from "../base/token_bucket.ts";

/**
 * Limits of a viewer's messages to the renderer. A burst may have two seconds' worth of messages, and a few of the
 * longest.
 */
const MESSAGES: TokenRate = { perSecond: 120, burst: 240 };
const BYTES: TokenRate = { perSecond: 256 * 1024, burst: 512 * 1024 };

/**
 * Limits what one viewer sends to the renderer, so that a flooding page does not affect the renderer or other viewers.
 * The limit is twice the rate of pointer moves at one per screen refresh. Pure: times are arguments.
 */
export class MessageBudget {
  readonly #messages = new TokenBucket(MESSAGES);
  readonly #bytes = new TokenBucket(BYTES);

  /** Charges a message to the budget. @returns False if it does not fit. */
  take(bytes: number, nowMs: number): boolean {
    return this.#messages.waitMs(nowMs) === 0 && this.#bytes.take(nowMs, bytes) &&
      this.#messages.take(nowMs);
  }
}
