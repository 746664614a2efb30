import type { CallState } from "../renderer/watched_calls.ts";

/** The end of a library's process. */
export interface LibraryEnd {
  readonly status: Pick<Deno.CommandStatus, "code" | "signal">;
  /** State of its calls at that time; `undefined` before the first. */
  readonly calls: CallState | undefined;
}

/** Signals that another process sends, as opposed to crashes. */
const FOREIGN_SIGNALS: readonly (string | null)[] = ["SIGHUP", "SIGINT", "SIGTERM", "SIGKILL"];

/** Describes how a library ended its process, such as `The library crashed (SIGSEGV) in pinhole_open`. Pure. */
export function formatCrash({ status, calls }: LibraryEnd): string {
  return `${formatEnd(status)} ${formatPlace(calls)}`;
}

function formatEnd({ code, signal }: LibraryEnd["status"]): string {
  if (signal === null) return `The library ended its process with exit code ${code}`;
  return FOREIGN_SIGNALS.includes(signal)
    ? `Another process ended the library's process (${signal})`
    : `The library crashed (${signal})`;
}

function formatPlace(calls: CallState | undefined): string {
  // The first reported call is `pinhole_open`.
  if (calls === undefined) return "while it was loaded, or in pinhole_abi_version";
  const { running, last } = calls;
  return running.length > 0
    ? `in ${running.join(", or in ")}`
    : `outside its calls, after ${last}: in one of its threads, while it was unloaded, or at a plane address of ` +
      "a frame";
}
