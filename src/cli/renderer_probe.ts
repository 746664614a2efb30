import { hostCommand } from "./host_command.ts";
import { RecordReader } from "./json_records.ts";
import { formatCrash, type LibraryEnd } from "./library_crash.ts";
import { printErrorBytes } from "./print.ts";
import type { ProbeFound, ProbeRecord, RendererProbeJob } from "./renderer_probe_host.ts";

/** Time limit for the start of the process, in milliseconds; separate from the library's, as the host may be busy. */
const START_MS_MAX = 30_000;

/**
 * Opens a renderer library in a child process and requests one frame. If the library crashes or hangs, the doctor
 * reports the call and continues. Never rejects.
 *
 * @param options.deadlineMs Time limit for the library, in milliseconds; then the process is ended.
 * @param options.signal Ends the process at once when aborted.
 * @param options.command Starts a process that calls `rendererProbeHost`: the program, then its arguments.
 */
export async function probeLibrary(
  job: RendererProbeJob,
  { deadlineMs, command = hostCommand("renderer-probe-host"), signal }: {
    deadlineMs: number;
    signal?: AbortSignal;
    command?: readonly [program: string, ...args: string[]];
  },
): Promise<ProbeFound> {
  const [program, ...args] = command;
  let child: Deno.ChildProcess;
  try {
    const piped = { stdin: "piped", stdout: "null", stderr: "piped" } as const;
    child = new Deno.Command(program, { args, ...piped }).spawn();
  } catch (error) {
    return { kind: "failed", reason: `its process cannot be started: ${error}` };
  }
  let isLate = false;
  const late = () => {
    isLate = true;
    end(child);
  };
  signal?.addEventListener("abort", late);
  let timer = setTimeout(late, START_MS_MAX);
  const begin = () => {
    clearTimeout(timer);
    timer = setTimeout(late, deadlineMs);
  };
  // If the process ends before it has read its input, its exit status tells why.
  const told = new Blob([JSON.stringify(job)]).stream().pipeTo(child.stdin).catch(() => {});
  const records: ProbeRecord[] = [];
  const reader = new RecordReader({
    onRecord: (value) => {
      if (records.length === 0) begin();
      records.push(value as ProbeRecord);
    },
    onOther: printErrorBytes,
  });
  for await (const chunk of child.stderr) reader.take(chunk);
  reader.end();
  const status = await child.status;
  clearTimeout(timer);
  await told;
  const found = records.findLast((record) => record.found !== undefined)?.found;
  const calls = records.findLast((record) => record.calls !== undefined)?.calls;
  if (found !== undefined && (isLate || status.signal === null)) return found;
  const place: LibraryEnd = { status, calls };
  if (!isLate) return { kind: "failed", reason: lowered(formatCrash(place)) };
  if (records.length === 0) {
    return { kind: "failed", reason: `its process did not start within ${START_MS_MAX / 1000} s` };
  }
  const running = calls?.running ?? [];
  const where = running.length === 0 ? "while it was loaded" : `in ${running.join(", or in ")}`;
  return { kind: "failed", reason: `it gave no frame within ${deadlineMs / 1000} s, ${where}` };
}

function end(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}

function lowered(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
