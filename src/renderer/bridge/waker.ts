import type { Clock } from "../../base/clock.ts";

/** Lets one caller wait for a change. */
export class Waker {
  #wake: () => void = () => {};

  /** Something has changed. */
  wake(): void {
    this.#wake();
  }

  /**
   * Asks again after each change until there is an answer, for `waitMs` milliseconds at most.
   * @throws What `ask` throws.
   */
  async until<T>(
    ask: () => T | undefined,
    { clock, waitMs }: { clock: Clock; waitMs: number },
  ): Promise<T | undefined> {
    let late = false;
    const cancel = clock.after(waitMs, () => {
      late = true;
      this.#wake();
    });
    try {
      for (;;) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        const answer = ask();
        if (answer !== undefined || late) return answer;
      }
    } finally {
      cancel();
    }
  }
}
