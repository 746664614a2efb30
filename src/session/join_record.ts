import type { Clock } from "../base/clock.ts";
import { NULL_TRACER, type Span, type SpanAttributes, type Tracer } from "../base/tracer.ts";
import type { SessionMeter } from "./metrics.ts";

export interface JoinRecordOptions {
  readonly sessionId: string;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/**
 * Records one viewer's join, from its offer to its first picture, as metrics and as the trace `viewer_join` with the
 * spans `open_session`, `connect` and `first_frame`. Nothing is recorded after the last of them, or after
 * {@link JoinRecord.failed}.
 */
export class JoinRecord {
  readonly #clock: Clock;
  readonly #meter: SessionMeter;
  readonly #offeredMs: number;
  readonly #span: Span;
  #answeredMs: number;
  #step: Span;
  #isOver = false;

  /** Starts the record when the offer arrives. */
  constructor({ sessionId, clock, meter, tracer = NULL_TRACER }: JoinRecordOptions) {
    this.#clock = clock;
    this.#meter = meter;
    this.#offeredMs = this.#answeredMs = clock.now();
    this.#span = tracer.start("viewer_join", { session: sessionId });
    this.#step = this.#span.child("open_session");
  }

  /** The session is open and the answer is ready. */
  answered(attributes: SpanAttributes): void {
    this.#answeredMs = this.#clock.now();
    this.#meter.observe("answer_seconds", (this.#answeredMs - this.#offeredMs) / 1000);
    this.#next("connect", attributes);
  }

  /** DTLS is done. @returns Milliseconds since the answer. */
  connected(): number {
    const ms = this.#clock.now() - this.#answeredMs;
    this.#meter.observe("connect_seconds", ms / 1000);
    this.#next("first_frame");
    return ms;
  }

  /** The first video packet is sent. */
  firstFrame(): void {
    this.#meter.observe("first_frame_seconds", (this.#clock.now() - this.#offeredMs) / 1000);
    this.#end();
  }

  /** The offer was a further one of an existing viewer. */
  continued(): void {
    this.#end();
  }

  /** The offer was refused, or the viewer ended. Does nothing after the first picture was sent. */
  failed(reason: string): void {
    this.#end(reason);
  }

  #next(name: string, attributes?: SpanAttributes): void {
    if (this.#isOver) return;
    this.#step.end();
    this.#step = this.#span.child(name, attributes);
  }

  #end(failure?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#step.end(failure);
    this.#span.end(failure);
  }
}
