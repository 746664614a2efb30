import type { Clock } from "../base/clock.ts";
import { NULL_TRACER, type Span, type SpanAttributes, type Tracer } from "../base/tracer.ts";
import type { SessionMeter } from "./metrics.ts";

/** What a {@link Joining} needs. */
export interface JoiningOptions {
  readonly sessionId: string;
  readonly clock: Clock;
  readonly meter: SessionMeter;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/**
 * One viewer's way in, from its offer to its first picture, as metrics and as the trace `viewer_join` with the steps
 * `open_session`, `connect` and `first_frame`. Nothing counts after the last of them, or after {@link Joining.failed}.
 */
export class Joining {
  readonly #clock: Clock;
  readonly #meter: SessionMeter;
  readonly #offeredMs: number;
  readonly #span: Span;
  #answeredMs: number;
  #step: Span;
  #isOver = false;

  /** The offer came. */
  constructor({ sessionId, clock, meter, tracer = NULL_TRACER }: JoiningOptions) {
    this.#clock = clock;
    this.#meter = meter;
    this.#offeredMs = this.#answeredMs = clock.now();
    this.#span = tracer.start("viewer_join", { session: sessionId });
    this.#step = this.#span.child("open_session");
  }

  /** The session is open and the answer is made. */
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

  /** The first video packet leaves. */
  firstFrame(): void {
    this.#meter.observe("first_frame_seconds", (this.#clock.now() - this.#offeredMs) / 1000);
    this.#end();
  }

  /** The offer was of a viewer that is in already. */
  continued(): void {
    this.#end();
  }

  /** The offer was refused, or the viewer ended. Does nothing once the first picture is out. */
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
