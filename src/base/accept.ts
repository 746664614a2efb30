import { type Clock, sleep } from "./clock.ts";
import { TokenBucket, type TokenRate } from "./token_bucket.ts";

/** How long accepting pauses when the host has run out of something, in milliseconds. */
const PAUSE_MS = 100;

/** While it goes on, it is reported again every 10 s. */
const REPORTS: TokenRate = { perSecond: 1 / 10, burst: 1 };

/**
 * Errors of accept(2) that concern one connection: it was reset before it was accepted, or its network went. The next
 * one may be fine, and thousands of these can wait in a row.
 */
const OF_ONE_CONNECTION: ReadonlySet<unknown> = new Set([
  "ENOTCONN",
  "ECONNABORTED",
  "ECONNRESET",
  "EPIPE",
  "EPROTO",
  "ENOPROTOOPT",
  "EPERM",
  "ETIMEDOUT",
  "EHOSTDOWN",
  "ENETDOWN",
  "ENONET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EINTR",
]);

/** What {@link acceptAll} works with. */
export interface AcceptOptions<Connection> {
  readonly clock: Clock;
  /** Aborted before the listener is closed. */
  readonly signal: AbortSignal;
  /** Takes one connection over. The next is accepted when it is done; it must not fail. */
  readonly take: (connection: Connection) => unknown;
  /** Accepting pauses for an error of the host, such as no file descriptor left. Called at most every 10 s. */
  readonly paused?: (error: unknown) => void;
}

/**
 * Accepts connections until the listener is closed. A connection that cannot be accepted costs no time; only where the
 * host has nothing left to accept with (EMFILE, ENFILE, ENOBUFS, ENOMEM) it pauses, as the error would come again at
 * once. Never rejects.
 */
export async function acceptAll<Connection>(
  listener: { accept(): Promise<Connection> },
  { clock, signal, take, paused }: AcceptOptions<Connection>,
): Promise<void> {
  const reports = new TokenBucket(REPORTS);
  while (!signal.aborted) {
    try {
      await take(await listener.accept());
    } catch (error) {
      if (signal.aborted || error instanceof Deno.errors.BadResource) return;
      if (isOfOneConnection(error)) continue;
      if (reports.take(clock.now())) paused?.(error);
      await sleep(clock, PAUSE_MS, signal);
    }
  }
}

function isOfOneConnection(error: unknown): boolean {
  return error instanceof Error && "code" in error && OF_ONE_CONNECTION.has(error.code);
}
