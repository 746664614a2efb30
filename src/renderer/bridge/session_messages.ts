import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import type { SharedMeter } from "../../base/shared_metrics.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import type { MessageRefusal } from "../../media/frame.ts";
import { DROPPED_INTERVAL_MS, VIEWER_MESSAGE_BYTES_MAX, VIEWER_MESSAGES_MAX } from "./limits.ts";
import type { Pace } from "./writer_messages.ts";
import type { WriterPort } from "./server_messages.ts";

export interface SessionMessagesOptions {
  /** The session's number. */
  readonly session: number;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly meter: SharedMeter;
  /** Adds the session's id to its events. */
  readonly log: Logger;
}

/** The messages between a writer and the viewers of one session. */
export class SessionMessages {
  readonly #options: SessionMessagesOptions;
  readonly #toViewers: Uint8Array[] = [];
  /** Messages of the writer that did not reach a viewer since the last report. */
  #dropped = 0;
  readonly #reports = new TokenBucket({ perSecond: 1000 / DROPPED_INTERVAL_MS, burst: 1 });

  constructor(options: SessionMessagesOptions) {
    this.#options = options;
  }

  /** Forwards a viewer's message. @returns Why it was dropped; `undefined` if it was not. */
  forward(data: Uint8Array, port: WriterPort | undefined): MessageRefusal | undefined {
    if (port === undefined) return "no_writer";
    if (data.byteLength > VIEWER_MESSAGE_BYTES_MAX) return "too_long";
    const sent = port.trySend({ type: "message", session: this.#options.session, data });
    return sent ? undefined : "not_read";
  }

  /** Queues a copy of a writer's message. */
  take(data: Uint8Array): void {
    if (this.#toViewers.length < VIEWER_MESSAGES_MAX) {
      this.#toViewers.push(data.slice());
    } else {
      const labels = { direction: "to_viewer", reason: "too_many" } as const;
      this.#options.meter.count("messages_dropped_total", labels);
      this.#dropped++;
    }
  }

  /** The next message to the viewers. */
  poll(): Uint8Array | undefined {
    return this.#toViewers.shift();
  }

  /** Counts messages of the writer that did not reach a viewer. */
  drop(count: number): void {
    this.#dropped += count;
  }

  /** The writer is gone: resets the count for the next one. */
  forget(): void {
    this.#dropped = 0;
  }

  /** Reports dropped messages, when due. Called with each picture. */
  report(port: WriterPort | undefined): void {
    const { session, pace, clock, log } = this.#options;
    if (this.#dropped === 0 || !this.#reports.take(clock.now())) return;
    const count = this.#dropped;
    this.#dropped = 0;
    log.warn("renderer_messages_dropped", { count });
    // Only writers that pace themselves handle this message; the C ABI has no function for it.
    if (pace === "writer") port?.trySend({ type: "dropped", session, count });
  }
}
