import type { Clock } from "../base/clock.ts";

/** Ends a turn. Idempotent. */
export type EndTurn = () => void;

/**
 * A turn that lasts longer, in milliseconds, no longer counts: an encoder that hangs in its driver must cost its own
 * session only.
 */
const TURN_MS_MAX = 2_000;

/**
 * Limits how many pictures of all sessions are compressed at a time. More threads than cores would take the processor
 * from the event loop, and the sessions would share it by chance. Whoever waits is served in order, and each encoding
 * waits for one turn at most, so that all lose the same share when not every picture can be compressed.
 */
export class EncodingTurns {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #queue: ((end: EndTurn) => void)[] = [];
  #running = 0;
  #busyMs = 0;
  #countedToMs: number;

  /** @param options `limit`: pictures at a time, at least 1. */
  constructor({ limit, clock }: { limit: number; clock: Clock }) {
    this.#limit = limit;
    this.#clock = clock;
    this.#countedToMs = clock.now();
  }

  /** Takes a turn that is free now; `undefined` if there is none, and {@link wait} waits for one. */
  take(): EndTurn | undefined {
    return this.#running < this.#limit ? this.#begin() : undefined;
  }

  /** Settles when it is this caller's turn. The caller must end the turn even if it no longer needs it. */
  wait(): Promise<EndTurn> {
    const free = this.take();
    if (free !== undefined) return Promise.resolve(free);
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  /** Does the work when it is its turn. */
  async run(work: () => Promise<void>): Promise<void> {
    const end = this.take() ?? await this.wait();
    try {
      await work();
    } finally {
      end();
    }
  }

  /** Milliseconds that pictures were compressed since the start, divided by the limit: what it is at most of the time. */
  get busyMs(): number {
    this.#count();
    return this.#busyMs / this.#limit;
  }

  #begin(): EndTurn {
    this.#count();
    this.#running++;
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      cancel();
      this.#count();
      this.#running--;
      const next = this.#queue.shift();
      if (next !== undefined) next(this.#begin());
    };
    const cancel = this.#clock.after(TURN_MS_MAX, end);
    return end;
  }

  #count(): void {
    const nowMs = this.#clock.now();
    this.#busyMs += this.#running * (nowMs - this.#countedToMs);
    this.#countedToMs = nowMs;
  }
}
