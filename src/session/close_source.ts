import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { FrameSource } from "../media/frame.ts";
import type { SessionMeter } from "./metrics.ts";

/** How long to wait for a renderer that is stuck in a call when its session closes, in milliseconds. */
const STUCK_TIMEOUT_MS = 3_000;

export interface CloseSourceOptions {
  /** Whether no call of the source is in progress. */
  readonly settled: boolean;
  /** Name of the renderer. */
  readonly renderer: string;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  readonly log: Logger;
}

/** Closes a source. One that is stuck in a call is abandoned, since nothing can end a C function from outside. */
export async function closeSource(
  source: FrameSource,
  { settled, renderer, clock, meter, log }: CloseSourceOptions,
): Promise<void> {
  const closing = source.close().catch((error) => {
    meter.count("renderer_errors_total", { call: "close" });
    log.error("renderer_close_failed", { renderer, error: errorText(error) });
  });
  if (settled) return await closing;
  let cancel = () => {};
  const timeout = new Promise<"stuck">((resolve) => {
    cancel = clock.after(STUCK_TIMEOUT_MS, () => resolve("stuck"));
  });
  if (await Promise.race([closing, timeout]) === "stuck") {
    log.error("renderer_stuck", { renderer, ms: STUCK_TIMEOUT_MS });
  }
  cancel();
}
