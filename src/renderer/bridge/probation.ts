import type { CancelTimer, Clock } from "../../base/clock.ts";

/** How long a session's process has to last after the session's first picture, in milliseconds. */
const PROOF_MS = 1_000;

/** A session that does not answer is stuck, not crashing; the others wait no longer than this, in milliseconds. */
const ANSWER_TIMEOUT_MS = 30_000;

/** Processes in a row that may end by one session. */
const STRIKES_MAX = 3;

/** How long a session that ended so many is not opened again, in milliseconds: one try a minute disturbs few. */
export const QUARANTINE_MS = 60_000;

/** Names that are remembered; they come from viewers. */
const NAMES_MAX = 256;

/** What is watched: `id` is the name of the session. */
export interface Probationer {
  readonly id: string;
}

/**
 * Finds the session that ends the process of an isolated library, so that it does not take the others with it for ever.
 *
 * A session is on probation from its opening until its process has lasted a second after its first picture. Who was on
 * probation when a process ended is a suspect, and is opened again by itself, when nobody else is on probation. So the
 * next end is that of one session alone; the third in a row puts its name into quarantine.
 */
export class Probation<Session extends Probationer> {
  readonly #clock: Clock;
  readonly #open: (session: Session) => void;
  readonly #onProbation = new Map<
    Session,
    { readonly answered: boolean; readonly cancel: CancelTimer }
  >();
  readonly #suspects = new Set<Session>();
  readonly #strikes = new Map<string, { readonly count: number; readonly atMs: number }>();
  #isRunning = false;

  /** @param open Opens a session in the present process. */
  constructor(clock: Clock, open: (session: Session) => void) {
    this.#clock = clock;
    this.#open = open;
  }

  /** A process is there. Opens all sessions, suspects one by one. */
  begin(sessions: Iterable<Session>): void {
    this.#isRunning = true;
    for (const session of sessions) if (!this.#suspects.has(session)) this.#start(session);
    this.#startSuspect();
  }

  /** Opens a new session, or leaves that to {@link begin} while there is no process. */
  add(session: Session): void {
    if (this.#isRunning) this.#start(session);
  }

  /** A session has answered a call for a picture. */
  answered(session: Session): void {
    const found = this.#onProbation.get(session);
    if (found === undefined || found.answered) return;
    found.cancel();
    this.#watch(session, { answered: true, ms: PROOF_MS });
  }

  /** A session is closed. */
  remove(session: Session): void {
    this.#onProbation.get(session)?.cancel();
    this.#onProbation.delete(session);
    this.#suspects.delete(session);
    this.#startSuspect();
  }

  /** The process is gone. @returns A session that goes into quarantine by that. */
  ended(): Session | undefined {
    this.#isRunning = false;
    const [session, ...others] = this.#onProbation.keys();
    for (const { cancel } of this.#onProbation.values()) cancel();
    for (const suspect of this.#onProbation.keys()) this.#suspects.add(suspect);
    this.#onProbation.clear();
    if (session === undefined || others.length > 0) return undefined;
    const count = (this.#strikes.get(session.id)?.count ?? 0) + 1;
    this.#strikes.delete(session.id);
    this.#strikes.set(session.id, { count, atMs: this.#clock.now() });
    const [oldest] = this.#strikes.keys();
    if (this.#strikes.size > NAMES_MAX && oldest !== undefined) this.#strikes.delete(oldest);
    return this.isQuarantined(session.id) ? session : undefined;
  }

  /** Whether sessions of that name may not be opened now. */
  isQuarantined(id: string): boolean {
    const { count = 0, atMs = 0 } = this.#strikes.get(id) ?? {};
    return count >= STRIKES_MAX && this.#clock.now() - atMs < QUARANTINE_MS;
  }

  /** Nothing is opened any more. Idempotent. */
  close(): void {
    this.#isRunning = false;
    for (const { cancel } of this.#onProbation.values()) cancel();
    this.#onProbation.clear();
  }

  #start(session: Session): void {
    this.#watch(session, { answered: false, ms: ANSWER_TIMEOUT_MS });
    this.#open(session);
  }

  #watch(session: Session, { answered, ms }: { answered: boolean; ms: number }): void {
    const cancel = this.#clock.after(ms, () => this.#prove(session));
    this.#onProbation.set(session, { answered, cancel });
  }

  #prove(session: Session): void {
    this.#onProbation.delete(session);
    this.#suspects.delete(session);
    this.#strikes.delete(session.id);
    this.#startSuspect();
  }

  #startSuspect(): void {
    const [suspect] = this.#suspects;
    const isFree = this.#isRunning && this.#onProbation.size === 0;
    if (isFree && suspect !== undefined) this.#start(suspect);
  }
}
