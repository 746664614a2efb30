import type { ReconfigParameter } from "./chunks.ts";
import { formatOutgoingReset, formatResetResponses } from "./format.ts";
import { CHANNELS_MAX, CONTROL_RETRANSMISSIONS_MAX } from "./limits.ts";
import { isTsnAfter, tsnPlus } from "./serial.ts";

/** Results of a request (RFC 6525 §4.4). */
const RESULT = { performed: 1, denied: 2, badSequence: 5, inProgress: 6 } as const;

/** A request of the peer that waits for data in flight. */
interface Deferred {
  readonly lastTsn: number;
  readonly streams: readonly number[];
}

/** Result of a RE-CONFIG. */
export interface ReconfigOutcome {
  /** The response chunk; undefined if it was a response itself. */
  readonly reply: Uint8Array | undefined;
  /** Streams of the peer that are reset now, `[]` for all; undefined if none. */
  readonly reset: readonly number[] | undefined;
}

/**
 * Stream resets in both directions, which close data channels (RFC 6525, RFC 8831 §6.7). Only one of our requests is
 * in flight at a time, as RFC 6525 §5.1.1 requires. Pure.
 */
export class StreamResets {
  /** Our streams that have to be reset. */
  readonly #pending = new Set<number>();
  #request: {
    readonly chunk: Uint8Array;
    readonly number: number;
    readonly streams: readonly number[];
    attempts: number;
    atMs: number;
  } | undefined;
  #nextRequest: number;
  /** Number of the peer's next request, and the result of the previous one. */
  #expected: number;
  #lastResult: number = RESULT.performed;
  #deferred: Deferred | undefined;

  /** Requests are numbered from the initial TSNs (RFC 6525 §4.1). */
  constructor({ initialTsn, peerInitialTsn }: { initialTsn: number; peerInitialTsn: number }) {
    this.#nextRequest = initialTsn;
    this.#expected = peerInitialTsn;
  }

  /** When {@link timeout} has to be called. */
  get timeoutAtMs(): number | undefined {
    return this.#request?.atMs;
  }

  /** Our streams that have to be reset once none of their messages is queued. */
  get pending(): ReadonlySet<number> {
    return this.#pending;
  }

  /** Number of our streams that are not reset yet, including those of the request in flight. */
  get count(): number {
    return this.#pending.size + (this.#request?.streams.length ?? 0);
  }

  /** Whether our half of a stream is not reset yet, so no channel may use it (RFC 8831 §6.7). */
  has(stream: number): boolean {
    return this.#pending.has(stream) || (this.#request?.streams.includes(stream) ?? false);
  }

  /** Schedules the reset of a stream. */
  add(stream: number): void {
    this.#pending.add(stream);
  }

  /** The request for these streams, or `undefined` while one is in flight. */
  takeRequest(
    streams: readonly number[],
    options: { readonly lastTsn: number; readonly timeoutAtMs: number },
  ): Uint8Array | undefined {
    if (this.#request !== undefined || streams.length === 0) return undefined;
    const now = streams.slice(0, CHANNELS_MAX);
    for (const stream of now) this.#pending.delete(stream);
    const number = this.#nextRequest;
    this.#nextRequest = tsnPlus(number, 1);
    const chunk = formatOutgoingReset({
      request: number,
      answers: tsnPlus(this.#expected, -1),
      lastTsn: options.lastTsn,
      streams: now,
    });
    this.#request = { chunk, number, streams: now, attempts: 0, atMs: options.timeoutAtMs };
    return chunk;
  }

  /** The unanswered request again; `undefined` after the last try. */
  timeout(nextAtMs: number): Uint8Array | undefined {
    const request = this.#request;
    if (request === undefined) return undefined;
    if (++request.attempts > CONTROL_RETRANSMISSIONS_MAX) {
      this.#request = undefined;
      return undefined;
    }
    request.atMs = nextAtMs;
    return request.chunk;
  }

  /** Processes the parameters of a RE-CONFIG. */
  receive(parameters: readonly ReconfigParameter[], cumulativeTsn: number): ReconfigOutcome {
    const responses: { request: number; result: number }[] = [];
    let reset: readonly number[] | undefined;
    for (const parameter of parameters) {
      if (parameter.kind === "response") {
        this.#answered(parameter);
        continue;
      }
      if (parameter.request === this.#expected) {
        this.#expected = tsnPlus(this.#expected, 1);
        reset = this.#perform(parameter, cumulativeTsn) ?? reset;
      }
      const isLast = parameter.request === tsnPlus(this.#expected, -1);
      const result = isLast ? this.#lastResult : RESULT.badSequence;
      responses.push({ request: parameter.request, result });
    }
    const reply = responses.length === 0 ? undefined : formatResetResponses(responses);
    return { reply, reset };
  }

  /** Data arrived. @returns Streams of the peer that are reset now because they waited for it. */
  advance(cumulativeTsn: number): readonly number[] | undefined {
    const deferred = this.#deferred;
    if (deferred === undefined || isTsnAfter(deferred.lastTsn, cumulativeTsn)) return undefined;
    this.#deferred = undefined;
    this.#lastResult = RESULT.performed;
    return deferred.streams;
  }

  #perform(parameter: ReconfigParameter, cumulativeTsn: number): readonly number[] | undefined {
    if (parameter.kind !== "outgoing_reset") {
      this.#lastResult = RESULT.denied;
      return undefined;
    }
    const { lastTsn, streams } = parameter;
    if (isTsnAfter(lastTsn, cumulativeTsn)) {
      this.#deferred = { lastTsn, streams };
      this.#lastResult = RESULT.inProgress;
      return undefined;
    }
    this.#deferred = undefined;
    this.#lastResult = RESULT.performed;
    return streams;
  }

  #answered({ request, result }: { request: number; result: number }): void {
    // Until it is performed, the timer repeats the request.
    if (request === this.#request?.number && result !== RESULT.inProgress) {
      this.#request = undefined;
    }
  }
}
