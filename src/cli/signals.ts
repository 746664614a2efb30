import type { Logger } from "../base/log.ts";

/** Exit code after a second signal to stop. */
const EXIT_AT_ONCE = 1;

/**
 * Time within which the same signal is a duplicate, in milliseconds: a terminal signals every foreground process, and
 * some of these, such as `deno task`, forward the signal to the server again.
 */
const ECHO_MS = 500;

/** Distinguishes the first signal to stop, duplicates of it, and a second signal. */
export class StopOrders {
  #first: { readonly signal: Deno.Signal; readonly ms: number } | undefined;

  /** Whether a signal to stop has arrived. */
  get isStopping(): boolean {
    return this.#first !== undefined;
  }

  /**
   * @param nowMs Monotonic time, in milliseconds.
   * @returns `echo` for a duplicate, which must be ignored: the first signal again, within half a second.
   */
  take(signal: Deno.Signal, nowMs: number): "stop" | "echo" | "stop_at_once" {
    if (this.#first === undefined) {
      this.#first = { signal, ms: nowMs };
      return "stop";
    }
    const isEcho = signal === this.#first.signal && nowMs - this.#first.ms < ECHO_MS;
    return isEcho ? "echo" : "stop_at_once";
  }
}

/**
 * Handles SIGTERM and SIGINT, which stop, and SIGHUP, which calls `reload`. Calls of `reload` do not overlap; several
 * signals during one call cause one more call. With a terminal, SIGHUP means that the terminal has closed, and stops.
 * @returns Settles with the first signal to stop. A second one ends the process at once; see {@link StopOrders}.
 */
export function listenForSignals(
  { reload, log }: { reload: () => Promise<void>; log: Logger },
): Promise<Deno.Signal> {
  const stopped = Promise.withResolvers<Deno.Signal>();
  const orders = new StopOrders();
  const stop = (signal: Deno.Signal) => {
    const order = orders.take(signal, performance.now());
    if (order === "stop_at_once") {
      log.warn("stopped_at_once", { signal });
      Deno.exit(EXIT_AT_ONCE);
    }
    if (order === "stop") stopped.resolve(signal);
  };
  const again = coalesced(reload);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stop(signal));
  }
  const hasTerminal = Deno.stdin.isTerminal();
  Deno.addSignalListener("SIGHUP", () => {
    if (hasTerminal) stop("SIGHUP");
    else if (!orders.isStopping) again();
  });
  return stopped.promise;
}

/** Runs `work`, which never rejects, and once more if it was requested again meanwhile. */
function coalesced(work: () => Promise<void>): () => void {
  let running: Promise<void> | undefined;
  let isWanted = false;
  const run = async () => {
    do {
      isWanted = false;
      await work();
    } while (isWanted);
    running = undefined;
  };
  return () => {
    isWanted = true;
    running ??= run();
  };
}
