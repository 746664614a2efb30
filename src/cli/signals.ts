import type { Logger } from "../base/log.ts";

/** Exit code of a process that is told to stop while it is stopping. */
const EXIT_AT_ONCE = 1;

/**
 * Listens for SIGTERM and SIGINT, which stop, and for SIGHUP, which calls `reload`: again after the call that is under
 * way, but only once, however often it came meanwhile. From a terminal SIGHUP says that the terminal is gone, and stops.
 * @returns Settles with the first signal to stop. A second one ends the process at once.
 */
export function listenForSignals(
  { reload, log }: { reload: () => Promise<void>; log: Logger },
): Promise<Deno.Signal> {
  const stopped = Promise.withResolvers<Deno.Signal>();
  let isStopping = false;
  const stop = (signal: Deno.Signal) => {
    if (isStopping) {
      log.warn("stopped_at_once", { signal });
      Deno.exit(EXIT_AT_ONCE);
    }
    isStopping = true;
    stopped.resolve(signal);
  };
  const again = coalesced(reload);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stop(signal));
  }
  const hasTerminal = Deno.stdin.isTerminal();
  Deno.addSignalListener("SIGHUP", () => {
    if (hasTerminal) stop("SIGHUP");
    else if (!isStopping) again();
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
