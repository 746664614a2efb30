import assert from "assert";
import process from "node:process";
import { type AppMeter, METRICS } from "../../src/app/metrics.ts";
import { ANY, type MetricDefinition, NULL_METER } from "../../src/base/meter.ts";
import { SHARED_METRICS } from "../../src/base/shared_metrics.ts";
import { measureEventLoopLag } from "../../src/observability/event_loop.ts";
import {
  createMetrics,
  OBSERVABILITY_METRICS,
  PROCESS_METRICS,
} from "../../src/observability/metrics.ts";
import { PORT_METRICS } from "../../src/ports/metrics.ts";
import { formatMetricsReference } from "../support/documents/metrics_reference.ts";
import {
  type KeyframeReason,
  SESSION_METRICS,
  type SessionMeter,
  type SourceCall,
} from "../../src/session/metrics.ts";
import { SIGNALLING_METRICS } from "../../src/signalling/metrics.ts";
import { MEDIA_METRICS } from "../../src/media/metrics.ts";
import { TRANSPORT_METRICS } from "../../src/transport/metrics.ts";
import { ERROR_TABLE } from "../../src/signalling/refusals.ts";
import type { RenderResult } from "../../src/media/frame.ts";
import { ManualClock } from "../support/parts/signalling_set_up.ts";

