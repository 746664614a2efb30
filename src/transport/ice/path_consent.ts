import { randomBytes } from "node:crypto";

/**
 * Bytes that may leave for an address that has not agreed, for each byte that came from there (RFC 9000 §8.1 has the
 * same number for the same reason): whoever writes a false source on a packet gains nothing that is worth the trouble.
 */
const AMPLIFICATION_MAX = 3;
/** Headers of UDP and IPv4: they count, since small packets are mostly these. */
const HEADERS_BYTES = 28;
/** What may be saved up: a handshake and its repetitions. */
const CREDIT_BYTES_MAX = 64 * 1024;

/**
 * Pauses between the requests to a new address, in milliseconds; the last one goes on. The first is about a round trip;
 * they double, for a tunnel that has yet to come to itself. What came from there pays for each of them.
 */
const ASK_PAUSES_MS = [50, 100, 200, 400, 800, 1_600] as const;
/**
 * When an address that agreed is asked again: 5 s and up to a fifth less (RFC 7675 §5.1), so that an answer comes before
 * a viewer counts as disconnected.
 */
const KEEP_INTERVAL_MS = 5_000;
const KEEP_SPREAD = 0.2;
/** How long an agreement lasts (RFC 7675 §5.1). */
const CONSENT_MS = 30_000;
/** Requests whose answer would still count: a tunnel may hold both back for seconds. */
const PENDING = { max: 8, ms: 10_000 } as const;
const TRANSACTION_ID_BYTES = 12;

/** Writes a request with its transaction id, 12 bytes. */
export type AskFormat = (transactionId: Uint8Array) => Uint8Array;

/** A request whose answer is awaited. */
interface Asked {
  /** The password that its answer is made with. */
  readonly key: Uint8Array;
  readonly atMs: number;
}

/**
 * Whether one UDP address agrees to what is sent there (RFC 7675): only who receives there knows the random id of a
 * request, so its answer cannot be written in advance, nor from elsewhere, nor sent again. Pure: times are arguments.
 */
export class PathConsent {
  readonly #pending = new Map<string, Asked>();
  #provenUntilMs = Number.NEGATIVE_INFINITY;
  #creditBytes = 0;
  /** Requests since the address was last known to agree. */
  #asked = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #nextAskAtMs = Number.NEGATIVE_INFINITY;

  /** Whether anything may be sent there. */
  isProven(nowMs: number): boolean {
    return nowMs < this.#provenUntilMs;
  }

  /** Until when that holds, unless it agrees again. */
  get provenUntilMs(): number {
    return this.#provenUntilMs;
  }

  /** When the next request is due; infinite while what came from there does not pay for one. */
  get nextAskAtMs(): number {
    return this.#nextAskAtMs;
  }

  /** The address agrees, by an answer or in another way that cannot be forged. */
  prove(nowMs: number): void {
    this.#provenUntilMs = nowMs + CONSENT_MS;
    this.#asked = 0;
    this.#nextAskAtMs = nowMs + keepIntervalMs();
  }

  /** Prolongs an agreement that holds, without an answer. */
  renew(nowMs: number): void {
    if (this.isProven(nowMs)) this.#provenUntilMs = nowMs + CONSENT_MS;
  }

  /** A packet of so many bytes came from there. */
  received(bytes: number, nowMs: number): void {
    const earned = AMPLIFICATION_MAX * (bytes + HEADERS_BYTES);
    this.#creditBytes = Math.min(this.#creditBytes + earned, CREDIT_BYTES_MAX);
    // Somebody is there, or seems to be: no need to wait for the end of a long pause.
    if (!this.isProven(nowMs)) {
      this.#nextAskAtMs = Math.min(this.#nextAskAtMs, this.#askedAtMs + ASK_PAUSES_MS[0]);
    }
  }

  /** Takes a packet of so many bytes off what may be sent without consent. @returns Whether it may be sent. */
  spend(bytes: number): boolean {
    const cost = bytes + HEADERS_BYTES;
    if (cost > this.#creditBytes) return false;
    this.#creditBytes -= cost;
    return true;
  }

  /**
   * Makes the next request, if one is due and may be sent.
   * @param options.key The password that its answer is made with.
   */
  ask(
    format: AskFormat,
    { key, nowMs }: { key: Uint8Array; nowMs: number },
  ): Uint8Array | undefined {
    if (nowMs < this.#nextAskAtMs) return undefined;
    const id = randomBytes(TRANSACTION_ID_BYTES);
    const packet = format(id);
    const isProven = this.isProven(nowMs);
    if (!isProven && !this.spend(packet.length)) {
      this.#nextAskAtMs = Number.POSITIVE_INFINITY;
      return undefined;
    }
    this.#pending.set(id.toString("hex"), { key, atMs: nowMs });
    const [oldest] = this.#pending.keys();
    if (oldest !== undefined && this.#pending.size > PENDING.max) this.#pending.delete(oldest);
    this.#askedAtMs = nowMs;
    this.#nextAskAtMs = nowMs + (isProven ? keepIntervalMs() : askPauseMs(this.#asked++));
    return packet;
  }

  /** The request with this id, if its answer is awaited. */
  find(transactionId: string, nowMs: number): Asked | undefined {
    const asked = this.#pending.get(transactionId);
    return asked !== undefined && nowMs - asked.atMs <= PENDING.ms ? asked : undefined;
  }

  /** The answer to a request came: it counts once. */
  answered(transactionId: string, nowMs: number): void {
    this.#pending.delete(transactionId);
    this.prove(nowMs);
  }
}

function keepIntervalMs(): number {
  return KEEP_INTERVAL_MS * (1 - KEEP_SPREAD * Math.random());
}

/** The pause after the request to a new address that so many went before. */
function askPauseMs(asked: number): number {
  return ASK_PAUSES_MS[Math.min(asked, ASK_PAUSES_MS.length - 1)] ?? 0;
}
