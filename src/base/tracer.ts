/** Values that an attribute of a span may have. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** Something that takes time, as a trace shows it. */
export interface Span {
  /** Begins a step of this one. */
  child(name: string, attributes?: SpanAttributes): Span;
  /**
   * The step is over. Called once.
   * @param failure Why it did not come to its good end.
   */
  end(failure?: string): void;
}

/** Begins traces. Unlike those of metrics, attributes may name a session: each span is an event, as a log line is. */
export interface Tracer {
  start(name: string, attributes?: SpanAttributes): Span;
  /**
   * Does something that takes time. What `start` begins meanwhile, and in callbacks that are bound there, comes below it.
   */
  within<Result>(
    options: { readonly name: string; readonly attributes: SpanAttributes },
    work: () => Promise<Result>,
  ): Promise<Result>;
}

const NULL_SPAN: Span = { child: () => NULL_SPAN, end() {} };

/** Drops every span. */
export const NULL_TRACER: Tracer = { start: () => NULL_SPAN, within: (_, work) => work() };
