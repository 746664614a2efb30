import { splitAnnexB } from "../media/h264.ts";
import { examineLibrary } from "../renderer/conformance/examine.ts";
import { count, type Verdict } from "../renderer/conformance/verdict.ts";
import type { CallState } from "../renderer/watched_calls.ts";
import { formatRecord } from "./json_records.ts";
import { printOut } from "./print.ts";

/** The job of the process, as JSON on its standard input. */
export interface RendererTestJob {
  /** Path of the shared library. */
  readonly library: string;
  /** Passed to the library as JSON, like `[renderer.options]`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Pixels, even. */
  readonly width: number;
  /** Pixels, even. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** Length of the test stream at its frame rate. */
  readonly seconds: number;
  /** Time limit of a call on a session, in milliseconds; a longer call counts as stuck. */
  readonly callMaxMs: number;
}

/** Records of the process on its standard error, among the library's own output. */
export interface HostRecord {
  /** State of the library's calls. */
  readonly calls?: CallState;
  /** The test has ended: whether nothing failed. */
  readonly passed?: boolean;
}

/**
 * `pinhole renderer-test-host`: the process in which `pinhole renderer-test` tests a library. Internal.
 *
 * If the library hangs, a call is still pending afterwards, so the caller must exit the process.
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

/** Exits if standard error is closed: then the command has ended. */
function say(record: HostRecord): void {
  try {
    // A record is short enough for a single write.
    Deno.stderr.writeSync(formatRecord(record));
  } catch {
    Deno.exit(1);
  }
}

function formatVerdict({ level, name, text }: Verdict): string {
  return `  ${level.padEnd(8)} ${name.padEnd(13)} ${text}`;
}
