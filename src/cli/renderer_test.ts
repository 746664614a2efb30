import { AppError } from "../base/errors.ts";
import { hostCommand } from "./host_command.ts";
import { RecordReader } from "./json_records.ts";
import { formatCrash } from "./library_crash.ts";
import { printErrorBytes } from "./print.ts";
import type { HostRecord, RendererTestJob } from "./renderer_test_host.ts";

/** Default options of `pinhole renderer-test`. */
export const RENDERER_TEST_DEFAULTS = {
  width: 1280,
  height: 720,
  fps: 30,
  seconds: 5,
  callMaxMs: 10_000,
} as const;

/** Options of `pinhole renderer-test`: the path of the library, and values other than the defaults. */
export type RendererTestOptions = Pick<RendererTestJob, "library"> & Partial<RendererTestJob>;

/** A library that ended its process. */
export class LibraryCrash extends AppError<"library_crashed"> {
  /** @param message How it ended, and in which call. */
  constructor(message: string) {
    super("library_crashed", message);
  }
}

/**
 * `pinhole renderer-test`: tests a renderer library in a child process, which prints each step before and after it. The
 * library shares its standard output and error.
 *
 * @param options.command Starts a process that calls `rendererTestHost`: the program, then its arguments.
 * @returns Whether nothing failed.
 * @throws {LibraryCrash} If the library ends the process; names the call.
 */
export async function rendererTest(
  asked: RendererTestOptions,
  { command = hostCommand("renderer-test-host") }: {
    command?: readonly [program: string, ...args: string[]];
  } = {},
): Promise<boolean> {
  const job: RendererTestJob = { options: {}, ...RENDERER_TEST_DEFAULTS, ...asked };
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "inherit",
    stderr: "piped",
  }).spawn();
  // If the process ends before it has read its input, its exit status tells why.
  const told = new Blob([JSON.stringify(job)]).stream().pipeTo(child.stdin).catch(() => {});
  let passed: boolean | undefined;
  let calls: HostRecord["calls"];
  const reader = new RecordReader({
    onRecord: (value) => {
      const record = value as HostRecord;
      calls = record.calls ?? calls;
      passed = record.passed ?? passed;
    },
    onOther: printErrorBytes,
  });
  for await (const chunk of child.stderr) reader.take(chunk);
  reader.end();
  const status = await child.status;
  await told;
  if (passed === undefined || status.signal !== null) {
    throw new LibraryCrash(formatCrash({ status, calls }));
  }
  return passed;
}
