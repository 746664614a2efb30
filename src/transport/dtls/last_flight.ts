/** Datagrams that one flight of the server has at most: ServerHello to ServerHelloDone are five. */
const DATAGRAMS_MAX = 8;

/** Milliseconds between two repetitions: the timers of clients begin at 50 ms. */
const REPEAT_MS_MIN = 40;

/** Repetitions for one viewer in all: timers that double reach their longest, a minute, after eleven. */
const REPEATS_MAX = 32;

/**
 * What this server sent last. A client that repeats its own flight has not seen it, and gets it again (RFC 6347 §4.2.4).
 * Pure: it owns no socket and no clock.
 */
export class LastFlight {
  #datagrams: Uint8Array[] = [];
  #isOpen = false;
  #repeatedAtMs = Number.NEGATIVE_INFINITY;
  #repeats = 0;

  /** Another flight begins: the former one has come through. */
  begin(): void {
    this.#datagrams = [];
    this.#isOpen = true;
  }

  /** The flight is whole; what leaves now is something else. */
  end(): void {
    this.#isOpen = false;
  }

  /** Notes a datagram that leaves; it is copied. */
  note(datagram: Uint8Array): void {
    if (!this.#isOpen || this.#datagrams.length >= DATAGRAMS_MAX) return;
    this.#datagrams.push(Uint8Array.from(datagram));
  }

  /** The client repeats its flight. @returns What to send again; nothing when that has just been sent. */
  repeat(nowMs: number): readonly Uint8Array[] {
    if (nowMs - this.#repeatedAtMs < REPEAT_MS_MIN || this.#repeats >= REPEATS_MAX) return [];
    this.#repeatedAtMs = nowMs;
    this.#repeats++;
    return this.#datagrams;
  }
}
