/** A session that stands still. */
export interface Standstill {
  readonly session: string;
  /** For how long, in milliseconds. */
  readonly ms: number;
}

/** What a {@link Heartbeat} sees of a session. */
export interface Beating {
  readonly id: string;
  /** Counts up while it goes on; `undefined` while nothing is expected of it. */
  readonly turns: number | undefined;
}

/**
 * Finds sessions that do not go on though the event loop turns. Time is counted by looks, not by a clock: a process that
 * was stopped, or whose host slept, would else find all sessions standing still when it wakes up.
 */
export class Heartbeat {
  readonly #intervalMs: number;
  #seen = new Map<string, { readonly turns: number; readonly looks: number }>();

  /** @param intervalMs Time between two looks, in milliseconds. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Looks at all sessions; those that are left out are forgotten. */
  look(sessions: Iterable<Beating>): void {
    const seen = new Map<string, { turns: number; looks: number }>();
    for (const { id, turns } of sessions) {
      if (turns === undefined) continue;
      const former = this.#seen.get(id);
      seen.set(id, { turns, looks: former?.turns === turns ? former.looks + 1 : 0 });
    }
    this.#seen = seen;
  }

  /** The one that stands still for longest; `undefined` when all went on since the last look. */
  get longest(): Standstill | undefined {
    let longest: Standstill | undefined;
    for (const [session, { looks }] of this.#seen) {
      const ms = looks * this.#intervalMs;
      if (ms > (longest?.ms ?? 0)) longest = { session, ms };
    }
    return longest;
  }
}
