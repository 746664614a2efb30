import type { CancelTimer, Clock } from "./clock.ts";
import { TokenBucket, type TokenRate } from "./token_bucket.ts";

/** Default rate of reports: at once, then once a second. */
const ONCE_A_SECOND: TokenRate = { perSecond: 1, burst: 1 };

/**
 * Reports occurrences that a client may cause without limit: the first at once, then at a limited rate, with the number
 * since the last report. The counts are complete: held-back occurrences are reported as soon as the rate allows.
 */
export class Tally<Reason> {
  readonly #clock: Clock;
  readonly #tell: (count: number, reason: Reason) => void;
  readonly #allowance: TokenBucket;
  #held: { count: number; reason: Reason } | undefined;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  /**
   * @param tell Receives the number since its last call, and the reason of the latest.
   * @param rate Rate limit of its calls. Default: once a second.
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

  /** Counts occurrences; by default one. */
  add(reason: Reason, count = 1): void {
    if (this.#isClosed) return;
    this.#held = { count: (this.#held?.count ?? 0) + count, reason };
    if (this.#cancelTimer === undefined) this.#tellWhenDue();
  }

  /** Reports held-back occurrences at once. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#tell(held.count, held.reason);
  }

  /** Stops reporting. Idempotent. */
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
