import type { ReconfigParameter } from "./chunks.ts";
import { formatOutgoingReset, formatResetResponses } from "./format.ts";
import { CHANNELS_MAX, CONTROL_RETRANSMISSIONS_MAX } from "./limits.ts";
import { isTsnAfter, tsnPlus } from "./serial.ts";

/** Results of a request (RFC 6525 §4.4). */
const RESULT = { performed: 1, denied: 2, badSequence: 5, inProgress: 6 } as const;

/** A request of the other side that waits for data on its way. */
interface Deferred {
  readonly lastTsn: number;
  readonly streams: readonly number[];
}

/** What became of a RE-CONFIG. */
export interface ReconfigOutcome {
  /** Chunk that answers it; undefined where it was an answer itself. */
  readonly reply: Uint8Array | undefined;
  /** Streams of the other side that begin anew now, `[]` for all; undefined where none does. */
  readonly reset: readonly number[] | undefined;
}

/**
 * Resets of streams both ways, by which data channels are closed (RFC 6525, RFC 8831 §6.7). One request of ours is on its
 * way at a time, as RFC 6525 §5.1.1 wants it. Pure.
 */
export class StreamResets {
  /** Streams of ours that are to be reset. */
  readonly #pending = new Set<number>();
  #request: {
    readonly chunk: Uint8Array;
    readonly number: number;
    readonly streams: readonly number[];
    attempts: number;
    atMs: number;
  } | undefined;
  #nextRequest: number;
  /** The next request of the other side, and what the one before came to. */
  #expected: number;
  #lastResult: number = RESULT.performed;
  #deferred: Deferred | undefined;

  /** Requests are numbered from the initial TSNs on (RFC 6525 §4.1). */
  constructor({ initialTsn, peerInitialTsn }: { initialTsn: number; peerInitialTsn: number }) {
    this.#nextRequest = initialTsn;
    this.#expected = peerInitialTsn;
  }

  /** When {@link timeout} has to be called. */
  get timeoutAtMs(): number | undefined {
    return this.#request?.atMs;
  }

  /** Streams of ours that are to be reset, as soon as none of their messages waits. */
  get pending(): ReadonlySet<number> {
    return this.#pending;
  }

  /** How many streams of ours are not reset yet, those of the request on its way included. */
  get count(): number {
    return this.#pending.size + (this.#request?.streams.length ?? 0);
  }

  /** Whether our half of a stream is not reset yet, so that no channel may use it (RFC 8831 §6.7). */
  has(stream: number): boolean {
    return this.#pending.has(stream) || (this.#request?.streams.includes(stream) ?? false);
  }

  /** Wants a stream of ours reset. */
  add(stream: number): void {
    this.#pending.add(stream);
  }

  /** The request for these streams, or `undefined` while there is one on its way. */
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

  /** The request that nothing answered, once more; `undefined` when that was often enough. */
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

  /** Takes the parameters of a RE-CONFIG. */
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

  /** Data came. @returns Streams that begin anew now because it was waited for. */
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
    // Until it is performed it is asked again, by the timer.
    if (request === this.#request?.number && result !== RESULT.inProgress) {
      this.#request = undefined;
    }
  }
}
