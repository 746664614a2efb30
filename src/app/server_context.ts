import type { Logger } from "../base/log.ts";
import type { Tracer } from "../base/tracer.ts";
import type { AppMeter } from "./metrics.ts";

/** Destinations of log events and measurements. */
export interface Observers {
  readonly log: Logger;
  readonly meter: AppMeter;
  /** The measurements in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** Environment of a server. */
export interface ServerContext {
  readonly observers: Observers;
  /** Version of this program, for operators. Default: "unknown". */
  readonly version?: string;
  /** Command that starts this program as the process of an isolated renderer library. */
  readonly bridgeHostCommand: readonly [program: string, ...args: string[]];
  /** Cancels the start when aborted; once the server listens, `close()` ends it. Default: never. */
  readonly unwanted?: AbortSignal;
}
