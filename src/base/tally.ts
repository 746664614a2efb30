import type { CancelTimer, Clock } from "./clock.ts";
import { TokenBucket, type TokenRate } from "./token_bucket.ts";

/** What is told of things that may happen without end: at once, then once a second. */
const ONCE_A_SECOND: TokenRate = { perSecond: 1, burst: 1 };

/**
 * Tells of what somebody may cause without end: of the first at once, then no faster than a rate, with how many there
 * were since. Nothing is left out of the counts: what is held back is told as soon as the rate allows it.
 */
export class Tally<Reason> {
  readonly #clock: Clock;
  readonly #tell: (count: number, reason: Reason) => void;
  readonly #allowance: TokenBucket;
  #held: { count: number; reason: Reason } | undefined;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  /**
   * @param tell Gets how many there were since it was called last, and the reason of the latest.
   * @param rate How fast it is called. Default: once a second.
   */
  constructor(
    clock: Clock,
    tell: (count: number, reason: Reason) => void,
    rate: TokenRate = ONCE_A_SECOND,
  ) {
    this.#clock = clock;
    this.#tell = tell;
    this.#allowance = new TokenBucket(rate);
  }

  /** It happened, once unless told. */
  add(reason: Reason, count = 1): void {
    if (this.#isClosed) return;
    this.#held = { count: (this.#held?.count ?? 0) + count, reason };
    if (this.#cancelTimer === undefined) this.#tellWhenDue();
  }

  /** Tells what is held back, without waiting. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#tell(held.count, held.reason);
  }

  /** Tells nothing any more. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  #tellWhenDue(): void {
    const waitMs = this.#allowance.waitMs(this.#clock.now());
    if (waitMs > 0) {
      this.#cancelTimer = this.#clock.after(waitMs, () => this.#tellWhenDue());
      return;
    }
    this.#allowance.take(this.#clock.now());
    this.flush();
  }
}
