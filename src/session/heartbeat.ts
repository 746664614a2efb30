/** A session that makes no progress. */
export interface Standstill {
  readonly session: string;
  /** For how long, in milliseconds. */
  readonly ms: number;
}

/** The progress of a session, for a {@link Heartbeat}. */
export interface Beating {
  readonly id: string;
  /** Increases while the session runs; `undefined` while no progress is expected. */
  readonly steps: number | undefined;
}

/**
 * Finds sessions that make no progress although the event loop runs. It counts time by its own checks, not by a clock:
 * otherwise, after the process or host was suspended, all sessions would seem stuck.
 */
export class Heartbeat {
  readonly #intervalMs: number;
  #seen = new Map<string, { readonly steps: number; readonly looks: number }>();

  /** @param intervalMs Time between two checks, in milliseconds. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Checks all sessions, and forgets those not passed. */
  look(sessions: Iterable<Beating>): void {
    const seen = new Map<string, { steps: number; looks: number }>();
    for (const { id, steps } of sessions) {
      if (steps === undefined) continue;
      const former = this.#seen.get(id);
      seen.set(id, { steps, looks: former?.steps === steps ? former.looks + 1 : 0 });
    }
    this.#seen = seen;
  }

  /** The session without progress for the longest time; `undefined` if all progressed since the last check. */
  get longest(): Standstill | undefined {
    let longest: Standstill | undefined;
    for (const [session, { looks }] of this.#seen) {
      const ms = looks * this.#intervalMs;
      if (ms > (longest?.ms ?? 0)) longest = { session, ms };
    }
    return longest;
  }
}
