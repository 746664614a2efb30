import { sequenceDelta } from "../../base/sequence_numbers.ts";
import type { DataChunk, ForwardTsnChunk } from "./chunks.ts";
import { MESSAGE_BYTES_MAX, PIECE_COST_BYTES, STREAMS_MAX } from "./limits.ts";
import { isTsnAfter, tsnPlus } from "./serial.ts";

/** A complete message, in order. */
export interface IncomingMessage {
  readonly stream: number;
  readonly ppid: number;
  /** A copy. */
  readonly data: Uint8Array;
}

/** Protocol violation in the sender's data. */
export type DataFault = "pieces_contradict" | "order_contradicts" | "too_many_streams";

/** Fragments of one message with consecutive TSNs. */
interface Run {
  first: number;
  last: number;
  readonly stream: number;
  readonly ssn: number;
  readonly ppid: number;
  readonly unordered: boolean;
  begins: boolean;
  ends: boolean;
  /** By TSN; empty if the message exceeds the limit. */
  pieces: Map<number, Uint8Array>;
  bytes: number;
  costBytes: number;
}

/** State of one ordered stream. */
interface Stream {
  /** The next SSN. */
  next: number;
  /** Complete messages with later SSNs. */
  readonly waiting: Map<number, Run>;
}

/**
 * Reassembles messages and returns them in the order of their streams (RFC 9260 §6.5, §6.6, §6.9). Neighbouring
 * fragments are found by TSN, so the cost of one does not depend on how many wait. The caller limits the memory: see
 * {@link heldBytes}.
 */
export class Reassembly {
  readonly #byFirst = new Map<number, Run>();
  readonly #byLast = new Map<number, Run>();
  readonly #streams = new Map<number, Stream>();
  #heldBytes = 0;
  #ready: IncomingMessage[] = [];
  #tooLong = 0;
  /** The last abandoned TSN. */
  #skippedTo: number | undefined;

  /** Bytes of waiting data, including the cost of objects. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes the messages that were completed since the last call. */
  takeMessages(): IncomingMessage[] {
    const messages = this.#ready;
    this.#ready = [];
    return messages;
  }

  /** Takes the number of messages that were too long and dropped since the last call. */
  takeTooLong(): number {
    const count = this.#tooLong;
    this.#tooLong = 0;
    return count;
  }

  /**
   * Adds a fragment that was not received before.
   * @param neighbours Whether the TSNs directly before and after it were already received.
   */
  add(
    chunk: DataChunk,
    neighbours: { readonly cameBefore: boolean; readonly cameAfter: boolean },
  ): DataFault | undefined {
    if (!chunk.begins && this.#skippedTo === tsnPlus(chunk.tsn, -1)) {
      // The rest of a message whose beginning was abandoned.
      this.#skippedTo = chunk.ends ? undefined : chunk.tsn;
      return undefined;
    }
    const before = this.#byLast.get(tsnPlus(chunk.tsn, -1));
    const after = this.#byFirst.get(tsnPlus(chunk.tsn, 1));
    if (!fits({ chunk, before, after, ...neighbours })) return "pieces_contradict";
    let run: Run = {
      ...{ first: chunk.tsn, last: chunk.tsn, stream: chunk.stream, ssn: chunk.ssn },
      ...{ ppid: chunk.ppid, unordered: chunk.unordered, begins: chunk.begins, ends: chunk.ends },
      // Copy: a view would keep its whole packet in memory.
      pieces: new Map([[chunk.tsn, chunk.payload.slice()]]),
      bytes: chunk.payload.length,
      costBytes: chunk.payload.length + PIECE_COST_BYTES,
    };
    this.#heldBytes += run.costBytes;
    if (before !== undefined && !before.ends) run = this.#join(before, run);
    if (after !== undefined && !after.begins) run = this.#join(run, after);
    if (!run.begins || !run.ends) {
      this.#byFirst.set(run.first, run);
      this.#byLast.set(run.last, run);
      return undefined;
    }
    this.#forget(run);
    return run.unordered ? this.#deliver(run) : this.#enqueue(run);
  }

