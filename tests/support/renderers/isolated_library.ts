import assert from "assert";
import { fileURLToPath } from "node:url";
import { SYSTEM_CLOCK } from "../../../src/base/clock.ts";
import type { FrameSourceFactory } from "../../../src/media/frame.ts";
import { openIsolatedLibrary } from "../../../src/renderer/bridge/isolated_library.ts";
import { FOLDER, LogRecord } from "./bridge.ts";
import { compileLibrary } from "./native.ts";
import { RecordingMeter } from "../parts/recording_meter.ts";

const HOST = fileURLToPath(new URL("../../testdata/bridge/host.ts", import.meta.url));
const COMMAND = [Deno.execPath(), "run", "--allow-ffi", "--allow-read", HOST] as const;

/** A library that does wrong what it is told to. */
export const fragile: string = await compileLibrary(
  new URL("../../testdata/bridge/fragile.c", import.meta.url),
);

/** A library in a process of its own, and what is told of it. */
export interface Isolated {
  readonly factory: FrameSourceFactory;
  readonly log: LogRecord;
  readonly meter: RecordingMeter;
  /** Process id of the library's process that was started last. */
  readonly pid: () => number;
}

/** Opens a library in a process of its own. */
export function openIsolated(
  { log, meter = new RecordingMeter(), path = fragile, options = {} }: {
    log: LogRecord;
    meter?: RecordingMeter;
    path?: string;
    options?: Readonly<Record<string, unknown>>;
  },
): Promise<FrameSourceFactory> {
  const command = [...COMMAND] as const satisfies readonly [string, ...string[]];
  return openIsolatedLibrary({
    path,
    options,
    command,
    logSettings: { level: "info", format: "json" },
    log: log.logger,
    meter,
    clock: SYSTEM_CLOCK,
  });
}

/** Opens {@link fragile} for a test, and checks that nothing of it is left behind. */
export async function withFragile(use: (isolated: Isolated) => Promise<void>): Promise<void> {
  const log = new LogRecord();
  const meter = new RecordingMeter();
  const factory = await openIsolated({ log, meter });
  const pid = () => Number(log.all("renderer_process_started").at(-1)?.pid);
  const { bridge } = log.all("bridge_opened")[0] ?? {};
  try {
    await use({ factory, log, meter, pid });
  } finally {
    await factory.close();
  }
  assert.ok(!isRunning(pid()), "The library's process still runs");
  assert.throws(() => Deno.statSync(`${FOLDER}/pinhole-${bridge}`), Deno.errors.NotFound);
  assert.throws(() => Deno.statSync(`${FOLDER}/pinhole-${bridge}.sock`), Deno.errors.NotFound);
  assert.equal(log.all("renderer_process_killed").length, 0);
}

/** Whether there is such a process, and not only its remains. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
