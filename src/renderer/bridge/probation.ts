import type { CancelTimer, Clock } from "../../base/clock.ts";

/** How long the process must run after a session's first picture, in milliseconds. */
const PROOF_MS = 1_000;

/** A session that does not answer is stuck, not crashing; others wait no longer than this, in milliseconds. */
const ANSWER_TIMEOUT_MS = 30_000;

/** Crashes in a row that one session may cause. */
const STRIKES_MAX = 3;

/** How long such a session is not opened again, in milliseconds: one try a minute disturbs the others little. */
export const QUARANTINE_MS = 60_000;

/** Maximum remembered names, because names come from viewers. */
const NAMES_MAX = 256;

/** A session under observation; `id` is its name. */
export interface Probationer {
  readonly id: string;
}

/**
 * Finds the session that crashes the process of an isolated library, so that it does not interrupt the others forever.
 *
 * A session is on probation from its opening until the process has run for a second after its first picture. Sessions
 * on probation when a process ends are suspects, and are reopened one at a time, while no other is on probation. So
 * the next crash is due to a single session; the third in a row quarantines its name.
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

  /** A process is ready. Opens all sessions, suspects one by one. */
  begin(sessions: Iterable<Session>): void {
    this.#isRunning = true;
    for (const session of sessions) if (!this.#suspects.has(session)) this.#start(session);
    this.#startSuspect();
  }

  /** Opens a new session; without a process, {@link begin} opens it later. */
  add(session: Session): void {
    if (this.#isRunning) this.#start(session);
  }

  /** A session answered a call for a picture. */
  answered(session: Session): void {
    const found = this.#onProbation.get(session);
    if (found === undefined || found.answered) return;
    found.cancel();
    this.#watch(session, { answered: true, ms: PROOF_MS });
  }

  /** A session closed. */
  remove(session: Session): void {
    this.#onProbation.get(session)?.cancel();
    this.#onProbation.delete(session);
    this.#suspects.delete(session);
    this.#startSuspect();
  }

  /** The process ended. @returns A session that is quarantined as a result. */
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

  /** Whether sessions of that name may not be opened at present. */
  isQuarantined(id: string): boolean {
    const { count = 0, atMs = 0 } = this.#strikes.get(id) ?? {};
    return count >= STRIKES_MAX && this.#clock.now() - atMs < QUARANTINE_MS;
  }

  /** Stops opening sessions. Idempotent. */
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
