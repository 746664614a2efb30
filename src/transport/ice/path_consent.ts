import { randomBytes } from "node:crypto";

/**
 * Bytes that may be sent to an address without consent per byte received from it (as in RFC 9000 §8.1), so that
 * packets with a forged source are useless for amplification attacks.
 */
const AMPLIFICATION_MAX = 3;
/** Headers of UDP and IPv4, which count because they are most of a small packet. */
const HEADERS_BYTES = 28;
/** Maximum credit: a handshake with retransmissions. */
const CREDIT_BYTES_MAX = 64 * 1024;

/**
 * Pauses between the requests to a new address, in milliseconds; the last one repeats. The first is about a round
 * trip; they double, because a tunnel may still be recovering. Each request is charged to the received bytes.
 */
const ASK_PAUSES_MS = [50, 100, 200, 400, 800, 1_600] as const;
/**
 * Interval of renewals: 5 s minus up to a fifth (RFC 7675 §5.1), so that a response arrives before the viewer counts
 * as disconnected.
 */
const KEEP_INTERVAL_MS = 5_000;
const KEEP_SPREAD = 0.2;
/** Lifetime of consent (RFC 7675 §5.1). */
const CONSENT_MS = 30_000;
/** Pending requests that may still be answered: a tunnel may delay request and response for seconds. */
const PENDING = { max: 8, ms: 10_000 } as const;
const TRANSACTION_ID_BYTES = 12;

/** Formats a request with a transaction id of 12 bytes. */
export type AskFormat = (transactionId: Uint8Array) => Uint8Array;

/** A pending request. */
interface Asked {
  /** Key of the response. */
  readonly key: Uint8Array;
  readonly atMs: number;
}

/**
 * Consent of one UDP address (RFC 7675): only a host that receives at the address knows the random id of a request, so
 * a response cannot be forged or replayed. Pure: times are arguments.
 */
export class PathConsent {
  readonly #pending = new Map<string, Asked>();
  #provenUntilMs = Number.NEGATIVE_INFINITY;
  #creditBytes = 0;
  /** Number of requests since the last consent. */
  #asked = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #nextAskAtMs = Number.NEGATIVE_INFINITY;

  /** Whether consent is valid. */
  isProven(nowMs: number): boolean {
    return nowMs < this.#provenUntilMs;
  }

  /** When consent expires, unless renewed. */
  get provenUntilMs(): number {
    return this.#provenUntilMs;
  }

  /** When the next request is due; infinite while the credit does not suffice. */
  get nextAskAtMs(): number {
    return this.#nextAskAtMs;
  }

  /** The address consented, by a response or another unforgeable proof. */
  prove(nowMs: number): void {
    this.#provenUntilMs = nowMs + CONSENT_MS;
    this.#asked = 0;
    this.#nextAskAtMs = nowMs + keepIntervalMs();
  }

  /** Extends valid consent without a response. */
  renew(nowMs: number): void {
    if (this.isProven(nowMs)) this.#provenUntilMs = nowMs + CONSENT_MS;
  }

  /** Credits a packet received from the address. */
  received(bytes: number, nowMs: number): void {
    const earned = AMPLIFICATION_MAX * (bytes + HEADERS_BYTES);
    this.#creditBytes = Math.min(this.#creditBytes + earned, CREDIT_BYTES_MAX);
    // The address seems to be in use: shorten a long pause.
    if (!this.isProven(nowMs)) {
      this.#nextAskAtMs = Math.min(this.#nextAskAtMs, this.#askedAtMs + ASK_PAUSES_MS[0]);
    }
  }

  /** Charges a packet to the credit for sending without consent. @returns Whether it may be sent. */
  spend(bytes: number): boolean {
    const cost = bytes + HEADERS_BYTES;
    if (cost > this.#creditBytes) return false;
    this.#creditBytes -= cost;
    return true;
  }

  /**
   * Creates the next request, if one is due and may be sent.
   * @param options.key Key of the response.
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

  /** The pending request with this id. */
  find(transactionId: string, nowMs: number): Asked | undefined {
    const asked = this.#pending.get(transactionId);
    return asked !== undefined && nowMs - asked.atMs <= PENDING.ms ? asked : undefined;
  }

  /** A response arrived; it counts once. */
  answered(transactionId: string, nowMs: number): void {
    this.#pending.delete(transactionId);
    this.prove(nowMs);
  }
}

function keepIntervalMs(): number {
  return KEEP_INTERVAL_MS * (1 - KEEP_SPREAD * Math.random());
}

/** The pause after the n-th request to a new address. */
function askPauseMs(asked: number): number {
  return ASK_PAUSES_MS[Math.min(asked, ASK_PAUSES_MS.length - 1)] ?? 0;
}
