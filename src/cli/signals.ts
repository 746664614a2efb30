import type { Logger } from "../base/log.ts";

/** Exit code of a process that is told to stop while it is stopping. */
const EXIT_AT_ONCE = 1;

/**
 * A signal that comes again so soon, in milliseconds, is an echo of the first: a terminal signals every process in its
 * foreground, and some of those, such as `deno task`, pass on to the server what it has got already.
 */
const ECHO_MS = 500;

/** Tells a first order to stop, echoes of it, and a second order apart. */
export class StopOrders {
  #first: { readonly signal: Deno.Signal; readonly ms: number } | undefined;

  /** Whether the process has been told to stop. */
  get isStopping(): boolean {
    return this.#first !== undefined;
  }

  /**
   * @param nowMs Monotonic time, in milliseconds.
   * @returns `echo` for one that is to be ignored: the first signal again, within half a second.
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
 * Listens for SIGTERM and SIGINT, which stop, and for SIGHUP, which calls `reload`: again after the call that is under
 * way, but only once, however often it came meanwhile. From a terminal SIGHUP says that the terminal is gone, and stops.
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

/** Runs `work`, which never rejects, and once more after it if asked meanwhile. */
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
