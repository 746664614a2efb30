/** One span as it was exported. */
export interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** Of the service, and of the span itself. */
  readonly service: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failure: string | undefined;
  readonly startNs: bigint;
  readonly endNs: bigint;
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Span extends Omit<ExportedSpan, "attributes" | "service" | "failure"> {
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: number; readonly message: string };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface TracesExport {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

/** A stand-in for an OpenTelemetry collector: takes OTLP over HTTP as JSON, and keeps the spans. */
export class FakeOtlpReceiver implements AsyncDisposable {
  /** What came, in the order in which it came. */
  readonly spans: ExportedSpan[] = [];
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const body = await request.json();
      if (new URL(request.url).pathname === "/v1/traces") this.#keep(body);
      return Response.json({});
    },
  );

  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #keep({ resourceSpans }: TracesExport): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = String(readAttributes(resource.attributes)["service.name"]);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          ...span,
          service,
          attributes: readAttributes(span.attributes),
          failure: span.status.code === 2 ? span.status.message : undefined,
          startNs: BigInt(span.startTimeUnixNano),
          endNs: BigInt(span.endTimeUnixNano),
        });
      }
    }
  }
}

function readAttributes(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
