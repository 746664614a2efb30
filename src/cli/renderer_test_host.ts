import { splitAnnexB } from "../media/h264.ts";
import { examineLibrary } from "../renderer/conformance/examine.ts";
import { count, type Verdict } from "../renderer/conformance/verdict.ts";
import type { CallState } from "../renderer/watched_calls.ts";
import { formatRecord } from "./json_records.ts";
import { printOut } from "./print.ts";

/** What the process is told on its standard input, as JSON. */
export interface RendererTestJob {
  /** Path of the shared library. */
  readonly library: string;
  /** Handed to the library as JSON: what `[renderer.options]` would say. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** How long a stream is watched at its pace. */
  readonly seconds: number;
  /** A call on a session that takes longer than this many milliseconds counts as stuck. */
  readonly callMaxMs: number;
}

/** What the process says on its standard error, among whatever the library writes there. */
export interface HostRecord {
  /** Where the library's calls are now. */
  readonly calls?: CallState;
  /** Whether nothing failed: the examination is over. */
  readonly passed?: boolean;
}

/**
 * `pinhole renderer-test-host`: the process in which `pinhole renderer-test` examines a library. It is no command for
 * people.
 *
 * A library that is stuck leaves a call under way: the process must end itself afterwards.
 *
 * @returns Whether nothing failed.
 */
export async function rendererTestHost(): Promise<boolean> {
  const job: RendererTestJob = JSON.parse(await new Response(Deno.stdin.readable).text());
  const passed = await examine(job);
  say({ passed });
  return passed;
}

async function examine(
  { library, options, width, height, fps, seconds, callMaxMs }: RendererTestJob,
): Promise<boolean> {
  const counts = { ok: 0, warning: 0, failed: 0 };
  const remarks = examineLibrary({
    path: library,
    options,
    asked: { width, height, fps },
    seconds,
    callMaxMs,
    nalUnits: splitAnnexB,
    onCalls: (calls) => say({ calls }),
  });
  for await (const remark of remarks) {
    if ("begins" in remark) {
      printOut(`${remark.begins} …`);
    } else {
      counts[remark.level]++;
      printOut(formatVerdict(remark));
    }
  }
  printOut(`${counts.ok} ok, ${count(counts.warning, "warning")}, ${counts.failed} failed`);
  return counts.failed === 0;
}

/** Leaves when nobody listens any more: then the command was ended. */
function say(record: HostRecord): void {
  try {
    // One write, which a record is short enough for.
    Deno.stderr.writeSync(formatRecord(record));
  } catch {
    Deno.exit(1);
  }
}

function formatVerdict({ level, name, text }: Verdict): string {
  return `  ${level.padEnd(8)} ${name.padEnd(13)} ${text}`;
}
