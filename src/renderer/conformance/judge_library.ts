import { count, formatMs, noText, type Verdict, verdictOf } from "./verdict.ts";

/** Sessions are opened one at a time, so opening should return at once. */
const SESSION_OPEN_MAX_MS = 100;
const CLOSE_MAX_MS = 1_000;
/** Memory that Deno itself may allocate or free meanwhile. */
const GROWTH_MAX_BYTES = 32 * 2 ** 20;
/** A library that returns more messages than this at once is taken to return them endlessly. */
export const POLLED_MAX = 100;

/** Judges how long a session took to open, and lists the optional functions. Pure. */
export function judgeSession(
  { ms, optional }: { ms: number; optional: readonly string[] },
): Verdict {
  return verdictOf("session", {
    seen: `open in ${formatMs(ms)}; optional functions: ${optional.join(", ") || "none"}`,
    warnings: [
      ms > SESSION_OPEN_MAX_MS ? "pinhole_session_open should return at once" : undefined,
    ],
  });
}

/** Frames requested without a pause. */
export interface ThroughputRecord {
  readonly frames: number;
  readonly ms: number;
  /** Resident memory of the process after a number of frames. */
  readonly memory: readonly { readonly frame: number; readonly bytes: number }[];
}

/** Judges how fast frames come, and whether they leak memory. Pure. */
export function judgeThroughput({ frames, ms, memory }: ThroughputRecord): Verdict[] {
  const throughput = verdictOf("throughput", {
    seen: frames === 0 ? "" : `${(frames / ms * 1000).toFixed(0)} frames/s without a pause`,
    warnings: [frames === 0 ? "no frame to measure" : undefined],
  });
  const [first, last] = [memory[0], memory.at(-1)];
  if (first === undefined || last === undefined || first === last) return [throughput];
  const grown = last.bytes - first.bytes;
  const mega = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const over = last.frame - first.frame;
  return [
    throughput,
    verdictOf("memory", {
      seen: `${grown < 0 ? "" : "+"}${mega(grown)} MiB over ${count(over, "frame")}`,
      warnings: [
        grown > GROWTH_MAX_BYTES
          ? `each frame seems to leak ${(grown / over / 1024).toFixed(0)} KiB`
          : undefined,
      ],
    }),
  ];
}

/** Two sessions that rendered at the same time. */
export type TogetherRecord =
  | { readonly refused: string }
  | { readonly frames: number; readonly ms: number; readonly errors: readonly string[] };

/** Judges whether sessions work at the same time. Pure. */
export function judgeTogether(record: TogetherRecord): Verdict {
  if ("refused" in record) {
    return verdictOf("two sessions", {
      seen: "",
      warnings: [`the second is refused: ${record.refused}`, noText(record.refused)],
    });
  }
  const { frames, ms, errors } = record;
  return verdictOf("two sessions", {
    seen: `${(frames / ms * 1000).toFixed(0)} frames/s together`,
    failures: [
      errors.length > 0 ? `${count(errors.length, "error")}, first: ${errors[0]}` : undefined,
    ],
  });
}

/** Messages sent to and received from a library. */
export interface MessageRecord {
  /** Messages sent to the library, and its refusals; `undefined` if it accepts none. */
  readonly sent: { readonly count: number; readonly refusals: readonly string[] } | undefined;
  /** Sizes of its messages, in bytes. */
  readonly polled: { readonly sizes: readonly number[]; readonly error?: string } | undefined;
}

/** Judges messages both ways. Pure. */
export function judgeMessages({ sent, polled }: MessageRecord): Verdict {
  const refusals = sent?.refusals ?? [];
  const endless = (polled?.sizes.length ?? 0) >= POLLED_MAX;
  return verdictOf("messages", {
    seen: [
      sent === undefined
        ? "accepts none"
        : `accepted ${sent.count - refusals.length} of ${sent.count}`,
      polled === undefined ? "sends none" : `sent ${polled.sizes.length}`,
    ].join(", "),
    failures: [polled?.error],
    warnings: [
      refusals.length > 0 ? `refused ${refusals.length}: ${refusals[0]}` : undefined,
      endless ? "pinhole_poll_message never returns 0, for no more messages" : undefined,
    ],
  });
}

/** Judges the attempt to open an impossible session; `error` is the library's message. Pure. */
export function judgeBadSession({ error }: { error: string | undefined }): Verdict {
  if (error === undefined) {
    return verdictOf("bad session", {
      seen: "",
      warnings: ["a session of 0×0 pixels opens"],
    });
  }
  return verdictOf("bad session", {
    seen: `0×0 pixels are refused: ${error}`,
    warnings: [noText(error)],
  });
}

/** Judges closing: its duration, and failed calls. Pure. */
export function judgeClosing(
  { ms, failures }: { ms: number; failures: readonly string[] },
): Verdict {
  return verdictOf("close", {
    seen: formatMs(ms),
    failures,
    warnings: [ms > CLOSE_MAX_MS ? "it is slow" : undefined],
  });
}

/** Judges a second opening in the same process; `error` is why it failed. Pure. */
export function judgeReopening({ error }: { error: string | undefined }): Verdict {
  return verdictOf("reopen", {
    seen: error === undefined ? "opens again after it was closed" : "",
    warnings: [error],
  });
}
