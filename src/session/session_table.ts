import { type Clock, sleep } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { ViewerError } from "./session_api.ts";
import type { Session, SessionWish } from "./session.ts";

/**
 * How long a visit waits for the previous session of the same name to close, in milliseconds. A renderer that hangs
 * never closes its session, and a waiting viewer holds a place.
 */
const FORMER_WAIT_MS = 10_000;

/** Holds a session open while a viewer joins it. */
export interface SessionVisit {
  readonly session: Session;
  /** Ends the visit; a session without viewers and visits is closed. Idempotent. */
  leave(): void;
}

/**
 * The open sessions by name. A session is opened by its first visit and closed when it has no viewers and no visits.
 * The next one of the same name waits until the previous one is closed, because renderers identify sessions by name.
 */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #visits = new Map<string, number>();
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
    const names = [this.#sessions, this.#closing, this.#visits].flatMap((each) => [...each.keys()]);
    return new Set(names).size;
  }

  get sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Whether the name is in use, as {@link size} counts it. */
  has(id: string): boolean {
    return this.#sessions.has(id) || this.#closing.has(id) || this.#visits.has(id);
  }

  /** Number of viewers of a session, including those that are joining. */
  audience(id: string): number {
    return (this.#sessions.get(id)?.viewers.size ?? 0) + (this.#visits.get(id) ?? 0);
  }

  /**
   * Visits the session of that name; if there is none, opens it with the parameters of this first visit.
   * @throws {ViewerError} `renderer_failed` if the renderer does not close the previous session of that name.
   */
  async visit(id: string, wish: SessionWish): Promise<SessionVisit> {
    this.#visits.set(id, (this.#visits.get(id) ?? 0) + 1);
    if (this.#closing.has(id) && !await this.#isClosed(id)) {
      this.#endVisit(id);
      throw new ViewerError(
        "renderer_failed",
        "The renderer has not closed the previous session yet; try again later",
      );
    }
    let left = false;
    return {
      session: this.#sessions.get(id) ?? this.#open(id, wish),
      leave: () => {
        if (left) return;
        left = true;
        this.#endVisit(id);
      },
    };
  }

  /** Closes a session that has no viewers and no visits. */
  closeIfUnused(session: Session): void {
    if (session.viewers.size === 0 && !this.#visits.has(session.id)) this.#close(session);
  }

  /** Closes every session. */
  async closeAll(): Promise<void> {
    // A visit that waited for a session to close may meanwhile open the next one.
    while (this.#sessions.size > 0 || this.#closing.size > 0) {
      for (const session of [...this.#sessions.values()]) this.#close(session);
      await Promise.all(this.#closing.values());
    }
  }

  #open(id: string, wish: SessionWish): Session {
    const session = this.#create(id, wish);
    this.#sessions.set(id, session);
    this.#log.info("session_opened", { session: id });
    // After END or a permanent failure the renderer is not called again: the next visit opens a new session.
    void session.over.then(() => this.#close(session));
    return session;
  }

  /** Waits for the session of that name to close, and for any that other visits open and leave meanwhile. */
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

  #endVisit(id: string): void {
    const left = (this.#visits.get(id) ?? 1) - 1;
    if (left > 0) {
      this.#visits.set(id, left);
      return;
    }
    this.#visits.delete(id);
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
