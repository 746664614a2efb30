/** Values of a span's attribute. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** A span of a trace. */
export interface Span {
  /** Starts a child span. */
  child(name: string, attributes?: SpanAttributes): Span;
  /**
   * Ends the span. Called once.
   * @param failure Why it failed; absent if it succeeded.
   */
  end(failure?: string): void;
}

/** Starts spans. Unlike metric labels, attributes may name a session: each span is a separate event. */
export interface Tracer {
  start(name: string, attributes?: SpanAttributes): Span;
  /** Runs a function in a span. Spans started during it, and in callbacks bound there, become its children. */
  within<Result>(
    options: { readonly name: string; readonly attributes: SpanAttributes },
    work: () => Promise<Result>,
  ): Promise<Result>;
}

const NULL_SPAN: Span = { child: () => NULL_SPAN, end() {} };

/** Drops every span. */
export const NULL_TRACER: Tracer = { start: () => NULL_SPAN, within: (_, work) => work() };