  /** Abandons everything up to a TSN, and ordered messages up to the given SSNs (RFC 3758 §3.6). */
  skip({ cumulativeTsn, streams }: ForwardTsnChunk): DataFault | undefined {
    this.#skippedTo = cumulativeTsn;
    for (const run of [...this.#byFirst.values()]) {
      if (isTsnAfter(run.first, cumulativeTsn)) continue;
      this.#forget(run);
      this.#charge(run, 0);
    }
    // Process each stream once, even if it is listed repeatedly.
    for (const [id, ssn] of new Map(streams.map(({ stream, ssn }) => [stream, ssn]))) {
      const stream = this.#streamOf(id);
      if (stream === undefined) return "too_many_streams";
      if (sequenceDelta(ssn, stream.next) < 0) continue;
      this.#skipStream(stream, ssn);
    }
    return undefined;
  }

  /** Restarts streams at SSN 0 (RFC 6525 §5.2.2); empty: all of them. */
  resetStreams(streams: readonly number[]): void {
    for (const id of streams.length > 0 ? streams : [...this.#streams.keys()]) {
      for (const run of this.#streams.get(id)?.waiting.values() ?? []) this.#charge(run, 0);
      this.#streams.delete(id);
    }
  }

  #skipStream(stream: Stream, ssn: number): void {
    // In order; messages that are complete although they were abandoned are still delivered.
    const whole = [...stream.waiting.values()].filter((run) => sequenceDelta(run.ssn, ssn) <= 0)
      .sort((a, b) => sequenceDelta(a.ssn, b.ssn));
    for (const run of whole) {
      stream.waiting.delete(run.ssn);
      this.#deliver(run);
    }
    stream.next = (ssn + 1) & 0xffff;
    this.#drain(stream);
  }

  #enqueue(run: Run): DataFault | undefined {
    const stream = this.#streamOf(run.stream);
    if (stream === undefined) return "too_many_streams";
    if (sequenceDelta(run.ssn, stream.next) < 0 || stream.waiting.has(run.ssn)) {
      return "order_contradicts";
    }
    stream.waiting.set(run.ssn, run);
    this.#drain(stream);
    return undefined;
  }

  #drain(stream: Stream): void {
    for (let run = stream.waiting.get(stream.next); run !== undefined;) {
      stream.waiting.delete(stream.next);
      stream.next = (stream.next + 1) & 0xffff;
      this.#deliver(run);
      run = stream.waiting.get(stream.next);
    }
  }

  #deliver(run: Run): undefined {
    const { stream, ppid } = run;
    this.#charge(run, 0);
    if (run.pieces.size === 0) this.#tooLong++;
    else this.#ready.push({ stream, ppid, data: concatenate(run) });
  }

  #join(before: Run, after: Run): Run {
    this.#forget(before);
    this.#forget(after);
    const tooLong = before.bytes + after.bytes > MESSAGE_BYTES_MAX;
    before.pieces = tooLong ? new Map() : union(before.pieces, after.pieces);
    before.last = after.last;
    before.ends = after.ends;
    before.bytes += after.bytes;
    this.#charge(before, tooLong ? 0 : before.costBytes + after.costBytes, after.costBytes);
    return before;
  }

  /** Sets the cost of a run; `others` is the previous cost of merged runs. */
  #charge(run: Run, costBytes: number, others = 0): void {
    this.#heldBytes += costBytes - run.costBytes - others;
    run.costBytes = costBytes;
  }

  #forget(run: Run): void {
    if (this.#byFirst.get(run.first) === run) this.#byFirst.delete(run.first);
    if (this.#byLast.get(run.last) === run) this.#byLast.delete(run.last);
  }

  #streamOf(id: number): Stream | undefined {
    let stream = this.#streams.get(id);
    if (stream === undefined && this.#streams.size < STREAMS_MAX) {
      stream = { next: 0, waiting: new Map() };
      this.#streams.set(id, stream);
    }
    return stream;
  }
}

/**
 * Whether a fragment is consistent with its neighbours: a message's fragments have consecutive TSNs (RFC 9260 §6.9).
 */
function fits(
  { chunk, before, after, cameBefore, cameAfter }: {
    readonly chunk: DataChunk;
    readonly before: Run | undefined;
    readonly after: Run | undefined;
    readonly cameBefore: boolean;
    readonly cameAfter: boolean;
  },
): boolean {
  // Received data that is in no run was a complete message.
  const endsBefore = before?.ends ?? true;
  const beginsAfter = after?.begins ?? true;
  if (cameBefore && endsBefore !== chunk.begins) return false;
  if (cameAfter && beginsAfter !== chunk.ends) return false;
  return (chunk.begins || before === undefined || isSameMessage(before, chunk)) &&
    (chunk.ends || after === undefined || isSameMessage(after, chunk));
}

function isSameMessage(run: Run, chunk: DataChunk): boolean {
  return run.stream === chunk.stream && run.unordered === chunk.unordered &&
    (run.unordered || run.ssn === chunk.ssn);
}

/** Merges the smaller into the larger, so that no order of arrival is expensive. */
function union(one: Run["pieces"], other: Run["pieces"]): Run["pieces"] {
  const [large, small] = one.size >= other.size ? [one, other] : [other, one];
  for (const [tsn, piece] of small) large.set(tsn, piece);
  return large;
}

function concatenate({ first, pieces, bytes }: Run): Uint8Array {
  const only = pieces.get(first);
  if (only !== undefined && pieces.size === 1) return only;
  const data = new Uint8Array(bytes);
  let [at, tsn] = [0, first];
  for (let piece = pieces.get(tsn); piece !== undefined; piece = pieces.get(tsn)) {
    data.set(piece, at);
    at += piece.length;
    tsn = tsnPlus(tsn, 1);
  }
  return data;
}
