import { readServiceVariables } from "../config/environment.ts";
import { isStderrJournal } from "../observability/systemd.ts";
import { createLogSink } from "../observability/log_sink.ts";
import { runBridgeHost } from "../renderer/bridge/library_host.ts";
import { printError } from "./print.ts";

/**
 * `pinhole bridge-host`: the process of an isolated renderer library. Internal; the server starts it.
 * @returns The exit code.
 */
export async function bridgeHost(): Promise<number> {
  return await runBridgeHost({
    input: Deno.stdin.readable,
    // It shares the server's standard error, so its lines have the same format.
    openLog: (settings) =>
      createLogSink({
        ...settings,
        isTerminal: Deno.stderr.isTerminal(),
        isJournal: isStderrJournal(readServiceVariables().JOURNAL_STREAM),
        write: printError,
      }).logger,
  });
}