/** Value of one series in Prometheus' text format. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

Deno.test("createMetrics: counts, sets and observes under prefixed names", async () => {
  const { meter, metricsText } = createMetrics(METRICS);
  meter.count("viewers_joined_total");
  meter.count("viewers_joined_total", {}, 2);
  meter.count("viewers_refused_total", { code: "bad_sdp" });
  meter.gauge("sessions", 3);
  meter.gauge("port_places", 2, { port: 10111, state: "free" });
  meter.observe("connect_seconds", 0.03);
  const text = await metricsText();
  assert.equal(valueOf(text, "pinhole_viewers_joined_total"), 3);
  assert.equal(valueOf(text, 'pinhole_viewers_refused_total{code="bad_sdp"}'), 1);
  assert.equal(valueOf(text, "pinhole_sessions"), 3);
  assert.equal(valueOf(text, 'pinhole_port_places{port="10111",state="free"}'), 2);
  assert.equal(valueOf(text, 'pinhole_connect_seconds_bucket{le="0.02"}'), 0);
  assert.equal(valueOf(text, 'pinhole_connect_seconds_bucket{le="0.05"}'), 1);
  assert.equal(valueOf(text, "pinhole_connect_seconds_sum"), 0.03);
});

Deno.test("createMetrics: every metric is there from the start, with its help and kind", async () => {
  const text = await createMetrics(METRICS).metricsText();
  for (const [name, { kind, help }] of Object.entries(METRICS)) {
    assert.ok(text.includes(`# HELP pinhole_${name} ${help}\n# TYPE pinhole_${name} ${kind}\n`));
  }
});

Deno.test("createMetrics: each registry is its own", async () => {
  createMetrics(METRICS).meter.gauge("sessions", 7);
  assert.equal(valueOf(await createMetrics(METRICS).metricsText(), "pinhole_sessions"), 0);
});

Deno.test("createMetrics: wrong names, kinds and labels are programmer errors", () => {
  const { meter } = createMetrics(METRICS);
  assert.throws(() => meter.count("no_such_metric"), TypeError);
  assert.throws(() => meter.count("sessions"), TypeError);
  assert.throws(() => meter.gauge("connect_seconds", 1), TypeError);
  assert.throws(() => meter.observe("viewers_joined_total", 1), TypeError);
  assert.throws(() => meter.count("viewers_refused_total"), /has the labels \[code\], not \[\]/);
  assert.throws(() => meter.count("viewers_refused_total", { reason: "x" }), TypeError);
  assert.throws(() => meter.count("viewers_refused_total", { code: "x", more: 1 }), TypeError);
  assert.throws(() => meter.gauge("sessions", 1, { session: "main" }), TypeError);
});

Deno.test("createMetrics: counters whose label values are known begin with 0 for each", async () => {
  const text = await createMetrics(METRICS).metricsText();
  for (const [name, definition] of Object.entries(METRICS) as [string, MetricDefinition][]) {
    const [[label, values] = [], another] = Object.entries(definition.labels ?? {});
    const isShown = definition.kind === "counter" && another === undefined;
    for (const value of Array.isArray(values) ? values : []) {
      const found = valueOf(text, `pinhole_${name}{${label}="${value}"}`);
      assert.equal(found, isShown ? 0 : undefined, name);
    }
  }
});

Deno.test("Meter: the compiler refuses names, kinds, labels and values that no table has", () => {
  const misuse = (meter: AppMeter, session: SessionMeter, code: string): void => {
    // @ts-expect-error: no such metric
    meter.count("viewer_joined_total");
    // @ts-expect-error: a gauge
    meter.count("sessions");
    // @ts-expect-error: a counter
    meter.observe("viewers_joined_total", 1);
    // @ts-expect-error: without its label
    meter.count("viewers_ended_total");
    // @ts-expect-error: a label of another name
    meter.count("viewers_ended_total", { code: "bye" });
    // @ts-expect-error: a label too many
    meter.count("viewers_ended_total", { reason: "bye", session: "main" });
    // @ts-expect-error: a label where there is none
    meter.count("viewers_joined_total", { session: "main" });
    // @ts-expect-error: a reason that is misspelt
    meter.count("viewers_ended_total", { reason: "connect_timout" });
    // @ts-expect-error: any text
    meter.count("viewers_refused_total", { code });
    // @ts-expect-error: a state that is misspelt, beside a label that takes any value
    meter.gauge("port_places", 1, { port: 10111, state: "fre" });
    // @ts-expect-error: what another folder counts
    session.count("viewers_refused_total", { code: "bad_sdp" });
    // @ts-expect-error: one that does not count all
    const all: AppMeter = session;
    const part: SessionMeter = all;
    part.count("viewers_ended_total", { reason: "bye" });
  };
  misuse(NULL_METER, NULL_METER, "");
});

Deno.test("METRICS: each is in one table, and has values of its labels that differ", () => {
  const tables = [
    ...[SHARED_METRICS, MEDIA_METRICS, PORT_METRICS, TRANSPORT_METRICS],
    ...[SESSION_METRICS, SIGNALLING_METRICS, OBSERVABILITY_METRICS],
  ];
  const names = tables.flatMap((table) => Object.keys(table));
  assert.deepEqual(names.toSorted(), Object.keys(METRICS).toSorted());
  for (const { labels = {} } of Object.values<MetricDefinition>(METRICS)) {
    for (const values of Object.values(labels)) {
      if (values !== ANY) assert.equal(new Set(values).size, values.length);
    }
  }
});

Deno.test("METRICS: label values are those that the program has, all of them", () => {
  // The compiler holds each list complete.
  const keyframes: Record<KeyframeReason, true> = {
    join: true,
    pli: true,
    nack: true,
    fir: true,
    moved: true,
    left_out: true,
    resumed: true,
  };
  const calls: Record<SourceCall, true> = { render: true, audio: true, poll_message: true };
  const results: Record<RenderResult["status"] | "error", true> = {
    frame: true,
    unchanged: true,
    idle: true,
    end: true,
    failed: true,
    error: true,
  };
  const same = (values: readonly string[], program: object) =>
    assert.deepEqual([...values].sort(), Object.keys(program).sort());
  same(METRICS.viewers_refused_total.labels.code, ERROR_TABLE);
  same(METRICS.keyframes_requested_total.labels.reason, keyframes);
  same(METRICS.renderer_stalls_total.labels.call, calls);
  same(METRICS.renders_total.labels.result, results);
});

Deno.test("createMetrics: label values are escaped", async () => {
  const { meter, metricsText } = createMetrics(METRICS);
  meter.count("viewers_refused_total", { code: 'a"b\nc\\d' });
  const text = await metricsText();
  assert.equal(valueOf(text, 'pinhole_viewers_refused_total{code="a\\"b\\nc\\\\d"}'), 1);
});

Deno.test("createMetrics: the process' own metrics are plausible, and CPU time does not add up twice", async () => {
  const { metricsText } = createMetrics(METRICS);
  await metricsText();
  const text = await metricsText();
  const memory = valueOf(text, "process_resident_memory_bytes") ?? 0;
  assert.ok(memory > 10e6 && memory < 100e9, `${memory}`);
  const startS = valueOf(text, "process_start_time_seconds") ?? 0;
  assert.ok(startS > 1.7e9 && startS <= Date.now() / 1000);
  const cpuS = valueOf(text, "process_cpu_seconds_total") ?? 0;
  const { user, system } = process.cpuUsage();
  assert.ok(cpuS > 0 && cpuS <= (user + system) / 1e6, `${cpuS}`);
  const heap = valueOf(text, "process_heap_bytes") ?? 0;
  assert.ok(heap > 1e6, `${heap}`);
});

Deno.test("measureEventLoopLag: observes how late timers fire, until it is closed", async () => {
  const { meter, metricsText } = createMetrics(METRICS);
  const clock = new ManualClock();
  {
    using _lag = measureEventLoopLag(meter, clock);
    clock.advance(1000);
    clock.advance(750, { lateMs: 250 });
  }
  assert.equal(clock.pending, 0);
  const text = await metricsText();
  assert.equal(valueOf(text, "pinhole_event_loop_lag_seconds_count"), 3);
  assert.equal(valueOf(text, "pinhole_event_loop_lag_seconds_sum"), 0.25);
});

Deno.test("formatMetricsReference: docs/metrics.md is up to date and names every metric", async () => {
  const text = formatMetricsReference(METRICS);
  assert.equal(await Deno.readTextFile(new URL("../../docs/metrics.md", import.meta.url)), text);
  for (const name of Object.keys(METRICS)) assert.ok(text.includes(`| \`pinhole_${name}\` |`));
  for (const name of Object.keys(PROCESS_METRICS)) assert.ok(text.includes(`| \`${name}\` |`));
});
