import type { Clock } from "../../base/clock.ts";

/** Lets one caller wait for changes. */
export class Waker {
  #wake: () => void = () => {};

  /** Signals a change. */
  wake(): void {
    this.#wake();
  }

  /**
   * Calls `ask` again after each change until it returns a value, for at most `waitMs` milliseconds.
   * @throws Whatever `ask` throws.
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
