import { NULL_TRACER, type Span, type SpanAttributes, type Tracer } from "../base/tracer.ts";

/** OpenTelemetry's status code of a failed span. */
const STATUS_ERROR = 2;

/** The key under which an OpenTelemetry context holds the parent span. */
const PARENT_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** The parts of Deno's untyped telemetry API that are used here. */
interface DenoTracer {
  startSpan(
    name: string,
    options?: { attributes: SpanAttributes },
    context?: DenoContext,
  ): DenoSpan;
}

interface DenoSpan {
  setStatus(status: { code: number; message: string }): void;
  end(): void;
}

interface DenoContext {
  setValue(key: symbol, value: DenoSpan): DenoContext;
}

/**
 * Makes a tracer for Deno's exporter, which `OTEL_DENO=true` switches on. While it is off, and in runtimes without it,
 * every span is dropped at no cost.
 */
export function openTracer(version: string): Tracer {
  const tracer: DenoTracer = Deno.telemetry.tracerProvider.getTracer("pinhole", version);
  try {
    // Throws while the exporter is off; this test span never ends, so it is never sent.
    tracer.startSpan("probe");
  } catch {
    return NULL_TRACER;
  }
  return {
    start: (name, attributes) => toSpan(tracer, begin(tracer, { name, attributes })),
    within(options, work) {
      const span = begin(tracer, options);
      const { contextManager } = Deno.telemetry;
      const context = (contextManager.active() as DenoContext).setValue(PARENT_KEY, span);
      return contextManager.with(context, () => work().finally(() => span.end()));
    },
  };
}

function begin(
  tracer: DenoTracer,
  { name, attributes = {}, parent }: {
    name: string;
    attributes: SpanAttributes | undefined;
    parent?: DenoSpan;
  },
): DenoSpan {
  const active: DenoContext = Deno.telemetry.contextManager.active();
  const context = parent === undefined ? active : active.setValue(PARENT_KEY, parent);
  return tracer.startSpan(name, { attributes }, context);
}

function toSpan(tracer: DenoTracer, span: DenoSpan): Span {
  return {
    child: (name, attributes) => toSpan(tracer, begin(tracer, { name, attributes, parent: span })),
    end(failure) {
      if (failure !== undefined) span.setStatus({ code: STATUS_ERROR, message: failure });
      span.end();
    },
  };
}
