import type { AudioChunk } from "../../media/frame.ts";
import {
  AUDIO_AGE_US_MAX,
  AUDIO_AHEAD_MS_MAX,
  AUDIO_AHEAD_US_MAX,
  AUDIO_JITTER_US,
  AUDIO_PIECE_US,
  AUDIO_PIECES_MAX,
  AUDIO_SAMPLES_MAX,
  SOUND_DROPPED_INTERVAL_MS,
} from "./limits.ts";
import type { AudioMessage } from "./writer_messages.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import { Tally } from "../../base/tally.ts";

/** A chunk of sound on the session's timeline. */
interface Piece {
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  readonly samples: Int16Array;
  readonly beginUs: number;
  readonly endUs: number;
}

/**
 * The queued sound of one session, in order. Chunks without a timestamp follow each other; chunks that are ahead wait
 * until they are due, so that a writer may write a sentence at once.
 */
export class SoundQueue {
  #pieces: Piece[] = [];
  /** Samples in all chunks. */
  #waiting = 0;
  #endUs = Number.NEGATIVE_INFINITY;

  /**
   * Adds a chunk.
   * @param times.nowUs The session's time.
   * @param times.beginUs Start of the chunk; `undefined`: directly after the previous one, or now after a pause.
   * @returns False if it was dropped because it is too far ahead or the queue is full.
   */
  push(
    { sampleRate, channels, samples }: Pick<AudioMessage, "sampleRate" | "channels" | "samples">,
    { nowUs, beginUs }: { nowUs: number; beginUs: number | undefined },
  ): boolean {
    this.#forgetOld(nowUs);
    if (samples.byteLength === 0) return true;
    const follows = this.#endUs >= nowUs - AUDIO_JITTER_US;
    const begin = beginUs ?? (follows ? this.#endUs : nowUs);
    const durationUs = soundUs({ sampleRate, channels, samples });
    const tooMuch = this.#pieces.length >= AUDIO_PIECES_MAX || this.#waiting > AUDIO_SAMPLES_MAX;
    if (tooMuch || begin + durationUs > nowUs + AUDIO_AHEAD_US_MAX) return false;
    this.#endUs = begin + durationUs;
    this.#append({
      sampleRate,
      channels,
      samples: toSamples(samples),
      beginUs: begin,
      endUs: this.#endUs,
    });
    return true;
  }

  /**
   * Removes the chunks that begin up to `untilUs`, as far as they have one format and no gap, and returns them as one.
   */
  take(untilUs: number): AudioChunk | undefined {
    this.#forgetOld(untilUs);
    const [first] = this.#pieces;
    if (first === undefined || first.beginUs > untilUs) return undefined;
    const { sampleRate, channels, beginUs } = first;
    let endUs = beginUs;
    let count = 0;
    for (const piece of this.#pieces) {
      const joins = piece.sampleRate === sampleRate && piece.channels === channels &&
        Math.abs(piece.beginUs - endUs) <= AUDIO_JITTER_US;
      if (!joins || piece.beginUs > untilUs) break;
      endUs = piece.endUs;
      count++;
    }
    const taken = this.#drop(count);
    const samples = joinSamples(taken.map((piece) => piece.samples));
    return { sampleRate, channels, samples, timestampUs: beginUs };
  }

  /** Drops everything. */
  clear(): void {
    this.#pieces = [];
    this.#waiting = 0;
    this.#endUs = Number.NEGATIVE_INFINITY;
  }

  #forgetOld(nowUs: number): void {
    const fresh = this.#pieces.findIndex(({ endUs }) => endUs >= nowUs - AUDIO_AGE_US_MAX);
    if (fresh !== 0) this.#drop(fresh < 0 ? this.#pieces.length : fresh);
  }

  /** Appends a chunk, merged with the last one if both are short, because a writer may send single samples. */
  #append(piece: Piece): void {
    const last = this.#pieces.at(-1);
    this.#waiting += piece.samples.length;
    const joins = last !== undefined && last.endUs === piece.beginUs &&
      last.sampleRate === piece.sampleRate && last.channels === piece.channels &&
      piece.endUs - last.beginUs <= AUDIO_PIECE_US;
    if (!joins) return void this.#pieces.push(piece);
    const samples = joinSamples([last.samples, piece.samples]);
    this.#pieces[this.#pieces.length - 1] = { ...last, samples, endUs: piece.endUs };
  }

  /** Removes the first chunks. */
  #drop(count: number): Piece[] {
    const dropped = this.#pieces.splice(0, count);
    for (const { samples } of dropped) this.#waiting -= samples.length;
    return dropped;
  }
}

/** Duration of a chunk of sound, in microseconds. */
export function soundUs(
  { sampleRate, channels, samples }: Pick<AudioMessage, "sampleRate" | "channels" | "samples">,
): number {
  return (samples.byteLength / 2 / channels / sampleRate) * 1_000_000;
}

/** Copies samples from bytes of any alignment. */
export function toSamples(bytes: Uint8Array): Int16Array {
  return new Int16Array(bytes.slice().buffer);
}

function joinSamples(parts: readonly Int16Array[]): Int16Array {
  const joined = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * Counts the sound of one session that was dropped because its writer wrote too far ahead, and logs it in summary.
 * @param options.log Adds the session's id to its events.
 * @returns The tally, in milliseconds.
 */
export function soundDrops({ clock, log }: { clock: Clock; log: Logger }): Tally<"too_far_ahead"> {
  return new Tally(clock, (ms) => {
    log.warn("renderer_sound_dropped", { ms: Math.round(ms), ahead_ms_max: AUDIO_AHEAD_MS_MAX });
  }, { perSecond: 1000 / SOUND_DROPPED_INTERVAL_MS, burst: 1 });
}
