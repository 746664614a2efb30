import { count, formatMs, noText, type Verdict, verdictOf } from "./verdict.ts";

/** Opening one session is in the way of opening another: it should return at once. */
const SESSION_OPEN_MAX_MS = 100;
const CLOSE_MAX_MS = 1_000;
/** What Deno itself may take or give back meanwhile. */
const GROWTH_MAX_BYTES = 32 * 2 ** 20;
/** A library that gives more messages than this at once gives them without end. */
export const POLLED_MAX = 100;

/** Judges how long a session took to open, and what its library can do. Pure. */
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

/** Frames that were asked for without a pause. */
export interface ThroughputRecord {
  readonly frames: number;
  readonly ms: number;
  /** Resident memory of the process after the frame of that number. */
  readonly memory: readonly { readonly frame: number; readonly bytes: number }[];
}

/** Judges how fast frames come, and whether they leave memory behind. Pure. */
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

/** Judges whether sessions live side by side. Pure. */
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

/** What became of some messages. */
export interface MessageRecord {
  /** Whether the library takes messages, and why it refused those that it did. */
  readonly sent: { readonly count: number; readonly refusals: readonly string[] } | undefined;
  /** Sizes in bytes of those that it gave. */
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

/** Judges what became of a session that cannot be: `error` is what the library said. Pure. */
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

/** Judges closing: how long it took, and the calls that failed. Pure. */
export function judgeClosing(
  { ms, failures }: { ms: number; failures: readonly string[] },
): Verdict {
  return verdictOf("close", {
    seen: formatMs(ms),
    failures,
    warnings: [ms > CLOSE_MAX_MS ? "it is slow" : undefined],
  });
}

/** Judges a second opening in the same process: `error` is what stood in its way. Pure. */
export function judgeReopening({ error }: { error: string | undefined }): Verdict {
  return verdictOf("reopen", {
    seen: error === undefined ? "opens again after it was closed" : "",
    warnings: [error],
  });
}
