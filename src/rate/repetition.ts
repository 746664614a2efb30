/** Loss from which packets are sent twice, and below which no longer. */
const LOSS = { begin: 0.045, atOnce: 0.07, end: 0.015 } as const;
/** How long the loss has to stay high, or low. */
const HIGH_MS = 1_000;
const LOW_MS = 5_000;
/** While packets of before a change are still reported, the loss is unknown. */
const CHANGE_MS = 1_000;

/**
 * Decides whether packets are sent twice, because so many get lost that asking for them again comes too late. Pure:
 * times are arguments.
 */
export class Repetition {
  #isOn = false;
  #changedAtMs = Number.NEGATIVE_INFINITY;
  /** Since when the loss calls for a change. */
  #sinceMs: number | undefined;

  /** Whether packets are sent twice. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Whether the measured loss is still that of before a change. */
  isChanging(nowMs: number): boolean {
    return nowMs - this.#changedAtMs < CHANGE_MS;
  }

  /**
   * Processes the measured loss.
   * @param lossRatio Fraction of packets of which nothing arrived, 0 to 1.
   * @param options.isAffordable Whether half of the rate is enough for pictures.
   * @returns Whether it changed.
   */
  update(
    lossRatio: number,
    { nowMs, isAffordable }: { nowMs: number; isAffordable: boolean },
  ): boolean {
    if (this.#isOn && !isAffordable) return this.#switch(nowMs);
    if (this.isChanging(nowMs)) return false;
    // Both copies get lost with the square of the probability.
    const isDue = this.#isOn
      ? Math.sqrt(lossRatio) < LOSS.end
      : lossRatio >= LOSS.begin && isAffordable;
    this.#sinceMs = isDue ? this.#sinceMs ?? nowMs : undefined;
    const forMs = this.#isOn ? LOW_MS : lossRatio >= LOSS.atOnce ? 0 : HIGH_MS;
    return isDue && nowMs - (this.#sinceMs ?? nowMs) >= forMs && this.#switch(nowMs);
  }

  #switch(nowMs: number): true {
    this.#isOn = !this.#isOn;
    this.#changedAtMs = nowMs;
    this.#sinceMs = undefined;
    return true;
  }
}
