import type { CancelTimer, Clock } from "../base/clock.ts";

/** Whoever causes drops without end is told of them no more often than this, in milliseconds. */
const INTERVAL_MS = 1_000;

/** Tells of what is dropped: of the first at once, then once a second at most, with how many there were since. */
export class DropTally<Reason> {
  readonly #clock: Clock;
  readonly #tell: (count: number, reason: Reason) => void;
  #count = 0;
  /** Of the latest drop that was not told. */
  #reason: Reason | undefined;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  /** @param tell Hears how many drops there were since it was called last, and why the latest was one. */
  constructor(clock: Clock, tell: (count: number, reason: Reason) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Something was dropped. */
  add(reason: Reason): void {
    if (this.#isClosed) return;
    this.#count++;
    this.#reason = reason;
    if (this.#cancelTimer === undefined) this.#tellNow();
  }

  /** Tells nothing any more. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  #tellNow(): void {
    const [count, reason] = [this.#count, this.#reason];
    this.#count = 0;
    this.#reason = undefined;
    this.#cancelTimer = undefined;
    if (reason === undefined) return;
    this.#cancelTimer = this.#clock.after(INTERVAL_MS, () => this.#tellNow());
    this.#tell(count, reason);
  }
}
