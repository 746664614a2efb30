import { type Clock, sleep } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { ViewerError } from "./session_api.ts";
import type { Session, SessionWish } from "./session.ts";

/**
 * How long a join waits for the previous session of the same name to close, in milliseconds. A renderer that hangs
 * never closes its session, and a waiting viewer holds a place.
 */
const FORMER_WAIT_MS = 10_000;

/** Holds a session open while a viewer joins it. */
export interface SessionHold {
  readonly session: Session;
  /** Ends the hold; a session without viewers and holds is closed. Idempotent. */
  release(): void;
}

/**
 * The open sessions by name. A session is opened by its first hold and closed when it has no viewers and no holds.
 * The next one of the same name waits until the previous one is closed, because renderers identify sessions by name.
 */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #holds = new Map<string, number>();
  readonly #create: (id: string, wish: SessionWish) => Session;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: {
    create: (id: string, wish: SessionWish) => Session;
    clock: Clock;
    log: Logger;
  }) {
    this.#create = options.create;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Number of names in use: sessions that are open, opening, or closing. */
  get size(): number {
    const names = [this.#sessions, this.#closing, this.#holds].flatMap((each) => [...each.keys()]);
    return new Set(names).size;
  }

  get sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Whether the name is in use, as {@link size} counts it. */
  has(id: string): boolean {
    return this.#sessions.has(id) || this.#closing.has(id) || this.#holds.has(id);
  }

  /** Number of viewers of a session, including those that are joining. */
  audience(id: string): number {
    return (this.#sessions.get(id)?.viewers.size ?? 0) + (this.#holds.get(id) ?? 0);
  }

  /**
   * Visits the session of that name; if there is none, opens it with the parameters of this first hold.
   * @throws {ViewerError} `renderer_failed` if the renderer does not close the previous session of that name.
   */
  async hold(id: string, wish: SessionWish): Promise<SessionHold> {
    this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1);
    if (this.#closing.has(id) && !await this.#isClosed(id)) {
      this.#release(id);
      throw new ViewerError(
        "renderer_failed",
        "The renderer has not closed the previous session yet; try again later",
      );
    }
    let left = false;
    return {
      session: this.#sessions.get(id) ?? this.#open(id, wish),
      release: () => {
        if (left) return;
        left = true;
        this.#release(id);
      },
    };
  }

  /** Closes a session that has no viewers and no holds. */
  closeIfUnused(session: Session): void {
    if (session.viewers.size === 0 && !this.#holds.has(session.id)) this.#close(session);
  }

  /** Closes every session. */
  async closeAll(): Promise<void> {
    // A join that waited for a session to close may meanwhile open the next one.
    while (this.#sessions.size > 0 || this.#closing.size > 0) {
      for (const session of [...this.#sessions.values()]) this.#close(session);
      await Promise.all(this.#closing.values());
    }
  }

  #open(id: string, wish: SessionWish): Session {
    const session = this.#create(id, wish);
    this.#sessions.set(id, session);
    this.#log.info("session_opened", { session: id });
    // After END or a permanent failure the renderer is not called again: the next join opens a new session.
    void session.over.then(() => this.#close(session));
    return session;
  }

  /** Waits for the session of that name to close, and for any that other joins open and leave meanwhile. */
  async #isClosed(id: string): Promise<boolean> {
    const waiting = new AbortController();
    let isLate = false;
    const late = sleep(this.#clock, FORMER_WAIT_MS, waiting.signal).then(() => isLate = true);
    for (let former = this.#closing.get(id); former && !isLate; former = this.#closing.get(id)) {
      await Promise.race([former, late]);
    }
    waiting.abort();
    return !this.#closing.has(id);
  }

  #release(id: string): void {
    const left = (this.#holds.get(id) ?? 1) - 1;
    if (left > 0) {
      this.#holds.set(id, left);
      return;
    }
    this.#holds.delete(id);
    const session = this.#sessions.get(id);
    if (session !== undefined) this.closeIfUnused(session);
  }

  #close(session: Session): void {
    if (this.#sessions.get(session.id) !== session) return;
    this.#sessions.delete(session.id);
    const closing = session.close().catch((error) => {
      this.#log.error("session_close_failed", { session: session.id, error: errorText(error) });
    }).finally(() => {
      this.#closing.delete(session.id);
      const age_ms = Math.round(session.ageMs);
      this.#log.info("session_closed", { session: session.id, age_ms });
    });
    this.#closing.set(session.id, closing);
  }
}
