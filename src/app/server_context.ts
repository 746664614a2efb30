import type { Logger } from "../base/log.ts";
import type { Tracer } from "../base/tracer.ts";
import type { AppMeter } from "./metrics.ts";

/** Where log lines and measurements go. */
export interface Observers {
  readonly log: Logger;
  readonly meter: AppMeter;
  /** The measurements in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** What surrounds a server. */
export interface ServerContext {
  readonly observers: Observers;
  /** This program's own, for operators. Default: "unknown". */
  readonly version?: string;
  /** Starts this program as the process of an isolated renderer library. */
  readonly bridgeHostCommand: readonly [program: string, ...args: string[]];
  /** Aborted when the server is no longer wanted; once it listens, `close()` is what ends it. Default: never. */
  readonly unwanted?: AbortSignal;
}
