import { type Clock, sleep } from "./clock.ts";
import { TokenBucket, type TokenRate } from "./token_bucket.ts";

/** Pause of accepting when the host has run out of a resource, in milliseconds. */
const PAUSE_MS = 100;

/** A lasting shortage is reported every 10 s. */
const REPORTS: TokenRate = { perSecond: 1 / 10, burst: 1 };

/**
 * Errors of accept(2) that concern only one connection: it was reset before it was accepted, or its network is down.
 * Thousands of such connections can be queued.
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

/** Options of {@link acceptAll}. */
export interface AcceptLoopOptions<Connection> {
  readonly clock: Clock;
  /** Aborted before the listener is closed. */
  readonly signal: AbortSignal;
  /** Takes ownership of one connection. The next is accepted when it settles; it must not reject. */
  readonly take: (connection: Connection) => unknown;
  /** Called when accepting pauses because of an error of the host, such as no free descriptor; at most every 10 s. */
  readonly paused?: (error: unknown) => void;
}

/**
 * Accepts connections until the listener is closed. Skips connections that cannot be accepted; pauses if the host has
 * no resources (EMFILE, ENFILE, ENOBUFS, ENOMEM), as the next attempt would fail at once. Never rejects.
 */
export async function acceptAll<Connection>(
  listener: { accept(): Promise<Connection> },
  { clock, signal, take, paused }: AcceptLoopOptions<Connection>,
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
