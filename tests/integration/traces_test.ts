import assert from "assert";
import { fileURLToPath } from "node:url";
import denoJson from "../../deno.json" with { type: "json" };
import { NULL_TRACER } from "../../src/base/tracer.ts";
import { openTracer } from "../../src/observability/traces.ts";
import { eventually } from "../support/deadline.ts";
import { FakeOtlpReceiver } from "../support/parts/fake_otlp.ts";
import { type Launch, ServerProcess } from "../support/servers/server_process.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** The task `start` with Deno's exporter switched on, as docs/observability.md tells. */
function launchTraced(endpoint: string): Launch {
  const [, ...args] = denoJson.tasks.start.split(" ");
  const inherited = Object.entries(Deno.env.toObject())
    .filter(([name]) => !/^(PINHOLE|OTEL)_/.test(name));
  return {
    command: [Deno.execPath(), ...args, "--config", "/dev/null"],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: {
      ...Object.fromEntries(inherited),
      OTEL_DENO: "true",
      OTEL_SERVICE_NAME: "pinhole-test",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  };
}

Deno.test("openTracer: drops every span while the exporter is off", () => {
  assert.equal(openTracer("1.2.3"), NULL_TRACER);
  const span = NULL_TRACER.start("viewer_join", { session: "main" });
  span.child("connect").end("closed");
  span.end();
});

Deno.test("traces: a viewer's way in is one trace with its steps, under the request that began it", async () => {
  await using receiver = new FakeOtlpReceiver();
  await using server = await ServerProcess.start({
    ports: 1,
    launch: launchTraced(receiver.endpoint),
    config: { "video.width": 320, "video.height": 180 },
  });
  {
    await using viewer = await WeriftViewer.play(
      `${server.origin.replace("http", "ws")}/ws/main`,
    );
    await viewer.receives(1);
  }
  const spanOf = (name: string) => receiver.spans.find((span) => span.name === name);
  await eventually(() => spanOf("viewer_join") !== undefined, { what: "for the trace" });
  const join = spanOf("viewer_join") ?? assert.fail();
  assert.equal(join.service, "pinhole-test");
  assert.deepEqual(join.attributes, { session: "main" });
  assert.equal(join.failure, undefined);
  await eventually(() => receiver.spans.some(({ spanId }) => spanId === join.parentSpanId), {
    what: "for the span of the request",
  });
  const request = receiver.spans.find(({ spanId }) => spanId === join.parentSpanId);
  assert.equal(request?.attributes["url.path"], "/ws/main");
  assert.equal(request?.traceId, join.traceId);

  const steps = ["open_session", "connect", "first_frame"].map((name) =>
    spanOf(name) ?? assert.fail(`no span ${name}`)
  );
  for (const [index, step] of steps.entries()) {
    assert.equal(step.parentSpanId, join.spanId);
    assert.equal(step.traceId, join.traceId);
    assert.ok(step.startNs >= (steps[index - 1]?.endNs ?? join.startNs), step.name);
    assert.ok(step.endNs <= join.endNs, step.name);
  }
  const { port, codec } = steps[1]?.attributes ?? {};
  assert.deepEqual([Number(port), codec], [server.portMin, "h264"]);
});
